// SPDX-License-Identifier: Apache-2.0
// Shares independent pieces of work among threads: each takes the next piece until none is left.
#include "xpu/parallel.h"

#include <pthread.h>
#include <stdatomic.h>

#define MOST_THREADS 64

struct share {
  void (*work)(void *context, unsigned thread, size_t piece);
  void *context;
  size_t pieces;
  atomic_size_t next;
  atomic_uint threads;  // threads that have begun
};

static void *take_pieces(void *argument) {
  struct share *share = argument;
  const unsigned thread = atomic_fetch_add(&share->threads, 1);
  for (;;) {
    const size_t piece = atomic_fetch_add(&share->next, 1);
    if (piece >= share->pieces) return NULL;
    share->work(share->context, thread, piece);
  }
}

void xpu_parallel(unsigned threads, size_t pieces, void (*work)(void *context, unsigned thread, size_t piece),
                  void *context) {
  struct share share = {.work = work, .context = context, .pieces = pieces};
  pthread_t others[MOST_THREADS];
  unsigned wanted = threads < MOST_THREADS ? threads : MOST_THREADS;
  if (wanted > pieces) wanted = (unsigned)pieces;
  unsigned started = 0;
  while (started + 1 < wanted && pthread_create(&others[started], NULL, take_pieces, &share) == 0) started++;
  take_pieces(&share);
  for (unsigned i = 0; i < started; i++) pthread_join(others[i], NULL);
}
