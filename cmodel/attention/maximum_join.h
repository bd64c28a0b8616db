// SPDX-License-Identifier: Apache-2.0
// The maxima of a head that several channels share, as rtl/attention/maximum_join.v.
#ifndef DUPLEX_CMODEL_MAXIMUM_JOIN_H
#define DUPLEX_CMODEL_MAXIMUM_JOIN_H

#include "cmodel/attention/attention_links.h"
#include "cmodel/attention/score_path.h"

struct maximum_join {
  enum { JOIN_IDLE, JOIN_FROM_BELOW, JOIN_TO_ABOVE, JOIN_FROM_ABOVE, JOIN_TO_BELOW, JOIN_DONE } state;
};

// Whether the oldest pair's maximum may be taken for its context; whether it goes back in
// this clock.
bool maximum_ready(const struct score_path *s, const struct maximum_join *j);
bool maximum_goes_back(const struct score_path *s, const struct maximum_join *j);
void maximum_join_clock(struct maximum_join *j, const struct score_path *s,
                        const struct attention_links *below, const struct attention_links *above, bool taken);

#endif
