// SPDX-License-Identifier: Apache-2.0
// Computes a job, channel by channel, on the threads of the execution.
#include "cmodel/execute/execute.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

#include "cmodel/common/channel_share.h"
#include "cmodel/execute/attention.h"
#include "cmodel/execute/gemm.h"
#include "cmodel/execute/load.h"
#include "duplex/error.h"

#define REPLACE(words, field, value)      \
  ((words)[DUPLEX_DESC_##field##_WORD] ^= \
   DUPLEX_DESCRIPTOR_FIELD(field, DUPLEX_DESCRIPTOR_GET(words, field) ^ (value)))
#define MAX_THREADS 64

struct share_out {
  struct channel_job jobs[DUPLEX_CHANNELS];
  unsigned channels;
  int (*run)(struct channel_job *job);
  atomic_uint next;
  atomic_int error;
};

// A thread: takes channels one after the other until there is none left; an error stays in `shares`.
static void *work(void *argument) {
  struct share_out *shares = argument;
  for (;;) {
    const unsigned channel = atomic_fetch_add(&shares->next, 1);
    if (channel >= shares->channels) return NULL;
    const int error = shares->run(&shares->jobs[channel]);
    if (error) atomic_store(&shares->error, error);
  }
}

// Runs all shares on the execution's threads; a thread that cannot be had is done without.
static int run_shares(struct execution *execution, struct share_out *shares) {
  pthread_t threads[MAX_THREADS];
  unsigned wanted = execution->threads < shares->channels ? execution->threads : shares->channels;
  unsigned started = 0;
  if (wanted > MAX_THREADS) wanted = MAX_THREADS;
  while (started + 1 < wanted && pthread_create(&threads[started], NULL, work, shares) == 0) started++;
  work(shares);
  for (unsigned i = 0; i < started; i++) pthread_join(threads[i], NULL);
  return atomic_load(&shares->error);
}

// The tiles go round the channels: each has a share of equal size, the first ones one tile more.
static int execute_load(struct execution *execution, const uint32_t *d) {
  struct share_out shares = {.channels = execution->channels, .run = load_share};
  for (unsigned channel = 0; channel < execution->channels; channel++) {
    const uint32_t each = DUPLEX_DESCRIPTOR_GET(d, TILES) / execution->channels;
    const uint32_t extra = DUPLEX_DESCRIPTOR_GET(d, TILES) % execution->channels;
    shares.jobs[channel] = (struct channel_job){.execution = execution,
                                                .descriptor = d,
                                                .channel = channel,
                                                .first = channel,
                                                .count = each + (channel < extra)};
  }
  return run_shares(execution, &shares);
}

// The activations of one group of tokens as rtl/control/broadcast.v gives them: columns that there are not
// are zero. NULL: too little memory.
static struct duplex_gemm_panel *read_panel(const struct execution *execution, const uint32_t *d,
                                            uint32_t group) {
  const size_t tile_bytes = DUPLEX_TILE_WORDS * DUPLEX_WORD_BYTES;
  const size_t column_bytes = tile_bytes / DUPLEX_WIDTH;
  const uint32_t k_tiles = DUPLEX_DESCRIPTOR_GET(d, K_TILES);
  const uint32_t k_last = DUPLEX_DESCRIPTOR_GET(d, K_LAST);
  const bool in_turn =
      DUPLEX_DESCRIPTOR_GET(d, GROUPS) == 2 && DUPLEX_DESCRIPTOR_GET(d, X_STRIDE) == DUPLEX_TILE_WORDS;
  uint8_t *tiles = malloc(k_tiles * tile_bytes);
  if (!tiles) return NULL;
  for (uint32_t k = 0; k < k_tiles; k++) {
    const uint32_t word = DUPLEX_DESCRIPTOR_GET(d, X_ADDRESS) + group * DUPLEX_DESCRIPTOR_GET(d, X_STRIDE) +
                          k * (in_turn ? 2 : 1) * DUPLEX_TILE_WORDS;
    memcpy(tiles + k * tile_bytes, execution->shared + (size_t)word * DUPLEX_WORD_BYTES, tile_bytes);
  }
  if (k_last)
    memset(tiles + (k_tiles - 1) * tile_bytes + k_last * column_bytes, 0,
           (DUPLEX_WIDTH - k_last) * column_bytes);
  struct duplex_gemm_panel *panel =
      duplex_gemm_panel_new((const uint16_t *)(const void *)tiles, k_tiles, DUPLEX_TILE_F16);
  free(tiles);
  return panel;
}

// Adds what the channels counted of the fast path's tiers.
static void note_tiers(struct execution *execution, const struct share_out *shares) {
  for (unsigned channel = 0; channel < execution->channels; channel++) {
    execution->tiers.direct += shares->jobs[channel].tiers.direct;
    execution->tiers.split += shares->jobs[channel].tiers.split;
    execution->tiers.wide += shares->jobs[channel].tiers.wide;
  }
}

// Rows in order of the channels, CHANNEL_ROWS each; the last ones may have fewer or none.
static int execute_gemm(struct execution *execution, const uint32_t *d) {
  struct duplex_gemm_panel *panels[DUPLEX_TOKEN_GROUPS] = {NULL};
  int error = DUPLEX_OK;
  for (uint32_t group = 0; group < DUPLEX_DESCRIPTOR_GET(d, GROUPS); group++)
    if (!(panels[group] = read_panel(execution, d, group))) error = DUPLEX_ERROR_NO_MEMORY;
  struct share_out shares = {.channels = execution->channels, .run = gemm_share};
  uint32_t first = 0;
  for (unsigned channel = 0; channel < execution->channels; channel++) {
    const uint32_t count =
        duplex_smaller(DUPLEX_DESCRIPTOR_GET(d, ROWS) - first, DUPLEX_DESCRIPTOR_GET(d, CHANNEL_ROWS));
    shares.jobs[channel] = (struct channel_job){.execution = execution,
                                                .descriptor = d,
                                                .panels = panels,
                                                .channel = channel,
                                                .first = first,
                                                .count = count};
    first += count;
  }
  if (!error) error = run_shares(execution, &shares);
  for (uint32_t group = 0; group < DUPLEX_DESCRIPTOR_GET(d, GROUPS); group++)
    if (panels[group]) duplex_gemm_panel_free(panels[group]);
  note_tiers(execution, &shares);
  return error;
}

// One step of all channels; `shares` may be used again for the next.
static int run_step(struct execution *execution, struct share_out *shares,
                    int (*run)(struct channel_job *job)) {
  shares->run = run;
  atomic_store(&shares->next, 0);
  return run_shares(execution, shares);
}

// A head's channels need what the others have done.
static int run_spread(struct execution *execution, const uint32_t *d, struct share_out *shares) {
  int error = run_step(execution, shares, spread_scores);
  if (!error && DUPLEX_DESCRIPTOR_GET(d, LAST) && DUPLEX_DESCRIPTOR_GET(d, MODE) != DUPLEX_MODE_ROW_BLOCK)
    error = run_step(execution, shares, spread_join_maxima);
  for (uint32_t i = 0; i < attention_row_blocks(d) && !error; i++) {
    for (unsigned channel = 0; channel < execution->channels; channel++)
      shares->jobs[channel].row_block = DUPLEX_DESCRIPTOR_GET(d, ROW_BLOCK) + i;
    error = run_step(execution, shares, spread_context);
    if (!error && DUPLEX_DESCRIPTOR_GET(d, LAST)) error = run_step(execution, shares, spread_output);
  }
  return error;
}

// Each channel works at a descriptor of its own, with its own length and lanes.
static int execute_attention(struct execution *execution, const uint32_t *d) {
  struct share_out shares = {.channels = execution->channels, .run = attention_heads};
  uint32_t own[DUPLEX_CHANNELS][DUPLEX_DESCRIPTOR_WORDS];
  for (unsigned channel = 0; channel < execution->channels; channel++) {
    const struct attention_share share = attention_share_of(d, channel, execution->channels);
    memcpy(own[channel], d, sizeof own[channel]);
    REPLACE(own[channel], LENGTH, share.length);
    REPLACE(own[channel], LANE_MASK, share.lane_mask);
    shares.jobs[channel] = (struct channel_job){
        .execution = execution, .descriptor = own[channel], .channel = channel, .count = share.slots};
  }
  const int error =
      DUPLEX_DESCRIPTOR_GET(d, SPREAD) ? run_spread(execution, d, &shares) : run_shares(execution, &shares);
  note_tiers(execution, &shares);
  return error;
}

int execution_open(struct execution *execution, unsigned channels, unsigned threads) {
  *execution = (struct execution){.channels = channels, .threads = threads};
  execution->shared = calloc(DUPLEX_SHARED_BUFFERS, (size_t)DUPLEX_SHARED_WORDS * DUPLEX_WORD_BYTES);
  execution->attention = calloc(channels, sizeof *execution->attention);
  return execution->shared && execution->attention ? DUPLEX_OK : DUPLEX_ERROR_NO_MEMORY;
}

// What the channels keep of attention sequences.
static void free_segments(struct execution *execution) {
  for (unsigned channel = 0; execution->attention && channel < execution->channels; channel++)
    free(execution->attention[channel].segments);
}

void execution_reset(struct execution *execution) {
  free_segments(execution);
  memset(execution->attention, 0, execution->channels * sizeof *execution->attention);
  memset(execution->shared, 0, (size_t)DUPLEX_SHARED_BUFFERS * DUPLEX_SHARED_WORDS * DUPLEX_WORD_BYTES);
  memset(&execution->table, 0, sizeof execution->table);
}

void execution_close(struct execution *execution) {
  free(execution->shared);
  free_segments(execution);
  free(execution->attention);
}

int execute_descriptor(struct execution *execution, const uint32_t *d) {
  switch (DUPLEX_DESCRIPTOR_GET(d, OPCODE)) {
    case DUPLEX_OPCODE_LOAD:
      return execute_load(execution, d);
    case DUPLEX_OPCODE_GEMM:
      return execute_gemm(execution, d);
    default:
      return execute_attention(execution, d);
  }
}
