// SPDX-License-Identifier: Apache-2.0
// Results of the serving simulator.
#include "cli/serve_report.h"

#include <stdio.h>

#include "serving/byte_text.h"

static const char *const part_names[SERVING_PARTS] = {
    "fc", "attention_prefill", "attention_decode", "moe", "links", "other"};
static const char *const charge_names[SERVING_CHARGES] = {
    "launches",         "norms",        "lm_head",  "kv_append", "kv_migration", "combine",
    "tokens_to_stacks", "partial_sums", "decision", "hand_over", "firmware"};
static const char *const mode_names[] = {"full", "paper", "authors"};

const char *serve_part_name(unsigned part) { return part_names[part]; }

static double share(double part, double whole) { return whole > 0 ? part / whole : 0; }

// Of no samples there are none.
static json_t *percentiles_json(const struct serving_percentiles *p) {
  if (p->count == 0) return json_pack("{s:i}", "count", 0);
  return json_pack("{s:f, s:f, s:f, s:f, s:I}", "p50", p->p50 * 1e3, "p90", p->p90 * 1e3, "p99", p->p99 * 1e3,
                   "mean", p->mean * 1e3, "count", (json_int_t)p->count);
}

// Shares of the time by part, which add up to 1; none of no stage.
static json_t *shares_json(const struct serving_cost *cost) {
  json_t *object = json_object();
  for (unsigned i = 0; i < SERVING_PARTS; i++)
    json_object_set_new(object, part_names[i], json_real(share(cost->part[i], cost->seconds)));
  return object;
}

// What the part "other" consists of, as shares of the whole time.
static json_t *charges_json(const struct serving_cost *cost) {
  json_t *object = json_object();
  for (unsigned i = 0; i < SERVING_CHARGES; i++)
    json_object_set_new(object, charge_names[i], json_real(share(cost->charge[i], cost->seconds)));
  return object;
}

static double energy_of(const struct serving_cost *c) {
  return serving_sum(c->dram_j) + serving_sum(c->comp_j);
}

static double part_energy(const struct serving_cost *c, unsigned part) {
  return c->dram_j[part] + c->comp_j[part];
}

static json_t *energy_json_of(const struct serving_cost *c, double tokens) {
  const double attention_dram = c->dram_j[SERVING_PREFILL] + c->dram_j[SERVING_DECODE];
  const double attention_comp = c->comp_j[SERVING_PREFILL] + c->comp_j[SERVING_DECODE];
  const double other = part_energy(c, SERVING_LINKS) + part_energy(c, SERVING_OTHER);
  return json_pack("{s:f, s:f, s:f, s:f, s:f, s:f, s:f, s:f}", "total", share(energy_of(c), tokens),
                   "fc_dram", share(c->dram_j[SERVING_FC], tokens), "fc_comp",
                   share(c->comp_j[SERVING_FC], tokens), "attn_dram", share(attention_dram, tokens),
                   "attn_comp", share(attention_comp, tokens), "moe_dram",
                   share(c->dram_j[SERVING_MOE], tokens), "moe_comp", share(c->comp_j[SERVING_MOE], tokens),
                   "other", share(other, tokens));
}

// Of each type of layer: its share of the time, operations a byte of DRAM, TFLOP/s of a device while it runs,
// and how much of its time each processor works.
static json_t *layers_json(const struct serving_cost *c, unsigned devices) {
  json_t *object = json_object();
  for (unsigned i = 0; i < SERVING_LINKS; i++)
    json_object_set_new(
        object, part_names[i],
        json_pack("{s:f, s:f, s:f, s:f, s:f}", "time_share", share(c->part[i], c->seconds), "op_per_byte",
                  share(2 * c->macs[i], c->bytes[i]), "tflops_per_device",
                  share(2e-12 * c->macs[i], c->part[i] * devices), "xpu_share", share(c->xpu[i], c->seconds),
                  "logic_pim_share", share(c->pim[i], c->seconds)));
  return object;
}

// Shares of the time that are clocks from tables of the cycle model, which the RTL agrees with.
static json_t *checked_json(const struct serving_cost *cost) {
  return json_real(share(cost->checked, cost->seconds));
}

// What is told of one kind of stages; nothing if there was none of them.
static void add_kind(json_t *all, const char *kind, const struct serving_cost *cost, unsigned devices) {
  char name[40];
  if (cost->seconds == 0) return;
  snprintf(name, sizeof name, "time_shares_%s", kind);
  json_object_set_new(all, name, shares_json(cost));
  snprintf(name, sizeof name, "layers_%s", kind);
  json_object_set_new(all, name, layers_json(cost, devices));
  json_object_set_new(json_object_get(all, "rtl_checked_shares"), kind, checked_json(cost));
}

static json_t *what_json(const struct serving_options *o, const struct serving_result *r) {
  return json_pack("{s:i, s:s, s:s, s:s, s:s, s:i, s:i, s:i, s:i, s:i, s:f, s:f, s:I}", "schema_version", 1,
                   "command", "serve", "system", o->system, "model", o->model, "mode", mode_names[o->mode],
                   "nodes", (int)r->nodes, "devices", (int)r->devices, "batch", (int)r->batch, "lin",
                   (int)o->input, "lout", (int)o->output, "len_sd", o->deviation, "qps", o->rate, "seed",
                   (json_int_t)o->seed);
}

json_t *serve_json(const struct serving_options *o, const struct serving_result *r) {
  json_t *all = what_json(o, r);
  json_t *results = json_pack(
      "{s:f, s:o, s:o, s:o, s:o, s:f, s:f, s:f, s:{s:I, s:I}, s:o, s:{s:o}, s:f, s:f, s:f, s:f, s:i, s:b, "
      "s:f}",
      "throughput_tok_s", r->throughput, "tbt_ms", percentiles_json(&r->tbt), "t2ft_ms",
      percentiles_json(&r->t2ft), "e2e_ms", percentiles_json(&r->e2e), "energy_j_per_token",
      energy_json_of(&r->sum, r->tokens), "seconds", r->seconds, "tokens", r->tokens, "requests", r->requests,
      "stages", "all", (json_int_t)r->stages, "decoding_only", (json_int_t)r->decoding_only, "time_shares",
      shares_json(&r->sum), "rtl_checked_shares", "all", checked_json(&r->sum), "xpu_utilisation",
      share(serving_sum(r->sum.xpu), r->sum.seconds), "logic_pim_utilisation",
      share(serving_sum(r->sum.pim), r->sum.seconds), "kv_capacity_bytes", r->kv_capacity, "kv_most_bytes",
      r->kv_most, "copies", (int)r->copies, "striped", (int)r->striped, "expert_bytes", r->expert_bytes);
  json_object_update(all, results);
  if (o->mode == SERVING_AUTHORS)  // whose simulator counts what Logic-PIM reads twice
    json_object_set_new(all, "energy_j_per_token_counted_twice",
                        json_real(share(energy_of(&r->sum) + r->sum.pim_dram_j, r->tokens)));
  json_object_set_new(all, "goodput_requests_s", json_real(share(r->good, r->seconds)));
  json_object_set_new(all, "good_requests", json_real(r->good));
  if (o->mode == SERVING_FULL && r->has_pim)
    json_object_set_new(all, "firmware", json_string(o->native ? "native" : "riscv"));
  if (o->mode == SERVING_FULL) json_object_set_new(all, "charged_shares", charges_json(&r->sum));
  if (o->trace)
    json_object_set_new(
        all, "trace",
        json_pack("{s:I, s:I, s:b}", "requests", (json_int_t)o->trace->count, "failed_requests",
                  (json_int_t)o->trace->failures, "last_line_has_no_end", (int)o->trace->unended));
  add_kind(all, "decoding_only", &r->decoding_cost, r->devices);
  add_kind(all, "mixed", &r->mixed_cost, r->devices);
  json_decref(results);
  return all;
}

json_t *serve_rate_json(double share, double rate) {
  return share > 0 ? json_pack("{s:f, s:f}", "find_rate_share", share, "highest_rate_requests_s", rate)
                   : json_object();
}

static void print_times(const char *name, const struct serving_percentiles *p) {
  if (p->count == 0) {
    printf("  %-18s %10s %10s %10s %10s  ms, of 0\n", name, "-", "-", "-", "-");
    return;
  }
  printf("  %-18s %10.3f %10.3f %10.3f %10.3f  ms, of %zu\n", name, p->p50 * 1e3, p->p90 * 1e3, p->p99 * 1e3,
         p->mean * 1e3, p->count);
}

static void print_row(const char *name, double time, double op_byte, double xpu, double pim, double joule,
                      double tokens) {
  printf("  %-18s %9.1f%% ", name, 100 * time);
  if (op_byte > 0)
    printf("%10.2f", op_byte);
  else
    printf("%10s", "");
  printf(" %9.1f%% %9.1f%% %10.3f\n", 100 * xpu, 100 * pim, 1e3 * share(joule, tokens));
}

// Time, work and energy by part; shares are those of all time.
static void print_parts(const struct serving_cost *c, double tokens) {
  printf("  %-18s %10s %10s %10s %10s %10s\n", "", "time", "Op/B", "xPU works", "PIM works", "mJ/token");
  for (unsigned i = 0; i < SERVING_PARTS; i++)
    print_row(part_names[i], share(c->part[i], c->seconds), share(2 * c->macs[i], c->bytes[i]),
              share(c->xpu[i], c->seconds), share(c->pim[i], c->seconds), part_energy(c, i), tokens);
  print_row("all", 1, share(2 * serving_sum(c->macs), serving_sum(c->bytes)),
            share(serving_sum(c->xpu), c->seconds), share(serving_sum(c->pim), c->seconds), energy_of(c),
            tokens);
}

void serve_print(const struct serving_options *o, const struct serving_result *r, double host) {
  printf("%s on %s, %u device%s, mode %s\n", o->model, o->system, r->devices, r->devices == 1 ? "" : "s",
         mode_names[o->mode]);
  printf("  throughput   %10.1f tokens/s, %u requests in flight at most, K and V %s of %s\n", r->throughput,
         r->batch, byte_text(r->kv_most, 1).text, byte_text(r->kv_capacity, 1).text);
  if (r->expert_bytes > 0)
    printf("  experts      %13s of DRAM, %s of each%s\n", byte_text(r->expert_bytes, 1).text,
           r->copies > 1 ? "two copies" : "one copy", r->striped ? ", over all bundles" : "");
  printf("  %-18s %10s %10s %10s %10s\n", "", "p50", "p90", "p99", "mean");
  print_times("TBT", &r->tbt);
  print_times("T2FT", &r->t2ft);
  print_times("E2E", &r->e2e);
  print_parts(&r->sum, r->tokens);
  printf(
      "  of the time %.1f%% are clocks of the cycle model that the RTL agrees with; the rest is formulas\n",
      100 * share(r->sum.checked, r->sum.seconds));
  if (o->limit_first > 0 || o->limit_token > 0)
    printf("  goodput      %10.3f requests/s within the limits, %.1f%% of %zu\n", share(r->good, r->seconds),
           100 * share(r->good, (double)r->e2e.count), r->e2e.count);
  if (o->trace && o->trace->failures)
    printf("  the trace has %zu requests, and %zu that failed and are passed over\n", o->trace->count,
           o->trace->failures);
  if (o->trace && o->trace->unended)
    printf("  the last line of the trace has no line feed behind it: was it cut off?\n");
  printf("  %.0f stages in %.2f s of this host, %.0f a second\n", (double)r->all_stages, host,
         share((double)r->all_stages, host));
}
