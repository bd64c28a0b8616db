// SPDX-License-Identifier: Apache-2.0
// Words of results between the drain and the DRAM or the bus, as rtl/channel/result_buffer.v.
#ifndef DUPLEX_CMODEL_RESULT_BUFFER_H
#define DUPLEX_CMODEL_RESULT_BUFFER_H

#include "cmodel/channel/result_marks.h"
#include "cmodel/common/ram_fifo.h"
#include "duplex/params.h"

struct result_buffer {
  struct ram_fifo words;
  struct result_marks marks[DUPLEX_RESULT_WORDS];
};
static inline struct result_marks result_buffer_head(const struct result_buffer *b) {
  return b->marks[b->words.read % DUPLEX_RESULT_WORDS];
}
// One clock; `marks`: of the word that comes, or NULL.
static inline void result_buffer_clock(struct result_buffer *b, const struct result_marks *marks, bool pop) {
  if (marks) b->marks[b->words.write % DUPLEX_RESULT_WORDS] = *marks;
  ram_fifo_clock(&b->words, marks, pop, false, false);
}

#endif
