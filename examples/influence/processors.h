// SPDX-License-Identifier: Apache-2.0
// One stack with Logic-PIM and the xPU beside it: products with resident matrices, on either of the two.
#ifndef INFLUENCE_PROCESSORS_H
#define INFLUENCE_PROCESSORS_H

#include <duplex/duplex.h>
#include <duplex/xpu.h>

#include "report.h"

enum processor { LOGIC_PIM, XPU, BEST };  // BEST: whoever is sooner

#define JOB_GROUPS 8  // groups of 8 tokens that a job of Logic-PIM has at most

struct processors {
  struct duplex_stack *stack;
  struct duplex_xpu *xpu;
  enum processor choice;
};

// A matrix W[rows, columns] that is streamed past tokens; rows of binary16 with exponents.
struct stream {
  const char *name;
  unsigned rows, columns;
  duplex_f16 *w;      // as the xPU reads it
  int8_t *exponents;  // or NULL: all 0
  struct duplex_weights *resident;
  uint64_t job_time[JOB_GROUPS];  // ps of a job of 1, 2, ... groups of tokens, measured on the stack
  unsigned crossover;             // the most tokens with which Logic-PIM takes no longer than the xPU
};

// Who had a product, and how long it takes on either, in ps.
struct product_times {
  enum processor ran;
  uint64_t logic_pim, xpu;
};

// BAD_INPUT: an option that the back end refuses.
enum status processors_open(struct processors *processors, const char *backend, unsigned channels,
                            enum processor choice);
void processors_close(struct processors *processors);

// Brings w, which stays the caller's, onto the stack, and measures the times of jobs.
enum status stream_open(struct processors *processors, struct stream *stream);

// Operations of a product of so many tokens over the bytes it moves: weights, tokens, results in binary32.
double stream_op_per_byte(const struct stream *stream, unsigned tokens);

// Who would run it, and times on both, from the jobs measured and the xPU's own estimate with its launch.
struct product_times stream_times(struct processors *processors, const struct stream *stream,
                                  unsigned tokens);

// y[tokens, rows] = RN32(2^exponent of the row * exact sum of x[tokens, columns] times the row). The time of
// the one who ran is that of this run.
enum status stream_multiply(struct processors *processors, const struct stream *stream, const duplex_f16 *x,
                            unsigned tokens, duplex_f32 *y, struct product_times *times);

// The same on the xPU alone with a w that is not resident.
enum status xpu_multiply(struct processors *processors, const struct stream *stream, const duplex_f16 *x,
                         unsigned tokens, duplex_f32 *y);

// Time of work on elements that reads and writes so many bytes, with a launch.
uint64_t elements_time(struct processors *processors, uint64_t bytes);

#endif
