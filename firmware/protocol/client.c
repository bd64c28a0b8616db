// SPDX-License-Identifier: Apache-2.0
// What a client's message names, against what its queue may touch.
#include "duplex/params.h"
#include "firmware/protocol.h"

// So many row sets from `base` on, of a stripe set of so many bundles, lie in a run of rows. Without sums
// that what a client says could make too large for a word: a base before the run is one far behind it.
static inline bool lies_in(const struct row_range *part, uint32_t bundles, uint32_t base, uint32_t row_sets) {
  const uint32_t whole = part->count * bundles;
  return row_sets <= whole && base - part->first * bundles <= whole - row_sets;
}

bool client_owns(const struct client *client, struct region region, uint32_t row_sets) {
  // By mask: the RV32 has no instruction that counts bits.
  static const uint8_t ones[16] = {0, 1, 1, 2, 1, 2, 2, 3, 1, 2, 2, 3, 2, 3, 3, 4};
  const struct allotment *own = &client->allotment;
  const uint32_t bundles = ones[region.stripe & 15];
  if (bundles == 0 || (region.stripe & ~own->bundles)) return false;
  return lies_in(&own->part[0], bundles, region.base, row_sets) ||
         lies_in(&own->part[1], bundles, region.base, row_sets);
}

enum completion_status client_matrix(const struct client *client, const struct matrix_words *words,
                                     uint32_t flags, struct weight_layout *layout, struct region *region) {
  *region = (struct region){words->base, words->stripe};
  layout->rows = words->rows;
  layout->gated = (words->flags & MATRIX_GATED) != 0;
  layout->exponents = (words->flags & MATRIX_EXPONENTS) != 0;
  layout->two_streams = (words->flags & MATRIX_PAIR) != 0;
  if ((words->flags & ~flags) || (layout->exponents && layout->two_streams) ||
      !weight_layout(layout, words->k, client->channels))
    return COMPLETION_ARGUMENT;
  return client_owns(client, *region, layout->row_sets) ? COMPLETION_DONE : COMPLETION_REGION;
}
