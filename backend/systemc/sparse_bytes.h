// SPDX-License-Identifier: Apache-2.0
// The bytes of a large memory, kept by pages of 64 KB from their first use on; what nobody wrote reads as
// zero.
#ifndef DUPLEX_SYSTEMC_SPARSE_BYTES_H
#define DUPLEX_SYSTEMC_SPARSE_BYTES_H

#include <cstddef>
#include <cstdint>
#include <memory>
#include <unordered_map>

namespace duplex {

class sparse_bytes {
 public:
  static constexpr size_t PAGE = 65536;

  void read(uint64_t address, void *bytes, size_t size) const;
  void write(uint64_t address, const void *bytes, size_t size);
  // The page of an address, which stays where it is.
  uint8_t *page(uint64_t address);

 private:
  std::unordered_map<uint64_t, std::unique_ptr<uint8_t[]>> pages_;
};

}  // namespace duplex
#endif
