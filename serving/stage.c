// SPDX-License-Identifier: Apache-2.0
// One stage by rooflines (docs/serving.md, "A stage").
#include "serving/stage.h"

#include <stdio.h>
#include <string.h>

#include "duplex/error.h"
#include "serving/charged.h"
#include "serving/needs.h"
#include "serving/placement.h"
#include "serving/routing.h"

#define F16 2.0                 // bytes of a value
#define DRAW_MOST 2147483648.0  // tokens whose experts are drawn at once

static double larger(double a, double b) { return a > b ? a : b; }

static double seconds_of(const struct processor *p, struct work work) {
  return larger(2 * work.macs / p->flops, work.bytes / p->bytes);
}

// A policy that the system cannot have: experts on what is not there, or away from the half that has them.
static int check_policy(const struct machine *m, const struct serving_options *options, char *error,
                        size_t size) {
  const bool no_pim = options->policy == SERVING_POLICY_PIM && m->beside == BESIDE_NONE;
  const bool no_xpu = options->policy == SERVING_POLICY_XPU && m->layout == LAYOUT_HETERO;
  if (!no_pim && !no_xpu) return DUPLEX_OK;
  snprintf(error, size, "%s: policy %s, but no %s here runs experts: expected another policy",
           options->system, no_pim ? "pim" : "xpu", no_pim ? "Logic-PIM" : "xPU");
  return DUPLEX_ERROR_ARGUMENT;
}

// Draws the experts of so many tokens in a layer.
static void draw_experts(struct stage_model *s, struct duplex_random *random, unsigned layer,
                         unsigned tokens) {
  if (s->imbalance)
    imbalance_draw(s->imbalance, random, layer, tokens, s->counts);
  else
    routing_draw(random, tokens, s->model->experts, s->model->top_k, s->counts);
}

static const unsigned *draw_layer(void *stage, struct duplex_random *random, unsigned layer,
                                  unsigned tokens) {
  struct stage_model *s = stage;
  draw_experts(s, random, layer, tokens);
  return s->counts;
}

// The measured engine's layers, which have no feed-forward of layers without experts beside others.
static int open_profile(struct stage_model *s, const struct serving_options *options, char *error,
                        size_t size) {
  const struct serving_model *m = s->model;
  const unsigned dense = m->experts ? m->layers - model_moe_layers(m) : 0;
  if (dense == 0) return profile_open(&s->profile, options->profile, m->experts > 0, error, size);
  snprintf(error, size,
           "%s: %u of %u layers have no experts, expected them in all: no table is of other feed-forwards",
           options->model, dense, m->layers);
  return DUPLEX_ERROR_NOT_AVAILABLE;
}

int stage_open(struct stage_model *stage, struct machine *machine, const struct serving_model *model,
               const struct serving_options *options, char *error, size_t size) {
  stage->machine = machine;
  stage->model = model;
  duplex_random_seed(&stage->random, options->seed, 1);
  if (options->profile) {
    const int status = open_profile(stage, options, error, size);
    if (status) return status;
  }
  if (!model->experts && options->imbalance && strcmp(options->imbalance, "uniform") != 0) {
    snprintf(error, size, "%s has no experts, expected no imbalance of them", options->model);
    return DUPLEX_ERROR_ARGUMENT;
  }
  if (!model->experts) return DUPLEX_OK;
  const struct imbalance_model routed = {model_moe_layers(model), model->experts, model->top_k,
                                         options->seed};
  int status = check_policy(machine, options, error, size);
  if (!status) status = imbalance_open(&stage->imbalance, options->imbalance, &routed, error, size);
  if (status || stage->profile) return status;
  if (machine->mode == SERVING_FULL && experts_have_tables(machine, model))
    return placement_open(&stage->measured, machine, model, options, draw_layer, stage, error, size);
  if (options->policy == SERVING_POLICY_BEST) {
    char why[700] = "";
    needs_lacking(options, model, machine, NEEDS_COPIES, why, sizeof why);
    snprintf(error, size, "--policy best: %s, or another policy", why);
    return DUPLEX_ERROR_ARGUMENT;
  }
  stage->experts = experts_open(machine, model, options->policy);
  return stage->experts ? DUPLEX_OK : DUPLEX_ERROR_NO_MEMORY;
}

void stage_close(struct stage_model *stage) {
  experts_close(stage->experts);
  measured_close(stage->measured);
  imbalance_close(stage->imbalance);
  profile_close(stage->profile);
}

static bool is_full(const struct stage_model *s) { return s->machine->mode == SERVING_FULL; }

// Products of `tokens` rows with weights of [columns, rows], one after another on an xPU; the sum of a
// device.
struct products {
  double seconds;
  struct work work;
};

static void add_product(const struct stage_model *s, double tokens, double columns, double rows, double times,
                        struct products *sum) {
  if (tokens == 0) return;
  const struct work work = {tokens * columns * rows,
                            columns * rows * model_weight_bytes(s->model) + F16 * tokens * (columns + rows)};
  sum->seconds += times * (is_full(s) ? charged_product(s->machine, s->model, tokens, columns, rows)
                                      : seconds_of(&s->machine->xpu, work));
  sum->work.macs += times * work.macs;
  sum->work.bytes += times * work.bytes;
}

// A feed-forward of that inner size, sliced over the xPUs of a node.
static void add_dense(const struct stage_model *s, double tokens, double inner, double times,
                      struct products *sum) {
  const double slice = inner / s->machine->xpus;
  add_product(s, tokens, s->model->hidden, slice, times * (s->model->matrices - 1), sum);
  add_product(s, tokens, slice, s->model->hidden, times, sum);
}

// To q, k and v, by their latent vectors, which each device has whole, and of what the heads give.
static void add_latent(const struct stage_model *s, double tokens, struct products *sum) {
  const struct serving_model *m = s->model;
  const struct serving_latent *l = &m->latent;
  const double heads = (double)m->heads / s->machine->xpus;
  add_product(s, tokens, m->hidden, l->q_rank + l->kv_rank + l->rope, m->layers, sum);
  add_product(s, tokens, l->q_rank ? l->q_rank : m->hidden, heads * l->key, m->layers, sum);
  add_product(s, tokens, l->kv_rank, heads * (l->key - l->rope + l->value), m->layers, sum);
  add_product(s, tokens, heads * l->value, m->hidden, m->layers, sum);
}

// Products before and behind attention.
static void add_attention(const struct stage_model *s, double tokens, struct products *sum) {
  const struct serving_model *m = s->model;
  const double heads = (double)m->head_size * m->heads / s->machine->xpus;
  const double kv_heads = (double)m->head_size * m->kv_heads / s->machine->xpus;
  if (m->latent.kv_rank) {
    add_latent(s, tokens, sum);
    return;
  }
  add_product(s, tokens, m->hidden, heads + 2 * kv_heads, m->layers, sum);
  add_product(s, tokens, heads, m->hidden, m->layers, sum);
}

// All products of a stage that are no experts, of one node.
static struct products fc_of(const struct stage_model *s, const struct node_load *load) {
  const struct serving_model *m = s->model;
  const double tokens = load->decoding + load->prefill.tokens;
  const double moe = model_moe_layers(m);
  struct products sum = {0};
  if (tokens == 0) return sum;
  add_attention(s, tokens, &sum);
  if (moe < m->layers) add_dense(s, tokens, m->dense_inner, m->layers - moe, &sum);
  if (moe > 0) add_product(s, tokens, m->hidden, m->experts, moe, &sum);
  if (m->shared_experts) add_dense(s, tokens, (double)m->inner * m->shared_experts, moe, &sum);
  if (s->machine->mode == SERVING_PAPER)
    add_product(s, load->decoding + load->prefill.ends, m->hidden, (double)m->vocabulary / s->machine->xpus,
                1, &sum);
  return sum;
}

static double prefill_seconds(const struct stage_model *s, unsigned before, unsigned tokens,
                              struct work work) {
  if (s->profile) return profile_prefill(s->profile, before, tokens);
  return is_full(s) ? charged_prefill(s->machine, s->model, before, tokens)
                    : seconds_of(&s->machine->xpu, work);
}

// Attention of a chunk of a prompt in a layer, on the xPUs of a node: the matrix of scores goes out and comes
// back, but in mode FULL, whose kernel is causal and keeps it. K and V of what is before are read, too.
void stage_add_prefill(const struct stage_model *s, struct node_load *node, unsigned before, unsigned tokens,
                       bool ends) {
  const struct serving_model *m = s->model;
  const double n = tokens;
  const double all = n + before;
  const double heads = (double)m->heads / s->machine->xpus;
  const double kv_heads = (double)m->kv_heads / s->machine->xpus;
  const double pairs = is_full(s) ? n * (all + before) : 2 * n * all;
  const double scores = is_full(s) ? 0 : n * all * heads;
  const struct work work = {pairs * m->head_size * heads,
                            F16 * 2 * (scores + m->head_size * (n * heads + all * kv_heads))};
  node->prefill.ends += ends;
  node->prefill.tokens += n;
  node->prefill.seconds += prefill_seconds(s, before, tokens, work);
  node->prefill.bytes += work.bytes;
  node->prefill.macs += work.macs;
}

// Attention of all decoding sequences of a node in a layer, of one device.
struct decode {
  double seconds;
  bool pim;
  struct work work;
};

// The authors' simulator writes and reads the scores on the xPU; Logic-PIM keeps them.
static struct work decode_work(const struct stage_model *s, const struct node_load *load, bool pim) {
  const struct serving_model *m = s->model;
  const double devices = pim ? s->machine->pims : s->machine->xpus;
  const double heads = m->heads / devices;
  const double kv = F16 * 2 * load->positions * m->head_size * m->kv_heads / devices;
  const bool scores = !pim && s->machine->mode == SERVING_AUTHORS;
  return (struct work){2 * load->positions * m->head_size * heads,
                       kv + (scores ? F16 * 2 * load->positions * heads : 0)};
}

static struct decode decode_on(const struct stage_model *s, const struct node_load *load, bool pim) {
  struct decode d = {.pim = pim, .work = decode_work(s, load, pim)};
  d.seconds = seconds_of(pim ? &s->machine->pim : &s->machine->xpu, d.work);
  if (is_full(s) && !pim) d.seconds = charged_xpu_decode(s->machine, s->model, load, d.seconds);
  if (is_full(s) && pim && s->machine->beside == BESIDE_LOGIC_PIM)
    d.seconds = charged_decode(s->machine, s->model, load);
  return d;
}

static struct decode decode_of(const struct stage_model *s, const struct node_load *load) {
  return decode_on(s, load, s->machine->beside != BESIDE_NONE);
}

// Between nodes: each token goes once to every other node that has one of its experts, and its sum comes
// back. Of a dense model none goes.
static double exchange(const struct stage_model *s, double tokens) {
  const struct serving_model *m = s->model;
  const unsigned nodes = s->machine->nodes;
  if (nodes == 1 || !m->experts) return 0;
  double none = 1;  // of the chosen experts are on one other node
  for (unsigned i = 0; i < m->top_k; i++)
    none *= larger(0, (double)m->experts - (double)m->experts / nodes - i) / (m->experts - i);
  const double bytes = tokens * m->hidden * F16 * (nodes - 1) * (1 - none);
  return 2 * (s->machine->between_latency + bytes / s->machine->per_node / s->machine->between_rate);
}

// HETERO: behind attention and experts the halves reduce among themselves; q, k, v and the tokens go to
// Logic-PIM, and what it makes of them comes back.
static double links_of_halves(const struct stage_model *s, double tokens) {
  const struct machine *m = s->machine;
  const double values = tokens * F16;
  const double heads = s->model->head_size * (double)s->model->heads;
  const double kv_heads = s->model->head_size * (double)s->model->kv_heads;
  const double reduce = machine_all_reduce(m, m->xpus, values * s->model->hidden);
  const double attention =
      machine_across(m, values * (heads + 2 * kv_heads)) + machine_across(m, values * heads);
  return s->model->layers * (2 * reduce + attention + 2 * machine_across(m, values * s->model->hidden));
}

// All-reduces of a node's tokens behind attention and feed-forward of every layer.
static double links_of(const struct stage_model *s, const struct node_load *load) {
  const double tokens = load->decoding + load->prefill.tokens;
  const double reduce = machine_all_reduce(s->machine, s->machine->per_node, tokens * s->model->hidden * F16);
  const double moe = model_moe_layers(s->model);
  const bool extra = s->machine->expert_tensor && s->machine->mode == SERVING_AUTHORS;
  if (tokens == 0) return 0;
  if (s->machine->layout == LAYOUT_HETERO) return links_of_halves(s, tokens);
  return 2 * s->model->layers * reduce + moe * (exchange(s, tokens) + (extra ? reduce : 0));
}

// Norms and residual sums as the authors' simulator charges them: four passes over the tokens a layer.
static double norms_of(const struct stage_model *s, const struct node_load *load) {
  const double tokens = load->decoding + load->prefill.tokens;
  if (s->machine->mode != SERVING_AUTHORS) return 0;
  return s->model->layers * 4 * F16 * 2 * tokens * s->model->hidden / s->machine->xpu.bytes;
}

struct node_cost {
  double charge[SERVING_CHARGES];
  double fc, prefill, decode, links;
  double xpu[SERVING_PARTS], pim[SERVING_PARTS];
};

// `times`: devices that each have this work, and layers. Returns the energy of its DRAM.
static double add_work(const struct processor *p, enum serving_part part, double times, struct work work,
                       struct serving_cost *cost) {
  const double dram_j = times * work.bytes * p->dram_j;
  cost->macs[part] += times * work.macs;
  cost->bytes[part] += times * work.bytes;
  cost->dram_j[part] += dram_j;
  cost->comp_j[part] += times * work.macs * p->mac_j;
  return dram_j;
}

// What a node does beside its experts; beside: a device's, by what is charged.
static void add_node_work(const struct stage_model *s, const struct node_load *load,
                          const struct products *fc, const struct decode *decode, struct work beside,
                          struct serving_cost *cost) {
  const struct processor *xpu = &s->machine->xpu;
  const double layers = s->model->layers;
  const double xpus = s->machine->xpus;
  const struct work prefill = {load->prefill.macs, load->prefill.bytes};
  add_work(xpu, SERVING_FC, xpus, fc->work, cost);
  add_work(xpu, SERVING_PREFILL, layers * xpus, prefill, cost);
  add_work(xpu, SERVING_OTHER, xpus, beside, cost);
  if (decode->pim)
    cost->pim_dram_j +=
        add_work(&s->machine->pim, SERVING_DECODE, layers * s->machine->pims, decode->work, cost);
  else
    add_work(xpu, SERVING_DECODE, layers * xpus, decode->work, cost);
}

// All of a node but its experts. With co-processing the attention of both kinds runs at once.
static struct node_cost run_node(const struct stage_model *s, const struct node_load *load,
                                 struct serving_cost *cost) {
  const double layers = s->model->layers;
  const struct products fc = fc_of(s, load);
  const struct decode decode = decode_of(s, load);
  struct node_cost n = {.fc = fc.seconds + norms_of(s, load),
                        .prefill = layers * load->prefill.seconds,
                        .decode = layers * decode.seconds,
                        .links = links_of(s, load)};
  struct work beside = {0};
  n.xpu[SERVING_FC] = n.fc;
  n.xpu[SERVING_PREFILL] = n.prefill;
  (decode.pim ? n.pim : n.xpu)[SERVING_DECODE] = n.decode;
  if (s->machine->co_processing) {
    if (n.prefill < n.decode)
      n.prefill = 0;
    else
      n.decode = 0;
  }
  if (is_full(s)) {
    charged_node(s->machine, s->model, load, n.charge, &beside);
    n.xpu[SERVING_OTHER] = charged_on_xpu(n.charge);
  }
  add_node_work(s, load, &fc, &decode, beside, cost);
  return n;
}

// The same by measured times. Energy is not known then.
static struct node_cost profiled_node(const struct stage_model *s, const struct node_load *load) {
  const double layers = s->model->layers;
  struct node_cost n = {
      .fc = profile_dense(s->profile, s->model->layers, load->decoding + load->prefill.tokens,
                          load->decoding + load->prefill.ends),
      .prefill = layers * load->prefill.seconds,
      .decode = layers * profile_decode(s->profile, load->decoding, load->positions),
      .links = links_of(s, load)};
  n.xpu[SERVING_FC] = n.fc;
  n.xpu[SERVING_PREFILL] = n.prefill;
  n.xpu[SERVING_DECODE] = n.decode;
  return n;
}

static double node_seconds(const struct node_cost *n) {
  double sum = n->fc + n->prefill + n->decode + n->links;
  for (unsigned i = 0; i < SERVING_CHARGES; i++) sum += n->charge[i];
  return sum;
}

// The experts of a layer by measured times: whole ones on the devices of all nodes.
static struct experts_cost profiled_experts(const struct stage_model *s) {
  const unsigned devices = s->machine->nodes * s->machine->per_node;
  const double seconds = profile_experts(s->profile, s->counts, s->model->experts, devices, s->model->top_k);
  return (struct experts_cost){.seconds = seconds, .xpu_busy = seconds};
}

static struct experts_cost layer_of_experts(struct stage_model *s, double *charge) {
  if (s->profile) return profiled_experts(s);
  return s->measured ? measured_run(s->measured, s->counts, charge)
                     : experts_run(s->experts, s->counts, charge);
}

// Draws the experts of so many tokens, at most DRAW_MOST, in every MoE layer and charges them.
static void run_experts(struct stage_model *s, unsigned tokens, struct serving_cost *cost) {
  for (unsigned layer = 0; layer < model_moe_layers(s->model); layer++) {
    draw_experts(s, &s->random, layer, tokens);
    const struct experts_cost moe = layer_of_experts(s, cost->charge);
    cost->part[SERVING_MOE] += moe.seconds;
    cost->checked += moe.checked;
    cost->xpu[SERVING_MOE] += moe.xpu_busy;
    cost->pim[SERVING_MOE] += moe.pim_busy;
    cost->macs[SERVING_MOE] += moe.work.macs;
    cost->bytes[SERVING_MOE] += moe.work.bytes;
    add_work(&s->machine->xpu, SERVING_OTHER, 1, (struct work){.bytes = moe.beside}, cost);
    cost->dram_j[SERVING_MOE] += moe.dram_j;
    cost->comp_j[SERVING_MOE] += moe.comp_j;
    cost->pim_dram_j += moe.pim_dram_j;
  }
}

// The nodes wait for each other: the slowest counts.
void stage_run(struct stage_model *s, const struct node_load *loads, struct serving_cost *cost) {
  struct node_cost slowest = {0};
  double tokens = 0;
  *cost = (struct serving_cost){0};
  for (unsigned i = 0; i < s->machine->nodes; i++) {
    const struct node_cost n = s->profile ? profiled_node(s, &loads[i]) : run_node(s, &loads[i], cost);
    if (node_seconds(&n) > node_seconds(&slowest)) slowest = n;
    tokens += loads[i].decoding + loads[i].prefill.tokens;
  }
  cost->part[SERVING_FC] = slowest.fc;
  cost->part[SERVING_PREFILL] = slowest.prefill;
  cost->part[SERVING_DECODE] = slowest.decode;
  cost->part[SERVING_LINKS] = slowest.links;
  for (unsigned i = 0; i < SERVING_PARTS; i++) {
    cost->xpu[i] = slowest.xpu[i];
    cost->pim[i] = slowest.pim[i];
  }
  for (unsigned i = 0; i < SERVING_CHARGES; i++) cost->charge[i] = slowest.charge[i];
  for (; s->model->experts && tokens > 0; tokens -= DRAW_MOST)
    run_experts(s, (unsigned)(tokens < DRAW_MOST ? tokens : DRAW_MOST), cost);
  for (unsigned i = 0; i < SERVING_CHARGES; i++) cost->part[SERVING_OTHER] += cost->charge[i];
  for (unsigned i = 0; i < SERVING_PARTS; i++) cost->seconds += cost->part[i];
}

void stage_add_cost(struct serving_cost *sum, const struct serving_cost *cost) {
  sum->seconds += cost->seconds;
  sum->checked += cost->checked;
  sum->pim_dram_j += cost->pim_dram_j;
  for (unsigned i = 0; i < SERVING_PARTS; i++) {
    sum->part[i] += cost->part[i];
    sum->xpu[i] += cost->xpu[i];
    sum->pim[i] += cost->pim[i];
    sum->macs[i] += cost->macs[i];
    sum->bytes[i] += cost->bytes[i];
    sum->dram_j[i] += cost->dram_j[i];
    sum->comp_j[i] += cost->comp_j[i];
  }
  for (unsigned i = 0; i < SERVING_CHARGES; i++) sum->charge[i] += cost->charge[i];
}

double serving_sum(const double part[SERVING_PARTS]) {
  double sum = 0;
  for (unsigned i = 0; i < SERVING_PARTS; i++) sum += part[i];
  return sum;
}
