// SPDX-License-Identifier: Apache-2.0
// The router of an MoE layer: one GEMM, then token by token.
#include "xpu/router.h"

#include <stdlib.h>

#include "cmodel/numerics/exact_mode.h"
#include "duplex/error.h"
#include "xpu/binary32.h"
#include "xpu/parallel.h"
#include "xpu/top_k.h"

struct choice {
  const struct xpu_router *router;
  const duplex_f32 *logits;  // [tokens][experts]
  uint32_t *chosen;
  duplex_f32 *weights;
  duplex_f32 *room;  // [tokens][xpu_choice_room]
};

// Experts and weights of one token, by the thread that has it.
static void choose(void *context, unsigned thread, size_t token) {
  (void)thread;
  const struct choice *choice = context;
  const struct xpu_router *router = choice->router;
  const duplex_f32 *logits = choice->logits + token * router->experts;
  uint32_t *chosen = choice->chosen + token * router->top_k;
  duplex_f32 *weights = choice->weights + token * router->top_k;
  if (router->choice) {
    duplex_f32 *room = choice->room + token * xpu_choice_room(router->choice, router->experts);
    xpu_choose_token(router->choice, router->renormalise, logits, router->experts, router->top_k, room,
                     chosen, weights);
    return;
  }
  xpu_top_k(logits, router->experts, router->top_k, chosen);
  xpu_score_token(router->score, router->renormalise, logits, router->experts, chosen, router->top_k,
                  weights);
}

static void add_bias(const struct xpu_router *router, duplex_f32 *logits) {
  const exact_mode saved = exact_begin(logits);
  for (size_t i = 0; i < (size_t)router->tokens * router->experts; i++)
    logits[i] = binary32_bits(binary32_float(logits[i]) + binary32_float(router->bias[i % router->experts]));
  exact_end(saved, logits);
}

static bool is_legal(const struct xpu_router *router, const uint32_t *chosen, const duplex_f32 *weights) {
  if (!router || !chosen || !weights || !router->top_k || router->top_k > router->experts ||
      (unsigned)router->score >= XPU_SCORES)
    return false;
  return !router->choice || (router->score == XPU_SCORE_SIGMOID &&
                             xpu_choice_is_legal(router->choice, router->experts, router->top_k));
}

int xpu_route(const struct xpu_router *router, uint32_t *chosen, duplex_f32 *weights) {
  if (!is_legal(router, chosen, weights)) return DUPLEX_ERROR_ARGUMENT;
  duplex_f32 *logits = calloc((size_t)router->tokens + 1, router->experts * sizeof *logits);
  const size_t room = router->choice ? xpu_choice_room(router->choice, router->experts) : 0;
  duplex_f32 *rooms = calloc((size_t)router->tokens * room + 1, sizeof *rooms);
  if (!logits || !rooms) {
    free(logits);
    free(rooms);
    return DUPLEX_ERROR_NO_MEMORY;
  }
  const struct xpu_gemm gemm = {.x = router->x,
                                .x_stride = router->x_stride,
                                .tokens = router->tokens,
                                .columns = router->columns,
                                .rows = router->experts,
                                .weights = router->weights,
                                .exponents = router->exponents,
                                .format = DUPLEX_RESULT_FORMAT_F32,
                                .out = logits,
                                .out_stride = router->experts,
                                .threads = router->threads};
  const int error = xpu_gemm_run(&gemm, NULL);
  if (!error && router->bias) add_bias(router, logits);
  struct choice choice = {router, logits, chosen, weights, rooms};
  if (!error) xpu_parallel(router->threads, router->tokens, choose, &choice);
  free(logits);
  free(rooms);
  return error;
}
