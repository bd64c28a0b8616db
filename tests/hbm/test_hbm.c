// SPDX-License-Identifier: Apache-2.0
// DRAM of a stack: cells against a plain array, pins against the protocol of docs/architecture.md, counts,
// errors, command text.
#include <errno.h>
#include <pthread.h>
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

#include "duplex/enumerations.h"
#include "duplex/error.h"
#include "duplex/hbm.h"
#include "duplex/random.h"
#include "tests/common/environment.h"

#define READ_LATENCY 11  // ceil((19 + 2) / 2)
#define WRITE_LATENCY 3  // 6 / 2
#define REGION 40000     // bytes of the plain array

static struct duplex_hbm *open_stack(unsigned channels, const char *command_file) {
  struct duplex_hbm *hbm;
  assert_int_equal(duplex_hbm_open(channels, NULL, command_file, &hbm), DUPLEX_OK);
  return hbm;
}

// Random reads and writes of one channel, around a place where bundles meet, against a plain array.
static int mirror(struct duplex_hbm *hbm, unsigned channel) {
  const uint64_t base = UINT64_C(2) * (1 << DUPLEX_BUNDLE_LSB) - REGION / 2;
  uint8_t *plain = calloc(1, REGION);
  uint8_t *bytes = malloc(REGION);
  struct duplex_random random;
  int wrong = 0;
  duplex_random_seed(&random, environment_seed(), channel);
  for (int i = 0; i < 2000; i++) {
    const size_t from = duplex_random_below(&random, REGION);
    const size_t left = REGION - from;
    const size_t size = duplex_random_below(&random, i % 10 ? 300 : 20000) % (left + 1);
    if (duplex_random_below(&random, 2)) {
      for (size_t k = 0; k < size; k++) plain[from + k] = (uint8_t)duplex_random_u64(&random);
      wrong |= duplex_hbm_mem_write(hbm, channel, base + from, plain + from, size);
    } else {
      memset(bytes, 0xa5, size);
      wrong |= duplex_hbm_mem_read(hbm, channel, base + from, bytes, size);
      wrong |= memcmp(bytes, plain + from, size);
    }
  }
  free(plain);
  free(bytes);
  return wrong;
}

struct worker {
  struct duplex_hbm *hbm;
  unsigned channel;
  int wrong;
};

static void *run_worker(void *argument) {
  struct worker *worker = argument;
  worker->wrong = mirror(worker->hbm, worker->channel);
  return NULL;
}

static void test_cells(void **state) {
  (void)state;
  struct duplex_hbm *hbm = open_stack(5, NULL);
  pthread_t threads[5];
  struct worker workers[5];
  print_message("seed %llu\n", (unsigned long long)environment_seed());
  for (unsigned i = 0; i < 5; i++) {
    workers[i] = (struct worker){hbm, i, 0};
    assert_int_equal(pthread_create(&threads[i], NULL, run_worker, &workers[i]), 0);
  }
  for (unsigned i = 0; i < 5; i++) {
    pthread_join(threads[i], NULL);
    assert_int_equal(workers[i].wrong, 0);
  }
  duplex_hbm_close(hbm);
}

static void test_range(void **state) {
  (void)state;
  struct duplex_hbm *hbm = open_stack(2, NULL), *none;
  uint8_t bytes[512] = {1, 2, 3};
  assert_int_equal(duplex_hbm_mem_write(hbm, 1, DUPLEX_CHANNEL_BYTES - 3, bytes, 3), DUPLEX_OK);
  assert_int_equal(duplex_hbm_mem_write(hbm, 1, DUPLEX_CHANNEL_BYTES - 3, bytes, 4), DUPLEX_ERROR_ARGUMENT);
  assert_int_equal(duplex_hbm_mem_read(hbm, 1, DUPLEX_CHANNEL_BYTES, bytes, 1), DUPLEX_ERROR_ARGUMENT);
  assert_int_equal(duplex_hbm_mem_read(hbm, 1, DUPLEX_CHANNEL_BYTES, bytes, 0), DUPLEX_OK);
  assert_int_equal(duplex_hbm_mem_read(hbm, 1, UINT64_MAX - 1, bytes, 4), DUPLEX_ERROR_ARGUMENT);
  assert_int_equal(duplex_hbm_mem_read(hbm, 2, 0, bytes, 1), DUPLEX_ERROR_ARGUMENT);
  // Nothing is kept for what was never written, and it reads as zero.
  assert_null(duplex_hbm_row_set(hbm, 0, 3, 16383));
  assert_non_null(duplex_hbm_row_set(hbm, 1, 3, 16383));
  assert_null(duplex_hbm_row_set(hbm, 1, 3, 16382));
  memset(bytes, 0xff, sizeof bytes);
  assert_int_equal(duplex_hbm_mem_read(hbm, 0, 12345, bytes, sizeof bytes), DUPLEX_OK);
  for (size_t i = 0; i < sizeof bytes; i++) assert_int_equal(bytes[i], 0);
  duplex_hbm_close(hbm);
  duplex_hbm_close(NULL);

  assert_int_equal(duplex_hbm_open(0, NULL, NULL, &none), DUPLEX_ERROR_ARGUMENT);
  assert_null(none);
  assert_int_equal(duplex_hbm_open(33, NULL, NULL, &none), DUPLEX_ERROR_ARGUMENT);
  assert_null(duplex_dram_preset("no_such_preset"));
  assert_int_equal(duplex_hbm_open(1, NULL, "/no/such/folder/file", &none), DUPLEX_ERROR_IO);
  assert_null(none);
}

// --- pins: a script of commands at given clocks ---

struct device {
  struct duplex_hbm *hbm;
  uint64_t clock;
  uint8_t write_data[128];
};

static int idle(struct device *device, uint64_t to) {
  const struct duplex_hbm_pins none = {0};
  int error = DUPLEX_OK;
  while (!error && device->clock < to)
    error = duplex_hbm_clock(device->hbm, 0, device->clock++, &none, device->write_data);
  return error;
}

static int row(struct device *device, uint64_t clock, unsigned command, unsigned bundle, unsigned mask,
               unsigned address) {
  const struct duplex_hbm_pins pins = {.row_valid = true,
                                       .row_command = (uint8_t)command,
                                       .row_bundle = (uint8_t)bundle,
                                       .row_mask = (uint8_t)mask,
                                       .row_address = (uint16_t)address};
  assert_int_equal(idle(device, clock), DUPLEX_OK);
  return duplex_hbm_clock(device->hbm, 0, device->clock++, &pins, device->write_data);
}

static int column(struct device *device, uint64_t clock, bool write, unsigned bundle, unsigned mask,
                  unsigned address) {
  const struct duplex_hbm_pins pins = {.column_valid = true,
                                       .column_write = write,
                                       .column_bundle = (uint8_t)bundle,
                                       .column_mask = (uint8_t)mask,
                                       .column_address = (uint8_t)address};
  assert_int_equal(idle(device, clock), DUPLEX_OK);
  return duplex_hbm_clock(device->hbm, 0, device->clock++, &pins, device->write_data);
}

static void expect_beat(struct device *device, uint64_t clock, const uint8_t *bytes) {
  uint8_t data[128], before[128];
  memset(before, 0x77, sizeof before);
  memcpy(data, before, sizeof data);
  assert_int_equal(idle(device, clock), DUPLEX_OK);
  duplex_hbm_read_data(device->hbm, 0, clock, data);
  assert_memory_equal(data, bytes ? bytes : before, 128);
}

static void test_read(void **state) {
  (void)state;
  struct device device = {.hbm = open_stack(1, NULL)};
  uint8_t cells[256];
  for (int i = 0; i < 256; i++) cells[i] = (uint8_t)(i * 7 + 1);
  assert_int_equal(
      duplex_hbm_mem_write(device.hbm, 0,
                           (3ull << DUPLEX_BUNDLE_LSB) + (900ull << DUPLEX_ROW_LSB) + (17 << 8), cells, 256),
      DUPLEX_OK);
  assert_int_equal(row(&device, 0, DUPLEX_ROW_COMMAND_ACT, 3, 0xff, 900), DUPLEX_OK);
  assert_int_equal(column(&device, 10, false, 3, 0xff, 17), DUPLEX_OK);
  assert_int_equal(column(&device, 12, false, 3, 0x42, 17), DUPLEX_OK);
  expect_beat(&device, 10 + READ_LATENCY - 1, NULL);
  expect_beat(&device, 10 + READ_LATENCY, cells);
  expect_beat(&device, 10 + READ_LATENCY + 1, cells + 128);
  uint8_t masked[256] = {0};  // banks 1 and 6
  memcpy(masked + 32, cells + 32, 32);
  memcpy(masked + 192, cells + 192, 32);
  expect_beat(&device, 12 + READ_LATENCY, masked);
  expect_beat(&device, 12 + READ_LATENCY + 1, masked + 128);
  expect_beat(&device, 12 + READ_LATENCY + 2, NULL);
  // A row set that was never written gives zeros.
  const uint8_t zeros[128] = {0};
  assert_int_equal(row(&device, 40, DUPLEX_ROW_COMMAND_ACT, 0, 0xff, 1), DUPLEX_OK);
  assert_int_equal(column(&device, 50, false, 0, 0xff, 0), DUPLEX_OK);
  expect_beat(&device, 50 + READ_LATENCY, zeros);
  duplex_hbm_close(device.hbm);
}

static void test_write(void **state) {
  (void)state;
  struct device device = {.hbm = open_stack(1, NULL)};
  uint8_t before[256], expected[256], after[256];
  memset(before, 0xee, sizeof before);
  memcpy(expected, before, sizeof before);
  const uint64_t address = (1ull << DUPLEX_BUNDLE_LSB) + (5ull << DUPLEX_ROW_LSB) + (31 << 8);
  duplex_hbm_mem_write(device.hbm, 0, address, before, 256);
  assert_int_equal(row(&device, 0, DUPLEX_ROW_COMMAND_ACT, 1, 0xff, 5), DUPLEX_OK);
  assert_int_equal(column(&device, 10, true, 1, 0x9d, 31), DUPLEX_OK);
  for (unsigned beat = 0; beat < 2; beat++) {
    // The data are on the pins in one clock only; before and after it there is something else.
    memset(device.write_data, 0x55, 128);
    assert_int_equal(idle(&device, 10 + WRITE_LATENCY + beat), DUPLEX_OK);
    for (unsigned i = 0; i < 128; i++) device.write_data[i] = (uint8_t)(i + 100 * beat);
    for (unsigned i = 0; i < 128; i++)
      if (0x9d >> (4 * beat + i / 32) & 1) expected[128 * beat + i] = device.write_data[i];
    assert_int_equal(idle(&device, 10 + WRITE_LATENCY + beat + 1), DUPLEX_OK);
  }
  memset(device.write_data, 0x55, 128);
  assert_int_equal(idle(&device, 30), DUPLEX_OK);
  duplex_hbm_mem_read(device.hbm, 0, address, after, 256);
  assert_memory_equal(after, expected, 256);
  duplex_hbm_close(device.hbm);
}

// Halves of a bundle with a row each: every bank has its own row.
static void test_halves(void **state) {
  (void)state;
  struct device device = {.hbm = open_stack(1, NULL)};
  uint8_t cells[2][256], expected[256] = {0};
  for (int i = 0; i < 2; i++) {
    memset(cells[i], i + 1, 256);
    duplex_hbm_mem_write(device.hbm, 0, (uint64_t)(i + 8) << DUPLEX_ROW_LSB, cells[i], 256);
  }
  assert_int_equal(row(&device, 0, DUPLEX_ROW_COMMAND_ACT, 0, 0x0f, 8), DUPLEX_OK);
  assert_int_equal(row(&device, 2, DUPLEX_ROW_COMMAND_ACT, 0, 0xf0, 9), DUPLEX_OK);
  assert_int_equal(column(&device, 20, false, 0, 0x0f, 0), DUPLEX_OK);
  assert_int_equal(column(&device, 22, false, 0, 0xf0, 0), DUPLEX_OK);
  memset(expected, 1, 128);
  expect_beat(&device, 20 + READ_LATENCY, expected);
  memset(expected, 2, 128);
  expect_beat(&device, 22 + READ_LATENCY + 1, expected);
  assert_int_equal(row(&device, 40, DUPLEX_ROW_COMMAND_PRE, 0, 0x0f, 0), DUPLEX_OK);
  assert_int_equal(column(&device, 50, false, 0, 0xf0, 0), DUPLEX_OK);  // the other half stays open
  assert_int_equal(column(&device, 60, false, 0, 0xff, 0), DUPLEX_ERROR_DRAM_TIMING);
  duplex_hbm_close(device.hbm);
}

static void test_failures(void **state) {
  (void)state;
  struct device device = {.hbm = open_stack(1, NULL)};
  assert_string_equal(duplex_hbm_failure(device.hbm), "");
  assert_int_equal(column(&device, 5, false, 2, 0xff, 0), DUPLEX_ERROR_DRAM_TIMING);
  assert_non_null(
      strstr(duplex_hbm_failure(device.hbm), "DRAM channel 0: tCK 10 RD bundle 2: the bank is closed"));
  assert_int_equal(row(&device, 10, DUPLEX_ROW_COMMAND_REF + 1, 2, 0xff, 0), DUPLEX_ERROR_DRAM_TIMING);
  assert_int_equal(row(&device, 20, DUPLEX_ROW_COMMAND_ACT, 2, 0xff, 0), DUPLEX_OK);
  assert_int_equal(column(&device, 29, true, 2, 0xff, 0), DUPLEX_ERROR_DRAM_TIMING);
  assert_non_null(strstr(duplex_hbm_failure(device.hbm), "nRCDWR is 19, missed by 1 tCK"));
  assert_int_equal(column(&device, 30, true, 2, 0xff, 0), DUPLEX_OK);
  assert_int_equal(idle(&device, 22814), DUPLEX_OK);
  assert_int_equal(duplex_hbm_finish(device.hbm, 22814), DUPLEX_OK);
  assert_int_equal(duplex_hbm_finish(device.hbm, 22815), DUPLEX_ERROR_DRAM_TIMING);  // 9 * 5070 / 2
  duplex_hbm_close(device.hbm);
}

static void test_counts_and_text(void **state) {
  (void)state;
  char name[] = P_tmpdir "/duplex_commands_XXXXXX", text[500];
  const int descriptor = mkstemp(name);
  assert_true(descriptor >= 0);
  close(descriptor);
  struct device device = {.hbm = open_stack(1, name)};
  struct duplex_dram_commands commands;
  row(&device, 0, DUPLEX_ROW_COMMAND_ACT, 1, 0xff, 16383);
  column(&device, 10, true, 1, 0xff, 3);
  column(&device, 20, false, 1, 0x0f, 4);
  column(&device, 22, false, 1, 0xff, 5);
  row(&device, 30, DUPLEX_ROW_COMMAND_PRE, 1, 0xff, 0);
  row(&device, 40, DUPLEX_ROW_COMMAND_REF, 1, 0xff, 0);
  row(&device, 41, DUPLEX_ROW_COMMAND_REF, 2, 0x80, 0);
  duplex_hbm_commands(device.hbm, &commands);
  assert_true(commands.act == 1 && commands.wr == 1 && commands.rd == 2 && commands.pre == 1 &&
              commands.ref == 2);
  assert_int_equal(duplex_hbm_end_text(device.hbm), DUPLEX_OK);
  assert_int_equal(duplex_hbm_end_text(device.hbm), DUPLEX_OK);  // once is enough
  duplex_hbm_close(device.hbm);
  FILE *file = fopen(name, "r");
  text[fread(text, 1, sizeof text - 1, file)] = 0;
  fclose(file);
  unlink(name);
  assert_string_equal(text,
                      "# DRAM commands of a stack\n0 0 ACT 1 ff 16383\n20 0 WR 1 ff 3\n40 0 RD 1 f 4\n44 0 "
                      "RD 1 ff 5\n60 0 PRE 1 ff\n80 "
                      "0 REF 1 ff\n82 0 REF 2 80\n# end, 7 commands\n");
}

// A text that cannot be written, and one that cannot be opened.
static void test_text_lost(void **state) {
  (void)state;
  struct device device = {.hbm = open_stack(1, "/dev/full")};
  row(&device, 0, 0, 1, 0xff, 16383);
  assert_int_equal(duplex_hbm_end_text(device.hbm), DUPLEX_ERROR_IO);
  assert_string_equal(duplex_hbm_failure(device.hbm), "/dev/full: writing failed: No space left on device");
  duplex_hbm_close(device.hbm);
  struct duplex_hbm *hbm;
  assert_int_equal(duplex_hbm_open(1, NULL, "/nonexistent/commands.txt", &hbm), DUPLEX_ERROR_IO);
  assert_int_equal(errno, ENOENT);
  assert_null(hbm);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(test_text_lost), cmocka_unit_test(test_cells),          cmocka_unit_test(test_range),
      cmocka_unit_test(test_read),      cmocka_unit_test(test_write),          cmocka_unit_test(test_halves),
      cmocka_unit_test(test_failures),  cmocka_unit_test(test_counts_and_text)};
  return cmocka_run_group_tests(tests, NULL, NULL);
}
