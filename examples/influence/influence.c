// SPDX-License-Identifier: Apache-2.0
// Influence of candidate sequences on a query, of one linear layer: scores of EK-FAC (arXiv 2308.03296),
// three matrices past as many tokens as a batch has, on Logic-PIM or on the xPU.
#include <errno.h>
#include <getopt.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "scores.h"

#define TOKENS_MOST ((int64_t)1 << 22)  // of a batch
#define SIDE_MOST 65536u

static const char help[] =
    "usage: influence --qa FILE --qs FILE --eigenvalues FILE --u FILE --v FILE --damping D\n"
    "                 --activations FILE --gradients FILE --lengths FILE [--out FILE] [options]\n"
    "       influence --times K,N [options]\n"
    "Scores of candidates: the sum over their tokens of s^T Q_S [(Q_S^T U V^T Q_A) / (L + D)] Q_A^T a.\n"
    "  --qa FILE           Q_A [K, K] <f2, a column each eigenvector of the inputs\n"
    "  --qs FILE           Q_S [N, N] <f2, of the output gradients\n"
    "  --eigenvalues FILE  L [N, K] <f4, corrected eigenvalues\n"
    "  --u FILE, --v FILE  U [N, r], V [K, r] <f2: the gradient of the query is U V^T\n"
    "  --damping D         added to each eigenvalue\n"
    "  --activations FILE  a [tokens, K] <f2, candidates one behind the other\n"
    "  --gradients FILE    s [tokens, N] <f2\n"
    "  --lengths FILE      [candidates] <i8, tokens of each\n"
    "  --out FILE          scores [candidates] <f4; without it they are printed\n"
    "  --times K,N         no files: the times of both processors for a layer of K inputs and N outputs\n"
    "  --batch B           candidates at a time, 8\n"
    "  --processor P       best: whoever is sooner; logic_pim; xpu. The scores are the same\n"
    "  --backend NAME      cmodel or rtl\n"
    "  --channels C        of the stack, 32\n";

enum option_number {
  QA,
  QS,
  EIGENVALUES,
  U,
  V,
  DAMPING,
  ACTIVATIONS,
  GRADIENTS,
  LENGTHS,
  OUT,
  TIMES,
  BATCH,
  PROCESSOR,
  BACKEND,
  CHANNELS,
  HELP,
  OPTIONS
};
#define REQUIRED OUT  // all before it

static const struct option options[OPTIONS + 1] = {
    [QA] = {"qa", required_argument, NULL, QA},
    [QS] = {"qs", required_argument, NULL, QS},
    [EIGENVALUES] = {"eigenvalues", required_argument, NULL, EIGENVALUES},
    [U] = {"u", required_argument, NULL, U},
    [V] = {"v", required_argument, NULL, V},
    [DAMPING] = {"damping", required_argument, NULL, DAMPING},
    [ACTIVATIONS] = {"activations", required_argument, NULL, ACTIVATIONS},
    [GRADIENTS] = {"gradients", required_argument, NULL, GRADIENTS},
    [LENGTHS] = {"lengths", required_argument, NULL, LENGTHS},
    [OUT] = {"out", required_argument, NULL, OUT},
    [TIMES] = {"times", required_argument, NULL, TIMES},
    [BATCH] = {"batch", required_argument, NULL, BATCH},
    [PROCESSOR] = {"processor", required_argument, NULL, PROCESSOR},
    [BACKEND] = {"backend", required_argument, NULL, BACKEND},
    [CHANNELS] = {"channels", required_argument, NULL, CHANNELS},
    [HELP] = {"help", no_argument, NULL, HELP},
};

// Everything that is read: matrices by the number of their option.
struct inputs {
  const char *text[OPTIONS];
  double damping;
  unsigned batch, channels, k, n;
  enum processor processor;
  struct array array[REQUIRED];
};

// A whole number from `least` to `most`, up to the character `end`.
static enum status read_number(const char *name, const char *text, unsigned least, unsigned most, char end,
                               unsigned *value, const char **rest) {
  char *stop = NULL;
  errno = 0;
  const unsigned long long number = *text >= '0' && *text <= '9' ? strtoull(text, &stop, 10) : 0;
  if (!stop || errno || *stop != end || number < least || number > most)
    return report(BAD_INPUT, "--%s %s: expected %s of %u to %u", name, text,
                  end || rest ? "two numbers K,N" : "a number", least, most);
  *value = (unsigned)number;
  if (rest) *rest = stop + 1;
  return GOOD;
}

static enum status read_processor(const char *text, enum processor *processor) {
  static const char *const names[] = {[LOGIC_PIM] = "logic_pim", [XPU] = "xpu", [BEST] = "best"};
  for (unsigned i = 0; i <= BEST; i++)
    if (strcmp(text, names[i]) == 0) return *processor = (enum processor)i, GOOD;
  return report(BAD_INPUT, "--processor %s: expected best, logic_pim or xpu", text);
}

static enum status read_damping(const char *text, double *damping) {
  char *end;
  *damping = strtod(text, &end);
  if (end == text || *end || !(*damping >= 0 && *damping <= 1e38))
    return report(BAD_INPUT, "--damping %s: expected a number of 0 to 1e38", text);
  return GOOD;
}

// Which options are given, each once.
static enum status collect(int argc, char **argv, struct inputs *inputs) {
  opterr = 0;
  for (int number; (number = getopt_long(argc, argv, ":", options, NULL)) != -1;) {
    if (number == ':') return report(BAD_INPUT, "%s needs a value", argv[optind - 1]);
    if (number == '?') return report(BAD_INPUT, "unknown option '%s': see --help", argv[optind - 1]);
    if (inputs->text[number]) return report(BAD_INPUT, "--%s is given twice", options[number].name);
    inputs->text[number] = optarg ? optarg : "";
  }
  return optind == argc ? GOOD : report(BAD_INPUT, "unknown argument '%s': see --help", argv[optind]);
}

static enum status check_given(const struct inputs *inputs) {
  for (unsigned i = 0; i <= REQUIRED; i++) {
    if (inputs->text[TIMES] && inputs->text[i])
      return report(BAD_INPUT, "--%s: --times takes no files and no damping", options[i].name);
    if (!inputs->text[TIMES] && i != OUT && !inputs->text[i])
      return report(BAD_INPUT, "--%s is missing: see --help", options[i].name);
  }
  return GOOD;
}

// Reads all options that are no files; their defaults stand here.
static enum status read_options(struct inputs *inputs) {
  const char *const *text = inputs->text;
  const char *rest = NULL;
  enum status status = check_given(inputs);
  inputs->batch = 8;
  inputs->channels = 32;
  inputs->processor = BEST;
  if (!status && text[TIMES])
    status = read_number("times", text[TIMES], 1, SIDE_MOST, ',', &inputs->k, &rest);
  if (!status && text[TIMES]) status = read_number("times", rest, 1, SIDE_MOST, 0, &inputs->n, &rest);
  if (!status && text[BATCH]) status = read_number("batch", text[BATCH], 1, 65536, 0, &inputs->batch, NULL);
  if (!status && text[CHANNELS])
    status = read_number("channels", text[CHANNELS], 1, 32, 0, &inputs->channels, NULL);
  if (!status && text[PROCESSOR]) status = read_processor(text[PROCESSOR], &inputs->processor);
  if (!status && text[DAMPING]) status = read_damping(text[DAMPING], &inputs->damping);
  return status;
}

// One length of a file's shape against that of another; 0: any.
static enum status check_length(const struct array *array, unsigned axis, size_t expected) {
  if (!expected || array->shape[axis] == expected) return GOOD;
  return report(BAD_INPUT, "%s %s: has length %zu in dimension %u, expected %zu", array->option, array->path,
                array->shape[axis], axis, expected);
}

static enum status check_shape(const struct array *array, unsigned rank, size_t first, size_t second) {
  if (array->rank != rank)
    return report(BAD_INPUT, "%s %s: has %u dimensions, expected %u", array->option, array->path, array->rank,
                  rank);
  enum status status = check_length(array, 0, first);
  if (!status && rank == 2) status = check_length(array, 1, second);
  return status;
}

static enum status check_side(const struct array *array) {
  const enum status status = check_shape(array, 2, array->shape[1], 0);
  if (!status && array->shape[0] > SIDE_MOST)
    return report(BAD_INPUT, "%s %s: has %zu rows, expected at most %u", array->option, array->path,
                  array->shape[0], SIDE_MOST);
  return status;
}

static enum status check_shapes(const struct array *array) {
  const size_t k = array[QA].shape[0];
  const size_t n = array[QS].shape[0];
  enum status status = check_side(&array[QA]);
  if (!status) status = check_side(&array[QS]);
  if (!status) status = check_shape(&array[EIGENVALUES], 2, n, k);
  if (!status) status = check_shape(&array[U], 2, n, 0);
  if (!status) status = check_shape(&array[V], 2, k, array[U].shape[1]);
  if (!status && array[U].shape[1] > 4096) status = report(BAD_INPUT, "--u: expected a rank of at most 4096");
  if (!status) status = check_shape(&array[ACTIVATIONS], 2, 0, k);
  if (!status) status = check_shape(&array[GRADIENTS], 2, array[ACTIVATIONS].shape[0], n);
  return status ? status : check_shape(&array[LENGTHS], 1, 0, 0);
}

// Lengths from 1 on that add up to the tokens, and batches that are not too long.
static enum status check_lengths(const struct inputs *inputs) {
  const struct array *array = &inputs->array[LENGTHS];
  const int64_t *lengths = array->data;
  const int64_t tokens = (int64_t)inputs->array[ACTIVATIONS].shape[0];
  int64_t all = 0;
  int64_t batch = 0;
  for (size_t i = 0; i < array->count; i++) {
    if (lengths[i] < 1 || lengths[i] > tokens - all)
      return report(BAD_INPUT, "%s %s: element %zu is %" PRId64 ", expected 1 to the %" PRId64 " tokens left",
                    array->option, array->path, i, lengths[i], tokens - all);
    batch = i % inputs->batch ? batch + lengths[i] : lengths[i];
    all += lengths[i];
    if (batch > TOKENS_MOST) return report(BAD_INPUT, "--batch: a batch has more than 2^22 tokens");
  }
  if (all == tokens) return GOOD;
  return report(BAD_INPUT, "%s %s: the lengths add up to %" PRId64 ", expected %" PRId64 " tokens",
                array->option, array->path, all, tokens);
}

// Reads all input files, each of its own type, and checks that their shapes and lengths fit.
static enum status read_files(struct inputs *inputs) {
  static const char *const names[REQUIRED] = {"--qa", "--qs",          "--eigenvalues", "--u",      "--v",
                                              NULL,   "--activations", "--gradients",   "--lengths"};
  static const struct {
    const char *descr;
    size_t size;
  } types[REQUIRED] = {[EIGENVALUES] = {"<f4", 4}, [LENGTHS] = {"<i8", 8}};
  enum status status = GOOD;
  for (unsigned i = 0; !status && i < REQUIRED; i++) {
    if (i == DAMPING) continue;
    const bool half = !types[i].descr;
    status = array_read(names[i], inputs->text[i], half ? "<f2" : types[i].descr, half ? 2 : types[i].size,
                        &inputs->array[i]);
  }
  if (!status) status = check_shapes(inputs->array);
  return status ? status : check_lengths(inputs);
}

static double microseconds(uint64_t picoseconds) { return (double)picoseconds * 1e-6; }

static const char times_title[] = "  tokens  matrix  Op/B      ran on     Logic-PIM, us  xPU, us";

static void print_product(const struct stream *stream, unsigned tokens, const struct product_times *times) {
  printf("%8u  %-6s  %8.2f  %-9s  %13.2f  %7.2f\n", tokens, stream->name, stream_op_per_byte(stream, tokens),
         times->ran == LOGIC_PIM ? "Logic-PIM" : "xPU", microseconds(times->logic_pim),
         microseconds(times->xpu));
}

static void print_crossover(const struct stream *stream) {
  printf("%-5s [%u, %u]: Logic-PIM up to %u tokens, %.1f operations a byte; the xPU beyond\n", stream->name,
         stream->rows, stream->columns, stream->crossover, stream_op_per_byte(stream, stream->crossover));
}

static uint64_t time_of(const struct product_times *times) {
  return times->ran == LOGIC_PIM ? times->logic_pim : times->xpu;
}

// Brings both bases and the query's matrix to the device, and prints what they take.
static enum status open_streams(struct processors *processors, const struct inputs *inputs,
                                struct streams *streams) {
  const struct array *array = inputs->array;
  struct product_times projections[2];
  uint64_t work;
  enum status status = open_basis(processors, &array[QA], "Q_A", &streams->a);
  if (!status) status = open_basis(processors, &array[QS], "Q_S", &streams->s);
  if (!status)
    status = open_query(processors, &array[U], &array[V], &array[EIGENVALUES], inputs->damping, streams,
                        projections, &work);
  if (status) return status;
  print_crossover(&streams->a);
  print_crossover(&streams->s);
  print_crossover(&streams->query);
  puts(times_title);
  print_product(&streams->s, (unsigned)array[U].shape[1], &projections[0]);
  print_product(&streams->a, (unsigned)array[U].shape[1], &projections[1]);
  printf("query: %.2f us, of them %.2f us the xPU with product and division\n",
         microseconds(time_of(&projections[0]) + time_of(&projections[1]) + work), microseconds(work));
  return GOOD;
}

// What all batches take: as they ran, and all on one side.
struct totals {
  uint64_t ran, logic_pim, xpu, elements;
};

static void print_batch(const struct streams *streams, const struct batch_times *times,
                        struct totals *totals) {
  const struct product_times *products[] = {&times->a, &times->s, &times->query};
  const struct stream *matrices[] = {&streams->a, &streams->s, &streams->query};
  for (unsigned i = 0; i < 3; i++) {
    print_product(matrices[i], times->tokens, products[i]);
    totals->ran += time_of(products[i]);
    totals->logic_pim += products[i]->logic_pim;
    totals->xpu += products[i]->xpu;
  }
  totals->elements += times->elements;
}

// Scores all candidates, a batch at a time, and prints the times of each batch and their sums.
static enum status score_all(struct processors *processors, const struct streams *streams,
                             const struct inputs *inputs, duplex_f32 *scores) {
  const struct candidates candidates = {inputs->array[ACTIVATIONS].data, inputs->array[GRADIENTS].data,
                                        inputs->array[LENGTHS].data, inputs->array[LENGTHS].count};
  struct totals totals = {0};
  enum status status = GOOD;
  size_t token = 0;
  puts(times_title);
  for (size_t first = 0; !status && first < candidates.count; first += inputs->batch) {
    const size_t left = candidates.count - first;
    const size_t count = left < inputs->batch ? left : inputs->batch;
    struct batch_times times;
    status = score_batch(processors, streams, &candidates, first, count, token, scores + first, &times);
    token += times.tokens;
    if (!status) print_batch(streams, &times, &totals);
  }
  if (!status)
    printf("products: %.2f us; on Logic-PIM alone %.2f us, on the xPU alone %.2f us; elements: %.2f us\n",
           microseconds(totals.ran), microseconds(totals.logic_pim), microseconds(totals.xpu),
           microseconds(totals.elements));
  return status;
}

static enum status give_out(const struct inputs *inputs, const duplex_f32 *scores) {
  const size_t count = inputs->array[LENGTHS].count;
  if (inputs->text[OUT]) return array_write_f32(inputs->text[OUT], scores, count);
  for (size_t i = 0; i < count; i++) {
    float score;
    memcpy(&score, &scores[i], sizeof score);
    printf("candidate %zu: %.9g\n", i, (double)score);
  }
  return GOOD;
}

static enum status run(struct processors *processors, const struct inputs *inputs) {
  struct streams streams = {0};
  duplex_f32 *scores = allocate(inputs->array[LENGTHS].count, sizeof *scores);
  enum status status = scores ? open_streams(processors, inputs, &streams) : FAILED;
  if (!status) status = score_all(processors, &streams, inputs, scores);
  if (!status) status = give_out(inputs, scores);
  streams_free(&streams);
  free(scores);
  return status;
}

// One matrix of zeros: its crossover, and its times for 1 to 256 tokens.
static enum status print_times(struct processors *processors, const char *name, unsigned rows,
                               unsigned columns) {
  struct stream stream = {.name = name, .rows = rows, .columns = columns};
  stream.w = allocate((size_t)rows * columns, sizeof *stream.w);
  const enum status status = stream.w ? stream_open(processors, &stream) : FAILED;
  if (!status) print_crossover(&stream);
  if (!status) puts(times_title);
  for (unsigned tokens = 1; !status && tokens <= 256; tokens *= 2) {
    const struct product_times times = stream_times(processors, &stream, tokens);
    print_product(&stream, tokens, &times);
  }
  if (stream.resident) duplex_stack_release(processors->stack, stream.resident);
  free(stream.w);
  return status;
}

static enum status run_times(struct processors *processors, const struct inputs *inputs) {
  enum status status = print_times(processors, "Q_A", inputs->k, inputs->k);
  if (!status) status = print_times(processors, "Q_S", inputs->n, inputs->n);
  return status ? status : print_times(processors, "query", inputs->n, inputs->k);
}

static enum status open_and_run(const struct inputs *inputs) {
  const char *backend = inputs->text[BACKEND] ? inputs->text[BACKEND] : "cmodel";
  struct processors processors;
  enum status status = processors_open(&processors, backend, inputs->channels, inputs->processor);
  if (!status) status = inputs->text[TIMES] ? run_times(&processors, inputs) : run(&processors, inputs);
  processors_close(&processors);
  return status;
}

int main(int argc, char **argv) {
  struct inputs inputs = {0};
  enum status status = collect(argc, argv, &inputs);
  if (!status && inputs.text[HELP]) return fputs(help, stdout) == EOF ? FAILED : GOOD;
  if (!status) status = read_options(&inputs);
  if (!status && !inputs.text[TIMES]) status = read_files(&inputs);
  if (!status) status = open_and_run(&inputs);
  for (unsigned i = 0; i < REQUIRED; i++) array_free(&inputs.array[i]);
  if (fflush(stdout) != 0 && !status) status = report(FAILED, "the standard output cannot be written");
  return status;
}
