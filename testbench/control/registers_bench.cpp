// SPDX-License-Identifier: Apache-2.0
// registers.v behind its AXI4-Lite slave: random reads and writes, listed and not, address and data of a
// write in any order, every response kept waiting; between them fetches, completions and errors. A model of
// params/registers.rdl says what must be read.
#include <array>

#include "Vregisters.h"
#include "duplex/params.h"
#include "duplex/registers.h"
#include "testbench/common/bench.h"

namespace {

enum { OKAY = 0, SLVERR = 2 };

struct Model {
  bool enable = false;
  uint32_t interrupt_enable = 0;
  uint32_t interrupt_status = 0;
  uint32_t completed = 0;
  uint32_t code = 0;
  uint32_t error_descriptor = 0;
  uint32_t error_address = 0;
  uint32_t owner = 15;
  uint32_t strict = 0;
  uint32_t open = 0;
  uint32_t select = 0;
  uint32_t performance_high = 0;
  uint16_t produced = 0;
  uint16_t consumed = 0;
  std::array<uint32_t, 256> ring = {};

  void error(uint32_t number, uint32_t index, uint32_t tag, uint32_t address) {
    interrupt_status |= 2;
    if (code) return;
    code = number;
    error_descriptor = index | tag << 16;
    error_address = address;
  }
  void doorbell(uint16_t claimed) {
    if ((uint16_t)(claimed - consumed) > DUPLEX_RING_ENTRIES)
      error(DUPLEX_STACK_ERROR_RING_OVERFLOW, consumed, 0, claimed);
    else
      produced = claimed;
  }
};

bool in_ring(uint32_t address) { return address >= DUPLEX_REG_RING && address < DUPLEX_REG_RING + 1024; }
bool listed(uint32_t address) {
  return address % 4 == 0 && (address <= DUPLEX_REG_PERFORMANCE_HIGH || in_ring(address));
}

class Bench {
 public:
  explicit Bench(bench::Case &c) : c_(c), rtl_(c.options) {
    rtl_->axi_awvalid_i = rtl_->axi_wvalid_i = rtl_->axi_bready_i = rtl_->axi_arvalid_i = rtl_->axi_rready_i =
        0;
    rtl_->busy_i = rtl_->fetch_i = rtl_->fetched_i = rtl_->completed_i = rtl_->completed_interrupt_i =
        rtl_->error_i = 0;
    rtl_->ring_read_busy_i = 0;
    rtl_->performance_value_i = performance_ = c.bits();
    rtl_.reset();
    rtl_.tick();
  }

  bool step() {
    switch (c_.below(8)) {
      case 0:
        return fetch();
      case 1:
        return completion();
      case 2:
      case 3:
      case 4:
        return write(address(), data(), c_.chance(90) ? 15 : (uint32_t)c_.below(15));
      default:
        return read(address());
    }
  }

 private:
  bool wrong(const char *stage, long where, uint64_t rtl, uint64_t model) {
    return c_.mismatch("registers", stage, (long)rtl_.cycles(), where, std::to_string(rtl),
                       std::to_string(model));
  }

  uint32_t address() {
    if (c_.chance(70)) return 4 * (uint32_t)c_.below(DUPLEX_REG_PERFORMANCE_HIGH / 4 + 1);
    if (c_.chance(60)) return DUPLEX_REG_RING + 4 * (uint32_t)c_.below(256);
    return (uint32_t)c_.below(c_.chance(50) ? 0x10000 : 0x60);
  }
  uint32_t data() {
    if (c_.chance(50))
      return (uint32_t)(model_.consumed + c_.below(20)) & 0xffff;  // doorbells near the limit
    return c_.chance(50) ? (uint32_t)c_.below(4) : (uint32_t)c_.bits();
  }

  // One clock. The ring's RAM answers one clock after its address, unless a fetch has it.
  void tick() {
    rtl_->ring_read_busy_i = ring_busy_ > 0;
    if (ring_busy_) ring_busy_--;
    rtl_->clk_i = 0;
    rtl_.settle();
    if (rtl_->ring_write_o) model_ring_[rtl_->ring_write_address_o] = rtl_->ring_write_data_o;
    const uint32_t answer =
        rtl_->ring_read_busy_i ? (uint32_t)c_.bits() : model_ring_[rtl_->ring_read_address_o];
    busy_clocks_ += rtl_->busy_i;
    rtl_.tick();
    rtl_->ring_read_data_i = answer;
  }

  bool write(uint32_t address, uint32_t value, uint32_t strobe) {
    rtl_->axi_awaddr_i = address;
    rtl_->axi_wdata_i = value;
    rtl_->axi_wstrb_i = strobe;
    uint64_t address_wait = c_.below(5);
    uint64_t data_wait = c_.below(5);
    uint64_t ready_wait = c_.below(12);
    bool address_open = true;
    bool data_open = true;
    for (int clock = 0; clock < 60; clock++) {
      rtl_->axi_awvalid_i = address_open && !address_wait;
      rtl_->axi_wvalid_i = data_open && !data_wait;
      rtl_->axi_bready_i = !ready_wait;
      rtl_->clk_i = 0;
      rtl_.settle();
      const bool address_taken = rtl_->axi_awvalid_i && rtl_->axi_awready_o;
      const bool data_taken = rtl_->axi_wvalid_i && rtl_->axi_wready_o;
      const bool done = rtl_->axi_bvalid_o && rtl_->axi_bready_i;
      if (rtl_->axi_bvalid_o && (address_open || data_open))
        return wrong("response before the write", address, 1, 0);
      const unsigned response = rtl_->axi_bresp_o;
      tick();
      address_open &= !address_taken;
      data_open &= !data_taken;
      address_wait -= address_wait > 0;
      data_wait -= data_wait > 0;
      ready_wait -= ready_wait > 0;
      if (done) return written(address, value, response, listed(address) && strobe == 15);
    }
    return wrong("no response to a write", address, 0, 1);
  }

  bool written(uint32_t address, uint32_t value, unsigned response, bool legal) {
    rtl_->axi_bready_i = 0;
    if (response != (legal ? OKAY : SLVERR))
      return wrong("write response", address, response, legal ? OKAY : SLVERR);
    if (legal) apply(address, value);
    return outputs();
  }

  void apply(uint32_t address, uint32_t value) {
    if (in_ring(address)) model_.ring[(address - DUPLEX_REG_RING) / 4] = value;
    switch (address) {
      case DUPLEX_REG_CONTROL:
        model_.enable = value & 1;
        if (value & 2) model_.consumed = model_.produced;
        break;
      case DUPLEX_REG_INTERRUPT_ENABLE:
        model_.interrupt_enable = value & 3;
        break;
      case DUPLEX_REG_INTERRUPT_STATUS:
        model_.interrupt_status &= ~value;
        break;
      case DUPLEX_REG_DOORBELL:
        model_.doorbell((uint16_t)value);
        break;
      case DUPLEX_REG_ERROR_CODE:
        model_.code = 0;
        break;
      case DUPLEX_REG_BUNDLE_OWNER:
        model_.owner = value & 15;
        model_.strict = value >> DUPLEX_BUNDLE_OWNER_STRICT_LSB & 1;
        break;
      case DUPLEX_REG_PERFORMANCE_SELECT:
        model_.select = value & 0xffff;
        break;
      default:
        break;
    }
  }

  bool read(uint32_t address) {
    if (c_.chance(20)) rtl_->performance_value_i = performance_ = c_.bits(), tick(), tick();
    rtl_->open_i = model_.open = (uint32_t)c_.below(16);
    rtl_->axi_araddr_i = address;
    uint64_t address_wait = c_.below(4);
    uint64_t ready_wait = c_.below(10);
    ring_busy_ = c_.chance(30) ? (unsigned)c_.below(20) : 0;
    bool open = true;
    for (int clock = 0; clock < 80; clock++) {
      rtl_->axi_arvalid_i = open && !address_wait;
      rtl_->axi_rready_i = !ready_wait;
      rtl_->clk_i = 0;
      rtl_.settle();
      const bool taken = rtl_->axi_arvalid_i && rtl_->axi_arready_o;
      const bool done = rtl_->axi_rvalid_o && rtl_->axi_rready_i;
      const unsigned response = rtl_->axi_rresp_o;
      const uint32_t value = rtl_->axi_rdata_o;
      tick();
      open &= !taken;
      address_wait -= address_wait > 0;
      ready_wait -= ready_wait > 0;
      if (done) return answered(address, value, response);
    }
    return wrong("no response to a read", address, 0, 1);
  }

  bool answered(uint32_t address, uint32_t value, unsigned response) {
    rtl_->axi_rready_i = 0;
    const unsigned want = listed(address) ? OKAY : SLVERR;
    if (response != want) return wrong("read response", address, response, want);
    c_.compared++;
    const uint32_t expected = listed(address) ? expectation(address) : 0;
    return value == expected || wrong("value", address, value, expected);
  }

  uint32_t expectation(uint32_t address) {
    if (in_ring(address)) return model_.ring[(address - DUPLEX_REG_RING) / 4];
    switch (address) {
      case DUPLEX_REG_ID:
        return 0x44504c58;
      case DUPLEX_REG_VERSION:
        return 1;
      case DUPLEX_REG_GEOMETRY:
        return DUPLEX_CHANNELS | 8 << 8 | 64 << 16 | 64u << 24;
      case DUPLEX_REG_CONTROL:
        return model_.enable;
      case DUPLEX_REG_STATUS:
        return (model_.produced == model_.consumed) << 2 | (model_.code != 0) << 1 | rtl_->busy_i;
      case DUPLEX_REG_INTERRUPT_ENABLE:
        return model_.interrupt_enable;
      case DUPLEX_REG_INTERRUPT_STATUS:
        return model_.interrupt_status;
      case DUPLEX_REG_DOORBELL:
        return model_.produced;
      case DUPLEX_REG_CONSUMER:
        return model_.consumed;
      case DUPLEX_REG_COMPLETED:
        return model_.completed;
      case DUPLEX_REG_ERROR_CODE:
        return model_.code;
      case DUPLEX_REG_ERROR_DESCRIPTOR:
        return model_.error_descriptor;
      case DUPLEX_REG_ERROR_ADDRESS:
        return model_.error_address;
      case DUPLEX_REG_BUNDLE_OWNER:
        return model_.owner | model_.open << DUPLEX_BUNDLE_OWNER_OPEN_LSB |
               model_.strict << DUPLEX_BUNDLE_OWNER_STRICT_LSB;
      default:
        return counter_expectation(address);
    }
  }

  // Counters of 64 bits: a read of the low half latches the high one.
  uint32_t counter_expectation(uint32_t address) {
    switch (address) {
      case DUPLEX_REG_BUSY_CLOCKS_LOW:
        return (uint32_t)busy_clocks_;
      case DUPLEX_REG_PERFORMANCE_SELECT:
        return model_.select;
      case DUPLEX_REG_PERFORMANCE_LOW:
        model_.performance_high = (uint32_t)(performance_ >> 32);
        return (uint32_t)performance_;
      case DUPLEX_REG_PERFORMANCE_HIGH:
        return model_.performance_high;
      default:
        return 0;
    }
  }

  // What the outputs show as soon as a write is answered.
  bool outputs() {
    rtl_.settle();
    const bool line = (model_.interrupt_status & model_.interrupt_enable) != 0;
    if (rtl_->interrupt_o != line) return wrong("interrupt", 0, rtl_->interrupt_o, line);
    const bool run = model_.enable && !model_.code && model_.produced != model_.consumed;
    if (rtl_->run_o != run) return wrong("run", 0, rtl_->run_o, run);
    if (rtl_->owner_o != model_.owner) return wrong("owner", 0, rtl_->owner_o, model_.owner);
    if (rtl_->strict_o != model_.strict) return wrong("strict", 0, rtl_->strict_o, model_.strict);
    if (rtl_->performance_channel_o != (model_.select & 0xff))
      return wrong("select", 0, rtl_->performance_channel_o, model_.select);
    c_.compared += 4;
    return true;
  }

  // A descriptor is fetched, and refused or executed; sometimes the ring is flushed in the middle of the
  // fetch.
  bool fetch() {
    rtl_.settle();
    if (!rtl_->run_o) return true;
    const uint16_t index = model_.consumed;
    rtl_->busy_i = rtl_->fetch_i = 1;
    tick();
    rtl_->fetch_i = rtl_->busy_i = 0;
    if (rtl_->slot_o != index % DUPLEX_RING_ENTRIES)
      return wrong("slot", 0, rtl_->slot_o, index % DUPLEX_RING_ENTRIES);
    const bool flush = c_.chance(20);
    if (flush && !write(DUPLEX_REG_CONTROL, 2, 15)) return false;
    rtl_->fetched_i = 1;
    tick();
    rtl_->fetched_i = 0;
    if (!flush) model_.consumed++;
    if (c_.chance(30)) {
      const uint32_t code = 1 + (uint32_t)c_.below(11);
      const uint32_t tag = (uint32_t)c_.below(65536);
      const uint32_t address = (uint32_t)c_.bits();
      rtl_->error_i = 1;
      rtl_->error_code_i = code;
      rtl_->error_tag_i = tag;
      rtl_->error_address_i = address;
      tick();
      rtl_->error_i = 0;
      model_.error(code, index, tag, address);
    }
    tick();
    tick();
    return outputs();
  }

  bool completion() {
    rtl_->completed_i = rtl_->busy_i = 1;
    rtl_->completed_interrupt_i = c_.below(2);
    model_.completed++;
    model_.interrupt_status |= rtl_->completed_interrupt_i;
    tick();
    rtl_->completed_i = rtl_->busy_i = 0;
    tick();
    tick();
    return outputs();
  }

  bench::Case &c_;
  bench::Clocked<Vregisters> rtl_;
  Model model_;
  std::array<uint32_t, 256> model_ring_ = {};
  unsigned ring_busy_ = 0;
  uint64_t performance_ = 0;
  uint64_t busy_clocks_ = 0;
};

bool run_case(bench::Case &c) {
  Bench bench(c);
  for (int i = 0; i < 500; i++)
    if (!bench.step()) return false;
  return true;
}

}  // namespace

int main(int argc, char **argv) { return bench::run(argc, argv, "registers", 200, run_case); }
