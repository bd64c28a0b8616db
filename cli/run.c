// SPDX-License-Identifier: Apache-2.0
// duplex run: a model's tokens for prompts, prefill on the xPU, decode on both processors.
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "cli/command.h"
#include "cli/device_options.h"
#include "cli/model_error.h"
#include "cli/npy.h"
#include "cli/output.h"
#include "cli/progress.h"
#include "cli/run_invariance.h"
#include "cli/run_requests.h"
#include "cli/run_statistics.h"
#include "cli/run_summary.h"
#include "cli/run_text.h"
#include "cli/run_timeline.h"
#include "model/prefixes.h"

struct run {
  const struct option *options;
  struct model *model;
  struct run_requests requests;
  struct outputs outputs;
  struct generation_options generation;
  struct network_options network;
  struct invariance_wanted invariance;
  struct tensor logits;    // [all new tokens][vocabulary], by request; no data: not wanted
  size_t *first;           // row of each request's first token
  struct routing routing;  // what --record-routing writes
  struct run_timeline timeline;
  size_t done, all;  // tokens
  bool streams;      // each token is printed as it is chosen
  struct model_stream stream;
};

static int model_error_status(int error, const char *text) { return fail(exit_status_of(error), "%s", text); }

static int open_model(struct run *run) {
  struct model_error error;
  progress("opening the model");
  const int status = model_open(option_value(run->options, "--model"), &run->model, &error);
  progress_end();
  return status ? model_file_error(status, error.text) : EXIT_GOOD;
}

// Rows of the requests in the logits, in the order in which they were given.
static int take_logits(struct run *run) {
  const size_t vocabulary = model_config_of(run->model)->vocabulary;
  run->first = malloc(run->requests.count * sizeof *run->first);
  if (!run->first) return fail(EXIT_ERROR, "too little memory for the logits");
  size_t rows = 0;
  for (size_t number = 0; number < run->requests.count; number++)
    for (size_t i = 0; i < run->requests.count; i++) {
      if (run->requests.request[i].number != number) continue;
      run->first[number] = rows;
      rows += run->requests.request[i].new_tokens;
    }
  run->all = rows;
  if (!option_value(run->options, "--logits")) return EXIT_GOOD;
  return tensor_new(ELEMENT_F32, 2, (const size_t[]){rows, vocabulary}, &run->logits);
}

// Requests that ended early leave rows of the logits empty: the later ones move up.
static void close_gaps(struct run *run) {
  const size_t row_bytes = run->logits.shape[1] * sizeof(duplex_f32);
  size_t row = 0;
  for (size_t number = 0; number < run->requests.count; number++)
    for (size_t i = 0; i < run->requests.count; i++) {
      const struct generation_request *request = &run->requests.request[i];
      if (request->number != number) continue;
      memmove((char *)run->logits.data + row * row_bytes,
              (char *)run->logits.data + run->first[number] * row_bytes, request->token_count * row_bytes);
      row += request->token_count;
    }
  run->logits.shape[0] = row;
  run->logits.count = row * run->logits.shape[1];
}

static int chosen(void *context, const struct generation_request *request, const duplex_f32 *logits) {
  struct run *run = context;
  const size_t index = request->token_count - 1;
  progress_share(++run->done, run->all);
  if (run->logits.data)
    memcpy((duplex_f32 *)run->logits.data + (run->first[request->number] + index) * run->logits.shape[1],
           logits, run->logits.shape[1] * sizeof *logits);
  if (run->streams) run_print_token(&run->requests, request, &run->stream);
  return DUPLEX_OK;
}

static void print_requests(const struct run *run) {
  for (size_t number = 0; number < run->requests.count; number++)
    for (size_t i = 0; i < run->requests.count; i++)
      if (run->requests.request[i].number == number)
        run_print_request(&run->requests, &run->requests.request[i]);
}

static double now(void) {
  struct timespec time;
  clock_gettime(CLOCK_MONOTONIC, &time);
  return (double)time.tv_sec + 1e-9 * (double)time.tv_nsec;
}

// Writes all files and standard output of a run; the files get their names only if all was written.
static int write_results(struct run *run, const struct generation_statistics *statistics, double seconds) {
  int status = EXIT_GOOD;
  if (run->logits.data) {
    close_gaps(run);
    status = output_tensor(&run->outputs, option_value(run->options, "--logits"), &run->logits);
  }
  if (!status) status = routing_write(&run->routing, run->options, &run->outputs);
  if (!status) status = run_timeline_write(&run->timeline, run->options, &run->outputs);
  if (!status) status = write_run_stats(run->options, &run->outputs, &run->requests, statistics, seconds);
  if (!status && run->streams) run_print_end(&run->requests, &run->stream);
  if (!status && !run->streams) print_requests(run);
  if (!status) status = flush_stdout();  // before the files get their names: all or nothing
  if (!status) status = outputs_commit(&run->outputs);
  if (!status) run_summary(statistics, seconds, !run->network.untimed);
  return status;
}

static void routed(void *context, size_t step, unsigned layer, const uint16_t *tokens) {
  routing_note(&((struct run *)context)->routing, step, layer, tokens);
}

static void happened(void *context, size_t step, int layer, const struct duplex_event *event) {
  run_timeline_note(&((struct run *)context)->timeline, step, layer, event);
}

static bool wants_timeline(const struct run *run) {
  return option_value(run->options, "--timeline") || option_value(run->options, "--timeline-picture");
}

static void set_observers(struct run *run) {
  run->network.context = run;
  if (option_value(run->options, "--record-routing")) run->network.routed = routed;
  if (wants_timeline(run)) run->network.happened = happened;
}

// The error of a file, of the model or of another option, has its path.
static int network_error(const struct run *run, int error, struct model_error *cause) {
  const char *model = option_value(run->options, "--model");
  output_restore_name(&run->outputs, cause->text, sizeof cause->text);
  name_file_option(run->options, cause->text, sizeof cause->text);
  if (strncmp(cause->text, model, strlen(model)) == 0) return model_file_error(error, cause->text);
  return model_error_status(error, cause->text);
}

// Opens the device, runs all requests and writes what they gave.
static int generate(struct run *run) {
  struct network *network;
  struct model_error error;
  struct generation_statistics statistics;
  progress("bringing weights to the device");
  set_observers(run);
  int status = network_open(run->model, &run->network, &network, &error);
  if (status) {
    progress_end();
    return network_error(run, status, &error);
  }
  if (network_device(network)) run->timeline.stacks = duplex_device_stacks(network_device(network));
  progress("generating");
  const double begin = now();
  status = generation_run(network, run->requests.request, run->requests.count, &run->generation, &statistics,
                          &error);
  const double seconds = now() - begin;
  progress_end();
  if (status && run->streams) run_print_end(&run->requests, &run->stream);
  if (status) status = model_error_status(status, error.text);
  if (!status) status = write_results(run, &statistics, seconds);
  network_close(network);
  return status;
}

// A check of invariance writes no files, and its ways have batches, chunks and back ends of their own.
static int check_options_of_invariance(const struct option *options) {
  static const char *const names[] = {
      "--batch",          "--prefill-chunk",    "--no-clocks", "--logits", "--record-routing",
      "--timeline",       "--timeline-picture", "--stats",     "--trace",  "--command-trace",
      "--firmware-trace", "--firmware-profile", "--gdb",       NULL};
  const bool checks = option_value(options, "--check-invariance");
  for (unsigned i = 0; names[i] && checks; i++)
    if (option_value(options, names[i]))
      return fail(EXIT_BAD_INPUT, "%s has no effect on --check-invariance: expected one of them", names[i]);
  if (!checks && option_value(options, "--rtl-tokens"))
    return fail(EXIT_BAD_INPUT, "--rtl-tokens: expected --check-invariance with it");
  return EXIT_GOOD;
}

// Reads the options that are neither of requests nor of outputs.
static int read_options_of_run(struct run *run) {
  uint64_t batch, chunk, parts, rtl_tokens;
  if (check_options_of_invariance(run->options) ||
      number_option(run->options, "--rtl-tokens", 1, UINT32_MAX, INVARIANCE_RTL_TOKENS, &rtl_tokens) ||
      number_option(run->options, "--batch", 1, 4096, 32, &batch) ||
      number_option(run->options, "--prefill-chunk", 0, 1048576, 0, &chunk) ||
      number_option(run->options, "--split-ffn", 1, 65536, 0, &parts))
    return EXIT_BAD_INPUT;
  run->network.split_ffn = (unsigned)parts;
  run->network.shares = option_value(run->options, "--share-prefix") != NULL;
  run->network.untimed = option_value(run->options, "--no-clocks") != NULL;
  run->generation =
      (struct generation_options){.batch = batch,
                                  .chunk = chunk,
                                  .ignore_end_tokens = option_value(run->options, "--ignore-eos"),
                                  .chosen = chosen,
                                  .shares_prefix = run->network.shares,
                                  .context = run};
  run->invariance = (struct invariance_wanted){run->generation.ignore_end_tokens, rtl_tokens};
  if (run->network.untimed && wants_timeline(run))
    return fail(EXIT_BAD_INPUT, "%s: expected without --no-clocks, which has no times of stacks",
                option_value(run->options, "--timeline") ? "--timeline" : "--timeline-picture");
  return read_device_options(run->options, &run->network.device);
}

// What options ask of the model.
static int check_options_of_model(const struct run *run) {
  struct model_error error;
  if (!network_check_split(model_config_of(run->model), run->network.split_ffn, &error)) return EXIT_GOOD;
  return fail(EXIT_BAD_INPUT, "--split-ffn: %s", error.text);
}

static int add_outputs(struct run *run) {
  const char *logits = option_value(run->options, "--logits");
  const char *routing = option_value(run->options, "--record-routing");
  if (logits && output_add(&run->outputs, "--logits", logits, OUTPUT_TENSOR)) return EXIT_BAD_INPUT;
  if (routing && output_add(&run->outputs, "--record-routing", routing, OUTPUT_TABLE)) return EXIT_BAD_INPUT;
  if (add_timeline(run->options, &run->outputs)) return EXIT_BAD_INPUT;
  return outputs_keep_stdout(&run->outputs);
}

// Room for as many of the longest requests as run at once.
static void set_network(struct run *run, const struct wanted_stack *wanted) {
  const size_t batch =
      run->generation.batch < run->requests.count ? run->generation.batch : run->requests.count;
  run->generation.batch = batch;
  run->network.backend = wanted->backend;
  run->network.device.stack = wanted->stack;
  run->network.device.threads = wanted->stack.backend.threads;
  const size_t prefixes =
      run->network.shares ? prefixes_count(run->requests.request, run->requests.count) : 0;
  run->network.sequences = batch + prefixes;
  run->network.decode_positions = run->network.sequences * run->requests.longest;
  run->network.prefill_positions = run->network.decode_positions;
}

// The command run, from its options to its exit status.
static int run_model(int argc, char **argv) {
  struct option options[OPTIONS_MOST];
  struct run run = {.options = options};
  struct wanted_stack wanted;
  int status = command_read(&run_command, argc, argv, options);
  if (!status) status = read_options_of_run(&run);
  if (!status) status = open_model(&run);
  if (!status) status = check_options_of_model(&run);
  if (!status) status = run_requests_read(options, model_config_of(run.model), &run.requests);
  if (!status) status = take_logits(&run);
  if (!status) status = add_outputs(&run);
  if (!status) status = routing_begin(&run.routing, model_config_of(run.model)->experts);
  if (!status) status = read_stack_options(options, &run.outputs, &wanted);
  if (!status) {
    run.streams = run.requests.count == 1 && isatty(STDOUT_FILENO);
    set_network(&run, &wanted);
    status = option_value(options, "--check-invariance")
                 ? check_invariance(run.model, &run.requests, &run.network, &run.invariance)
                 : generate(&run);
  }
  outputs_discard(&run.outputs);
  tensor_free(&run.logits);
  routing_free(&run.routing);
  run_timeline_free(&run.timeline);
  free(run.first);
  run_requests_free(&run.requests);
  model_close(run.model);
  return status;
}

static const struct option own_options[] = {
    {"--model", "DIR|FILE.gguf", "a folder with config.json and .safetensors, or a GGUF file", true, 0},
    {"--prompt-ids", "LIST", "token numbers of one prompt, with commas between them", 0, 0},
    {"--prompt", "TEXT", "one prompt, by the model's tokenizer; the answer is a text", 0, 0},
    {"--requests", "FILE.jsonl",
     "a request a line: prompt_ids or prompt; max_new, arrival_s, seed may be left out", 0, 0},
    {"--max-new", "N", "new tokens of a request at most (default 64)", 0, 0},
    {"--ignore-eos", NULL, "end tokens do not end a request", 0, 0},
    {"--temperature", "T", "draws from the softmax of logits / T; 0 (default): the largest logit", 0, 0},
    {"--top-k", "K", "draws from the K largest logits only; 0 (default): from all", 0, 0},
    {"--top-p", "P", "draws from the fewest tokens that have the share P of the weights (default 1)", 0, 0},
    {"--seed", "S", "of the draws, which depend on it, on the request and on the position alone (default 1)",
     0, 0},
    {"--batch", "N", "requests at once, at most (default 32)", 0, 0},
    {"--prefill-chunk", "N", "tokens of a prompt in a step, at most; 0 (default): all", 0, 0},
    {"--share-prefix", NULL, "tokens that several prompts begin with are prefilled, stored and streamed once",
     0, 0},
    POLICY_OPTION,
    STACKS_OPTION,
    PARTIALS_OPTION,
    COPIES_OPTION,
    DECIDE_OPTION,
    XPU_TIMES_OPTION,
    {"--split-ffn", "E",
     "each dense FFN as E experts that are all active, their sums added exactly: the same bits", 0, 0},
    {"--no-clocks", NULL, "the same bits on the host alone, without stacks and their time", 0, 0},
    {"--check-invariance", NULL,
     "runs the requests under other batches, orders, chunks, policies, numbers of stacks and on the RTL, and "
     "prints a "
     "hash of all logits for each, or the first difference",
     0, 0},
    {"--rtl-tokens", "N", "of --check-invariance: new tokens of a request on the RTL, at most (default 2)", 0,
     0},
    {"--logits", "FILE.npy", "the logits of each new token, <f4 [tokens, vocabulary], written", 0, 0},
    {"--record-routing", "FILE.csv", "layer, step, expert, tokens of each MoE layer, written", 0, 0},
    {"--timeline", "FILE.json", "what each processor did and when, for Perfetto", 0, 0},
    {"--timeline-picture", "FILE.svg", "the same as a picture", 0, 0},
    {"--stats", "FILE.json", "tokens, times of the parts, rates of device and host", 0, 0},
    {0}};

const struct command run_command = {
    "run",
    "",
    "tokens of a real model for prompts",
    "Prefill on the xPU, decode attention on Logic-PIM, experts on both. Prints the new tokens, a line for "
    "each "
    "request. They do not depend on batch, chunks, policy, stacks, channels, back end, firmware or threads.\n"
    "--channels, --firmware and the other options of a stack hold for each stack of the device; files that "
    "a stack writes need --stacks 1. The device hands bundles over itself, so --bundles, --stripe and "
    "--xpu-traffic are refused.\n",
    own_options,
    true,
    run_model};
