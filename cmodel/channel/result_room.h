// SPDX-License-Identifier: Apache-2.0
// Words of the result buffer that nobody has spoken for, as rtl/channel/result_room.v.
#ifndef DUPLEX_CMODEL_RESULT_ROOM_H
#define DUPLEX_CMODEL_RESULT_ROOM_H

#include <stdbool.h>

struct result_room {
  unsigned free;
  bool pause;  // a row of whole sums has just been spoken for
};
static inline bool result_room_there(const struct result_room *r) { return r->free >= 2 && !r->pause; }
// One clock: a word leaves; so many are spoken for.
static inline void result_room_clock(struct result_room *r, bool pop, unsigned taken, bool pause) {
  r->free += (unsigned)pop - taken;
  r->pause = pause;
}

#endif
