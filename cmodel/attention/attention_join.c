// SPDX-License-Identifier: Apache-2.0
// Rows of context sums between the GEMM module and the quotient or the member above, as
// rtl/attention/attention_join.v.
#include "cmodel/attention/attention_join.h"

enum { GEMM_CLOCKS = 6, JOIN_CLOCKS = 2 };

bool join_row_goes_up(const struct attention_join *j) {
  return j->given >> (GEMM_CLOCKS + JOIN_CLOCKS - 1) & 1;
}
bool join_row_taken(const struct attention_join *j) { return j->taken >> (GEMM_CLOCKS - 1) & 1; }

void attention_join_clock(struct attention_join *j, bool take, bool give, bool row_from_below,
                          bool taken_above) {
  j->there += (unsigned)row_from_below - (unsigned)take;
  j->room += (unsigned)taken_above - (unsigned)give;
  j->taken = (j->taken << 1 | take) & ((1u << GEMM_CLOCKS) - 1);
  j->given = (j->given << 1 | give) & ((1u << (GEMM_CLOCKS + JOIN_CLOCKS)) - 1);
}
