// SPDX-License-Identifier: Apache-2.0
// Layers with a hot expert, which is divided by its tokens.
#ifndef DUPLEX_TEST_HOT_CASE_H
#define DUPLEX_TEST_HOT_CASE_H

#include "tests/device/moe_case.h"

// One token in 32 has expert 1, all others have expert 0, and the other experts have none. There is no
// gate if the shape has an odd number of experts.
static inline struct moe_case draw_hot_case(struct duplex_random *random, struct duplex_moe_shape shape,
                                            size_t tokens) {
  const size_t matrix = shape.experts * shape.inner * shape.hidden;
  duplex_f16 *x = draw(random, tokens * shape.hidden, 1, false);
  duplex_f16 *router = calloc(shape.experts * shape.hidden, sizeof *router);
  assert_non_null(router);
  router[0] = duplex_f16_from_double(1);
  router[shape.hidden] = duplex_f16_from_double(-1);
  for (size_t i = 0; i < tokens; i++) x[i * shape.hidden] = duplex_f16_from_double(i % 32 == 5 ? -2 : 2);
  return (struct moe_case){.shape = shape,
                           .weights = {.router = router,
                                       .gate = shape.experts % 2 ? NULL : draw(random, matrix, 0.2, false),
                                       .up = draw(random, matrix, 0.2, false),
                                       .down = draw(random, matrix, 0.2, false)},
                           .routing = {.top_k = 1},
                           .relu = true,
                           .x = x,
                           .tokens = tokens};
}

// Tokens of expert 0 of such a layer that Logic-PIM had, while the xPU had the others; 0: it is not divided
// so. With h gathered: the mean of all products, since either stage may have its own number. Expert 1 is
// Logic-PIM's.
static inline size_t hot_tokens(const struct moe_case *c, const struct duplex_moe_stats *s) {
  const uint64_t weights = (c->weights.gate ? 3 : 2) * c->shape.hidden * c->shape.inner;
  const bool divided = s->xpu_bytes == weights * sizeof(duplex_f16) && s->logic_pim_bytes == 2 * s->xpu_bytes;
  return divided ? s->logic_pim_macs / weights - s->tokens[1] : 0;
}

#endif
