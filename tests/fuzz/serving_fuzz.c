// SPDX-License-Identifier: Apache-2.0
// Fuzzing of what reads files of the serving simulator: models, systems, constants, traces of all formats
// (docs/serving.md).
//
// The first byte chooses the target. What is accepted must keep the contracts: models and systems lie in
// their ranges and come out even, times of a trace do not fall. What is refused has one line that names the
// file.
#include <math.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "serving/machine.h"
#include "serving/trace_file.h"
#include "tests/fuzz/require.h"

#define FORMATS 8u

static char path[40];  // the file of the case, in memory

static void write_case(const uint8_t *data, size_t size) {
  static int file = -1;
  if (file < 0) {
    file = memfd_create("case", MFD_CLOEXEC);
    snprintf(path, sizeof path, "/proc/self/fd/%d", file);
  }
  REQUIRE(file >= 0 && ftruncate(file, 0) == 0);
  REQUIRE(pwrite(file, data, size, 0) == (ssize_t)size);
}

static void check_error(int status, const char *error) {
  REQUIRE(status < 0);
  REQUIRE(strncmp(error, path, strlen(path)) == 0 || strncmp(error, "mixtral", 7) == 0);
  REQUIRE(!strchr(error, '\n'));
}

static void fuzz_model(void) {
  struct serving_model m;
  char error[1024] = "";
  const int status = serving_model_read(&m, path, error, sizeof error);
  if (status) {
    check_error(status, error);
    return;
  }
  REQUIRE(m.layers && m.hidden && m.heads && m.kv_heads && m.heads % m.kv_heads == 0 && m.head_size);
  REQUIRE(m.top_k <= m.experts || !m.experts);
  REQUIRE(model_moe_layers(&m) <= m.layers);
  REQUIRE(model_kv_bytes(&m) > 0 && model_other_weights(&m) > 0 && model_weight_bytes(&m) >= 0.5);
}

static void check_machine(const struct serving_options *options, const struct serving_model *model) {
  struct machine m;
  char error[1024] = "";
  const int status = machine_read(&m, options, model, error, sizeof error);
  if (status) {
    check_error(status, error);
    return;
  }
  REQUIRE(m.nodes && m.per_node && m.nodes * m.per_node <= 1024 && m.xpus && m.pims);
  REQUIRE(m.xpu.flops > 0 && m.xpu.bytes > 0 && m.memory > 0);
  REQUIRE(isfinite(machine_kv_capacity(&m, model)) && isfinite(machine_all_reduce(&m, m.per_node, 1e6)));
  REQUIRE((m.beside == BESIDE_NONE) == (m.pim.flops == 0));
}

static void fuzz_machine(bool constants, enum serving_mode mode) {
  const struct serving_options options = {.model = "mixtral",
                                          .system = constants ? "duplex-pe-et" : path,
                                          .constants = constants ? path : NULL,
                                          .mode = mode};
  struct serving_model model;
  char error[1024];
  REQUIRE(serving_model_read(&model, "mixtral", error, sizeof error) == 0);
  check_machine(&options, &model);
}

static void fuzz_trace(unsigned format, double rate) {
  struct serving_trace trace;
  char error[600] = "";
  const int status = serving_trace_read(&trace, path, format, rate, error, sizeof error);
  REQUIRE(status == 0 || !trace.list);
  if (status) check_error(status, error);
  for (size_t i = 0; i < trace.count; i++) {
    const struct serving_trace_request *r = &trace.list[i];
    REQUIRE(r->input && r->output && isfinite(r->arrival));
    REQUIRE(r->arrival >= (i ? trace.list[i - 1].arrival : 0));
  }
  serving_trace_free(&trace);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
  if (!size) return 0;
  const unsigned target = data[0] % (7 + 2 * FORMATS);
  write_case(data + 1, size - 1);
  if (target == 0)
    fuzz_model();
  else if (target < 7)
    fuzz_machine(target % 2, (enum serving_mode)((target - 1) / 2));
  else
    fuzz_trace((target - 7) / 2, target % 2 ? 0 : 3.5);
  return 0;
}
