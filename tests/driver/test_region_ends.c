// SPDX-License-Identifier: Apache-2.0
// Each region that a message names, at the exact end of what its client may touch: the last place is taken,
// the next one refused by the firmware, by the byte of the payload.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
// CMocka needs the three above first.
#include <cmocka.h>

#include "driver/bundle_owner.h"
#include "driver/queue.h"
#include "duplex/error.h"

#define CHANNELS 2u
#define CLIENT_ROWS 300u

static struct duplex_stack *stack, *client;
static uint32_t end;  // of the client's rows, in row sets of one bundle

static int prepare(void **state) {
  const struct duplex_stack_options options = {.backend = {.channels = CHANNELS, .threads = 1}};
  (void)state;
  assert_int_equal(duplex_stack_open("cmodel", &options, &stack, NULL, 0), 0);
  if (duplex_stack_open_client(stack, CLIENT_ROWS, &client)) fail_msg("%s", duplex_stack_last_error(stack));
  end = queue_allotment(client)->part[0].first + CLIENT_ROWS;
  return 0;
}

static int finish(void **state) {
  (void)state;
  duplex_stack_close(client);
  duplex_stack_close(stack);
  return 0;
}

static uint32_t status_of(uint32_t kind, const void *payload, size_t bytes, uint32_t *detail) {
  struct completion completion;
  uint32_t number;
  assert_int_equal(bundle_owner_set(client, client->bundles), 0);
  assert_int_equal(queue_submit(client, kind, payload, bytes, &number), 0);
  const int error = queue_wait(client, number, UINT64_MAX, &completion);
  assert_true(error == 0 || error == DUPLEX_ERROR_FIRMWARE);
  *detail = completion.detail;
  return completion.status;
}

// The region of `message` at `at` may end where the client's rows end, and begin where they begin, and no row
// set beyond.
static void check_region(uint32_t kind, void *message, size_t bytes, size_t at, uint32_t row_sets) {
  struct region_words *region = (struct region_words *)(void *)((char *)message + at);
  const struct region_words right = *region;
  const uint32_t bundles = (uint32_t)__builtin_popcount(right.stripe);
  const uint32_t last = bundles * end - row_sets;
  const uint32_t first = bundles * (end - CLIENT_ROWS);
  const struct {
    uint32_t base;
    bool good;
  } cases[] = {{last, true}, {last + 1, false}, {bundles * end, false}, {first, true}, {first - 1, false}};
  for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
    uint32_t detail;
    region->base = cases[i].base;
    const uint32_t status = status_of(kind, message, bytes, &detail);
    if (status != (cases[i].good ? COMPLETION_DONE : COMPLETION_REGION))
      fail_msg("kind %u, region at byte %zu of %u row sets at %u, end %u: status %u", kind, at, row_sets,
               cases[i].base, bundles * end, status);
  }
  *region = right;
}

static uint32_t passes_of(uint32_t groups, uint32_t most) { return (groups + most - 1) / most; }

// Its matrix at the beginning of the client's rows, the tensors behind it.
static void check_gemm(uint32_t n, uint32_t k, uint32_t groups, uint32_t format, bool exponents,
                       uint32_t stripe) {
  struct weight_layout layout = {.rows = n, .exponents = exponents};
  assert_true(weight_layout(&layout, k, CHANNELS));
  const uint32_t first = (uint32_t)__builtin_popcount(stripe) * (end - CLIENT_ROWS);
  const uint32_t most = layout.k_tiles * DUPLEX_TILE_WORDS * 2 <= DUPLEX_SHARED_WORDS ? 2 : 1;
  const uint32_t x = passes_of(groups, most) * activation_row_sets(most * layout.k_tiles, CHANNELS);
  const uint32_t results =
      passes_of(groups, most) * result_row_sets(&layout, (enum duplex_result_format)format, most);
  struct gemm_message m = {.weights = {n, k, exponents ? MATRIX_EXPONENTS : 0, first, stripe},
                           .x = {first, stripe},
                           .results = {first, stripe},
                           .format = format,
                           .groups = groups};
  check_region(MESSAGE_GEMM, &m, sizeof m, offsetof(struct gemm_message, weights.base), layout.row_sets);
  check_region(MESSAGE_GEMM, &m, sizeof m, offsetof(struct gemm_message, x), x);
  check_region(MESSAGE_GEMM, &m, sizeof m, offsetof(struct gemm_message, results), results);
}

static void test_gemm(void **state) {
  (void)state;
  check_gemm(6, 64, 1, DUPLEX_RESULT_FORMAT_F16, false, 1);
  check_gemm(70, 1100, 5, DUPLEX_RESULT_FORMAT_F32, false, 15);
  check_gemm(200, 4096, 4, DUPLEX_RESULT_FORMAT_ACC, true, 5);
  check_gemm(20, 40000, 3, DUPLEX_RESULT_FORMAT_ACC, false, 7);
}

static void check_expert(uint32_t inner, uint32_t k, uint32_t n, uint32_t groups, uint32_t format,
                         bool gated) {
  struct weight_layout up = {.rows = gated ? 2 * inner : inner, .gated = gated};
  struct weight_layout down = {.rows = n};
  assert_true(weight_layout(&up, k, CHANNELS) && weight_layout(&down, inner, CHANNELS));
  const uint32_t first = 2 * (end - CLIENT_ROWS);
  const uint32_t longest = up.k_tiles > down.k_tiles ? up.k_tiles : down.k_tiles;
  const uint32_t most = longest * DUPLEX_TILE_WORDS * 2 <= DUPLEX_SHARED_WORDS ? 2 : 1;
  const uint32_t x = passes_of(groups, most) * activation_row_sets(most * up.k_tiles, CHANNELS);
  const uint32_t results =
      passes_of(groups, most) * result_row_sets(&down, (enum duplex_result_format)format, most);
  const uint32_t table_tiles = (DUPLEX_ACTIVATION_IMAGE_BYTES + DUPLEX_TILE_BYTES - 1) / DUPLEX_TILE_BYTES;
  struct expert_message m = {.up = {up.rows, k, gated ? MATRIX_GATED : 0, first, 6},
                             .down = {n, inner, 0, first, 6},
                             .x = {first, 6},
                             .results = {first, 6},
                             .table = {first, 6},
                             .table_tiles = table_tiles,
                             .table_serial = 77,
                             .format = format,
                             .groups = groups};
  const uint32_t table = activation_row_sets(table_tiles, CHANNELS);
  check_region(MESSAGE_EXPERT, &m, sizeof m, offsetof(struct expert_message, up.base), up.row_sets);
  check_region(MESSAGE_EXPERT, &m, sizeof m, offsetof(struct expert_message, down.base), down.row_sets);
  check_region(MESSAGE_EXPERT, &m, sizeof m, offsetof(struct expert_message, x), x);
  check_region(MESSAGE_EXPERT, &m, sizeof m, offsetof(struct expert_message, results), results);
  check_region(MESSAGE_EXPERT, &m, sizeof m, offsetof(struct expert_message, table), table);
}

static void test_expert(void **state) {
  (void)state;
  check_expert(64, 64, 6, 1, DUPLEX_RESULT_FORMAT_F16, false);
  check_expert(130, 700, 90, 5, DUPLEX_RESULT_FORMAT_ACC, true);
  check_expert(40, 40000, 9, 3, DUPLEX_RESULT_FORMAT_F32, false);
}

// All rows that are free may become another client's, and not one more.
static void test_all_rows_of_a_client(void **state) {
  const struct duplex_stack_options options = {.backend = {.channels = 1, .threads = 1}};
  struct duplex_stack *whole, *other, *third;
  (void)state;
  assert_int_equal(duplex_stack_open("cmodel", &options, &whole, NULL, 0), 0);
  const unsigned rows = DUPLEX_BANK_ROWS - DUPLEX_MAILBOX_ROWS;
  assert_int_equal(duplex_stack_open_client(whole, rows + 1, &other), DUPLEX_ERROR_ARGUMENT);
  if (duplex_stack_open_client(whole, rows, &other)) fail_msg("%s", duplex_stack_last_error(whole));
  assert_int_equal(queue_allotment(other)->part[0].first, 0);
  assert_int_equal(queue_allotment(other)->part[0].count, rows);
  assert_int_equal(duplex_stack_open_client(whole, 1, &third), DUPLEX_ERROR_ARGUMENT);
  duplex_stack_close(other);
  duplex_stack_close(whole);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(test_gemm),
      cmocka_unit_test(test_expert),
      cmocka_unit_test(test_all_rows_of_a_client),
  };
  return cmocka_run_group_tests(tests, prepare, finish);
}
