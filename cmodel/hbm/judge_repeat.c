// SPDX-License-Identifier: Apache-2.0
// Refreshes that repeat themselves, before the judge of DRAM timing.
#include <inttypes.h>

#include "duplex/timing_judge.h"

#define BANKS 8u
#define ALL_BANKS (DUPLEX_BUNDLES * BANKS)

// Whether the last interval had one refresh of each bank, and nothing else.
static bool had_refreshes_only(const struct duplex_judge *judge) {
  const int64_t start = judge->now - (int64_t)judge->timing.nREFI;
  for (unsigned i = 0; i < ALL_BANKS; i++) {
    const struct duplex_judge_bank *b = &judge->banks[i / BANKS][i % BANKS];
    if (b->open || b->ref <= start) return false;
    if (b->act > start || b->pre > start || b->refab > start || b->rd > start || b->wr > start) return false;
  }
  return judge->side[0].row_command <= start && judge->side[1].pre <= start;
}

// The state as so many intervals with the same refreshes leave it.
static void shift(struct duplex_judge *judge, uint64_t intervals) {
  const int64_t tck = (int64_t)(intervals * judge->timing.nREFI);
  for (unsigned i = 0; i < ALL_BANKS; i++) {
    judge->banks[i / BANKS][i % BANKS].ref += tck;
    judge->banks[i / BANKS][i % BANKS].refreshes += intervals;
  }
  judge->now += tck;
  judge->side[1].row_command += tck;
  judge->rank_ref[0] += tck;
  judge->rank_ref[1] += tck;
  judge->refresh_limit += tck;
}

// The bank whose last refresh is the oldest one.
static unsigned oldest(const struct duplex_judge *judge) {
  unsigned first = 0;
  for (unsigned i = 1; i < ALL_BANKS; i++)
    if (judge->banks[i / BANKS][i % BANKS].ref < judge->banks[first / BANKS][first % BANKS].ref) first = i;
  return first;
}

// Only the last interval is taken command by command: by the times between commands it is like each of those
// before it.
bool duplex_judge_repeat(struct duplex_judge *judge, uint64_t count) {
  if (count == 0) return true;
  if (!had_refreshes_only(judge)) {
    snprintf(judge->text, sizeof judge->text, "tCK %" PRId64 ": not only refreshes repeat themselves",
             judge->now);
    return false;
  }
  shift(judge, count - 1);
  for (unsigned i = 0; i < ALL_BANKS; i++) {
    const unsigned bank = oldest(judge);
    const int64_t last = judge->banks[bank / BANKS][bank % BANKS].ref;
    const struct duplex_judge_command command = {.tck = (uint64_t)last + judge->timing.nREFI,
                                                 .kind = DUPLEX_JUDGE_REF,
                                                 .bundle = bank / BANKS,
                                                 .mask = 1u << bank % BANKS,
                                                 .xpu = true};
    if (!duplex_judge_take(judge, &command)) return false;
  }
  return true;
}
