// SPDX-License-Identifier: Apache-2.0
// What a payload asks of the memory socket of a stack: checks, and the bytes.
#ifndef DUPLEX_SYSTEMC_MEMORY_ACCESS_H
#define DUPLEX_SYSTEMC_MEMORY_ACCESS_H

#include "duplex/systemc.h"

namespace duplex {

// The cells behind a memory socket; functions return 0 or an error of duplex/error.h.
class memory_cells {
 public:
  virtual ~memory_cells() = default;
  virtual int read(unsigned channel, uint64_t address, void *bytes, size_t size) = 0;
  virtual int write(unsigned channel, uint64_t address, const void *bytes, size_t size) = 0;
  // The row set that holds the address (duplex_cmodel_row_set).
  virtual int row_set(unsigned channel, uint64_t address, uint8_t **bytes) = 0;
};

// Where a payload goes: bytes of one channel.
struct memory_place {
  unsigned channel;
  uint64_t address;  // in the channel
};
memory_place memory_place_of(const tlm::tlm_generic_payload &payload);

// The DRAM moves pieces of 32 bytes: those that hold these bytes.
struct dram_pieces {
  uint64_t first, bytes;
};
dram_pieces pieces_of(uint64_t address, size_t size);

// Whether a stack of so many channels takes the payload; otherwise its response says why not. Bytes that do
// not lie in one channel are two accesses.
bool memory_check(tlm::tlm_generic_payload &payload, unsigned channels);

// Moves the bytes of a payload that was checked, those that are enabled, and sets its response. False: there
// is no more to be done, since there was an error.
bool memory_move(tlm::tlm_generic_payload &payload, memory_cells &cells);

// Debug transport: as many bytes as there are, without byte enables; returns their number.
unsigned memory_debug(tlm::tlm_generic_payload &payload, unsigned channels, memory_cells &cells);

}  // namespace duplex
#endif
