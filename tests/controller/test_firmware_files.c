// SPDX-License-Identifier: Apache-2.0
// Trace and profile of the RV32 firmware as a library writes them: whole, or an error that names the file.
#include <stdlib.h>
#include <unistd.h>

#include "duplex/error.h"
#include "tests/controller/controller_case.h"

static struct duplex_stack *open_files(const char *trace, const char *profile) {
  return open_with(riscv, (struct duplex_riscv_options){.trace_file = trace, .profile_file = profile}, 0);
}

static size_t read_text(const char *path, char *text, size_t size) {
  FILE *file = fopen(path, "r");
  assert_non_null(file);
  const size_t length = fread(text, 1, size - 1, file);
  text[length] = 0;
  fclose(file);
  return length;
}

static void test_whole(void **state) {
  (void)state;
  static char text[1 << 22];
  char trace[] = P_tmpdir "/duplex-trace-XXXXXX";
  char profile[] = P_tmpdir "/duplex-profile-XXXXXX";
  close(mkstemp(trace)), close(mkstemp(profile));
  struct duplex_stack *stack = open_files(trace, profile);
  struct duplex_weights *weights = upload(stack);
  assert_right(stack, weights);
  assert_int_equal(duplex_stack_end_files(stack), DUPLEX_OK);
  const size_t length = read_text(trace, text, sizeof text);
  assert_non_null(strstr(text, " write DOORBELL "));
  assert_int_equal(text[length - 1], '\n');
  assert_true(read_text(profile, text, sizeof text) > 0);
  assert_non_null(strstr(text, "  serve_gemm\n"));
  assert_right(stack, weights);  // it works on without
  assert_int_equal(duplex_stack_end_files(stack), DUPLEX_OK);
  duplex_stack_release(stack, weights);
  duplex_stack_close(stack);
  assert_int_equal(read_text(trace, text, sizeof text), length);
  unlink(trace), unlink(profile);
}

static void test_lost(void **state) {
  (void)state;
  for (unsigned which = 1; which < 4; which++) {
    struct duplex_stack *stack = open_files(which & 1 ? "/dev/full" : NULL, which & 2 ? "/dev/full" : NULL);
    struct duplex_weights *weights = upload(stack);
    assert_right(stack, weights);
    assert_int_equal(duplex_stack_end_files(stack), DUPLEX_ERROR_IO);
    assert_string_equal(duplex_stack_last_error(stack), "/dev/full: writing failed: No space left on device");
    assert_right(stack, weights);
    duplex_stack_release(stack, weights);
    duplex_stack_close(stack);
  }
}

// A stack that writes no files has none to end.
static void test_none(void **state) {
  (void)state;
  const struct setup setups[] = {native, riscv};
  for (unsigned i = 0; i < 2; i++) {
    struct duplex_stack *stack = open_stack(setups[i]);
    assert_int_equal(duplex_stack_end_files(stack), DUPLEX_OK);
    duplex_stack_close(stack);
  }
}

int main(void) {
  const struct CMUnitTest tests[] = {cmocka_unit_test(test_whole), cmocka_unit_test(test_lost),
                                     cmocka_unit_test(test_none)};
  return cmocka_run_group_tests(tests, prepare, NULL);
}
