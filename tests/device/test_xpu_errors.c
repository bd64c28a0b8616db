// SPDX-License-Identifier: Apache-2.0
// Errors of a plugged-in xPU: each comes back as the code of the load or run, with a text that names the xPU,
// and the device goes on.
#include <setjmp.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

// clang-format off: after what it needs
#include <cmocka.h>
// clang-format on

#include "duplex/device_attention.h"
#include "duplex/device_tables.h"
#include "tests/common/environment.h"
#include "tests/device/moe_case.h"

enum { EXPERTS = 3, HIDDEN = 40, INNER = 300, TOKENS = 9, MOST = EXPERTS * HIDDEN * INNER };
enum call { ESTIMATE, SUBMIT, WAIT, CALLS };

static const char *const names[CALLS] = {"estimate", "submit", "wait"};

// The built-in xPU, of which one call fails: the one with number `at` of its kind, from 0 on.
struct faulty_xpu {
  struct duplex_xpu xpu;
  struct duplex_xpu *builtin;
  enum call call;
  unsigned at;
  int code;           // 0: none fails
  bool reads_beyond;  // asks for a row of weights that there is not
  atomic_uint calls[CALLS];
};

// Whether this call fails; it is counted.
static bool fails(struct faulty_xpu *own, enum call call) {
  return own->calls[call]++ == own->at && own->code && own->call == call;
}

static void faulty_close(struct duplex_xpu *xpu) { (void)xpu; }
static int faulty_submit(struct duplex_xpu *xpu, const struct duplex_xpu_work *work, uint64_t *ticket) {
  struct faulty_xpu *own = (struct faulty_xpu *)xpu;
  duplex_f16 room[HIDDEN];
  if (own->reads_beyond && work->kind == DUPLEX_XPU_EXPERT &&
      !work->expert.up.rows(work->expert.up.context, INNER, 1, room))
    return DUPLEX_ERROR_IO;
  return fails(own, SUBMIT) ? own->code : own->builtin->ops->submit(own->builtin, work, ticket);
}
static int faulty_ended(struct duplex_xpu *xpu, uint64_t ticket) {
  struct faulty_xpu *own = (struct faulty_xpu *)xpu;
  return own->builtin->ops->ended(own->builtin, ticket);
}
static int faulty_wait(struct duplex_xpu *xpu, uint64_t ticket) {
  struct faulty_xpu *own = (struct faulty_xpu *)xpu;
  const int error = own->builtin->ops->wait(own->builtin, ticket);
  return fails(own, WAIT) ? own->code : error;
}
static int faulty_estimate(struct duplex_xpu *xpu, const struct duplex_xpu_work *work,
                           uint64_t *picoseconds) {
  struct faulty_xpu *own = (struct faulty_xpu *)xpu;
  return fails(own, ESTIMATE) ? own->code : own->builtin->ops->estimate(own->builtin, work, picoseconds);
}
static uint64_t faulty_launch(struct duplex_xpu *xpu) {
  struct faulty_xpu *own = (struct faulty_xpu *)xpu;
  return own->builtin->ops->launch(own->builtin);
}

static void open_faulty(struct faulty_xpu *own) {
  static const struct duplex_xpu_ops ops = {"faulty",    faulty_close,    faulty_submit, faulty_ended,
                                            faulty_wait, faulty_estimate, faulty_launch};
  const struct duplex_xpu_options options = {.channels = 2};
  *own = (struct faulty_xpu){.xpu = {&ops}};
  assert_int_equal(duplex_xpu_open(&options, &own->builtin, NULL, 0), 0);
}

// From now on such a call fails, or none.
static void set_fault(struct faulty_xpu *own, enum call call, unsigned at, int code) {
  own->call = call;
  own->at = at;
  own->code = code;
  for (unsigned i = 0; i < CALLS; i++) own->calls[i] = 0;
}

static void assert_told(const struct duplex_device *device, enum call call, int code, int error) {
  char text[80];
  snprintf(text, sizeof text, "the xPU \"faulty\": %s returned %d, ", names[call], code);
  assert_int_equal(error, code);
  if (!strstr(duplex_device_last_error(device), text))
    fail_msg("'%s': expected '%s'", duplex_device_last_error(device), text);
}

static struct duplex_device *open_device(struct faulty_xpu *own, enum duplex_policy policy,
                                         enum duplex_partials partials) {
  const struct duplex_device_options options = {.stacks = 2,
                                                .stack.backend.channels = 1,
                                                .threads = 2,
                                                .policy = policy,
                                                .partials = partials,
                                                .always_decide = policy == DUPLEX_POLICY_BEST,
                                                .expected_pairs = 30,
                                                .xpu = &own->xpu};
  struct duplex_device *device;
  char text[256];
  if (duplex_device_open("cmodel", &options, &device, text, sizeof text)) fail_msg("%s", text);
  return device;
}

// A layer of random values.
struct layer_case {
  struct duplex_moe_shape shape;
  struct duplex_moe_weights weights;
  duplex_f16 *x;
};

static struct layer_case draw_layer(void) {
  struct duplex_random random;
  duplex_random_seed(&random, environment_seed(), 7000);
  return (struct layer_case){.shape = {EXPERTS, HIDDEN, INNER},
                             .weights = {.router = draw(&random, EXPERTS * HIDDEN, 0.3, false),
                                         .gate = draw(&random, MOST, 0.2, false),
                                         .up = draw(&random, MOST, 0.2, false),
                                         .down = draw(&random, MOST, 0.2, false)},
                             .x = draw(&random, TOKENS * HIDDEN, 1, false)};
}

static void free_layer(struct layer_case *c) {
  free((void *)c->weights.router);
  free((void *)c->weights.gate);
  free((void *)c->weights.up);
  free((void *)c->weights.down);
  free(c->x);
}

static int load(struct duplex_device *device, const struct layer_case *c, struct duplex_moe **moe) {
  return duplex_device_load_moe(device, &c->shape, &c->weights, duplex_activation_builtin("relu"), moe);
}

static int run(struct duplex_device *device, const struct layer_case *c, const struct duplex_moe *moe,
               duplex_f16 *y, struct duplex_moe_stats *stats) {
  static const struct duplex_moe_routing routing = {.top_k = 2};
  const int error = duplex_device_moe(device, moe, &routing, c->x, TOKENS, y);
  duplex_device_last_stats(device, stats);
  return error;
}

// Every call of a run fails once: nothing is given, and another run has the bits and the xPU's times of one
// before.
static void check_runs(struct faulty_xpu *own, struct duplex_device *device, const struct layer_case *c) {
  duplex_f16 y[TOKENS * HIDDEN];
  duplex_f16 again[TOKENS * HIDDEN];
  struct duplex_moe_stats stats;
  struct duplex_moe_stats other;
  struct duplex_moe *moe;
  unsigned calls[CALLS];
  set_fault(own, ESTIMATE, 0, 0);
  assert_int_equal(load(device, c, &moe), 0);
  set_fault(own, ESTIMATE, 0, 0);
  assert_int_equal(run(device, c, moe, y, &stats), 0);
  for (unsigned i = 0; i < CALLS; i++) calls[i] = own->calls[i];
  assert_true(calls[ESTIMATE] > 2 && calls[SUBMIT] > 0 && calls[WAIT] == calls[SUBMIT]);
  for (unsigned call = 0; call < CALLS; call++)
    for (unsigned at = 0; at < calls[call]; at++) {
      const int code = at % 2 ? DUPLEX_ERROR_WATCHDOG : DUPLEX_ERROR_DEVICE;
      set_fault(own, call, at, code);
      memset(again, 0x5a, sizeof again);
      assert_told(device, call, code, run(device, c, moe, again, &other));
      for (unsigned i = 0; i < TOKENS * HIDDEN; i++) assert_int_equal(again[i], 0x5a5a);
      set_fault(own, call, 0, 0);
      assert_int_equal(run(device, c, moe, again, &other), 0);
      assert_memory_equal(again, y, sizeof y);
      assert_int_equal(other.route, stats.route);
      assert_int_equal(other.combine, stats.combine);
      assert_memory_equal(other.xpu_estimate, stats.xpu_estimate, sizeof stats.xpu_estimate);
    }
  assert_int_equal(duplex_device_release_moe(device, moe), 0);
}

static void test_runs(void **state) {
  static const struct {
    enum duplex_policy policy;
    enum duplex_partials partials;
  } cases[] = {{DUPLEX_POLICY_XPU, DUPLEX_PARTIALS_ACC},
               {DUPLEX_POLICY_BEST, DUPLEX_PARTIALS_ACC},
               {DUPLEX_POLICY_XPU, DUPLEX_PARTIALS_GATHERED}};
  struct layer_case c = draw_layer();
  struct faulty_xpu own;
  (void)state;
  open_faulty(&own);
  for (unsigned i = 0; i < sizeof cases / sizeof *cases; i++) {
    struct duplex_device *device = open_device(&own, cases[i].policy, cases[i].partials);
    check_runs(&own, device, &c);
    duplex_device_close(device);
  }
  own.builtin->ops->close(own.builtin);
  free_layer(&c);
}

// Weights that a stack does not give are the stack's error, whatever the xPU makes of it.
static void test_weights(void **state) {
  struct layer_case c = draw_layer();
  struct faulty_xpu own;
  struct duplex_moe *moe;
  struct duplex_moe_stats stats;
  duplex_f16 y[TOKENS * HIDDEN];
  (void)state;
  open_faulty(&own);
  struct duplex_device *device = open_device(&own, DUPLEX_POLICY_XPU, DUPLEX_PARTIALS_ACC);
  assert_int_equal(load(device, &c, &moe), 0);
  own.reads_beyond = true;
  assert_int_equal(run(device, &c, moe, y, &stats), DUPLEX_ERROR_ARGUMENT);
  if (strncmp(duplex_device_last_error(device), "stack 0: ", 9) != 0)
    fail_msg("%s", duplex_device_last_error(device));
  own.reads_beyond = false;
  assert_int_equal(run(device, &c, moe, y, &stats), 0);
  duplex_device_close(device);
  own.builtin->ops->close(own.builtin);
  free_layer(&c);
}

// Estimates of a load fail, also those of a way that is not taken and with the code that times too long for a
// table have: there is no layer then, and the next load measures what is lacking.
static void test_loads(void **state) {
  enum { FAULTS = 3 };
  struct layer_case c = draw_layer();
  struct faulty_xpu own;
  struct duplex_moe *moe;
  unsigned calls;
  (void)state;
  open_faulty(&own);
  struct duplex_device *device = open_device(&own, DUPLEX_POLICY_BEST, DUPLEX_PARTIALS_AUTO);
  assert_int_equal(load(device, &c, &moe), 0);
  calls = own.calls[ESTIMATE];
  duplex_device_close(device);
  for (unsigned i = 0; i <= FAULTS; i++) {
    const unsigned at = (calls - 1) * i / FAULTS;
    const int code = i % 2 ? DUPLEX_ERROR_DEVICE : DUPLEX_ERROR_ARGUMENT;
    device = open_device(&own, DUPLEX_POLICY_BEST, DUPLEX_PARTIALS_AUTO);
    set_fault(&own, ESTIMATE, at, code);
    moe = (struct duplex_moe *)&c;
    assert_told(device, ESTIMATE, code, load(device, &c, &moe));
    assert_null(moe);
    if (i == FAULTS / 2) check_runs(&own, device, &c);
    duplex_device_close(device);
  }
  own.builtin->ops->close(own.builtin);
  free_layer(&c);
}

// A table whose origin the xPU does not tell is neither written nor taken.
static void test_tables(void **state) {
  char path[] = P_tmpdir "/duplex_xpu_errors_XXXXXX";
  struct layer_case c = draw_layer();
  const struct duplex_moe_form form = duplex_moe_form(&c.shape, &c.weights);
  struct faulty_xpu own;
  (void)state;
  open_faulty(&own);
  const int file = mkstemp(path);
  assert_true(file >= 0);
  close(file);
  unlink(path);
  struct duplex_device *device = open_device(&own, DUPLEX_POLICY_BEST, DUPLEX_PARTIALS_ACC);
  assert_int_equal(duplex_device_measure_table(device, &form), 0);
  set_fault(&own, ESTIMATE, UINT32_MAX, DUPLEX_ERROR_DEVICE);
  assert_int_equal(duplex_device_save_table(device, &form, path), 0);
  const unsigned calls = own.calls[ESTIMATE];
  assert_int_equal(unlink(path), 0);
  duplex_device_close(device);
  device = open_device(&own, DUPLEX_POLICY_BEST, DUPLEX_PARTIALS_ACC);
  assert_int_equal(duplex_device_measure_table(device, &form), 0);
  set_fault(&own, ESTIMATE, calls - 1, DUPLEX_ERROR_DEVICE);
  assert_told(device, ESTIMATE, DUPLEX_ERROR_DEVICE, duplex_device_save_table(device, &form, path));
  assert_int_equal(access(path, F_OK), -1);
  set_fault(&own, ESTIMATE, 0, 0);
  assert_int_equal(duplex_device_save_table(device, &form, path), 0);
  duplex_device_close(device);
  device = open_device(&own, DUPLEX_POLICY_BEST, DUPLEX_PARTIALS_ACC);
  set_fault(&own, ESTIMATE, 0, DUPLEX_ERROR_DEVICE);
  assert_told(device, ESTIMATE, DUPLEX_ERROR_DEVICE, duplex_device_load_table(device, &form, path));
  set_fault(&own, ESTIMATE, 0, 0);
  assert_int_equal(duplex_device_load_table(device, &form, path), 0);
  duplex_device_close(device);
  own.builtin->ops->close(own.builtin);
  unlink(path);
  free_layer(&c);
}

// Attention of a mixed stage: if the xPU does not tell its time nothing is appended, and where it does not do
// its work the text names it.
static void test_attention(void **state) {
  enum { SIZE = 16, HEADS = 2, POSITIONS = 20 };
  static duplex_f16 values[HEADS * POSITIONS * SIZE];
  static duplex_f16 prefill_o[HEADS * POSITIONS * SIZE];
  static duplex_f16 decode_o[HEADS * SIZE];
  const struct duplex_device_kv_options kv_options = {
      .heads = HEADS, .head_size = SIZE, .pages = 8, .prefill_pages = 8};
  struct duplex_device_sequence *decoded;
  struct duplex_device_sequence *prefilled;
  struct duplex_device_kv *kv;
  struct faulty_xpu own;
  (void)state;
  open_faulty(&own);
  struct duplex_device *device = open_device(&own, DUPLEX_POLICY_BEST, DUPLEX_PARTIALS_ACC);
  assert_int_equal(duplex_device_open_kv(device, &kv_options, &kv), 0);
  assert_int_equal(duplex_device_begin_sequence(kv, DUPLEX_KV_SPACES, POSITIONS, &decoded), 0);
  assert_int_equal(duplex_device_begin_sequence(kv, DUPLEX_KV_PREFILL, POSITIONS, &prefilled), 0);
  assert_int_equal(duplex_device_append(decoded, 0, values, values, 4), 0);
  assert_int_equal(duplex_device_append(prefilled, 0, values, values, POSITIONS), 0);
  const struct duplex_device_prefill prefill = {
      .sequence = prefilled, .positions = POSITIONS, .q = values, .o = prefill_o};
  struct duplex_device_attention work = {
      .q_heads = HEADS,
      .decode = {.sequences = &decoded, .batch = 1, .k = values, .v = values, .q = values, .o = decode_o},
      .prefills = &prefill,
      .prefill_count = 1};
  set_fault(&own, ESTIMATE, 0, DUPLEX_ERROR_DEVICE);
  assert_told(device, ESTIMATE, DUPLEX_ERROR_DEVICE, duplex_device_attention(kv, &work));
  assert_int_equal(duplex_device_sequence_length(decoded, 0), 4);
  for (unsigned call = SUBMIT; call < CALLS; call++)
    for (unsigned at = 0; at < HEADS; at++) {
      set_fault(&own, call, at, DUPLEX_ERROR_WATCHDOG);
      assert_told(device, call, DUPLEX_ERROR_WATCHDOG, duplex_device_attention(kv, &work));
      set_fault(&own, call, 0, 0);
      assert_int_equal(duplex_device_attention(kv, &work), 0);
    }
  assert_int_equal(own.calls[SUBMIT], HEADS);
  duplex_device_close(device);
  own.builtin->ops->close(own.builtin);
}

int main(void) {
  const struct CMUnitTest tests[] = {cmocka_unit_test(test_runs), cmocka_unit_test(test_weights),
                                     cmocka_unit_test(test_loads), cmocka_unit_test(test_tables),
                                     cmocka_unit_test(test_attention)};
  return cmocka_run_group_tests(tests, NULL, NULL);
}
