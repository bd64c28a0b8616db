// SPDX-License-Identifier: Apache-2.0
// Firmware that crashes or hangs, and damaged firmware files: the place is told, and the stack goes on.
#include <stdlib.h>
#include <unistd.h>

#include "duplex/error.h"
#include "tests/controller/controller_case.h"

#define BUILD_ELF "firmware.elf"

static char folder[4096];  // the build folder

static const char *elf_path(const char *name) {
  static char path[4200];
  snprintf(path, sizeof path, "%s/%s", folder, name);
  return path;
}

static void test_watchdog_of_the_firmware(void **state) {
  struct duplex_stack *stack = open_with(setup_of(state), (struct duplex_riscv_options){0}, 400);
  struct duplex_weights *weights = upload(stack), *big;
  duplex_f16 small[64] = {0};
  duplex_f16 one = 0x3c00;
  static duplex_f16 large[64 * 65536];
  assert_int_equal(duplex_stack_upload(stack, large, 64, 65536, NULL, &big), 0);
  static duplex_f16 wide[65536];
  assert_int_equal(duplex_stack_gemm(stack, big, wide, 1, DUPLEX_F16, small), DUPLEX_ERROR_WATCHDOG);
  struct duplex_weights *tiny;
  assert_int_equal(duplex_stack_upload(stack, &one, 1, 1, NULL, &tiny), 0);
  assert_int_equal(duplex_stack_gemm(stack, tiny, &one, 1, DUPLEX_F16, small), 0);
  assert_int_equal(small[0], one);
  duplex_stack_release(stack, weights);
  duplex_stack_release(stack, big);
  duplex_stack_release(stack, tiny);
  duplex_stack_close(stack);
}

static void test_crashes(void **state) {
  (void)state;
  static const struct {
    uint32_t fault;
    const char *text[3];
  } faults[] = {
      {1, {"illegal instruction", "pc 0x8000", "kernel_faulty.c:"}},
      {2, {"load from bad memory 0x10 at pc 0x8000", "serve_faulty", "kernel_faulty.c:"}},
      {3, {"store to bad memory 0x90000000", "serve_faulty", "kernel_faulty.c:"}},
      {4, {"store to bad memory 0x80000000", "serve_faulty", "kernel_faulty.c:"}},
      {5, {"stack overflow: store to bad memory 0x80020", "overflow_stack", "kernel_faulty.c:"}},
      {6, {"watchdog", "serve_faulty", "kernel_faulty.c:"}},
      {7, {"ecall", "serve_faulty", "kernel_faulty.c:"}},
      {8, {"fetch from bad memory", "0x12340000", ""}},
      {9, {"store to bad memory 0x40000100", "", "hal.h:"}},
      {15, {"breakpoint (cause 3) at pc 0x8000", "serve_faulty", "kernel_faulty.c:"}},
      {16, {"breakpoint (cause 3) at pc 0x8000", "serve_faulty", "kernel_faulty.c:"}},
  };
  const struct duplex_riscv_options riscv = {.elf = elf_path("tests/controller/faulty.elf"),
                                             .quiet_instructions = 100000};
  struct duplex_stack *stack = open_with((struct setup){"cmodel", true}, riscv, 0);
  struct duplex_weights *weights = upload(stack);
  struct completion completion;
  for (size_t i = 0; i < sizeof faults / sizeof *faults; i++) {
    assert_int_equal(send(stack, MESSAGE_USER, &faults[i].fault, 4, &completion), DUPLEX_ERROR_FIRMWARE);
    for (unsigned t = 0; t < 3; t++)
      if (!strstr(duplex_stack_last_error(stack), faults[i].text[t]))
        fail_msg("fault %u: no '%s' in '%s'", faults[i].fault, faults[i].text[t],
                 duplex_stack_last_error(stack));
    assert_right(stack, weights);
  }
  const uint32_t none = 0;
  const uint32_t interrupt = 10;
  assert_int_equal(send(stack, MESSAGE_USER, &none, 4, &completion), 0);
  if (send(stack, MESSAGE_USER, &interrupt, 4, &completion)) fail_msg("%s", duplex_stack_last_error(stack));
  assert_right(stack, weights);
  duplex_stack_release(stack, weights);
  duplex_stack_close(stack);
}

static void assert_refused(const uint8_t *bytes, size_t size, bool may_run) {
  char path[] = P_tmpdir "/duplex-elf-XXXXXX";
  char text[512] = "";
  const int file = mkstemp(path);
  assert_true(file >= 0 && write(file, bytes, size) == (ssize_t)size);
  close(file);
  const struct duplex_riscv_options riscv = {.elf = path, .quiet_instructions = 100000};
  const struct duplex_stack_options options = {.backend = {.channels = 1}, .riscv = &riscv};
  struct duplex_stack *stack;
  const int error = duplex_stack_open("cmodel", &options, &stack, text, sizeof text);
  unlink(path);
  if (may_run && !error) {
    duplex_stack_close(stack);
    return;
  }
  assert_int_equal(error, DUPLEX_ERROR_ARGUMENT);
  assert_null(stack);
  assert_non_null(strstr(text, path));
}

static void test_damaged_files(void **state) {
  static uint8_t bytes[1 << 20], damaged[sizeof bytes];
  struct duplex_random random;
  (void)state;
  FILE *file = fopen(elf_path(BUILD_ELF), "rb");
  assert_non_null(file);
  const size_t size = fread(bytes, 1, sizeof bytes, file);
  fclose(file);
  assert_refused(bytes, 0, false);
  for (size_t part = 1; part < 4200; part += 97) assert_refused(bytes, part, false);
  duplex_random_seed(&random, 1, 0);
  for (unsigned i = 0; i < 200; i++) {
    memcpy(damaged, bytes, size);
    // In the headers, then in the code.
    for (unsigned n = 0; n < 3; n++)
      damaged[duplex_random_below(&random, i % 2 ? 120 : 4096 + 5000)] =
          (uint8_t)duplex_random_below(&random, 256);
    assert_refused(damaged, size, true);
  }
  const struct duplex_riscv_options riscv = {.elf = "/nowhere/firmware.elf"};
  const struct duplex_stack_options options = {.backend = {.channels = 1}, .riscv = &riscv};
  struct duplex_stack *stack;
  char text[512];
  assert_int_equal(duplex_stack_open("cmodel", &options, &stack, text, sizeof text), DUPLEX_ERROR_ARGUMENT);
  assert_non_null(strstr(text, "/nowhere/firmware.elf"));
}

int main(int argc, char **argv) {
  (void)argc;
  const char *slash = strrchr(argv[0], '/');
  snprintf(folder, sizeof folder, "%.*s/../..", slash ? (int)(slash - argv[0]) : 1, slash ? argv[0] : ".");
  const struct CMUnitTest tests[] = {
      WITH(test_watchdog_of_the_firmware, native),
      WITH(test_watchdog_of_the_firmware, riscv),
      cmocka_unit_test(test_crashes),
      cmocka_unit_test(test_damaged_files),
  };
  return cmocka_run_group_tests(tests, prepare, NULL);
}
