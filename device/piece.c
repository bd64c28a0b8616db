// SPDX-License-Identifier: Apache-2.0
// What a piece of a layer consists of.
#include <string.h>

#include "device/layer.h"

bool moe_has_piece(const struct duplex_moe *moe, unsigned expert, unsigned piece) {
  return expert % moe->turns == piece % moe->turns;
}

unsigned moe_turned(unsigned bundles, unsigned xpu_bundle) {
  const unsigned differ = (bundles >> MOE_XPU_BUNDLE ^ bundles >> xpu_bundle) & 1;
  return bundles ^ differ << MOE_XPU_BUNDLE ^ differ << xpu_bundle;
}

unsigned moe_bundles(const struct duplex_moe *moe, unsigned piece, unsigned xpu_bundle) {
  const unsigned of_schedule =
      schedule_bundles(&moe->times.placement, piece % moe->turns, piece / moe->turns);
  return moe_turned(of_schedule, xpu_bundle);
}

struct duplex_layer_piece moe_layer_piece(const struct moe_piece *piece) {
  struct duplex_layer_piece made = {.bundles = piece->bundles,
                                    .parts = piece->parts,
                                    .joined = piece->joined,
                                    .read_only = piece->read_only};
  memcpy(made.inner, piece->inner, sizeof made.inner);
  return made;
}

size_t moe_inner_before(const struct moe_piece *piece, unsigned cut) {
  size_t inner = 0;
  for (unsigned part = 0; part < piece->parts && part < cut; part++) inner += piece->inner[part];
  return inner;
}

size_t moe_inner_behind(const struct moe_piece *piece, unsigned cut) {
  return moe_inner_before(piece, piece->parts) - moe_inner_before(piece, cut);
}
