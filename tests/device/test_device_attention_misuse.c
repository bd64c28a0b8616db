// SPDX-License-Identifier: Apache-2.0
// Bad input to the attention of a device: a code, a text that names it, and a device that goes on with the
// same bits.
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

// clang-format off: after what it needs
#include <cmocka.h>
// clang-format on

#include "duplex/error.h"
#include "tests/device/attention_case.h"

// A stage that is good, and what it gives.
struct good {
  struct mixed_case c;
  struct stage stage;
  duplex_f16 *decode, *prefill;  // what o has to be
};

static size_t of_q(const struct good *good) { return good->c.heads * good->c.group * good->c.d; }

static int make_good(void **state) {
  struct good *good = calloc(1, sizeof *good);
  struct duplex_random random;
  const struct duplex_device_options options = {
      .stacks = 3, .stack.backend = {.channels = 2, .threads = 1}, .threads = 2};
  assert_non_null(good);
  duplex_random_seed(&random, 1, 1);
  good->c = (struct mixed_case){.heads = 2, .group = 2, .d = 32, .batch = 2, .count = 1};
  good->c.decode[0] = draw_tensors(&random, &good->c, 70, 69, 1, false);
  good->c.decode[1] = draw_tensors(&random, &good->c, 5, 4, 1, false);
  good->c.prefill[0] = draw_tensors(&random, &good->c, 66, 60, 6, false);
  good->stage = (struct stage){.c = &good->c, .device = open_device("cmodel", &options)};
  prepare(&good->stage, &random);
  attend(&good->stage);
  good->decode = new_values(2 * of_q(good));
  good->prefill = new_values(6 * of_q(good));
  memcpy(good->decode, good->stage.o, 2 * of_q(good) * sizeof *good->decode);
  memcpy(good->prefill, good->stage.prefill_o[0], 6 * of_q(good) * sizeof *good->prefill);
  *state = good;
  return 0;
}

static int free_good(void **state) {
  struct good *good = *state;
  end_stage(&good->stage);
  free_mixed(&good->c);
  free(good->decode);
  free(good->prefill);
  free(good);
  return 0;
}

// The device refused something: the code, a part of its text, and afterwards all is as before.
static void check_refused(struct good *good, int error, int expected, const char *part) {
  const char *text = duplex_device_last_error(good->stage.device);
  if (error != expected || !strstr(text, part) || strchr(text, '\n'))
    fail_msg("error %d, \"%s\": expected %d with \"%s\"", error, text, expected, part);
  memset(good->stage.o, 0, 2 * of_q(good) * sizeof *good->decode);
  memset(good->stage.prefill_o[0], 0, 6 * of_q(good) * sizeof *good->prefill);
  attend(&good->stage);
  assert_memory_equal(good->stage.o, good->decode, 2 * of_q(good) * sizeof *good->decode);
  assert_memory_equal(good->stage.prefill_o[0], good->prefill, 6 * of_q(good) * sizeof *good->prefill);
}

// The good stage as its call has it, for one thing to be changed.
static struct duplex_device_attention call_of(const struct good *good,
                                              struct duplex_device_prefill *prefill) {
  const struct stage *s = &good->stage;
  *prefill = (struct duplex_device_prefill){s->prefill[0], 60, 6, good->c.prefill[0].q, s->prefill_o[0]};
  return (struct duplex_device_attention){.layer = s->layer,
                                          .q_heads = good->c.heads * good->c.group,
                                          .decode = {s->decode, 2, NULL, NULL, s->q, s->o},
                                          .prefills = prefill,
                                          .prefill_count = 1};
}

#define REFUSED(change, code, text)                                                                 \
  do {                                                                                              \
    struct duplex_device_prefill prefill;                                                           \
    struct duplex_device_attention call = call_of(good, &prefill);                                  \
    change;                                                                                         \
    check_refused(good, duplex_device_attention(good->stage.kv, &call), DUPLEX_ERROR_##code, text); \
  } while (0)

static void test_shapes(void **state) {
  struct good *good = *state;
  REFUSED(call.layer = 2, ARGUMENT, "layer 2");
  REFUSED(call.q_heads = 3, ARGUMENT, "3 query heads for 2 KV heads");
  REFUSED(call.q_heads = 0, ARGUMENT, "0 query heads");
  REFUSED(call.q_heads = 34, ARGUMENT, "34 query heads");
  REFUSED(call.scale = -1, ARGUMENT, "scale");
  REFUSED(call.scale = NAN, ARGUMENT, "scale");
  REFUSED(call.scale = INFINITY, ARGUMENT, "scale");
  REFUSED(call.scale = 1e300, ARGUMENT, "scale");
  check_refused(good, duplex_device_attention(good->stage.kv, NULL), DUPLEX_ERROR_ARGUMENT,
                "attention is NULL");
  assert_int_equal(duplex_device_attention(NULL, NULL), DUPLEX_ERROR_ARGUMENT);
}

static void test_pointers(void **state) {
  struct good *good = *state;
  duplex_f16 *odd = (duplex_f16 *)((uintptr_t)good->stage.q + 1);
  REFUSED(call.decode.q = NULL, ARGUMENT, "q is NULL");
  REFUSED(call.decode.q = odd, ARGUMENT, "q is odd");
  REFUSED(call.decode.o = NULL, ARGUMENT, "o is NULL");
  REFUSED(call.decode.sequences = NULL, ARGUMENT, "sequences is NULL");
  REFUSED(call.decode.k = good->stage.k, ARGUMENT, "v is NULL");
  REFUSED(call.decode.v = good->stage.v, ARGUMENT, "k is NULL");
  REFUSED(call.prefills = NULL, ARGUMENT, "prefills is NULL");
  REFUSED(prefill.q = NULL, ARGUMENT, "q of a prefill is NULL");
  REFUSED(prefill.o = NULL, ARGUMENT, "o of a prefill is NULL");
  check_refused(good, duplex_device_append(good->stage.decode[0], 0, NULL, good->stage.v, 1),
                DUPLEX_ERROR_ARGUMENT, "k is NULL");
  check_refused(good, duplex_device_append(good->stage.decode[0], 0, good->stage.k, odd, 1),
                DUPLEX_ERROR_ARGUMENT, "v is odd");
  check_refused(good, duplex_device_append(good->stage.decode[0], 2, good->stage.k, good->stage.v, 1),
                DUPLEX_ERROR_ARGUMENT, "layer 2");
}

static void test_sequences(void **state) {
  struct good *good = *state;
  struct duplex_device_sequence *freed, *empty, *twice[2] = {good->stage.decode[0], good->stage.decode[0]};
  must(good->stage.device, duplex_device_begin_sequence(good->stage.kv, DUPLEX_KV_SPACES, 0, &freed));
  must(good->stage.device, duplex_device_begin_sequence(good->stage.kv, DUPLEX_KV_SPACES, 0, &empty));
  must(good->stage.device, duplex_device_free_sequence(freed));
  REFUSED((call.decode.sequences = &freed, call.decode.batch = 1), ARGUMENT, "sequence 0 is none");
  REFUSED((call.decode.sequences = &empty, call.decode.batch = 1), ARGUMENT, "sequence 0 has no position");
  REFUSED(call.decode.sequences = twice, ARGUMENT, "sequence 1 comes twice");
  REFUSED(call.decode.sequences = good->stage.prefill, OWNER, "sequence 0 is in the prefill space");
  REFUSED(prefill.sequence = good->stage.decode[0], OWNER, "prefill 0 is in the KV spaces");
  REFUSED(prefill.sequence = NULL, ARGUMENT, "prefill 0 is none");
  REFUSED(prefill.positions = 0, ARGUMENT, "prefill 0: 0 positions from 60");
  REFUSED(prefill.positions = 7, ARGUMENT, "7 positions from 60 on: expected 1 or more of the 66");
  REFUSED(prefill.first = SIZE_MAX, ARGUMENT, "prefill 0: 6 positions");
  check_refused(good, duplex_device_free_sequence(freed), DUPLEX_ERROR_ARGUMENT, "the sequence was freed");
  check_refused(good, duplex_device_move_sequence(freed, NULL), DUPLEX_ERROR_ARGUMENT, "was freed");
  assert_int_equal(duplex_device_free_sequence(NULL), DUPLEX_OK);
  must(good->stage.device, duplex_device_free_sequence(empty));
}

static void test_sharing(void **state) {
  struct good *good = *state;
  struct duplex_device_sequence *const of = good->stage.decode[0];
  struct duplex_device_sequence *shared = of;
  check_refused(good, duplex_device_share_sequence(of, 100000, 0, &shared), DUPLEX_ERROR_ARGUMENT,
                "a prefix of 100000 positions");
  assert_null(shared);
  check_refused(good, duplex_device_share_sequence(of, 1, 0, NULL), DUPLEX_ERROR_ARGUMENT, "shared is NULL");
  assert_int_equal(duplex_device_share_sequence(NULL, 1, 0, &shared), DUPLEX_ERROR_ARGUMENT);
  struct duplex_device_sequence *whole;
  must(good->stage.device, duplex_device_begin_sequence(good->stage.kv, DUPLEX_KV_SPACES, 1, &whole));
  for (unsigned layer = 0; layer < 2; layer++)
    must(good->stage.device, duplex_device_append(whole, layer, good->stage.k, good->stage.v, 1));
  must(good->stage.device, duplex_device_share_sequence(whole, 1, 0, &shared));
  assert_int_equal(duplex_device_sequence_length(shared, 1), 1);
  assert_int_equal(duplex_device_sequence_stack(shared, 0), duplex_device_sequence_stack(whole, 0));
  must(good->stage.device, duplex_device_free_sequence(whole));
  must(good->stage.device, duplex_device_free_sequence(shared));
  check_refused(good, duplex_device_share_sequence(shared, 1, 0, &shared), DUPLEX_ERROR_ARGUMENT,
                "was freed");
}

// A copy of a sequence: whole pages of its base are shared, so it takes the others alone.
static void test_copies(void **state) {
  struct good *good = *state;
  struct duplex_device *device = good->stage.device;
  const struct duplex_device_kv_options options = {
      .heads = 3, .head_size = 32, .page_positions = 64, .pages = 5, .prefill_pages = 5};
  struct duplex_device_kv *kv;
  struct duplex_device_sequence *root, *tail, *base, *copy;
  struct duplex_device_copied copied;
  duplex_f16 *values = new_values(3 * 256 * 32);
  must(device, duplex_device_open_kv(device, &options, &kv));
  must(device, duplex_device_begin_sequence(kv, DUPLEX_KV_PREFILL, 1, &root));
  must(device, duplex_device_append(root, 0, values, values, 150));
  must(device, duplex_device_copy_sequence(root, NULL, &base, &copied));
  assert_int_equal(copied.bytes, 150 * 3 * 32 * 2 * 2);
  assert_true(copied.clocks > 0);
  assert_int_equal(duplex_device_sequence_length(base, 0), 150);
  must(device, duplex_device_share_sequence(root, 150, 0, &tail));
  must(device, duplex_device_append(tail, 0, values, values, 40));
  must(device, duplex_device_copy_sequence(tail, base, &copy, &copied));
  assert_int_equal(copied.bytes, (190 - 128) * 3 * 32 * 2 * 2);
  assert_int_equal(duplex_device_sequence_length(copy, 0), 190);
  check_refused(good, duplex_device_copy_sequence(tail, NULL, &copy, NULL), DUPLEX_ERROR_OUT_OF_SPACE,
                "1 of them free");
  assert_null(copy);
  check_refused(good, duplex_device_copy_sequence(base, NULL, &copy, NULL), DUPLEX_ERROR_ARGUMENT,
                "expected a sequence of the prefill space");
  check_refused(good, duplex_device_copy_sequence(tail, root, &copy, NULL), DUPLEX_ERROR_ARGUMENT,
                "the base of a copy");
  check_refused(good, duplex_device_copy_sequence(tail, good->stage.decode[0], &copy, NULL),
                DUPLEX_ERROR_ARGUMENT, "the base of a copy");
  check_refused(good, duplex_device_copy_sequence(tail, base, NULL, NULL), DUPLEX_ERROR_ARGUMENT,
                "copy is NULL");
  must(device, duplex_device_free_sequence(tail));
  check_refused(good, duplex_device_copy_sequence(tail, base, &copy, NULL), DUPLEX_ERROR_ARGUMENT,
                "was freed");
  must(device, duplex_device_close_kv(kv));
  free(values);
}

static void test_options(void **state) {
  struct good *good = *state;
  struct duplex_device *device = good->stage.device;
  struct duplex_device_kv *kv;
  struct duplex_device_kv_options options = {.heads = 0, .head_size = 32, .pages = 1};
  struct duplex_device_sequence *sequence;
  check_refused(good, duplex_device_open_kv(device, &options, &kv), DUPLEX_ERROR_ARGUMENT, "0 KV heads");
  assert_null(kv);
  options.heads = 2, options.head_size = 20;
  check_refused(good, duplex_device_open_kv(device, &options, &kv), DUPLEX_ERROR_ARGUMENT, "head size 20");
  options.head_size = 32, options.pages = 60000;
  check_refused(good, duplex_device_open_kv(device, &options, &kv), DUPLEX_ERROR_OUT_OF_SPACE,
                "no room in the stack's DRAM for 60000 pages");
  check_refused(good, duplex_device_open_kv(device, NULL, &kv), DUPLEX_ERROR_ARGUMENT, "options is NULL");
  options.pages = 0;
  check_refused(good, duplex_device_open_kv(device, &options, &kv), DUPLEX_ERROR_ARGUMENT,
                "0 pages, and 0 to prefill in: expected 1 or more");
  assert_null(kv);
  options.pages = 1;
  must(device, duplex_device_open_kv(device, &options, &kv));
  must(device, duplex_device_close_kv(kv));
  check_refused(good, duplex_device_close_kv(kv), DUPLEX_ERROR_ARGUMENT, "the KV cache is closed");
  check_refused(good, duplex_device_begin_sequence(kv, DUPLEX_KV_SPACES, 0, &sequence), DUPLEX_ERROR_ARGUMENT,
                "closed");
  assert_int_equal(duplex_device_close_kv(NULL), DUPLEX_OK);
  check_refused(good, duplex_device_begin_sequence(good->stage.kv, (enum duplex_kv_space)2, 0, &sequence),
                DUPLEX_ERROR_ARGUMENT, "space 2");
}

// A cache of two pages of a space in each channel; a sequence that has all of them of its stacks.
static struct duplex_device_sequence *fill_space(struct good *good, enum duplex_kv_space space,
                                                 struct duplex_device_kv **kv, const duplex_f16 *values) {
  const struct duplex_device_kv_options options = {
      .heads = 3, .head_size = 32, .page_positions = 64, .pages = 2, .prefill_pages = 4};
  struct duplex_device_sequence *sequence;
  const size_t positions = space == DUPLEX_KV_SPACES ? 100 : 200;
  must(good->stage.device, duplex_device_open_kv(good->stage.device, &options, kv));
  must(good->stage.device, duplex_device_begin_sequence(*kv, space, 1, &sequence));
  must(good->stage.device, duplex_device_append(sequence, 0, values, values, positions));
  return sequence;
}

static void test_full_spaces(void **state) {
  struct good *good = *state;
  struct duplex_device_kv *kv;
  struct duplex_device_sequence *sequence;
  duplex_f16 *values = new_values(3 * 256 * 32);
  sequence = fill_space(good, DUPLEX_KV_SPACES, &kv, values);
  check_refused(
      good, duplex_device_append(sequence, 0, values, values, 100), DUPLEX_ERROR_OUT_OF_SPACE,
      "stack 0: KV spaces (bundles 0 to 2) of 2 pages of 64 positions, 0 of them free for KV head 0 of "
      "the sequence: 2 were asked for");
  assert_int_equal(duplex_device_sequence_length(sequence, 0), 100);
  must(good->stage.device, duplex_device_append(sequence, 0, values, values, 28));
  const struct duplex_device_attention step = {
      .q_heads = 3, .decode = {&sequence, 1, values, values, values, values + 4096}};
  check_refused(good, duplex_device_attention(kv, &step), DUPLEX_ERROR_OUT_OF_SPACE, "1 were asked for");
  assert_int_equal(duplex_device_sequence_length(sequence, 0), 128);
  must(good->stage.device, duplex_device_close_kv(kv));
  sequence = fill_space(good, DUPLEX_KV_PREFILL, &kv, values);
  check_refused(good, duplex_device_append(sequence, 0, values, values, 57), DUPLEX_ERROR_OUT_OF_SPACE,
                "a prefill space (bundle 3) of 4 pages of 64 positions, 0 of them free");
  check_refused(
      good, duplex_device_move_sequence(sequence, NULL), DUPLEX_ERROR_OUT_OF_SPACE,
      "stack 0: KV spaces (bundles 0 to 2) of 2 pages of 64 positions, 2 of them free for KV head 0 of "
      "the sequence: 4 were asked for");
  must(good->stage.device, duplex_device_append(sequence, 0, values, values, 56));
  must(good->stage.device, duplex_device_close_kv(kv));
  free(values);
}

// Room that one sequence of a batch has taken is given back if another has none.
static void test_batch_gives_back(void **state) {
  struct good *good = *state;
  struct duplex_device *device = good->stage.device;
  const struct duplex_device_kv_options options = {
      .heads = 3, .head_size = 32, .page_positions = 64, .pages = 3};
  struct duplex_device_kv *kv;
  struct duplex_device_sequence *batch[2], *third;
  duplex_f16 *values = new_values(3 * 256 * 32);
  must(device, duplex_device_open_kv(device, &options, &kv));
  must(device, duplex_device_begin_sequence(kv, DUPLEX_KV_SPACES, 64, &batch[0]));
  must(device, duplex_device_begin_sequence(kv, DUPLEX_KV_SPACES, 192, &batch[1]));
  must(device, duplex_device_append(batch[0], 0, values, values, 64));
  must(device, duplex_device_append(batch[1], 0, values, values, 192));
  const struct duplex_device_attention step = {.q_heads = 3,
                                               .decode = {batch, 2, values, values, values, values + 4096}};
  check_refused(good, duplex_device_attention(kv, &step), DUPLEX_ERROR_OUT_OF_SPACE, "1 were asked for");
  assert_int_equal(duplex_device_sequence_length(batch[0], 0), 64);
  must(device, duplex_device_begin_sequence(kv, DUPLEX_KV_SPACES, 128, &third));
  must(device, duplex_device_append(third, 0, values, values, 128));
  must(device, duplex_device_close_kv(kv));
  free(values);
}

// A move that fails on one stack gives back what it had taken on another.
static void test_move_gives_back(void **state) {
  (void)state;
  const struct duplex_device_options options = {.stacks = 3, .stack.backend.channels = 1};
  const struct duplex_device_kv_options kv_options = {
      .heads = 2, .head_size = 32, .page_positions = 64, .pages = 2, .prefill_pages = 2};
  struct duplex_device *device = open_device("cmodel", &options);
  struct duplex_device_kv *kv;
  struct duplex_device_sequence *first, *prompt, *second, *third;
  duplex_f16 *values = new_values(2 * 128 * 32);
  must(device, duplex_device_open_kv(device, &kv_options, &kv));
  must(device, duplex_device_begin_sequence(kv, DUPLEX_KV_SPACES, 128, &first));
  must(device, duplex_device_append(first, 0, values, values, 128));
  must(device, duplex_device_begin_sequence(kv, DUPLEX_KV_PREFILL, 100, &prompt));
  must(device, duplex_device_append(prompt, 0, values, values, 100));
  assert_int_equal(duplex_device_sequence_stack(prompt, 0), 2);
  assert_int_equal(duplex_device_sequence_stack(prompt, 1), 0);
  assert_int_equal(duplex_device_move_sequence(prompt, NULL), DUPLEX_ERROR_OUT_OF_SPACE);
  must(device, duplex_device_free_sequence(first));
  must(device, duplex_device_begin_sequence(kv, DUPLEX_KV_SPACES, 64, &second));
  must(device, duplex_device_append(second, 0, values, values, 64));
  must(device, duplex_device_begin_sequence(kv, DUPLEX_KV_SPACES, 64, &third));
  assert_int_equal(duplex_device_sequence_stack(third, 0), 2);
  must(device, duplex_device_append(third, 0, values, values, 64));
  free(values);
  duplex_device_close(device);
}

// No room for queries beside pages that take the whole bundle.
static void test_no_room_for_queries(void **state) {
  struct good *good = *state;
  struct duplex_device_kv *kv = NULL;
  struct duplex_device_sequence *sequence;
  struct duplex_device_kv_options options = {.heads = 1, .head_size = 256, .page_positions = 64};
  const size_t positions =
      2 * 256 * 8192 / (16 * 256 * 2) + 1;  // more than the mailbox of two channels holds
  duplex_f16 *values = new_values(positions * 16 * 256);
  for (options.prefill_pages = 2100; !kv && options.prefill_pages; options.prefill_pages--)
    duplex_device_open_kv(good->stage.device, &options, &kv);
  must(good->stage.device, duplex_device_begin_sequence(kv, DUPLEX_KV_PREFILL, positions, &sequence));
  must(good->stage.device, duplex_device_append(sequence, 0, values, values, positions));
  const struct duplex_device_prefill prefill = {sequence, 0, positions, values, values};
  const struct duplex_device_attention call = {.q_heads = 16, .prefills = &prefill, .prefill_count = 1};
  check_refused(good, duplex_device_attention(kv, &call), DUPLEX_ERROR_OUT_OF_SPACE,
                "257 were asked for, for queries");
  must(good->stage.device, duplex_device_close_kv(kv));
  free(values);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test_setup_teardown(test_shapes, make_good, free_good),
      cmocka_unit_test_setup_teardown(test_pointers, make_good, free_good),
      cmocka_unit_test_setup_teardown(test_sequences, make_good, free_good),
      cmocka_unit_test_setup_teardown(test_sharing, make_good, free_good),
      cmocka_unit_test_setup_teardown(test_copies, make_good, free_good),
      cmocka_unit_test_setup_teardown(test_options, make_good, free_good),
      cmocka_unit_test_setup_teardown(test_full_spaces, make_good, free_good),
      cmocka_unit_test_setup_teardown(test_batch_gives_back, make_good, free_good),
      cmocka_unit_test(test_move_gives_back),
      cmocka_unit_test_setup_teardown(test_no_room_for_queries, make_good, free_good)};
  return cmocka_run_group_tests(tests, NULL, NULL);
}
