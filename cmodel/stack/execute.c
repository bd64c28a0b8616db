// Computes a job, channel by channel, on the threads of the stack.
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

#include "cmodel/stack/stack.h"
#include "duplex/error.h"

#define GET(field) DUPLEX_DESCRIPTOR_GET(d, field)
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

static void *work(void *argument) {
  struct share_out *shares = argument;
  for (;;) {
    const unsigned channel = atomic_fetch_add(&shares->next, 1);
    if (channel >= shares->channels) return NULL;
    const int error = shares->run(&shares->jobs[channel]);
    if (error) atomic_store(&shares->error, error);
  }
}

// Runs all shares on the stack's threads; a thread that cannot be had is done without.
static int run_shares(struct stack_model *stack, struct share_out *shares) {
  pthread_t threads[MAX_THREADS];
  unsigned wanted = stack->threads < shares->channels ? stack->threads : shares->channels, started = 0;
  if (wanted > MAX_THREADS) wanted = MAX_THREADS;
  while (started + 1 < wanted && pthread_create(&threads[started], NULL, work, shares) == 0) started++;
  work(shares);
  for (unsigned i = 0; i < started; i++) pthread_join(threads[i], NULL);
  return atomic_load(&shares->error);
}

static int execute_load(struct stack_model *stack, const uint32_t *d) {
  struct share_out shares = {.channels = stack->channels, .run = stack_channel_load};
  for (unsigned channel = 0; channel < stack->channels; channel++) {
    const uint32_t each = GET(TILES) / stack->channels, extra = GET(TILES) % stack->channels;
    shares.jobs[channel] = (struct channel_job){.stack = stack,
                                                .descriptor = d,
                                                .channel = channel,
                                                .first = channel,
                                                .count = each + (channel < extra)};
  }
  return run_shares(stack, &shares);
}

// The activations of one group of tokens as rtl/control/broadcast.v gives them: columns that there are not
// are zero. NULL: too little memory.
static struct duplex_gemm_panel *read_panel(const struct stack_model *stack, const uint32_t *d,
                                            uint32_t group) {
  const size_t tile_bytes = DUPLEX_TILE_WORDS * DUPLEX_WORD_BYTES, column_bytes = tile_bytes / DUPLEX_WIDTH;
  const uint32_t k_tiles = GET(K_TILES), k_last = GET(K_LAST);
  const bool in_turn = GET(GROUPS) == 2 && GET(X_STRIDE) == DUPLEX_TILE_WORDS;
  uint8_t *tiles = malloc(k_tiles * tile_bytes);
  if (!tiles) return NULL;
  for (uint32_t k = 0; k < k_tiles; k++) {
    const uint32_t word = GET(X_ADDRESS) + group * GET(X_STRIDE) + k * (in_turn ? 2 : 1) * DUPLEX_TILE_WORDS;
    memcpy(tiles + k * tile_bytes, stack->shared + (size_t)word * DUPLEX_WORD_BYTES, tile_bytes);
  }
  if (k_last)
    memset(tiles + (k_tiles - 1) * tile_bytes + k_last * column_bytes, 0,
           (DUPLEX_WIDTH - k_last) * column_bytes);
  struct duplex_gemm_panel *panel =
      duplex_gemm_panel_new((const uint16_t *)(const void *)tiles, k_tiles, DUPLEX_TILE_F16);
  free(tiles);
  return panel;
}

static void note_tiers(struct stack_model *stack, const struct share_out *shares) {
  for (unsigned channel = 0; channel < stack->channels; channel++) {
    stack->tiers.direct += shares->jobs[channel].tiers.direct;
    stack->tiers.split += shares->jobs[channel].tiers.split;
    stack->tiers.wide += shares->jobs[channel].tiers.wide;
  }
}

static int execute_gemm(struct stack_model *stack, const uint32_t *d) {
  struct duplex_gemm_panel *panels[DUPLEX_TOKEN_GROUPS] = {NULL};
  int error = DUPLEX_OK;
  for (uint32_t group = 0; group < GET(GROUPS); group++)
    if (!(panels[group] = read_panel(stack, d, group))) error = DUPLEX_ERROR_NO_MEMORY;
  struct share_out shares = {.channels = stack->channels, .run = stack_channel_gemm};
  uint32_t first = 0;
  for (unsigned channel = 0; channel < stack->channels; channel++) {
    const uint32_t left = GET(ROWS) - first, count = left < GET(CHANNEL_ROWS) ? left : GET(CHANNEL_ROWS);
    shares.jobs[channel] = (struct channel_job){.stack = stack,
                                                .descriptor = d,
                                                .panels = panels,
                                                .channel = channel,
                                                .first = first,
                                                .count = count};
    first += count;
  }
  if (!error) error = run_shares(stack, &shares);
  for (uint32_t group = 0; group < GET(GROUPS); group++)
    if (panels[group]) duplex_gemm_panel_free(panels[group]);
  note_tiers(stack, &shares);
  return error;
}

static int run_step(struct stack_model *stack, struct share_out *shares,
                    int (*run)(struct channel_job *job)) {
  shares->run = run;
  atomic_store(&shares->next, 0);
  return run_shares(stack, shares);
}

// A head's channels need what the others have done.
static int run_spread(struct stack_model *stack, const uint32_t *d, struct share_out *shares) {
  int error = run_step(stack, shares, stack_member_scores);
  if (!error && GET(LAST) && GET(MODE) != DUPLEX_MODE_ROW_BLOCK)
    error = run_step(stack, shares, stack_member_join_maxima);
  for (uint32_t i = 0; i < attention_row_blocks(d) && !error; i++) {
    for (unsigned channel = 0; channel < stack->channels; channel++)
      shares->jobs[channel].row_block = GET(ROW_BLOCK) + i;
    error = run_step(stack, shares, stack_member_context);
    if (!error && GET(LAST)) error = run_step(stack, shares, stack_member_output);
  }
  return error;
}

static int execute_attention(struct stack_model *stack, const uint32_t *d) {
  struct share_out shares = {.channels = stack->channels, .run = stack_channel_attention};
  uint32_t own[DUPLEX_CHANNELS][DUPLEX_DESCRIPTOR_WORDS];
  for (unsigned channel = 0; channel < stack->channels; channel++) {
    const struct attention_share share = attention_share_of(d, channel, stack->channels);
    memcpy(own[channel], d, sizeof own[channel]);
    REPLACE(own[channel], LENGTH, share.length);
    REPLACE(own[channel], LANE_MASK, share.lane_mask);
    shares.jobs[channel] = (struct channel_job){
        .stack = stack, .descriptor = own[channel], .channel = channel, .count = share.slots};
  }
  const int error = GET(SPREAD) ? run_spread(stack, d, &shares) : run_shares(stack, &shares);
  note_tiers(stack, &shares);
  return error;
}

int stack_execute(struct stack_model *stack, const uint32_t *d) {
  if (GET(OPCODE) == DUPLEX_OPCODE_ATTENTION) return execute_attention(stack, d);
  return GET(OPCODE) == DUPLEX_OPCODE_LOAD ? execute_load(stack, d) : execute_gemm(stack, d);
}
