// SPDX-License-Identifier: Apache-2.0
// A payload at the memory, in accesses of 32 bytes.
#include "backend/systemc/memory_transfer.h"

#include <algorithm>

#include "duplex/memory_controller.h"

namespace duplex {
namespace {

constexpr uint64_t ACCESS = DUPLEX_MEMORY_ACCESS_BYTES;

unsigned beat_bytes(const tlm::tlm_generic_payload &payload) {
  return std::min(payload.get_streaming_width(), payload.get_data_length());
}

tlm::tlm_response_status status_of(const tlm::tlm_generic_payload &payload, uint64_t memory_bytes) {
  if (payload.get_command() == tlm::TLM_IGNORE_COMMAND) return tlm::TLM_OK_RESPONSE;
  if (!payload.is_read() && !payload.is_write()) return tlm::TLM_COMMAND_ERROR_RESPONSE;
  if (payload.get_data_length() == 0 || payload.get_streaming_width() == 0)
    return tlm::TLM_BURST_ERROR_RESPONSE;
  if (payload.get_data_ptr() == nullptr) return tlm::TLM_GENERIC_ERROR_RESPONSE;
  if (payload.get_byte_enable_ptr() && payload.get_byte_enable_length() == 0)
    return tlm::TLM_BYTE_ENABLE_ERROR_RESPONSE;
  const uint64_t bytes = beat_bytes(payload);
  const uint64_t address = payload.get_address();
  if (bytes > memory_bytes || address > memory_bytes - bytes) return tlm::TLM_ADDRESS_ERROR_RESPONSE;
  return tlm::TLM_OK_RESPONSE;
}

}  // namespace

bool transfer_check(tlm::tlm_generic_payload &payload, uint64_t memory_bytes) {
  const tlm::tlm_response_status status = status_of(payload, memory_bytes);
  payload.set_response_status(status);
  return status == tlm::TLM_OK_RESPONSE && payload.get_command() != tlm::TLM_IGNORE_COMMAND;
}

memory_transfer::memory_transfer(tlm::tlm_generic_payload &payload, int port, bool nothing)
    : payload_(payload), port_(port), address_(payload.get_address()), width_(0), of_beat_(0), count_(0) {
  if (nothing) return;
  const unsigned length = payload.get_data_length();
  width_ = beat_bytes(payload);
  of_beat_ = static_cast<uint32_t>((address_ + width_ - 1) / ACCESS - address_ / ACCESS + 1);
  count_ = length / width_ * of_beat_;
  // A last beat that is shorter than the others.
  if (length % width_)
    count_ += static_cast<uint32_t>((address_ + length % width_ - 1) / ACCESS - address_ / ACCESS + 1);
  skip_disabled();
}

uint64_t memory_transfer::address_of(uint32_t access) const {
  return address_ / ACCESS * ACCESS + access % of_beat_ * ACCESS;
}

memory_transfer::part memory_transfer::part_of(uint32_t access) const {
  const unsigned beat = access / of_beat_ * width_;
  const unsigned beat_end = std::min(beat + width_, payload_.get_data_length());
  const uint64_t first = std::max(address_of(access), address_);
  const unsigned from = beat + static_cast<unsigned>(first - address_);
  const uint64_t end = address_of(access) + ACCESS - address_;
  return {from, static_cast<unsigned>(std::min<uint64_t>(beat + end, beat_end)), first};
}

bool memory_transfer::is_enabled(unsigned offset) const {
  const unsigned char *enables = payload_.get_byte_enable_ptr();
  return !enables || enables[offset % payload_.get_byte_enable_length()] == TLM_BYTE_ENABLED;
}

bool memory_transfer::has_enabled(uint32_t access) const {
  if (!payload_.get_byte_enable_ptr()) return true;
  const part part = part_of(access);
  for (unsigned offset = part.from; offset < part.to; offset++)
    if (is_enabled(offset)) return true;
  return false;
}

// Accesses without an enabled byte are left out.
void memory_transfer::skip_disabled() {
  while (next_ < count_ && !has_enabled(next_)) next_++;
}

void memory_transfer::for_each_range(
    const std::function<void(uint64_t address, uint64_t bytes)> &take) const {
  uint64_t first = 0;
  uint64_t end = 0;
  for (uint32_t access = 0; access < count_; access++) {
    if (!has_enabled(access)) continue;
    const part part = part_of(access);
    const uint64_t bytes = part.to - part.from;
    if (part.address != end || end + bytes - first > RANGE_MOST) {
      if (end > first) take(first, end - first);
      first = part.address;
    }
    end = part.address + bytes;
  }
  if (end > first) take(first, end - first);
}

void memory_transfer::offered() {
  next_++;
  in_flight_++;
  skip_disabled();
}

void memory_transfer::move(uint32_t access, uint64_t done, sparse_bytes &cells) {
  const part part = part_of(access);
  uint64_t address = part.address;
  unsigned char *data = payload_.get_data_ptr();
  const unsigned step = payload_.get_byte_enable_ptr() ? 1 : part.to - part.from;
  for (unsigned offset = part.from; offset < part.to; offset += step, address += step) {
    if (!is_enabled(offset)) continue;
    if (is_write())
      cells.write(address, data + offset, step);
    else
      cells.read(address, data + offset, step);
  }
  done_ = std::max(done_, done);
  in_flight_--;
}

}  // namespace duplex
