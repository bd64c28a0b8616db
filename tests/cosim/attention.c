// SPDX-License-Identifier: Apache-2.0
// Random batches of decode attention on both back ends: the same bytes, clocks, DRAM commands and counters.
// usage: attention [--seed S] [--cases N] [--only CASE] [--channels C] [--most C] [--plain 1]
// --most: of the numbers of channels, which are 1, 2 and this one (5).
// --plain: without the cases of many pieces, of many segments and of long rows, which take most of the time.
// Heads lie in one channel or are spread over several. Sequences grow in turns, so that their pages lie apart
// and a sequence becomes several segments, and share prefixes, so that segments have lanes that do not exist.
// One case in eight has more segments than the queue holds, one a row that the slice does not hold: their
// scores go to DRAM and come back. A case is drawn from (seed, number) alone.
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "duplex/error.h"
#include "duplex/kv_cache.h"
#include "duplex/random.h"
#include "tests/common/environment.h"

enum { SEQUENCES = 5, PIECES = 40, PAGE = DUPLEX_WIDTH, GEMM_ROWS = 3, GEMM_COLUMNS = 16 };

struct piece {
  unsigned sequence, positions;
};

// Everything that a case does, drawn before any back end is opened.
struct attention_case {
  struct duplex_random random;
  unsigned channels, heads, group, head_size, batch, pieces, bundles, kind;
  struct piece piece[PIECES];
  int parent[SEQUENCES];  // sequence of which this one shares its first positions, -1: none
  unsigned spread[SEQUENCES];
  duplex_f16 *k, *v, *q;  // k, v[pieces][heads][positions][head_size]
  size_t offset[PIECES + 1], q_elements;
  double scale;
  bool gemm;   // of the first numbers of q and k
  bool step;   // attention with another position for each sequence, the first numbers of k and v
  bool wide;   // weights in two parts
  bool plain;  // no many pieces, no many segments, no long rows
};

struct outcome {
  duplex_f16 *o;
  struct duplex_stack_stats stats;
  duplex_f16 y[2][GEMM_ROWS];
  uint64_t gemm_cycles[2];
};

static uint64_t below(struct attention_case *c, uint64_t bound) {
  return duplex_random_below(&c->random, bound);
}
static unsigned pick(struct attention_case *c, const unsigned *values, unsigned count) {
  return values[below(c, count)];
}

static duplex_f16 draw_value(struct attention_case *c) {
  const uint64_t bits = duplex_random_u64(&c->random);
  if (c->kind == 1) return (duplex_f16)bits;  // all bit patterns
  if (c->kind == 2 && below(c, 200) == 0) return (duplex_f16)(bits & 0x83ff) | 0x7c00;
  return (duplex_f16)((bits & 0x83ff) | (10 + (bits >> 20) % 6) << 10);
}

static void draw_pieces(struct attention_case *c) {
  static const unsigned lengths[] = {1, 2, 5, 16, 63, 64, 65, 100, 128, 130, 200, 300};
  const unsigned most = !c->plain && below(c, 4) == 0 ? PIECES - SEQUENCES : 6;
  for (unsigned s = 0; s < c->batch; s++) c->piece[c->pieces++] = (struct piece){s, pick(c, lengths, 12)};
  for (unsigned i = (unsigned)below(c, most); i; i--)
    c->piece[c->pieces++] = (struct piece){(unsigned)below(c, c->batch), pick(c, lengths, 10)};
}

// Two sequences, page by page in turn.
static void draw_many_segments(struct attention_case *c) {
  c->batch = 2;
  for (unsigned i = 0; i < 2 * (DUPLEX_ATTENTION_QUEUE + 2); i++)
    c->piece[c->pieces++] = (struct piece){i % 2, PAGE};
}

// More than half of the lanes, of more scores than a slice has.
static void draw_long_row(struct attention_case *c) {
  c->heads = c->batch = 1;
  c->group = DUPLEX_LANES / 2 + 1 + (unsigned)below(c, DUPLEX_LANES / 2);
  c->wide = false;
  c->piece[c->pieces++] = (struct piece){
      0, DUPLEX_SCORE_WORDS * DUPLEX_SCORES_OF_WORD / DUPLEX_LANES + 1 + (unsigned)below(c, 300)};
}

static unsigned draw_spread(struct attention_case *c) {
  unsigned spread = 1;  // channels of a head
  while (2 * spread * c->heads <= c->channels && below(c, 3)) spread *= 2;
  return spread;
}

// Returns whether sequences may share.
static bool draw_rows(struct attention_case *c) {
  switch (c->plain ? 2 : below(c, 8)) {
    case 0:
      draw_many_segments(c);
      return false;
    case 1:
      draw_long_row(c);
      return false;
    default:
      draw_pieces(c);
      return true;
  }
}

static void draw(struct attention_case *c, unsigned channels) {
  static const unsigned sizes[] = {16,  32,  48,  64,  80,  96,  112, 128, 128,
                                   144, 160, 176, 192, 208, 224, 240, 256};
  static const unsigned bundles[] = {1, 3, 7, 15, 7, 14};
  c->channels = channels;
  c->head_size = pick(c, sizes, sizeof sizes / sizeof *sizes);
  c->heads = 1 + (unsigned)below(c, 4);
  c->group = 1 + (unsigned)below(c, below(c, 4) ? 4 : 9);
  if (c->group > 2 * DUPLEX_LANES) c->group = 2 * DUPLEX_LANES;
  c->batch = 1 + (unsigned)below(c, SEQUENCES);
  c->bundles = pick(c, bundles, 6);
  c->kind = (unsigned)below(c, 4);
  c->scale = below(c, 2) ? 0 : 0.5;
  c->gemm = below(c, 3) == 0;
  c->wide = below(c, 3) == 0;
  const bool shares = draw_rows(c);
  for (unsigned s = 0; s < c->batch; s++) c->parent[s] = shares && s && below(c, 2) ? (int)below(c, s) : -1;
  for (unsigned s = 0; s < c->batch; s++) c->spread[s] = draw_spread(c);
  size_t total = 0;
  for (unsigned i = 0; i < c->pieces; i++) {
    c->offset[i] = total;
    total += (size_t)c->heads * c->piece[i].positions * c->head_size;
  }
  c->q_elements = (size_t)c->batch * c->heads * c->group * c->head_size;
  c->k = malloc(total * sizeof *c->k);
  c->v = malloc(total * sizeof *c->v);
  c->q = malloc(c->q_elements * sizeof *c->q);
  if (!c->k || !c->v || !c->q) abort();
  for (size_t i = 0; i < total; i++) c->k[i] = draw_value(c), c->v[i] = draw_value(c);
  for (size_t i = 0; i < c->q_elements; i++) c->q[i] = draw_value(c);
  c->step = total >= (size_t)c->batch * c->heads * c->head_size && below(c, 2);
}

// A sequence begins with its first piece, or as a part of another; the others follow in turn.
static int fill(struct attention_case *c, struct duplex_kv_cache *cache, struct duplex_sequence **sequences) {
  int error = DUPLEX_OK;
  for (unsigned i = 0; i < c->pieces && !error; i++) {
    const unsigned s = c->piece[i].sequence;
    if (!sequences[s] && c->parent[s] >= 0) {
      const size_t there = duplex_kv_length(sequences[c->parent[s]], 0);
      error = duplex_kv_share(sequences[c->parent[s]], there - there / 3, &sequences[s]);
    } else if (!sequences[s]) {
      error = duplex_kv_begin_spread(cache, DUPLEX_KV_SPACES, 64, c->spread[s], &sequences[s]);
    }
    if (!error)
      error = duplex_kv_append(sequences[s], 0, c->k + c->offset[i], c->v + c->offset[i],
                               c->piece[i].positions, 0);
  }
  return error;
}

static int run_gemm(struct attention_case *c, struct duplex_stack *stack, unsigned which,
                    struct outcome *outcome) {
  struct duplex_weights *weights = NULL;
  struct duplex_stack_stats stats;
  if (!c->gemm) return DUPLEX_OK;
  duplex_f16 w[GEMM_ROWS * GEMM_COLUMNS];
  for (unsigned i = 0; i < GEMM_ROWS * GEMM_COLUMNS; i++) w[i] = c->q[i % GEMM_COLUMNS];
  int error = duplex_stack_upload(stack, w, GEMM_ROWS, GEMM_COLUMNS, NULL, &weights);
  if (!error) error = duplex_stack_gemm(stack, weights, c->q, 1, DUPLEX_F16, outcome->y[which]);
  duplex_stack_last_stats(stack, &stats);
  outcome->gemm_cycles[which] = stats.cycles;
  if (weights) duplex_stack_release(stack, weights);
  return error;
}

static int run_on(struct attention_case *c, const char *backend, struct outcome *outcome) {
  const struct duplex_stack_options options = {.backend = {.channels = c->channels}, .bundles = c->bundles};
  const struct duplex_kv_options kv = {
      .heads = c->heads, .head_size = c->head_size, .page_positions = PAGE, .pages = 200};
  struct duplex_stack *stack = NULL;
  struct duplex_kv_cache *cache = NULL;
  struct duplex_sequence *sequences[SEQUENCES] = {NULL};
  char text[300] = "";
  outcome->o = calloc(c->q_elements, sizeof *outcome->o);
  int error = duplex_stack_open(backend, &options, &stack, text, sizeof text);
  if (!error) error = duplex_kv_open(stack, &kv, &cache);
  if (!error) error = fill(c, cache, sequences);
  if (!error) error = run_gemm(c, stack, 0, outcome);
  const size_t q_heads = c->heads * c->group;
  if (!error) duplex_kv_use_p32(cache, c->wide);
  if (!error && c->step)
    error = duplex_stack_attention_step(cache, 0, sequences, c->batch, c->k, c->v, c->q, q_heads, c->scale,
                                        outcome->o);
  if (!error && !c->step)
    error = duplex_stack_attention(cache, 0, sequences, c->batch, c->q, q_heads, c->scale, outcome->o);
  if (!error) duplex_stack_last_stats(stack, &outcome->stats);
  if (!error) error = run_gemm(c, stack, 1, outcome);
  if (error)
    printf("%s: %s %s\n", backend, text, stack ? duplex_stack_last_error(stack) : duplex_error_text(error));
  if (cache) duplex_kv_close(cache);
  if (stack) duplex_stack_close(stack);
  return error;
}

static bool same(const char *what, uint64_t model, uint64_t rtl) {
  if (model != rtl)
    printf("MISMATCH %s: model %llu, rtl %llu\n", what, (unsigned long long)model, (unsigned long long)rtl);
  return model == rtl;
}

// Every counter is compared, so that a failure names all that differ.
static bool same_stats(const struct duplex_stack_stats *a, const struct duplex_stack_stats *b) {
  bool good = same("cycles", a->cycles, b->cycles);
  good &= same("ACT", a->commands.act, b->commands.act);
  good &= same("PRE", a->commands.pre, b->commands.pre);
  good &= same("RD", a->commands.rd, b->commands.rd);
  good &= same("WR", a->commands.wr, b->commands.wr);
  good &= same("REF", a->commands.ref, b->commands.ref);
  good &= same("bytes read", a->read_bytes, b->read_bytes);
  good &= same("bytes written", a->write_bytes, b->write_bytes);
  good &= same("clocks of the append", a->append_cycles, b->append_cycles);
  good &= same("xPU WR", a->commands.xpu_wr, b->commands.xpu_wr);
  good &= same("starved", a->starved, b->starved);
  good &= same("no tile", a->no_tile, b->no_tile);
  good &= same("no room", a->no_room, b->no_room);
  return good;
}

static bool same_bytes(const struct attention_case *c, const duplex_f16 *model, const duplex_f16 *rtl) {
  for (size_t i = 0; i < c->q_elements; i++) {
    if (model[i] == rtl[i]) continue;
    printf("MISMATCH element %zu (head size %u): model %04x, rtl %04x\n", i, c->head_size, model[i], rtl[i]);
    return false;
  }
  return true;
}

static bool run_case(uint64_t seed, uint64_t number, unsigned channels, unsigned most, bool plain) {
  const unsigned few[] = {1, 2, most};
  struct attention_case c = {.plain = plain};
  duplex_random_seed(&c.random, seed, number);
  draw(&c, channels ? channels : pick(&c, few, 3));
  struct outcome model = {0};
  struct outcome rtl = {0};
  bool good = run_on(&c, "cmodel", &model) == DUPLEX_OK && run_on(&c, "rtl", &rtl) == DUPLEX_OK;
  if (good) {
    const bool bytes = same_bytes(&c, model.o, rtl.o);
    const bool stats = same_stats(&model.stats, &rtl.stats);
    good = bytes && stats;
  }
  for (unsigned i = 0; i < 2 && good; i++)
    good = same("clocks of the GEMM", model.gemm_cycles[i], rtl.gemm_cycles[i]) &&
           same("results of the GEMM", 0, (uint64_t)(memcmp(model.y[i], rtl.y[i], sizeof rtl.y[i]) != 0));
  printf(
      "%s case %llu: D %u, %u KV heads x %u, %u sequences in %u pieces, %u channels, bundles %x, values "
      "%u%s: %llu clocks "
      "(append "
      "%llu), %llu descriptors\n",
      good ? "same" : "FAIL", (unsigned long long)number, c.head_size, c.heads, c.group, c.batch, c.pieces,
      c.channels, c.bundles, c.kind, c.wide ? ", p32" : "", (unsigned long long)model.stats.cycles,
      (unsigned long long)model.stats.append_cycles, (unsigned long long)model.stats.descriptors);
  free(c.k), free(c.v), free(c.q), free(model.o), free(rtl.o);
  return good;
}

int main(int argc, char **argv) {
  uint64_t seed = environment_seed();
  uint64_t cases = 20;
  uint64_t only = UINT64_MAX;
  unsigned channels = 0;
  unsigned most = 5;
  bool plain = false;
  for (int i = 1; i + 1 < argc; i += 2) {
    const uint64_t value = strtoull(argv[i + 1], NULL, 0);
    if (!strcmp(argv[i], "--seed")) seed = value;
    if (!strcmp(argv[i], "--cases")) cases = value;
    if (!strcmp(argv[i], "--only")) only = value;
    if (!strcmp(argv[i], "--plain")) plain = value != 0;
    if (!strcmp(argv[i], "--channels")) channels = (unsigned)value;
    if (!strcmp(argv[i], "--most")) most = (unsigned)value;
  }
  setvbuf(stdout, NULL, _IOLBF, 0);
  for (uint64_t number = only == UINT64_MAX ? 0 : only; number < (only == UINT64_MAX ? cases : only + 1);
       number++) {
    if (run_case(seed, number, channels, most, plain)) continue;
    printf("replay: %s --seed %llu --only %llu --most %u\n", argv[0], (unsigned long long)seed,
           (unsigned long long)number, most);
    return 1;
  }
  printf("attention: all bytes, clocks and counters equal, seed %llu\n", (unsigned long long)seed);
  return 0;
}
