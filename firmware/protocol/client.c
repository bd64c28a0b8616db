// What a client's message names, against what its queue may touch.
#include "duplex/params.h"
#include "firmware/protocol.h"

bool client_owns(const struct client *client, struct region region, uint32_t row_sets) {
  const struct allotment *own = &client->allotment;
  static const uint8_t ones[16] = {0, 1, 1, 2, 1, 2, 2, 3, 1, 2, 2, 3, 2, 3, 3, 4};
  const uint32_t bundles = ones[region.stripe & 15];
  if (bundles == 0 || (region.stripe & ~own->bundles) || region.stripe > 15 || region.base > bundles * DUPLEX_BANK_ROWS)
    return false;
  if (row_sets > bundles * DUPLEX_BANK_ROWS || region.base < own->first_row * bundles) return false;
  return region.base + row_sets <= (own->first_row + own->rows) * bundles;
}

enum completion_status client_matrix(const struct client *client, const struct matrix_words *words, uint32_t flags,
                                     struct weight_layout *layout, struct region *region) {
  *region = (struct region){words->base, words->stripe};
  if ((words->flags & ~flags) || !weight_layout(words->rows, words->k, (words->flags & MATRIX_GATED) != 0,
                                                (words->flags & MATRIX_EXPONENTS) != 0, client->channels, layout))
    return COMPLETION_ARGUMENT;
  return client_owns(client, *region, layout->row_sets) ? COMPLETION_DONE : COMPLETION_REGION;
}
