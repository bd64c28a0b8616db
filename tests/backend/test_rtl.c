// SPDX-License-Identifier: Apache-2.0
// The `rtl` back end by hand: registers over AXI4-Lite, memory back door, interrupt, one GEMM without driver
// or firmware, life cycle.
//
// The expected numbers are sums of small integers, computed here in `int`: every one of them is exact in
// binary32.
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

// clang-format off: after what it needs
#include <cmocka.h>
// clang-format on

#include "duplex/backend.h"
#include "duplex/descriptor.h"
#include "duplex/error.h"
#include "duplex/params.h"
#include "duplex/random.h"
#include "duplex/registers.h"
#include "tests/backend/register_access.h"
#include "tests/common/environment.h"

enum { CHANNELS = 2, ROW_SET = DUPLEX_ROW_SET_BYTES, ADVANCE_CLOCKS = 100000 };

static struct duplex_backend *open_stack(const struct duplex_backend_options *options) {
  struct duplex_backend *backend;
  const int error = duplex_rtl_open(options, &backend);
  if (error) fail_msg("open: %s: %s", duplex_error_text(error), duplex_rtl_failure());
  return backend;
}

static struct duplex_backend *open_channels(unsigned channels) {
  const struct duplex_backend_options options = {.channels = channels};
  return open_stack(&options);
}

static void check_registers(struct duplex_backend *backend, unsigned channels) {
  assert_int_equal(get(backend, DUPLEX_REG_ID), DUPLEX_ID_VALUE_RESET);
  assert_int_equal(get(backend, DUPLEX_REG_VERSION), DUPLEX_VERSION_VALUE_RESET);
  assert_int_equal(get(backend, DUPLEX_REG_GEOMETRY),
                   channels | DUPLEX_LANES << 8 | DUPLEX_WIDTH << 16 | (uint32_t)DUPLEX_ROWS << 24);
  for (uint32_t value = 0; value < 4; value++) {
    put(backend, DUPLEX_REG_INTERRUPT_ENABLE, value);
    assert_int_equal(get(backend, DUPLEX_REG_INTERRUPT_ENABLE), value);
  }
  uint32_t value;
  assert_int_equal(backend->ops->reg_read(backend, 0x800, &value), DUPLEX_ERROR_BUS);
  assert_int_equal(backend->ops->reg_write(backend, 0x800, 1), DUPLEX_ERROR_BUS);
  assert_int_equal(backend->ops->reg_read(backend, 0x10000, &value), DUPLEX_ERROR_BUS);
  assert_int_equal(get(backend, DUPLEX_REG_ID), DUPLEX_ID_VALUE_RESET);
}

static void registers(void **state) {
  (void)state;
  struct duplex_backend *backend = open_channels(CHANNELS);
  assert_string_equal(backend->ops->name, "rtl");
  check_registers(backend, CHANNELS);
  backend->ops->close(backend);
}

static void registers_with_random_delays(void **state) {
  (void)state;
  char text[32];
  snprintf(text, sizeof text, "%llu", (unsigned long long)environment_seed());
  setenv("DUPLEX_AXI_SEED", text, 1);
  struct duplex_backend *backend = open_channels(CHANNELS);
  unsetenv("DUPLEX_AXI_SEED");
  for (int i = 0; i < 20; i++) check_registers(backend, CHANNELS);
  backend->ops->close(backend);
}

// The bundles of the mask are Logic-PIM's; those that it gives away have their rows closed.
static void own(struct duplex_backend *backend, uint32_t bundles) {
  put(backend, DUPLEX_REG_BUNDLE_OWNER, bundles);
  for (int i = 0; i < 100; i++)
    if (!(get(backend, DUPLEX_REG_BUNDLE_OWNER) >> DUPLEX_BUNDLE_OWNER_OPEN_LSB & ~bundles & 0xf)) return;
  fail_msg("rows stay open");
}

static void memory(void **state) {
  (void)state;
  struct duplex_backend *backend = open_channels(CHANNELS);
  struct duplex_random random;
  duplex_random_seed(&random, environment_seed(), 2);
  uint8_t written[700] = {0}, back[700];
  assert_int_equal(backend->ops->mem_write(backend, 0, 0, written, 1), DUPLEX_ERROR_OWNER);
  assert_int_equal(backend->ops->mem_read(backend, 0, 0, back, 1), DUPLEX_ERROR_OWNER);
  assert_int_equal(back[0], DUPLEX_FOREIGN_BYTE);
  own(backend, 0);
  for (int i = 0; i < 100; i++) {
    const unsigned channel = (unsigned)duplex_random_below(&random, CHANNELS);
    const uint64_t address =
        duplex_random_below(&random, (uint64_t)DUPLEX_BUNDLES * DUPLEX_BANK_ROWS * ROW_SET - sizeof written);
    const size_t size = 1 + (size_t)duplex_random_below(&random, sizeof written);
    for (size_t j = 0; j < size; j++) written[j] = (uint8_t)duplex_random_u64(&random);
    assert_int_equal(backend->ops->mem_write(backend, channel, address, written, size), DUPLEX_OK);
    assert_int_equal(backend->ops->mem_read(backend, channel, address, back, size), DUPLEX_OK);
    assert_memory_equal(written, back, size);
  }
  const uint64_t end = (uint64_t)DUPLEX_BUNDLES * DUPLEX_BANK_ROWS * ROW_SET;
  assert_int_equal(backend->ops->mem_read(backend, CHANNELS, 0, back, 1), DUPLEX_ERROR_ARGUMENT);
  assert_int_equal(backend->ops->mem_write(backend, 0, end - 1, written, 2), DUPLEX_ERROR_ARGUMENT);
  backend->ops->close(backend);
}

static uint16_t f16_of(int value) {  // |value| below 2048
  if (value == 0) return 0;
  unsigned magnitude = (unsigned)abs(value);
  unsigned exponent = 25;
  while (magnitude < 1024) magnitude <<= 1, exponent--;
  return (uint16_t)((value < 0) << 15 | exponent << 10 | (magnitude & 1023));
}

// The jobs by hand: rows 0 to 2 of the matrix in channel 0, rows 3 and 4 in channel 1, two k-tiles.
enum { ROWS = 5, CHANNEL_ROWS = 3, K_TILES = 2, K = 64 * K_TILES, W_BASE = 0, X_BASE = 10, Y_BASE = 20 };

struct job {
  int x[DUPLEX_LANES][K], w[ROWS][K];
};

static void upload(struct duplex_backend *backend, const struct job *job) {
  for (int tile = 0; tile < K_TILES; tile++) {
    uint16_t words[64][DUPLEX_LANES];
    for (int k = 0; k < 64; k++) {
      for (int lane = 0; lane < DUPLEX_LANES; lane++) words[k][lane] = f16_of(job->x[lane][64 * tile + k]);
    }
    const uint64_t address = (uint64_t)X_BASE * ROW_SET + (uint64_t)(tile / CHANNELS) * sizeof words;
    assert_int_equal(
        backend->ops->mem_write(backend, (unsigned)tile % CHANNELS, address, words, sizeof words), DUPLEX_OK);
  }
  for (int row = 0; row < ROWS; row++) {
    const int channel = row / CHANNEL_ROWS;
    const int first = channel * CHANNEL_ROWS;
    const int rows = ROWS - first < CHANNEL_ROWS ? ROWS - first : CHANNEL_ROWS;
    for (int tile = 0; tile < K_TILES; tile++) {
      uint16_t beat[64];
      for (int k = 0; k < 64; k++) beat[k] = f16_of(job->w[row][64 * tile + k]);
      const uint64_t address =
          (uint64_t)W_BASE * ROW_SET + (uint64_t)(tile * rows + row - first) * sizeof beat;
      assert_int_equal(backend->ops->mem_write(backend, (unsigned)channel, address, beat, sizeof beat),
                       DUPLEX_OK);
    }
  }
}

static void submit(struct duplex_backend *backend, unsigned slot,
                   const uint32_t words[DUPLEX_DESCRIPTOR_WORDS]) {
  for (unsigned i = 0; i < DUPLEX_DESCRIPTOR_WORDS; i++)
    put(backend, DUPLEX_REG_RING + 64 * slot + 4 * i, words[i]);
}

static void submit_job(struct duplex_backend *backend) {
  uint32_t load[DUPLEX_DESCRIPTOR_WORDS] = {0};
  uint32_t gemm[DUPLEX_DESCRIPTOR_WORDS] = {0};
  DUPLEX_DESCRIPTOR_SET(load, OPCODE, DUPLEX_OPCODE_LOAD);
  DUPLEX_DESCRIPTOR_SET(load, SRC_BASE, X_BASE);
  DUPLEX_DESCRIPTOR_SET(load, SRC_STRIPE, 1);
  DUPLEX_DESCRIPTOR_SET(load, DESTINATION, DUPLEX_DESTINATION_SHARED);
  DUPLEX_DESCRIPTOR_SET(load, TILES, K_TILES);
  DUPLEX_DESCRIPTOR_SET(gemm, OPCODE, DUPLEX_OPCODE_GEMM);
  DUPLEX_DESCRIPTOR_SET(gemm, INTERRUPT, 1);
  DUPLEX_DESCRIPTOR_SET(gemm, SRC_BASE, W_BASE);
  DUPLEX_DESCRIPTOR_SET(gemm, SRC_STRIPE, 1);
  DUPLEX_DESCRIPTOR_SET(gemm, SRC_STRIDE, 1);
  DUPLEX_DESCRIPTOR_SET(gemm, K_TILES, K_TILES);
  DUPLEX_DESCRIPTOR_SET(gemm, BLOCKS, 1);
  DUPLEX_DESCRIPTOR_SET(gemm, GROUPS, 1);
  DUPLEX_DESCRIPTOR_SET(gemm, BLOCK_ROWS, CHANNEL_ROWS);
  DUPLEX_DESCRIPTOR_SET(gemm, FORMAT, DUPLEX_RESULT_FORMAT_F32);
  DUPLEX_DESCRIPTOR_SET(gemm, ROWS, ROWS);
  DUPLEX_DESCRIPTOR_SET(gemm, CHANNEL_ROWS, CHANNEL_ROWS);
  DUPLEX_DESCRIPTOR_SET(gemm, DST_BASE, Y_BASE);
  DUPLEX_DESCRIPTOR_SET(gemm, DST_STRIPE, 1);
  DUPLEX_DESCRIPTOR_SET(gemm, DST_STRIDE, 1);
  put(backend, DUPLEX_REG_INTERRUPT_ENABLE, 3);
  put(backend, DUPLEX_REG_CONTROL, 1);
  submit(backend, 0, load);
  submit(backend, 1, gemm);
  put(backend, DUPLEX_REG_DOORBELL, 2);
}

static void wait_interrupt(struct duplex_backend *backend) {
  int interrupt = 0;
  const int error = backend->ops->advance(backend, ADVANCE_CLOCKS, &interrupt);
  if (error) fail_msg("advance: %s: %s", duplex_error_text(error), backend->ops->failure(backend));
  if (!interrupt) fail_msg("no interrupt in %d clocks", ADVANCE_CLOCKS);
}

static void compare(struct duplex_backend *backend, const struct job *job) {
  for (int row = 0; row < ROWS; row++) {
    const int channel = row / CHANNEL_ROWS;
    float y[DUPLEX_LANES];
    const uint64_t address = (uint64_t)Y_BASE * ROW_SET + (uint64_t)(row - channel * CHANNEL_ROWS) * sizeof y;
    assert_int_equal(backend->ops->mem_read(backend, (unsigned)channel, address, y, sizeof y), DUPLEX_OK);
    for (int lane = 0; lane < DUPLEX_LANES; lane++) {
      int sum = 0;
      for (int k = 0; k < K; k++) sum += job->w[row][k] * job->x[lane][k];
      if (y[lane] != (float)sum) fail_msg("row %d lane %d: %g, expected %d", row, lane, (double)y[lane], sum);
    }
  }
}

static int file_has_text(const char *path, const char *text) {
  FILE *file = fopen(path, "r");
  assert_non_null(file);
  char line[256];
  int found = 0;
  while (fgets(line, sizeof line, file)) found |= strstr(line, text) != NULL;
  fclose(file);
  return found;
}

static void gemm(void **state) {
  (void)state;
  char commands_path[] = P_tmpdir "/duplex_commands_XXXXXX";
  const int file = mkstemp(commands_path);
  assert_true(file >= 0);
  close(file);
  const struct duplex_backend_options options = {.channels = CHANNELS, .command_file = commands_path};
  struct duplex_backend *backend = open_stack(&options);
  struct duplex_random random;
  duplex_random_seed(&random, environment_seed(), 3);
  static struct job job;
  for (int k = 0; k < K; k++) {
    for (int lane = 0; lane < DUPLEX_LANES; lane++)
      job.x[lane][k] = (int)duplex_random_below(&random, 129) - 64;
    for (int row = 0; row < ROWS; row++) job.w[row][k] = (int)duplex_random_below(&random, 129) - 64;
  }
  own(backend, 0);
  upload(backend, &job);
  own(backend, 0xf);
  submit_job(backend);
  wait_interrupt(backend);
  assert_int_equal(get(backend, DUPLEX_REG_ERROR_CODE), 0);
  assert_int_equal(get(backend, DUPLEX_REG_COMPLETED), 2);
  own(backend, 0);
  compare(backend, &job);
  // The line falls when the status is cleared, and nothing raises it again.
  put(backend, DUPLEX_REG_INTERRUPT_STATUS, 1);
  const uint64_t before = backend->ops->clocks(backend);
  int interrupt = 1;
  assert_int_equal(backend->ops->advance(backend, 500, &interrupt), DUPLEX_OK);
  assert_int_equal(interrupt, 0);
  assert_int_equal(backend->ops->clocks(backend) - before, 500);
  struct duplex_dram_commands commands;
  backend->ops->commands(backend, &commands);
  // x: 4 columns in each channel; weights: 3 and 2 columns; results: a column each.
  assert_int_equal(commands.rd, 2 * 4 + 3 + 2);
  assert_int_equal(commands.wr, 2);
  assert_true(commands.act >= 6);
  backend->ops->close(backend);
  assert_true(file_has_text(commands_path, " 1 WR 0 ff 0"));
  unlink(commands_path);
}

static void refused_descriptor(void **state) {
  (void)state;
  struct duplex_backend *backend = open_channels(CHANNELS);
  uint32_t words[DUPLEX_DESCRIPTOR_WORDS] = {0};
  DUPLEX_DESCRIPTOR_SET(words, OPCODE, DUPLEX_OPCODE_ATTENTION + 1);
  DUPLEX_DESCRIPTOR_SET(words, TAG, 0x1234);
  put(backend, DUPLEX_REG_INTERRUPT_ENABLE, 2);
  put(backend, DUPLEX_REG_CONTROL, 1);
  submit(backend, 0, words);
  put(backend, DUPLEX_REG_DOORBELL, 1);
  wait_interrupt(backend);
  assert_int_equal(get(backend, DUPLEX_REG_ERROR_CODE), DUPLEX_STACK_ERROR_OPCODE);
  assert_int_equal(get(backend, DUPLEX_REG_ERROR_DESCRIPTOR), 0x1234u << 16);
  backend->ops->close(backend);
}

// Libraries of several numbers of channels live in one process; a number that nobody has built yet is built.
static void several_stacks(void **state) {
  (void)state;
  struct duplex_backend *stacks[4];
  for (int round = 0; round < 3; round++) {
    for (int i = 0; i < 4; i++) stacks[i] = open_channels(i % 2 ? 1 : CHANNELS);
    for (int i = 0; i < 4; i++) check_registers(stacks[i], i % 2 ? 1 : CHANNELS);
    for (int i = 0; i < 4; i++) stacks[i]->ops->close(stacks[i]);
  }
}

static void wave_file(void **state) {
  (void)state;
  char path[] = P_tmpdir "/duplex_wave_XXXXXX";
  const int file = mkstemp(path);
  assert_true(file >= 0);
  close(file);
  struct duplex_backend_options options = {.channels = 1, .trace_file = path};
  struct stat before, status;
  assert_int_equal(chmod(path, 0640), 0);
  assert_int_equal(stat(path, &before), 0);
  struct duplex_backend *backend = open_stack(&options);
  check_registers(backend, 1);
  assert_int_equal(backend->ops->end_files(backend), DUPLEX_OK);
  assert_int_equal(stat(path, &status), 0);  // it is whole before the stack closes
  assert_true(status.st_size > 1000);
  assert_true(status.st_ino == before.st_ino && status.st_mode == before.st_mode);
  check_registers(backend, 1);  // and works on without
  backend->ops->close(backend);
  assert_int_equal(stat(path, &before), 0);
  assert_int_equal(before.st_size, status.st_size);
  unlink(path);
  char beside[sizeof path + 5];
  snprintf(beside, sizeof beside, "%s.hier", path);
  assert_int_not_equal(access(beside, F_OK), 0);
  static const char *const wrong[][2] = {
      {"/nonexistent/wave.fst", "/nonexistent/wave.fst: cannot be written: No such file or directory"},
      {"/dev/null", "/dev/null: is no regular file"},
      {P_tmpdir, P_tmpdir ": is no regular file"}};
  for (unsigned i = 0; i < sizeof wrong / sizeof *wrong; i++) {
    options.trace_file = wrong[i][0];
    assert_int_equal(duplex_rtl_open(&options, &backend), DUPLEX_ERROR_IO);
    assert_null(backend);
    assert_string_equal(duplex_rtl_failure(), wrong[i][1]);
  }
  assert_int_equal(stat("/dev/null", &status), 0);
  assert_true(S_ISCHR(status.st_mode));
}

// Files that a full disk or a limit cuts off: end_files tells, and the stack works on.
static void lost_files(void **state) {
  (void)state;
  struct duplex_backend_options options = {.channels = CHANNELS, .command_file = "/dev/full"};
  struct duplex_backend *backend = open_stack(&options);
  check_registers(backend, CHANNELS);
  assert_int_equal(backend->ops->end_files(backend), DUPLEX_ERROR_IO);
  assert_string_equal(backend->ops->failure(backend), "/dev/full: writing failed: No space left on device");
  assert_int_equal(backend->ops->end_files(backend), DUPLEX_OK);  // told once
  backend->ops->close(backend);
  options.command_file = "/nonexistent/commands.txt";
  assert_int_equal(duplex_rtl_open(&options, &backend), DUPLEX_ERROR_IO);
  assert_string_equal(duplex_rtl_failure(),
                      "/nonexistent/commands.txt: cannot be written: No such file or directory");
  char path[] = P_tmpdir "/duplex_wave_XXXXXX", expected[sizeof path + 40];
  close(mkstemp(path));
  snprintf(expected, sizeof expected, "%s: writing failed: File too large", path);
  options = (struct duplex_backend_options){.channels = 1, .trace_file = path};
  backend = open_stack(&options);  // built by now
  check_registers(backend, 1);
  struct rlimit all, little;
  assert_int_equal(getrlimit(RLIMIT_FSIZE, &all), 0);
  little = (struct rlimit){.rlim_cur = 4096, .rlim_max = all.rlim_max};
  signal(SIGXFSZ, SIG_IGN);
  assert_int_equal(setrlimit(RLIMIT_FSIZE, &little), 0);
  const int error = backend->ops->end_files(backend);
  assert_int_equal(setrlimit(RLIMIT_FSIZE, &all), 0);
  assert_int_equal(error, DUPLEX_ERROR_IO);
  assert_string_equal(backend->ops->failure(backend), expected);
  backend->ops->close(backend);
  unlink(path);
}

static void not_available(void **state) {
  (void)state;
  struct duplex_backend *backend;
  struct duplex_backend_options options = {.channels = 0};
  assert_int_equal(duplex_rtl_open(&options, &backend), DUPLEX_ERROR_ARGUMENT);
  options.channels = DUPLEX_CHANNELS + 1;
  assert_int_equal(duplex_rtl_open(&options, &backend), DUPLEX_ERROR_ARGUMENT);
  setenv("DUPLEX_RTL_DIR", "/nonexistent", 1);
  options.channels = CHANNELS;
  assert_int_equal(duplex_rtl_open(&options, &backend), DUPLEX_ERROR_NOT_AVAILABLE);
  assert_null(backend);
  assert_non_null(strstr(duplex_rtl_failure(), "stack_2.so"));
  unsetenv("DUPLEX_RTL_DIR");
}

int main(void) {
  printf("seed %llu\n", (unsigned long long)environment_seed());
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(registers),
      cmocka_unit_test(registers_with_random_delays),
      cmocka_unit_test(memory),
      cmocka_unit_test(gemm),
      cmocka_unit_test(refused_descriptor),
      cmocka_unit_test(several_stacks),
      cmocka_unit_test(wave_file),
      cmocka_unit_test(lost_files),
      cmocka_unit_test(not_available),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
