// SPDX-License-Identifier: Apache-2.0
// A mixed stage of Mixtral's shape (32 query heads, 8 KV heads, head size 128), firmware on the RV32
// controllers: decode attention on Logic-PIM and a prefill on the xPU at once take no longer than 1.03 times
// the longer side alone. usage: mixed_stage
// [STACKS CHANNELS PREFILL DECODES LENGTH], otherwise 5 32 2048 31 2048. Does it for that prefill, and for
// the length at which both sides take equally long. The last position of the prompt and of a sequence that
// decodes are the same, and so have to be their results.
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "duplex/device_attention.h"
#include "duplex/random.h"
#include "xpu/time.h"

enum { HEADS = 8, GROUP = 4, D = 128, Q_HEADS = HEADS * GROUP, DECODES_MOST = 256, PAGE = 64 };

static const double limit = 1.03;

struct setting {
  unsigned stacks, channels, prefill, decodes, length;
};

// The device with its sequences, and the values that they share.
struct stage {
  struct setting setting;
  struct duplex_device *device;
  struct duplex_device_kv *kv;
  struct duplex_device_sequence *decode[DECODES_MOST], *prompt;
  size_t longest;
  duplex_f16 *k, *v;            // [HEADS][longest][D]
  duplex_f16 *q, *o;            // [Q_HEADS][longest][D]
  duplex_f16 *step_k, *step_v;  // of the position that all sequences that decode get
  duplex_f16 *step_q, *step_o;
};

static void fail(const struct stage *s) {
  fprintf(stderr, "mixed_stage: %s\n", duplex_device_last_error(s->device));
  exit(1);
}

static duplex_f16 *draw(struct duplex_random *random, size_t count) {
  duplex_f16 *values = malloc(count * sizeof *values);
  if (!values) abort();
  for (size_t i = 0; i < count; i++) values[i] = duplex_f16_from_double(duplex_random_normal(random));
  return values;
}

// Positions [0, count) of all heads, head by head without gaps.
static duplex_f16 *first_of(const struct stage *s, const duplex_f16 *values, size_t heads, size_t count) {
  duplex_f16 *made = malloc(heads * count * D * sizeof *made);
  if (!made) abort();
  for (size_t head = 0; head < heads; head++)
    memcpy(made + head * count * D, values + head * s->longest * D, count * D * sizeof *made);
  return made;
}

static struct duplex_device_sequence *begin(struct stage *s, enum duplex_kv_space space, size_t count,
                                            size_t expected) {
  struct duplex_device_sequence *sequence;
  duplex_f16 *k = first_of(s, s->k, HEADS, count);
  duplex_f16 *v = first_of(s, s->v, HEADS, count);
  if (duplex_device_begin_sequence(s->kv, space, expected, &sequence) ||
      duplex_device_append(sequence, 0, k, v, count))
    fail(s);
  free(k);
  free(v);
  return sequence;
}

static void open_stage(struct stage *s) {
  struct duplex_riscv_options riscv = {0};
  const struct duplex_device_options options = {
      .stacks = s->setting.stacks, .stack = {.backend.channels = s->setting.channels, .riscv = &riscv}};
  const size_t pages = (size_t)(s->setting.decodes + 1) * HEADS * (s->longest / PAGE + 32);
  const size_t rooms = (size_t)s->setting.stacks * s->setting.channels;
  const struct duplex_device_kv_options kv = {.heads = HEADS,
                                              .head_size = D,
                                              .page_positions = PAGE,
                                              .pages = 2 * pages / rooms + 32,
                                              .prefill_pages = HEADS * s->longest / PAGE + 32};
  char text[256];
  struct duplex_random random;
  duplex_random_seed(&random, 1, 1);
  if (duplex_device_open("cmodel", &options, &s->device, text, sizeof text)) {
    fprintf(stderr, "mixed_stage: %s\n", text);
    exit(1);
  }
  if (duplex_device_open_kv(s->device, &kv, &s->kv)) fail(s);
  s->k = draw(&random, HEADS * s->longest * D);
  s->v = draw(&random, HEADS * s->longest * D);
  s->q = draw(&random, Q_HEADS * s->longest * D);
  s->o = draw(&random, Q_HEADS * s->longest * D);
  s->step_k = draw(&random, s->setting.decodes * HEADS * D);
  s->step_v = draw(&random, s->setting.decodes * HEADS * D);
  s->step_q = draw(&random, s->setting.decodes * Q_HEADS * D);
  s->step_o = draw(&random, s->setting.decodes * Q_HEADS * D);
}

// All sequences that decode, one position short, and what they get next.
static void fill_stage(struct stage *s) {
  const size_t last = s->setting.length - 1;
  for (unsigned i = 0; i < s->setting.decodes; i++) {
    s->decode[i] = begin(s, DUPLEX_KV_SPACES, last, s->setting.length);
    for (size_t head = 0; head < HEADS; head++) {
      const size_t from = (head * s->longest + last) * D;
      memcpy(s->step_k + (i * HEADS + head) * D, s->k + from, D * sizeof *s->k);
      memcpy(s->step_v + (i * HEADS + head) * D, s->v + from, D * sizeof *s->v);
    }
    for (size_t head = 0; head < Q_HEADS; head++)
      memcpy(s->step_q + (i * Q_HEADS + head) * D, s->q + (head * s->longest + last) * D, D * sizeof *s->q);
  }
}

// Decode of all (appending first, or not), prefill of so many positions (0: none), or both.
static struct duplex_device_attention_stats attend(struct stage *s, bool decodes, bool appends,
                                                   size_t prefill) {
  struct duplex_device_attention_stats stats;
  duplex_f16 *q = first_of(s, s->q, Q_HEADS, prefill);
  const struct duplex_device_prefill prompt = {s->prompt, 0, prefill, q, s->o};
  const struct duplex_device_attention attention = {
      .q_heads = Q_HEADS,
      .decode = {s->decode, decodes ? s->setting.decodes : 0, appends ? s->step_k : NULL,
                 appends ? s->step_v : NULL, s->step_q, s->step_o},
      .prefills = &prompt,
      .prefill_count = prefill > 0};
  if (duplex_device_attention(s->kv, &attention)) fail(s);
  duplex_device_attention_last_stats(s->kv, &stats);
  free(q);
  return stats;
}

// Last position of the prompt against those that decode, if they are the same.
static bool same_results(const struct stage *s, size_t prefill) {
  for (unsigned i = 0; i < s->setting.decodes && prefill == s->setting.length; i++)
    for (size_t head = 0; head < Q_HEADS; head++)
      if (memcmp(s->o + ((head + 1) * prefill - 1) * D, s->step_o + (i * Q_HEADS + head) * D,
                 D * sizeof *s->o)) {
        fprintf(stderr, "mixed_stage: query head %zu: decode of sequence %u differs from prefill\n", head, i);
        return false;
      }
  return true;
}

static double us(uint64_t clocks) { return (double)clocks / 650; }

// Prints both sides at once beside each alone; whether it is within the limit.
static bool measure(struct stage *s, bool appends, size_t prefill, const char *what) {
  s->prompt = begin(s, DUPLEX_KV_PREFILL, prefill, prefill);
  const struct duplex_device_attention_stats both = attend(s, true, appends, prefill);
  const bool same = same_results(s, prefill);
  const struct duplex_device_attention_stats decode = attend(s, true, false, 0);
  const struct duplex_device_attention_stats alone = attend(s, false, false, prefill);
  const uint64_t longer = decode.logic_pim > alone.xpu ? decode.logic_pim : alone.xpu;
  const double factor = (double)(both.hand_over + both.sides) / (double)longer;
  printf("prefill of %zu, %s\n", prefill, what);
  printf("  alone    Logic-PIM %7.2f us   xPU %7.2f us (reads %.2f, arithmetic %.2f, launch %.2f)\n",
         us(decode.logic_pim), us(alone.xpu), us(alone.xpu_reads), us(alone.xpu_arithmetic),
         us(alone.launch));
  printf(
      "  at once  Logic-PIM %7.2f us   xPU %7.2f us   hand-over %.2f us   both %.2f us: %.4f times the "
      "longer side, one after the other %.4f\n",
      us(both.logic_pim), us(both.xpu), us(both.hand_over), us(both.hand_over + both.sides), factor,
      (double)(decode.logic_pim + alone.xpu) / (double)longer);
  if (appends) printf("  before   append %.2f us\n", us(both.append));
  if (duplex_device_free_sequence(s->prompt)) fail(s);
  if (factor > limit)
    fprintf(stderr, "mixed_stage: %.4f times the longer side: at most %.2f\n", factor, limit);
  return same && factor <= limit;
}

static uint64_t prefill_clocks(const struct setting *setting, size_t positions) {
  const struct xpu_time_model model = xpu_time_h100(setting->stacks * setting->channels);
  return xpu_time_clocks(xpu_time_prefill(&model, Q_HEADS, HEADS, D, 0, (unsigned)positions),
                         DUPLEX_CLOCK_KHZ) +
         xpu_time_clocks(model.launch, DUPLEX_CLOCK_KHZ);
}

// The most positions whose prefill takes no longer than so many clocks.
static size_t prefill_within(const struct setting *setting, uint64_t clocks, size_t most) {
  size_t within = 1;
  while (within < most && prefill_clocks(setting, within + 1) <= clocks) within++;
  return within;
}

static unsigned number(const char *text) {
  const unsigned long value = strtoul(text, NULL, 10);
  if (value < 1 || value > 65536) {
    fprintf(stderr, "mixed_stage: %s: expected a number from 1 to 65536\n", text);
    exit(2);
  }
  return (unsigned)value;
}

int main(int argc, char **argv) {
  struct stage s = {.setting = {5, 32, 2048, 31, 2048}};
  if (argc == 6)
    s.setting =
        (struct setting){number(argv[1]), number(argv[2]), number(argv[3]), number(argv[4]), number(argv[5])};
  else if (argc != 1) {
    fprintf(stderr, "usage: mixed_stage [STACKS CHANNELS PREFILL DECODES LENGTH]\n");
    return 2;
  }
  s.longest = 2 * (size_t)(s.setting.prefill > s.setting.length ? s.setting.prefill : s.setting.length);
  if (s.setting.decodes > DECODES_MOST) {
    fprintf(stderr, "mixed_stage: %u decodes: expected at most %d\n", s.setting.decodes, DECODES_MOST);
    return 2;
  }
  open_stage(&s);
  fill_stage(&s);
  printf("%u stacks of %u channels, %u sequences of %u positions that decode\n", s.setting.stacks,
         s.setting.channels, s.setting.decodes, s.setting.length);
  bool good = measure(&s, true, s.setting.prefill, "as given");
  struct duplex_device_attention_stats stats = attend(&s, true, false, 0);
  printf(
      "decode alone: %.2f us; the stack with most K and V reads %.1f MB, %.3f of the rate of four bundles; "
      "all stacks: %.3f\n",
      us(stats.logic_pim), (double)stats.logic_pim_most / 1e6,
      (double)stats.logic_pim_most / (128.0 * s.setting.channels * (double)stats.logic_pim),
      (double)stats.logic_pim_bytes /
          (128.0 * s.setting.channels * s.setting.stacks * (double)stats.logic_pim));
  good &= measure(&s, false, prefill_within(&s.setting, stats.logic_pim, s.longest), "as long as decode");
  duplex_device_close(s.device);
  free(s.k), free(s.v), free(s.q), free(s.o);
  free(s.step_k), free(s.step_v), free(s.step_q), free(s.step_o);
  return good ? 0 : 1;
}
