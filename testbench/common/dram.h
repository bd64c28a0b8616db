// SPDX-License-Identifier: Apache-2.0
// The DRAM of one channel behind the dram_ pins of a unit: its cells, its data pins, the judge of its
// commands.
#ifndef DUPLEX_BENCH_DRAM_H
#define DUPLEX_BENCH_DRAM_H

#include <cstdint>
#include <cstdlib>
#include <memory>

#include "duplex/hbm.h"

namespace dram {

// The commands that a unit shows in this clock; `rtl` is its bench::Clocked.
template <class Rtl>
duplex_hbm_pins pins_of(Rtl &rtl) {
  duplex_hbm_pins pins = {};
  pins.row_valid = rtl->dram_row_valid_o;
  pins.row_command = rtl->dram_row_command_o;
  pins.row_bundle = rtl->dram_row_bundle_o;
  pins.row_mask = rtl->dram_row_mask_o;
  pins.row_address = rtl->dram_row_address_o;
  pins.column_valid = rtl->dram_column_valid_o;
  pins.column_write = rtl->dram_column_write_o;
  pins.column_bundle = rtl->dram_column_bundle_o;
  pins.column_mask = rtl->dram_column_mask_o;
  pins.column_address = rtl->dram_column_address_o;
  return pins;
}

// Clocks rise without a gap from 0; in each one `drive` comes before the unit settles, `sample` behind it.
class Memory {
 public:
  explicit Memory(const duplex_dram_timing *timing = nullptr) {  // NULL: the default preset
    duplex_hbm *hbm = nullptr;
    if (duplex_hbm_open(1, timing, nullptr, &hbm)) std::abort();
    hbm_.reset(hbm);
  }

  // Puts the beat of this clock on the unit's data pins.
  template <class Rtl>
  void drive(Rtl &rtl, uint64_t clock) {
    duplex_hbm_read_data(hbm_.get(), 0, clock, rtl->dram_read_data_i.data());
  }
  // Takes the unit's commands and write data; false if a command is illegal, and failure() says why.
  template <class Rtl>
  bool sample(Rtl &rtl, uint64_t clock) {
    const duplex_hbm_pins pins = pins_of(rtl);
    return !duplex_hbm_clock(hbm_.get(), 0, clock, &pins, rtl->dram_write_data_o.data());
  }

  void read(uint64_t address, void *bytes, size_t size) {
    if (duplex_hbm_mem_read(hbm_.get(), 0, address, bytes, size)) std::abort();
  }
  void write(uint64_t address, const void *bytes, size_t size) {
    if (duplex_hbm_mem_write(hbm_.get(), 0, address, bytes, size)) std::abort();
  }
  const char *failure() const { return duplex_hbm_failure(hbm_.get()); }
  duplex_hbm *get() { return hbm_.get(); }

 private:
  struct Close {
    void operator()(duplex_hbm *hbm) const { duplex_hbm_close(hbm); }
  };
  std::unique_ptr<duplex_hbm, Close> hbm_;
};

}  // namespace dram
#endif
