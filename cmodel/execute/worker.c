// SPDX-License-Identifier: Apache-2.0
// Computes descriptors in their order, on a thread beside the one that keeps time.
#include "cmodel/execute/worker.h"

#include <string.h>

#include "duplex/error.h"

// The next descriptor; false: the worker ends. With the lock.
static bool wait_for_work(struct worker *worker) {
  while (worker->pushed == worker->done && !worker->ends) pthread_cond_wait(&worker->changed, &worker->lock);
  return worker->pushed != worker->done;
}

// The thread: has the lock but while it computes. After an error descriptors are counted and not computed.
static void *work(void *argument) {
  struct worker *worker = argument;
  pthread_mutex_lock(&worker->lock);
  while (wait_for_work(worker)) {
    const uint32_t *descriptor = worker->descriptor[worker->done % WORKER_ROOM];
    const bool skip = worker->error != DUPLEX_OK;
    pthread_mutex_unlock(&worker->lock);
    const int error = skip ? DUPLEX_OK : execute_descriptor(worker->execution, descriptor);
    pthread_mutex_lock(&worker->lock);
    if (error) worker->error = error;
    worker->done++;
    pthread_cond_broadcast(&worker->changed);
  }
  pthread_mutex_unlock(&worker->lock);
  return NULL;
}

void worker_open(struct worker *worker, struct execution *execution) {
  worker->execution = execution;
  pthread_mutex_init(&worker->lock, NULL);
  pthread_cond_init(&worker->changed, NULL);
}

void worker_close(struct worker *worker) {
  if (!worker->execution) return;
  pthread_mutex_lock(&worker->lock);
  worker->ends = true;
  pthread_cond_broadcast(&worker->changed);
  pthread_mutex_unlock(&worker->lock);
  if (worker->started) pthread_join(worker->thread, NULL);
  pthread_cond_destroy(&worker->changed);
  pthread_mutex_destroy(&worker->lock);
}

int worker_push(struct worker *worker, const uint32_t *descriptor) {
  if (!worker->started && worker->execution->threads > 1)
    worker->started = pthread_create(&worker->thread, NULL, work, worker) == 0;
  if (!worker->started) return execute_descriptor(worker->execution, descriptor);
  pthread_mutex_lock(&worker->lock);
  while (worker->pushed - worker->done == WORKER_ROOM) pthread_cond_wait(&worker->changed, &worker->lock);
  const int error = worker->error;
  if (!error) {
    memcpy(worker->descriptor[worker->pushed++ % WORKER_ROOM], descriptor, sizeof worker->descriptor[0]);
    pthread_cond_broadcast(&worker->changed);
  }
  pthread_mutex_unlock(&worker->lock);
  return error ? worker_finish(worker) : DUPLEX_OK;
}

int worker_finish(struct worker *worker) {
  if (!worker->started) return DUPLEX_OK;
  pthread_mutex_lock(&worker->lock);
  while (worker->pushed != worker->done) pthread_cond_wait(&worker->changed, &worker->lock);
  const int error = worker->error;
  worker->error = DUPLEX_OK;
  pthread_mutex_unlock(&worker->lock);
  return error;
}
