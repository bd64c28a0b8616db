// SPDX-License-Identifier: Apache-2.0
// Tables of time of a device in files: brought back they decide as those that were measured; tables of
// anything else are refused, and the device goes on.
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

#include "duplex/device_tables.h"
#include "schedule/tables_file.h"

enum { EXPERTS = 2, HIDDEN = 64, INNER = 96, TOKENS = 5 };

static const struct duplex_moe_form form = {.shape = {EXPERTS, HIDDEN, INNER}, .gated = true};
static const struct duplex_device_options options = {
    .stacks = 1, .stack = {.backend = {.channels = 1}}, .threads = 1, .copies = 1};
static char path[] = P_tmpdir "/duplex_tables_XXXXXX";

static struct duplex_device *open_device(const struct duplex_device_options *of) {
  struct duplex_device *device;
  char text[256];
  if (duplex_device_open("cmodel", of, &device, text, sizeof text)) fail_msg("%s", text);
  return device;
}

// A layer whose tokens all go to one expert; the device has to be able to run it.
static struct duplex_moe_stats run(struct duplex_device *device) {
  static duplex_f16 ones[EXPERTS * HIDDEN * INNER];
  duplex_f16 y[TOKENS * HIDDEN];
  const struct duplex_moe_weights weights = {.router = ones, .gate = ones, .up = ones, .down = ones};
  const struct duplex_moe_routing routing = {.top_k = 1};
  struct duplex_moe_stats stats;
  struct duplex_moe *moe;
  for (size_t i = 0; i < sizeof ones / sizeof *ones; i++) ones[i] = 0x3c00;
  if (duplex_device_load_moe(device, &form.shape, &weights, duplex_activation_builtin("relu"), &moe) ||
      duplex_device_moe(device, moe, &routing, ones, TOKENS, y))
    fail_msg("%s", duplex_device_last_error(device));
  duplex_device_last_stats(device, &stats);
  assert_int_equal(duplex_device_release_moe(device, moe), 0);
  return stats;
}

// Clocks that the table predicts of it.
static uint64_t predicted(struct duplex_device *device) { return run(device).predicted; }

static void assert_refused(struct duplex_device *device, const struct duplex_moe_form *of, int error,
                           const char *said) {
  assert_int_equal(duplex_device_load_table(device, of, path), error);
  if (!strstr(duplex_device_last_error(device), said))
    fail_msg("'%s': expected '%s'", duplex_device_last_error(device), said);
}

// A table from a file is used, and it is that of the file.
static void test_used(void **state) {
  struct schedule_times *times = malloc(sizeof *times);
  uint32_t origin;
  char text[256];
  (void)state;
  assert_non_null(times);
  struct duplex_device *measured = open_device(&options);
  struct duplex_device *loaded = open_device(&options);
  assert_int_equal(duplex_device_save_table(measured, &form, path), 0);
  assert_int_equal(duplex_device_load_table(loaded, &form, path), 0);
  const uint64_t clocks = predicted(measured);
  assert_true(clocks > 0);
  assert_true(predicted(loaded) == clocks);
  assert_int_equal(schedule_load(path, times, &origin, text, sizeof text), 0);
  // What hand-overs take is in the file too.
  times->costs[SCHEDULE_OF_PIECE].given += 5000;
  schedule_seal(times);
  assert_int_equal(schedule_save(path, times, origin, text, sizeof text), 0);
  assert_int_equal(duplex_device_load_table(loaded, &form, path), 0);
  assert_true(predicted(loaded) == clocks + 5000);
  // Its times, and with them what it predicts, grow in proportion.
  uint64_t grown[3];
  for (unsigned i = 0; i < 3; i++) {
    times->clocks_per_unit = 100 * (i + 1);
    schedule_seal(times);
    assert_int_equal(schedule_save(path, times, origin, text, sizeof text), 0);
    assert_int_equal(duplex_device_load_table(loaded, &form, path), 0);
    grown[i] = predicted(loaded);
  }
  assert_true(grown[0] > 10 * clocks && grown[1] > grown[0]);
  assert_true(grown[2] - grown[1] == grown[1] - grown[0]);
  duplex_device_close(measured);
  duplex_device_close(loaded);
  free(times);
}

// A device measures what its policy needs, and the rest when the table is saved: that of any other.
static void test_parts(void **state) {
  static struct schedule_times times[2];
  struct duplex_device_options other = options;
  uint32_t origin[2];
  char text[256];
  (void)state;
  for (unsigned i = 0; i < 2; i++) {
    other.policy = i ? DUPLEX_POLICY_LOGIC_PIM : DUPLEX_POLICY_BEST;
    other.always_decide = !i;  // else one that lies for Logic-PIM alone
    struct duplex_device *device = open_device(&other);
    assert_true(!i || predicted(device) > 0);
    assert_int_equal(duplex_device_save_table(device, &form, path), 0);
    assert_int_equal(schedule_load(path, &times[i], &origin[i], text, sizeof text), 0);
    duplex_device_close(device);
  }
  assert_memory_equal(&times[0], &times[1], sizeof times[0]);
  assert_int_equal(origin[0], origin[1]);
}

// Tables of other layers and devices. The file is that of the test before.
static void test_of_another(void **state) {
  (void)state;
  static const struct {
    struct duplex_moe_form form;
    const char *said;
  } forms[] = {{{.shape = {EXPERTS, 65, INNER}, .gated = true}, "hidden 64, expected 65"},
               {{.shape = {EXPERTS, HIDDEN, 97}, .gated = true}, "inner 96, expected 97"},
               {{.shape = {3, HIDDEN, INNER}, .gated = true}, "experts 2, expected 3"},
               {{.shape = {EXPERTS, HIDDEN, INNER}}, "gate one, expected none"},
               {{.shape = {EXPERTS, HIDDEN, INNER}, .gated = true, .up_exponents = true},
                "exponents of rows none, expected up"}};
  struct duplex_device *device = open_device(&options);
  for (unsigned i = 0; i < sizeof forms / sizeof *forms; i++)
    assert_refused(device, &forms[i].form, DUPLEX_ERROR_FORMAT, forms[i].said);
  const struct duplex_moe_form empty = {.shape = {0, HIDDEN, INNER}};
  assert_refused(device, &empty, DUPLEX_ERROR_ARGUMENT, "0 experts");
  const uint64_t clocks = predicted(device);
  assert_int_equal(duplex_device_load_table(device, &form, path), 0);
  assert_true(predicted(device) > 10 * clocks);
  duplex_device_close(device);
  struct duplex_device_options other = options;
  other.partials = DUPLEX_PARTIALS_F32;
  device = open_device(&other);
  assert_refused(device, &form, DUPLEX_ERROR_FORMAT, "partial sums exact, expected f32");
  duplex_device_close(device);
  other = options;
  other.stacks = 2;
  device = open_device(&other);
  assert_refused(device, &form, DUPLEX_ERROR_FORMAT, "stacks 1, expected 2");
  duplex_device_close(device);
  other = options;
  other.stack.backend.dram_preset = "hbm3_6400";
  device = open_device(&other);
  assert_refused(
      device, &form, DUPLEX_ERROR_FORMAT,
      "another DRAM preset, rank switch, activation rule, firmware, rate of its instructions, model or xPU");
  duplex_device_close(device);
}

// The origin of tables of a device with such a stack, or with such times of its xPU: that of the file, or
// what the device expects in its place.
static uint32_t origin_with(const struct duplex_stack_options *stack, const char *xpu_times) {
  static const char told[] = "expected ";
  static struct schedule_times times;
  struct duplex_device_options other = options;
  uint32_t origin;
  char text[256];
  other.stack = *stack;
  other.xpu_times = xpu_times;
  struct duplex_device *device = open_device(&other);
  assert_int_equal(schedule_load(path, &times, &origin, text, sizeof text), 0);
  if (duplex_device_load_table(device, &form, path)) {
    const char *expected = strstr(duplex_device_last_error(device), told);
    assert_non_null(expected);
    origin = (uint32_t)strtoul(expected + sizeof told - 1, NULL, 10);
  }
  duplex_device_close(device);
  return origin;
}

// Makes the file that of a device with the usual options.
static void save_usual(void) {
  struct duplex_device *device = open_device(&options);
  assert_int_equal(duplex_device_save_table(device, &form, path), 0);
  duplex_device_close(device);
}

// Every option of a stack that changes times gives another origin, and no other option does. The last three
// are the first three with other words.
static void test_options(void **state) {
  enum { OTHER = 8, ALL = OTHER + 3 };
  static const struct duplex_riscv_options usual = {0};
  static const struct duplex_riscv_options told = {.instructions_per_clock = DUPLEX_INSTRUCTIONS_PER_CLOCK,
                                                   .quiet_instructions = 1 << 27};
  static const struct duplex_riscv_options faster = {.instructions_per_clock = 0.7001};
  static const struct duplex_stack_options stacks[ALL] = {
      {.backend = {.channels = 1}},
      {.backend = {.channels = 1, .rank_switch = 1}},
      {.backend = {.channels = 1}, .riscv = &usual},
      {.backend = {.channels = 1, .rank_switch = 2}},
      {.backend = {.channels = 1}, .riscv = &faster},
      {.backend = {.channels = 1}, .strict = 1},
      {.backend = {.channels = 1, .dram_preset = "hbm3_6400"}},
      {.backend = {.channels = 1, .dram_preset = "hbm3_6400", .rank_switch = 1},
       .strict = 1,
       .riscv = &usual},
      {.backend = {.channels = 1, .dram_preset = "hbm3_5200"}, .watchdog_clocks = 1 << 30},
      {.backend = {.channels = 1, .rank_switch = 1, .threads = 3}, .strict = 0},
      {.backend = {.channels = 1}, .riscv = &told}};
  uint32_t origins[ALL];
  (void)state;
  save_usual();
  for (unsigned i = 0; i < ALL; i++) {
    origins[i] = origin_with(&stacks[i], NULL);
    for (unsigned j = 0; j < i; j++)
      if ((origins[i] == origins[j]) != (i == j + OTHER))
        fail_msg("options %u and %u: origins %u and %u", i, j, origins[i], origins[j]);
  }
}

// Times of the xPU that differ for parts of an expert alone, and not for larger ones.
static void test_xpu_origin(void **state) {
  static const char *const of_part[] = {"2.0", "2.5"};
  uint32_t origins[2];
  (void)state;
  for (unsigned i = 0; i < 2; i++) {
    char kernels[] = P_tmpdir "/duplex_kernels_XXXXXX";
    const int descriptor = mkstemp(kernels);
    assert_true(descriptor >= 0);
    FILE *file = fdopen(descriptor, "w");
    assert_non_null(file);
    fprintf(file, "m,n,k,latency_us\n8,4096,4096,90\n8,4096,2048,50\n8,192,64,3.0\n8,64,48,%s\n", of_part[i]);
    assert_int_equal(fclose(file), 0);
    origins[i] = origin_with(&options.stack, kernels);
    assert_int_equal(unlink(kernels), 0);
  }
  assert_true(origins[0] != origins[1]);
}

// The table of rounded sums is another one, whose jobs take less, and stays a device's that has them.
static void test_rounded(void **state) {
  static struct schedule_times times[2];
  struct duplex_device_options other = options;
  uint32_t origin;
  char text[256];
  (void)state;
  other.always_decide = true;
  for (unsigned rounded = 0; rounded < 2; rounded++) {
    other.partials = rounded ? DUPLEX_PARTIALS_F32 : DUPLEX_PARTIALS_ACC;
    struct duplex_device *device = open_device(&other);
    assert_int_equal(duplex_device_save_table(device, &form, path), 0);
    assert_int_equal(schedule_load(path, &times[rounded], &origin, text, sizeof text), 0);
    assert_int_equal(times[rounded].shape.rounded, rounded);
    duplex_device_close(device);
  }
  for (unsigned bundles = 0; bundles < SCHEDULE_BUNDLES; bundles++)
    assert_true(times[1].rows[2].striped[bundles] < 0.95 * times[0].rows[2].striped[bundles]);
  const struct schedule_costs *costs[] = {&times[0].costs[SCHEDULE_OF_PIECE],
                                          &times[1].costs[SCHEDULE_OF_PIECE]};
  assert_true(2 * costs[1]->sums[8] < costs[0]->sums[8]);
  struct duplex_device *device = open_device(&other);
  const uint64_t clocks = predicted(device);
  assert_int_equal(duplex_device_load_table(device, &form, path), 0);
  assert_true(predicted(device) == clocks);
  duplex_device_close(device);
  other.partials = DUPLEX_PARTIALS_ACC;
  device = open_device(&other);
  assert_refused(device, &form, DUPLEX_ERROR_FORMAT, "partial sums f32, expected exact");
  duplex_device_close(device);
}

// With the firmware on the RV32 controller jobs take longer. Its table knows that, the one of native firmware
// does not, and a device refuses the other one's file.
static void test_firmware(void **state) {
  const struct duplex_riscv_options riscv = {0};
  struct duplex_device_options other = options;
  static struct schedule_times times[2];
  uint32_t origin[2];
  char text[256];
  (void)state;
  for (unsigned i = 0; i < 2; i++) {
    other.stack.riscv = i ? &riscv : NULL;
    struct duplex_device *device = open_device(&other);
    if (i)
      assert_refused(device, &form, DUPLEX_ERROR_FORMAT,
                     "another DRAM preset, rank switch, activation rule, firmware, rate of its instructions, "
                     "model or xPU");
    assert_int_equal(duplex_device_save_table(device, &form, path), 0);
    assert_int_equal(schedule_load(path, &times[i], &origin[i], text, sizeof text), 0);
    duplex_device_close(device);
  }
  assert_true(origin[0] != origin[1]);
  for (unsigned more = 0; more < 2; more++)
    assert_true(times[1].costs[SCHEDULE_OF_PIECE].job[more] >
                times[0].costs[SCHEDULE_OF_PIECE].job[more] + 1000);
  assert_int_equal(times[1].costs[SCHEDULE_OF_PIECE].sums[8], times[0].costs[SCHEDULE_OF_PIECE].sums[8]);
  // Slower firmware takes longer for what it does between two experts.
  const struct duplex_riscv_options slow = {.instructions_per_clock = 0.1};
  other.stack.riscv = &slow;
  struct duplex_device *device = open_device(&other);
  assert_int_equal(duplex_device_save_table(device, &form, path), 0);
  assert_int_equal(schedule_load(path, &times[0], &origin[0], text, sizeof text), 0);
  duplex_device_close(device);
  assert_true(origin[0] != origin[1]);
  assert_true(times[0].rows[1].pim[0][1] > 2 * times[1].rows[1].pim[0][1]);
}

// A file with the table of two copies: a device that may have them has as many copies as its file is of; one
// that may not refuses it.
static void test_copies(void **state) {
  struct duplex_device_options other = options;
  (void)state;
  for (unsigned copies = 1; copies <= 2; copies++) {
    other.copies = copies;
    struct duplex_device *device = open_device(&other);
    assert_int_equal(run(device).copies, copies);
    assert_int_equal(duplex_device_save_table(device, &form, path), 0);
    duplex_device_close(device);
    other.copies = 0;
    device = open_device(&other);
    assert_int_equal(duplex_device_load_table(device, &form, path), 0);
    assert_int_equal(run(device).copies, copies);
    duplex_device_close(device);
    other.copies = 3 - copies;
    device = open_device(&other);
    assert_refused(device, &form, DUPLEX_ERROR_FORMAT,
                   copies > 1 ? "copies 2, expected 1" : "copies 1, expected 2");
    duplex_device_close(device);
  }
}

// Times of the xPU from a file: hand-worked, 8 tokens or fewer take (3 us - 1 us + 2 us - 1 us) * 160 on one
// channel, with any DRAM preset. The decision heeds them, and a table that was measured without them is
// refused.
static void test_xpu_times(void **state) {
  char kernels[] = P_tmpdir "/duplex_kernels_XXXXXX";
  const int descriptor = mkstemp(kernels);
  struct duplex_device_options other = options;
  (void)state;
  assert_true(descriptor >= 0);
  FILE *file = fdopen(descriptor, "w");
  assert_non_null(file);
  fputs("m,n,k,latency_us\n8,192,64,3.0\n8,64,96,2.0\n", file);
  assert_int_equal(fclose(file), 0);
  other.xpu_times = kernels;
  struct duplex_device *device = open_device(&other);
  assert_refused(
      device, &form, DUPLEX_ERROR_FORMAT,
      "another DRAM preset, rank switch, activation rule, firmware, rate of its instructions, model or xPU");
  struct duplex_moe_stats stats = run(device);
  assert_int_equal(stats.logic_pim_experts, 1);
  assert_int_equal(stats.xpu_experts + stats.shared_experts, 0);
  duplex_device_close(device);
  other.policy = DUPLEX_POLICY_XPU;
  device = open_device(&other);
  stats = run(device);
  assert_int_equal(stats.xpu_estimate[0] + stats.xpu_estimate[1], 480 * 650);
  assert_true(stats.predicted >= 480 * 650);
  duplex_device_close(device);
  other.stack.backend.dram_preset =
      "hbm3_6400";  // faster clocks: as many seconds of the xPU are more of them
  device = open_device(&other);
  stats = run(device);
  assert_int_equal(stats.xpu_estimate[0] + stats.xpu_estimate[1], 480 * 800);
  assert_true(stats.predicted >= 480 * 800);
  duplex_device_close(device);
  assert_int_equal(unlink(kernels), 0);
}

static void test_damaged(void **state) {
  struct duplex_device *device = open_device(&options);
  (void)state;
  assert_int_equal(truncate(path, 2000), 0);
  assert_refused(device, &form, DUPLEX_ERROR_FORMAT, ": expected 'groups_");
  assert_int_equal(unlink(path), 0);
  assert_refused(device, &form, DUPLEX_ERROR_IO, "No such file");
  assert_int_equal(duplex_device_load_table(device, NULL, path), DUPLEX_ERROR_ARGUMENT);
  assert_int_equal(duplex_device_save_table(device, &form, NULL), DUPLEX_ERROR_ARGUMENT);
  assert_int_equal(duplex_device_save_table(device, &form, P_tmpdir "/nowhere/table"), DUPLEX_ERROR_IO);
  assert_int_equal(duplex_device_measure_table(NULL, &form), DUPLEX_ERROR_ARGUMENT);
  assert_true(predicted(device) > 0);
  duplex_device_close(device);
}

int main(void) {
  const struct CMUnitTest tests[] = {cmocka_unit_test(test_parts),      cmocka_unit_test(test_used),
                                     cmocka_unit_test(test_of_another), cmocka_unit_test(test_xpu_times),
                                     cmocka_unit_test(test_rounded),    cmocka_unit_test(test_firmware),
                                     cmocka_unit_test(test_options),    cmocka_unit_test(test_xpu_origin),
                                     cmocka_unit_test(test_copies),     cmocka_unit_test(test_damaged)};
  const int descriptor = mkstemp(path);
  if (descriptor < 0) return 1;
  close(descriptor);
  const int failed = cmocka_run_group_tests(tests, NULL, NULL);
  unlink(path);
  return failed;
}
