// SPDX-License-Identifier: Apache-2.0
// Tables of measured kernels: what is read, times between and beyond, and every way in which a file can be
// wrong.
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

#include "duplex/error.h"
#include "xpu/kernel_table.h"

#define GEMM "m,n,k,latency_us\n"
#define PREFILL "num_heads,num_key_value_heads,head_dim,batch_size,isl,latency_us\n"
#define ELEMENTS "bytes,latency_us\n"
#define DECODE "num_heads,num_key_value_heads,head_dim,batch_size,length,latency_us\n"
#define ALL_REDUCE "num_gpus,bytes,latency_us\n"

static char path[] = P_tmpdir "/duplex_kernel_table_XXXXXX";

static int load_bytes(enum xpu_kernel_kind kind, const char *text, size_t size,
                      struct xpu_kernel_table *table, char cause[256]) {
  FILE *file = fopen(path, "w");
  assert_non_null(file);
  assert_int_equal(fwrite(text, 1, size, file), size);
  assert_int_equal(fclose(file), 0);
  cause[0] = 0;
  return xpu_kernel_table_load(path, kind, table, cause, 256);
}

static struct xpu_kernel_table load(enum xpu_kernel_kind kind, const char *text) {
  struct xpu_kernel_table table;
  char cause[256];
  if (load_bytes(kind, text, strlen(text), &table, cause)) fail_msg("%s", cause);
  return table;
}

static void test_numbers(void **state) {
  (void)state;
  struct xpu_kernel_table t = load(
      XPU_KERNEL_GEMM, GEMM "16,64,32,2.5\r\n8,64,32,1\r\n8,32,64,0.0000019\r\n8,16,64,999999999.999999\n");
  assert_int_equal(t.kind, XPU_KERNEL_GEMM);
  assert_int_equal(t.count, 4);
  assert_int_equal(xpu_kernel_time(&t, (uint64_t[]){64, 32}, 16), 2500000);
  assert_int_equal(xpu_kernel_time(&t, (uint64_t[]){64, 32}, 8), 1000000);
  assert_int_equal(xpu_kernel_time(&t, (uint64_t[]){32, 64}, 8), 1);
  assert_int_equal(xpu_kernel_time(&t, (uint64_t[]){16, 64}, 8), UINT64_C(999999999999999));
  xpu_kernel_table_free(&t);
  assert_null(t.kernels);
}

static void test_lengths(void **state) {
  (void)state;
  struct xpu_kernel_table t = load(XPU_KERNEL_GEMM, GEMM "4,64,32,1\n8,64,32,2\n16,64,32,1.5\n");
  const uint64_t shape[] = {64, 32};
  static const struct {
    uint64_t m, ps;
  } cases[] = {{1, 1000000},  {4, 1000000},  {5, 1250000},    {7, 1750000},  {8, 2000000},
               {9, 1937500},  {15, 1562500}, {16, 1500000},   {17, 1593750}, {32, 3000000},
               {33, 3093750}, {48, 4500000}, {1000, 93750000}};
  for (unsigned i = 0; i < sizeof cases / sizeof *cases; i++)
    assert_int_equal(xpu_kernel_time(&t, shape, cases[i].m), cases[i].ps);
  xpu_kernel_table_free(&t);
  t = load(XPU_KERNEL_PREFILL, PREFILL "32,8,128,1,100,10\n32,8,128,1,200,30\n");
  const uint64_t heads[] = {32, 8, 128, 1};
  assert_int_equal(xpu_kernel_time(&t, heads, 150), 20000000);
  assert_int_equal(xpu_kernel_time(&t, heads, 400), 120000000);  // four times the pairs
  xpu_kernel_table_free(&t);
  t = load(XPU_KERNEL_ELEMENTS, ELEMENTS "1000,3\n");
  assert_int_equal(xpu_kernel_time(&t, NULL, 999), 3000000);
  assert_int_equal(xpu_kernel_time(&t, NULL, 1501), 4503000);
  xpu_kernel_table_free(&t);
}

// 64 x 32 takes 1 us, 256 x 512 takes 20 us.
static void test_shapes(void **state) {
  (void)state;
  struct xpu_kernel_table t = load(XPU_KERNEL_GEMM, GEMM "8,64,32,1\n8,256,512,20\n");
  assert_int_equal(xpu_kernel_time(&t, (uint64_t[]){64, 33}, 8), 1031250);
  assert_int_equal(xpu_kernel_time(&t, (uint64_t[]){32, 32}, 8), 500000);
  assert_int_equal(xpu_kernel_time(&t, (uint64_t[]){256, 511}, 8), 19960938);  // rounded up
  assert_int_equal(xpu_kernel_time(&t, (uint64_t[]){512, 512}, 8), 40000000);
  // Both are three octaves away: the first counts. A row more, and it is the other.
  assert_int_equal(xpu_kernel_time(&t, (uint64_t[]){128, 128}, 8), 8000000);
  assert_int_equal(xpu_kernel_time(&t, (uint64_t[]){129, 128}, 8), 2519532);
  xpu_kernel_table_free(&t);
  // KV heads choose the nearest one and are no work.
  t = load(XPU_KERNEL_PREFILL, PREFILL "32,8,128,1,100,10\n32,32,128,1,100,14\n");
  assert_int_equal(xpu_kernel_time(&t, (uint64_t[]){32, 4, 128, 1}, 100), 10000000);
  assert_int_equal(xpu_kernel_time(&t, (uint64_t[]){64, 64, 128, 2}, 100), 56000000);
  xpu_kernel_table_free(&t);
}

// Many shapes of many lengths: what is near is found as by looking at all of them.
static void test_many(void **state) {
  enum { SHAPES = 9, LENGTHS = 5 };
  char text[8192];
  int at = snprintf(text, sizeof text, "%s", GEMM);
  (void)state;
  for (unsigned n = 0; n < SHAPES; n++)
    for (unsigned m = 0; m < LENGTHS + n; m++)
      at += snprintf(text + at, sizeof text - (size_t)at, "%u,%u,64,%u\n", 8 << m, 64 << n, 1 + n);
  struct xpu_kernel_table t = load(XPU_KERNEL_GEMM, text);
  for (unsigned n = 0; n < SHAPES; n++)
    for (unsigned m = 0; m < LENGTHS + n; m++) {
      const unsigned near = n + 1 < SHAPES ? (64u << n) + (4 << n) : 64u << n;
      assert_int_equal(xpu_kernel_time(&t, (uint64_t[]){64u << n, 64}, 8 << m), (1 + n) * 1000000);
      assert_int_equal(xpu_kernel_time(&t, (uint64_t[]){near, 64}, 8 << m) / (1 + n),
                       n + 1 < SHAPES ? 1062500 : 1000000);
    }
  xpu_kernel_table_free(&t);
}

// Decode attention is as much work as its KV heads; an all-reduce takes the times of the nearest number.
static void test_decode_and_all_reduce(void **state) {
  (void)state;
  struct xpu_kernel_table t = load(XPU_KERNEL_DECODE, DECODE "32,8,128,16,1000,40\n32,8,128,16,2000,60\n");
  assert_int_equal(xpu_kernel_time(&t, (uint64_t[]){32, 8, 128, 16}, 1500), 50000000);
  assert_int_equal(xpu_kernel_time(&t, (uint64_t[]){64, 8, 128, 16}, 4000), 120000000);
  assert_int_equal(xpu_kernel_time(&t, (uint64_t[]){32, 4, 128, 32}, 1000), 40000000);
  xpu_kernel_table_free(&t);
  t = load(XPU_KERNEL_ALL_REDUCE, ALL_REDUCE "2,1024,5\n2,2048,6\n8,1024,9\n");
  assert_int_equal(xpu_kernel_time(&t, (uint64_t[]){2}, 1536), 5500000);
  assert_int_equal(xpu_kernel_time(&t, (uint64_t[]){6}, 1024), 9000000);
  xpu_kernel_table_free(&t);
}

static void test_fit(void **state) {
  (void)state;
  struct xpu_kernel_table t = load(XPU_KERNEL_GEMM, GEMM "8,64,32,1\n64,64,32,2\n8,256,512,20\n");
  const uint64_t shape[] = {64, 32};
  const uint64_t other[] = {64, 33};
  assert_int_equal(xpu_kernel_fit(&t, shape, 7), XPU_KERNEL_BEYOND);
  assert_int_equal(xpu_kernel_fit(&t, shape, 8), XPU_KERNEL_MEASURED);
  assert_int_equal(xpu_kernel_fit(&t, shape, 33), XPU_KERNEL_MEASURED);
  assert_int_equal(xpu_kernel_fit(&t, shape, 64), XPU_KERNEL_MEASURED);
  assert_int_equal(xpu_kernel_fit(&t, shape, 65), XPU_KERNEL_BEYOND);
  assert_int_equal(xpu_kernel_fit(&t, other, 8), XPU_KERNEL_OTHER_SHAPE);
  xpu_kernel_table_free(&t);
}

static void refused(enum xpu_kernel_kind kind, const char *text, size_t size, const char *expected) {
  struct xpu_kernel_table table = {.count = 1};
  char cause[256], wanted[256];
  assert_int_equal(load_bytes(kind, text, size, &table, cause), DUPLEX_ERROR_FORMAT);
  snprintf(wanted, sizeof wanted, "%s, %s", path, expected);
  assert_string_equal(cause, wanted);
  assert_null(table.kernels);
  assert_int_equal(table.count, 0);
}

static void test_damaged(void **state) {
  (void)state;
#define COLUMNS "expected the columns 'm,n,k,latency_us'"
#define WHOLE "expected a whole number from 1 to "
#define TIME "expected microseconds above 0 and below 10^9, as 12.34, found "
  static const struct {
    const char *text, *cause;
    enum xpu_kernel_kind kind;
  } cases[] = {
      {"", "line 1, column 1: " COLUMNS, XPU_KERNEL_GEMM},
      {ELEMENTS "1,1\n", "line 1, column 1: " COLUMNS, XPU_KERNEL_GEMM},
      {"m,n,k,latency_ms\n1,1,1,1\n", "line 1, column 1: " COLUMNS, XPU_KERNEL_GEMM},
      {"m,n,k,latency_us", "line 1, column 1: expected the end of the line: the file was cut off",
       XPU_KERNEL_GEMM},
      {GEMM, "line 2, column 1: expected a kernel", XPU_KERNEL_GEMM},
      {GEMM "1,2,3,4\n1,2,4,5.", "line 3, column 1: expected the end of the line: the file was cut off",
       XPU_KERNEL_GEMM},
      {GEMM "1,2,3\n", "line 2, column 5: expected more columns", XPU_KERNEL_GEMM},
      {GEMM "1,2,3,4,5\n", "line 2, column 8: expected the end of the line, found ','", XPU_KERNEL_GEMM},
      {GEMM "0,2,3,4\n", "line 2, column 1: " WHOLE "1099511627775, found '0'", XPU_KERNEL_GEMM},
      {GEMM "1,,3,4\n", "line 2, column 3: " WHOLE "16777215, found ''", XPU_KERNEL_GEMM},
      {GEMM "1,2,16777216,4\n", "line 2, column 5: " WHOLE "16777215, found '16777216'", XPU_KERNEL_GEMM},
      {GEMM "1,2,99999999999999999999999999999,4\n",
       "line 2, column 5: " WHOLE "16777215, found '999999999999999999999999'", XPU_KERNEL_GEMM},
      {GEMM "1,2,-3,4\n", "line 2, column 5: " WHOLE "16777215, found '-3'", XPU_KERNEL_GEMM},
      {GEMM "1, 2,3,4\n", "line 2, column 3: " WHOLE "16777215, found ' 2'", XPU_KERNEL_GEMM},
      {GEMM "1.0,2,3,4\n", "line 2, column 1: " WHOLE "1099511627775, found '1.0'", XPU_KERNEL_GEMM},
      {GEMM "\n1,2,3,4\n", "line 2, column 1: " WHOLE "1099511627775, found ''", XPU_KERNEL_GEMM},
      {GEMM "1,2,3,\n", "line 2, column 7: " TIME "''", XPU_KERNEL_GEMM},
      {GEMM "1,2,3,0\n", "line 2, column 7: " TIME "'0'", XPU_KERNEL_GEMM},
      {GEMM "1,2,3,0.0000009\n", "line 2, column 7: " TIME "'0.0000009'", XPU_KERNEL_GEMM},
      {GEMM "1,2,3,1000000000\n", "line 2, column 7: " TIME "'1000000000'", XPU_KERNEL_GEMM},
      {GEMM "1,2,3,1e3\n", "line 2, column 7: " TIME "'1e3'", XPU_KERNEL_GEMM},
      {GEMM "1,2,3,nan\n", "line 2, column 7: " TIME "'nan'", XPU_KERNEL_GEMM},
      {GEMM "1,2,3,4.\n", "line 2, column 7: " TIME "'4.'", XPU_KERNEL_GEMM},
      {GEMM "1,2,3,.5\n", "line 2, column 7: " TIME "'.5'", XPU_KERNEL_GEMM},
      {GEMM "1,2,3,4 \n", "line 2, column 7: " TIME "'4 '", XPU_KERNEL_GEMM},
      {GEMM "1,2,3,4\n5,6,7,8\n1,2,3,4\n",
       "line 4, column 1: expected a kernel of its own, found that of line 2 again", XPU_KERNEL_GEMM},
      {PREFILL "1,2,3,4\n", "line 2, column 7: expected more columns", XPU_KERNEL_PREFILL},
      {ELEMENTS "1,2\n1,2\n", "line 3, column 1: expected a kernel of its own, found that of line 2 again",
       XPU_KERNEL_ELEMENTS},
  };
  for (unsigned i = 0; i < sizeof cases / sizeof *cases; i++)
    refused(cases[i].kind, cases[i].text, strlen(cases[i].text), cases[i].cause);
  static const char zero[] = GEMM "1,2,3,4\0\n";
  refused(XPU_KERNEL_GEMM, zero, sizeof zero - 1, "line 2, column 1: expected text, found a byte 0");
  char line[400];
  memset(line, '1', sizeof line);
  refused(XPU_KERNEL_GEMM, line, sizeof line, "line 1, column 1: expected at most 256 characters");
}

static void test_files(void **state) {
  (void)state;
  struct xpu_kernel_table table;
  char cause[256];
  assert_int_equal(
      xpu_kernel_table_load("/nonexistent/table.csv", XPU_KERNEL_GEMM, &table, cause, sizeof cause),
      DUPLEX_ERROR_IO);
  assert_string_equal(cause, "/nonexistent/table.csv: cannot be read: No such file or directory");
  assert_int_equal(xpu_kernel_table_load("/", XPU_KERNEL_GEMM, &table, cause, sizeof cause), DUPLEX_ERROR_IO);
  assert_string_equal(cause, "/: cannot be read: Is a directory");
  char small[8];
  assert_int_equal(xpu_kernel_table_load("/", XPU_KERNEL_GEMM, &table, small, sizeof small), DUPLEX_ERROR_IO);
  assert_string_equal(small, "/: cann");
}

static int make_path(void **state) {
  (void)state;
  const int file = mkstemp(path);
  return file < 0 || close(file);
}

static int remove_path(void **state) {
  (void)state;
  return unlink(path);
}

int main(void) {
  const struct CMUnitTest tests[] = {cmocka_unit_test(test_numbers),
                                     cmocka_unit_test(test_lengths),
                                     cmocka_unit_test(test_shapes),
                                     cmocka_unit_test(test_many),
                                     cmocka_unit_test(test_decode_and_all_reduce),
                                     cmocka_unit_test(test_fit),
                                     cmocka_unit_test(test_damaged),
                                     cmocka_unit_test(test_files)};
  return cmocka_run_group_tests(tests, make_path, remove_path);
}
