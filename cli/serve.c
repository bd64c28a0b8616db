// SPDX-License-Identifier: Apache-2.0
// duplex serve: simulates a system that serves a model.
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "cli/command.h"
#include "cli/json_values.h"
#include "cli/output.h"
#include "cli/progress.h"
#include "cli/serve_kernels.h"
#include "cli/serve_needs.h"
#include "cli/serve_report.h"
#include "cli/serve_scheduler.h"
#include "cli/serve_tables.h"
#include "cli/serve_values.h"
#include "duplex/error.h"
#include "serving/rate.h"

// Requests of a file: all of them are measured unless something else is asked for.
static int read_trace(const struct option *options, const struct serve_values *v, struct serving_options *s,
                      struct serving_trace *trace) {
  const char *path = option_value(options, "--trace");
  char error[600];
  if (!path) return EXIT_GOOD;
  if (s->rate > 0)
    return fail(EXIT_BAD_INPUT, "--qps with --trace: expected --rate, which stretches its arrivals");
  if (serving_trace_read(trace, path, v->format, v->rate, error, sizeof error))
    return fail(EXIT_BAD_INPUT, "--trace %s", error);
  s->trace = trace;
  if (!option_value(options, "--warm-up")) s->warm_up = 0;
  if (!option_value(options, "--measured")) s->measured = (unsigned)trace->count;
  return EXIT_GOOD;
}

// What is measured is there: behind the warm-up all, unless something else is asked for.
static int check_trace(const struct option *options, struct serving_options *s) {
  if (s->trace && !option_value(options, "--measured") && s->warm_up < s->trace->count)
    s->measured = (unsigned)(s->trace->count - s->warm_up);
  if (!s->trace || (size_t)s->warm_up + s->measured <= s->trace->count) return EXIT_GOOD;
  return fail(EXIT_BAD_INPUT,
              "--warm-up and --measured are %u and %u: expected at most %zu requests, as --trace has",
              s->warm_up, s->measured, s->trace->count);
}

static int refuse_given(const struct option *options, const char *const *names, const char *why) {
  for (; *names; names++)
    if (option_value(options, *names)) return fail(EXIT_BAD_INPUT, "%s%s", *names, why);
  return EXIT_GOOD;
}

// Options that would change nothing are refused: those of other modes, and of what a trace has.
static int refuse_ignored(const struct option *options, enum serving_mode mode) {
  static const char *const of_requests[] = {"--qps",           "--trace",     "--len-sd",  "--limit-first",
                                            "--limit-token",   "--find-rate", "--warm-up", "--requests-out",
                                            "--prefill-nodes", NULL};
  static const char *const in_trace[] = {"--lin", "--lout", "--len-sd", NULL};
  if (mode == SERVING_AUTHORS &&
      refuse_given(options, of_requests, " with --mode authors: expected another mode"))
    return EXIT_BAD_INPUT;
  if (!option_value(options, "--trace")) return EXIT_GOOD;
  return refuse_given(options, in_trace, " with --trace: expected the lengths of the trace alone");
}

// Reads what is simulated; with --trace the requests too.
static int read_serving(const struct option *options, struct serving_options *s, struct serve_values *v,
                        struct serving_trace *trace) {
  if (serve_values_read(options, s, v) || refuse_ignored(options, s->mode) ||
      read_trace(options, v, s, trace))
    return EXIT_BAD_INPUT;
  return check_trace(options, s);
}

static double clock_now(void) {
  struct timespec now;
  clock_gettime(CLOCK_MONOTONIC, &now);
  return (double)now.tv_sec + (double)now.tv_nsec * 1e-9;
}

static void tell_run(unsigned run, double rate) {
  progress_step("run %u of the search, at %g requests a second", run, rate);
}

// Once, or at the highest rate that keeps the limits.
static int run_model(const struct option *options, const struct serving_options *serving, double share,
                     struct serving_result *result, double *rate) {
  char error[1024];
  *rate = serving->rate;
  progress("simulating %s on %s", serving->model, serving->system);
  const int code = share > 0 ? serving_find_rate(serving, share, tell_run, rate, result, error, sizeof error)
                             : serving_run(serving, result, error, sizeof error);
  progress_end();
  if (!code) return EXIT_GOOD;
  if (code == DUPLEX_ERROR_NOT_AVAILABLE && strncmp(error, "measuring", 9) == 0)  // the firmware is not there
    return fail(EXIT_BAD_INPUT, "%s, or give --firmware native", error);
  name_file_option(options, error, sizeof error);
  return fail(code == DUPLEX_ERROR_NO_MEMORY ? EXIT_ERROR : EXIT_BAD_INPUT, "%s", error);
}

// Runs one system and writes its figures; the files get their names only if all was written.
static int simulate(const struct option *options, struct serving_options *serving, double share,
                    struct serve_tables *tables, struct outputs *outputs) {
  struct serving_result result;
  double rate;
  const double begin = clock_now();
  int status = run_model(options, serving, share, &result, &rate);
  const double host = clock_now() - begin;
  if (share > 0) serving->rate = rate > 0 ? rate : SERVING_RATE_LEAST;  // of which the results are
  if (!status) status = serve_tables_write(tables, options, outputs);
  if (!status)
    status = write_json(option_value(options, "--json"), outputs,
                        (json_t *[]){serve_json(serving, &result), serve_scheduler_json(serving, &result),
                                     serve_kernels_json(&result), serve_rate_json(share, rate)},
                        4);
  if (status) return status;
  serve_print(serving, &result, host);
  serve_kernels_print(&result);
  if (share > 0 && rate > 0) printf("  highest rate %10.3f requests a second\n", rate);
  if (share > 0 && rate == 0)
    printf("  highest rate  below %g requests a second, at which too few are good\n", SERVING_RATE_LEAST);
  status = flush_stdout();  // before the files get their names: all or nothing
  return status ? status : outputs_commit(outputs);
}

// A search needs what it searches: requests that come by a rate.
static int check_search(const struct option *options, double share, struct serving_options *serving) {
  if (share == 0) return EXIT_GOOD;
  if (serving_is_open(serving))
    return fail(EXIT_BAD_INPUT, "--find-rate: expected neither --qps nor --trace with it");
  if (option_value(options, "--requests-out") || option_value(options, "--stages-out") ||
      option_value(options, "--timeline"))
    return fail(EXIT_BAD_INPUT, "--find-rate: expected no table or timeline of one run with it");
  if (!option_value(options, "--warm-up")) serving->warm_up = 500;
  if (!option_value(options, "--measured")) serving->measured = 4000;
  return EXIT_GOOD;
}

// The command serve, from its options to its exit status.
static int run_serve(int argc, char **argv) {
  struct option options[OPTIONS_MOST];
  struct serving_options serving;
  struct serving_trace trace = {0};
  struct serve_tables tables = {0};
  struct outputs outputs = {0};
  struct serve_values values;
  int status = command_read(&serve_command, argc, argv, options);
  if (!status) status = read_serving(options, &serving, &values, &trace);
  if (!status) status = serve_needs_check(options, &serving);
  if (!status && serving.tables) status = serve_values_check_times(serving.tables);
  if (!status) status = serve_scheduler_check(options, &serving);
  if (!status) status = check_search(options, values.share, &serving);
  if (!status) status = serve_tables_open(&tables, options, &outputs, &serving);
  const char *json = status ? NULL : option_value(options, "--json");
  if (json) status = output_add(&outputs, "--json", json, OUTPUT_JSON);
  if (!status) status = outputs_keep_stdout(&outputs);
  if (!status) status = outputs_open(&outputs);
  if (!status) status = simulate(options, &serving, values.share, &tables, &outputs);
  outputs_discard(&outputs);
  serve_tables_close(&tables);
  serving_trace_free(&trace);
  return status;
}

static const struct option own_options[] = {
    {"--system", "NAME|FILE.json",
     "gpu, 2xgpu, duplex, duplex-pe, duplex-pe-et, bank-pim, bankgroup-pim, hetero, duplex-split, or a file",
     true, 0},
    {"--model", "NAME|FILE.json",
     "mixtral, glam, grok1, opt-66b, llama3-70b, a file, or a config.json of Hugging Face", true, 0},
    {"--batch", "N", "most requests in flight (default 64)", 0, 0},
    {"--lin", "N", "mean length of a prompt in tokens (default 1024)", 0, 0},
    {"--lout", "N", "mean length of an output in tokens (default 1024)", 0, 0},
    {"--len-sd", "S", "deviation of both lengths, as a fraction of the mean (default 0)", 0, 0},
    {"--qps", "R", "requests a second, Poisson; without it a closed loop", 0, 0},
    {"--trace", "FILE", "requests of a file: arrivals and lengths", 0, 0},
    {"--format", "auto|csv|azure|mooncake|burstgpt|vidur|splitwise|llmservingsim|vllm",
     "of the trace (default: by the columns or keys of its first line)", 0, 0},
    {"--rate", "R", "requests a second to which the arrivals of the trace are stretched", 0, 0},
    {"--scheduler", "stage|vllm",
     "the paper's, a token a stage for each request in flight (default), or as vLLM's engine: a budget of "
     "tokens, prompts in chunks, K and V in blocks, preemption",
     0, 0},
    {"--max-num-seqs", "N", "sequences that run on a node, with --scheduler vllm (default 128)", 0, 0},
    {"--max-num-batched-tokens", "N", "tokens of a step of a node, with --scheduler vllm (default 2048)", 0,
     0},
    {"--block-size", "N", "positions of a block of K and V, with --scheduler vllm (default 16)", 0, 0},
    {"--prefix-cache", NULL,
     "K and V of prompts stay for others that begin alike, by hash_ids of the trace, with --scheduler vllm",
     0, 0},
    {"--hash-block", "N", "tokens of one of the hash_ids (default 512), with --prefix-cache", 0, 0},
    {"--imbalance", "uniform|zipf:A|power:A|FILE.csv",
     "how popular experts are: all alike (default), the r-th 1 / r^A, random with density x^-A, or as "
     "duplex run --record-routing wrote",
     0, 0},
    {"--limit-first", "MS", "a good request waits at most so long for its first token", 0, 0},
    {"--limit-token", "MS", "and takes at most so long for each other one, in the mean", 0, 0},
    {"--mode", "full|paper|authors",
     "everything charged and Logic-PIM by the cycle model (default), the paper's idealisation, or that of "
     "its "
     "authors' public simulator, decoding only",
     0, 0},
    {"--policy", "default|best|paper|pim|xpu",
     "who runs which expert: in mode full best with co-processing, each on its faster side without "
     "(default); "
     "in the other modes the paper's (default), pim or xpu",
     0, 0},
    {"--times", "FOLDER", "tables of Logic-PIM's times that are not built in: read, or measured and kept", 0,
     0},
    {"--tables", "FOLDER",
     "times of the xPU's kernels that somebody measured, in place of the formulas of mode full: gemm.csv, "
     "prefill.csv, decode.csv, elements.csv, all_reduce.csv",
     0, 0},
    {"--measure", NULL, "measures the tables in mode full even if they are built in or in the folder", 0, 0},
    {"--activation-rule", "paper|strict",
     "strict: at most four bank activations of a rank within tFAW (default paper), in mode full", 0, 0},
    {"--partials", "acc|f32",
     "partial sums of Logic-PIM to the xPU: exact, 16 bytes each (default), or rounded to 4, in mode full", 0,
     0},
    {"--copies", "auto|1|2",
     "of each expert in DRAM, in mode full: one for Logic-PIM and one for the xPU have both work on it at "
     "once; "
     "auto (default): two, where these are faster and leave room for K and V of the batch",
     0, 0},
    {"--firmware", "riscv|native",
     "of Logic-PIM, in mode full: on the RV32 controller, with its time (default), or as if it took none", 0,
     0},
    {"--dram-preset", "hbm3_5200|hbm3_6400", "timing of the DRAM in mode full (default hbm3_5200)", 0, 0},
    {"--constants", "FILE.json", "rates, links and energies in place of the built-in ones", 0, 0},
    {"--nodes", "N", "nodes (default: the model's, times the system's factor)", 0, 0},
    {"--devices", "N", "devices of a node (default: likewise)", 0, 0},
    {"--prefill-nodes", "N", "of the nodes: these prefill and send K and V to the others, which decode", 0,
     0},
    {"--warm-up", "N", "stages before measuring (default 1000); with --qps requests (500)", 0, 0},
    {"--measured", "N", "stages that are measured (default 10000); with --qps requests (4000)", 0, 0},
    {"--seed", "N", "of all random numbers (default 1)", 0, 0},
    {"--find-rate", "SHARE", "searches the highest rate of requests of which this share is good, 0.001 to 1",
     0, 0},
    {"--json", "FILE.json", "the results", 0, 0},
    {"--requests-out", "FILE.csv", "a row for each measured request that is whole", 0, 0},
    {"--stages-out", "FILE.csv", "a row for each measured stage, with its time by part", 0, 0},
    {"--timeline", "FILE.json", "measured stages, processors, links and requests, for Perfetto", 0, 0},
    {"--quiet", NULL, "no line of progress on a terminal", 0, 0},
    {0}};

const struct command serve_command = {
    "serve",
    "",
    "simulates a system that serves a model",
    "Continuous batching in stages on nodes of xPUs, with or without Logic-PIM: throughput, latencies, time "
    "and energy by part. The same seed gives the same result on every machine.\n",
    own_options,
    false,
    run_serve};
