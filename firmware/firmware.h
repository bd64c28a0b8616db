// Jobs of the host and the kernels that turn them into descriptors.
//
// A kernel keeps the ring full, waits for the last descriptor and reports. It moves addresses and lengths, never operands. After
// an error the ring is empty again and the stack ready for the next job.
#ifndef DUPLEX_FIRMWARE_H
#define DUPLEX_FIRMWARE_H

#include "firmware/hal/hal.h"
#include "firmware/layout.h"

enum firmware_result { FIRMWARE_DONE, FIRMWARE_REFUSED, FIRMWARE_WATCHDOG };

struct firmware_report {
  enum firmware_result result;
  uint32_t descriptors;  // written to the ring
  uint32_t error_code;   // FIRMWARE_REFUSED: code, tag and address of the registers
  uint32_t error_tag, error_address;
};

// y = x w^T in passes of 8 tokens; pass p has its activation tiles at x.base + p * activation_row_sets, its results likewise.
struct gemm_job {
  struct weight_layout weights_layout;
  struct region weights, x, results;
  enum result_format format;
  uint32_t channels, passes;
};

// y = (act(x gate^T) * (x up^T)) down^T; without a gate h = act(x up^T). Passes as above; h stays in the shared buffer.
struct expert_job {
  struct weight_layout up_layout, down_layout;  // up_layout.gated: gate and up rows interleaved
  struct region up, down, x, results, table;
  struct region zeros;   // one row set of zeros: fills the last tile of h if the inner size is no multiple of 64
  uint32_t table_tiles;  // tiles of the activation table to load first, 0: it is there
  enum result_format format;
  uint32_t channels, passes;
};

void firmware_gemm(const struct hal *hal, const struct gemm_job *job, struct firmware_report *report);
void firmware_expert(const struct hal *hal, const struct expert_job *job, struct firmware_report *report);

#endif
