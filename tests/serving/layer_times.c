// SPDX-License-Identifier: Apache-2.0
// The time of a layer in mode full against what a device of the C model shows for the same tokens: within 2%,
// with firmware that takes no time, and on the RV32 controller.
#include <dirent.h>
#include <math.h>
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

#include "device/device.h"
#include "driver/stack.h"
#include "duplex/device_tables.h"
#include "duplex/random.h"
#include "schedule/tables_file.h"
#include "serving/charged.h"
#include "serving/placement.h"
#include "serving/time_table.h"
#include "tests/common/environment.h"

#define CLOCK 650e6
#define SIZES_MOST 10
#define SHORT 20000u    // clocks of a layer that is run again
#define PLACES 10       // times, at as many places between two refreshes
#define ONE_RUN 10000u  // clocks of a layer whose time one run tells

// Tokens of a layer, and the experts of each.
struct size {
  unsigned tokens, top_k;
};

struct layer {
  const char *name;
  unsigned experts, hidden, inner;
  bool gated, rounded;            // rounded: partial sums are
  struct size sizes[SIZES_MOST];  // up to one without tokens
  bool paper;                     // under that policy
};

// Mixtral's slice of a device, with prompts too; small experts as Qwen3's, GLaM's and DeepSeek's, with whole
// groups and with rests. Some of these are best done by the xPU alone. An expert that is hot, of which two
// copies are divided by its tokens. Many experts that are so small that a controller hardly keeps up. Short
// layers, of which Logic-PIM has one copy over all bundles alone. Layers with rounded sums, of which exact
// ones would take Logic-PIM long. And policy `paper`, whose sums lie in several bundles.
static const struct layer layers[] = {
    {"Mixtral", 8, 4096, 3584, true, false,
     .sizes = {{1, 2}, {2, 2}, {4, 2}, {8, 2}, {16, 2}, {32, 2}, {40, 2}, {64, 2}, {40, 8}, {129, 8}}},
    {"Qwen3", 16, 2048, 768, true, false,
     .sizes =
         {{1, 16}, {40, 16}, {64, 16}, {100, 16}, {17, 16}, {32, 4}, {24, 16}, {33, 16}, {6, 16}, {12, 4}}},
    {"GLaM", 8, 4096, 2048, false, false,
     .sizes = {{1, 8}, {16, 8}, {64, 8}, {17, 8}, {24, 8}, {33, 8}, {6, 8}, {32, 2}}},
    {"DeepSeek", 4, 7168, 2048, true, false,
     .sizes = {{1, 4}, {17, 4}, {24, 4}, {33, 4}, {6, 4}, {12, 2}, {100, 4}}},
    {"hot", 1, 1024, 25600, true, false, .sizes = {{200, 1}, {330, 1}, {500, 1}}},
    {"many", 32, 1024, 512, true, false, .sizes = {{1, 4}, {4, 4}, {2, 8}, {16, 4}, {32, 8}}},
    {"short", 4, 1024, 1408, true, false, .sizes = {{1, 4}, {2, 4}, {3, 4}, {4, 4}}},
    {"rounded", 8, 4096, 1024, true, true,
     .sizes = {{1, 8}, {16, 8}, {64, 8}, {17, 8}, {24, 8}, {6, 8}, {32, 2}}},
    {"paper", 8, 4096, 3584, true, false, .sizes = {{4, 2}, {32, 2}, {64, 2}, {40, 8}}, .paper = true},
    {"paper", 16, 2048, 768, true, false, .sizes = {{1, 16}, {6, 16}, {17, 16}, {32, 4}, {64, 16}},
     .paper = true}};
static const struct layer small = {
    "small", 8, 2048, 512, true, false, .sizes = {{1, 8}, {8, 2}, {16, 8}, {64, 8}}};

struct bench {
  const struct layer *layer;
  bool controller;
  struct duplex_device *device;
  struct duplex_moe *moe;
  struct serving_model model;
  struct machine machine;
  struct measured *measured;
  const char *folder;
  bool striped;  // the device has one copy over all bundles
  unsigned missed, alone, by_tokens;
};

static duplex_f16 *zeros(size_t count) {
  duplex_f16 *values = calloc(count, sizeof *values);
  assert_non_null(values);
  return values;
}

static size_t most_pairs(const struct layer *l) {
  size_t most = 0;
  for (unsigned i = 0; i < SIZES_MOST; i++) {
    const size_t pairs = (size_t)l->sizes[i].tokens * l->sizes[i].top_k;
    most = pairs > most ? pairs : most;
  }
  return most;
}

static unsigned most_tokens(const struct layer *l) {
  unsigned most = 0;
  for (unsigned i = 0; i < SIZES_MOST; i++) most = l->sizes[i].tokens > most ? l->sizes[i].tokens : most;
  return most;
}

// The router's rows are unit vectors, so that x says which experts a token goes to.
static void open_device(struct bench *b, unsigned copies) {
  const struct layer *l = b->layer;
  const size_t matrix = (size_t)l->experts * l->inner * l->hidden;
  duplex_f16 *router = zeros((size_t)l->experts * l->hidden);
  duplex_f16 *weights = zeros(matrix);
  const struct duplex_riscv_options riscv = {0};
  const struct duplex_device_options options = {
      .stacks = 5,
      .stack = {.backend = {.channels = 32}, .riscv = b->controller ? &riscv : NULL},
      .partials = l->rounded ? DUPLEX_PARTIALS_F32 : DUPLEX_PARTIALS_ACC,
      .policy = l->paper ? DUPLEX_POLICY_PAPER : DUPLEX_POLICY_BEST,
      .copies = copies,
      .expected_pairs = most_pairs(l),  // so that they lie as for the simulator
      .threads = 2};
  const struct duplex_moe_shape shape = {l->experts, l->hidden, l->inner};
  for (unsigned e = 0; e < l->experts; e++) router[(size_t)e * l->hidden + e] = 0x3c00;
  char text[256] = "";
  if (duplex_device_open("cmodel", &options, &b->device, text, sizeof text)) fail_msg("%s", text);
  const struct duplex_moe_weights all = {
      .router = router, .gate = l->gated ? weights : NULL, .up = weights, .down = weights};
  if (duplex_device_load_moe(b->device, &shape, &all, duplex_activation_builtin("silu"), &b->moe))
    fail_msg("%s", duplex_device_last_error(b->device));
  free(router);
  free(weights);
}

static void load(const char *path, struct schedule_times *times) {
  uint32_t origin;
  char text[512] = "";
  if (schedule_load(path, times, &origin, text, sizeof text)) fail_msg("%s", text);
}

// With the origin that the simulator asks for.
static void keep(const struct bench *b, const char *path, const struct schedule_times *times) {
  static const struct serving_options options = {.mode = SERVING_FULL};
  uint32_t origin;
  char text[512] = "";
  int error = time_table_origin(&options, b->controller, &origin, text, sizeof text);
  if (!error) error = schedule_save(path, times, origin, text, sizeof text);
  if (error) fail_msg("%s", text);
}

static void table_name(const struct bench *b, unsigned copies, char *path, size_t size) {
  const struct layer *l = b->layer;
  snprintf(path, size, "%s/%u_%u_%u_%u%s%s%s.times", b->folder, l->hidden, l->inner, l->experts, l->gated,
           copies > 1 ? "_twice" : "", l->rounded ? "_f32" : "", b->controller ? "_riscv" : "");
}

// The device's table, which the simulator takes where there is no built-in one. It measures what it lacks. A
// device whose experts lie over all bundles has none for it.
static void take_table(struct bench *b, unsigned copies, struct schedule_times *times) {
  const struct layer *l = b->layer;
  const struct duplex_moe_form form = {.shape = {l->experts, l->hidden, l->inner}, .gated = l->gated};
  char path[160];
  table_name(b, copies, path, sizeof path);
  if (duplex_device_save_table(b->device, &form, path)) fail_msg("%s", duplex_device_last_error(b->device));
  load(path, times);
  unlink(path);
  b->striped = times->placement.layout == SCHEDULE_STRIPED;
  if (!b->striped) keep(b, path, times);
}

// The simulator makes the table of experts over all bundles from the one of one copy: it is the device's.
static void check_stripes(const struct bench *b, const struct schedule_times *device) {
  static struct schedule_times times;
  char path[160];
  table_name(b, 1, path, sizeof path);
  load(path, &times);
  schedule_stripe(&times);
  assert_memory_equal(&times.placement, &device->placement, sizeof times.placement);
  assert_memory_equal(times.rows, device->rows, sizeof times.rows);
  assert_memory_equal(&times.slope, &device->slope, sizeof times.slope);
  assert_memory_equal(times.costs, device->costs, sizeof times.costs);
}

// As many tokens of each expert, for which a device places them.
static const unsigned *spread(void *context, struct duplex_random *random, unsigned layer, unsigned tokens) {
  static unsigned counts[SCHEDULE_EXPERTS];
  const struct layer *l = context;
  const size_t pairs = most_pairs(l);
  (void)random, (void)layer, (void)tokens;
  for (unsigned e = 0; e < l->experts; e++)
    counts[e] = (unsigned)(pairs / l->experts + (e < pairs % l->experts));
  return counts;
}

static void open_model(struct bench *b, unsigned copies) {
  const struct layer *l = b->layer;
  struct serving_options options = {.system = "duplex-pe-et",
                                    .mode = SERVING_FULL,
                                    .copies = copies,
                                    .policy = l->paper ? SERVING_POLICY_PAPER : SERVING_POLICY_DEFAULT,
                                    .batch = most_tokens(l),
                                    .input = 1,
                                    .output = 1 << 20,  // hardly any prompts
                                    .tables = b->folder,
                                    .f32_partials = l->rounded,
                                    .native = !b->controller};
  char text[512] = "", path[160];
  snprintf(path, sizeof path, "%s/model.json", b->folder);
  FILE *file = fopen(path, "w");
  assert_non_null(file);
  fprintf(file,
          "{\"layers\": 1, \"hidden\": %u, \"inner\": %u, \"heads\": 8, \"kv_heads\": 8, \"head_size\": 128,"
          "\"vocabulary\": 100, \"experts\": %u, \"top_k\": %u, \"matrices\": %u, \"devices\": 1}",
          l->hidden, l->inner, l->experts, l->experts > 1 ? 2u : 1u, 2u + l->gated);
  fclose(file);
  options.model = path;
  int error = serving_model_read(&b->model, path, text, sizeof text);
  if (!error) error = machine_read(&b->machine, &options, &b->model, text, sizeof text);
  b->machine.copies = copies;
  if (!error)
    error = placement_open(&b->measured, &b->machine, &b->model, &options, spread, (void *)(uintptr_t)l, text,
                           sizeof text);
  if (error) fail_msg("%s", text);
}

// The experts of each token, any as likely.
static void draw(const struct layer *l, const struct size *size, struct duplex_random *random, duplex_f16 *x,
                 unsigned *counts) {
  memset(x, 0, (size_t)size->tokens * l->hidden * sizeof *x);
  memset(counts, 0, l->experts * sizeof *counts);
  for (unsigned t = 0; t < size->tokens; t++)
    for (unsigned chosen = 0; chosen < size->top_k;) {
      const unsigned expert = (unsigned)duplex_random_below(random, l->experts);
      duplex_f16 *at = &x[(size_t)t * l->hidden + expert];
      if (*at) continue;
      *at = 0x4400;
      counts[expert]++;
      chosen++;
    }
}

// Weights that both sides read and multiply are those of the device, as far as all its slices are as wide.
static void check_energy(const struct bench *b, const struct experts_cost *cost,
                         const struct duplex_moe_stats *stats) {
  const double bytes = (double)(stats->logic_pim_bytes + stats->xpu_bytes);
  const double macs = (double)(stats->logic_pim_macs + stats->xpu_macs);
  assert_true(fabs(cost->work.bytes - bytes) < 1e-9 * bytes);
  assert_true(fabs(cost->work.macs - macs) < 1e-9 * macs);
  const double pim_bytes = cost->pim_dram_j / b->machine.pim.dram_j;
  assert_true(fabs(pim_bytes - (double)stats->logic_pim_bytes) < 0.01 * bytes);
  const double xpu_mac_j = b->machine.xpu.mac_j;
  const double pim_mac_j = b->machine.pim.mac_j;
  const double of_pim = (double)stats->logic_pim_macs;
  const double mac_j = of_pim * pim_mac_j + (macs - of_pim) * xpu_mac_j;
  assert_true(fabs(cost->comp_j - mac_j) < 0.01 * mac_j);
}

static double told(struct bench *b, const unsigned *counts, unsigned tokens,
                   const struct duplex_moe_stats *stats) {
  double charge[SERVING_CHARGES] = {0};
  const struct node_load load = {.decoding = tokens};
  const struct experts_cost cost = measured_run(b->measured, counts, charge);
  check_energy(b, &cost, stats);
  double sum = cost.seconds;
  for (unsigned i = 0; i < SERVING_CHARGES; i++) sum += charge[i];
  double node[SERVING_CHARGES] = {0};
  struct work work = {0};
  charged_node(&b->machine, &b->model, &load, node, &work);
  return (sum + node[SERVING_COMBINE] +
          charged_product(&b->machine, &b->model, tokens, b->layer->hidden, b->layer->experts) +
          b->machine.launch) *
         CLOCK;
}

// A layer with drawn tokens on a device.
static void run_size(const struct bench *b, const struct size *size, struct duplex_random *random,
                     unsigned *counts, struct duplex_moe_stats *stats) {
  const struct layer *l = b->layer;
  const struct duplex_moe_routing routing = {.top_k = size->top_k};
  duplex_f16 *x = zeros((size_t)size->tokens * l->hidden);
  duplex_f16 *y = zeros((size_t)size->tokens * l->hidden);
  draw(l, size, random, x, counts);
  assert_int_equal(duplex_device_moe(b->device, b->moe, &routing, x, size->tokens, y), 0);
  duplex_device_last_stats(b->device, stats);
  free(x);
  free(y);
}

// How far what is told is from what is shown. True: by no more than 2%.
static bool compare(double told, double shown, const char *what) {
  const double ratio = told / shown;
  printf(": told %.0f, shown %.0f, %+.2f%%%s\n", told, shown, 100 * (ratio - 1), what);
  fflush(stdout);
  return ratio <= 1.02 && ratio >= 0.98;
}

static void print_size(const struct bench *b, const struct size *size) {
  printf("%-8s %s, %u of each expert, %3u tokens of %2u", b->layer->name, b->controller ? "riscv" : "native",
         b->machine.copies, size->tokens, size->top_k);
}

// A layer of one size on a device and in a stage. Of a short one, which a refresh makes 2 to 3% longer, one
// run does not tell the time. Returns the clocks that are shown.
static uint64_t check_size(struct bench *b, const struct size *size, struct duplex_random *random) {
  const struct layer *l = b->layer;
  unsigned counts[SCHEDULE_EXPERTS];
  struct duplex_moe_stats stats;
  run_size(b, size, random, counts, &stats);
  const char *alone = stats.logic_pim_macs == 0 ? ", the xPU alone" : ", Logic-PIM alone";
  print_size(b, size);
  const bool close = compare(told(b, counts, size->tokens, &stats), (double)stats.cycles,
                             stats.logic_pim_macs && stats.xpu_macs ? "" : alone);
  b->missed += !close && stats.cycles >= ONE_RUN;
  b->alone += stats.logic_pim_macs == 0 || stats.xpu_macs == 0;
  // Of a lone expert both sides read all, which is so only if it is divided by its tokens.
  b->by_tokens += l->experts == 1 && stats.logic_pim_macs > 0 && stats.logic_pim_bytes == stats.xpu_bytes;
  return stats.cycles;
}

// A short layer again, in the mean of several places between two refreshes, as `duplex moe --places` tells
// it.
static void check_mean(struct bench *b, const struct size *size, const struct duplex_random *begin) {
  unsigned counts[SCHEDULE_EXPERTS];
  struct duplex_moe_stats stats;
  double sum = 0;
  for (unsigned place = 0; place < PLACES; place++) {
    struct duplex_random random = *begin;
    assert_int_equal(duplex_device_idle(b->device, place, PLACES), 0);
    run_size(b, size, &random, counts, &stats);
    sum += (double)stats.cycles;
  }
  print_size(b, size);
  b->missed += !compare(told(b, counts, size->tokens, &stats), sum / PLACES, ", mean of places");
}

// All sizes of a layer once, and then the short ones in the mean.
static void check_sizes(struct bench *b) {
  const struct size *sizes = b->layer->sizes;
  struct duplex_random random;
  struct duplex_random begin[SIZES_MOST];
  uint64_t clocks[SIZES_MOST];
  duplex_random_seed(&random, environment_seed(), 0);
  for (unsigned i = 0; i < SIZES_MOST && sizes[i].tokens; i++) {
    begin[i] = random;
    clocks[i] = check_size(b, &sizes[i], &random);
  }
  for (unsigned i = 0; i < SIZES_MOST && sizes[i].tokens; i++)
    if (clocks[i] < SHORT) check_mean(b, &sizes[i], &begin[i]);
}

// A controller makes descriptors of a cut when it meets it first, and keeps them: the first time a layer
// takes up to 310 clocks longer. A simulator has layers that have run.
static void run_first(const struct bench *b) {
  struct duplex_random random;
  unsigned counts[SCHEDULE_EXPERTS];
  struct duplex_moe_stats stats;
  duplex_random_seed(&random, environment_seed(), 1);
  run_size(b, &b->layer->sizes[0], &random, counts, &stats);
}

// The folder of tables, with what is in it.
static void drop_folder(const char *path) {
  DIR *folder = opendir(path);
  assert_non_null(folder);
  for (const struct dirent *file; (file = readdir(folder));)
    if (file->d_name[0] != '.') unlinkat(dirfd(folder), file->d_name, 0);
  closedir(folder);
  rmdir(path);
}

static unsigned all_alone;  // layers that one side had alone

// All sizes, with so many copies of each expert. The folder keeps the tables.
static void check_firmware(const struct layer *layer, unsigned copies, bool controller, const char *folder) {
  struct bench b = {.layer = layer, .controller = controller, .folder = folder};
  static struct schedule_times times;
  open_device(&b, copies);
  take_table(&b, copies, &times);
  open_model(&b, copies);
  assert_int_equal(b.striped, copies == 1 && strcmp(layer->name, "short") == 0);
  assert_int_equal(measured_is_striped(b.measured), b.striped);
  if (b.striped) check_stripes(&b, &times);
  if (controller) run_first(&b);
  check_sizes(&b);
  duplex_device_close(b.device);
  measured_close(b.measured);
  assert_int_equal(b.missed, 0);
  all_alone += b.alone;
  assert_true((b.by_tokens > 0) == (copies == 2 && strcmp(layer->name, "hot") == 0));
}

// Native firmware first, whose table the other one needs, too. firmwares: 1 or both.
static void check_layer(const struct layer *layer, unsigned copies, unsigned firmwares) {
  char folder[] = P_tmpdir "/duplex_tables_XXXXXX";
  assert_non_null(mkdtemp(folder));
  for (unsigned controller = 0; controller < firmwares; controller++)
    check_firmware(layer, copies, controller, folder);
  drop_folder(folder);
}

// Small ones, decided, and on the xPU alone.
static void test_small(void **state) {
  (void)state;
  check_layer(&small, 1, 1);
  assert_true(all_alone > 0);
}

// All of them, or the one of a name.
static void test_layers(void **state) {
  for (unsigned i = 0; i < sizeof layers / sizeof *layers; i++)
    for (unsigned copies = 1;
         copies <= (layers[i].paper ? 1 : 2) && (!*state || strcmp(*state, layers[i].name) == 0); copies++)
      check_layer(&layers[i], copies, 2);
  if (!*state) assert_true(all_alone > 0);
}

int main(int argc, char **argv) {
  const struct CMUnitTest all[] = {cmocka_unit_test(test_small), cmocka_unit_test(test_layers)};
  const struct CMUnitTest first[] = {cmocka_unit_test(test_small)};
  const struct CMUnitTest one[] = {cmocka_unit_test_prestate(test_layers, argv[1])};
  if (argc > 1 && strcmp(argv[1], "small") == 0) return cmocka_run_group_tests(first, NULL, NULL);
  if (argc > 1) return cmocka_run_group_tests(one, NULL, NULL);
  return cmocka_run_group_tests(all, NULL, NULL);
}
