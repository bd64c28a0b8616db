// The KV cache on the C model's memory: where K and V lie, append, share, copy on write, free, move, out of space.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
// CMocka needs the four above first.
#include <cmocka.h>

#include "driver/kv_cache.h"
#include "duplex/error.h"

#define PAGE 64u
#define D 80u
#define HEADS 3u
#define MOST 400u

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

static struct duplex_device *device;
static struct duplex_kv_cache *cache;

static void open_all(unsigned channels, size_t pages, size_t prefill_pages, unsigned layers) {
  const struct duplex_kv_options options = {
      .heads = HEADS, .head_size = D, .layers = layers, .page_positions = PAGE, .pages = pages, .prefill_pages = prefill_pages};
  assert_int_equal(duplex_open("cmodel", &(struct duplex_options){.backend.channels = channels}, &device, NULL, 0), 0);
  assert_int_equal(duplex_kv_open(device, &options, &cache), 0);
}

static void close_all(void) {
  duplex_kv_close(cache);
  duplex_close(device);
}

static struct duplex_sequence *begin(enum duplex_kv_space space, size_t expected) {
  struct duplex_sequence *sequence;
  assert_int_equal(duplex_kv_begin(cache, space, expected, &sequence), 0);
  return sequence;
}

static int append(struct duplex_sequence *sequence, unsigned layer, size_t positions) {
  const size_t from = duplex_kv_length(sequence, layer) * D;
  return duplex_kv_append(sequence, layer, k + from, v + from, positions, MOST * D);
}

static duplex_f16 element(unsigned channel, struct region region, size_t index) {
  duplex_f16 value;
  assert_int_equal(region_read(device, channel, region, index * sizeof value, &value, sizeof value), 0);
  return value;
}

// Every element of a layer by the words of docs/architecture.md, and zeros behind the end of V and beside D.
static void check_layer(const struct duplex_sequence *sequence, unsigned layer, unsigned kind) {
  const struct kv_layer *l = &sequence->layers[layer];
  const unsigned tiles = 2, block_rows = 48;  // of D = 80
  for (unsigned head = 0; head < HEADS; head++)
    for (size_t page = 0; page < l->count; page++) {
      const struct kv_pool *pool = l->pages[page]->pool;
      const unsigned channel = (sequence->first_channel + head) % device->channels, slot = head / device->channels;
      for (size_t i = 0; i < PAGE; i++) {
        const size_t position = page * PAGE + i;
        const bool there = position < l->length;
        for (unsigned column = 0; column < 128 && there; column++) {
          const struct region at = {pool->region.base + slot * pool->slot_stride + l->pages[page]->frame * tiles + column / 64,
                                    pool->region.stripe};
          assert_int_equal(element(channel, at, i * 64 + column % 64), column < D ? value_of(kind, position, head, column) : 0);
        }
        for (unsigned column = 0; column < D; column++) {
          const struct region at = {
              pool->v_base + slot * pool->slot_stride + column / block_rows * pool->v_block_stride + l->pages[page]->frame,
              pool->region.stripe};
          assert_int_equal(element(channel, at, column % block_rows * 64 + i),
                           there ? value_of(kind + 1, position, head, column) : 0);
        }
      }
    }
}

static void test_layout(void **state) {
  (void)state;
  static const unsigned channels[] = {1, 2, 5};
  for (unsigned i = 0; i < 3; i++) {
    open_all(channels[i], 20, 0, 2);
    struct duplex_sequence *sequence = begin(DUPLEX_KV_SPACES, 0), *other = begin(DUPLEX_KV_SPACES, 0);
    static const size_t steps[] = {1, 1, 61, 3, 64, 70, 1};
    for (unsigned step = 0; step < 7; step++) {
      make_values(4);
      assert_int_equal(append(sequence, 0, steps[step]), 0);
      make_values(8);
      assert_int_equal(append(other, 1, steps[step] / 2), 0);
    }
    assert_int_equal(duplex_kv_length(sequence, 0), 201);
    assert_int_equal(duplex_kv_length(sequence, 1), 0);
    check_layer(sequence, 0, 4);
    check_layer(other, 1, 8);
    close_all();
  }
}

// Frames that were used before: what is left in them must not show.
static void test_free_and_use_again(void **state) {
  (void)state;
  open_all(2, 3, 0, 1);
  struct duplex_sequence *sequence = begin(DUPLEX_KV_SPACES, 0);
  make_values(1);
  assert_int_equal(append(sequence, 0, 3 * PAGE), 0);
  assert_int_equal(duplex_kv_used(cache, DUPLEX_KV_SPACES), 6);
  duplex_kv_free(sequence);
  assert_int_equal(duplex_kv_used(cache, DUPLEX_KV_SPACES), 0);
  sequence = begin(DUPLEX_KV_SPACES, 0);
  make_values(5);
  assert_int_equal(append(sequence, 0, PAGE + 3), 0);
  check_layer(sequence, 0, 5);
  close_all();
}

static void test_out_of_space(void **state) {
  (void)state;
  open_all(1, 3, 0, 1);
  make_values(2);
  struct duplex_sequence *first = begin(DUPLEX_KV_SPACES, 0), *second = begin(DUPLEX_KV_SPACES, 0), *shared;
  assert_int_equal(append(first, 0, PAGE + 1), 0);
  assert_int_equal(append(second, 0, 10), 0);
  assert_int_equal(append(second, 0, PAGE), DUPLEX_ERROR_OUT_OF_SPACE);
  assert_non_null(strstr(duplex_last_error(device), "free page"));
  assert_int_equal(append(first, 0, 2 * PAGE), DUPLEX_ERROR_OUT_OF_SPACE);
  assert_int_equal(duplex_kv_length(first, 0), PAGE + 1);
  assert_int_equal(duplex_kv_length(second, 0), 10);
  check_layer(first, 0, 2);
  check_layer(second, 0, 2);
  assert_int_equal(duplex_kv_share(first, PAGE + 1, &shared), 0);     // needs no page
  assert_int_equal(append(shared, 0, 1), DUPLEX_ERROR_OUT_OF_SPACE);  // the copy on write does
  assert_int_equal(duplex_kv_length(shared, 0), PAGE + 1);
  check_layer(shared, 0, 2);
  duplex_kv_free(second);
  assert_int_equal(append(shared, 0, 1), 0);
  check_layer(shared, 0, 2);
  check_layer(first, 0, 2);
  close_all();
}

static void test_share_and_copy_on_write(void **state) {
  (void)state;
  open_all(2, 20, 0, 2);
  make_values(3);
  struct duplex_sequence *first = begin(DUPLEX_KV_SPACES, 0), *second, *third;
  assert_int_equal(append(first, 0, 100), 0);
  assert_int_equal(append(first, 1, 130), 0);
  const size_t alone = duplex_kv_used(cache, DUPLEX_KV_SPACES);
  assert_int_equal(duplex_kv_share(first, 101, &second), DUPLEX_ERROR_ARGUMENT);
  assert_int_equal(duplex_kv_share(first, 100, &second), 0);
  // Layer 0 is shared to its end; of layer 1 the second page ends earlier, so it is a copy with zeros behind position 100.
  assert_int_equal(duplex_kv_used(cache, DUPLEX_KV_SPACES), alone + 2);
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
  assert_int_equal(duplex_kv_share(second, PAGE, &third), 0);
  duplex_kv_free(first);
  duplex_kv_free(second);
  assert_int_equal(duplex_kv_used(cache, DUPLEX_KV_SPACES), 4);  // a page a layer
  check_layer(third, 0, 3);
  assert_int_equal(append(third, 0, 5), 0);
  check_layer(third, 0, 3);
  duplex_kv_free(third);
  assert_int_equal(duplex_kv_used(cache, DUPLEX_KV_SPACES), 0);
  close_all();
}

static void test_move(void **state) {
  (void)state;
  open_all(2, 5, 4, 1);
  make_values(6);
  struct duplex_sequence *first = begin(DUPLEX_KV_PREFILL, 0), *second, *decoding = begin(DUPLEX_KV_SPACES, 0);
  static duplex_f16 q[HEADS * D], o[HEADS * D];
  assert_int_equal(append(first, 0, 150), 0);
  assert_int_equal(duplex_kv_share(first, PAGE, &second), 0);
  assert_int_equal(append(decoding, 0, 3 * PAGE), 0);
  assert_int_equal(duplex_attention(cache, 0, &first, 1, q, HEADS, 0, o), DUPLEX_ERROR_OWNER);
  assert_int_equal(duplex_kv_move(first), DUPLEX_ERROR_OUT_OF_SPACE);
  check_layer(first, 0, 6);
  assert_int_equal(duplex_kv_used(cache, DUPLEX_KV_PREFILL), 6);
  duplex_kv_free(decoding);
  assert_int_equal(duplex_kv_move(first), 0);
  assert_int_equal(duplex_kv_used(cache, DUPLEX_KV_PREFILL), 0);  // the shared page moved for both
  assert_int_equal(duplex_kv_used(cache, DUPLEX_KV_SPACES), 6);
  assert_int_equal(append(second, 0, 1), 0);
  assert_int_equal(duplex_kv_used(cache, DUPLEX_KV_PREFILL), 2);
  assert_int_equal(duplex_kv_move(second), 0);
  assert_int_equal(duplex_kv_used(cache, DUPLEX_KV_PREFILL), 0);
  check_layer(first, 0, 6);
  check_layer(second, 0, 6);
  assert_int_equal(append(first, 0, 20), 0);
  check_layer(first, 0, 6);
  assert_int_equal(duplex_attention(cache, 0, &first, 1, q, HEADS, 0, o), 0);
  close_all();
}

// Sequences of the same length fill the channels evenly; a long one goes where there is least.
static void test_balance(void **state) {
  (void)state;
  open_all(12, 64, 0, 1);
  for (unsigned i = 0; i < 8; i++) begin(DUPLEX_KV_SPACES, 100);
  for (unsigned channel = 0; channel < 12; channel++) assert_int_equal(cache->load[channel], 200);
  struct duplex_sequence *longer = begin(DUPLEX_KV_SPACES, 50), *next = begin(DUPLEX_KV_SPACES, 10);
  assert_int_equal(longer->first_channel, 0);
  assert_int_equal(next->first_channel, HEADS);
  make_values(0);
  assert_int_equal(append(next, 0, 30), 0);
  assert_int_equal(cache->load[HEADS], 230);
  duplex_kv_free(longer);
  assert_int_equal(cache->load[0], 200);
  close_all();
}

static void test_arguments(void **state) {
  (void)state;
  open_all(1, 2, 0, 1);
  struct duplex_kv_cache *other;
  static const struct duplex_kv_options wrong[] = {{.heads = 0, .head_size = 64, .pages = 1},
                                                   {.heads = 257, .head_size = 64, .pages = 1},
                                                   {.heads = 1, .head_size = 0, .pages = 1},
                                                   {.heads = 1, .head_size = 72, .pages = 1},
                                                   {.heads = 1, .head_size = 272, .pages = 1},
                                                   {.heads = 1, .head_size = 64, .pages = 1, .page_positions = 100},
                                                   {.heads = 1, .head_size = 64, .pages = 1, .bundles = 16}};
  for (unsigned i = 0; i < sizeof wrong / sizeof *wrong; i++) {
    assert_int_equal(duplex_kv_open(device, &wrong[i], &other), DUPLEX_ERROR_ARGUMENT);
    assert_null(other);
  }
  struct duplex_kv_options large = {.heads = 1, .head_size = 64};
  large.pages = duplex_kv_room(device, &large) + 1;
  assert_int_equal(duplex_kv_open(device, &large, &other), DUPLEX_ERROR_OUT_OF_SPACE);
  large.pages--;
  assert_int_equal(duplex_kv_open(device, &large, &other), 0);
  duplex_kv_close(other);
  struct duplex_sequence *sequence = begin(DUPLEX_KV_SPACES, 0);
  assert_int_equal(duplex_kv_append(sequence, 1, k, v, 1, 0), DUPLEX_ERROR_ARGUMENT);
  assert_int_equal(duplex_kv_append(sequence, 0, k, v, DUPLEX_POSITIONS_MAX + 1, 0), DUPLEX_ERROR_ARGUMENT);
  assert_int_equal(duplex_kv_append(sequence, 0, k, v, 0, 0), 0);
  close_all();
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(test_layout),    cmocka_unit_test(test_free_and_use_again),      cmocka_unit_test(test_out_of_space),
      cmocka_unit_test(test_move),      cmocka_unit_test(test_share_and_copy_on_write), cmocka_unit_test(test_balance),
      cmocka_unit_test(test_arguments),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
