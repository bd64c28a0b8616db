// SPDX-License-Identifier: Apache-2.0
// duplex moe: X[T,H], R[E,H], G,U[E,F,H], D[E,H,F] -> Y[T,H], a whole MoE layer on a device.

#include <inttypes.h>

#include "cli/activation_option.h"
#include "cli/command.h"
#include "cli/device_options.h"
#include "cli/moe_statistics.h"
#include "cli/moe_tables.h"
#include "cli/npy.h"
#include "cli/output.h"
#include "cli/progress.h"
#include "cli/stack_options.h"
#include "cli/timeline.h"
#include "duplex/arithmetic.h"

struct inputs {
  struct tensor x, router, gate, up, down, y;
  struct duplex_moe_weights weights;  // in the tensors
  struct duplex_moe_form form;
  const struct duplex_activation_table *activation;
  struct duplex_activation_table *own_activation;
  struct duplex_moe_routing routing;
  struct duplex_device_options device;
  unsigned places;
};

static int check_axis(const struct option *options, const char *name, const struct tensor *tensor,
                      unsigned axis, size_t expected, const char *of) {
  if (tensor->shape[axis] == expected) return EXIT_GOOD;
  return fail(EXIT_BAD_INPUT, "%s %s: dimension %u is %zu, expected %zu, %s", name,
              option_value(options, name), axis, tensor->shape[axis], expected, of);
}

static int check_most(const struct option *options, const char *name, size_t value, const char *what,
                      size_t most) {
  if (value <= most) return EXIT_GOOD;
  return fail(EXIT_BAD_INPUT, "%s %s: has %zu %s, expected 1 to %zu", name, option_value(options, name),
              value, what, most);
}

// All tensors are of one layer, within the limits.
static int check_shapes(const struct option *options, const struct inputs *in) {
  const size_t hidden = in->x.shape[1];
  const size_t experts = in->router.shape[0];
  const size_t inner = in->up.shape[1];
  if (check_most(options, "--x", in->x.shape[0], "rows", 4096) ||
      check_most(options, "--x", hidden, "columns", 65536) ||
      check_most(options, "--router", experts, "rows", DUPLEX_EXPERTS_MOST) ||
      check_most(options, "--up", inner, "rows an expert", 65536) ||
      check_axis(options, "--router", &in->router, 1, hidden, "the columns of --x") ||
      check_axis(options, "--up", &in->up, 0, experts, "the rows of --router") ||
      check_axis(options, "--up", &in->up, 2, hidden, "the columns of --x") ||
      check_axis(options, "--down", &in->down, 0, experts, "the rows of --router") ||
      check_axis(options, "--down", &in->down, 1, hidden, "the columns of --x") ||
      check_axis(options, "--down", &in->down, 2, inner, "the inner size of --up"))
    return EXIT_BAD_INPUT;
  if (!in->gate.data) return EXIT_GOOD;
  return check_axis(options, "--gate", &in->gate, 0, experts, "the rows of --router") ||
                 check_axis(options, "--gate", &in->gate, 1, inner, "the inner size of --up") ||
                 check_axis(options, "--gate", &in->gate, 2, hidden, "the columns of --x")
             ? EXIT_BAD_INPUT
             : EXIT_GOOD;
}

static int read_tensors(const struct option *options, struct inputs *in) {
  const char *gate = option_value(options, "--gate");
  if (npy_read_f16("--x", option_value(options, "--x"), 2, &in->x) ||
      npy_read_f16("--router", option_value(options, "--router"), 2, &in->router) ||
      (gate && npy_read_f16("--gate", gate, 3, &in->gate)) ||
      npy_read_f16("--up", option_value(options, "--up"), 3, &in->up) ||
      npy_read_f16("--down", option_value(options, "--down"), 3, &in->down) || check_shapes(options, in))
    return EXIT_BAD_INPUT;
  const struct duplex_moe_shape shape = {in->router.shape[0], in->x.shape[1], in->up.shape[1]};
  in->weights = (struct duplex_moe_weights){
      .router = in->router.data, .gate = in->gate.data, .up = in->up.data, .down = in->down.data};
  in->form = duplex_moe_form(&shape, &in->weights);
  return tensor_new(ELEMENT_F16, 2, in->x.shape, &in->y);
}

// Who routes and who runs what.
static int read_choices(const struct option *options, struct inputs *in) {
  static const char *const scores[] = {"topk-softmax", "softmax", "sigmoid", NULL};
  unsigned score;
  uint64_t top_k;
  uint64_t places;
  if (choice_option(options, "--score", scores, &score) || read_device_options(options, &in->device) ||
      number_option(options, "--top-k", 1, DUPLEX_EXPERTS_MOST, 2, &top_k) ||
      number_option(options, "--places", 1, MOE_PLACES_MOST, 0, &places) ||
      check_table(options, in->device.partials))
    return EXIT_BAD_INPUT;
  if (places && !option_value(options, "--stats"))
    return fail(EXIT_BAD_INPUT, "--places %" PRIu64 ": expected --stats with it, which has their clocks",
                places);
  in->places = (unsigned)places;
  in->routing = (struct duplex_moe_routing){.top_k = (unsigned)top_k,
                                            .score = (enum duplex_score)score,
                                            .renormalise = option_value(options, "--renormalise") != NULL};
  return activation_option(options, &in->activation, &in->own_activation);
}

// With the tensors there: no more experts are chosen than there are.
static int check_top_k(const struct inputs *in) {
  if (in->routing.top_k <= in->router.shape[0]) return EXIT_GOOD;
  return fail(EXIT_BAD_INPUT, "--top-k %u: expected 1 to %zu, the rows of --router", in->routing.top_k,
              in->router.shape[0]);
}

static int run_layer(struct duplex_device *device, const struct duplex_moe *moe, const struct inputs *in) {
  return duplex_device_moe(device, moe, &in->routing, in->x.data, in->x.shape[0], in->y.data);
}

// The layer again, with the same results, from each of the places that are asked for.
static int run_places(struct duplex_device *device, const struct duplex_moe *moe, const struct inputs *in,
                      struct moe_places *places) {
  int error = DUPLEX_OK;
  for (; places->runs < in->places && !error; places->runs++) {
    struct duplex_moe_stats stats;
    error = duplex_device_idle(device, places->runs, in->places);
    if (!error) error = run_layer(device, moe, in);
    duplex_device_last_stats(device, &stats);
    places->least = places->runs ? duplex_smaller(places->least, stats.cycles) : stats.cycles;
    places->most = duplex_larger(places->most, stats.cycles);
    places->sum += stats.cycles;
  }
  return error;
}

// Brings the layer to the device and runs it. Returns an exit status.
static int compute(struct duplex_device *device, const struct outputs *outputs, const struct inputs *in,
                   struct moe_places *places) {
  struct duplex_moe *moe = NULL;
  progress("measuring the table of time");
  int error = duplex_device_measure_table(device, &in->form);
  progress("uploading");
  if (!error) error = duplex_device_load_moe(device, &in->form.shape, &in->weights, in->activation, &moe);
  progress("computing");
  if (!error) error = run_layer(device, moe, in);
  if (!error) error = run_places(device, moe, in, places);
  progress_end();
  return error ? device_error(device, outputs, error) : EXIT_GOOD;
}

// The events of the layer.
static int write_device_timeline(const struct option *options, struct outputs *outputs,
                                 const struct duplex_device *device) {
  struct timeline timeline = {.stacks = duplex_device_stacks(device), .clock_mhz = stack_clock_mhz(options)};
  timeline.count = duplex_device_events(device, &timeline.events);
  return write_timeline(options, outputs, &timeline);
}

// Everything that is written, once the layer has run.
static int write_results(const struct option *options, struct outputs *outputs, const struct inputs *in,
                         const struct table_file *table, const struct moe_places *places,
                         struct duplex_device *device) {
  int status = output_tensor(outputs, option_value(options, "--out"), &in->y);
  if (!status) status = write_moe_stats(options, outputs, places, device);
  if (!status) status = write_device_timeline(options, outputs, device);
  if (!status) status = write_table(table, outputs, device, &in->form);
  return status;
}

// Opens the outputs and the device, computes, and writes all outputs or none.
static int run(const struct option *options, const struct inputs *in, struct outputs *outputs) {
  struct duplex_device *device;
  struct wanted_stack wanted;
  char error_text[512];
  struct table_file table;
  if (output_add(outputs, "--out", option_value(options, "--out"), OUTPUT_TENSOR) ||
      add_timeline(options, outputs) || add_table(options, outputs, &table) ||
      read_stack_options(options, outputs, &wanted))
    return EXIT_BAD_INPUT;
  struct duplex_device_options device_options = in->device;
  device_options.expected_pairs = in->x.shape[0] * in->routing.top_k;
  device_options.stack = wanted.stack;
  device_options.threads = wanted.stack.backend.threads;
  int error = duplex_device_open(wanted.backend, &device_options, &device, error_text, sizeof error_text);
  output_restore_name(outputs, error_text, sizeof error_text);
  name_file_option(options, error_text, sizeof error_text);
  if (error) return fail(exit_status_of(error), "%s", error_text);
  struct moe_places places = {0};
  int status = read_table(&table, device, &in->form);
  if (!status) status = compute(device, outputs, in, &places);
  if (!status) status = write_results(options, outputs, in, &table, &places, device);
  error = duplex_device_end_files(device);
  if (!status && error) status = device_error(device, outputs, error);
  duplex_device_close(device);
  return status ? status : outputs_commit(outputs);
}

// The command moe, from its options to its exit status.
static int run_moe(int argc, char **argv) {
  struct option options[OPTIONS_MOST];
  struct inputs in = {0};
  struct outputs outputs = {0};
  int status = command_read(&moe_command, argc, argv, options);
  if (!status) status = read_choices(options, &in);
  if (!status) status = read_tensors(options, &in);
  if (!status) status = check_top_k(&in);
  if (!status) status = run(options, &in, &outputs);
  outputs_discard(&outputs);
  tensor_free(&in.x);
  tensor_free(&in.router);
  tensor_free(&in.gate);
  tensor_free(&in.up);
  tensor_free(&in.down);
  tensor_free(&in.y);
  duplex_activation_free(in.own_activation);
  return status;
}

static const struct option own_options[] = {
    {"--x", "FILE.npy", "X: T tokens of H values", true, 0},
    {"--router", "FILE.npy", "R: E rows of H weights", true, 0},
    {"--gate", "FILE.npy", "G: of each expert F rows of H weights; without it h = RN16(act(x U^T))", 0, 0},
    {"--up", "FILE.npy", "U: of each expert F rows of H weights", true, 0},
    {"--down", "FILE.npy", "D: of each expert H rows of F weights", true, 0},
    {"--out", "FILE.npy", "Y, written", true, 0},
    ACT_OPTION,
    {"--top-k", "K", "experts of a token (default 2)", 0, 0},
    {"--score", "topk-softmax|softmax|sigmoid",
     "weights of the experts: softmax over the chosen ones (default), over all, or a sigmoid each", 0, 0},
    {"--renormalise", NULL, "the weights of the chosen experts are divided by their sum", 0, 0},
    POLICY_OPTION,
    STACKS_OPTION,
    PARTIALS_OPTION,
    COPIES_OPTION,
    DECIDE_OPTION,
    {"--tables", "FILE",
     "table of time of such layers on such a device: read, or measured and written if it is not there; those "
     "of h gathered are in no file",
     0, 0},
    XPU_TIMES_OPTION,
    {"--places", "N",
     "run the layer again from each of N places between two refreshes; statistics have the least, mean and "
     "most clocks of these, and all else, as the timeline, of the last one",
     0, 0},
    {"--timeline", "FILE.json", "what each processor did and when, for Perfetto", 0, 0},
    {"--timeline-picture", "FILE.svg", "the same as a picture", 0, 0},
    {"--stats", "FILE.json", "times of both sides beside the bound, bytes, commands, energy of the layer", 0,
     0},
    {0}};

const struct command moe_command = {
    "moe",
    "",
    "a whole mixture-of-experts layer on a device",
    "X[T,H], R[E,H], G,U[E,F,H], D[E,H,F] -> Y[T,H]: router, top-k, experts on the xPU and on Logic-PIM at "
    "once, weighted sum. <f2, C order; T 1 to 4096, E 1 to 256, H and F 1 to 65536.\n"
    "--channels, --firmware and the other options of a stack hold for each stack of the device; files that "
    "a stack writes need --stacks 1. The device hands bundles over itself, so --bundles, --stripe and "
    "--xpu-traffic are refused.\n",
    own_options,
    true,
    run_moe};
