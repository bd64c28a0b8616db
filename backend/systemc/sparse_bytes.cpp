// SPDX-License-Identifier: Apache-2.0
// The bytes of a large memory, by pages.
#include "backend/systemc/sparse_bytes.h"

#include <algorithm>
#include <cstring>

namespace duplex {
namespace {

// Of `size` bytes from an address on, those in its page.
size_t in_page(uint64_t address, size_t size) {
  return std::min<size_t>(size, sparse_bytes::PAGE - address % sparse_bytes::PAGE);
}

}  // namespace

uint8_t *sparse_bytes::page(uint64_t address) {
  std::unique_ptr<uint8_t[]> &page = pages_[address / PAGE];
  if (!page) page = std::make_unique<uint8_t[]>(PAGE);
  return page.get();
}

void sparse_bytes::read(uint64_t address, void *bytes, size_t size) const {
  uint8_t *to = static_cast<uint8_t *>(bytes);
  while (size) {
    const size_t part = in_page(address, size);
    const auto found = pages_.find(address / PAGE);
    if (found == pages_.end()) std::memset(to, 0, part);
    if (found != pages_.end()) std::memcpy(to, found->second.get() + address % PAGE, part);
    to += part;
    address += part;
    size -= part;
  }
}

void sparse_bytes::write(uint64_t address, const void *bytes, size_t size) {
  const uint8_t *from = static_cast<const uint8_t *>(bytes);
  while (size) {
    const size_t part = in_page(address, size);
    std::memcpy(page(address) + address % PAGE, from, part);
    from += part;
    address += part;
    size -= part;
  }
}

}  // namespace duplex
