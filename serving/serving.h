// SPDX-License-Identifier: Apache-2.0
// The serving simulator: requests, stages, time and energy of a system that serves a model
// (docs/serving.md).
//
// Doubles throughout, of sums, products, quotients and comparisons only: the same result by seed on every
// machine.
#ifndef SERVING_SERVING_H
#define SERVING_SERVING_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "serving/kernels.h"
#include "serving/trace_file.h"

// FULL: everything charged, Logic-PIM by the cycle model. PAPER: the paper's idealisation. AUTHORS: that of
// the authors' public simulator, decoding only.
enum serving_mode { SERVING_FULL, SERVING_PAPER, SERVING_AUTHORS };

// Of mode FULL, for systems with Logic-PIM. DEFAULT: best with co-processing, each expert on its faster side
// without.
enum serving_policy {
  SERVING_POLICY_DEFAULT,
  SERVING_POLICY_BEST,
  SERVING_POLICY_PAPER,
  SERVING_POLICY_PIM,
  SERVING_POLICY_XPU
};

// STAGES: the paper's (serving/scheduler_stage.c). VLLM: what vLLM's engine documents.
enum serving_scheduler { SERVING_STAGES, SERVING_VLLM };

struct serving_cost;

// A whole request that is measured, and a measured stage, as they end; times in seconds from the begin.
struct serving_request {
  uint64_t number;
  double arrival, first, end;
  unsigned input, output;
  bool good;
};
struct serving_stage {
  uint64_t number;
  double end, seconds;
  unsigned decoding, prefills;
  bool prefill_half;  // of the devices that only prefill
  const struct serving_cost *cost;
};

struct serving_options {
  const char *system, *model, *constants;  // built-in names or files; constants may be NULL
  enum serving_mode mode;
  enum serving_policy policy;
  unsigned copies;                 // FULL: of each expert, 1 or 2; 0: two where they are faster and have room
  const char *kernels;             // folder of measured kernels (serving/kernels.h); may be NULL
  const char *profile;             // folder of a measured engine's layers (serving/profile.h); may be NULL
  double memory;                   // bytes of a device; 0: by the system
  double link_rate, link_latency;  // bytes a second and seconds of its links; rate 0: both by the system
  const char *tables;              // folder of tables of time that are not built in; may be NULL
  bool strict;                     // activation rule of the DRAM in mode FULL
  bool f32_partials;               // partial sums of Logic-PIM go to the xPU as binary32, not exactly
  bool native;                     // FULL: its firmware takes no time; else it runs on the RV32 controller
  const char *dram_preset;         // its timing; NULL: hbm3_5200
  bool measure;                    // measure tables that are there, too
  unsigned nodes, devices;         // 0: those of the model, times the system's factor
  // What gave these, for messages: an option, or a file's line and its key. NULL: they are named.
  const char *nodes_from, *devices_from, *memory_from;
  unsigned prefill_nodes;             // of the nodes: these prefill, the others decode; 0: all do both
  unsigned batch;                     // most requests in flight, 1 to 65536
  unsigned input, output;             // mean lengths in tokens, 1 to 2^20
  double deviation;                   // of both lengths, as a fraction of the mean, 0 to 1
  const struct serving_trace *trace;  // requests of a file, in place of `rate` and lengths; or NULL
  const char *imbalance;              // of experts, as in serving/imbalance.h; NULL: uniform
  double limit_first, limit_token;  // seconds that a good request may wait for its first token, and take for
                                    // each other one in the mean; 0: any
  enum serving_scheduler scheduler;
  // VLLM, of each node: sequences in a step, tokens in a step (at least as many), positions of a block.
  unsigned most_sequences, most_tokens, block_size;
  bool prefix_cache;    // VLLM: K and V of prompts are kept for others that begin alike,
  unsigned hash_block;  // in parts of so many positions, a multiple of block_size, by the trace's hashes
  double rate;          // requests per second; 0: closed loop
  unsigned warm_up, measured;  // stages of a closed loop, requests of an open one
  uint64_t seed;
  // Told as they end; may be NULL.
  void (*on_request)(void *context, const struct serving_request *request);
  void (*on_stage)(void *context, const struct serving_stage *stage);
  void *context;
};

struct serving_percentiles {
  double p50, p90, p99, mean;
  size_t count;
};

enum serving_part {
  SERVING_FC,
  SERVING_PREFILL,
  SERVING_DECODE,
  SERVING_MOE,
  SERVING_LINKS,
  SERVING_OTHER,
  SERVING_PARTS
};
// Mode FULL: what the part OTHER consists of.
enum serving_charge {
  SERVING_LAUNCHES,
  SERVING_NORMS,
  SERVING_HEAD,
  SERVING_APPEND,
  SERVING_MIGRATION,
  SERVING_COMBINE,
  SERVING_TOKENS,
  SERVING_SUMS,
  SERVING_DECISION,
  SERVING_HAND_OVER,
  SERVING_FIRMWARE,
  SERVING_CHARGES
};

// What a stage takes. `part` adds up to `seconds`: of two that run at once the longer one counts.
struct serving_cost {
  double seconds;
  double part[SERVING_PARTS];
  double charge[SERVING_CHARGES];
  double checked;  // of `seconds`: clocks of Logic-PIM from tables of the cycle model, where no other waits
  double xpu[SERVING_PARTS], pim[SERVING_PARTS];        // seconds in which the processors work
  double macs[SERVING_PARTS], bytes[SERVING_PARTS];     // of all devices; bytes of DRAM
  double dram_j[SERVING_PARTS], comp_j[SERVING_PARTS];  // of all devices
  double pim_dram_j;                                    // what Logic-PIM has of dram_j
};

// Sum over the parts: time that a processor works.
double serving_sum(const double part[SERVING_PARTS]);

struct serving_result {
  unsigned nodes, devices;  // as simulated
  bool has_pim;             // these have Logic-PIM or another PIM
  unsigned batch;           // most requests that were in flight
  double seconds;           // measured
  double tokens;            // generated meanwhile
  double requests;          // completed meanwhile
  uint64_t stages, decoding_only, all_stages;
  struct kernels_asked kernels[KERNEL_TABLES];  // how the times of measured kernels came about
  uint64_t prompt_tokens, cached_tokens;        // VLLM, of the whole run: of all begins; not computed
  uint64_t preemptions;                         // VLLM, of the whole run
  double good;                                  // of `requests`: within both limits
  double throughput;                            // tokens per second
  double kv_capacity, kv_most;                  // bytes of all devices
  unsigned copies;                              // of each expert, on nodes that decode
  bool striped;                                 // a copy lies over all bundles
  double expert_bytes;                          // that they keep, of all devices
  struct serving_percentiles tbt, t2ft, e2e;    // seconds
  struct serving_cost sum;                      // of the measured stages
  struct serving_cost decoding_cost;            // of those of them that only decode
  struct serving_cost mixed_cost;               // of the others
};

static inline bool serving_is_open(const struct serving_options *o) { return o->rate > 0 || o->trace; }

// Simulates. Returns 0 or a code of duplex/error.h, with a line in `error`.
int serving_run(const struct serving_options *options, struct serving_result *result, char *error,
                size_t size);

#endif
