// SPDX-License-Identifier: Apache-2.0
// A mixed stage for tests: sequences that decode, prefills, and one run of them on a device. For CMocka
// tests.
#ifndef DUPLEX_TEST_DEVICE_ATTENTION_CASE_H
#define DUPLEX_TEST_DEVICE_ATTENTION_CASE_H

#include <stdio.h>
#include <string.h>

#include "duplex/device_attention.h"
#include "duplex/random.h"
#include "tests/attention/oracle_attention.h"

#define MOST 4    // sequences of a side
#define PAGES 24  // of each space

// K and V[heads][length][d] of a sequence, and the queries: [q_heads][count][d] of a prefill's positions from
// `first` on, [q_heads][d] of one that decodes (count 1, of its last position).
struct tensors {
  size_t length, first, count;
  duplex_f16 *k, *v, *q;
};

struct mixed_case {
  unsigned heads, group, d;
  bool p32;
  double scale;
  bool appends;         // the last position of those that decode comes with the attention
  size_t batch, count;  // sequences that decode; prefills
  struct tensors decode[MOST], prefill[MOST];
};

static inline void *new_values(size_t count) {
  void *values = calloc(count + 1, sizeof(duplex_f16));
  assert_non_null(values);
  return values;
}

// Moderate values, and with `any` now and then any bits: infinities and NaN too.
static inline duplex_f16 *draw_values(struct duplex_random *random, size_t count, bool any) {
  duplex_f16 *made = new_values(count);
  for (size_t i = 0; i < count; i++)
    made[i] = any && duplex_random_below(random, 200) == 0
                  ? draw_operand(random, ANY_BITS)
                  : duplex_f16_from_double(duplex_random_normal(random));
  return made;
}

static inline struct tensors draw_tensors(struct duplex_random *random, const struct mixed_case *c,
                                          size_t length, size_t first, size_t count, bool any) {
  const size_t values = c->heads * length * c->d;
  return (struct tensors){length,
                          first,
                          count,
                          draw_values(random, values, any),
                          draw_values(random, values, any),
                          draw_values(random, c->heads * c->group * count * c->d, any)};
}

static inline void free_tensors(struct tensors *t) {
  free(t->k);
  free(t->v);
  free(t->q);
}

static inline void free_mixed(struct mixed_case *c) {
  for (size_t i = 0; i < c->batch; i++) free_tensors(&c->decode[i]);
  for (size_t i = 0; i < c->count; i++) free_tensors(&c->prefill[i]);
}

// o[q_heads][count][d] of a sequence, by the oracle.
static inline void oracle_tensors(const struct mixed_case *c, const struct tensors *t, duplex_f16 *o) {
  const float factor = oracle_scale(c->scale, c->d);
  for (size_t head = 0; head < c->heads * c->group; head++) {
    const size_t kv = head / c->group * t->length * c->d;
    for (size_t i = 0; i < t->count; i++) {
      const size_t at = (head * t->count + i) * c->d;
      oracle_attention_of(t->q + at, t->k + kv, t->v + kv, t->first + i + 1, c->d, factor, c->p32, o + at);
    }
  }
}

// Positions [from, from + count) of all heads, head by head without gaps.
static inline duplex_f16 *positions_of(const struct mixed_case *c, const struct tensors *t,
                                       const duplex_f16 *values, size_t from, size_t count) {
  duplex_f16 *made = new_values(c->heads * count * c->d);
  for (size_t head = 0; head < c->heads; head++)
    memcpy(made + head * count * c->d, values + (head * t->length + from) * c->d,
           count * c->d * sizeof *made);
  return made;
}

// The code of appending positions [from, from + count).
static inline int append_positions(const struct mixed_case *c, const struct tensors *t, unsigned layer,
                                   struct duplex_device_sequence *sequence, size_t from, size_t count) {
  duplex_f16 *k = positions_of(c, t, t->k, from, count);
  duplex_f16 *v = positions_of(c, t, t->v, from, count);
  const int error = duplex_device_append(sequence, layer, k, v, count);
  free(k);
  free(v);
  return error;
}

static inline struct duplex_device *open_device(const char *backend,
                                                const struct duplex_device_options *options) {
  struct duplex_device *device;
  char text[256];
  if (duplex_device_open(backend, options, &device, text, sizeof text)) fail_msg("%s", text);
  return device;
}

static inline void must(const struct duplex_device *device, int error) {
  if (error) fail_msg("error %d: %s", error, duplex_device_last_error(device));
}

static inline unsigned below(struct duplex_random *random, unsigned most) {
  return (unsigned)duplex_random_below(random, most);
}

static inline struct mixed_case draw_case(struct duplex_random *random) {
  static const unsigned sizes[] = {16, 32, 48, 64, 80, 128};
  struct mixed_case c = {.heads = 1 + below(random, 5),
                         .group = 1 + below(random, below(random, 4) ? 4 : 16),
                         .d = sizes[below(random, 6)],
                         .p32 = below(random, 3) == 0,
                         .scale = below(random, 2) ? 0 : 0.01 * (1 + below(random, 100)),
                         .appends = below(random, 2),
                         .batch = below(random, MOST + 1),
                         .count = below(random, MOST)};
  const bool any = below(random, 4) == 0;
  for (size_t i = 0; i < c.batch; i++) {
    const size_t length = 1 + below(random, 150);
    c.decode[i] = draw_tensors(random, &c, length, length - 1, 1, any);
  }
  for (size_t i = 0; i < c.count; i++) {
    const size_t length = 1 + below(random, 150);
    const size_t first = below(random, 3) ? below(random, (unsigned)length) : 0;
    const size_t left = length - first;
    c.prefill[i] = draw_tensors(random, &c, length, first, left < 9 ? left : 1 + below(random, 9), any);
  }
  return c;
}

// A stage on a device.
struct stage {
  const struct mixed_case *c;
  struct duplex_device *device;
  struct duplex_device_kv *kv;
  unsigned layer;
  struct duplex_device_sequence *decode[MOST], *prefill[MOST];
  duplex_f16 *k, *v, *q, *o;  // of those that decode
  duplex_f16 *prefill_o[MOST];
};

// A sequence with positions up to `length`, in pieces of random size, in as many channels as one of any
// length.
static inline struct duplex_device_sequence *fill(struct stage *s, struct duplex_random *random,
                                                  const struct tensors *t, enum duplex_kv_space space,
                                                  size_t length) {
  struct duplex_device_sequence *sequence;
  const size_t expected = below(random, 2) ? length : below(random, 6000);
  must(s->device, duplex_device_begin_sequence(s->kv, space, expected, &sequence));
  for (size_t done = 0, count; done < length; done += count) {
    count = 1 + below(random, (unsigned)(length - done));
    must(s->device, append_positions(s->c, t, s->layer, sequence, done, count));
  }
  assert_int_equal(duplex_device_sequence_length(sequence, s->layer), length);
  return sequence;
}

// One that decodes: it begins in the KV spaces, or moves there.
static inline struct duplex_device_sequence *fill_decode(struct stage *s, struct duplex_random *random,
                                                         const struct tensors *t) {
  const bool moves = below(random, 2);
  uint64_t clocks;
  struct duplex_device_sequence *sequence =
      fill(s, random, t, moves ? DUPLEX_KV_PREFILL : DUPLEX_KV_SPACES, t->length - s->c->appends);
  must(s->device, duplex_device_move_sequence(sequence, &clocks));
  assert_true(moves == (clocks > 0) || t->length == s->c->appends);
  return sequence;
}

// Queries of all that decode, and the positions that they get.
static inline void gather(struct stage *s) {
  const struct mixed_case *c = s->c;
  const size_t of_q = c->heads * c->group * c->d;
  const size_t of_kv = c->heads * c->d;
  s->k = new_values(c->batch * of_kv);
  s->v = new_values(c->batch * of_kv);
  s->q = new_values(c->batch * of_q);
  s->o = new_values(c->batch * of_q);
  for (size_t i = 0; i < c->batch; i++) {
    const struct tensors *t = &c->decode[i];
    memcpy(s->q + i * of_q, t->q, of_q * sizeof *s->q);
    for (size_t head = 0; head < c->heads; head++) {
      const size_t from = ((head + 1) * t->length - 1) * c->d;
      memcpy(s->k + i * of_kv + head * c->d, t->k + from, c->d * sizeof *s->k);
      memcpy(s->v + i * of_kv + head * c->d, t->v + from, c->d * sizeof *s->v);
    }
  }
}

static inline void prepare(struct stage *s, struct duplex_random *random) {
  const struct mixed_case *c = s->c;
  const struct duplex_device_kv_options options = {.heads = c->heads,
                                                   .head_size = c->d,
                                                   .layers = 2,
                                                   .page_positions = 64u << below(random, 2),
                                                   .pages = PAGES,
                                                   .prefill_pages = PAGES,
                                                   .p32 = c->p32};
  must(s->device, duplex_device_open_kv(s->device, &options, &s->kv));
  s->layer = below(random, 2);
  for (size_t i = 0; i < c->batch; i++) s->decode[i] = fill_decode(s, random, &c->decode[i]);
  for (size_t i = 0; i < c->count; i++) {
    const struct tensors *t = &c->prefill[i];
    s->prefill[i] = fill(s, random, t, DUPLEX_KV_PREFILL, t->length);
    s->prefill_o[i] = new_values(c->heads * c->group * t->count * c->d);
  }
  gather(s);
}

static inline void attend(struct stage *s) {
  const struct mixed_case *c = s->c;
  struct duplex_device_prefill prefills[MOST];
  for (size_t i = 0; i < c->count; i++)
    prefills[i] = (struct duplex_device_prefill){s->prefill[i], c->prefill[i].first, c->prefill[i].count,
                                                 c->prefill[i].q, s->prefill_o[i]};
  const struct duplex_device_attention attention = {
      .layer = s->layer,
      .q_heads = c->heads * c->group,
      .scale = c->scale,
      .decode = {s->decode, c->batch, c->appends ? s->k : NULL, c->appends ? s->v : NULL, s->q, s->o},
      .prefills = prefills,
      .prefill_count = c->count};
  must(s->device, duplex_device_attention(s->kv, &attention));
}

static inline void end_stage(struct stage *s) {
  for (size_t i = 0; i < s->c->count; i++) free(s->prefill_o[i]);
  free(s->k);
  free(s->v);
  free(s->q);
  free(s->o);
  duplex_device_close(s->device);
}

#endif
