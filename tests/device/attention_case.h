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

#define MOST 4  // sequences of a side

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

static inline struct duplex_device *open_device(const struct duplex_device_options *options) {
  struct duplex_device *device;
  char text[256];
  if (duplex_device_open("cmodel", options, &device, text, sizeof text)) fail_msg("%s", text);
  return device;
}

static inline void must(const struct duplex_device *device, int error) {
  if (error) fail_msg("error %d: %s", error, duplex_device_last_error(device));
}

#endif
