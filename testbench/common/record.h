// SPDX-License-Identifier: Apache-2.0
// Packed records (rtl/common/duplex_records.vh) at ports as Verilator gives them: fields from the top bit
// down.
#ifndef DUPLEX_RECORD_H
#define DUPLEX_RECORD_H

#include <cstdint>
#include <type_traits>

namespace record {

// Reads or writes the fields of a record of `bits` bits one after the other, in the order of its typedef.
template <class Port>
class Fields {
 public:
  Fields(Port &port, unsigned bits) : port_(port), left_(bits) {}

  // The next `width` bits; for a field wider than 64 bits its lowest ones.
  uint64_t get(unsigned width) {
    left_ -= width;
    uint64_t value = 0;
    for (unsigned bit = 0; bit < width && bit < 64; bit++) value |= (uint64_t)bit_at(left_ + bit) << bit;
    return value;
  }
  void put(unsigned width, uint64_t value) {
    left_ -= width;
    for (unsigned bit = 0; bit < width; bit++) set_bit(left_ + bit, bit < 64 && (value >> bit & 1));
  }
  unsigned left() const { return left_; }  // bits of the fields that have still to come

 private:
  bool bit_at(unsigned at) const {
    if constexpr (std::is_integral<Port>::value)
      return port_ >> at & 1;
    else
      return port_[at / 32] >> at % 32 & 1;
  }
  void set_bit(unsigned at, bool value) {
    if constexpr (std::is_integral<Port>::value)
      port_ = (Port)((port_ & ~((Port)1 << at)) | (Port)((Port)value << at));
    else
      port_[at / 32] = (port_[at / 32] & ~(1u << at % 32)) | (uint32_t)value << at % 32;
  }
  Port &port_;
  unsigned left_;
};

}  // namespace record
#endif
