// SPDX-License-Identifier: Apache-2.0
// Results of the serving simulator.
#include "cli/serve_report.h"

#include <stdio.h>

static const char *const part_names[SERVING_PARTS] = {
    "fc", "attention_prefill", "attention_decode", "moe", "links", "other"};
static const char *const charge_names[SERVING_CHARGES] = {
    "launches",         "norms",        "lm_head",  "kv_append", "kv_migration", "combine",
    "tokens_to_stacks", "partial_sums", "decision", "hand_over", "firmware"};
static const char *const mode_names[] = {"full", "paper", "authors"};

static double share(double part, double whole) { return whole > 0 ? part / whole : 0; }

static json_t *percentiles_json(const struct serving_percentiles *p) {
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
  double total = 0;
  for (unsigned i = 0; i < SERVING_ENERGIES; i++) total += c->dram_j[i] + c->comp_j[i];
  return total;
}

static json_t *energy_json_of(const struct serving_cost *c, double tokens) {
  const double total = energy_of(c);
  return json_pack("{s:f, s:f, s:f, s:f, s:f, s:f, s:f, s:f}", "total", share(total, tokens), "fc_dram",
                   share(c->dram_j[SERVING_FC_J], tokens), "fc_comp", share(c->comp_j[SERVING_FC_J], tokens),
                   "attn_dram", share(c->dram_j[SERVING_ATTENTION_J], tokens), "attn_comp",
                   share(c->comp_j[SERVING_ATTENTION_J], tokens), "moe_dram",
                   share(c->dram_j[SERVING_MOE_J], tokens), "moe_comp",
                   share(c->comp_j[SERVING_MOE_J], tokens), "other", 0.0);
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
      "{s:f, s:o, s:o, s:o, s:o, s:f, s:f, s:f, s:{s:I, s:I}, s:o, s:o, s:f, s:f, s:f, s:f}",
      "throughput_tok_s", r->throughput, "tbt_ms", percentiles_json(&r->tbt), "t2ft_ms",
      percentiles_json(&r->t2ft), "e2e_ms", percentiles_json(&r->e2e), "energy_j_per_token",
      energy_json_of(&r->sum, r->tokens), "seconds", r->seconds, "tokens", r->tokens, "requests", r->requests,
      "stages", "all", (json_int_t)r->stages, "decoding_only", (json_int_t)r->decoding_only, "time_shares",
      shares_json(&r->sum), "time_shares_decoding_only", shares_json(&r->decoding_cost), "xpu_utilisation",
      share(r->sum.xpu_busy, r->sum.seconds), "logic_pim_utilisation", share(r->sum.pim_busy, r->sum.seconds),
      "kv_capacity_bytes", r->kv_capacity, "kv_most_bytes", r->kv_most);
  json_object_update(all, results);
  if (o->mode == SERVING_AUTHORS)  // whose simulator counts what Logic-PIM reads twice
    json_object_set_new(all, "energy_j_per_token_counted_twice",
                        json_real(share(energy_of(&r->sum) + r->sum.pim_dram_j, r->tokens)));
  json_object_set_new(all, "goodput_requests_s", json_real(share(r->good, r->seconds)));
  json_object_set_new(all, "good_requests", json_real(r->good));
  if (o->mode == SERVING_FULL) json_object_set_new(all, "charged_shares", charges_json(&r->sum));
  json_object_set_new(all, "time_shares_mixed", shares_json(&r->mixed_cost));
  json_decref(results);
  return all;
}

json_t *serve_rate_json(double share, double rate) {
  return share > 0 ? json_pack("{s:f, s:f}", "find_rate_share", share, "highest_rate_requests_s", rate)
                   : json_object();
}

static void print_times(const char *name, const struct serving_percentiles *p) {
  printf("  %-12s %10.3f %10.3f %10.3f  ms, p50 p90 p99 of %zu\n", name, p->p50 * 1e3, p->p90 * 1e3,
         p->p99 * 1e3, p->count);
}

void serve_print(const struct serving_options *o, const struct serving_result *r, double host) {
  printf("%s on %s, %u device%s, mode %s\n", o->model, o->system, r->devices, r->devices == 1 ? "" : "s",
         mode_names[o->mode]);
  printf("  throughput   %10.1f tokens/s, %u requests in flight at most\n", r->throughput, r->batch);
  print_times("TBT", &r->tbt);
  print_times("T2FT", &r->t2ft);
  print_times("E2E", &r->e2e);
  printf("  time by part");
  for (unsigned i = 0; i < SERVING_PARTS; i++)
    printf(" %s %.1f%%", part_names[i], 100 * share(r->sum.part[i], r->sum.seconds));
  printf("\n  %.0f stages in %.2f s of this host, %.0f a second\n", (double)r->all_stages, host,
         share((double)r->all_stages, host));
}
