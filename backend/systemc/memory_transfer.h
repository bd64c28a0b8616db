// SPDX-License-Identifier: Apache-2.0
// A payload at the memory: its accesses of 32 bytes, and the bytes that each of them moves.
#ifndef DUPLEX_SYSTEMC_MEMORY_TRANSFER_H
#define DUPLEX_SYSTEMC_MEMORY_TRANSFER_H

#include <cstdint>
#include <functional>
#include <systemc>
#include <tlm>

#include "backend/systemc/sparse_bytes.h"

namespace duplex {

// Whether a memory of so many bytes takes the payload; otherwise its response says why not.
bool transfer_check(tlm::tlm_generic_payload &payload, uint64_t memory_bytes);

class memory_transfer {
 public:
  // A payload that was checked, from port `port`; `nothing`: it makes no access.
  memory_transfer(tlm::tlm_generic_payload &payload, int port, bool nothing);

  tlm::tlm_generic_payload &payload() const { return payload_; }
  int port() const { return port_; }
  bool is_write() const { return payload_.is_write(); }

  // The bytes that the accesses move, in order: ranges of RANGE_MOST bytes at most. What has no enabled byte
  // is in none, and each beat of a streaming payload begins a new one.
  void for_each_range(const std::function<void(uint64_t address, uint64_t bytes)> &take) const;

  // Accesses, counted from 0, and the next one that has still to be offered; offered() passes on to the one
  // after it.
  bool has_next() const { return next_ < count_; }
  uint32_t next() const { return next_; }
  void offered();
  uint64_t address_of(uint32_t access) const;

  // An access was commanded, its data have come before tCK `done`: moves its bytes.
  void move(uint32_t access, uint64_t done, sparse_bytes &cells);
  bool is_complete() const { return next_ == count_ && in_flight_ == 0; }
  uint64_t done() const { return done_; }

 private:
  static constexpr uint64_t RANGE_MOST = 1 << 20;

  void skip_disabled();
  bool has_enabled(uint32_t access) const;
  bool is_enabled(unsigned offset) const;
  // The bytes of an access: offsets [from, to) in the data of the payload, the first one at `address`.
  struct part {
    unsigned from, to;
    uint64_t address;
  };
  part part_of(uint32_t access) const;

  tlm::tlm_generic_payload &payload_;
  const int port_;
  const uint64_t address_;
  unsigned width_;    // bytes of a beat: the streaming width, or all
  uint32_t of_beat_;  // accesses of a beat
  uint32_t count_;
  uint32_t next_ = 0;
  uint32_t in_flight_ = 0;
  uint64_t done_ = 0;
};

}  // namespace duplex
#endif
