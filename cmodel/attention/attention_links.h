// SPDX-License-Identifier: Apache-2.0
// What a channel's attention shows to the members of its head below and above in a clock.
#ifndef DUPLEX_CMODEL_ATTENTION_LINKS_H
#define DUPLEX_CMODEL_ATTENTION_LINKS_H

#include <stdbool.h>

struct attention_links {
  bool maximum_up, takes_from_below, maximum_down, takes_from_above, row_up, row_taken;
};

#endif
