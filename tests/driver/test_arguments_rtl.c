// SPDX-License-Identifier: Apache-2.0
// Wrong options of the Verilated stack are refused by name before anything is built or loaded.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
// CMocka needs the four above first.
#include <cmocka.h>
#include <string.h>

#include "duplex/duplex.h"
#include "duplex/error.h"

static void test_open(void **state) {
  const struct {
    struct duplex_stack_options options;
    const char *text;
  } cases[] = {
      {{.backend.channels = 0}, "0 channels: expected 1 to "},
      {{.backend = {.channels = 1, .rank_switch = 3}}, "rank switch of 3 tCK"},
      {{.backend = {.channels = 1, .dram_preset = "ddr1"}}, "DRAM preset 'ddr1'"},
      {{.backend.channels = 1, .bundles = 0x1f}, "bundles 0x1f"},
  };
  (void)state;
  for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
    struct duplex_stack *stack;
    char text[256] = "";
    assert_int_equal(duplex_stack_open("rtl", &cases[i].options, &stack, text, sizeof text),
                     DUPLEX_ERROR_ARGUMENT);
    assert_null(stack);
    if (!strstr(text, cases[i].text)) fail_msg("'%s': expected '%s'", text, cases[i].text);
  }
}

static void test_back_end(void **state) {
  const struct duplex_backend_options options = {.channels = 1};
  const struct duplex_backend_options none = {.channels = 0};
  struct duplex_backend *backend;
  (void)state;
  assert_int_equal(duplex_rtl_open(NULL, &backend), DUPLEX_ERROR_ARGUMENT);
  assert_null(backend);
  assert_int_equal(duplex_rtl_open(&options, NULL), DUPLEX_ERROR_ARGUMENT);
  assert_int_equal(duplex_rtl_open(&none, &backend), DUPLEX_ERROR_ARGUMENT);
  assert_non_null(strstr(duplex_rtl_failure(), "0 channels: expected 1 to "));
  assert_int_equal(duplex_rtl_built(UINT32_MAX), 0);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(test_open),
      cmocka_unit_test(test_back_end),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
