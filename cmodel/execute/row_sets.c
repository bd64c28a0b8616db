// SPDX-License-Identifier: Apache-2.0
// Reads logical row sets of a stripe set.
#include "cmodel/execute/row_sets.h"

#include <string.h>

#include "duplex/geometry.h"

void read_row_sets(const struct channel_job *job, uint32_t row_set, uint32_t stripe, uint8_t *bytes,
                   size_t size) {
  for (size_t done = 0; done < size; row_set++) {
    const uint64_t address = duplex_row_set_address(row_set, stripe);
    const uint8_t *from = duplex_hbm_row_set(job->execution->hbm, job->channel, duplex_bundle_at(address),
                                             (uint16_t)duplex_row_at(address));
    const size_t left = size - done;
    const size_t part = left < DUPLEX_ROW_SET_BYTES ? left : DUPLEX_ROW_SET_BYTES;
    if (from) {
      memcpy(bytes + done, from, part);
    } else {
      memset(bytes + done, 0, part);
    }
    done += part;
  }
}
