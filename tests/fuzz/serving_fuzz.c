// SPDX-License-Identifier: Apache-2.0
// Fuzzing of what reads files of the serving simulator: models, systems, constants, traces of all formats,
// recorded routing, tables of a measured engine and of measured kernels, plans of sweeps (docs/serving.md).
//
// The first byte chooses the target. What is accepted must keep the contracts: models and systems lie in
// their ranges and come out even, times of a trace do not fall, times of a table are numbers. What is refused
// has one line that names the file.
#include <math.h>
#include <stdarg.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "cli/command.h"
#include "cli/sweep_plan.h"
#include "serving/imbalance_file.h"
#include "serving/kernels.h"
#include "serving/machine.h"
#include "serving/profile.h"
#include "serving/trace_file.h"
#include "tests/fuzz/require.h"

#define FORMATS 8u
#define TABLES 4u  // of a measured engine
#define EXPERTS 8u
#define MACHINES 1u
#define TRACES (MACHINES + 6)
#define ROUTING (TRACES + 2 * FORMATS)
#define PROFILES (ROUTING + 1)
#define SWEEP (PROFILES + TABLES)
#define KERNELS (SWEEP + 1)
#define TARGETS (KERNELS + KERNEL_TABLES)

static char path[40];  // the file of the case, in memory

// A file in memory.
static int open_case(char name[40]) {
  const int file = memfd_create("case", MFD_CLOEXEC);
  REQUIRE(file >= 0);
  snprintf(name, 40, "/proc/self/fd/%d", file);
  return file;
}

static void write_case(const uint8_t *data, size_t size) {
  static int file = -1;
  if (file < 0) file = open_case(path);
  REQUIRE(ftruncate(file, 0) == 0);
  REQUIRE(pwrite(file, data, size, 0) == (ssize_t)size);
}

// What the parser of sweeps needs of the command: its options, and where its line goes.
static char said[1200];
static const struct option serve_options[] = {{"--system", "NAME|FILE.json", "", true, 0},
                                              {"--batch", "N", "", 0, 0},
                                              {"--measure", NULL, "", 0, 0},
                                              {0}};
const struct command serve_command = {.options = serve_options};

int fail(int status, const char *format, ...) {
  va_list words;
  va_start(words, format);
  vsnprintf(said, sizeof said, format, words);
  va_end(words);
  return status;
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

static void fuzz_routing(void) {
  struct recorded r;
  char error[600] = "";
  const int status = recorded_read(&r, path, EXPERTS, error, sizeof error);
  if (status) check_error(status, error);
  REQUIRE(status || r.layers);
  for (unsigned l = 0; l < r.layers && !status; l++) {
    double sum = 0;
    for (unsigned e = 0; e < EXPERTS; e++) sum += r.tokens[l * EXPERTS + e];
    REQUIRE(sum >= 1 && isfinite(sum) && r.lines[l] > 1);
  }
  recorded_free(&r);
}

static const char *const table_names[TABLES] = {"dense.csv", "per_sequence.csv", "attention.csv", "moe.csv"};
static const char *const table_texts[TABLES] = {
    "layer,tokens,time_us\nqkv,1,2\nembedding,1,2\nlayernorm,1,2\nfinal_layernorm,1,2\n",
    "layer,sequences,time_us\nlm_head,1,2\n",
    "prefill_chunk,kv_prefill,n_decode,kv_decode,time_us\n1,0,0,0,2\n0,0,1,1,2\n",
    "tokens,activated_experts,time_us\n1,1,2\n"};
static char folders[TABLES][24];

static void remove_folders(void) {
  char name[128];
  for (unsigned f = 0; f < TABLES; f++) {
    for (unsigned t = 0; t < TABLES; t++) {
      snprintf(name, sizeof name, "%s/%s", folders[f], table_names[t]);
      unlink(name);
    }
    rmdir(folders[f]);
  }
}

// A folder for each table, in which this one is the case and the others are right.
static void make_folders(void) {
  char good[TABLES][40], name[128];
  for (unsigned t = 0; t < TABLES; t++) {
    const ssize_t size = (ssize_t)strlen(table_texts[t]);
    REQUIRE(pwrite(open_case(good[t]), table_texts[t], (size_t)size, 0) == size);
  }
  for (unsigned f = 0; f < TABLES; f++) {
    strcpy(folders[f], P_tmpdir "/duplex_fuzz_XXXXXX");
    REQUIRE(mkdtemp(folders[f]));
    for (unsigned t = 0; t < TABLES; t++) {
      snprintf(name, sizeof name, "%s/%s", folders[f], table_names[t]);
      REQUIRE(symlink(t == f ? path : good[t], name) == 0);
    }
  }
  atexit(remove_folders);
}

static void fuzz_profile(unsigned table) {
  struct profile *p;
  char error[600] = "", name[128];
  if (!folders[0][0]) make_folders();
  snprintf(name, sizeof name, "%s/%s:", folders[table], table_names[table]);
  const int status = profile_open(&p, folders[table], true, error, sizeof error);
  REQUIRE((status == 0) == (p != NULL));
  REQUIRE(!status || (strncmp(error, name, strlen(name)) == 0 && !strchr(error, '\n')));
  if (status) return;
  const unsigned counts[EXPERTS] = {5, 0, 1, 900, 0, 0, 3, 3};
  const double times[] = {profile_dense(p, 3, 7, 2), profile_prefill(p, 20, 24), profile_decode(p, 3, 500),
                          profile_experts(p, counts, EXPERTS, 2, 2)};
  for (unsigned i = 0; i < sizeof times / sizeof *times; i++) REQUIRE(isfinite(times[i]) && times[i] >= 0);
  profile_close(p);
}

static void fuzz_sweep(void) {
  struct sweep_plan plan;
  said[0] = 0;
  const int status = sweep_plan_read(&plan, path);
  if (status) check_error(-status, said);
  REQUIRE(status == 0 || status == EXIT_BAD_INPUT);
  REQUIRE(status || (plan.points >= 1 && plan.points <= 100000));
  for (size_t i = 0; !status && i < 2; i++) {
    char **arguments = sweep_plan_arguments(&plan, i * (plan.points - 1));
    REQUIRE(arguments);
    for (char **a = arguments; *a; a++) REQUIRE(a[0][0] || a > arguments + 2);
    sweep_arguments_free(arguments);
  }
  sweep_plan_free(&plan);
}

static void fuzz_kernels(unsigned kind) {
  struct xpu_kernel_table table;
  char error[600] = "";
  const int status = xpu_kernel_table_load(path, (enum xpu_kernel_kind)kind, &table, error, sizeof error);
  if (status) check_error(status, error);
  REQUIRE((status == 0) == (table.count > 0));
  for (size_t i = 0; i < table.count; i++) REQUIRE(table.kernels[i].picoseconds && table.kernels[i].length);
  xpu_kernel_table_free(&table);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
  if (!size) return 0;
  const unsigned target = data[0] % TARGETS;
  write_case(data + 1, size - 1);
  if (target < MACHINES)
    fuzz_model();
  else if (target < TRACES)
    fuzz_machine(target % 2, (enum serving_mode)((target - MACHINES) / 2));
  else if (target < ROUTING)
    fuzz_trace((target - TRACES) / 2, target % 2 ? 0 : 3.5);
  else if (target < PROFILES)
    fuzz_routing();
  else if (target < SWEEP)
    fuzz_profile(target - PROFILES);
  else if (target < KERNELS)
    fuzz_sweep();
  else
    fuzz_kernels(target - KERNELS);
  return 0;
}
