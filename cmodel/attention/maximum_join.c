// SPDX-License-Identifier: Apache-2.0
// The maxima of a head in several channels, joined, as rtl/attention/maximum_join.v: who waits for whom,
// without the numbers.
#include "cmodel/attention/maximum_join.h"

static bool joins(const struct maximum_mark *own) { return own->below || own->above; }

bool maximum_ready(const struct score_path *s, const struct maximum_join *j) {
  if (j->state == JOIN_DONE) return !s->maximum[0].back;
  return s->maxima && !joins(&s->maximum[0]);
}

bool maximum_goes_back(const struct score_path *s, const struct maximum_join *j) {
  return j->state == JOIN_DONE && s->maximum[0].back;
}

void maximum_join_clock(struct maximum_join *j, const struct score_path *s,
                        const struct attention_links *below, const struct attention_links *above,
                        bool taken) {
  const struct maximum_mark *own = &s->maximum[0];
  switch (j->state) {
    case JOIN_IDLE:
      if (s->maxima && joins(own)) j->state = own->below ? JOIN_FROM_BELOW : JOIN_TO_ABOVE;
      break;
    case JOIN_FROM_BELOW:
      if (below->maximum_up) j->state = own->above ? JOIN_TO_ABOVE : JOIN_TO_BELOW;
      break;
    case JOIN_TO_ABOVE:
      if (above->takes_from_below) j->state = JOIN_FROM_ABOVE;
      break;
    case JOIN_FROM_ABOVE:
      if (above->maximum_down) j->state = own->below ? JOIN_TO_BELOW : JOIN_DONE;
      break;
    case JOIN_TO_BELOW:
      if (below->takes_from_above) j->state = JOIN_DONE;
      break;
    default:
      if (taken || own->back) j->state = JOIN_IDLE;
  }
}
