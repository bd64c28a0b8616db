// SPDX-License-Identifier: Apache-2.0
// Random mixed stages on a device against exact sums; prefill and decode of the same positions: the same
// bits.
//
// A stage runs on several devices, and all of them have to give the oracle's bits. DUPLEX_SEED repeats a run,
// DUPLEX_CASES multiplies the stages, DUPLEX_ONLY=n runs stage n alone.
#include <setjmp.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

// clang-format off: after what it needs
#include <cmocka.h>
// clang-format on

#include "duplex/xpu.h"
#include "tests/common/environment.h"
#include "tests/device/attention_case.h"

#define STAGES 24
#define DEVICES 3  // that run each stage

static void check_bits(const char *what, size_t i, const duplex_f16 *o, const duplex_f16 *expected,
                       size_t count, uint64_t number, unsigned device) {
  for (size_t k = 0; k < count; k++)
    if (o[k] != expected[k])
      fail_msg("DUPLEX_SEED=%llu DUPLEX_ONLY=%llu, device %u: o[%zu] of %s %zu is %04x, expected %04x",
               (unsigned long long)environment_seed(), (unsigned long long)number, device, k, what, i, o[k],
               expected[k]);
}

// Statistics that follow from the stage alone, and those that follow from others.
static void check_stats(const struct stage *s) {
  const struct mixed_case *c = s->c;
  struct duplex_device_attention_stats stats;
  size_t decoded = 0;
  size_t seen = 0;
  size_t fetched = 0;
  duplex_device_attention_last_stats(s->kv, &stats);
  for (size_t i = 0; i < c->batch; i++) decoded += c->decode[i].length;
  for (size_t i = 0; i < c->count; i++) {
    const struct tensors *t = &c->prefill[i];
    for (size_t k = 0; k < t->count; k++) seen += t->first + k + 1;
    fetched += c->heads * (c->group * t->count + 2 * (t->first + t->count)) * c->d * sizeof *t->q;
  }
  assert_int_equal(stats.logic_pim_bytes, decoded * c->heads * 2 * c->d * sizeof *s->q);
  assert_int_equal(stats.logic_pim_macs, decoded * c->heads * c->group * 2 * c->d);
  assert_int_equal(stats.xpu_bytes, fetched);
  assert_int_equal(stats.xpu_macs, seen * c->heads * c->group * 2 * c->d);
  assert_true(stats.commands.xpu_rd * 32 >= fetched);
  assert_int_equal(stats.commands.xpu_wr > 0, c->appends && c->batch);
  assert_true((stats.append > 0) == (c->appends && c->batch));
  assert_true((stats.logic_pim > 0) == (c->batch > 0) && (stats.xpu_reads > 0) == (c->count > 0));
  assert_int_equal(stats.cycles, stats.append + stats.hand_over + stats.sides);
  assert_true(stats.sides == (stats.logic_pim > stats.xpu ? stats.logic_pim : stats.xpu));
}

static void check_events(const struct stage *s) {
  struct duplex_device_attention_stats stats;
  const struct duplex_event *events;
  uint64_t end = 0;
  duplex_device_attention_last_stats(s->kv, &stats);
  const size_t count = duplex_device_events(s->device, &events);
  for (size_t i = 0; i < count; i++) {
    assert_true(events[i].track <= duplex_device_stacks(s->device));
    if (events[i].end > end) end = events[i].end;
  }
  assert_int_equal(end, stats.cycles);
}

static struct duplex_device_options draw_device(struct duplex_random *random,
                                                struct duplex_riscv_options *riscv) {
  struct duplex_device_options options = {
      .stacks = 1 + below(random, DUPLEX_STACKS_MOST),
      .stack = {.backend = {.channels = 1 + below(random, 6)}, .strict = (int)below(random, 2)},
      .threads = 1 + below(random, 3)};
  if (below(random, 6) == 0) options.stack.riscv = riscv;
  return options;
}

static void check_stage(uint64_t number) {
  struct duplex_random random;
  struct duplex_riscv_options riscv = {0};
  duplex_random_seed(&random, environment_seed(), number);
  struct mixed_case c = draw_case(&random);
  const size_t of_q = c.heads * c.group * c.d;
  duplex_f16 *decode = new_values(c.batch * of_q);
  duplex_f16 *prefill[MOST];
  for (size_t i = 0; i < c.batch; i++) oracle_tensors(&c, &c.decode[i], decode + i * of_q);
  for (size_t i = 0; i < c.count; i++) {
    prefill[i] = new_values(of_q * c.prefill[i].count);
    oracle_tensors(&c, &c.prefill[i], prefill[i]);
  }
  for (unsigned device = 0; device < DEVICES; device++) {
    const struct duplex_device_options options = draw_device(&random, &riscv);
    struct stage s = {.c = &c, .device = open_device("cmodel", &options)};
    prepare(&s, &random);
    attend(&s);
    check_bits("the batch", 0, s.o, decode, c.batch * of_q, number, device);
    for (size_t i = 0; i < c.count; i++)
      check_bits("prefill", i, s.prefill_o[i], prefill[i], of_q * c.prefill[i].count, number, device);
    check_stats(&s);
    check_events(&s);
    end_stage(&s);
  }
  for (size_t i = 0; i < c.count; i++) free(prefill[i]);
  free(decode);
  free_mixed(&c);
}

static void test_random_stages(void **state) {
  (void)state;
  const uint64_t only = environment_number("DUPLEX_ONLY", 0);
  const uint64_t stages = STAGES * environment_count("DUPLEX_CASES");
  for (uint64_t i = only ? only : 1; i <= (only ? only : stages); i++) check_stage(i);
}

// The whole prompt as a prefill in chunks of random sizes: o[q_heads][length][d].
static void prefill_in_chunks(const struct mixed_case *c, struct duplex_random *random, duplex_f16 *o) {
  const struct tensors *t = &c->prefill[0];
  const struct duplex_device_options options = {
      .stacks = 3, .stack.backend.channels = 1 + below(random, 4), .threads = 2};
  struct stage s = {.c = c, .device = open_device("cmodel", &options)};
  const struct duplex_device_kv_options kv = {
      .heads = c->heads, .head_size = c->d, .pages = 1, .prefill_pages = PAGES, .p32 = c->p32};
  must(s.device, duplex_device_open_kv(s.device, &kv, &s.kv));
  s.prefill[0] = fill(&s, random, t, DUPLEX_KV_PREFILL, t->length);
  for (size_t done = 0, count; done < t->length; done += count) {
    count = 1 + below(random, (unsigned)(t->length - done));
    duplex_f16 *q = new_values(c->heads * c->group * count * c->d);
    duplex_f16 *of_chunk = new_values(c->heads * c->group * count * c->d);
    const struct duplex_device_prefill chunk = {s.prefill[0], done, count, q, of_chunk};
    const struct duplex_device_attention attention = {
        .q_heads = c->heads * c->group, .prefills = &chunk, .prefill_count = 1};
    for (size_t head = 0; head < c->heads * c->group; head++)
      memcpy(q + head * count * c->d, t->q + (head * t->length + done) * c->d, count * c->d * sizeof *q);
    must(s.device, duplex_device_attention(s.kv, &attention));
    for (size_t head = 0; head < c->heads * c->group; head++)
      memcpy(o + (head * t->length + done) * c->d, of_chunk + head * count * c->d, count * c->d * sizeof *o);
    free(q);
    free(of_chunk);
  }
  duplex_device_close(s.device);
}

// The same positions decoded one after another.
static void decode_each(const struct mixed_case *c, const struct duplex_device_options *options,
                        duplex_f16 *o) {
  const struct tensors *t = &c->prefill[0];
  struct duplex_device *device = open_device("cmodel", options);
  struct duplex_device_kv *kv;
  struct duplex_device_sequence *sequence;
  duplex_f16 *q = new_values(c->heads * c->group * c->d);
  duplex_f16 *of_step = new_values(c->heads * c->group * c->d);
  const struct duplex_device_kv_options kv_options = {
      .heads = c->heads, .head_size = c->d, .pages = PAGES, .p32 = c->p32};
  must(device, duplex_device_open_kv(device, &kv_options, &kv));
  must(device, duplex_device_begin_sequence(kv, DUPLEX_KV_SPACES, t->length, &sequence));
  for (size_t i = 0; i < t->length; i++) {
    duplex_f16 *k = positions_of(c, t, t->k, i, 1);
    duplex_f16 *v = positions_of(c, t, t->v, i, 1);
    const struct duplex_device_attention attention = {.q_heads = c->heads * c->group,
                                                      .decode = {&sequence, 1, k, v, q, of_step}};
    for (size_t head = 0; head < c->heads * c->group; head++)
      memcpy(q + head * c->d, t->q + (head * t->length + i) * c->d, c->d * sizeof *q);
    must(device, duplex_device_attention(kv, &attention));
    for (size_t head = 0; head < c->heads * c->group; head++)
      memcpy(o + (head * t->length + i) * c->d, of_step + head * c->d, c->d * sizeof *o);
    free(k);
    free(v);
  }
  free(q);
  free(of_step);
  duplex_device_close(device);
}

static void test_prefill_is_decode(void **state) {
  (void)state;
  struct duplex_random random;
  duplex_random_seed(&random, environment_seed(), 1000000);
  for (unsigned p32 = 0; p32 < 2; p32++) {
    struct mixed_case c = {.heads = 2, .group = 3, .d = 128, .p32 = p32, .count = 1};
    c.prefill[0] = draw_tensors(&random, &c, 100, 0, 100, false);
    const size_t count = c.heads * c.group * c.prefill[0].length * c.d;
    duplex_f16 *prefilled = new_values(count);
    duplex_f16 *decoded = new_values(count);
    struct duplex_riscv_options riscv = {0};
    const struct duplex_device_options options = {
        .stacks = 2, .stack = {.backend.channels = 1 + below(&random, 4), .riscv = p32 ? &riscv : NULL}};
    prefill_in_chunks(&c, &random, prefilled);
    decode_each(&c, &options, decoded);
    for (size_t i = 0; i < count; i++)
      if (prefilled[i] != decoded[i])
        fail_msg("o[%zu]: prefill %04x, decode %04x", i, prefilled[i], decoded[i]);
    free(prefilled);
    free(decoded);
    free_mixed(&c);
  }
}

// A move reads and writes all bytes by a path of 32 bytes a clock, and no more than a row set of a block
// beside them.
static void test_move_takes_time(void **state) {
  (void)state;
  enum { POSITIONS = 2048, SIZE = 128, BYTES = POSITIONS * SIZE * 2 * 2 };
  const struct duplex_device_options options = {.stacks = 1, .stack.backend.channels = 1};
  const struct duplex_device_kv_options kv_options = {
      .heads = 1, .head_size = SIZE, .pages = PAGES, .prefill_pages = PAGES};
  struct duplex_device *device = open_device("cmodel", &options);
  struct duplex_device_kv *kv;
  struct duplex_device_sequence *sequence;
  uint64_t clocks;
  duplex_f16 *values = new_values(POSITIONS * SIZE);
  must(device, duplex_device_open_kv(device, &kv_options, &kv));
  must(device, duplex_device_begin_sequence(kv, DUPLEX_KV_PREFILL, POSITIONS, &sequence));
  must(device, duplex_device_append(sequence, 0, values, values, POSITIONS));
  must(device, duplex_device_move_sequence(sequence, &clocks));
  assert_true(clocks >= 2 * BYTES / 32 && clocks < 3 * BYTES / 32);
  must(device, duplex_device_move_sequence(sequence, &clocks));
  assert_int_equal(clocks, 0);
  free(values);
  duplex_device_close(device);
}

// An xPU of a user's that counts its prefills, writes ones, and tells times of its own.
struct counting_xpu {
  struct duplex_xpu xpu;
  atomic_uint works, positions;
};

static void counting_close(struct duplex_xpu *xpu) { (void)xpu; }
static int counting_submit(struct duplex_xpu *xpu, const struct duplex_xpu_work *work, uint64_t *ticket) {
  struct counting_xpu *own = (struct counting_xpu *)xpu;
  const struct duplex_xpu_prefill *p = &work->prefill;
  assert_int_equal(work->kind, DUPLEX_XPU_PREFILL);
  for (size_t i = 0; i < (size_t)p->heads * p->tokens * p->dimension; i++) p->out[i] = 0x3c00;
  own->positions += p->tokens * p->kv_heads;
  *ticket = ++own->works;
  return 0;
}
static int counting_ended(struct duplex_xpu *xpu, uint64_t ticket) {
  return ticket <= ((struct counting_xpu *)xpu)->works ? 1 : DUPLEX_ERROR_ARGUMENT;
}
static int counting_wait(struct duplex_xpu *xpu, uint64_t ticket) {
  return counting_ended(xpu, ticket) == 1 ? 0 : DUPLEX_ERROR_ARGUMENT;
}
static int counting_estimate(struct duplex_xpu *xpu, const struct duplex_xpu_work *work,
                             uint64_t *picoseconds) {
  (void)xpu;
  *picoseconds = UINT64_C(1000000) * work->prefill.tokens * work->prefill.kv_heads;
  return 0;
}
static uint64_t counting_launch(struct duplex_xpu *xpu) {
  (void)xpu;
  return 3000000;
}

// Prefill attention goes to the device's xPU, whoever made it, and takes the time that it tells.
static void test_plugged_in(void **state) {
  static const struct duplex_xpu_ops ops = {"counting",    counting_close,    counting_submit, counting_ended,
                                            counting_wait, counting_estimate, counting_launch};
  struct counting_xpu own = {.xpu = {&ops}};
  const struct duplex_device_options options = {
      .stacks = 2, .stack.backend.channels = 2, .threads = 2, .xpu = &own.xpu};
  struct mixed_case c = {.heads = 3, .group = 2, .d = 16, .batch = 1, .count = 1};
  struct duplex_device_attention_stats stats;
  struct duplex_random random;
  (void)state;
  duplex_random_seed(&random, environment_seed(), 5000);
  c.decode[0] = draw_tensors(&random, &c, 20, 19, 1, false);
  c.prefill[0] = draw_tensors(&random, &c, 30, 10, 7, false);
  struct stage s = {.c = &c, .device = open_device("cmodel", &options)};
  prepare(&s, &random);
  attend(&s);
  duplex_device_attention_last_stats(s.kv, &stats);
  assert_int_equal(own.positions, 7 * 3);
  assert_int_equal(own.works, 3);  // as many parts as there are KV heads
  for (size_t i = 0; i < 3 * 2 * 7 * 16; i++) assert_int_equal(s.prefill_o[0][i], 0x3c00);
  assert_int_equal(stats.launch, 3 * 650);
  assert_int_equal(stats.xpu_arithmetic, 7 * 3 * 650);
  duplex_f16 *expected = new_values(3 * 2 * 16);
  oracle_tensors(&c, &c.decode[0], expected);
  assert_memory_equal(s.o, expected, 3 * 2 * 16 * sizeof *expected);
  free(expected);
  end_stage(&s);
  free_mixed(&c);
}

// Of the parts in the KV spaces, of two heads each, no stack has two more than another, also when some of
// them have moved there and others were freed.
static void test_balance(void **state) {
  (void)state;
  enum { STACKS = 5, KV_HEADS = 8, SEQUENCES = 31 };
  const struct duplex_device_options options = {.stacks = STACKS, .stack.backend.channels = 1};
  const struct duplex_device_kv_options kv_options = {.heads = KV_HEADS, .head_size = 16, .prefill_pages = 1};
  struct duplex_device *device = open_device("cmodel", &options);
  struct duplex_device_kv *kv;
  struct duplex_device_sequence *sequence[SEQUENCES];
  unsigned heads_on[STACKS] = {0};
  must(device, duplex_device_open_kv(device, &kv_options, &kv));
  for (unsigned i = 0; i < SEQUENCES; i++) {
    const bool moves = i % 7 == 1;
    must(device,
         duplex_device_begin_sequence(kv, moves ? DUPLEX_KV_PREFILL : DUPLEX_KV_SPACES, 2048, &sequence[i]));
    if (moves) must(device, duplex_device_move_sequence(sequence[i], NULL));
    if (i % 5 || i == 0) continue;
    must(device, duplex_device_free_sequence(sequence[i]));
    must(device, duplex_device_begin_sequence(kv, DUPLEX_KV_SPACES, 2048, &sequence[i]));
  }
  for (unsigned i = 0; i < SEQUENCES; i++)
    for (unsigned head = 0; head < KV_HEADS; head++)
      heads_on[duplex_device_sequence_stack(sequence[i], head)]++;
  for (unsigned i = 1; i < STACKS; i++) assert_in_range(heads_on[i] + 2 - heads_on[0], 0, 4);
  assert_int_equal(duplex_device_sequence_stack(sequence[0], KV_HEADS), DUPLEX_STACKS_MOST);
  duplex_device_close(device);
}

// Sequences that have moved count where they are now, and no longer where they were.
static void test_balance_after_moves(void **state) {
  (void)state;
  enum { STACKS = 5, MOVED = 2, BEGUN = 8 };
  const struct duplex_device_options options = {.stacks = STACKS, .stack.backend.channels = 1};
  const struct duplex_device_kv_options kv_options = {.heads = 1, .head_size = 16, .prefill_pages = 1};
  struct duplex_device *device = open_device("cmodel", &options);
  struct duplex_device_kv *kv;
  struct duplex_device_sequence *prompt[STACKS], *sequence;
  unsigned pairs[STACKS] = {0};
  must(device, duplex_device_open_kv(device, &kv_options, &kv));
  for (unsigned i = 0; i < STACKS; i++)
    must(device, duplex_device_begin_sequence(kv, DUPLEX_KV_PREFILL, 100, &prompt[i]));
  for (unsigned i = 0; i < MOVED; i++) {
    must(device, duplex_device_move_sequence(prompt[i], NULL));
    pairs[duplex_device_sequence_stack(prompt[i], 0)]++;
  }
  for (unsigned i = 0; i < BEGUN; i++) {
    must(device, duplex_device_begin_sequence(kv, DUPLEX_KV_SPACES, 100, &sequence));
    pairs[duplex_device_sequence_stack(sequence, 0)]++;
  }
  for (unsigned i = 0; i < STACKS; i++) assert_int_equal(pairs[i], (MOVED + BEGUN) / STACKS);
  must(device, duplex_device_begin_sequence(kv, DUPLEX_KV_PREFILL, 100, &sequence));
  assert_true(duplex_device_sequence_stack(sequence, 0) < MOVED);
  duplex_device_close(device);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(test_random_stages),   cmocka_unit_test(test_prefill_is_decode),
      cmocka_unit_test(test_move_takes_time), cmocka_unit_test(test_plugged_in),
      cmocka_unit_test(test_balance),         cmocka_unit_test(test_balance_after_moves)};
  printf("seed %llu\n", (unsigned long long)environment_seed());
  return cmocka_run_group_tests(tests, NULL, NULL);
}
