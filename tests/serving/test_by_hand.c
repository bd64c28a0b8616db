// SPDX-License-Identifier: Apache-2.0
// The serving simulator with one request in flight: times and energy by hand.
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

// clang-format off: after what it needs
#include <cmocka.h>
// clang-format on

#include "serving/serving.h"
#include "tests/serving/runs.h"

#define PAPER_FLOPS (989.4e12 * 0.95)
#define PAPER_BYTES (3352e9 * 0.80)
#define FULL_BYTES (3352e9 * 0.986)
#define XPU_J_BYTE (3.591e-12 * 8)
#define PIM_J_BYTE (1.924e-12 * 8)
#define J_MAC 0.46e-12
#define LAYERS 80
#define PROMPT 500.0

// Products of a layer of Llama 3 70B on one of 4 devices, and the LM head.
static const struct shape {
  double k, n, times;
} shapes[] = {{8192, 2560, LAYERS}, {2048, 8192, LAYERS}, {8192, 7168, 2 * LAYERS}, {7168, 8192, LAYERS}};
static const struct shape head = {8192, 32064, 1};

// One request at a time, of 500 and 8 tokens.
static struct serving_options llama(enum serving_mode mode) {
  return (struct serving_options){.system = "gpu",
                                  .model = "llama3-70b",
                                  .mode = mode,
                                  .batch = 1,
                                  .input = (unsigned)PROMPT,
                                  .output = 8,
                                  .measured = 64,
                                  .seed = 3};
}

// Bytes of a product of `rows` tokens, and its time at those rates.
static double bytes_of(const struct shape *s, double rows) {
  return 2 * (s->k * s->n + rows * (s->k + s->n));
}
static double time_of(const struct shape *s, double rows, double flops, double bytes) {
  return fmax(2 * rows * s->k * s->n / flops, bytes_of(s, rows) / bytes);
}

static double products(double rows, double flops, double bytes) {
  double sum = 0;
  for (unsigned i = 0; i < sizeof shapes / sizeof *shapes; i++)
    sum += shapes[i].times * time_of(&shapes[i], rows, flops, bytes);
  return sum;
}

// Mode paper: 16 heads of Q and 2 of K and V a device; all-reduces in 6 steps.
static double paper_decode(double positions) {
  return LAYERS * fmax(4 * positions * 128 * 16 / PAPER_FLOPS, 4 * positions * 128 * 2 / PAPER_BYTES);
}
static double paper_prefill(double before, double tokens) {
  const double all = before + tokens;
  return LAYERS * fmax(4 * tokens * all * 128 * 16 / PAPER_FLOPS,
                       4 * (tokens * all * 16 + 128 * (tokens * 16 + all * 2)) / PAPER_BYTES);
}
static double paper_links(double tokens) { return LAYERS * 2 * 6 * (3e-6 + tokens * 8192 * 2 / 4 / 450e9); }

static void test_decode(void **state) {
  const struct serving_options o = llama(SERVING_PAPER);
  struct serving_result r;
  double decode = 0;
  (void)state;
  run(&o, &r);
  for (unsigned generated = 1; generated < 8; generated++)
    decode += products(1, PAPER_FLOPS, PAPER_BYTES) + paper_decode(PROMPT + generated) + paper_links(1) +
              time_of(&head, 1, PAPER_FLOPS, PAPER_BYTES);
  assert_near(r.tbt.mean, decode / 7, 1e-12);
  assert_int_equal(r.stages - r.decoding_only, 8);
}

static void test_prompt(void **state) {
  const struct serving_options o = llama(SERVING_PAPER);
  struct serving_result r;
  (void)state;
  run(&o, &r);
  assert_near(r.t2ft.mean,
              products(PROMPT, PAPER_FLOPS, PAPER_BYTES) + paper_prefill(0, PROMPT) + paper_links(PROMPT) +
                  time_of(&head, 1, PAPER_FLOPS, PAPER_BYTES),
              1e-12);
}

static struct serving_options in_chunks(enum serving_mode mode, unsigned tokens) {
  struct serving_options o = llama(mode);
  o.scheduler = SERVING_VLLM;
  o.most_sequences = 4;
  o.most_tokens = tokens;
  o.block_size = 16;
  return o;
}

// A dense model on two nodes, a request on each: nothing goes between them, and a stage takes what one node's
// does.
static void test_two_nodes(void **state) {
  struct serving_options o = llama(SERVING_PAPER);
  struct serving_result r;
  (void)state;
  o.nodes = 2;
  o.batch = 2;
  run(&o, &r);
  const double stages = (double)r.decoding_only;
  assert_true(r.tokens == 128 && r.decoding_only > 40);
  assert_near(r.decoding_cost.part[SERVING_LINKS], stages * paper_links(1), 1e-12);
  assert_near(r.decoding_cost.part[SERVING_FC],
              stages * (products(1, PAPER_FLOPS, PAPER_BYTES) + time_of(&head, 1, PAPER_FLOPS, PAPER_BYTES)),
              1e-12);
  assert_near(serving_sum(r.sum.part), r.seconds, 1e-12);
}

// A prompt in two chunks: the second one reads K and V of the first, which has no row of the LM head.
static void test_chunks(void **state) {
  const struct serving_options o = in_chunks(SERVING_PAPER, 300);
  struct serving_result r;
  (void)state;
  run(&o, &r);
  double expected = time_of(&head, 1, PAPER_FLOPS, PAPER_BYTES);
  for (unsigned before = 0; before < PROMPT; before += 300) {
    const double tokens = before ? PROMPT - 300 : 300;
    expected +=
        products(tokens, PAPER_FLOPS, PAPER_BYTES) + paper_prefill(before, tokens) + paper_links(tokens);
  }
  assert_near(r.t2ft.mean, expected, 1e-12);
}

// What is charged beside moves as many bytes for a prompt in two chunks as for a whole one, eight times.
static void test_chunks_full(void **state) {
  const struct serving_options whole = in_chunks(SERVING_FULL, 600);
  struct serving_options o = in_chunks(SERVING_FULL, 300);
  struct serving_result one, two;
  (void)state;
  run(&whole, &one);
  o.measured = 72;
  run(&o, &two);
  assert_int_equal(one.t2ft.count, two.t2ft.count);
  assert_near(two.mixed_cost.dram_j[SERVING_OTHER], one.mixed_cost.dram_j[SERVING_OTHER], 1e-9);
  assert_near(two.mixed_cost.comp_j[SERVING_OTHER], one.mixed_cost.comp_j[SERVING_OTHER], 1e-9);
}

// Energy of stages that decode, and of attention of prompts: every byte of DRAM and every multiply-accumulate
// of all devices, and no other.
static void test_energy(void **state) {
  const struct serving_options o = llama(SERVING_PAPER);
  struct serving_result r;
  (void)state;
  run(&o, &r);
  double macs = head.k * head.n;
  double bytes = bytes_of(&head, 1);
  for (unsigned i = 0; i < sizeof shapes / sizeof *shapes; i++) {
    macs += shapes[i].times * shapes[i].k * shapes[i].n;
    bytes += shapes[i].times * bytes_of(&shapes[i], 1);
  }
  const double positions = PROMPT + 4;  // of 501 to 507, in the mean
  const double stages = 4.0 * (double)r.decoding_only;
  const struct serving_cost *c = &r.decoding_cost;
  assert_near(c->dram_j[SERVING_FC], stages * bytes * XPU_J_BYTE, 1e-9);
  assert_near(c->comp_j[SERVING_FC], stages * macs * J_MAC, 1e-9);
  assert_near(c->dram_j[SERVING_DECODE], stages * LAYERS * 4 * positions * 128 * 2 * XPU_J_BYTE, 1e-3);
  assert_near(c->comp_j[SERVING_DECODE], stages * LAYERS * 2 * positions * 128 * 16 * J_MAC, 1e-3);
  const double parts =
      c->dram_j[SERVING_FC] + c->comp_j[SERVING_FC] + c->dram_j[SERVING_DECODE] + c->comp_j[SERVING_DECODE];
  assert_near(serving_sum(c->dram_j) + serving_sum(c->comp_j), parts, 1e-12);
  const double prompts = 4.0 * LAYERS * (double)r.t2ft.count;
  assert_near(r.mixed_cost.comp_j[SERVING_PREFILL], prompts * 2 * PROMPT * PROMPT * 128 * 16 * J_MAC, 1e-9);
  assert_near(r.mixed_cost.dram_j[SERVING_PREFILL],
              prompts * 4 * (PROMPT * PROMPT * 16 + 128 * PROMPT * (16 + 2)) * XPU_J_BYTE, 1e-9);
}

// The same with everything charged; times of the xPU are whole picoseconds.
static void test_decode_full(void **state) {
  const struct serving_options o = llama(SERVING_FULL);
  struct serving_result r;
  (void)state;
  run(&o, &r);
  const double embedding = 2 * 16384 / FULL_BYTES;
  const double links = 4 * (3e-6 + 8192 * 2 * 0.75 / 450e9);
  const double attention = 4 * (PROMPT + 4) * 128 * 2 / FULL_BYTES;  // of 501 to 507 positions
  const double norms_and_append = (12 * 8192 + 1024) / FULL_BYTES;
  const double decode = embedding + products(1, PAPER_FLOPS, FULL_BYTES) +
                        time_of(&head, 1, PAPER_FLOPS, FULL_BYTES) +
                        LAYERS * (links + attention + norms_and_append + 6e-6);
  assert_near(r.tbt.mean, decode, 1e-5);
  assert_near(r.decoding_cost.part[SERVING_LINKS] / (double)r.decoding_only, LAYERS * links, 1e-12);
}

// Experts of one token: on the GPU the two are on one device with probability 1 / 7, so the layer takes two
// of them or one; on duplex-pe-et slices of both on every device.
static void test_one_token_of_experts(void **state) {
  struct serving_options o = {.system = "gpu",
                              .model = "mixtral",
                              .mode = SERVING_PAPER,
                              .batch = 1,
                              .input = 1,
                              .output = 1000000,
                              .warm_up = 1,
                              .measured = 2000,
                              .seed = 3};
  static const struct shape in = {4096, 14336, 2};
  static const struct shape out = {14336, 4096, 1};
  struct serving_result r;
  (void)state;
  run(&o, &r);
  const double expert =
      2 * time_of(&in, 1, PAPER_FLOPS, PAPER_BYTES) + time_of(&out, 1, PAPER_FLOPS, PAPER_BYTES);
  const double stages = (double)r.stages * 32;
  assert_near(r.sum.part[SERVING_MOE] / stages, expert * 8 / 7, 0.01);
  assert_near(r.sum.dram_j[SERVING_MOE], stages * 2 * (2 * bytes_of(&in, 1) + bytes_of(&out, 1)) * XPU_J_BYTE,
              1e-9);
  o.system = "duplex-pe-et";
  run(&o, &r);
  const double slice = 3 * 2 * (4096 * 3584.0 + 4096 + 3584) / (13408e9 * 0.713);
  assert_near(r.sum.part[SERVING_MOE] / stages, 2 * slice, 1e-9);
  assert_near(r.sum.dram_j[SERVING_MOE], stages * 4 * 2 * 3 * 2 * (4096 * 3584.0 + 4096 + 3584) * PIM_J_BYTE,
              1e-9);
  assert_near(r.sum.comp_j[SERVING_MOE], stages * 2 * 3 * 4096 * 14336.0 * J_MAC, 1e-9);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(test_decode),      cmocka_unit_test(test_prompt),
      cmocka_unit_test(test_two_nodes),   cmocka_unit_test(test_chunks),
      cmocka_unit_test(test_chunks_full), cmocka_unit_test(test_energy),
      cmocka_unit_test(test_decode_full), cmocka_unit_test(test_one_token_of_experts)};
  return cmocka_run_group_tests(tests, NULL, NULL);
}
