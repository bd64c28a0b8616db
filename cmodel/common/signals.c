// SPDX-License-Identifier: Apache-2.0
// Which signals end a program, for programs that have to clean up first.
#include "duplex/signals.h"

#include <signal.h>

// The signals that do not end a program unless it asks, that nothing can catch, or that become errors of
// write.
static const int others[] = {SIGKILL, SIGSTOP, SIGTSTP, SIGTTIN,  SIGTTOU, SIGCONT,
                             SIGCHLD, SIGURG,  SIGPIPE, SIGWINCH, SIGXFSZ};

bool duplex_signal_ends_program(int number) {
  for (unsigned i = 0; i < sizeof others / sizeof *others; i++)
    if (others[i] == number) return false;
  return true;
}
