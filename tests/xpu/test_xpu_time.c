// SPDX-License-Identifier: Apache-2.0
// Time of the modelled xPU: numbers worked out by hand, scaling, groups of tokens, tables, works of
// duplex/xpu.h.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
// CMocka needs the four above first.
#include <cmocka.h>

#include "duplex/error.h"
#include "xpu/time.h"

enum { WHOLE = 160, H = 4096, F = 14336 };

// Bytes at 3.352 TB/s of which 986 thousandths, FLOP at 989.4 TFLOP/s of which 950 or 600: rounded up.
static void test_roofline(void **state) {
  (void)state;
  const struct xpu_time_model m = xpu_time_h100(WHOLE);
  // 117,735,424 bytes; 481,036,337,152 FLOP; 8 bytes.
  assert_int_equal(xpu_time_gemm(&m, 8, H, F, 2), 35622651);
  assert_int_equal(xpu_time_gemm(&m, 4096, H, F, 4), 511778896);
  assert_int_equal(xpu_time_gemm(&m, 1, 1, 1, 4), 3);
  assert_int_equal(xpu_time_gemm(&m, 0, H, F, 4), 0);
  // 4 * 128 FLOP of 32 heads and 2048 * 2049 / 2 pairs.
  assert_int_equal(xpu_time_prefill(&m, 32, 8, 128, 0, 2048), 57908018);
  // 512 queries behind 1536 positions: 917,760 pairs. One query: 8,404,992 bytes.
  assert_int_equal(xpu_time_prefill(&m, 32, 8, 128, 1536, 512), 25329459);
  assert_int_equal(xpu_time_prefill(&m, 32, 8, 128, 2047, 1), 2543059);
  assert_int_equal(xpu_time_elements(&m, 1000000), 302566);
  assert_int_equal(xpu_time_elements(&m, 1), 1);
  assert_int_equal(xpu_time_elements(&m, 0), 0);
  assert_int_equal(xpu_time_elements(&m, UINT64_MAX), UINT64_C(5581344089844200555));
  // Gate and up as one product of 28,672 rows of which 14,336 results go out, then down to sums of 16 bytes.
  assert_int_equal(xpu_time_expert(&m, 8, H, F, true, 16), 106917524);
  assert_int_equal(xpu_time_expert(&m, 8, H, F, false, 16),
                   xpu_time_gemm(&m, 8, H, F, 2) + xpu_time_gemm(&m, 8, F, H, 16));
  // Without its bytes: 4096 tokens are bound by arithmetic anyway.
  assert_int_equal(xpu_time_expert_arithmetic(&m, 4096, H, F, false), 2 * 511778896);
  assert_int_equal(xpu_time_expert_arithmetic(&m, 0, H, F, true), 0);
}

// A fifth of the channels takes five times as long.
static void test_scaling(void **state) {
  (void)state;
  const struct xpu_time_model stack = xpu_time_h100(32);
  assert_int_equal(xpu_time_gemm(&stack, 8, H, F, 2), 178113252);
  assert_int_equal(stack.launch, 1000000);
}

// Memory decides up to 304 tokens, then the matrix units, which take eight at a time.
static void test_groups(void **state) {
  (void)state;
  const struct xpu_time_model m = xpu_time_h100(WHOLE);
  assert_int_equal(xpu_time_gemm(&m, 297, H, F, 2), 38846089);
  assert_int_equal(xpu_time_gemm(&m, 304, H, F, 2), 38924166);
  assert_int_equal(xpu_time_gemm(&m, 305, H, F, 2), 38983159);
  assert_int_equal(xpu_time_gemm(&m, 313, H, F, 2), xpu_time_gemm(&m, 320, H, F, 2));
  assert_true(xpu_time_gemm(&m, 320, H, F, 2) < xpu_time_gemm(&m, 321, H, F, 2));
}

static void test_clocks(void **state) {
  (void)state;
  assert_int_equal(xpu_time_clocks(0, 650000), 0);
  assert_int_equal(xpu_time_clocks(1, 650000), 1);
  assert_int_equal(xpu_time_clocks(20000, 650000), 13);
  assert_int_equal(xpu_time_clocks(20001, 650000), 14);
  assert_int_equal(xpu_time_clocks(UINT64_C(1000000000000), 650000), 650000000);
  assert_int_equal(xpu_time_clocks(UINT64_MAX, 650000), UINT64_C(11990383647911209));
  assert_int_equal(xpu_time_clocks(1250, 800000), 1);
  assert_int_equal(xpu_time_clocks(1251, 800000), 2);
}

// Faster stacks: another bandwidth, the same arithmetic.
static void test_clock(void **state) {
  (void)state;
  struct xpu_time_model m = xpu_time_h100(WHOLE);
  xpu_time_set_clock(&m, 800000);
  assert_int_equal(m.bytes, UINT64_C(4125538461539));
  assert_int_equal(xpu_time_gemm(&m, 4096, H, F, 4), 511778896);
  assert_int_equal(xpu_time_elements(&m, 1000000), 245835);
}

// Measured times hold the launch, which is taken off, and are those of 160 channels.
static void test_tables(void **state) {
  (void)state;
  struct xpu_kernel gemm[] = {{.shape = {F, H, 1, 1}, .length = 8, .picoseconds = 41000000},
                              {.shape = {F, H, 1, 1}, .length = 16, .picoseconds = 43000000}};
  struct xpu_kernel prefill[] = {{.shape = {32, 8, 128, 1}, .length = 1000, .picoseconds = 51000000}};
  struct xpu_kernel elements[] = {{.shape = {1, 1, 1, 1}, .length = 1000, .picoseconds = 400000}};
  struct xpu_kernel_table tables[] = {{.kind = XPU_KERNEL_GEMM, .kernels = gemm, .count = 2},
                                      {.kind = XPU_KERNEL_PREFILL, .kernels = prefill, .count = 1},
                                      {.kind = XPU_KERNEL_ELEMENTS, .kernels = elements, .count = 1}};
  for (unsigned i = 0; i < 3; i++) assert_int_equal(xpu_kernel_table_index(&tables[i]), DUPLEX_OK);
  struct xpu_time_model m = xpu_time_h100(WHOLE / 2);
  m.gemm_table = &tables[0], m.prefill_table = &tables[1], m.elements_table = &tables[2];
  assert_int_equal(xpu_time_gemm(&m, 8, H, F, 2), 80000000);
  assert_int_equal(xpu_time_gemm(&m, 12, H, F, 2), 82000000);
  // Half of the rows take half of the 42 us, of which one is the launch.
  assert_int_equal(xpu_time_gemm(&m, 12, H, F / 2, 2), 40000000);
  assert_int_equal(xpu_time_prefill(&m, 32, 8, 128, 0, 1000), 100000000);
  // 100 * 900 + 5050 of 500,500 pairs.
  assert_int_equal(xpu_time_prefill(&m, 32, 8, 128, 900, 100), 18991009);
  assert_int_equal(xpu_time_elements(&m, 1000), 0);  // less than a launch
  assert_int_equal(xpu_time_elements(&m, 10000), 6000000);
  for (unsigned i = 0; i < 3; i++) free(tables[i].shapes);
}

static int time_of(const struct duplex_xpu_work *work, uint64_t *ps) {
  const struct xpu_time_model m = xpu_time_h100(WHOLE);
  *ps = 0;
  return xpu_time_work(&m, work, ps);
}

static void test_works(void **state) {
  (void)state;
  const struct xpu_time_model m = xpu_time_h100(WHOLE);
  uint64_t ps;
  struct duplex_xpu_work work = {.kind = DUPLEX_XPU_GEMM};
  work.gemm =
      (struct duplex_xpu_gemm){.tokens = 8, .columns = H, .rows = F, .format = DUPLEX_RESULT_FORMAT_F32};
  assert_int_equal(time_of(&work, &ps), DUPLEX_OK);
  assert_int_equal(ps, xpu_time_gemm(&m, 8, H, F, 4));
  work.gemm.rows = (1u << 24) + 1;
  assert_int_equal(time_of(&work, &ps), DUPLEX_ERROR_ARGUMENT);
  work = (struct duplex_xpu_work){.kind = DUPLEX_XPU_EXPERT};
  work.expert = (struct duplex_xpu_expert){
      .tokens = 3, .columns = H, .inner = 1000, .gated = true, .format = DUPLEX_RESULT_FORMAT_ACC};
  assert_int_equal(time_of(&work, &ps), DUPLEX_OK);
  assert_int_equal(ps, xpu_time_expert(&m, 3, H, 1000, true, 16));
  work.expert.format = (enum duplex_result_format)3;
  assert_int_equal(time_of(&work, &ps), DUPLEX_ERROR_ARGUMENT);
  work = (struct duplex_xpu_work){.kind = DUPLEX_XPU_PREFILL};
  work.prefill =
      (struct duplex_xpu_prefill){.heads = 32, .kv_heads = 8, .dimension = 128, .first = 5, .tokens = 60};
  assert_int_equal(time_of(&work, &ps), DUPLEX_OK);
  assert_int_equal(ps, xpu_time_prefill(&m, 32, 8, 128, 5, 60));
  work.prefill.kv_heads = 5;
  assert_int_equal(time_of(&work, &ps), DUPLEX_ERROR_ARGUMENT);
  work.prefill.kv_heads = 0;
  assert_int_equal(time_of(&work, &ps), DUPLEX_ERROR_ARGUMENT);
  work = (struct duplex_xpu_work){.kind = DUPLEX_XPU_ELEMENTS, .elements = {.bytes = 77}};
  assert_int_equal(time_of(&work, &ps), DUPLEX_OK);
  assert_int_equal(ps, xpu_time_elements(&m, 77));
  work.kind = (enum duplex_xpu_kind)9;
  assert_int_equal(time_of(&work, &ps), DUPLEX_ERROR_ARGUMENT);
}

// The largest shapes that are allowed do not wrap.
static void test_largest(void **state) {
  (void)state;
  const struct xpu_time_model m = xpu_time_h100(1);
  assert_int_equal(xpu_time_elements(&m, UINT64_MAX), UINT64_MAX);
  assert_int_equal(xpu_time_gemm(&m, 1 << 24, 65536, 1 << 24, 16), UINT64_C(6280210338628468628));
  assert_int_equal(xpu_time_prefill(&m, 1024, 1024, 1024, 0, 1 << 22), UINT64_C(9943668740249882203));
}

int main(void) {
  const struct CMUnitTest tests[] = {cmocka_unit_test(test_roofline), cmocka_unit_test(test_scaling),
                                     cmocka_unit_test(test_groups),   cmocka_unit_test(test_clocks),
                                     cmocka_unit_test(test_clock),    cmocka_unit_test(test_tables),
                                     cmocka_unit_test(test_works),    cmocka_unit_test(test_largest)};
  return cmocka_run_group_tests(tests, NULL, NULL);
}
