// SPDX-License-Identifier: Apache-2.0
// Numbers of bytes for a reader: units, digits, and texts of two numbers that differ.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

// clang-format off: after what it needs
#include <cmocka.h>
// clang-format on

#include "serving/byte_text.h"

static void test_units(void **state) {
  (void)state;
  assert_string_equal(byte_text(85.9e9, 1).text, "85.9 GB");
  assert_string_equal(byte_text(-7.5e9, 1).text, "-7.5 GB");
  assert_string_equal(byte_text(1e9, 1).text, "1.0 GB");
  assert_string_equal(byte_text(4.96e7, 1).text, "49.6 MB");
  assert_string_equal(byte_text(-131072, 1).text, "-131.1 kB");
  assert_string_equal(byte_text(999, 1).text, "999 bytes");
  assert_string_equal(byte_text(0, 3).text, "0 bytes");
}

static void test_digits(void **state) {
  (void)state;
  assert_int_equal(byte_text_digits(-7.5e9, 2e6), 1);
  assert_int_equal(byte_text_digits(80.01e9, 80.02e9), 2);
  assert_int_equal(byte_text_digits(80.00001e9, 80.00002e9), 5);
  assert_int_equal(byte_text_digits(8e9, 8e9), 9);
}

int main(void) {
  const struct CMUnitTest tests[] = {cmocka_unit_test(test_units), cmocka_unit_test(test_digits)};
  return cmocka_run_group_tests(tests, NULL, NULL);
}
