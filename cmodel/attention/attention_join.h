// SPDX-License-Identifier: Apache-2.0
// Rows of context sums to and from the channels that share a head, as rtl/attention/attention_join.v.
#ifndef DUPLEX_CMODEL_ATTENTION_JOIN_H
#define DUPLEX_CMODEL_ATTENTION_JOIN_H

#include <stdbool.h>
#include <stdint.h>

struct attention_join {
  unsigned there, room;   // rows from below not spoken for, room above
  uint32_t taken, given;  // rows that take one from below, that go above, on their way from their last beat,
                          // one bit a clock
};

bool join_row_goes_up(const struct attention_join *j);
bool join_row_taken(const struct attention_join *j);
void attention_join_clock(struct attention_join *j, bool take, bool give, bool row_from_below,
                          bool taken_above);

#endif
