// SPDX-License-Identifier: Apache-2.0
// What a memory should hold, as its initiator knows: bytes by address, 0 where nothing was written.
#ifndef DUPLEX_SYSTEMC_SHADOW_MEMORY_H
#define DUPLEX_SYSTEMC_SHADOW_MEMORY_H

#include <array>
#include <cstdint>
#include <unordered_map>

namespace duplex {

class shadow_memory {
 public:
  void set(uint64_t address, unsigned char byte) { pages_[address / PAGE][address % PAGE] = byte; }
  unsigned char get(uint64_t address) const {
    const auto page = pages_.find(address / PAGE);
    return page == pages_.end() ? 0 : page->second[address % PAGE];
  }

 private:
  static constexpr uint64_t PAGE = 4096;
  std::unordered_map<uint64_t, std::array<unsigned char, PAGE>> pages_;
};

}  // namespace duplex
#endif
