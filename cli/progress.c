// SPDX-License-Identifier: Apache-2.0
// The line of progress, written by a thread of its own: the work itself may be one call of the library.
#include "cli/progress.h"

#include <pthread.h>
#include <signal.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdio.h>
#include <time.h>
#include <unistd.h>

#define QUIET_SECONDS 2.0
#define EVERY_NS 250000000

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;  // of what follows
static char what[256];                                    // empty: nothing is done
static struct timespec begun;
static bool off, running, shown;
static atomic_uint_fast64_t share_done, share_total;

static double seconds_since(const struct timespec *then) {
  struct timespec now;
  clock_gettime(CLOCK_MONOTONIC, &now);
  return (double)(now.tv_sec - then->tv_sec) + (double)(now.tv_nsec - then->tv_nsec) * 1e-9;
}

// With the lock.
static void erase(void) {
  if (shown) fputs("\r\033[K", stderr);
  shown = false;
}

// With the lock.
static void show(void) {
  const double seconds = seconds_since(&begun);
  const uint64_t done = atomic_load(&share_done);
  const uint64_t total = atomic_load(&share_total);
  if (!what[0] || seconds < QUIET_SECONDS) return;
  char share[16] = "";
  if (total) snprintf(share, sizeof share, ", %d%%", (int)(100.0 * (double)done / (double)total));
  fprintf(stderr, "\r\033[K%s: %.0f s%s", what, seconds, share);
  fflush(stderr);
  shown = true;
}

static void *watch(void *unused) {
  const struct timespec pause = {.tv_nsec = EVERY_NS};
  for (;;) {
    nanosleep(&pause, NULL);
    pthread_mutex_lock(&lock);
    show();
    pthread_mutex_unlock(&lock);
  }
  return unused;
}

// With the lock. Signals go to the thread that works. Without a thread there is no line.
static void start_thread(void) {
  pthread_t thread;
  sigset_t all, before;
  sigfillset(&all);
  pthread_sigmask(SIG_SETMASK, &all, &before);
  running = true;
  if (pthread_create(&thread, NULL, watch, NULL) == 0) pthread_detach(thread);
  pthread_sigmask(SIG_SETMASK, &before, NULL);
}

void progress_off(void) {
  pthread_mutex_lock(&lock);
  off = true;
  pthread_mutex_unlock(&lock);
}

// With the lock.
static void set_text(const char *format, va_list arguments) {
  vsnprintf(what, sizeof what, format, arguments);
  for (char *c = what; *c; c++)
    if ((unsigned char)*c < ' ' || *c == 0x7f) *c = '?';
}

void progress(const char *format, ...) {
  pthread_mutex_lock(&lock);
  if (!off && isatty(STDERR_FILENO)) {
    va_list arguments;
    va_start(arguments, format);
    set_text(format, arguments);
    va_end(arguments);
    clock_gettime(CLOCK_MONOTONIC, &begun);
    atomic_store(&share_total, 0);
    if (!running) start_thread();
  }
  pthread_mutex_unlock(&lock);
}

void progress_step(const char *format, ...) {
  va_list arguments;
  va_start(arguments, format);
  pthread_mutex_lock(&lock);
  if (what[0]) set_text(format, arguments);
  pthread_mutex_unlock(&lock);
  va_end(arguments);
}

void progress_share(uint64_t done, uint64_t total) {
  atomic_store(&share_done, done);
  atomic_store(&share_total, total);
}

void progress_end(void) {
  pthread_mutex_lock(&lock);
  what[0] = 0;
  erase();
  pthread_mutex_unlock(&lock);
}
