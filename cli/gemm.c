// SPDX-License-Identifier: Apache-2.0
// duplex gemm: X[M,K], W[N,K] -> Y[M,N] = X W^T on one stack.
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
  struct tensor x, w, y;
  unsigned matrices;
};

// Everything that the options name, and a tensor for the results.
static int read_inputs(const struct option *options, struct inputs *in) {
  static const char *const types[] = {"f16", "f32", "acc", NULL};
  unsigned type;
  if (choice_option(options, "--out-type", types, &type) ||
      npy_read_matrices("--x", option_value(options, "--x"), &in->matrices, &in->x) ||
      npy_read_matrices("--w", option_value(options, "--w"), &in->matrices, &in->w))
    return EXIT_BAD_INPUT;
  const size_t m = in->x.shape[0];
  const size_t k = in->x.shape[1];
  const size_t n = in->w.shape[0];
  if (in->w.shape[1] != k)
    return fail(EXIT_BAD_INPUT, "--w %s: has %zu columns, expected %zu as --x", option_value(options, "--w"),
                in->w.shape[1], k);
  if (m > 4096)
    return fail(EXIT_BAD_INPUT, "--x %s: has %zu rows, expected 1 to 4096", option_value(options, "--x"), m);
  if (k > 65536)
    return fail(EXIT_BAD_INPUT, "--x %s: has %zu columns, expected 1 to 65536", option_value(options, "--x"),
                k);
  return tensor_new_matrices((enum element)type, in->matrices, m, n, &in->y);
}

// Opens the outputs and the stack, computes, and writes all outputs or none.
static int run(const struct option *options, struct inputs *in, struct outputs *outputs) {
  struct duplex_stack *stack;
  struct duplex_weights *weights = NULL;
  struct duplex_stack_stats stats;
  const char *out = option_value(options, "--out");
  if (output_open(outputs, "--out", out)) return EXIT_BAD_INPUT;
  int status = open_stack(options, outputs, &stack);
  if (status) return status;
  progress("uploading");
  int error =
      in->matrices == 2
          ? duplex_stack_upload_pair(stack, NULL, in->w.data, in->w.shape[0], in->w.shape[1], &weights)
          : duplex_stack_upload(stack, in->w.data, in->w.shape[0], in->w.shape[1], NULL, &weights);
  progress("computing");
  if (!error)
    error = duplex_stack_gemm(stack, weights, in->x.data, in->x.shape[0], (enum duplex_format)in->y.element,
                              in->y.data);
  progress_end();
  if (error) status = stack_error(stack, error);
  duplex_stack_last_stats(stack, &stats);
  duplex_stack_release(stack, weights);
  duplex_stack_close(stack);
  if (!status) status = output_tensor(outputs, out, &in->y);
  if (!status) status = write_stats(options, outputs, "gemm", &stats);
  return status ? status : outputs_commit(outputs);
}

static int run_gemm(int argc, char **argv) {
  struct option options[OPTIONS_MOST];
  struct inputs in = {0};
  struct outputs outputs = {0};
  int status = command_read(&gemm_command, argc, argv, options);
  if (!status) status = read_inputs(options, &in);
  if (!status) status = run(options, &in, &outputs);
  outputs_discard(&outputs);
  tensor_free(&in.x);
  tensor_free(&in.w);
  tensor_free(&in.y);
  return status;
}

static const struct option own_options[] = {
    {"--x", "FILE.npy", "X: M tokens of K values", true, 0},
    {"--w", "FILE.npy", "W: N rows of K weights", true, 0},
    {"--out", "FILE.npy", "Y, written", true, 0},
    {"--out-type", "f16|f32|acc", "elements of Y: <f2 (default), <f4, or |V16, the exact sums", 0, 0},
    {0}};

const struct command gemm_command = {
    "gemm",
    "",
    "Y = X W^T, exact and rounded once",
    "X[M,K], W[N,K] -> Y[M,N] = X W^T, every sum exact and rounded once. <f2, C order; M 1 to 4096, K 1 to "
    "65536.\n"
    "X[2,M,K], W[2,N,K] -> Y[2,M,N] is a pair of matrices, each in bundles of its own, streamed in turn; K "
    "to "
    "32768.\n",
    own_options,
    true,
    run_gemm};
