// SPDX-License-Identifier: Apache-2.0
// What the library of the RV32 controller exports.
#ifndef DUPLEX_CONTROLLER_LIBRARY_H
#define DUPLEX_CONTROLLER_LIBRARY_H

#include <stddef.h>

#include "backend/controller.h"

#define DUPLEX_RISCV_INTERFACE 2u  // grows with every change of backend/controller.h or of the mailbox

typedef int open_riscv(const struct duplex_riscv_options *options, struct duplex_backend *backend,
                       struct controller **controller, char *text, size_t size);

extern const unsigned duplex_riscv_interface;
open_riscv duplex_riscv_open;

#endif
