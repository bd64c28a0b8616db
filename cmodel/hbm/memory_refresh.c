// SPDX-License-Identifier: Apache-2.0
// Refresh by the memory controller: when a bank owes a refresh, and when its requests have to wait for it.
#include "cmodel/hbm/memory_channel.h"

// The banks of a channel owe their refreshes one after the other over nREFI, each early by its share of it,
// so that a stream over all banks finds a few of them away at a time and never all.
uint64_t memory_refresh_due(const struct duplex_memory_parameters *p, const struct memory_channel *c,
                            unsigned bank) {
  const uint64_t interval = p->timing.nREFI;
  return (c->bank[bank].refreshes + 1) * interval - bank * interval / MEMORY_BANKS;
}

uint64_t memory_refresh_urgent(const struct duplex_memory_parameters *p, const struct memory_channel *c,
                               unsigned bank) {
  return memory_refresh_due(p, c, bank) + (uint64_t)p->postponed_refreshes * p->timing.nREFI;
}

uint64_t memory_first_urgent(const struct duplex_memory_parameters *p, const struct memory_channel *c) {
  uint64_t first = MEMORY_NEVER;
  for (unsigned bank = 0; bank < MEMORY_BANKS; bank++) {
    const uint64_t at = memory_refresh_urgent(p, c, bank);
    if (at < first) first = at;
  }
  return first;
}
