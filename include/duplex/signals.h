// SPDX-License-Identifier: Apache-2.0
// Which signals end a program, for programs that have to clean up first.
#ifndef DUPLEX_SIGNALS_H
#define DUPLEX_SIGNALS_H

#include <stdbool.h>

#ifdef __cplusplus
extern "C" {
#endif

// Whether a signal, 1 to SIGRTMAX, ends a program that does not ask for it and can be caught. SIGPIPE and
// SIGXFSZ are not among them: with a handler they become errors of write, which the program tells.
bool duplex_signal_ends_program(int number);

#ifdef __cplusplus
}
#endif
#endif
