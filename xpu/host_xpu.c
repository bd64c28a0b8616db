// SPDX-License-Identifier: Apache-2.0
// The built-in xPU behind duplex/xpu.h: a thread that does works in the order in which they come.
#include <pthread.h>
#include <stdlib.h>
#include <unistd.h>

#include "duplex/error.h"
#include "duplex/xpu.h"
#include "xpu/kernel_table.h"
#include "xpu/time.h"
#include "xpu/work.h"

enum { CHANNELS_MOST = 256 };

struct task {
  struct task *next;
  uint64_t ticket;
  struct duplex_xpu_work work;
  bool ended;
  int error;
};

struct host_xpu {
  struct duplex_xpu xpu;
  pid_t process;  // that opened it
  unsigned threads;
  struct xpu_time_model model;
  struct xpu_kernel_table gemm_table, prefill_table, elements_table;
  pthread_t thread;
  pthread_mutex_t lock;    // of all below
  pthread_cond_t changed;  // a task came or ended, or the xPU closes
  struct task *first;      // in the order of tickets
  uint64_t tickets;
  bool closing;
};

static struct host_xpu *self(struct duplex_xpu *xpu) { return (struct host_xpu *)xpu; }

// In a child of fork the thread is not there, and nobody would do or end anything.
static bool has_thread(const struct host_xpu *host) { return host->process == getpid(); }

// The oldest task that has still to be done.
static struct task *next_task(struct host_xpu *host) {
  struct task *task = host->first;
  while (task && task->ended) task = task->next;
  return task;
}

// Does tasks until the xPU closes and none is left. A task stays in the list while it is done. Signals are
// given without the lock, which who is woken takes first.
static void *work(void *argument) {
  struct host_xpu *host = argument;
  struct task *task;
  pthread_mutex_lock(&host->lock);
  for (;;) {
    while (!(task = next_task(host)) && !host->closing) pthread_cond_wait(&host->changed, &host->lock);
    if (!task) break;
    pthread_mutex_unlock(&host->lock);
    const int error = xpu_work_run(&task->work, host->threads);
    pthread_mutex_lock(&host->lock);
    task->error = error;
    task->ended = true;
    pthread_mutex_unlock(&host->lock);
    pthread_cond_broadcast(&host->changed);
    pthread_mutex_lock(&host->lock);
  }
  pthread_mutex_unlock(&host->lock);
  return NULL;
}

static void free_all(struct host_xpu *host) {
  while (host->first) {
    struct task *task = host->first;
    host->first = task->next;
    free(task);
  }
  xpu_kernel_table_free(&host->gemm_table);
  xpu_kernel_table_free(&host->prefill_table);
  xpu_kernel_table_free(&host->elements_table);
  free(host);
}

static void host_close(struct duplex_xpu *xpu) {
  struct host_xpu *host = self(xpu);
  if (!has_thread(host)) return;
  pthread_mutex_lock(&host->lock);
  host->closing = true;
  pthread_cond_broadcast(&host->changed);
  pthread_mutex_unlock(&host->lock);
  pthread_join(host->thread, NULL);
  pthread_cond_destroy(&host->changed);
  pthread_mutex_destroy(&host->lock);
  free_all(host);
}

static int host_estimate(struct duplex_xpu *xpu, const struct duplex_xpu_work *work, uint64_t *picoseconds) {
  return xpu_time_work(&self(xpu)->model, work, picoseconds);
}

static uint64_t host_launch(struct duplex_xpu *xpu) { return self(xpu)->model.launch; }

// A shape that has no time is refused here, the rest by the function that does the work.
static int host_submit(struct duplex_xpu *xpu, const struct duplex_xpu_work *work, uint64_t *ticket) {
  struct host_xpu *host = self(xpu);
  uint64_t time;
  if (!has_thread(host)) return DUPLEX_ERROR_ARGUMENT;
  const int error = xpu_time_work(&host->model, work, &time);
  if (error) return error;
  struct task *task = calloc(1, sizeof *task);
  if (!task) return DUPLEX_ERROR_NO_MEMORY;
  task->work = *work;
  pthread_mutex_lock(&host->lock);
  struct task **end = &host->first;
  while (*end) end = &(*end)->next;
  *end = task;
  *ticket = task->ticket = ++host->tickets;
  pthread_mutex_unlock(&host->lock);
  pthread_cond_broadcast(&host->changed);
  return DUPLEX_OK;
}

// Where the list has the task of a ticket, or NULL.
static struct task **find(struct host_xpu *host, uint64_t ticket) {
  struct task **at = &host->first;
  while (*at && (*at)->ticket != ticket) at = &(*at)->next;
  return *at ? at : NULL;
}

static int host_ended(struct duplex_xpu *xpu, uint64_t ticket) {
  struct host_xpu *host = self(xpu);
  int result = DUPLEX_ERROR_ARGUMENT;
  if (!has_thread(host)) return result;
  pthread_mutex_lock(&host->lock);
  struct task **task = find(host, ticket);
  if (task) result = (*task)->error ? (*task)->error : (*task)->ended;
  pthread_mutex_unlock(&host->lock);
  return result;
}

// Other threads may submit and wait meanwhile, so the place in the list is looked up again each time.
static int host_wait(struct duplex_xpu *xpu, uint64_t ticket) {
  struct host_xpu *host = self(xpu);
  struct task **at;
  if (!has_thread(host)) return DUPLEX_ERROR_ARGUMENT;
  pthread_mutex_lock(&host->lock);
  while ((at = find(host, ticket)) && !(*at)->ended) pthread_cond_wait(&host->changed, &host->lock);
  struct task *task = at ? *at : NULL;
  const int error = task ? task->error : DUPLEX_ERROR_ARGUMENT;
  if (task) *at = task->next;
  pthread_mutex_unlock(&host->lock);
  free(task);
  return error;
}

static const struct duplex_xpu_ops host_ops = {
    .name = "host",
    .close = host_close,
    .submit = host_submit,
    .ended = host_ended,
    .wait = host_wait,
    .estimate = host_estimate,
    .launch = host_launch,
};

// Loads a table of the user's, which must be of this kind, and uses it.
static int use_table(const char *path, enum xpu_kernel_kind kind, struct xpu_kernel_table *table,
                     const struct xpu_kernel_table **used, char *cause, size_t cause_size) {
  if (!path) return DUPLEX_OK;
  const int error = xpu_kernel_table_load(path, kind, table, cause, cause_size);
  if (!error) *used = table;
  return error;
}

static int use_tables(struct host_xpu *host, const struct duplex_xpu_options *options, char *cause,
                      size_t cause_size) {
  struct xpu_time_model *m = &host->model;
  int error =
      use_table(options->gemm_table, XPU_KERNEL_GEMM, &host->gemm_table, &m->gemm_table, cause, cause_size);
  if (!error)
    error = use_table(options->prefill_table, XPU_KERNEL_PREFILL, &host->prefill_table, &m->prefill_table,
                      cause, cause_size);
  if (!error)
    error = use_table(options->elements_table, XPU_KERNEL_ELEMENTS, &host->elements_table, &m->elements_table,
                      cause, cause_size);
  return error;
}

// The lock, the signal and the thread; with an error none of them is there.
static int start(struct host_xpu *host) {
  host->process = getpid();
  if (pthread_mutex_init(&host->lock, NULL)) return DUPLEX_ERROR_NO_MEMORY;
  if (pthread_cond_init(&host->changed, NULL)) {
    pthread_mutex_destroy(&host->lock);
    return DUPLEX_ERROR_NO_MEMORY;
  }
  if (pthread_create(&host->thread, NULL, work, host) == 0) return DUPLEX_OK;
  pthread_cond_destroy(&host->changed);
  pthread_mutex_destroy(&host->lock);
  return DUPLEX_ERROR_NO_MEMORY;
}

int duplex_xpu_open(const struct duplex_xpu_options *options, struct duplex_xpu **xpu, char *cause,
                    size_t cause_size) {
  if (xpu) *xpu = NULL;
  if (cause && cause_size) cause[0] = 0;
  if (!options || !xpu) return DUPLEX_ERROR_ARGUMENT;
  if (options->channels < 1 || options->channels > CHANNELS_MOST) return DUPLEX_ERROR_ARGUMENT;
  struct host_xpu *host = calloc(1, sizeof *host);
  if (!host) return DUPLEX_ERROR_NO_MEMORY;
  host->xpu.ops = &host_ops;
  host->threads = options->threads;
  host->model = xpu_time_h100(options->channels);
  if (options->clock_khz) xpu_time_set_clock(&host->model, options->clock_khz);
  int error = use_tables(host, options, cause, cause ? cause_size : 0);
  if (!error) error = start(host);
  if (error) {
    free_all(host);
    return error;
  }
  *xpu = &host->xpu;
  return DUPLEX_OK;
}
