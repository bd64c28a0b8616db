// SPDX-License-Identifier: Apache-2.0
// score = sum over tokens of (Q_S^T s) . (M Q_A^T a): three products, then exact sums.
#include "scores.h"

#include <stdlib.h>

#include "exact_sum.h"
#include "halves.h"

// Tokens of a batch on their way: alpha = Q_A^T a, sigma = Q_S^T s, beta = M alpha.
struct tokens {
  duplex_f32 *alpha, *sigma, *beta;
  duplex_f16 *x;  // alpha as binary16, 2^-exponent of the token
  int *exponents;
  double *row;  // a token's alpha
};

static void free_tokens(struct tokens *tokens) {
  free(tokens->alpha);
  free(tokens->sigma);
  free(tokens->beta);
  free(tokens->x);
  free(tokens->exponents);
  free(tokens->row);
}

static enum status allocate_tokens(size_t count, size_t k, size_t n, struct tokens *tokens) {
  *tokens = (struct tokens){.alpha = allocate(count * k, sizeof *tokens->alpha),
                            .sigma = allocate(count * n, sizeof *tokens->sigma),
                            .beta = allocate(count * n, sizeof *tokens->beta),
                            .x = allocate(count * k, sizeof *tokens->x),
                            .exponents = allocate(count, sizeof *tokens->exponents),
                            .row = allocate(k, sizeof *tokens->row)};
  const bool room = tokens->alpha && tokens->sigma && tokens->beta && tokens->x && tokens->exponents;
  return room && tokens->row ? GOOD : FAILED;
}

// Each token's alpha as binary16 with an exponent of its own.
static void round_tokens(struct tokens *tokens, size_t count, size_t k) {
  for (size_t t = 0; t < count; t++) {
    for (size_t i = 0; i < k; i++) tokens->row[i] = double_of_f32(tokens->alpha[t * k + i]);
    tokens->exponents[t] = row_exponent(tokens->row, k);
    round_row(tokens->row, k, tokens->exponents[t], tokens->x + t * k, 1);
  }
}

static bool all_finite(const duplex_f32 *values, size_t count) {
  bool finite = true;
  for (size_t i = 0; i < count; i++) finite = finite && (values[i] & 0x7f800000u) != 0x7f800000u;
  return finite;
}

// The exact sum over the tokens of each candidate.
static enum status sum_up(const struct tokens *tokens, size_t n, const struct candidates *candidates,
                          size_t first, size_t count, duplex_f32 *scores) {
  size_t t = 0;
  for (size_t i = 0; i < count; i++) {
    struct exact_sum sum = {0};
    const size_t end = t + (size_t)candidates->lengths[first + i];
    if (!all_finite(tokens->beta + t * n, (end - t) * n))
      return report(BAD_INPUT, "candidate %zu: a product with the damped query matrix is beyond binary32",
                    first + i);
    for (; t < end; t++)
      exact_sum_add(&sum, tokens->sigma + t * n, tokens->beta + t * n, n, tokens->exponents[t]);
    scores[i] = exact_sum_round(&sum);
    if (!all_finite(&scores[i], 1))
      return report(BAD_INPUT, "candidate %zu: its score is beyond binary32", first + i);
  }
  return GOOD;
}

static enum status multiply(struct processors *processors, const struct streams *streams,
                            const duplex_f16 *activations, const duplex_f16 *gradients, struct tokens *tokens,
                            struct batch_times *times) {
  const unsigned count = times->tokens;
  enum status status = stream_multiply(processors, &streams->a, activations, count, tokens->alpha, &times->a);
  if (!status) status = stream_multiply(processors, &streams->s, gradients, count, tokens->sigma, &times->s);
  if (status) return status;
  round_tokens(tokens, count, streams->a.rows);
  return stream_multiply(processors, &streams->query, tokens->x, count, tokens->beta, &times->query);
}

enum status score_batch(struct processors *processors, const struct streams *streams,
                        const struct candidates *candidates, size_t first, size_t count, size_t token,
                        duplex_f32 *scores, struct batch_times *times) {
  const size_t k = streams->query.columns;
  const size_t n = streams->query.rows;
  size_t all = 0;
  for (size_t i = 0; i < count; i++) all += (size_t)candidates->lengths[first + i];
  *times = (struct batch_times){.tokens = (unsigned)all};
  // alpha in and out as binary16, sigma and beta in: one kernel each.
  times->elements = elements_time(processors, all * k * 6) + elements_time(processors, all * n * 8);
  struct tokens tokens;
  enum status status = allocate_tokens(all, k, n, &tokens);
  if (!status)
    status = multiply(processors, streams, candidates->activations + token * k,
                      candidates->gradients + token * n, &tokens, times);
  if (!status) status = sum_up(&tokens, n, candidates, first, count, scores);
  free_tokens(&tokens);
  return status;
}
