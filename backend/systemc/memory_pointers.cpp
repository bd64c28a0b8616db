// SPDX-License-Identifier: Apache-2.0
// Pointers into the DRAM of a stack: what its memory socket grants, and takes back.
#include "backend/systemc/memory_pointers.h"

#include "duplex/hbm.h"
#include "duplex/params.h"

namespace duplex {
namespace {

constexpr uint64_t BUNDLE_BYTES = CHANNEL_BYTES / DUPLEX_BUNDLES;

// The `bytes` bytes, in a row of such blocks, that hold the address.
void set_block(tlm::tlm_dmi &dmi, uint64_t address, uint64_t bytes) {
  dmi.set_start_address(address / bytes * bytes);
  dmi.set_end_address(dmi.get_start_address() + bytes - 1);
}

}  // namespace

bool memory_direct(const tlm::tlm_generic_payload &payload, tlm::tlm_dmi &dmi,
                   const stack_parameters &parameters, bool in_reset, memory_cells &cells) {
  const uint64_t address = payload.get_address();
  const memory_place at = memory_place_of(payload);
  uint8_t *bytes;
  dmi.init();
  if (address >= CHANNEL_BYTES * parameters.channels) {
    dmi.set_start_address(CHANNEL_BYTES * parameters.channels);
    return false;
  }
  if (in_reset || cells.row_set(at.channel, at.address, &bytes)) {
    set_block(dmi, address, BUNDLE_BYTES);
    return false;
  }
  const duplex_dram_timing *t = duplex_dram_preset(parameters.dram_preset.c_str());
  set_block(dmi, address, DUPLEX_ROW_SET_BYTES);
  dmi.set_dmi_ptr(bytes);
  dmi.allow_read_write();
  // Of one access to a closed row, of two tCK a clock.
  dmi.set_read_latency(time_of_clock((t->nRCDRD + t->nCL + t->nBL + 1) / 2));
  dmi.set_write_latency(time_of_clock((t->nRCDWR + t->nCWL + t->nBL + 1) / 2));
  return true;
}

void memory_invalidate(tlm_utils::simple_target_socket<stack_module> &memory, unsigned channels,
                       unsigned bundles) {
  for (unsigned channel = 0; bundles && channel < channels; channel++)
    for (unsigned bundle = 0; bundle < DUPLEX_BUNDLES; bundle++) {
      const uint64_t first = channel * CHANNEL_BYTES + bundle * BUNDLE_BYTES;
      if (bundles >> bundle & 1) memory->invalidate_direct_mem_ptr(first, first + BUNDLE_BYTES - 1);
    }
}

}  // namespace duplex
