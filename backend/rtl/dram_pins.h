// SPDX-License-Identifier: Apache-2.0
// The DRAM behind the pins of the Verilated stack: one device of duplex/hbm.h per channel.
//
// Each clock, `drive` puts the read data of that clock on the pins and `sample` hands commands and write data
// to the devices, which keep the cells, judge the timing and write the command text. Read data stay as they
// are while a channel delivers none.
#ifndef DUPLEX_DRAM_PINS_H
#define DUPLEX_DRAM_PINS_H

#include <cerrno>
#include <cstdint>
#include <cstring>
#include <memory>
#include <string>
#include <vector>

#include "backend/rtl/pins.h"
#include "duplex/backend.h"
#include "duplex/enumerations.h"
#include "duplex/error.h"
#include "duplex/hbm.h"
#include "duplex/params.h"
#include "duplex/xpu_traffic.h"

class DramPins {
 public:
  ~DramPins() {
    for (duplex_xpu_traffic &xpu : xpu_) duplex_xpu_stop(&xpu);
  }

  int open(const duplex_backend_options &options, std::string &failure) {
    channels_ = options.channels;
    xpu_streams_ = options.xpu_traffic;
    duplex_hbm *hbm = nullptr;
    int error = duplex_dram_timing_of(&options, &timing_);
    if (!error) error = duplex_hbm_open(channels_, &timing_, options.command_file, &hbm);
    hbm_.reset(hbm);
    xpu_.resize(channels_);
    for (duplex_xpu_traffic &xpu : xpu_) duplex_xpu_start(&xpu, &timing_, 0, xpu_streams_);
    if (error == DUPLEX_ERROR_IO)
      failure = std::string(options.command_file) + ": cannot be written: " + std::strerror(errno);
    else if (error)
      failure = "the DRAM model could not be opened: no such preset, or too little memory";
    return error;
  }

  // The reset line is low: everything but the cells is as after open.
  void reset() {
    owner_ = 15;
    strict_ = false;
    duplex_hbm_reset(hbm_.get(), &timing_);
    for (duplex_xpu_traffic &xpu : xpu_) {
      duplex_xpu_stop(&xpu);
      duplex_xpu_start(&xpu, &timing_, 0, xpu_streams_);
    }
  }

  template <class Model>
  void drive(Model &model, uint64_t clock) {
    for (unsigned channel = 0; channel < channels_; channel++) {
      duplex_hbm_read_data(hbm_.get(), channel, clock, &model.dram_read_data_i[BEAT_WORDS * channel]);
      rtl::set_bits(model.xpu_row_request_i, 4 * channel, 4, xpu_[channel].request);
      rtl::set_bits(model.xpu_ref_i, 4 * channel, 4, xpu_[channel].refreshed_bundles);
    }
  }

  // A negative code at the first command that breaks a rule, with its text in `failure`.
  template <class Model>
  int sample(const Model &model, uint64_t clock, std::string &failure) {
    const bool handed_over = owner_ != model.bundle_owner_o;
    if (handed_over) hand_over(model.bundle_owner_o);
    if (strict_ != (bool)model.strict_o) duplex_hbm_strict(hbm_.get(), strict_ = model.strict_o);
    for (unsigned channel = 0; channel < channels_; channel++) {
      duplex_hbm_pins pins = {};
      pins.row_valid = rtl::bits(model.dram_row_valid_o, channel, 1);
      if (pins.row_valid) {
        pins.row_command = rtl::bits(model.dram_row_command_o, 2 * channel, 2);
        pins.row_bundle = rtl::bits(model.dram_row_bundle_o, 2 * channel, 2);
        pins.row_mask = rtl::bits(model.dram_row_mask_o, 8 * channel, 8);
        pins.row_address = rtl::bits(model.dram_row_address_o, 14 * channel, 14);
      }
      pins.column_valid = rtl::bits(model.dram_column_valid_o, channel, 1);
      if (pins.column_valid) {
        pins.column_write = rtl::bits(model.dram_column_write_o, channel, 1);
        pins.column_bundle = rtl::bits(model.dram_column_bundle_o, 2 * channel, 2);
        pins.column_mask = rtl::bits(model.dram_column_mask_o, 8 * channel, 8);
        pins.column_address =
            rtl::bits(model.dram_column_address_o, DUPLEX_COLUMN_BITS * channel, DUPLEX_COLUMN_BITS);
      }
      int error =
          duplex_hbm_clock(hbm_.get(), channel, clock, &pins, &model.dram_write_data_o[BEAT_WORDS * channel]);
      if (!error) error = duplex_hbm_xpu_clock(hbm_.get(), channel, clock, &xpu_[channel].pins);
      if (pins.row_valid && pins.row_command == DUPLEX_ROW_COMMAND_REF)
        duplex_xpu_see_refresh(&xpu_[channel], pins.row_bundle);
      duplex_xpu_clock(&xpu_[channel], rtl::bits(model.xpu_row_grant_o, 4 * channel, 4));
      if (error) {
        failure = duplex_hbm_failure(hbm_.get());
        return error;
      }
    }
    return handed_over ? duplex_hbm_owner(hbm_.get(), clock, owner_) : DUPLEX_OK;
  }

  // Refreshes that should have come by now.
  int finish(uint64_t clock, std::string &failure) {
    const int error = duplex_hbm_finish(hbm_.get(), clock);
    if (error) failure = duplex_hbm_failure(hbm_.get());
    return error;
  }

  int read(unsigned channel, uint64_t address, void *bytes, size_t size) {
    if (channel >= channels_) return DUPLEX_ERROR_ARGUMENT;
    const int error = duplex_hbm_mem_read(hbm_.get(), channel, address, bytes, size);
    return error ? error : duplex_hbm_check_owner(hbm_.get(), owner_, channel, address, size, bytes);
  }
  int write(unsigned channel, uint64_t address, const void *bytes, size_t size) {
    if (channel >= channels_) return DUPLEX_ERROR_ARGUMENT;
    const int error = duplex_hbm_check_owner(hbm_.get(), owner_, channel, address, size, nullptr);
    return error ? error : duplex_hbm_mem_write(hbm_.get(), channel, address, bytes, size);
  }
  // The row set that holds the address, to read and write for as long as its bundle is the xPU's.
  int row_set(unsigned channel, uint64_t address, uint8_t **bytes) {
    uint8_t first;
    int error = read(channel, address, &first, sizeof first);
    if (!error) error = write(channel, address, &first, sizeof first);  // so that it is there
    if (error) return error;
    const unsigned index = (unsigned)(address / DUPLEX_ROW_SET_BYTES);
    *bytes = const_cast<uint8_t *>(
        duplex_hbm_row_set(hbm_.get(), channel, index / DUPLEX_BANK_ROWS, index % DUPLEX_BANK_ROWS));
    return DUPLEX_OK;
  }
  // Bundles that are Logic-PIM's, one bit each.
  unsigned owner() const { return owner_; }
  int xpu_read(unsigned channel, uint64_t address, void *bytes, size_t size) {
    if (channel >= channels_) return DUPLEX_ERROR_ARGUMENT;
    const int error = bytes ? read(channel, address, bytes, size)
                            : duplex_hbm_check_owner(hbm_.get(), owner_, channel, address, size, nullptr);
    return error ? error : duplex_xpu_read(&xpu_[channel], address, size);
  }
  int xpu_write(unsigned channel, uint64_t address, const void *bytes, size_t size) {
    const int error = write(channel, address, bytes, size);
    return error ? error : duplex_xpu_write(&xpu_[channel], address, size);
  }
  // The commands of accesses whose bytes the cells have already.
  int queue_read(unsigned channel, uint64_t address, size_t size) {
    return duplex_xpu_read(&xpu_[channel], address, size);
  }
  int queue_write(unsigned channel, uint64_t address, size_t size) {
    return duplex_xpu_write(&xpu_[channel], address, size);
  }
  template <class Model>
  bool xpu_busy(const Model &model) const {
    bool busy = owner_ != model.bundle_owner_o;
    for (const duplex_xpu_traffic &xpu : xpu_) busy |= duplex_xpu_busy(&xpu);
    return busy;
  }
  void xpu_state(uint64_t clocks, duplex_xpu_state &state) const {
    state = {};
    for (const duplex_xpu_traffic &xpu : xpu_) duplex_xpu_add_state(&xpu, clocks, &state);
  }
  // Of one channel.
  void xpu_state(unsigned channel, uint64_t clocks, duplex_xpu_state &state) const {
    state = {};
    duplex_xpu_add_state(&xpu_[channel], clocks, &state);
  }
  void commands(duplex_dram_commands &commands) const {
    duplex_hbm_commands(hbm_.get(), &commands);
    for (const duplex_xpu_traffic &xpu : xpu_) commands.xpu_rd += xpu.reads, commands.xpu_wr += xpu.writes;
  }
  // The text of the commands has its last line; a failure gets its text.
  int end_text(std::string &failure) {
    const int error = hbm_ ? duplex_hbm_end_text(hbm_.get()) : DUPLEX_OK;
    if (error) failure = duplex_hbm_failure(hbm_.get());
    return error;
  }
  const char *failure() const { return duplex_hbm_failure(hbm_.get()); }

 private:
  // What was decided before is still done in this clock, by either side.
  void hand_over(unsigned owner) {
    owner_ = owner;
    for (duplex_xpu_traffic &xpu : xpu_) duplex_xpu_take(&xpu, ~owner & 15);
  }

  static constexpr unsigned BEAT_WORDS = DUPLEX_BEAT_BYTES / 4;
  struct Close {
    void operator()(duplex_hbm *hbm) const { duplex_hbm_close(hbm); }
  };
  std::unique_ptr<duplex_hbm, Close> hbm_;
  std::vector<duplex_xpu_traffic> xpu_;
  duplex_dram_timing timing_ = {};
  bool xpu_streams_ = false;
  unsigned channels_ = 0;
  unsigned owner_ = 15;
  bool strict_ = false;
};
#endif
