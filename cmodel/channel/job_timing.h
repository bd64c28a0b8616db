// SPDX-License-Identifier: Apache-2.0
// The fields of a descriptor that units of a channel and of the stack use.
#ifndef DUPLEX_CMODEL_JOB_TIMING_H
#define DUPLEX_CMODEL_JOB_TIMING_H

#include <stdbool.h>
#include <stdint.h>

#include "duplex/enumerations.h"

struct job_timing {
  bool load, bus, exponents, two_groups, two_streams, interleaved;
  enum duplex_bus_word kind;
  unsigned format, k_tiles, k_last, block_rows, skip_rows, blocks;
  unsigned src_base, src_stripe, src_stride, dst_base, dst_stripe, dst_stride;
  uint32_t x_address, x_stride, dst_address, dst_group, word_step, tile_step;
};

#endif
