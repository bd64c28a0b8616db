// SPDX-License-Identifier: Apache-2.0
// The built-in xPU behind duplex/xpu.h: works of several threads, tickets, errors, its end, its times; and
// another implementation in its place.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

// clang-format off: after what it needs
#include <cmocka.h>
// clang-format on
#include <pthread.h>
#include <stdatomic.h>

#include "duplex/activation.h"
#include "duplex/error.h"
#include "duplex/kv_cache.h"
#include "duplex/random.h"
#include "duplex/xpu.h"
#include "tests/common/environment.h"
#include "xpu/expert.h"
#include "xpu/gemm.h"
#include "xpu/prefill.h"
#include "xpu/time.h"

enum { TOKENS = 9, COLUMNS = 70, ROWS = 50, CLIENTS = 4, WORKS = 20 };

static struct duplex_xpu *open_xpu(unsigned channels) {
  struct duplex_xpu *xpu;
  char cause[200] = "?";
  const struct duplex_xpu_options options = {.channels = channels, .threads = 2};
  assert_int_equal(duplex_xpu_open(&options, &xpu, cause, sizeof cause), DUPLEX_OK);
  assert_string_equal(cause, "");
  return xpu;
}

// The rows of a matrix of ROWS x COLUMNS.
static const duplex_f16 *rows_of(void *context, unsigned first, unsigned count, duplex_f16 *room) {
  (void)count, (void)room;
  return (const duplex_f16 *)context + (size_t)first * COLUMNS;
}
static const duplex_f16 *no_rows(void *context, unsigned first, unsigned count, duplex_f16 *room) {
  (void)context, (void)first, (void)count, (void)room;
  return NULL;
}

struct product {
  duplex_f16 x[TOKENS * COLUMNS], w[ROWS * COLUMNS];
  int8_t exponents[ROWS];
  duplex_f32 y[TOKENS * ROWS], expected[TOKENS * ROWS];
  uint64_t ticket;
};

static void draw(struct product *p, struct duplex_random *random) {
  for (unsigned i = 0; i < TOKENS * COLUMNS; i++)
    p->x[i] = duplex_f16_from_double(duplex_random_normal(random));
  for (unsigned i = 0; i < ROWS * COLUMNS; i++)
    p->w[i] = duplex_f16_from_double(duplex_random_normal(random));
  for (unsigned i = 0; i < ROWS; i++) p->exponents[i] = (int8_t)duplex_random_below(random, 9);
}

static struct duplex_xpu_work work_of(struct product *p) {
  struct duplex_xpu_work work = {.kind = DUPLEX_XPU_GEMM};
  work.gemm = (struct duplex_xpu_gemm){.x = p->x,
                                       .x_stride = COLUMNS,
                                       .tokens = TOKENS,
                                       .columns = COLUMNS,
                                       .rows = ROWS,
                                       .weights = {rows_of, p->w, COLUMNS},
                                       .exponents = p->exponents,
                                       .format = DUPLEX_RESULT_FORMAT_F32,
                                       .out = p->y,
                                       .out_stride = ROWS};
  return work;
}

static void expect(struct product *p) {
  const struct xpu_gemm gemm = {.x = p->x,
                                .x_stride = COLUMNS,
                                .tokens = TOKENS,
                                .columns = COLUMNS,
                                .rows = ROWS,
                                .weights = {rows_of, p->w, COLUMNS},
                                .exponents = p->exponents,
                                .format = DUPLEX_RESULT_FORMAT_F32,
                                .out = p->expected,
                                .out_stride = ROWS};
  assert_int_equal(xpu_gemm_run(&gemm, NULL), DUPLEX_OK);
}

struct client {
  struct duplex_xpu *xpu;
  struct product product[WORKS];
  int errors;
};

// Submits all, then waits from the last to the first.
static void *submit_all(void *argument) {
  struct client *c = argument;
  for (unsigned i = 0; i < WORKS; i++) {
    const struct duplex_xpu_work work = work_of(&c->product[i]);
    c->errors += c->xpu->ops->submit(c->xpu, &work, &c->product[i].ticket) != DUPLEX_OK;
  }
  for (unsigned i = WORKS; i-- > 0;) {
    c->errors += c->xpu->ops->wait(c->xpu, c->product[i].ticket) != DUPLEX_OK;
    c->errors += c->xpu->ops->ended(c->xpu, c->product[i].ticket) != DUPLEX_ERROR_ARGUMENT;
  }
  return NULL;
}

static void test_threads(void **state) {
  (void)state;
  static struct client client[CLIENTS];
  pthread_t threads[CLIENTS];
  struct duplex_random random;
  duplex_random_seed(&random, environment_seed(), 0);
  struct duplex_xpu *xpu = open_xpu(160);
  for (unsigned i = 0; i < CLIENTS * WORKS; i++) draw(&client[i / WORKS].product[i % WORKS], &random);
  for (unsigned i = 0; i < CLIENTS; i++) {
    client[i].xpu = xpu;
    assert_int_equal(pthread_create(&threads[i], NULL, submit_all, &client[i]), 0);
  }
  for (unsigned i = 0; i < CLIENTS; i++) pthread_join(threads[i], NULL);
  for (unsigned i = 0; i < CLIENTS * WORKS; i++) {
    struct product *p = &client[i / WORKS].product[i % WORKS];
    assert_int_equal(client[i / WORKS].errors, 0);
    expect(p);
    assert_memory_equal(p->y, p->expected, sizeof p->y);
  }
  xpu->ops->close(xpu);
}

static void run_once(const struct duplex_xpu_work *work) {
  struct duplex_xpu *xpu = open_xpu(160);
  uint64_t ticket;
  assert_int_equal(xpu->ops->submit(xpu, work, &ticket), DUPLEX_OK);
  assert_int_equal(xpu->ops->wait(xpu, ticket), DUPLEX_OK);
  xpu->ops->close(xpu);
}

// The rows of a matrix of COLUMNS x ROWS.
static const duplex_f16 *down_rows_of(void *context, unsigned first, unsigned count, duplex_f16 *room) {
  (void)count, (void)room;
  return (const duplex_f16 *)context + (size_t)first * ROWS;
}

// All fields reach the function that does the work: the same sums as from its own hands.
static void test_expert(void **state) {
  (void)state;
  static struct product up, gate;
  static uint8_t out[2][TOKENS * COLUMNS * 16];
  struct duplex_random random;
  duplex_random_seed(&random, environment_seed(), 2);
  draw(&up, &random);
  draw(&gate, &random);
  for (unsigned gated = 0; gated < 2; gated++) {
    struct duplex_xpu_work work = {.kind = DUPLEX_XPU_EXPERT};
    work.expert = (struct duplex_xpu_expert){.x = up.x,
                                             .x_stride = COLUMNS,
                                             .tokens = TOKENS,
                                             .columns = COLUMNS,
                                             .inner = ROWS,
                                             .gated = gated,
                                             .gate = {rows_of, gate.w, COLUMNS},
                                             .up = {rows_of, up.w, COLUMNS},
                                             .down = {down_rows_of, gate.w, ROWS},
                                             .gate_exponents = gate.exponents,
                                             .up_exponents = up.exponents,
                                             .activation = duplex_activation_builtin("silu"),
                                             .format = DUPLEX_RESULT_FORMAT_ACC,
                                             .out = out[0],
                                             .out_stride = COLUMNS,
                                             .add = true};
    struct xpu_expert expert = {.x = up.x,
                                .x_stride = COLUMNS,
                                .tokens = TOKENS,
                                .columns = COLUMNS,
                                .inner = ROWS,
                                .rows = COLUMNS,
                                .up = {rows_of, up.w, COLUMNS},
                                .down = {down_rows_of, gate.w, ROWS},
                                .gate_exponents = gate.exponents,
                                .up_exponents = up.exponents,
                                .activation = duplex_activation_builtin("silu"),
                                .format = DUPLEX_RESULT_FORMAT_ACC,
                                .out = out[1],
                                .out_stride = COLUMNS,
                                .add = true};
    if (gated) expert.gate = (struct duplex_xpu_weights){rows_of, gate.w, COLUMNS};
    run_once(&work);
    assert_int_equal(xpu_expert_run(&expert), DUPLEX_OK);
    assert_memory_equal(out[0], out[1], sizeof out[0]);
  }
}

static void test_prefill(void **state) {
  (void)state;
  enum {
    HEADS = 4,
    GROUPS = 2,
    SIZE = 32,
    FIRST = 3,
    POSITIONS = 7,
    ALL = FIRST + POSITIONS,
    STRIDE = 12 * SIZE
  };
  static duplex_f16 q[HEADS * POSITIONS * SIZE], k[GROUPS * STRIDE], v[GROUPS * STRIDE],
      o[2][HEADS * POSITIONS * SIZE];
  struct duplex_random random;
  duplex_random_seed(&random, environment_seed(), 3);
  for (unsigned i = 0; i < HEADS * POSITIONS * SIZE; i++)
    q[i] = duplex_f16_from_double(duplex_random_normal(&random));
  for (unsigned i = 0; i < GROUPS * STRIDE; i++) {
    k[i] = duplex_f16_from_double(duplex_random_normal(&random));
    v[i] = duplex_f16_from_double(duplex_random_normal(&random));
  }
  for (unsigned wide = 0; wide < 2; wide++) {
    const duplex_f32 scale = duplex_attention_scale(0, SIZE);
    struct duplex_xpu_work work = {.kind = DUPLEX_XPU_PREFILL};
    work.prefill = (struct duplex_xpu_prefill){.heads = HEADS,
                                               .kv_heads = GROUPS,
                                               .dimension = SIZE,
                                               .first = FIRST,
                                               .tokens = POSITIONS,
                                               .q = q,
                                               .k = k,
                                               .v = v,
                                               .kv_stride = STRIDE,
                                               .scale = scale,
                                               .wide = wide,
                                               .out = o[0]};
    const struct xpu_prefill prefill = {.q = q,
                                        .k = k,
                                        .v = v,
                                        .q_stride = POSITIONS * SIZE,
                                        .kv_stride = STRIDE,
                                        .q_heads = HEADS,
                                        .kv_heads = GROUPS,
                                        .head_size = SIZE,
                                        .first = FIRST,
                                        .positions = POSITIONS,
                                        .scale = scale,
                                        .wide = wide,
                                        .o = o[1],
                                        .o_stride = POSITIONS * SIZE};
    run_once(&work);
    assert_int_equal(xpu_prefill_run(&prefill, NULL), DUPLEX_OK);
    assert_memory_equal(o[0], o[1], sizeof o[0]);
  }
}

static atomic_int gate, done;

// Waits until the test lets it go on.
static void wait_at_gate(void *context) {
  (void)context;
  while (!atomic_load(&gate)) usleep(100);
  atomic_fetch_add(&done, 1);
}

static void test_order_and_end(void **state) {
  (void)state;
  struct duplex_xpu *xpu = open_xpu(160);
  uint64_t tickets[3];
  const struct duplex_xpu_work work = {.kind = DUPLEX_XPU_ELEMENTS,
                                       .elements = {.bytes = 1, .run = wait_at_gate}};
  const struct duplex_xpu_work nothing = {.kind = DUPLEX_XPU_ELEMENTS};
  assert_int_equal(xpu->ops->submit(xpu, &work, &tickets[0]), DUPLEX_OK);
  assert_int_equal(xpu->ops->submit(xpu, &work, &tickets[1]), DUPLEX_OK);
  assert_int_equal(xpu->ops->submit(xpu, &nothing, &tickets[2]), DUPLEX_OK);
  assert_int_equal(xpu->ops->ended(xpu, tickets[0]), 0);
  assert_int_equal(xpu->ops->ended(xpu, tickets[2]), 0);
  assert_int_equal(xpu->ops->ended(xpu, tickets[2] + 1), DUPLEX_ERROR_ARGUMENT);
  assert_int_equal(xpu->ops->wait(xpu, 0), DUPLEX_ERROR_ARGUMENT);
  atomic_store(&gate, 1);
  assert_int_equal(xpu->ops->wait(xpu, tickets[2]), DUPLEX_OK);
  assert_int_equal(atomic_load(&done), 2);  // those before it
  assert_int_equal(xpu->ops->ended(xpu, tickets[1]), 1);
  for (unsigned i = 0; i < 10; i++) assert_int_equal(xpu->ops->submit(xpu, &work, &tickets[0]), DUPLEX_OK);
  xpu->ops->close(xpu);
  assert_int_equal(atomic_load(&done), 12);
}

// What is refused, at once or when it is done; the xPU goes on.
static void test_errors(void **state) {
  (void)state;
  static struct product p;
  struct duplex_random random;
  duplex_random_seed(&random, environment_seed(), 1);
  draw(&p, &random);
  struct duplex_xpu *xpu = open_xpu(160);
  struct duplex_xpu_work work = work_of(&p);
  uint64_t ticket;
  work.gemm.weights.rows = no_rows;
  assert_int_equal(xpu->ops->submit(xpu, &work, &ticket), DUPLEX_OK);
  assert_int_equal(xpu->ops->wait(xpu, ticket), DUPLEX_ERROR_IO);
  work.gemm.rows = 0x7fffffff;
  assert_int_equal(xpu->ops->submit(xpu, &work, &ticket), DUPLEX_ERROR_ARGUMENT);
  work = work_of(&p);
  work.gemm.x_stride = COLUMNS - 1;
  assert_int_equal(xpu->ops->submit(xpu, &work, &ticket), DUPLEX_OK);
  assert_int_equal(xpu->ops->wait(xpu, ticket), DUPLEX_ERROR_ARGUMENT);
  work = work_of(&p);
  assert_int_equal(xpu->ops->submit(xpu, &work, &ticket), DUPLEX_OK);
  assert_int_equal(xpu->ops->wait(xpu, ticket), DUPLEX_OK);
  expect(&p);
  assert_memory_equal(p.y, p.expected, sizeof p.y);
  xpu->ops->close(xpu);
}

static void test_times(void **state) {
  (void)state;
  static struct product p;
  struct duplex_xpu *xpu = open_xpu(64);
  const struct duplex_xpu_work work = work_of(&p);
  const struct xpu_time_model model = xpu_time_h100(64);
  uint64_t time = 0;
  assert_int_equal(xpu->ops->estimate(xpu, &work, &time), DUPLEX_OK);
  assert_int_equal(time, xpu_time_gemm(&model, TOKENS, COLUMNS, ROWS, 4));
  assert_int_equal(xpu->ops->launch(xpu), model.launch);
  xpu->ops->close(xpu);
}

static void test_open(void **state) {
  (void)state;
  struct duplex_xpu *xpu;
  char path[] = P_tmpdir "/duplex_host_xpu_XXXXXX", cause[200], expected[200];
  const int file = mkstemp(path);
  assert_true(file >= 0);
  static const char good[] = "bytes,latency_us\n100,3\n";
  assert_int_equal(write(file, good, sizeof good - 1), sizeof good - 1);
  close(file);
  struct duplex_xpu_options options = {.channels = 0};
  assert_int_equal(duplex_xpu_open(&options, &xpu, NULL, 0), DUPLEX_ERROR_ARGUMENT);
  options.channels = 257;
  assert_int_equal(duplex_xpu_open(&options, &xpu, cause, sizeof cause), DUPLEX_ERROR_ARGUMENT);
  assert_int_equal(duplex_xpu_open(NULL, &xpu, NULL, 0), DUPLEX_ERROR_ARGUMENT);
  options = (struct duplex_xpu_options){.channels = 80, .elements_table = path};
  assert_int_equal(duplex_xpu_open(&options, &xpu, cause, sizeof cause), DUPLEX_OK);
  const struct duplex_xpu_work work = {.kind = DUPLEX_XPU_ELEMENTS, .elements = {.bytes = 200}};
  uint64_t time = 0;
  assert_int_equal(xpu->ops->estimate(xpu, &work, &time), DUPLEX_OK);
  assert_int_equal(time, 10000000);  // 6 us, 1 of them the launch, of half the channels
  xpu->ops->close(xpu);
  options.prefill_table = path;
  assert_int_equal(duplex_xpu_open(&options, &xpu, cause, sizeof cause), DUPLEX_ERROR_FORMAT);
  snprintf(expected, sizeof expected, "%s, line 1, column 1: expected the columns '%s'", path,
           "num_heads,num_key_value_heads,head_dim,batch_size,isl,latency_us");
  assert_string_equal(cause, expected);
  assert_null(xpu);
  assert_int_equal(duplex_xpu_open(&options, &xpu, NULL, 0), DUPLEX_ERROR_FORMAT);
  unlink(path);
}

// A user's own: it does nothing at once, and each work takes a nanosecond.
struct own_xpu {
  struct duplex_xpu xpu;
  uint64_t works;
};
static void own_close(struct duplex_xpu *xpu) { (void)xpu; }
static int own_submit(struct duplex_xpu *xpu, const struct duplex_xpu_work *work, uint64_t *ticket) {
  (void)work;
  *ticket = ++((struct own_xpu *)xpu)->works;
  return DUPLEX_OK;
}
static int own_ended(struct duplex_xpu *xpu, uint64_t ticket) {
  return ticket <= ((struct own_xpu *)xpu)->works ? 1 : DUPLEX_ERROR_ARGUMENT;
}
static int own_wait(struct duplex_xpu *xpu, uint64_t ticket) {
  return own_ended(xpu, ticket) == 1 ? DUPLEX_OK : DUPLEX_ERROR_ARGUMENT;
}
static int own_estimate(struct duplex_xpu *xpu, const struct duplex_xpu_work *work, uint64_t *picoseconds) {
  (void)xpu, (void)work;
  *picoseconds = 1000;
  return DUPLEX_OK;
}
static uint64_t own_launch(struct duplex_xpu *xpu) {
  (void)xpu;
  return 0;
}

// Runs a work on any xPU and returns the time that it is said to take.
static uint64_t run_on(struct duplex_xpu *xpu, const struct duplex_xpu_work *work) {
  uint64_t ticket, time;
  assert_int_equal(xpu->ops->estimate(xpu, work, &time), DUPLEX_OK);
  assert_int_equal(xpu->ops->submit(xpu, work, &ticket), DUPLEX_OK);
  assert_int_equal(xpu->ops->wait(xpu, ticket), DUPLEX_OK);
  time += xpu->ops->launch(xpu);
  xpu->ops->close(xpu);
  return time;
}

static void test_another(void **state) {
  (void)state;
  static const struct duplex_xpu_ops ops = {"own",    own_close,    own_submit, own_ended,
                                            own_wait, own_estimate, own_launch};
  struct own_xpu own = {.xpu = {&ops}};
  const struct duplex_xpu_work work = {.kind = DUPLEX_XPU_ELEMENTS, .elements = {.bytes = 1000000}};
  assert_int_equal(run_on(&own.xpu, &work), 1000);
  assert_int_equal(own.works, 1);
  assert_int_equal(run_on(open_xpu(160), &work), 1302566);
}

int main(void) {
  const struct CMUnitTest tests[] = {cmocka_unit_test(test_threads), cmocka_unit_test(test_expert),
                                     cmocka_unit_test(test_prefill), cmocka_unit_test(test_order_and_end),
                                     cmocka_unit_test(test_errors),  cmocka_unit_test(test_times),
                                     cmocka_unit_test(test_open),    cmocka_unit_test(test_another)};
  return cmocka_run_group_tests(tests, NULL, NULL);
}
