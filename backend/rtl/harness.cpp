// SPDX-License-Identifier: Apache-2.0
// One Verilated stack behind duplex/backend.h: AXI4-Lite master, DRAM cells, clock and interrupt; nothing
// else.
//
// Clock n: the inputs are set while the clock is low, the stack settles, its outputs are looked at, the clock
// rises. The DRAM of a channel sees the commands of clock n and gives the read data that belong to clock n.
// DUPLEX_AXI_SEED=n makes the AXI master keep the stack waiting at random.
#include <cinttypes>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <memory>
#include <new>
#include <string>

#include "backend/rtl/axi_master.h"
#include "backend/rtl/dram_pins.h"
#include "backend/rtl/library.h"
#include "backend/rtl/pin_door.h"
#include "backend/rtl/verilated_stack.h"
#include "duplex/error.h"
#include "duplex/params.h"

namespace {

constexpr uint64_t CLOCK_TIME = 1000;  // of a clock in waveforms, in ps: clock n is n ns

class Stack {
 public:
  Stack() : model_(verilated_.pins()), axi_(model_) {}
  ~Stack() { end_files(); }

  int open(const duplex_backend_options &options) {
    int error = dram_.open(options, failure_);
    if (error) return error;
    if ((error = open_wave(options))) return error;
    if (const char *seed = std::getenv("DUPLEX_AXI_SEED"))
      axi_.random_delays(std::strtoull(seed, nullptr, 0));
    verilated_.enter();
    model_.rst_ni = 0;
    for (unsigned i = 0; i < RTL_RESET_CLOCKS; i++) tick();
    model_.rst_ni = 1;
    return status_;
  }

  int reg_write(uint32_t address, uint32_t value) {
    if (address > 0xffff) return DUPLEX_ERROR_BUS;
    axi_.start_write(address, value);
    return access();
  }
  int reg_read(uint32_t address, uint32_t *value) {
    if (address > 0xffff) return DUPLEX_ERROR_BUS;
    axi_.start_read(address);
    const int error = access();
    *value = error ? 0 : axi_.data();
    return error;
  }
  int xpu_wait() {
    run(DUPLEX_XPU_WAIT_MOST, nullptr, true);
    if (!status_ && dram_.xpu_busy(model_)) status_ = DUPLEX_ERROR_WATCHDOG;
    return status_;
  }
  int advance(uint64_t clocks, int *interrupt, bool xpu) {
    run(clocks, interrupt, xpu);
    if (!status_) status_ = dram_.finish(clocks_, failure_);
    if (interrupt) *interrupt = interrupt_;
    return status_;
  }
  int end_files() {
    verilated_.enter();
    const int error = dram_.end_text(failure_);
    const std::string wrong = verilated_.close_wave();
    if (!wrong.empty()) failure_ = wrong;
    return wrong.empty() ? error : DUPLEX_ERROR_IO;
  }
  uint64_t clocks() const { return clocks_; }
  DramPins &dram() { return dram_; }
  const char *failure() const { return failure_.empty() ? dram_.failure() : failure_.c_str(); }

 private:
  // So many clocks, or until the interrupt line is high if `interrupt` is not NULL, or the xPU is ready if
  // `xpu` is set.
  void run(uint64_t clocks, const int *interrupt, bool xpu) {
    verilated_.enter();
    for (uint64_t i = 0; i < clocks && !(interrupt && interrupt_) && !status_; i++) {
      if (xpu && !dram_.xpu_busy(model_)) return;
      tick();
    }
  }

  int access() {
    verilated_.enter();
    for (unsigned i = 0; axi_.busy() && !status_; i++) {
      if (i == rtl::AXI_CLOCKS_MAX) {
        failure_ = "no answer to a register access in " + std::to_string(rtl::AXI_CLOCKS_MAX) + " clocks";
        return status_ = DUPLEX_ERROR_WATCHDOG;
      }
      tick();
    }
    tick();  // the interrupt line shows what the access did
    if (status_) return status_;
    return axi_.response() == rtl::AXI_OKAY ? DUPLEX_OK : DUPLEX_ERROR_BUS;
  }

  void tick() {
    model_.clk_i = 0;
    axi_.drive();
    dram_.drive(model_, clocks_);
    step(0);
    axi_.sample();
    interrupt_ = model_.rst_ni && model_.interrupt_o;
    if (model_.rst_ni) {
      const int error = dram_.sample(model_, clocks_, failure_);
      if (error && !status_) status_ = error;
    }
    model_.clk_i = 1;
    step(CLOCK_TIME / 2);
    clocks_++;
    if (verilated_.assertion_failed() && !status_) {
      failure_ = "an assertion of the RTL failed in clock " + std::to_string(clocks_) +
                 " (its file and line are on standard output)";
      status_ = DUPLEX_ERROR_DEVICE;
    }
  }

  int open_wave(const duplex_backend_options &options) {
    trace_from_ = options.trace_from;
    trace_to_ = options.trace_to ? options.trace_to : UINT64_MAX;
    if (options.trace_file) failure_ = verilated_.open_wave(options.trace_file);
    return failure_.empty() ? 0 : DUPLEX_ERROR_IO;
  }

  // Settles the model at a time of this clock.
  void step(uint64_t time) {
    verilated_.settle(clocks_ * CLOCK_TIME + time, clocks_ >= trace_from_ && clocks_ <= trace_to_);
  }

  rtl::VerilatedStack verilated_;
  Vstack &model_;
  uint64_t trace_from_ = 0;
  uint64_t trace_to_ = 0;
  rtl::AxiMaster<Vstack> axi_;
  DramPins dram_;
  uint64_t clocks_ = 0;
  bool interrupt_ = false;
  int status_ = 0;  // the first error that ends this stack's work
  std::string failure_;
};

struct RtlBackend {
  duplex_backend base;  // first, as duplex/backend.h demands
  Stack stack;
};

Stack &stack_of(duplex_backend *backend) { return reinterpret_cast<RtlBackend *>(backend)->stack; }

const duplex_backend_ops rtl_ops = {
    "rtl",
    [](duplex_backend *b) { delete reinterpret_cast<RtlBackend *>(b); },
    [](duplex_backend *b, uint32_t address, uint32_t *value) { return stack_of(b).reg_read(address, value); },
    [](duplex_backend *b, uint32_t address, uint32_t value) { return stack_of(b).reg_write(address, value); },
    [](duplex_backend *b, unsigned channel, uint64_t address, void *bytes, size_t size) {
      return stack_of(b).dram().read(channel, address, bytes, size);
    },
    [](duplex_backend *b, unsigned channel, uint64_t address, const void *bytes, size_t size) {
      return stack_of(b).dram().write(channel, address, bytes, size);
    },
    [](duplex_backend *b, unsigned channel, uint64_t address, void *bytes, size_t size) {
      return stack_of(b).dram().xpu_read(channel, address, bytes, size);
    },
    [](duplex_backend *b, unsigned channel, uint64_t address, const void *bytes, size_t size) {
      return stack_of(b).dram().xpu_write(channel, address, bytes, size);
    },
    [](duplex_backend *b, duplex_xpu_state *state) {
      stack_of(b).dram().xpu_state(stack_of(b).clocks(), *state);
    },
    [](duplex_backend *b, uint64_t clocks, int *interrupt) {
      return stack_of(b).advance(clocks, interrupt, true);
    },
    [](duplex_backend *b) { return stack_of(b).xpu_wait(); },
    [](duplex_backend *b, uint64_t clocks, int *interrupt) {
      return stack_of(b).advance(clocks, interrupt, false);
    },
    [](duplex_backend *b) { return stack_of(b).clocks(); },
    [](duplex_backend *b, duplex_dram_commands *commands) { stack_of(b).dram().commands(*commands); },
    [](duplex_backend *b) { return stack_of(b).failure(); },
    [](duplex_backend *b) { return stack_of(b).end_files(); },
};

}  // namespace

const rtl_stack_ops duplex_rtl_stack_pins = rtl::pin_ops();
const unsigned duplex_rtl_stack_interface = DUPLEX_RTL_INTERFACE;
const unsigned duplex_rtl_stack_point = DUPLEX_POINT;
const char duplex_rtl_stack_hash[] = DUPLEX_STACK_HASH;

int duplex_rtl_stack_open(const duplex_backend_options *options, duplex_backend **backend, char *failure,
                          size_t failure_size) {
  *backend = nullptr;
  std::unique_ptr<RtlBackend> opened(new (std::nothrow) RtlBackend{{&rtl_ops}, {}});
  if (!opened) return DUPLEX_ERROR_NO_MEMORY;
  const int error = opened->stack.open(*options);
  if (error) {
    std::snprintf(failure, failure_size, "%s", opened->stack.failure());
    return error;
  }
  *backend = &opened.release()->base;
  return DUPLEX_OK;
}
