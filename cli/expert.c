// SPDX-License-Identifier: Apache-2.0
// duplex expert: X[M,H], G,U[F,H], D[H,F] -> Y[M,H], a gated (or plain) feed-forward network on one stack.
#include "cli/activation_option.h"
#include "cli/command.h"
#include "cli/messages.h"
#include "cli/npy.h"
#include "cli/options.h"
#include "cli/output.h"
#include "cli/progress.h"
#include "cli/stack_options.h"
#include "cli/statistics.h"
#include "duplex/duplex.h"

struct inputs {
  struct tensor x, gate, up, down, y;
  unsigned experts;
  const struct duplex_activation_table *table;
  struct duplex_activation_table *own_table;
};

static int check_shape(const struct option *options, const char *name, const struct tensor *tensor,
                       size_t rows, size_t columns) {
  if (tensor->shape[0] == rows && tensor->shape[1] == columns) return EXIT_GOOD;
  return fail(EXIT_BAD_INPUT, "%s %s: has the shape (%zu, %zu), expected (%zu, %zu)", name,
              option_value(options, name), tensor->shape[0], tensor->shape[1], rows, columns);
}

// All tensors are of one expert, within the limits.
static int check_shapes(const struct option *options, const struct inputs *in) {
  const size_t m = in->x.shape[0];
  const size_t h = in->x.shape[1];
  const size_t f = in->up.shape[0];
  if (m > 4096)
    return fail(EXIT_BAD_INPUT, "--x %s: has %zu rows, expected 1 to 4096", option_value(options, "--x"), m);
  if (h > 65536)
    return fail(EXIT_BAD_INPUT, "--x %s: has %zu columns, expected 1 to 65536", option_value(options, "--x"),
                h);
  if (f > 65536)
    return fail(EXIT_BAD_INPUT, "--up %s: has %zu rows, expected 1 to 65536", option_value(options, "--up"),
                f);
  if (check_shape(options, "--up", &in->up, f, h) || check_shape(options, "--down", &in->down, h, f))
    return EXIT_BAD_INPUT;
  return in->gate.data ? check_shape(options, "--gate", &in->gate, f, h) : EXIT_GOOD;
}

// Everything that the options name, and a tensor for the results.
static int read_inputs(const struct option *options, struct inputs *in) {
  static const char *const types[] = {"f16", "f32", "acc", NULL};
  unsigned type;
  if (choice_option(options, "--out-type", types, &type)) return EXIT_BAD_INPUT;
  const char *gate = option_value(options, "--gate");
  if (activation_option(options, &in->table, &in->own_table) ||
      npy_read_matrices("--x", option_value(options, "--x"), &in->experts, &in->x) ||
      (gate && npy_read_matrices("--gate", gate, &in->experts, &in->gate)) ||
      npy_read_matrices("--up", option_value(options, "--up"), &in->experts, &in->up) ||
      npy_read_matrices("--down", option_value(options, "--down"), &in->experts, &in->down) ||
      check_shapes(options, in))
    return EXIT_BAD_INPUT;
  return tensor_new_matrices((enum element)type, in->experts, in->x.shape[0], in->x.shape[1], &in->y);
}

static int upload(struct duplex_stack *stack, unsigned experts, const duplex_f16 *gate, const duplex_f16 *w,
                  size_t n, size_t k, struct duplex_weights **weights) {
  if (experts == 2) return duplex_stack_upload_pair(stack, gate, w, n, k, weights);
  return gate ? duplex_stack_upload_gated(stack, gate, w, n, k, NULL, NULL, weights)
              : duplex_stack_upload(stack, w, n, k, NULL, weights);
}

// Uploads the matrices and runs the job. Returns an exit status.
static int compute(struct duplex_stack *stack, const struct inputs *in, struct duplex_stack_stats *stats) {
  struct duplex_weights *up = NULL;
  struct duplex_weights *down = NULL;
  const size_t h = in->x.shape[1];
  const size_t f = in->up.shape[0];
  progress("uploading");
  int error = upload(stack, in->experts, in->gate.data, in->up.data, f, h, &up);
  if (!error) error = upload(stack, in->experts, NULL, in->down.data, h, f, &down);
  progress("computing");
  if (!error)
    error = duplex_stack_expert(stack, up, down, in->table, in->x.data, in->x.shape[0],
                                (enum duplex_format)in->y.element, in->y.data);
  progress_end();
  duplex_stack_last_stats(stack, stats);
  const int status = error ? stack_error(stack, error) : EXIT_GOOD;
  duplex_stack_release(stack, up);
  duplex_stack_release(stack, down);
  return status;
}

// Opens the outputs and the stack, computes, and writes all outputs or none.
static int run(const struct option *options, struct inputs *in, struct outputs *outputs) {
  struct duplex_stack *stack;
  struct duplex_stack_stats stats;
  const char *out = option_value(options, "--out");
  if (output_add(outputs, "--out", out, OUTPUT_TENSOR)) return EXIT_BAD_INPUT;
  int status = open_stack(options, outputs, &stack);
  if (status) return status;
  status = compute(stack, in, &stats);
  status = close_stack(stack, outputs, status);
  if (!status) status = output_tensor(outputs, out, &in->y);
  if (!status) status = write_stats(options, outputs, "expert", &stats);
  return status ? status : outputs_commit(outputs);
}

static int run_expert(int argc, char **argv) {
  struct option options[OPTIONS_MOST];
  struct inputs in = {0};
  struct outputs outputs = {0};
  int status = command_read(&expert_command, argc, argv, options);
  if (!status) status = read_inputs(options, &in);
  if (!status) status = run(options, &in, &outputs);
  outputs_discard(&outputs);
  tensor_free(&in.x);
  tensor_free(&in.gate);
  tensor_free(&in.up);
  tensor_free(&in.down);
  tensor_free(&in.y);
  duplex_activation_free(in.own_table);
  return status;
}

static const struct option own_options[] = {
    {"--x", "FILE.npy", "X: M tokens of H values", true, 0},
    {"--gate", "FILE.npy", "G: F rows of H weights; without it h = RN16(act(x U^T))", 0, 0},
    {"--up", "FILE.npy", "U: F rows of H weights", true, 0},
    {"--down", "FILE.npy", "D: H rows of F weights", true, 0},
    {"--out", "FILE.npy", "Y, written", true, 0},
    ACT_OPTION,
    {"--out-type", "f16|f32|acc",
     "elements of Y: <f2 (default), <f4, or |V16, the exact sums of partial experts", 0, 0},
    STATS_OPTION,
    {0}};

const struct command expert_command = {"expert",
                                       "",
                                       "a gated feed-forward network",
                                       "X[M,H], G,U[F,H], D[H,F] -> Y[M,H] = h D^T, h = RN16(act(x G^T) * (x "
                                       "U^T)). <f2, C order; M 1 to 4096, H "
                                       "and F 1 to 65536.\n"
                                       "Tensors with a first dimension of 2 are a pair of experts, each in "
                                       "bundles of its own, streamed in turn; "
                                       "H and F to 32768.\n",
                                       own_options,
                                       true,
                                       run_expert};
