// SPDX-License-Identifier: Apache-2.0
// Ways to append a new token's K and V, on one channel of batch 32 with 8 KV heads, head size 128, 32
// channels: 8 pairs of a sequence and a head, three KV spaces. The xPU's commands are those of
// duplex/xpu_traffic.h, and are judged. usage: append_ways [ATTENTION_CLOCKS]   (of attention at length 512,
// see attention_bandwidth; for the utilisation)
//
// in step: all pairs are at the same place in their blocks of 64 positions; apart: eight positions from pair
// to pair. least, mean and most are over the 64 places.
#include <stdio.h>
#include <stdlib.h>

#include "duplex/timing_judge.h"
#include "duplex/xpu_traffic.h"

enum {
  PAIRS = 8,
  BLOCK = 64,
  TILES = 2,
  FRAMES = 256,
  BLOCKS = 16,
  ATOM = 32,
  STREAMED = 16384,
  STAGING = 20000
};

enum way { WHOLE_BLOCK, PIECES, STAGED };
static const char *const names[] = {"whole block", "pieces", "staging block"};

static uint64_t address_of(uint64_t row_set) {
  return row_set % 3 << DUPLEX_BUNDLE_LSB | row_set / 3 << DUPLEX_ROW_LSB;
}

static void put(struct duplex_xpu_traffic *x, uint64_t address, size_t size) {
  if (duplex_xpu_write(x, address, size)) abort();
}

// The transposed block of a pair: all of it, or the pieces of 16 positions that hold one.
static void put_block(struct duplex_xpu_traffic *x, uint64_t block, unsigned at, bool whole) {
  for (uint64_t row_block = 0; row_block < TILES; row_block++) {
    const uint64_t address = address_of((TILES + row_block) * FRAMES * BLOCKS + block);
    if (whole) put(x, address, DUPLEX_ROW_SET_BYTES);
    for (uint64_t row = 0; row < BLOCK && !whole; row++)
      put(x, address + row * DUPLEX_BEAT_BYTES + at / 16 * ATOM, ATOM);
  }
}

// A position's row of K, or of a V that is not transposed yet: a beat in each of two row sets.
static void put_row(struct duplex_xpu_traffic *x, uint64_t row_set, unsigned at) {
  for (uint64_t tile = 0; tile < TILES; tile++)
    put(x, address_of(row_set + tile) + (uint64_t)at * DUPLEX_BEAT_BYTES, DUPLEX_BEAT_BYTES);
}

static void append(struct duplex_xpu_traffic *x, enum way way, uint64_t pair, unsigned at) {
  const uint64_t block = pair * BLOCKS + 7;
  put_row(x, block * TILES, at);
  if (way == STAGED) put_row(x, STAGING + pair * TILES, at);
  if (way != STAGED) put_block(x, block, at, way == WHOLE_BLOCK || at == 0);
  if (way == STAGED && at == BLOCK - 1) put_block(x, block, at, true);
}

static void judge(struct duplex_judge *judge, const struct duplex_judge_command *command) {
  if (duplex_judge_take(judge, command)) return;
  fprintf(stderr, "append_ways: %s\n", judge->text);
  exit(1);
}

static void clock_once(struct duplex_xpu_traffic *x, struct duplex_judge *j) {
  duplex_xpu_clock(x, 3);
  const struct duplex_hbm_xpu_pins *p = &x->pins;
  const uint64_t tck = 2 * x->now;
  if (p->row_valid)
    judge(j, &(struct duplex_judge_command){tck, (enum duplex_judge_kind)p->row_command, p->row_bundle,
                                            1u << p->row_bank, p->row_address, true});
  if (p->column_valid)
    judge(j, &(struct duplex_judge_command){tck, DUPLEX_JUDGE_WR, p->column_bundle, 1u << p->column_bank,
                                            p->column_address, true});
}

// Clocks of one step in which pair i is at place (place + i * apart) of its block.
static uint64_t step(enum way way, unsigned place, unsigned apart, uint64_t *writes) {
  static struct duplex_xpu_traffic x;
  static struct duplex_judge j;
  duplex_judge_start(&j, duplex_dram_preset(NULL), false);
  duplex_xpu_start(&x, duplex_dram_preset(NULL), 0, false);
  judge(&j, &(struct duplex_judge_command){0, DUPLEX_JUDGE_OWNER, 0, 0, 0, false});
  duplex_xpu_take(&x, 15);
  while (duplex_xpu_busy(&x)) clock_once(&x, &j);
  const uint64_t from = x.now;
  for (uint64_t pair = 0; pair < PAIRS; pair++)
    append(&x, way, pair, (unsigned)(place + pair * apart) % BLOCK);
  while (duplex_xpu_busy(&x)) clock_once(&x, &j);
  *writes = x.writes;
  duplex_xpu_stop(&x);
  return x.now - from;
}

// Prints what one way of appending K and V takes at all places of a block.
static void report(enum way way, unsigned apart, double attention) {
  uint64_t least = UINT64_MAX;
  uint64_t most = 0;
  uint64_t sum = 0;
  uint64_t bytes = 0;
  uint64_t last = 0;
  uint64_t writes;
  for (unsigned place = 0; place < BLOCK; place++) {
    last = step(way, place, apart, &writes);
    if (last < least) least = last;
    if (last > most) most = last;
    sum += last;
    bytes += writes * ATOM;
  }
  const double mean = (double)sum / BLOCK;
  printf("%-14s %-8s %9.0f %7llu %8.1f %7llu", names[way], apart ? "apart" : "in step",
         (double)bytes / BLOCK / PAIRS, (unsigned long long)least, mean, (unsigned long long)most);
  printf(" %13llu", (unsigned long long)last);
  if (attention > 0)
    printf("  %.3f  %.3f", STREAMED / (attention + (double)last), STREAMED / (attention + mean));
  printf("\n");
}

int main(int argc, char **argv) {
  const double attention = argc > 1 ? atof(argv[1]) : 0;
  printf("                        bytes of clocks of a step                  utilisation at 512\n");
  printf("way            pairs       a pair   least     mean    most position 511%s\n",
         attention > 0 ? "    511   mean" : "");
  for (enum way way = WHOLE_BLOCK; way <= STAGED; way++)
    for (unsigned apart = 0; apart <= 8; apart += 8) report(way, apart, attention);
  return 0;
}
