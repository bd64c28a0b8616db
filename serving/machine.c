// SPDX-License-Identifier: Apache-2.0
// Systems: constants, the system's own file, and what follows from both.
#include "serving/machine.h"

#include <math.h>
#include <stdio.h>

#include "duplex/error.h"
#include "duplex/hbm.h"
#include "duplex/params.h"
#include "schedule/schedule.h"
#include "serving/config_file.h"
#include "serving/covered.h"
#include "serving/origin.h"

#define DEVICES_MOST 1024u
#define OF_NODE 8u  // devices of a node, before there are more nodes
#define TERA 1e12
#define GIGA 1e9
#define PICO 1e-12
#define MICRO 1e-6

// As the files have them.
struct rates {
  double tflops, gb_s, dram_pj_bit, mac_pj, area;
};
struct numbers {
  struct rates xpu, pim[3];
  double gib, node_gb_s, between_gb_s;
  double xpu_compute, xpu_bandwidth, pim_compute, pim_bandwidth, node_us, between_us, context, mac_pj,
      attention, launch_us;
  unsigned beside, layout, times_devices, nodes, devices;
  bool co_processing, expert_tensor;
};

static int read_rates(const struct config_file *file, const char *key, bool required, struct rates *r) {
  const struct config_field fields[] = {{"peak_tflops", CONFIG_NUMBER, required, &r->tflops, 1e-3, 1e6, 0},
                                        {"bandwidth_gb_s", CONFIG_NUMBER, required, &r->gb_s, 1e-3, 1e7, 0},
                                        {"dram_pj_bit", CONFIG_NUMBER, required, &r->dram_pj_bit, 0, 1e3, 0},
                                        {"mac_pj", CONFIG_NUMBER, required, &r->mac_pj, 0, 1e3, 0},
                                        {"area_mm2", CONFIG_NUMBER, false, &r->area, 0, 1e4, 0},
                                        {0}};
  json_t *object = json_object_get(file->root, key);
  return object ? config_fields(file, key, object, fields, false) : DUPLEX_OK;
}

// Reads memory, links and rates of a file; a system's file overwrites what the constants' one has set.
static int read_hardware(const struct config_file *file, bool required, struct numbers *n) {
  const struct config_field memory[] = {{"gib", CONFIG_NUMBER, required, &n->gib, 1e-3, 1e6, 0}, {0}};
  const struct config_field links[] = {
      {"node_gb_s", CONFIG_NUMBER, required, &n->node_gb_s, 1e-3, 1e6, 0},
      {"between_gb_s", CONFIG_NUMBER, required, &n->between_gb_s, 1e-3, 1e6, 0},
      {0}};
  json_t *of_memory = json_object_get(file->root, "memory");
  json_t *of_links = json_object_get(file->root, "links");
  int error = of_memory ? config_fields(file, "memory", of_memory, memory, false) : DUPLEX_OK;
  if (!error && of_links) error = config_fields(file, "links", of_links, links, false);
  if (!error) error = read_rates(file, "xpu", required, &n->xpu);
  if (!error) error = read_rates(file, "logic_pim", required, &n->pim[0]);
  if (!error) error = read_rates(file, "bank_pim", required, &n->pim[1]);
  if (!error) error = read_rates(file, "bankgroup_pim", required, &n->pim[2]);
  return error;
}

// Reads the constants of a mode. All are required if it is the wanted one, but mac_pj: without it processors
// have their own.
static int read_mode(const struct config_file *file, enum serving_mode mode, bool wanted, struct numbers *n) {
  static const char *const names[] = {"full", "paper", "authors"};
  struct config_field fields[] = {
      {"xpu_compute_share", CONFIG_NUMBER, wanted, &n->xpu_compute, 1e-3, 1, 0},
      {"xpu_bandwidth_share", CONFIG_NUMBER, wanted, &n->xpu_bandwidth, 1e-3, 1, 0},
      {"pim_compute_share", CONFIG_NUMBER, wanted, &n->pim_compute, 1e-3, 1, 0},
      {"pim_bandwidth_share", CONFIG_NUMBER, wanted, &n->pim_bandwidth, 1e-3, 1, 0},
      {"node_latency_us", CONFIG_NUMBER, wanted, &n->node_us, 0, 1e6, 0},
      {"between_latency_us", CONFIG_NUMBER, wanted, &n->between_us, 0, 1e6, 0},
      {"mac_pj", CONFIG_NUMBER, false, &n->mac_pj, 0, 1e3, 0},
      {0},
      {0},
      {0}};
  struct config_field *own = fields + sizeof fields / sizeof *fields - 3;
  if (mode == SERVING_FULL) {
    own[0] = (struct config_field){"xpu_attention_share", CONFIG_NUMBER, wanted, &n->attention, 1e-3, 1, 0};
    own[1] = (struct config_field){"launch_us", CONFIG_NUMBER, wanted, &n->launch_us, 0, 1e3, 0};
  }
  if (mode == SERVING_AUTHORS)
    own[0] = (struct config_field){"context_share", CONFIG_NUMBER, wanted, &n->context, 1e-3, 10, 0};
  return config_fields(file, names[mode], json_object_get(file->root, names[mode]), fields, false);
}

// Reads the constants of hardware, and those of the mode (NULL: of none).
static int read_constants(const char *name, const enum serving_mode *mode, struct numbers *n, char *error,
                          size_t size) {
  struct config_file file;
  json_t *object;
  const struct config_field fields[] = {{"memory", CONFIG_OBJECT, true, &object, 0, 0, 0},
                                        {"links", CONFIG_OBJECT, true, &object, 0, 0, 0},
                                        {"xpu", CONFIG_OBJECT, true, &object, 0, 0, 0},
                                        {"logic_pim", CONFIG_OBJECT, true, &object, 0, 0, 0},
                                        {"bank_pim", CONFIG_OBJECT, true, &object, 0, 0, 0},
                                        {"bankgroup_pim", CONFIG_OBJECT, true, &object, 0, 0, 0},
                                        {"full", CONFIG_OBJECT, true, &object, 0, 0, 0},
                                        {"paper", CONFIG_OBJECT, true, &object, 0, 0, 0},
                                        {"authors", CONFIG_OBJECT, true, &object, 0, 0, 0},
                                        {0}};
  int status = config_open(&file, "", name ? name : "constants", error, size);
  if (!status) status = config_fields(&file, "", file.root, fields, false);
  if (!status) status = read_hardware(&file, true, n);
  for (enum serving_mode m = SERVING_FULL; m <= SERVING_AUTHORS && !status; m++) {
    struct numbers others = {0};  // checked, too
    const bool wanted = mode && m == *mode;
    status = read_mode(&file, m, wanted, wanted ? n : &others);
  }
  config_close(&file);
  return status;
}

int machine_check_constants(const char *name, char *error, size_t size) {
  struct numbers n = {0};
  return read_constants(name, NULL, &n, error, size);
}

static int check_system(const struct config_file *file, const struct numbers *n) {
  static const char *const processors[] = {"logic_pim", "bank_pim", "bankgroup_pim"};
  if (n->beside == BESIDE_NONE && (n->co_processing || n->expert_tensor || n->layout))
    return config_refuse(file, "beside", "is none, expected a processor beside the xPU with these keys");
  for (unsigned i = 0; i < 3; i++)
    if (n->beside != i + 1 && json_object_get(file->root, processors[i]))
      return config_refuse(file, processors[i], "is no part of the system, expected what is beside the xPU");
  return DUPLEX_OK;
}

// What a system is in the authors' simulator, where that differs.
static int read_as_authors(const struct config_file *file, struct numbers *n) {
  json_t *object = json_object_get(file->root, "authors");
  const struct config_field fields[] = {{"co_processing", CONFIG_FLAG, false, &n->co_processing, 0, 0, 0},
                                        {"expert_tensor", CONFIG_FLAG, false, &n->expert_tensor, 0, 0, 0},
                                        {0}};
  return object ? config_fields(file, "authors", object, fields, false) : DUPLEX_OK;
}

// Reads a system: its layout, and what differs from the constants.
static int read_system(const char *name, enum serving_mode mode, struct numbers *n, char *error,
                       size_t size) {
  static const char *const besides[] = {"none", "logic_pim", "bank_pim", "bankgroup_pim", NULL};
  static const char *const layouts[] = {"together", "hetero", "split", NULL};
  struct config_file file;
  json_t *object;
  const struct config_field fields[] = {{"beside", CONFIG_CHOICE, true, &n->beside, 0, 0, besides},
                                        {"layout", CONFIG_CHOICE, false, &n->layout, 0, 0, layouts},
                                        {"co_processing", CONFIG_FLAG, false, &n->co_processing, 0, 0, 0},
                                        {"expert_tensor", CONFIG_FLAG, false, &n->expert_tensor, 0, 0, 0},
                                        {"times_devices", CONFIG_WHOLE, false, &n->times_devices, 1, 64, 0},
                                        {"nodes", CONFIG_WHOLE, false, &n->nodes, 1, DEVICES_MOST, 0},
                                        {"devices", CONFIG_WHOLE, false, &n->devices, 1, DEVICES_MOST, 0},
                                        {"memory", CONFIG_OBJECT, false, &object, 0, 0, 0},
                                        {"links", CONFIG_OBJECT, false, &object, 0, 0, 0},
                                        {"xpu", CONFIG_OBJECT, false, &object, 0, 0, 0},
                                        {"logic_pim", CONFIG_OBJECT, false, &object, 0, 0, 0},
                                        {"bank_pim", CONFIG_OBJECT, false, &object, 0, 0, 0},
                                        {"bankgroup_pim", CONFIG_OBJECT, false, &object, 0, 0, 0},
                                        {"authors", CONFIG_OBJECT, false, &object, 0, 0, 0},
                                        {0}};
  int status = config_open(&file, "systems", name, error, size);
  if (!status) status = config_fields(&file, "", file.root, fields, false);
  if (!status) status = read_hardware(&file, false, n);
  struct numbers others = {0};
  if (!status) status = read_as_authors(&file, mode == SERVING_AUTHORS ? n : &others);
  if (!status) status = check_system(&file, n);
  config_close(&file);
  return status;
}

// mac_pj: of the mode, 0 for the processor's own.
static struct processor reached(const struct rates *r, double compute, double bandwidth, double mac_pj) {
  return (struct processor){r->tflops * TERA * compute, r->gb_s * GIGA * bandwidth, r->dram_pj_bit * 8 * PICO,
                            (mac_pj > 0 ? mac_pj : r->mac_pj) * PICO};
}

// What is of the DRAM goes with its clock: the bandwidth of all, and the peak of the units beside it.
static void set_clock(struct numbers *n, unsigned clock_khz) {
  const double faster = (double)clock_khz / DUPLEX_CLOCK_KHZ;
  n->xpu.gb_s *= faster;
  for (unsigned i = 0; i < sizeof n->pim / sizeof *n->pim; i++) {
    n->pim[i].gb_s *= faster;
    n->pim[i].tflops *= faster;
  }
}

static unsigned thousandths(double share) {
  const double value = share * 1000 + 0.5;
  return value < 1 ? 1 : (unsigned)value;
}

// Devices as the options say, or the system, or the model with the system's factor: more of them in each node
// up to 8, then more nodes.
static void set_devices(struct machine *m, const struct serving_options *options, const struct numbers *n,
                        const struct serving_model *model) {
  unsigned factor = n->times_devices;
  m->nodes = options->nodes ? options->nodes : n->nodes;
  m->per_node = options->devices ? options->devices : n->devices;
  const bool given = m->nodes || m->per_node;
  if (!m->nodes) m->nodes = model->nodes;
  if (!m->per_node) m->per_node = model->devices;
  if (given) return;
  for (; factor % 2 == 0 && m->per_node * 2 <= OF_NODE; factor /= 2) m->per_node *= 2;
  m->nodes *= factor;
}

#define KEYS(...) ((const char *const[]){__VA_ARGS__, NULL})

// Experts come out even on the devices: of all nodes, or of those that do this.
static int check_experts(const struct machine *m, const struct serving_options *options,
                         const struct serving_model *model, const char *does, char *error, size_t size) {
  const unsigned e = model->experts;
  const unsigned devices = m->nodes * m->pims;
  struct origin from = {.key = NULL};
  if (!e) return DUPLEX_OK;
  const bool by_nodes = m->expert_tensor || (e % m->nodes && m->nodes % e);  // whatever devices there are
  if (does)
    snprintf(from.place, sizeof from.place, "%u nodes that %s", m->nodes, does);
  else
    from = origin_of(options, by_nodes ? ORIGIN_NODES : ORIGIN_BOTH, true);
  if (m->expert_tensor && e % m->nodes)
    return origin_refuse(&from, "nodes", m->nodes, "a divisor of the model's experts", error, size);
  if (!m->expert_tensor && e % devices && devices % e)
    return origin_refuse(&from, "devices with experts", devices,
                         "a divisor or a multiple of the model's experts", error, size);
  const unsigned groups = m->expert_tensor ? m->nodes : devices < e ? devices : e;
  from = (struct origin){.key = NULL};
  config_where("models", options->model, MODEL_EXPERTS, from.place, sizeof from.place);
  if (e / groups > SCHEDULE_EXPERTS)
    return origin_refuse(&from, "experts of a group of devices", e / groups, "at most 256", error, size);
  return DUPLEX_OK;
}

static int check_machine(const struct machine *m, const struct serving_options *options, char *error,
                         size_t size) {
  const struct origin of_all = origin_of(options, ORIGIN_BOTH, false);
  const struct origin of_node = origin_of(options, ORIGIN_DEVICES, false);
  if (m->nodes * m->per_node > DEVICES_MOST)
    return origin_refuse(&of_all, "devices", m->nodes * m->per_node, "at most 1024", error, size);
  if (m->layout != LAYOUT_TOGETHER && m->per_node % 2)
    return origin_refuse(&of_node, "devices of a node", m->per_node, "an even number", error, size);
  return DUPLEX_OK;
}

static struct xpu_time_model time_model(const struct numbers *n) {
  return (struct xpu_time_model){.channels = 160,
                                 .flops = (uint64_t)(n->xpu.tflops * TERA),
                                 .bytes = (uint64_t)(n->xpu.gb_s * GIGA),
                                 .gemm_share = thousandths(n->xpu_compute),
                                 .attention_share = thousandths(n->attention),
                                 .memory_share = thousandths(n->xpu_bandwidth)};
}

// Memory and links that options say.
static void take_given(struct machine *m, const struct serving_options *options) {
  if (options->memory > 0) m->memory = options->memory;
  if (options->link_rate <= 0) return;
  m->node_rate = m->between_rate = options->link_rate;
  m->node_latency = m->between_latency = options->link_latency;
}

// Of a split node half does one thing, of a hetero one half of the xPUs and half of the units work.
static void divide_nodes(struct machine *m) {
  if (m->layout == LAYOUT_SPLIT) m->per_node /= 2;
  m->xpus = m->pims = m->layout == LAYOUT_HETERO ? m->per_node / 2 : m->per_node;
}

int machine_read_parts(struct machine *m, const struct serving_options *options,
                       const struct serving_model *model, char *error, size_t size) {
  struct numbers n = {.times_devices = 1};
  const int status = read_system(options->system, options->mode, &n, error, size);
  *m = (struct machine){.mode = options->mode,
                        .beside = n.beside,
                        .layout = n.layout,
                        .co_processing = n.co_processing,
                        .expert_tensor = n.expert_tensor};
  set_devices(m, options, &n, model);
  divide_nodes(m);
  return status;
}

int machine_read(struct machine *m, const struct serving_options *options, const struct serving_model *model,
                 char *error, size_t size) {
  struct numbers n = {.times_devices = 1};
  int status = read_constants(options->constants, &options->mode, &n, error, size);
  if (!status) status = read_system(options->system, options->mode, &n, error, size);
  if (!status && options->mode == SERVING_FULL && n.beside == BESIDE_LOGIC_PIM)
    status = covered_check(options, n.layout == LAYOUT_HETERO, error, size);
  if (status) return status;
  const unsigned clock_khz = duplex_dram_clock_khz(options->dram_preset);
  set_clock(&n, clock_khz);
  *m = (struct machine){.mode = options->mode,
                        .beside = n.beside,
                        .layout = n.layout,
                        .co_processing = n.co_processing,
                        .expert_tensor = n.expert_tensor,
                        .xpu = reached(&n.xpu, n.xpu_compute, n.xpu_bandwidth, n.mac_pj),
                        .node_rate = n.node_gb_s * GIGA,
                        .node_latency = n.node_us * MICRO,
                        .between_rate = n.between_gb_s * GIGA,
                        .between_latency = n.between_us * MICRO,
                        .memory = n.gib * 1073741824.0,
                        .context_share = n.context,
                        .copies = 1,
                        .clock_khz = clock_khz,
                        .clock = clock_khz * 1e3,
                        .strict = options->strict,
                        .rounded_sums = options->f32_partials,
                        .controller = !options->native};
  take_given(m, options);
  if (n.beside) m->pim = reached(&n.pim[n.beside - 1], n.pim_compute, n.pim_bandwidth, n.mac_pj);
  m->launch = n.launch_us * MICRO;
  m->xpu_time = time_model(&n);
  set_devices(m, options, &n, model);
  status = check_machine(m, options, error, size);
  divide_nodes(m);
  if (status || options->prefill_nodes) return status;  // of those it is the parts that have to fit
  return check_experts(m, options, model, NULL, error, size);
}

int machine_split_nodes(struct machine *m, struct machine *prefill, const struct serving_options *options,
                        const struct serving_model *model, char *error, size_t size) {
  struct origin from = {.key = NULL};
  config_where("systems", options->system, KEYS("layout"), from.place, sizeof from.place);
  if (m->layout != LAYOUT_TOGETHER)
    return origin_refuse(&from, "nodes that prefill", options->prefill_nodes, "none with this layout", error,
                         size);
  from = (struct origin){.place = "--prefill-nodes", .given = options->prefill_nodes};
  if (options->prefill_nodes >= m->nodes)
    return origin_refuse(&from, "", options->prefill_nodes, "fewer than all nodes", error, size);
  *prefill = *m;
  prefill->nodes = options->prefill_nodes;
  prefill->only_prefills = true;
  m->only_decodes = true;
  m->nodes -= options->prefill_nodes;
  const int status = check_experts(prefill, options, model, "prefill", error, size);
  return status ? status : check_experts(m, options, model, "decode", error, size);
}

void machine_use_kernels(struct machine *m, struct kernels *kernels) {
  const struct xpu_kernel_table *tables = kernels->table;
  m->kernels = kernels;
  m->xpu_time.launch = (uint64_t)(m->launch / PICO + 0.5);
  if (kernels->has[XPU_KERNEL_GEMM]) m->xpu_time.gemm_table = &tables[XPU_KERNEL_GEMM];
  if (kernels->has[XPU_KERNEL_PREFILL]) m->xpu_time.prefill_table = &tables[XPU_KERNEL_PREFILL];
  if (kernels->has[XPU_KERNEL_ELEMENTS]) m->xpu_time.elements_table = &tables[XPU_KERNEL_ELEMENTS];
}

double machine_expert_bytes(const struct machine *m, const struct serving_model *model) {
  const double layers = model_moe_layers(model);
  const double of_layer = model->experts * model_expert_weights(model) * model_weight_bytes(model);
  const double second = ceil(layers / SCHEDULE_BUNDLES);  // copies in the fullest bundle
  if (m->copies < 2) return layers * of_layer;
  return SCHEDULE_BUNDLES * (second + (layers - second) / (SCHEDULE_BUNDLES - 1)) * of_layer;
}

double machine_kv_capacity(const struct machine *m, const struct serving_model *model) {
  const double others = model_other_weights(model) * model_weight_bytes(model) * m->nodes;
  const double room = m->nodes * m->pims * m->memory - machine_expert_bytes(m, model);
  return m->layout == LAYOUT_HETERO ? room : room - others;
}

double machine_xpu_room(const struct machine *m, const struct serving_model *model) {
  const double room = m->nodes * m->xpus * m->memory;
  return room - m->nodes * model_other_weights(model) * model_weight_bytes(model);
}

double machine_all_reduce(const struct machine *m, unsigned devices, double bytes) {
  const uint64_t shape[] = {devices};
  if (devices > 1 && bytes >= 1 && kernels_ask(m->kernels, XPU_KERNEL_ALL_REDUCE, shape, (uint64_t)bytes))
    return (double)xpu_kernel_time(&m->kernels->table[XPU_KERNEL_ALL_REDUCE], shape, (uint64_t)bytes) * PICO;
  if (m->mode == SERVING_FULL && devices > 1)
    return 2 * (m->node_latency + bytes * (devices - 1) / devices / m->node_rate);
  return 2.0 * (devices - 1) * (m->node_latency + bytes / devices / m->node_rate);
}

double machine_across(const struct machine *m, double bytes) {
  return m->node_latency + bytes / m->xpus / m->node_rate;
}
