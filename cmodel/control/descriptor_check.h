// SPDX-License-Identifier: Apache-2.0
// What a stack refuses, as rtl/control/descriptor_check.v.
#ifndef DUPLEX_CMODEL_DESCRIPTOR_CHECK_H
#define DUPLEX_CMODEL_DESCRIPTOR_CHECK_H

#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

// The code of params/registers.rdl, 0 if the descriptor may be executed, and what the error address register
// takes. If several things are wrong the lowest code is reported. Stripe: the mask; ranges: the first row set
// beyond the stripe set; shared range: the first word of the access; otherwise 0.
uint32_t descriptor_check(const uint32_t *descriptor, unsigned channels, uint32_t owner, uint32_t *address);

#ifdef __cplusplus
}
#endif
#endif
