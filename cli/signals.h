// SPDX-License-Identifier: Apache-2.0
// How the command begins, and what happens when something ends it early.
#ifndef DUPLEX_CLI_SIGNALS_H
#define DUPLEX_CLI_SIGNALS_H

#include <signal.h>

// Once, before anything else. Descriptors 0 to 2 are open from now on. A write to a pipe without a reader or
// beyond a limit of file sizes fails with an error instead of a signal. Every signal that ends the command,
// and exit() of a library, call `clean_up` first, which makes only calls that a signal handler may make.
void signals_start(void (*clean_up)(void));

// Signals that end the command wait until they are released.
void signals_hold(sigset_t *before);
void signals_release(const sigset_t *before);

#endif
