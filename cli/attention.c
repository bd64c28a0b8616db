// SPDX-License-Identifier: Apache-2.0
// duplex attention: Q[B,Hq,D], K,V[B,Hkv,L,D] -> O[B,Hq,D], decode attention of a batch of sequences on one
// stack.
#include "cli/attention.h"

#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "cli/command.h"
#include "cli/messages.h"
#include "cli/npy.h"
#include "cli/options.h"
#include "cli/output.h"
#include "cli/progress.h"
#include "cli/stack_options.h"
#include "cli/statistics.h"
#include "duplex/error.h"
#include "duplex/kv_cache.h"

#define PAGE_POSITIONS 512u
#define F32_INFINITY 0x7f800000u

struct inputs {
  struct tensor q, k, v, o;
  size_t *lengths, *order;  // of the batch; order: longest first
  struct duplex_sequence **sequences;
  double scale;      // 0: the default
  unsigned spread;   // 0: auto
  unsigned weights;  // enum weights
  bool wide;         // weights of two parts
  unsigned *spreads;
  unsigned append;  // 1: the last positions are written in the job
};

// Head size, heads and positions are in their ranges.
static int check_heads(const struct option *options, const struct inputs *in) {
  const size_t *q = in->q.shape;
  const size_t *k = in->k.shape;
  const char *q_name = option_value(options, "--q");
  const char *k_name = option_value(options, "--k");
  if (q[2] % 16 || q[2] > DUPLEX_HEAD_SIZE_MAX)
    return fail(EXIT_BAD_INPUT, "--q %s: head size %zu, expected a multiple of 16 up to %u", q_name, q[2],
                DUPLEX_HEAD_SIZE_MAX);
  if (k[1] > DUPLEX_KV_HEADS_MAX)
    return fail(EXIT_BAD_INPUT, "--k %s: has %zu KV heads, expected 1 to %u", k_name, k[1],
                DUPLEX_KV_HEADS_MAX);
  if (q[1] % k[1] || q[1] / k[1] > 16)
    return fail(EXIT_BAD_INPUT,
                "--q %s: has %zu query heads for %zu KV heads, expected a multiple, at most 16 times as many",
                q_name, q[1], k[1]);
  if (k[2] > DUPLEX_POSITIONS_MAX)
    return fail(EXIT_BAD_INPUT, "--k %s: has %zu positions, expected 1 to %u", k_name, k[2],
                DUPLEX_POSITIONS_MAX);
  return q[0] <= UINT16_MAX
             ? EXIT_GOOD
             : fail(EXIT_BAD_INPUT, "--q %s: has %zu sequences, expected 1 to %u", q_name, q[0], UINT16_MAX);
}

// K and V have each other's shape, and batch and head size of Q.
static int check_shapes(const struct option *options, const struct inputs *in) {
  const size_t *q = in->q.shape;
  const size_t *k = in->k.shape;
  const size_t *v = in->v.shape;
  if (k[0] != q[0] || k[3] != q[2])
    return fail(EXIT_BAD_INPUT,
                "--k %s: has the shape (%zu, %zu, %zu, %zu), expected (%zu, heads, positions, %zu) as --q",
                option_value(options, "--k"), k[0], k[1], k[2], k[3], q[0], q[2]);
  if (memcmp(k, v, 4 * sizeof *k) != 0)
    return fail(EXIT_BAD_INPUT,
                "--v %s: has the shape (%zu, %zu, %zu, %zu), expected that of --k (%zu, %zu, %zu, %zu)",
                option_value(options, "--v"), v[0], v[1], v[2], v[3], k[0], k[1], k[2], k[3]);
  return check_heads(options, in);
}

static int set_length(const struct inputs *in, size_t index, int64_t length) {
  if (length < 1 || (uint64_t)length > in->k.shape[2])
    return fail(EXIT_BAD_INPUT, "--lengths: sequence %zu has length %lld, expected 1 to %zu", index,
                (long long)length, in->k.shape[2]);
  in->lengths[index] = (size_t)length;
  return EXIT_GOOD;
}

// A number for each sequence, with commas between them, and blanks around both.
static int read_length_list(const char *text, const struct inputs *in) {
  const size_t batch = in->q.shape[0];
  const char *at = text;
  for (size_t i = 0; i < batch; i++) {
    char *end;
    errno = 0;
    const long long length = strtoll(at, &end, 10);
    const char *next = skip_blanks(end);
    if (end == at || errno || *next != (i + 1 < batch ? ',' : 0))
      return fail(EXIT_BAD_INPUT,
                  "--lengths '%s': expected %zu numbers with commas between them, or the name of a .npy file",
                  text, batch);
    if (set_length(in, i, length)) return EXIT_BAD_INPUT;
    at = next + 1;
  }
  return EXIT_GOOD;
}

// What is not a list is the name of a file that is there, or at least one of the kind.
static bool is_list(const char *text) {
  const size_t length = strlen(text);
  if (text[0] && strspn(text, "0123456789,+- \t") == length) return true;
  return access(text, F_OK) != 0 && !(length > 4 && strcmp(text + length - 4, ".npy") == 0);
}

// One dimension of <i4 or <i8, an element for each sequence.
static int read_length_file(const char *path, const struct inputs *in) {
  struct tensor tensor;
  if (npy_read_integers("--lengths", path, &tensor)) return EXIT_BAD_INPUT;
  int status = EXIT_GOOD;
  if (tensor.rank != 1 || tensor.shape[0] != in->q.shape[0])
    status = fail(EXIT_BAD_INPUT, "--lengths %s: has %u dimensions and %zu elements, expected 1 and %zu",
                  path, tensor.rank, tensor.count, in->q.shape[0]);
  for (size_t i = 0; i < in->q.shape[0] && !status; i++)
    status = set_length(in, i, tensor_integer(&tensor, i));
  tensor_free(&tensor);
  return status;
}

static int compare_lengths(const void *a, const void *b, void *lengths) {
  const size_t left = ((const size_t *)lengths)[*(const size_t *)a];
  const size_t right = ((const size_t *)lengths)[*(const size_t *)b];
  return left != right
             ? (left < right) - (left > right)
             : (*(const size_t *)a > *(const size_t *)b) - (*(const size_t *)a < *(const size_t *)b);
}

// Lengths of all sequences, and their order, longest first.
static int read_lengths(const struct option *options, struct inputs *in) {
  const char *text = option_value(options, "--lengths");
  const size_t batch = in->q.shape[0];
  in->lengths = malloc(batch * sizeof *in->lengths);
  in->order = malloc(batch * sizeof *in->order);
  in->sequences = malloc(batch * sizeof *in->sequences);
  in->spreads = malloc(batch * sizeof *in->spreads);
  if (!in->lengths || !in->order || !in->sequences || !in->spreads)
    return fail(EXIT_BAD_INPUT, "too little memory for %zu sequences", batch);
  for (size_t i = 0; i < batch; i++) in->lengths[i] = in->k.shape[2], in->order[i] = i;
  if (text && (is_list(text) ? read_length_list(text, in) : read_length_file(text, in)))
    return EXIT_BAD_INPUT;
  qsort_r(in->order, batch, sizeof *in->order, compare_lengths, in->lengths);
  return EXIT_GOOD;
}

static int read_scale(const struct option *options, struct inputs *in) {
  const char *text = option_value(options, "--scale");
  if (!text) return EXIT_GOOD;
  if (!read_real(text, &in->scale) || !isfinite(in->scale) || !(in->scale > 0))
    return fail(EXIT_BAD_INPUT, "--scale '%s': expected a positive finite number", text);
  const duplex_f32 factor = duplex_attention_scale(in->scale, DUPLEX_HEAD_SIZE_MAX);
  if (factor == 0 || factor >= F32_INFINITY)
    return fail(EXIT_BAD_INPUT,
                "--scale '%s': expected a number that is neither zero nor infinity when it is rounded to "
                "binary32 (times log2 e)",
                text);
  return EXIT_GOOD;
}

enum weights { WEIGHTS_AUTO, WEIGHTS_P16, WEIGHTS_P32 };

static int read_weights(const struct option *options, struct inputs *in) {
  static const char *const choices[] = {"auto", "p16", "p32", NULL};
  return choice_option(options, "--weights", choices, &in->weights);
}

static size_t group_of(const struct inputs *in) { return in->q.shape[1] / in->k.shape[1]; }

static int read_spread(const struct option *options, struct inputs *in) {
  static const char *const choices[] = {"auto", "1", "2", "4", "8", "16", "32", NULL};
  unsigned index;
  if (choice_option(options, "--spread", choices, &index)) return EXIT_BAD_INPUT;
  in->spread = index ? 1u << (index - 1) : 0;
  return EXIT_GOOD;
}

// What depends on the number of channels.
static int check_spread(const struct duplex_stack *stack, const struct inputs *in) {
  const unsigned heads = (unsigned)in->k.shape[1];
  const unsigned most = duplex_kv_spread_most(stack, heads);
  if (in->spread <= most) return EXIT_GOOD;
  return fail(EXIT_BAD_INPUT, "--spread %u: expected at most %u for %u KV heads on these channels",
              in->spread, most, heads);
}

// Everything that the options name, and a tensor for the results.
static int read_inputs(const struct option *options, struct inputs *in) {
  static const char *const places[] = {"before", "inside", NULL};
  if (choice_option(options, "--append", places, &in->append) || read_scale(options, in) ||
      read_spread(options, in) || read_weights(options, in) ||
      npy_read_f16("--q", option_value(options, "--q"), 3, &in->q) ||
      npy_read_f16("--k", option_value(options, "--k"), 4, &in->k) ||
      npy_read_f16("--v", option_value(options, "--v"), 4, &in->v) || check_shapes(options, in) ||
      read_lengths(options, in))
    return EXIT_BAD_INPUT;
  in->wide = in->weights == WEIGHTS_P32 || (in->weights == WEIGHTS_AUTO && group_of(in) <= DUPLEX_LANES / 2);
  return tensor_new(ELEMENT_F16, 3, in->q.shape, &in->o);
}

// The batch's sequences in the cache, longest first so that the channels are evenly filled; without positions
// that are appended.
static int fill_cache(struct duplex_kv_cache *cache, const struct inputs *in) {
  const size_t *k = in->k.shape;
  const size_t of_head = k[2] * k[3];
  int error = 0;
  duplex_kv_plan_spreads(cache, in->lengths, k[0],
                         in->wide && group_of(in) > DUPLEX_LANES / 2 ? DUPLEX_LANES / 2 : group_of(in),
                         in->spreads);
  for (size_t i = 0; i < k[0] && !error; i++) {
    const size_t index = in->order[i];
    const size_t from = index * k[1] * of_head;
    error = duplex_kv_begin_spread(cache, DUPLEX_KV_SPACES, in->lengths[index],
                                   in->spread ? in->spread : in->spreads[index], &in->sequences[index]);
    if (!error)
      error =
          duplex_kv_append(in->sequences[index], 0, (const duplex_f16 *)in->k.data + from,
                           (const duplex_f16 *)in->v.data + from, in->lengths[index] - in->append, of_head);
  }
  return error;
}

// Pages of the first sequences of the batch, which are at least needed, in every channel.
static size_t least_pages(const struct duplex_stack *stack, const struct inputs *in, size_t batch,
                          size_t *all) {
  const size_t channels = duplex_stack_channels(stack);
  const size_t heads = in->k.shape[1] < channels ? in->k.shape[1] : channels;  // of a page
  *all = 0;
  for (size_t i = 0; i < batch; i++) *all += (in->lengths[i] + PAGE_POSITIONS - 1) / PAGE_POSITIONS;
  return (*all * heads + channels - 1) / channels;
}

// A cache that has room for so many sequences of the batch beside their q and o.
static bool fit(struct duplex_stack *stack, const struct inputs *in, size_t batch,
                struct duplex_kv_options *options) {
  size_t pages;
  const size_t least = least_pages(stack, in, batch, &pages);
  const size_t room = duplex_kv_room_beside(stack, options, batch, in->q.shape[1], in->wide);
  options->pages = room < pages ? room : pages;  // may still do: a page takes some of the channels only
  return least <= room;
}

// The cache for the batch. *most: so many of its sequences have room, all if it is the batch.
static struct duplex_kv_options cache_options(struct duplex_stack *stack, const struct inputs *in,
                                              size_t *most) {
  struct duplex_kv_options options = {.heads = (unsigned)in->k.shape[1],
                                      .head_size = (unsigned)in->k.shape[3],
                                      .page_positions = PAGE_POSITIONS};
  struct duplex_kv_options tried = options;
  size_t none = in->k.shape[0] + 1;  // too many
  *most = fit(stack, in, in->k.shape[0], &options) ? in->k.shape[0] : 0;
  while (*most != in->k.shape[0] && none - *most > 1) {
    const size_t middle = *most + (none - *most) / 2;
    if (fit(stack, in, middle, &tried))
      *most = middle;
    else
      none = middle;
  }
  return options;
}

// The last position of every sequence: [batch][heads][head size].
static void last_positions(const struct inputs *in, const struct tensor *from, duplex_f16 *to) {
  const size_t *shape = from->shape;
  for (size_t i = 0; i < shape[0] * shape[1]; i++)
    memcpy(to + i * shape[3],
           (const duplex_f16 *)from->data + (i * shape[2] + in->lengths[i / shape[1]] - 1) * shape[3],
           shape[3] * sizeof *to);
}

// Returns a code of duplex/error.h.
static int attend(struct duplex_kv_cache *cache, const struct inputs *in) {
  const size_t *shape = in->k.shape;
  const size_t elements = shape[0] * shape[1] * shape[3];
  if (!in->append)
    return duplex_stack_attention(cache, 0, in->sequences, shape[0], in->q.data, in->q.shape[1], in->scale,
                                  in->o.data);
  duplex_f16 *kv = malloc(2 * elements * sizeof *kv);
  if (!kv) return DUPLEX_ERROR_NO_MEMORY;
  last_positions(in, &in->k, kv);
  last_positions(in, &in->v, kv + elements);
  const int error = duplex_stack_attention_step(cache, 0, in->sequences, shape[0], kv, kv + elements,
                                                in->q.data, in->q.shape[1], in->scale, in->o.data);
  free(kv);
  return error;
}

// Returns a code of duplex/error.h. *most: sequences of the batch that have room, as far as can be told
// before.
static int compute(struct duplex_stack *stack, const struct inputs *in, size_t *most) {
  struct duplex_kv_cache *cache = NULL;
  const struct duplex_kv_options wanted = cache_options(stack, in, most);
  if (*most < in->q.shape[0]) return DUPLEX_ERROR_OUT_OF_SPACE;
  progress("filling the KV cache");
  int error = duplex_kv_open(stack, &wanted, &cache);
  if (!error) error = fill_cache(cache, in);
  progress("computing");
  if (!error) duplex_kv_use_p32(cache, in->wide);
  if (!error) error = attend(cache, in);
  progress_end();
  duplex_kv_close(cache);
  return error;
}

static void free_inputs(struct inputs *in) {
  tensor_free(&in->q);
  tensor_free(&in->k);
  tensor_free(&in->v);
  tensor_free(&in->o);
  free(in->lengths);
  free(in->order);
  free(in->sequences);
  free(in->spreads);
}

// The line for a failure of compute.
static int refuse(const struct duplex_stack *stack, const struct option *options, const struct inputs *in,
                  size_t most, int error) {
  if (most == in->q.shape[0]) return stack_error(stack, error);
  return fail(EXIT_BAD_INPUT,
              "--q %s: has %zu sequences, the stack's DRAM has room for K, V, q and o of the first %zu",
              option_value(options, "--q"), in->q.shape[0], most);
}

int attention_on(struct duplex_stack *stack, const struct option *options, bool (*make_room)(void *context),
                 void *context, struct tensor *o) {
  struct inputs in = {0};
  int status = read_inputs(options, &in);
  if (!status) status = check_spread(stack, &in);
  if (!status) {
    size_t most;
    int error;
    do error = compute(stack, &in, &most);
    while (error == DUPLEX_ERROR_OUT_OF_SPACE && make_room(context));
    if (error) status = refuse(stack, options, &in, most, error);
  }
  if (!status) {
    *o = in.o;
    in.o = (struct tensor){0};
  }
  free_inputs(&in);
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
  status = check_spread(stack, in);
  size_t most;
  const int error = status ? 0 : compute(stack, in, &most);
  if (error) status = refuse(stack, options, in, most, error);
  duplex_stack_last_stats(stack, &stats);
  status = close_stack(stack, outputs, status);
  if (!status) status = output_tensor(outputs, out, &in->o);
  if (!status) status = write_stats(options, outputs, "attention", &stats);
  return status ? status : outputs_commit(outputs);
}

static int run_attention(int argc, char **argv) {
  struct option options[OPTIONS_MOST];
  struct inputs in = {0};
  struct outputs outputs = {0};
  int status = command_read(&attention_command, argc, argv, options);
  if (!status) status = read_inputs(options, &in);
  if (!status) status = run(options, &in, &outputs);
  outputs_discard(&outputs);
  free_inputs(&in);
  return status;
}

static const struct option own_options[] = {
    {"--q", "FILE.npy", "Q: one query position of Hq heads for each sequence", true, 0},
    {"--k", "FILE.npy", "K: L positions of Hkv heads for each sequence", true, 0},
    {"--v", "FILE.npy", "V, of the shape of K", true, 0},
    {"--out", "FILE.npy", "O, written", true, 0},
    {"--scale", "S", "factor of the scores, a positive number (default 1/sqrt(D))", 0, 0},
    {"--lengths", "LIST|FILE.npy",
     "positions of each sequence, 1 to L: numbers with commas, or <i4 or <i8 [B] (default L)", 0, 0},
    {"--spread", "auto|1|2|4|8|16|32", "channels that share a KV head, at most channels / Hkv (default auto)",
     0, 0},
    {"--append", "before|inside",
     "inside: the xPU writes the last position of each sequence as part of the job (default before)", 0, 0},
    {"--weights", "auto|p16|p32",
     "weights of the softmax of 12 significant bits, or of 23 for twice the lanes (default auto: p32 where "
     "that costs no time, up to 4 query heads of a KV head)",
     0, 0},
    STATS_OPTION,
    {0}};

const struct command attention_command = {
    "attention",
    "",
    "decode attention over K and V of a batch of sequences",
    "Q[B,Hq,D], K,V[B,Hkv,L,D] -> O[B,Hq,D] = softmax(scale Q K^T) V, one query position for each sequence. "
    "<f2, C order; Hq a multiple of Hkv, at most 16 times as many; D a multiple of 16 up to 256, L up to "
    "131072.\n",
    own_options,
    true,
    run_attention};
