// SPDX-License-Identifier: Apache-2.0
// How experts lie in mode full: the way in which layers take least, with tables that tell them apart.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

// clang-format off: after what it needs
#include <cmocka.h>
// clang-format on

#include "duplex/error.h"
#include "schedule/tables_file.h"
#include "serving/placement.h"
#include "serving/time_table.h"
#include "tests/serving/files.h"
#include "tests/serving/runs.h"

#define EXPERTS 4u
#define PIECE_JOB 700u    // clocks of a job on a piece,
#define STRIPES_JOB 100u  // and on experts over all bundles

struct system {
  char folder[32], model_path[64];
  struct serving_options options;
  struct serving_model model;
  struct machine machine;
  unsigned tokens;  // of each expert
  unsigned counts[EXPERTS];
  uint32_t stripes;  // clocks of an expert with as many tokens over all bundles
};

// Where the simulator looks for a measured table.
static void table_path(const struct system *s, unsigned copies, bool rounded, char *path, size_t size) {
  snprintf(path, size, "%s/1024_1408_4_1%s%s.times", s->folder, copies > 1 ? "_twice" : "",
           rounded ? "_f32" : "");
}

// Tables by formulas, with costs of jobs alone, in their place.
static void write_table(struct system *s, unsigned copies, uint32_t job) {
  static struct schedule_times times;
  struct schedule_placement placement;
  char path[96], text[512] = "";
  uint32_t origin;
  s->machine.copies = copies;
  const struct schedule_shape shape = time_table_shape(&s->machine, &s->model);
  assert_true(schedule_place(&shape, &placement));
  schedule_formula(&shape, &placement, &times);
  times.costs[SCHEDULE_OF_PIECE].job[0] = times.costs[SCHEDULE_OF_PIECE].job[1] = job;
  times.costs[SCHEDULE_OF_STRIPES].job[0] = times.costs[SCHEDULE_OF_STRIPES].job[1] = STRIPES_JOB;
  schedule_seal(&times);
  if (time_table_origin(&s->options, false, &origin, text, sizeof text)) fail_msg("%s", text);
  table_path(s, copies, s->machine.rounded_sums, path, sizeof path);
  if (schedule_save(path, &times, origin, text, sizeof text)) fail_msg("%s", text);
  s->stripes = times.rows[schedule_groups(s->tokens)].striped[SCHEDULE_BUNDLES - 1] * times.clocks_per_unit;
}

// Four short experts on a device; twice_job: clocks of a job with two copies of them.
static void open_system(struct system *s, unsigned tokens, uint32_t twice_job) {
  char text[512] = "";
  *s = (struct system){.folder = P_tmpdir "/duplex_place_XXXXXX", .tokens = tokens};
  assert_non_null(mkdtemp(s->folder));
  snprintf(s->model_path, sizeof s->model_path, "%s/model.json", s->folder);
  write_text(s->model_path,
             "{\"layers\": 1, \"hidden\": 1024, \"inner\": 1408, \"heads\": 8, \"kv_heads\": 8,"
             " \"head_size\": 128, \"vocabulary\": 100, \"experts\": 4, \"top_k\": 4, \"devices\": 1}");
  s->options = (struct serving_options){.system = "duplex-pe-et",
                                        .model = s->model_path,
                                        .mode = SERVING_FULL,
                                        .batch = tokens,
                                        .input = 1,
                                        .output = 1 << 20,  // hardly any prompts
                                        .tables = s->folder,
                                        .native = true};
  int error = serving_model_read(&s->model, s->model_path, text, sizeof text);
  if (!error) error = machine_read(&s->machine, &s->options, &s->model, text, sizeof text);
  if (error) fail_msg("%s", text);
  write_table(s, 2, twice_job);
  write_table(s, 1, PIECE_JOB);
}

static void close_system(const struct system *s) {
  static const char *const files[] = {"model.json", "1024_1408_4_1.times", "1024_1408_4_1_twice.times"};
  for (unsigned i = 0; i < sizeof files / sizeof *files; i++) {
    char path[96];
    snprintf(path, sizeof path, "%s/%s", s->folder, files[i]);
    assert_int_equal(unlink(path), 0);
  }
  assert_int_equal(rmdir(s->folder), 0);
}

static const unsigned *draw(void *context, struct duplex_random *random, unsigned layer, unsigned tokens) {
  struct system *s = context;
  (void)random, (void)layer;
  assert_int_equal(tokens, s->tokens);  // a prompt of one token counts as one that decodes
  for (unsigned e = 0; e < EXPERTS; e++) s->counts[e] = s->tokens;
  return s->counts;
}

// The way that is chosen with room for so many copies, where so many are asked for; seconds of the layer.
static void check(struct system *s, unsigned room, unsigned asked, unsigned copies, bool striped,
                  double *seconds) {
  struct measured *measured;
  char text[512] = "";
  s->machine.copies = room;
  s->options.copies = asked;
  const int error =
      placement_open(&measured, &s->machine, &s->model, &s->options, draw, s, text, sizeof text);
  if (error) fail_msg("%s", text);
  assert_int_equal(s->machine.copies, copies);
  assert_int_equal(measured_has_copies(measured), copies == 2);
  assert_int_equal(measured_is_striped(measured), striped);
  *seconds = measured_seconds(measured, draw(s, NULL, 0, s->tokens));
  measured_close(measured);
}

// Few tokens: one job over all bundles takes less than one for each half. By hand: a launch and what the
// table has of experts over all bundles.
static void test_short(void **state) {
  struct system s;
  double once, twice;
  (void)state;
  open_system(&s, 3, PIECE_JOB);
  check(&s, 1, 1, 1, true, &once);
  assert_near(once, s.machine.launch + (STRIPES_JOB + EXPERTS * s.stripes) / s.machine.clock, 1e-12);
  check(&s, 1, 0, 1, true, &once);
  check(&s, 2, 2, 2, false, &twice);
  check(&s, 2, 0, twice < once ? 2 : 1, twice >= once, &twice);
  close_system(&s);
}

// Two copies whose jobs begin slowly are not taken, but kept if they are asked for.
static void test_slow_copies(void **state) {
  struct system s;
  double once, twice;
  (void)state;
  open_system(&s, 3, 20 * PIECE_JOB);
  check(&s, 2, 0, 1, true, &once);
  check(&s, 2, 2, 2, false, &twice);
  assert_true(twice > once);
  close_system(&s);
}

// Many tokens are the xPU's, wherever they lie: then one copy, in the pieces of the schedule.
static void test_long(void **state) {
  struct system s;
  double seconds;
  (void)state;
  open_system(&s, 512, 50 * PIECE_JOB);
  check(&s, 1, 1, 1, false, &seconds);
  check(&s, 2, 0, 1, false, &seconds);
  close_system(&s);
}

// The table with firmware on its controller is wanted where some expert is Logic-PIM's, and not where the xPU
// has all of them: here something else stands in its place.
static void test_no_firmware(void **state) {
  struct system s;
  struct measured *measured;
  double native, controlled;
  char path[96], text[512] = "";
  (void)state;
  open_system(&s, 3, PIECE_JOB);
  snprintf(path, sizeof path, "%s/1024_1408_4_1_riscv.times", s.folder);
  assert_int_equal(mkdir(path, 0700), 0);
  s.options.policy = SERVING_POLICY_XPU;
  check(&s, 1, 1, 1, true, &native);
  s.machine.controller = true;
  check(&s, 1, 1, 1, true, &controlled);
  assert_true(native > 0 && controlled == native);
  s.options.policy = SERVING_POLICY_PIM;
  assert_int_equal(placement_open(&measured, &s.machine, &s.model, &s.options, draw, &s, text, sizeof text),
                   DUPLEX_ERROR_IO);
  check_message(text, path, ": ", "expected a table of time");
  assert_int_equal(rmdir(path), 0);
  close_system(&s);
}

// Every option of the simulator that changes times of Logic-PIM gives the tables another origin.
static void test_origins(void **state) {
  static const char *const presets[] = {NULL, "hbm3_6400"};
  uint32_t origins[8];
  char text[256];
  (void)state;
  for (unsigned i = 0; i < 8; i++) {
    const struct serving_options options = {.strict = i & 1, .dram_preset = presets[i >> 1 & 1]};
    if (time_table_origin(&options, i >> 2 & 1, &origins[i], text, sizeof text)) fail_msg("%s", text);
    for (unsigned j = 0; j < i; j++) assert_true(origins[i] != origins[j]);
  }
}

// Rounded sums have a table of their own, in a file of another name; either one in the place of the other is
// refused, with what it is of and what it should be.
static void test_rounded(void **state) {
  static struct schedule_times times;
  struct system s;
  char text[512] = "", path[2][96];
  (void)state;
  open_system(&s, 3, PIECE_JOB);
  for (unsigned rounded = 0; rounded < 2; rounded++) {
    table_path(&s, 1, rounded, path[rounded], sizeof path[rounded]);
    s.machine.rounded_sums = rounded;
    write_table(&s, 1, PIECE_JOB);
    if (time_table_load(&s.machine, &s.model, &s.options, false, true, &times, text, sizeof text))
      fail_msg("%s", text);
    assert_int_equal(times.shape.rounded, rounded);
  }
  for (unsigned rounded = 0; rounded < 2; rounded++) {
    s.machine.rounded_sums = !rounded;
    write_table(&s, 1, PIECE_JOB);
    assert_int_equal(rename(path[!rounded], path[rounded]), 0);
    s.machine.rounded_sums = rounded;
    assert_int_equal(
        time_table_load(&s.machine, &s.model, &s.options, false, true, &times, text, sizeof text),
        DUPLEX_ERROR_FORMAT);
    check_message(text, path[rounded], ": ",
                  rounded ? "partial sums exact, expected f32" : "partial sums f32, expected exact");
  }
  assert_int_equal(unlink(path[1]), 0);
  s.machine.rounded_sums = false;
  write_table(&s, 1, PIECE_JOB);
  close_system(&s);
}

int main(void) {
  const struct CMUnitTest tests[] = {cmocka_unit_test(test_origins),     cmocka_unit_test(test_short),
                                     cmocka_unit_test(test_slow_copies), cmocka_unit_test(test_long),
                                     cmocka_unit_test(test_no_firmware), cmocka_unit_test(test_rounded)};
  return cmocka_run_group_tests(tests, NULL, NULL);
}
