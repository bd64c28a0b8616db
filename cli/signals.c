// SPDX-License-Identifier: Apache-2.0
// How the command begins, and what happens when something ends it early.
#include "cli/signals.h"

#include <stdlib.h>

#include "duplex/signals.h"
#include "duplex/text_file.h"

static void (*clean_up_files)(void);

// Cleans up, then ends as the signal would have.
static void on_signal(int number) {
  clean_up_files();
  signal(number, SIG_DFL);
  raise(number);
}

// The call that failed tells by its error. No SIG_IGN, which programs that the library starts would inherit.
static void stay(int number) { (void)number; }

// A signal that is ignored (as under nohup) or that somebody else handles (a sanitizer) stays so.
static void watch(int number) {
  struct sigaction action;
  if (sigaction(number, NULL, &action) != 0 || action.sa_handler != SIG_DFL) return;
  signal(number, on_signal);
}

void signals_start(void (*clean_up)(void)) {
  duplex_reserve_descriptors();
  clean_up_files = clean_up;
  signal(SIGPIPE, stay);
  signal(SIGXFSZ, stay);
  for (int number = 1; number <= SIGRTMAX; number++)
    if (duplex_signal_ends_program(number)) watch(number);
  atexit(clean_up);
}

void signals_hold(sigset_t *before) {
  sigset_t set;
  sigemptyset(&set);
  for (int number = 1; number <= SIGRTMAX; number++)
    if (duplex_signal_ends_program(number)) sigaddset(&set, number);
  pthread_sigmask(SIG_BLOCK, &set, before);
}

void signals_release(const sigset_t *before) { pthread_sigmask(SIG_SETMASK, before, NULL); }
