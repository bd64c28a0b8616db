// SPDX-License-Identifier: Apache-2.0
// From sums to words of results, as rtl/channel/drain.v.
#include "cmodel/channel/drain.h"

#include "duplex/enumerations.h"

enum { ROUND_LATENCY = 3 };

static bool full_word(const struct drain_timing *d, unsigned format) {
  return format == DUPLEX_RESULT_FORMAT_F16 ? d->held == 3 : (d->held & 1) != 0;
}

// A rounded row that stands at the end of its pipeline.
static struct drain_row rounded(const struct drain_timing *d, struct drain_row row) {
  const unsigned out = ROUND_LATENCY - 1;
  return row.valid ? row : (struct drain_row){d->rounding >> out & 1, d->ends >> out & 1};
}

struct drain_word drain_word(const struct drain_timing *d, unsigned format, struct drain_row row) {
  const bool acc = d->acc_left != 0;
  const struct drain_row ready = rounded(d, row);
  struct drain_word word = {.valid = acc || (ready.valid && (full_word(d, format) || ready.end))};
  word.marks.end = acc ? d->acc_end && d->acc_left == 1 : ready.end;
  word.marks.single = !acc && !(d->held & 1);
  return word;
}

void drain_clock(struct drain_timing *d, unsigned format, struct drain_row row, bool sum, bool end) {
  const struct drain_row ready = rounded(d, row);
  if (ready.valid) d->held = full_word(d, format) || ready.end ? 0 : d->held + 1;
  d->rounding = d->rounding << 1 | (sum && format != DUPLEX_RESULT_FORMAT_ACC);
  d->ends = d->ends << 1 | end;
  if (sum && format == DUPLEX_RESULT_FORMAT_ACC) {
    d->acc_left = 2;
  } else if (d->acc_left) {
    d->acc_left--;
  }
  if (sum) d->acc_end = end;
}
