// SPDX-License-Identifier: Apache-2.0
// Measured kernels in place of formulas: stages by hand, what is from outside of a table, wrong folders.
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
#include "serving/serving.h"
#include "tests/serving/files.h"

static char folder[] = P_tmpdir "/duplex_kernels_XXXXXX";

static void write_table(const char *name, const char *text) {
  char path[256];
  snprintf(path, sizeof path, "%s/%s.csv", folder, name);
  write_text(path, text);
}

static void remove_tables(void) {
  char path[256];
  for (unsigned i = 0; kernels_names[i]; i++) {
    snprintf(path, sizeof path, "%s/%s.csv", folder, kernels_names[i]);
    remove(path);
  }
}

// One request of Llama 3 on 4 devices.
static struct serving_options options_of(void) {
  return (struct serving_options){.system = "gpu",
                                  .model = "llama3-70b",
                                  .mode = SERVING_FULL,
                                  .batch = 1,
                                  .input = 500,
                                  .output = 8,
                                  .measured = 64,
                                  .kernels = folder};
}

static void assert_near(double value, double expected) {
  if (!(value > expected * (1 - 1e-9) && value < expected * (1 + 1e-9)))
    fail_msg("%.12g, expected %.12g", value, expected);
}

// Kernels of the same time for all lengths, a launch of 1 us in each: products as their columns and rows.
static void write_flat(void) {
  write_table("gemm", "m,n,k,latency_us\n1,8192,8192,101\n1024,8192,8192,101\n");
  write_table("prefill",
              "num_heads,num_key_value_heads,head_dim,batch_size,isl,latency_us\n16,2,128,1,500,41\n");
  write_table("decode",
              "num_heads,num_key_value_heads,head_dim,batch_size,length,latency_us\n"
              "16,2,128,1,1,21\n16,2,128,1,505,21\n");
  write_table("elements", "bytes,latency_us\n1,3\n1000000000,3\n");
  write_table("all_reduce", "num_gpus,bytes,latency_us\n4,1,7\n4,1000000000,7\n");
}

static void test_by_hand(void **state) {
  const struct serving_options o = options_of();
  struct serving_result r;
  char error[1024] = "";
  (void)state;
  write_flat();
  if (serving_run(&o, &r, error, sizeof error)) fail_msg("%s", error);
  // Of the 2048 + 512, 2048, and three times 7168 rows or columns of a device.
  const double products = 101 * (2560 + 2048 + 3 * 7168) / 8192.0 - 5;
  const double beside = 2 * 7 + 2 + 2 + 6;  // all-reduces, norms, K and V, launches
  const double head = 101 * 32064 / 8192.0 - 1 + 2;
  assert_near(r.tbt.p50 * 1e6, 80 * (products + 20 + beside) + head);
  assert_near(r.t2ft.p50 * 1e6, 80 * (products + 40 + beside) + head);
  assert_int_equal(r.kernels[XPU_KERNEL_GEMM].all, 5 * 64);
  assert_int_equal(r.kernels[XPU_KERNEL_GEMM].other_shape, 5 * 64);
  assert_int_equal(r.kernels[XPU_KERNEL_PREFILL].all, 8);
  assert_int_equal(r.kernels[XPU_KERNEL_PREFILL].beyond, 0);
  assert_int_equal(r.kernels[XPU_KERNEL_DECODE].all, 7 * 8);
  assert_int_equal(r.kernels[XPU_KERNEL_DECODE].other_shape, 0);
  assert_int_equal(r.kernels[XPU_KERNEL_DECODE].beyond, 2 * 8);  // 506 and 507 positions
  assert_int_equal(r.kernels[XPU_KERNEL_ALL_REDUCE].other_shape + r.kernels[XPU_KERNEL_ALL_REDUCE].beyond, 0);
  remove_tables();
}

// Any of the tables alone changes the times, and none but its own kernels are asked for.
static void test_each(void **state) {
  struct serving_options o = options_of();
  struct serving_result without, r;
  char error[1024] = "";
  (void)state;
  o.kernels = NULL;
  assert_int_equal(serving_run(&o, &without, error, sizeof error), 0);
  o.kernels = folder;
  for (unsigned kind = 0; kind < KERNEL_TABLES; kind++) {
    write_flat();
    for (unsigned other = 0; other < KERNEL_TABLES; other++) {
      char path[256];
      snprintf(path, sizeof path, "%s/%s.csv", folder, kernels_names[other]);
      if (other != kind) remove(path);
    }
    assert_int_equal(serving_run(&o, &r, error, sizeof error), 0);
    assert_true(r.seconds != without.seconds);
    for (unsigned other = 0; other < KERNEL_TABLES; other++)
      assert_int_equal(r.kernels[other].all > 0, other == kind);
    remove_tables();
  }
}

// Tables of time of Logic-PIM are wanted for another xPU only where it runs experts: here none can be kept,
// so a run that wants one ends before it is measured.
static void test_experts(void **state) {
  struct serving_options o = {.system = "hetero",
                              .model = "mixtral",
                              .mode = SERVING_FULL,
                              .batch = 4,
                              .input = 500,
                              .output = 8,
                              .measured = 8,
                              .tables = "/dev/null"};
  struct serving_result without, r;
  char error[1024] = "";
  (void)state;
  write_table("gemm", "m,n,k,latency_us\n8,4096,4096,100\n");
  for (unsigned i = 0; i < 2; i++) {
    o.kernels = NULL;
    if (serving_run(&o, &without, error, sizeof error)) fail_msg("%s", error);
    o.kernels = folder;
    if (serving_run(&o, &r, error, sizeof error)) fail_msg("%s", error);
    assert_true(r.sum.part[SERVING_FC] > 2 * without.sum.part[SERVING_FC]);
    assert_true(r.sum.part[SERVING_MOE] > 0 && r.sum.part[SERVING_MOE] == without.sum.part[SERVING_MOE]);
    o.system = "duplex-pe";
    o.policy = SERVING_POLICY_PIM;
  }
  o.policy = SERVING_POLICY_XPU;
  assert_int_equal(serving_run(&o, &r, error, sizeof error), DUPLEX_ERROR_IO);
  check_message(error, "/dev/null", ": ", "expected a folder that can be written");
  remove_tables();
}

static void test_wrong(void **state) {
  const struct serving_options o = options_of();
  struct serving_result r;
  char error[1024] = "";
  (void)state;
  assert_int_equal(serving_run(&o, &r, error, sizeof error), DUPLEX_ERROR_IO);
  assert_non_null(strstr(error, "expected gemm.csv"));
  write_table("decode", "length,latency_us\n1,1\n");
  assert_int_equal(serving_run(&o, &r, error, sizeof error), DUPLEX_ERROR_FORMAT);
  assert_non_null(strstr(error, "decode.csv, line 1"));
  remove_tables();
}

int main(void) {
  const struct CMUnitTest tests[] = {cmocka_unit_test(test_by_hand), cmocka_unit_test(test_each),
                                     cmocka_unit_test(test_experts), cmocka_unit_test(test_wrong)};
  if (!mkdtemp(folder)) return 1;
  const int failed = cmocka_run_group_tests(tests, NULL, NULL);
  rmdir(folder);
  return failed;
}
