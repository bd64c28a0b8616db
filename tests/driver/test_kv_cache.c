// SPDX-License-Identifier: Apache-2.0
// The KV cache on the C model's memory: where K and V lie, append, share, copy on write, free, move, out of
// space.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
// CMocka needs the four above first.
#include <cmocka.h>

#include "driver/kv_cache.h"
#include "driver/transfer.h"
#include "duplex/arithmetic.h"
#include "duplex/error.h"

#define PAGE 64u
#define D 80u
#define HEADS 3u
#define MOST 1600u

// A value that tells position, head, column and kind; finite, never 0.
static duplex_f16 value_of(unsigned kind, size_t position, unsigned head, unsigned column) {
  return (duplex_f16)(1 + (position * 131 + head * 7919 + column * 31 + kind * 17389) % 30000);
}

static duplex_f16 k[HEADS * MOST * D], v[HEADS * MOST * D];

static void make_values(unsigned kind) {
  for (unsigned head = 0; head < HEADS; head++)
    for (size_t position = 0; position < MOST; position++)
      for (unsigned column = 0; column < D; column++) {
        k[(head * MOST + position) * D + column] = value_of(kind, position, head, column);
        v[(head * MOST + position) * D + column] = value_of(kind + 1, position, head, column);
      }
}

static struct duplex_stack *stack;
static struct duplex_kv_cache *cache;
static unsigned spread = 1;  // channels of a KV head

// Positions of a page, channels of a sequence.
static size_t page(void) { return (size_t)PAGE * spread; }

static size_t of_pages(size_t pages) {
  const unsigned parts = HEADS * spread;
  return pages * (parts < stack->channels ? parts : stack->channels);
}

static uint32_t windows[2];  // of the layers
static unsigned pinned;      // positions beside them

static void open_all(unsigned channels, size_t pages, size_t prefill_pages, unsigned layers) {
  const struct duplex_kv_options options = {.heads = HEADS,
                                            .head_size = D,
                                            .layers = layers,
                                            .page_positions = PAGE,
                                            .pages = pages,
                                            .prefill_pages = prefill_pages,
                                            .windows = windows,
                                            .pinned = pinned};
  assert_int_equal(duplex_stack_open("cmodel", &(struct duplex_stack_options){.backend.channels = channels},
                                     &stack, NULL, 0),
                   0);
  assert_int_equal(duplex_kv_open(stack, &options, &cache), 0);
}

static void close_all(void) {
  duplex_kv_close(cache);
  duplex_stack_close(stack);
}

static struct duplex_sequence *begin(enum duplex_kv_space space, size_t expected) {
  struct duplex_sequence *sequence;
  assert_int_equal(duplex_kv_begin_spread(cache, space, expected, spread, &sequence), 0);
  return sequence;
}

static int append(struct duplex_sequence *sequence, unsigned layer, size_t positions) {
  const size_t from = duplex_kv_length(sequence, layer) * D;
  return duplex_kv_append(sequence, layer, k + from, v + from, positions, MOST * D);
}

static duplex_f16 element(unsigned channel, struct region region, size_t index) {
  duplex_f16 value;
  assert_int_equal(region_read(stack, channel, region, index * sizeof value, &value, sizeof value), 0);
  return value;
}

// The position that lies in a slot: the last one that is the slot's number modulo the window, in the KV
// spaces.
static size_t position_in(const struct duplex_sequence *sequence, unsigned layer, size_t slot) {
  const size_t length = sequence->layers[layer].length;
  const size_t window = sequence->pool == cache->pools ? windows[layer] : 0;
  return window && slot >= pinned && length > slot ? (length - 1 - slot) / window * window + slot : slot;
}

// Every element of a layer by the words of docs/architecture.md, and zeros behind the end of V and beside D.
static void check_layer(const struct duplex_sequence *sequence, unsigned layer, unsigned kind) {
  const struct kv_layer *l = &sequence->layers[layer];
  // of D = 80
  const unsigned tiles = 2;
  const unsigned block_rows = 48;
  for (unsigned head = 0; head < HEADS; head++)
    for (size_t slot_of = 0; slot_of < kv_kept(l) || slot_of % 64; slot_of++) {
      const struct kv_page *page_of = l->pages[slot_of / page()];
      const size_t position = position_in(sequence, layer, slot_of);
      const struct kv_pool *pool = page_of->pool;
      // A page of a channel is one block of 64.
      const unsigned channel =
          (sequence->first_channel + head * spread + slot_of / 64 % spread) % stack->channels;
      const unsigned slot = head / stack->channels;
      const unsigned i = slot_of % 64;
      const bool there = slot_of < kv_kept(l);
      for (unsigned column = 0; column < 128 && there; column++) {
        const struct region at = {
            pool->region.base + slot * pool->slot_stride + page_of->frame * tiles + column / 64,
            pool->region.stripe};
        assert_int_equal(element(channel, at, i * 64 + column % 64),
                         column < D ? value_of(kind, position, head, column) : 0);
      }
      for (unsigned column = 0; column < D; column++) {
        const struct region at = {pool->v_base + slot * pool->slot_stride +
                                      column / block_rows * pool->v_block_stride + page_of->frame,
                                  pool->region.stripe};
        assert_int_equal(element(channel, at, column % block_rows * 64 + i),
                         there ? value_of(kind + 1, position, head, column) : 0);
      }
    }
}

static void test_layout(void **state) {
  (void)state;
  static const unsigned channels[] = {1, 2, 5, 6, 12, 32};
  static const unsigned spreads[] = {1, 1, 1, 2, 4, 8};
  for (unsigned i = 0; i < 6; i++) {
    spread = spreads[i];
    open_all(channels[i], 20, 0, 2);
    struct duplex_sequence *sequence = begin(DUPLEX_KV_SPACES, 0);
    struct duplex_sequence *other = begin(DUPLEX_KV_SPACES, 0);
    static const size_t steps[] = {1, 1, 61, 3, 64, 70, 1, 600};
    for (unsigned step = 0; step < 8; step++) {
      make_values(4);
      assert_int_equal(append(sequence, 0, steps[step]), 0);
      make_values(8);
      assert_int_equal(append(other, 1, steps[step] / 2), 0);
    }
    assert_int_equal(duplex_kv_length(sequence, 0), 801);
    assert_int_equal(duplex_kv_length(sequence, 1), 0);
    check_layer(sequence, 0, 4);
    check_layer(other, 1, 8);
    close_all();
  }
  spread = 1;
}

// Frames that were used before: what is left in them must not show.
static void check_free_and_use_again(unsigned channels) {
  open_all(channels, 3, 0, 1);
  struct duplex_sequence *sequence = begin(DUPLEX_KV_SPACES, 0);
  make_values(1);
  assert_int_equal(append(sequence, 0, 3 * page()), 0);
  assert_int_equal(duplex_kv_used(cache, DUPLEX_KV_SPACES), of_pages(3));
  duplex_kv_free(sequence);
  assert_int_equal(duplex_kv_used(cache, DUPLEX_KV_SPACES), 0);
  sequence = begin(DUPLEX_KV_SPACES, 0);
  make_values(5);
  assert_int_equal(append(sequence, 0, page() + 3), 0);
  check_layer(sequence, 0, 5);
  close_all();
}

static void check_out_of_space(unsigned channels) {
  open_all(channels, 3, 0, 1);
  make_values(2);
  struct duplex_sequence *first = begin(DUPLEX_KV_SPACES, 0);
  struct duplex_sequence *second = begin(DUPLEX_KV_SPACES, 0);
  struct duplex_sequence *shared;
  assert_int_equal(append(first, 0, page() + 1), 0);
  assert_int_equal(append(second, 0, 10), 0);
  assert_int_equal(append(second, 0, page()), DUPLEX_ERROR_OUT_OF_SPACE);
  assert_non_null(strstr(duplex_stack_last_error(stack), "free page"));
  assert_int_equal(append(first, 0, 2 * page()), DUPLEX_ERROR_OUT_OF_SPACE);
  assert_int_equal(duplex_kv_length(first, 0), page() + 1);
  assert_int_equal(duplex_kv_length(second, 0), 10);
  check_layer(first, 0, 2);
  check_layer(second, 0, 2);
  assert_int_equal(duplex_kv_share(first, page() + 1, &shared), 0);   // needs no page
  assert_int_equal(append(shared, 0, 1), DUPLEX_ERROR_OUT_OF_SPACE);  // the copy on write does
  assert_int_equal(duplex_kv_length(shared, 0), page() + 1);
  check_layer(shared, 0, 2);
  duplex_kv_free(second);
  assert_int_equal(append(shared, 0, 1), 0);
  check_layer(shared, 0, 2);
  check_layer(first, 0, 2);
  close_all();
}

static void check_share_and_copy_on_write(unsigned channels) {
  open_all(channels, 20, 0, 2);
  make_values(3);
  struct duplex_sequence *first = begin(DUPLEX_KV_SPACES, 0), *second, *third;
  const size_t length = page() + 36;
  assert_int_equal(append(first, 0, length), 0);
  assert_int_equal(append(first, 1, length + 30), 0);
  const size_t alone = duplex_kv_used(cache, DUPLEX_KV_SPACES);
  assert_int_equal(duplex_kv_share(first, length + 1, &second), DUPLEX_ERROR_ARGUMENT);
  assert_int_equal(duplex_kv_share(first, length, &second), 0);
  // Layer 0 is shared to its end; of layer 1 the second page ends earlier, so it is a copy with zeros behind
  // the prefix.
  assert_int_equal(duplex_kv_used(cache, DUPLEX_KV_SPACES), alone + of_pages(1));
  assert_ptr_equal(first->layers[0].pages[1], second->layers[0].pages[1]);
  assert_ptr_equal(first->layers[1].pages[0], second->layers[1].pages[0]);
  assert_ptr_not_equal(first->layers[1].pages[1], second->layers[1].pages[1]);
  check_layer(second, 0, 3);
  check_layer(second, 1, 3);
  assert_int_equal(append(first, 0, 1), 0);  // the first to write copies, the other keeps the page
  assert_ptr_not_equal(first->layers[0].pages[1], second->layers[0].pages[1]);
  assert_int_equal(second->layers[0].pages[1]->references, 1);
  struct kv_page *own = second->layers[0].pages[1];
  assert_int_equal(append(second, 0, 20), 0);
  assert_ptr_equal(second->layers[0].pages[1], own);
  check_layer(first, 0, 3);
  check_layer(second, 0, 3);
  assert_int_equal(duplex_kv_share(second, page(), &third), 0);
  duplex_kv_free(first);
  duplex_kv_free(second);
  assert_int_equal(duplex_kv_used(cache, DUPLEX_KV_SPACES), of_pages(2));  // a page a layer
  check_layer(third, 0, 3);
  assert_int_equal(append(third, 0, 5), 0);
  check_layer(third, 0, 3);
  duplex_kv_free(third);
  assert_int_equal(duplex_kv_used(cache, DUPLEX_KV_SPACES), 0);
  close_all();
}

static void check_move(unsigned channels) {
  open_all(channels, 5, 4, 1);
  make_values(6);
  struct duplex_sequence *first = begin(DUPLEX_KV_PREFILL, 0);
  struct duplex_sequence *second;
  struct duplex_sequence *decoding = begin(DUPLEX_KV_SPACES, 0);
  static duplex_f16 q[HEADS * D], o[HEADS * D];
  assert_int_equal(append(first, 0, 2 * page() + 22), 0);
  assert_int_equal(duplex_kv_share(first, page(), &second), 0);
  assert_int_equal(append(decoding, 0, 3 * page()), 0);
  assert_int_equal(duplex_stack_attention(cache, 0, &first, 1, q, HEADS, 0, o), DUPLEX_ERROR_OWNER);
  assert_int_equal(duplex_kv_move(first), DUPLEX_ERROR_OUT_OF_SPACE);
  check_layer(first, 0, 6);
  assert_int_equal(duplex_kv_used(cache, DUPLEX_KV_PREFILL), of_pages(3));
  duplex_kv_free(decoding);
  assert_int_equal(duplex_kv_move(first), 0);
  assert_int_equal(duplex_kv_used(cache, DUPLEX_KV_PREFILL), 0);  // the shared page moved for both
  assert_int_equal(duplex_kv_used(cache, DUPLEX_KV_SPACES), of_pages(3));
  assert_int_equal(append(second, 0, 1), 0);
  assert_int_equal(duplex_kv_used(cache, DUPLEX_KV_PREFILL), of_pages(1));
  assert_int_equal(duplex_kv_move(second), 0);
  assert_int_equal(duplex_kv_used(cache, DUPLEX_KV_PREFILL), 0);
  check_layer(first, 0, 6);
  check_layer(second, 0, 6);
  assert_int_equal(append(first, 0, 20), 0);
  check_layer(first, 0, 6);
  assert_int_equal(duplex_stack_attention(cache, 0, &first, 1, q, HEADS, 0, o), 0);
  close_all();
}

// Sequences of the same length fill the channels evenly; a long one goes where there is least.
static void test_balance(void **state) {
  (void)state;
  open_all(12, 64, 0, 1);
  for (unsigned i = 0; i < 8; i++) begin(DUPLEX_KV_SPACES, 100);
  for (unsigned channel = 0; channel < 12; channel++) assert_int_equal(cache->load[channel], 200);
  struct duplex_sequence *longer = begin(DUPLEX_KV_SPACES, 50);
  struct duplex_sequence *next = begin(DUPLEX_KV_SPACES, 10);
  assert_int_equal(longer->first_channel, 0);
  assert_int_equal(next->first_channel, HEADS);
  make_values(0);
  assert_int_equal(append(next, 0, 30), 0);
  assert_int_equal(cache->load[HEADS], 230);
  duplex_kv_free(longer);
  assert_int_equal(cache->load[0], 200);
  spread = 2;
  struct duplex_sequence *wide = begin(DUPLEX_KV_SPACES, 81);
  assert_int_equal(wide->first_channel, 6);
  for (unsigned i = 0; i < 6; i++) assert_int_equal(cache->load[6 + i], 241);
  duplex_kv_free(wide);
  for (unsigned i = 0; i < 6; i++) assert_int_equal(cache->load[6 + i], 200);
  spread = 1;
  close_all();
}

// The channels of a KV head by the length that is expected, and by what else is in the batch.
static void test_spreads(void **state) {
  (void)state;
  struct duplex_sequence *sequence;
  open_all(32, 1, 0, 1);
  static const struct {
    size_t expected;
    uint32_t spread;
  } alone[] = {{0, 0}, {2048, 0}, {2049, 1}, {4096, 1}, {4097, 2}, {8192, 2}, {8193, 3}, {131072, 3}};
  for (unsigned i = 0; i < sizeof alone / sizeof *alone; i++) {
    assert_int_equal(duplex_kv_begin(cache, DUPLEX_KV_SPACES, alone[i].expected, &sequence), 0);
    assert_int_equal(sequence->spread, alone[i].spread);
  }
  for (unsigned wrong = 3; wrong < 20; wrong++)
    if (wrong & (wrong - 1) || wrong > 8)
      assert_int_equal(duplex_kv_begin_spread(cache, DUPLEX_KV_SPACES, 0, wrong, &sequence),
                       DUPLEX_ERROR_ARGUMENT);
  close_all();
  const struct duplex_kv_options options = {.heads = 8, .head_size = 16, .pages = 1};
  assert_int_equal(
      duplex_stack_open("cmodel", &(struct duplex_stack_options){.backend.channels = 32}, &stack, NULL, 0),
      0);
  assert_int_equal(duplex_kv_open(stack, &options, &cache), 0);
  size_t lengths[32];
  unsigned spreads[32];
  static const struct {
    size_t batch, length, group;
    unsigned spread;
  } even[] = {{32, 512, 4, 1}, {32, 4096, 4, 1}, {32, 4097, 4, 2}, {32, 4096, 8, 2}, {32, 131072, 4, 4},
              {1, 8192, 4, 4}, {1, 256, 4, 1},   {1, 512, 4, 2},   {4, 2048, 4, 2},  {8, 2048, 4, 1}};
  for (unsigned i = 0; i < sizeof even / sizeof *even; i++) {
    for (size_t k = 0; k < 32; k++) lengths[k] = even[i].length;
    duplex_kv_plan_spreads(cache, lengths, even[i].batch, even[i].group, spreads);
    for (size_t k = 0; k < even[i].batch; k++) assert_int_equal(spreads[k], even[i].spread);
  }
  for (size_t k = 0; k < 32; k++) lengths[k] = k ? 100 : 4000;  // a long one among short ones
  duplex_kv_plan_spreads(cache, lengths, 32, 4, spreads);
  assert_int_equal(spreads[0], 4);
  for (size_t k = 1; k < 32; k++) assert_int_equal(spreads[k], 1);
  close_all();
}

static void test_arguments(void **state) {
  (void)state;
  open_all(1, 2, 0, 1);
  struct duplex_kv_cache *other;
  static const struct duplex_kv_options wrong[] = {
      {.heads = 0, .head_size = 64, .pages = 1},
      {.heads = 257, .head_size = 64, .pages = 1},
      {.heads = 1, .head_size = 0, .pages = 1},
      {.heads = 1, .head_size = 72, .pages = 1},
      {.heads = 1, .head_size = 272, .pages = 1},
      {.heads = 1, .head_size = 64, .pages = 1, .page_positions = 100},
      {.heads = 1, .head_size = 64, .pages = 1, .bundles = 16}};
  for (unsigned i = 0; i < sizeof wrong / sizeof *wrong; i++) {
    assert_int_equal(duplex_kv_open(stack, &wrong[i], &other), DUPLEX_ERROR_ARGUMENT);
    assert_null(other);
  }
  struct duplex_kv_options large = {.heads = 1, .head_size = 64};
  large.pages = duplex_kv_room(stack, &large) + 1;
  assert_int_equal(duplex_kv_open(stack, &large, &other), DUPLEX_ERROR_OUT_OF_SPACE);
  large.pages--;
  assert_int_equal(duplex_kv_open(stack, &large, &other), 0);
  duplex_kv_close(other);
  struct duplex_sequence *sequence = begin(DUPLEX_KV_SPACES, 0);
  assert_int_equal(duplex_kv_append(sequence, 1, k, v, 1, 0), DUPLEX_ERROR_ARGUMENT);
  assert_int_equal(duplex_kv_append(sequence, 0, k, v, DUPLEX_POSITIONS_MAX + 1, 0), DUPLEX_ERROR_ARGUMENT);
  assert_int_equal(duplex_kv_append(sequence, 0, k, v, 0, 0), 0);
  close_all();
}

// Alone in a channel, in several, and spread over several.
static void with_spreads(void (*check)(unsigned channels)) {
  static const unsigned channels[] = {1, 2, 6, 7, 13};
  static const unsigned spreads[] = {1, 1, 2, 2, 4};
  for (unsigned i = 0; i < 5; i++) {
    spread = spreads[i];
    check(channels[i]);
  }
  spread = 1;
}

static void test_free_and_use_again(void **state) {
  (void)state;
  with_spreads(check_free_and_use_again);
}

static void test_out_of_space(void **state) {
  (void)state;
  with_spreads(check_out_of_space);
}

static void test_share_and_copy_on_write(void **state) {
  (void)state;
  with_spreads(check_share_and_copy_on_write);
}

static void test_move(void **state) {
  (void)state;
  with_spreads(check_move);
}

// Rings: whatever is appended, moved and shared, each window has its last positions, and nothing else.
static void check_windows(unsigned channels, uint32_t first, uint32_t second, size_t prompt) {
  static const size_t steps[] = {1, 1, 30, 1, 64, 65, 1, 200, 3};
  windows[0] = first;
  windows[1] = second;
  make_values(4);
  open_all(channels, 60, 60, 2);
  struct duplex_sequence *sequence = begin(DUPLEX_KV_PREFILL, 0), *shared, *other;
  for (unsigned layer = 0; layer < 2; layer++) assert_int_equal(append(sequence, layer, prompt), 0);
  assert_int_equal(duplex_kv_share(sequence, prompt - 1, &other), 0);
  check_layer(sequence, 0, 4);
  assert_int_equal(duplex_kv_move(sequence), 0);
  check_layer(other, 0, 4);
  assert_int_equal(duplex_kv_move(other), 0);
  for (unsigned step = 0; step < 9; step++) {
    for (unsigned layer = 0; layer < 2; layer++) {
      assert_int_equal(append(sequence, layer, steps[step]), 0);
      check_layer(sequence, layer, 4);
      check_layer(other, layer, 4);
    }
    // The share keeps what it had, also where its pages are written to by either side.
    assert_int_equal(duplex_kv_share(sequence, duplex_kv_length(sequence, 0), &shared), 0);
    assert_int_equal(append(step % 2 ? shared : sequence, 0, 2), 0);
    assert_int_equal(append(step % 2 ? shared : sequence, 1, 2), 0);
    for (unsigned layer = 0; layer < 2; layer++) {
      check_layer(shared, layer, 4);
      check_layer(sequence, layer, 4);
    }
    duplex_kv_free(shared);
  }
  const size_t length = duplex_kv_length(sequence, 0);
  assert_int_equal(duplex_kv_share(sequence, length - 1, &shared),
                   first + pinned < length ? DUPLEX_ERROR_ARGUMENT : 0);
  const size_t kept =
      (duplex_smaller(first + pinned, length) + page() - 1) / page() + (length + page() - 1) / page();
  duplex_kv_free(other);
  if (second == 0 && first < length)
    assert_int_equal(duplex_kv_used(cache, DUPLEX_KV_SPACES), of_pages(kept));
  close_all();
}

static void test_windows(void **state) {
  (void)state;
  check_windows(3, 1, 0, 5);
  check_windows(1, 20, 0, 70);
  check_windows(5, 64, 63, 64);
  pinned = 3;
  check_windows(2, 20, 0, 70);
  check_windows(3, 125, 61, 90);
  pinned = 0;
  check_windows(2, 100, 0, 230);
  spread = 2;
  check_windows(6, 130, 200, 300);
  spread = 1;
  windows[0] = windows[1] = 0;
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(test_layout),
      cmocka_unit_test(test_free_and_use_again),
      cmocka_unit_test(test_out_of_space),
      cmocka_unit_test(test_move),
      cmocka_unit_test(test_share_and_copy_on_write),
      cmocka_unit_test(test_windows),
      cmocka_unit_test(test_balance),
      cmocka_unit_test(test_spreads),
      cmocka_unit_test(test_arguments),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
