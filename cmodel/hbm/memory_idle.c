// SPDX-License-Identifier: Apache-2.0
// A channel of the memory controller at rest: refreshes go on, the same in each nREFI, and are passed over.
#include "cmodel/hbm/memory_channel.h"

// Nothing but refreshes can come, and nothing holds these up but the refreshes before them.
static bool is_at_rest(const struct memory_channel *c) {
  for (unsigned bank = 0; bank < MEMORY_BANKS; bank++)
    if (c->bank[bank].open) return false;
  for (unsigned rank = 0; rank < MEMORY_RANKS; rank++) {
    if (c->bus.rank_act_at[rank] > c->next) return false;
    for (unsigned group = 0; group < MEMORY_GROUPS; group++)
      if (c->bus.group_act_at[rank][group] > c->next) return false;
  }
  return true;
}

// Moves what refreshes leave behind by so many intervals.
static void shift(struct memory_channel *c, uint64_t intervals, uint64_t interval) {
  const uint64_t tck = intervals * interval;
  for (unsigned bank = 0; bank < MEMORY_BANKS; bank++) {
    c->bank[bank].act_at += tck;
    c->bank[bank].refreshes += intervals;
  }
  for (unsigned rank = 0; rank < MEMORY_RANKS; rank++) c->bus.rank_ref_at[rank] += tck;
  c->bus.row_at += tck;
  c->urgent_at += tck;
  c->next += tck;
}

// Whether a channel is as it was one interval ago, but for that interval: then it goes on so.
static bool is_same(const struct memory_channel *a, const struct memory_channel *b) {
  for (unsigned bank = 0; bank < MEMORY_BANKS; bank++)
    if (a->bank[bank].act_at != b->bank[bank].act_at || a->bank[bank].refreshes != b->bank[bank].refreshes)
      return false;
  for (unsigned rank = 0; rank < MEMORY_RANKS; rank++)
    if (a->bus.rank_ref_at[rank] != b->bus.rank_ref_at[rank]) return false;
  return a->bus.row_at == b->bus.row_at && a->urgent_at == b->urgent_at && a->next == b->next;
}

static void decide_until(struct duplex_memory_controller *m, struct memory_channel *c, uint64_t tck) {
  while (c->next < tck) memory_decide(m, c, c->next);
}

// Passes one interval command by command. True: the ones behind it are the same.
static bool has_period(struct duplex_memory_controller *m, struct memory_channel *c, uint64_t interval) {
  struct memory_channel before = *c;
  decide_until(m, c, before.next + interval);
  if (!is_at_rest(&before)) return false;
  shift(&before, 1, interval);
  return is_same(&before, c);
}

void memory_pass_idle(struct duplex_memory_controller *m, struct memory_channel *c, uint64_t tck) {
  const uint64_t interval = m->parameters.timing.nREFI;
  const bool may_skip = m->calls.command == NULL || m->calls.refreshes;
  while (may_skip && c->next < tck && tck - c->next > 2 * interval) {
    if (!has_period(m, c, interval)) continue;
    const uint64_t intervals = (tck - c->next) / interval;
    shift(c, intervals, interval);
    m->statistics.refreshes += intervals * MEMORY_BANKS;
    if (m->calls.refreshes) m->calls.refreshes(m->calls.user, c->number, intervals);
    break;
  }
  decide_until(m, c, tck);
}
