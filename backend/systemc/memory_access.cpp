// SPDX-License-Identifier: Apache-2.0
// What a payload asks of the memory socket of a stack: checks, and the bytes.
#include "backend/systemc/memory_access.h"

#include <algorithm>
#include <climits>
#include <vector>

#include "duplex/error.h"

namespace duplex {
namespace {

constexpr uint64_t PIECE = 32;  // bytes of a DRAM command of the xPU

tlm::tlm_response_status response_of(int error) {
  if (error == DUPLEX_OK) return tlm::TLM_OK_RESPONSE;
  return error == DUPLEX_ERROR_ARGUMENT ? tlm::TLM_ADDRESS_ERROR_RESPONSE : tlm::TLM_GENERIC_ERROR_RESPONSE;
}

// A byte whose enable, in turn, is set.
bool enabled(const tlm::tlm_generic_payload &payload, unsigned i) {
  return payload.get_byte_enable_ptr()[i % payload.get_byte_enable_length()] == TLM_BYTE_ENABLED;
}

// A read or write with byte enables, through a copy of the cells.
int move_enabled(tlm::tlm_generic_payload &payload, memory_cells &cells) {
  const memory_place at = memory_place_of(payload);
  unsigned char *data = payload.get_data_ptr();
  std::vector<uint8_t> copy(payload.get_data_length());
  const int error = cells.read(at.channel, at.address, copy.data(), copy.size());
  if (error) return error;
  const bool read = payload.is_read();
  for (unsigned i = 0; i < copy.size(); i++) {
    if (!enabled(payload, i)) continue;
    if (read) {
      data[i] = copy[i];
    } else {
      copy[i] = data[i];
    }
  }
  return read ? DUPLEX_OK : cells.write(at.channel, at.address, copy.data(), copy.size());
}

}  // namespace

memory_place memory_place_of(const tlm::tlm_generic_payload &payload) {
  return {static_cast<unsigned>(std::min<uint64_t>(payload.get_address() / CHANNEL_BYTES, UINT_MAX)),
          payload.get_address() % CHANNEL_BYTES};
}

dram_pieces pieces_of(uint64_t address, size_t size) {
  const uint64_t first = address / PIECE * PIECE;
  return {first, (address + size + PIECE - 1) / PIECE * PIECE - first};
}

bool memory_check(tlm::tlm_generic_payload &payload, unsigned channels) {
  const uint64_t address = payload.get_address();
  const uint64_t end = address % CHANNEL_BYTES + payload.get_data_length();
  payload.set_dmi_allowed(false);
  if (!payload.is_read() && !payload.is_write()) {
    payload.set_response_status(tlm::TLM_COMMAND_ERROR_RESPONSE);
  } else if (!payload.get_data_ptr()) {
    payload.set_response_status(tlm::TLM_GENERIC_ERROR_RESPONSE);
  } else if (address / CHANNEL_BYTES >= channels) {
    payload.set_response_status(tlm::TLM_ADDRESS_ERROR_RESPONSE);
  } else if (payload.get_data_length() == 0 || payload.get_streaming_width() < payload.get_data_length() ||
             end > CHANNEL_BYTES) {
    payload.set_response_status(tlm::TLM_BURST_ERROR_RESPONSE);
  } else if (payload.get_byte_enable_ptr() && payload.get_byte_enable_length() == 0) {
    payload.set_response_status(tlm::TLM_BYTE_ENABLE_ERROR_RESPONSE);
  } else {
    return true;
  }
  return false;
}

bool memory_move(tlm::tlm_generic_payload &payload, memory_cells &cells) {
  const memory_place at = memory_place_of(payload);
  const unsigned size = payload.get_data_length();
  int error;
  if (payload.get_byte_enable_ptr()) {
    error = move_enabled(payload, cells);
  } else if (payload.is_read()) {
    error = cells.read(at.channel, at.address, payload.get_data_ptr(), size);
  } else {
    error = cells.write(at.channel, at.address, payload.get_data_ptr(), size);
  }
  payload.set_response_status(response_of(error));
  payload.set_dmi_allowed(!error);
  return !error;
}

unsigned memory_debug(tlm::tlm_generic_payload &payload, unsigned channels, memory_cells &cells) {
  const memory_place at = memory_place_of(payload);
  if (at.channel >= channels || !payload.get_data_ptr()) return 0;
  if (!payload.is_read() && !payload.is_write()) return 0;
  const uint64_t left = CHANNEL_BYTES - at.address;
  const unsigned size = static_cast<unsigned>(std::min<uint64_t>(payload.get_data_length(), left));
  const int error = payload.is_read() ? cells.read(at.channel, at.address, payload.get_data_ptr(), size)
                                      : cells.write(at.channel, at.address, payload.get_data_ptr(), size);
  return error ? 0 : size;
}

}  // namespace duplex
