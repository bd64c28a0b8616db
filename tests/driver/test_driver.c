// SPDX-License-Identifier: Apache-2.0
// The driver library against a mock register interface that expects exact sequences.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
// CMocka needs the four above first.
#include <cmocka.h>

#include "duplex/descriptor.h"
#include "duplex/duplex.h"
#include "duplex/kv_cache.h"
#include "duplex/registers.h"
#include "tests/driver/mock_backend.h"

#define DONE 1u
#define BOTH 3u
#define ENABLE 1u
#define FLUSH 2u

static struct mock mock;
static const duplex_f16 one = 0x3c00;

static void expect_open(unsigned channels, uint32_t id) {
  expect_read(&mock, DUPLEX_REG_ID, id);
  expect_read(&mock, DUPLEX_REG_VERSION, 1);
  expect_read(&mock, DUPLEX_REG_GEOMETRY, channels | 8 << 8 | 64 << 16 | 64u << 24);
}

static struct duplex_stack *open_mock(unsigned channels) {
  struct duplex_stack *stack = NULL;
  mock_start(&mock, channels);
  expect_open(channels, DUPLEX_ID_VALUE_RESET);
  assert_int_equal(
      duplex_stack_open_backend(
          &mock.backend,
          &(struct duplex_stack_options){.backend.channels = channels, .watchdog_clocks = 1000}, &stack),
      0);
  assert_non_null(stack);
  assert_true(mock_satisfied(&mock));
  return stack;
}

static void close_mock(struct duplex_stack *stack) {
  duplex_stack_close(stack);
  assert_true(mock.closed);
  mock_end(&mock);
}

// All bundles to the xPU, whose side writes and reads tensors, and to Logic-PIM for a job.
static void expect_give(void) {
  expect_write(&mock, DUPLEX_REG_BUNDLE_OWNER, 0);
  expect_read(&mock, DUPLEX_REG_BUNDLE_OWNER, 1 << DUPLEX_BUNDLE_OWNER_OPEN_LSB);  // a row is still open
  expect_read(&mock, DUPLEX_REG_BUNDLE_OWNER, 0);
}

static void expect_take(void) { expect_write(&mock, DUPLEX_REG_BUNDLE_OWNER, 0xf); }

static void expect_counters(uint32_t rows, uint32_t columns, uint32_t beats) {
  const uint32_t values[] = {rows, columns, 1, beats, 0, 0, 0};
  for (uint32_t counter = 0; counter < 7; counter++) {
    expect_write(&mock, DUPLEX_REG_PERFORMANCE_SELECT, counter << 8);
    expect_read(&mock, DUPLEX_REG_PERFORMANCE_LOW, values[counter]);
    expect_read(&mock, DUPLEX_REG_PERFORMANCE_HIGH, 0);
  }
}

// The job of a ring whose descriptors are all consumed.
static void expect_start(uint32_t produced, uint32_t completed) {
  expect_write(&mock, DUPLEX_REG_INTERRUPT_STATUS, BOTH);
  expect_write(&mock, DUPLEX_REG_INTERRUPT_ENABLE, BOTH);
  expect_write(&mock, DUPLEX_REG_CONTROL, ENABLE);
  expect_read(&mock, DUPLEX_REG_DOORBELL, produced);
  expect_read(&mock, DUPLEX_REG_COMPLETED, completed);
  expect_read(&mock, DUPLEX_REG_CONSUMER, produced);
}

// The words of a slot are written in this order. The job looks for room only if none is known to be left.
static void expect_push(uint32_t number, const uint32_t words[DUPLEX_DESCRIPTOR_WORDS]) {
  static const uint32_t order[DUPLEX_DESCRIPTOR_WORDS] = {1, 2, 3,  4,  9,  0,  5,  6,
                                                          7, 8, 10, 11, 12, 13, 14, 15};
  const uint32_t slot = DUPLEX_REG_RING + 64 * (number % DUPLEX_RING_ENTRIES);
  for (uint32_t i = 0; i < DUPLEX_DESCRIPTOR_WORDS; i++)
    expect_write(&mock, slot + 4 * order[i], words[order[i]]);
  expect_write(&mock, DUPLEX_REG_DOORBELL, (number + 1) & 0xffff);
}

// What a gemm of one row, one column and one token writes when the driver has its first row sets: the weights
// in 0, and in the mailbox the table, x and results (four bundles, so each takes a row of them).
#define MAILBOX (4u * (DUPLEX_BANK_ROWS - DUPLEX_MAILBOX_ROWS))
static void expect_gemm_descriptors(uint32_t number) {
  uint32_t load[DUPLEX_DESCRIPTOR_WORDS] = {0};
  uint32_t gemm[DUPLEX_DESCRIPTOR_WORDS] = {0};
  load[0] = DUPLEX_OPCODE_LOAD | (number % 8 == 0) << 8 | 1 << 9;
  load[1] = (MAILBOX + 4) | 0xf << 16;
  load[4] = DUPLEX_DESTINATION_SHARED << 16;
  load[11] = 1;
  gemm[0] = DUPLEX_OPCODE_GEMM | 1 << 8 | 1 << 9 | 1 << 16;
  gemm[1] = 0xf << 16;
  gemm[2] = 1;
  gemm[3] = 1 | 1 << 12 | 1 << 16;
  gemm[4] = 1;
  gemm[5] = 1;
  gemm[6] = 1;
  gemm[9] = (MAILBOX + 8) | 0xf << 16;
  gemm[10] = 1;
  expect_push(number, load);
  expect_push(number + 1, gemm);
}

// The first gemm until the driver waits for it.
static void expect_first_gemm(void) {
  expect_counters(0, 0, 0);
  expect_take();
  expect_start(0, 0);
  expect_gemm_descriptors(0);
  expect_read(&mock, DUPLEX_REG_COMPLETED, 0);
}

static void expect_good_gemm(uint32_t number) {
  expect_counters(5, 7, 9);
  expect_take();
  expect_start(number, number);
  expect_gemm_descriptors(number);
  expect_read(&mock, DUPLEX_REG_COMPLETED, number);
  expect_advance(&mock, true);
  expect_write(&mock, DUPLEX_REG_INTERRUPT_STATUS, DONE);
  expect_read(&mock, DUPLEX_REG_ERROR_CODE, 0);
  expect_read(&mock, DUPLEX_REG_COMPLETED, number + 2);
  expect_write(&mock, DUPLEX_REG_INTERRUPT_STATUS, DONE);
  expect_counters(6, 12, 10);
  expect_give();
}

static void test_open_checks_the_identity(void **state) {
  struct duplex_stack *stack = NULL;
  (void)state;
  mock_start(&mock, 1);
  expect_open(1, 0x12345678);
  assert_int_equal(
      duplex_stack_open_backend(&mock.backend, &(struct duplex_stack_options){.backend.channels = 1}, &stack),
      DUPLEX_ERROR_FORMAT);
  assert_null(stack);
  assert_true(mock_satisfied(&mock));
  assert_true(mock.closed);
  mock_end(&mock);
  mock_start(&mock, 2);
  expect_open(3, DUPLEX_ID_VALUE_RESET);
  assert_int_equal(
      duplex_stack_open_backend(&mock.backend, &(struct duplex_stack_options){.backend.channels = 2}, &stack),
      DUPLEX_ERROR_FORMAT);
  mock_end(&mock);
}

// A stack of one channel with a matrix of one row and one column.
static struct duplex_stack *open_with_weights(struct duplex_weights **weights) {
  struct duplex_stack *stack = open_mock(1);
  expect_give();
  assert_int_equal(duplex_stack_upload(stack, &one, 1, 1, NULL, weights), 0);
  return stack;
}

static void test_gemm_sequence(void **state) {
  struct duplex_weights *weights;
  struct duplex_stack_stats stats;
  duplex_f16 y = 1;
  (void)state;
  struct duplex_stack *stack = open_with_weights(&weights);
  expect_good_gemm(0);
  assert_int_equal(duplex_stack_gemm(stack, weights, &one, 1, DUPLEX_F16, &y), 0);
  assert_true(mock_satisfied(&mock));
  assert_int_equal(y, 0);  // nothing computed here: the results' DRAM is zero
  duplex_stack_last_stats(stack, &stats);
  assert_int_equal(stats.channel[0].rows, 1);
  assert_int_equal(stats.read_bytes, 5 * 256);
  assert_int_equal(stats.macs, 1);
  assert_int_equal(stats.descriptors, 2);
  duplex_stack_release(stack, weights);
  close_mock(stack);
}

// The ring goes on where it stood: descriptors 8 and 9 after 8 that an earlier client pushed, slot 8 asks for
// the half-way interrupt.
static void test_ring_goes_on(void **state) {
  struct duplex_weights *weights;
  duplex_f16 y;
  (void)state;
  struct duplex_stack *stack = open_with_weights(&weights);
  expect_good_gemm(8);
  assert_int_equal(duplex_stack_gemm(stack, weights, &one, 1, DUPLEX_F16, &y), 0);
  assert_true(mock_satisfied(&mock));
  duplex_stack_release(stack, weights);
  close_mock(stack);
}

static void expect_clean_up(void) {
  expect_write(&mock, DUPLEX_REG_CONTROL, ENABLE | FLUSH);
  expect_read(&mock, DUPLEX_REG_STATUS, 1);
  expect_read(&mock, DUPLEX_REG_STATUS, 0);
  expect_write(&mock, DUPLEX_REG_ERROR_CODE, 0);
  expect_write(&mock, DUPLEX_REG_INTERRUPT_STATUS, BOTH);
}

static void test_refused_descriptor(void **state) {
  struct duplex_weights *weights;
  duplex_f16 y;
  (void)state;
  struct duplex_stack *stack = open_with_weights(&weights);
  expect_first_gemm();
  expect_advance(&mock, true);
  expect_write(&mock, DUPLEX_REG_INTERRUPT_STATUS, DONE);
  expect_read(&mock, DUPLEX_REG_ERROR_CODE, DUPLEX_STACK_ERROR_STRIPE);
  expect_read(&mock, DUPLEX_REG_ERROR_DESCRIPTOR, 1 << 16 | 1);
  expect_read(&mock, DUPLEX_REG_ERROR_ADDRESS, 0xf);
  expect_clean_up();
  assert_int_equal(duplex_stack_gemm(stack, weights, &one, 1, DUPLEX_F16, &y), DUPLEX_ERROR_DEVICE);
  assert_true(mock_satisfied(&mock));
  assert_string_equal(duplex_stack_last_error(stack),
                      "the stack refused descriptor 1: error 7 at address 0xf (docs/registers.md)");
  expect_give();
  expect_good_gemm(2);  // and the stack is usable, with the same row sets
  assert_int_equal(duplex_stack_gemm(stack, weights, &one, 1, DUPLEX_F16, &y), 0);
  assert_true(mock_satisfied(&mock));
  duplex_stack_release(stack, weights);
  close_mock(stack);
}

static void test_watchdog(void **state) {
  struct duplex_weights *weights;
  duplex_f16 y;
  (void)state;
  struct duplex_stack *stack = open_with_weights(&weights);
  expect_first_gemm();
  expect_advance(&mock, false);
  expect_clean_up();
  assert_int_equal(duplex_stack_gemm(stack, weights, &one, 1, DUPLEX_F16, &y), DUPLEX_ERROR_WATCHDOG);
  assert_true(mock_satisfied(&mock));
  assert_non_null(strstr(duplex_stack_last_error(stack), "1000 clocks"));
  duplex_stack_release(stack, weights);
  close_mock(stack);
}

static void test_errors_of_the_back_end(void **state) {
  struct duplex_weights *weights;
  duplex_f16 y;
  (void)state;
  struct duplex_stack *stack = open_with_weights(&weights);
  mock_expect(&mock, MOCK_WRITE, DUPLEX_REG_PERFORMANCE_SELECT, 0, DUPLEX_ERROR_BUS);
  assert_int_equal(duplex_stack_gemm(stack, weights, &one, 1, DUPLEX_F16, &y), DUPLEX_ERROR_BUS);
  mock.memory_error = DUPLEX_ERROR_NO_MEMORY;
  struct duplex_weights *more;
  assert_int_equal(duplex_stack_upload(stack, &one, 1, 1, NULL, &more), DUPLEX_ERROR_NO_MEMORY);
  assert_null(more);
  assert_int_equal(duplex_stack_gemm(stack, weights, &one, 1, DUPLEX_F16, &y), DUPLEX_ERROR_NO_MEMORY);
  mock.memory_error = 0;
  assert_true(mock_satisfied(&mock));
  expect_good_gemm(0);  // nothing that failed kept a row set
  assert_int_equal(duplex_stack_gemm(stack, weights, &one, 1, DUPLEX_F16, &y), 0);
  assert_true(mock_satisfied(&mock));
  duplex_stack_release(stack, weights);
  close_mock(stack);
}

// One sequence of one position: K and V in row sets 0 and 1 of bundles 0 to 2, in the mailbox the table, q
// and o. The words of a slot are written in this order.
static void expect_attention_descriptor(uint32_t number) {
  static const uint32_t order[] = {0, 1, 2, 9, 12, 13, 14};
  uint32_t d[DUPLEX_DESCRIPTOR_WORDS] = {0};
  const uint32_t slot = DUPLEX_REG_RING + 64 * (number % DUPLEX_RING_ENTRIES);
  d[0] = DUPLEX_OPCODE_ATTENTION | 1 << 8 | 1 << 10 | 1 << 11 | 1 << 14;  // INTERRUPT, FIRST, LAST, FENCE
  d[1] = 0x7 << 16 | 1 << 20;                                             // K, one lane
  d[2] = 1 | 1u << 16;                                                    // one row set a slot, V
  d[9] = (MAILBOX + 5) | 0xf << 16;
  d[12] = 1;
  d[13] = 16 | 1 << 16;
  d[14] = 1 | (MAILBOX + 4) << 16;
  d[15] = 0x3eb8aa3b;  // log2 e / 4
  for (uint32_t word = 3; word < 12; word++) expect_write(&mock, slot + 4 * word, 0);
  expect_write(&mock, slot + 4 * 15, d[15]);
  for (uint32_t i = 0; i < 7; i++) expect_write(&mock, slot + 4 * order[i], d[order[i]]);
  expect_write(&mock, DUPLEX_REG_DOORBELL, number + 1);
}

static void expect_attention(uint32_t number, bool good) {
  expect_counters(0, 0, 0);
  expect_take();
  expect_start(number, number);
  expect_attention_descriptor(number);
  expect_read(&mock, DUPLEX_REG_COMPLETED, number);
  expect_advance(&mock, true);
  expect_write(&mock, DUPLEX_REG_INTERRUPT_STATUS, DONE);
  expect_read(&mock, DUPLEX_REG_ERROR_CODE, good ? 0 : DUPLEX_STACK_ERROR_OPCODE);
  if (!good) return;
  expect_read(&mock, DUPLEX_REG_COMPLETED, number + 1);
  expect_write(&mock, DUPLEX_REG_INTERRUPT_STATUS, DONE);
  expect_counters(0, 3, 4);
  expect_give();
}

static void test_attention_sequence(void **state) {
  struct duplex_kv_cache *cache;
  struct duplex_sequence *sequence;
  struct duplex_stack_stats stats;
  duplex_f16 vector[16] = {one};
  duplex_f16 o[16] = {one};
  (void)state;
  struct duplex_stack *stack = open_mock(1);
  const struct duplex_kv_options options = {.heads = 1, .head_size = 16, .page_positions = 64, .pages = 1};
  assert_int_equal(duplex_kv_open(stack, &options, &cache), 0);
  assert_int_equal(duplex_kv_begin(cache, DUPLEX_KV_SPACES, 1, &sequence), 0);
  expect_give();
  assert_int_equal(duplex_kv_append(sequence, 0, vector, vector, 1, 0), 0);
  expect_attention(0, true);
  assert_int_equal(duplex_stack_attention(cache, 0, &sequence, 1, vector, 1, 0, o), 0);
  assert_true(mock_satisfied(&mock));
  assert_int_equal(o[0], 0);  // nothing computed here
  duplex_stack_last_stats(stack, &stats);
  assert_int_equal(stats.read_bytes, 3 * 256);
  assert_int_equal(stats.useful_bytes, 2 * 16 * 2);
  assert_int_equal(stats.macs, 32);
  assert_int_equal(stats.channel[0].rows, 1);
  // A stack that does not know the opcode; the stack stays usable, with the same row sets.
  expect_attention(1, false);
  expect_read(&mock, DUPLEX_REG_ERROR_DESCRIPTOR, 1);
  expect_read(&mock, DUPLEX_REG_ERROR_ADDRESS, 0);
  expect_clean_up();
  assert_int_equal(duplex_stack_attention(cache, 0, &sequence, 1, vector, 1, 0, o), DUPLEX_ERROR_DEVICE);
  assert_string_equal(duplex_stack_last_error(stack),
                      "the stack refused descriptor 0: error 1 at address 0x0 (docs/registers.md)");
  expect_give();
  expect_attention(2, true);
  assert_int_equal(duplex_stack_attention(cache, 0, &sequence, 1, vector, 1, 0, o), 0);
  assert_true(mock_satisfied(&mock));
  duplex_kv_close(cache);
  close_mock(stack);
}

static void test_arguments(void **state) {
  struct duplex_weights *weights, *other, *pair;
  duplex_f16 y[2], two[2] = {one, one};
  (void)state;
  struct duplex_stack *stack = open_mock(1);
  assert_int_equal(duplex_stack_upload(stack, &one, 0, 1, NULL, &weights), DUPLEX_ERROR_ARGUMENT);
  assert_int_equal(duplex_stack_upload(stack, &one, 1, 0, NULL, &weights), DUPLEX_ERROR_ARGUMENT);
  assert_int_equal(duplex_stack_upload(stack, &one, 1, 65537, NULL, &weights), DUPLEX_ERROR_ARGUMENT);
  assert_null(weights);
  expect_give();
  assert_int_equal(duplex_stack_upload(stack, &one, 1, 1, NULL, &weights), 0);
  assert_int_equal(duplex_stack_upload(stack, two, 1, 2, NULL, &other), 0);
  assert_int_equal(duplex_stack_gemm(stack, weights, &one, 0, DUPLEX_F16, y), DUPLEX_ERROR_ARGUMENT);
  assert_int_equal(duplex_stack_gemm(stack, weights, &one, 4097, DUPLEX_F16, y), DUPLEX_ERROR_ARGUMENT);
  assert_int_equal(
      duplex_stack_expert(stack, weights, other, duplex_activation_builtin("relu"), &one, 1, DUPLEX_F16, y),
      DUPLEX_ERROR_ARGUMENT);
  assert_int_equal(duplex_stack_upload_pair(stack, NULL, two, 1, 32769, &pair), DUPLEX_ERROR_ARGUMENT);
  assert_int_equal(duplex_stack_set_stripe(stack, 0), DUPLEX_ERROR_ARGUMENT);
  assert_int_equal(duplex_stack_set_stripe(stack, 0x10), DUPLEX_ERROR_ARGUMENT);
  assert_int_equal(duplex_stack_set_stripe(stack, 4), 0);
  assert_int_equal(duplex_stack_upload_pair(stack, NULL, two, 1, 1, &pair),
                   DUPLEX_ERROR_ARGUMENT);  // one bundle is too few
  assert_null(pair);
  assert_int_equal(duplex_stack_set_stripe(stack, 0xe), 0);
  assert_int_equal(duplex_stack_upload_pair(stack, NULL, two, 1, 1, &pair), 0);
  assert_int_equal(
      duplex_stack_expert(stack, pair, weights, duplex_activation_builtin("relu"), &one, 1, DUPLEX_F16, y),
      DUPLEX_ERROR_ARGUMENT);
  assert_true(mock_satisfied(&mock));  // no register was touched
  duplex_stack_release(stack, weights);
  duplex_stack_release(stack, other);
  duplex_stack_release(stack, pair);
  duplex_stack_release(stack, NULL);
  close_mock(stack);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(test_open_checks_the_identity),
      cmocka_unit_test(test_gemm_sequence),
      cmocka_unit_test(test_ring_goes_on),
      cmocka_unit_test(test_refused_descriptor),
      cmocka_unit_test(test_watchdog),
      cmocka_unit_test(test_errors_of_the_back_end),
      cmocka_unit_test(test_attention_sequence),
      cmocka_unit_test(test_arguments),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
