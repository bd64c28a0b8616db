// SPDX-License-Identifier: Apache-2.0
// One channel's share of LOAD: every so many-th tile, to the shared buffer or to the activation table. What
// rtl/channel/load_path.v passes on.
#include "cmodel/execute/load.h"

#include <string.h>

#include "cmodel/execute/row_sets.h"
#include "duplex/error.h"

// Brings one tile to its place in the shared buffer or in the activation table.
static void store_tile(const struct channel_job *job, uint32_t tile, const uint8_t *bytes) {
  const uint32_t *d = job->descriptor;
  if (DUPLEX_DESCRIPTOR_GET(d, DESTINATION) == DUPLEX_DESTINATION_SHARED) {
    memcpy(job->execution->shared + (size_t)DUPLEX_DESCRIPTOR_GET(d, DST_ADDRESS) * DUPLEX_UNIT_BYTES +
               tile * DUPLEX_TILE_BYTES,
           bytes, DUPLEX_TILE_BYTES);
    return;
  }
  const unsigned words = DUPLEX_TILE_BYTES / DUPLEX_ACTIVATION_WORD_BYTES;
  for (unsigned word = 0; word < words; word++)
    duplex_activation_write(&job->execution->table, tile * words + word,
                            bytes + word * DUPLEX_ACTIVATION_WORD_BYTES);
}

int load_share(struct channel_job *job) {
  const uint32_t *d = job->descriptor;
  uint8_t row_set[DUPLEX_ROW_SET_BYTES];
  const uint32_t tiles_of_set = DUPLEX_ROW_SET_BYTES / DUPLEX_TILE_BYTES;
  for (uint32_t i = 0; i < job->count; i++) {
    if (i % tiles_of_set == 0)
      read_row_sets(job, DUPLEX_DESCRIPTOR_GET(d, SRC_BASE) + i / tiles_of_set,
                    DUPLEX_DESCRIPTOR_GET(d, SRC_STRIPE), row_set, sizeof row_set);
    store_tile(job, i * job->execution->channels + job->first,
               row_set + i % tiles_of_set * DUPLEX_TILE_BYTES);
  }
  return DUPLEX_OK;
}
