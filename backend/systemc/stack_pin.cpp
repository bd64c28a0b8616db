// SPDX-License-Identifier: Apache-2.0
// The pin-level stack: RTL, AXI4-Lite adapter and its checker, DRAM and clock, joined by signals, behind the
// face that every stack has.
#include <algorithm>

#include "backend/systemc/axi_lite_checker.h"
#include "backend/systemc/axi_lite_master.h"
#include "backend/systemc/dram_device.h"
#include "backend/systemc/initiator_phase.h"
#include "backend/systemc/memory_access.h"
#include "backend/systemc/memory_pointers.h"
#include "backend/systemc/memory_port.h"
#include "backend/systemc/verilated_stack.h"
#include "backend/systemc/wave_file.h"
#include "duplex/error.h"
#include "duplex/params.h"
#include "duplex/registers.h"
#include "duplex/systemc.h"

namespace duplex {

namespace {

// Of the library of the RTL and of the DRAM; the texts are those of `parameters`.
duplex_backend_options options_of(const stack_parameters &parameters) {
  duplex_backend_options options = {};
  options.channels = parameters.channels;
  options.dram_preset = parameters.dram_preset.c_str();
  options.rank_switch = parameters.rank_switch;
  options.xpu_traffic = parameters.xpu_traffic;
  return options;
}

duplex_backend_options rtl_options_of(const stack_parameters &parameters) {
  duplex_backend_options options = options_of(parameters);
  const std::string &trace = parameters.trace_file;
  if (!trace.empty() && !is_vcd(trace)) options.trace_file = trace.c_str();
  return options;
}

}  // namespace

class stack_pin::board : public sc_core::sc_module, private memory_cells, private memory_line {
 public:
  board(const sc_core::sc_module_name &name, stack_pin &stack);
  ~board() override;

  void registers_b_transport(tlm::tlm_generic_payload &payload, sc_core::sc_time &delay);
  void memory_b_transport(tlm::tlm_generic_payload &payload, sc_core::sc_time &delay);
  unsigned registers_debug(tlm::tlm_generic_payload &payload);
  unsigned memory_transport_dbg(tlm::tlm_generic_payload &payload);
  bool get_direct_mem_ptr(const tlm::tlm_generic_payload &payload, tlm::tlm_dmi &dmi) {
    return memory_direct(payload, dmi, stack_.parameters(), in_reset(), *this);
  }
  tlm::tlm_sync_enum memory_nb_transport_fw(tlm::tlm_generic_payload &payload, tlm::tlm_phase &phase,
                                            sc_core::sc_time &delay) {
    return port_.nb_transport_fw(payload, phase, delay);
  }
  void random_delays(uint64_t seed) { master_.random_delays(seed); }

 private:
  int read(unsigned channel, uint64_t address, void *bytes, size_t size) override {
    return dram_.pins().read(channel, address, bytes, size);
  }
  int write(unsigned channel, uint64_t address, const void *bytes, size_t size) override {
    return dram_.pins().write(channel, address, bytes, size);
  }
  int row_set(unsigned channel, uint64_t address, uint8_t **bytes) override {
    return dram_.pins().row_set(channel, address, bytes);
  }
  uint64_t clock() const override { return clock_.edges(); }
  int run_to(uint64_t) override { return DUPLEX_OK; }  // the clock of a stack with pins runs by itself
  int queue_read(unsigned channel, uint64_t address, size_t size) override;
  int queue_write(unsigned channel, uint64_t address, size_t size) override;
  bool commands_are_out(unsigned channel, uint64_t *done) const override;

  bool in_reset() const { return stack_.in_reset(); }
  void invalidate(unsigned bundles) {
    memory_invalidate(stack_.memory, stack_.parameters().channels, bundles);
  }
  void begin(sc_core::sc_time &delay);
  int reg_access(tlm::tlm_generic_payload &payload);
  void drive_reset();
  void drive_interrupt();
  void look();
  void trace_pins(const std::string &file);

  stack_pin &stack_;
  clock_source clock_;
  sc_core::sc_signal<bool> rst_n_, interrupt_;
  axi_lite_signals axi_;
  sc_core::sc_signal<dram_inputs> dram_inputs_;
  sc_core::sc_signal<dram_outputs> dram_outputs_;
  verilated_stack rtl_;
  axi_lite_master master_;
  axi_lite_checker checker_;
  dram_device dram_;
  memory_port port_;
  sc_core::sc_mutex access_;  // of the one register access at a time
  sc_core::sc_trace_file *waves_ = nullptr;
  uint64_t reset_from_ = 0;  // the clock with which the level of the reset line counts
  bool was_reset_ = false;
  bool new_job_ = true;  // the next doorbell is the first one of a job
};

stack_pin::board::board(const sc_core::sc_module_name &name, stack_pin &stack)
    : sc_module(name),
      stack_(stack),
      clock_("clock"),
      rst_n_("rst_n", true),
      interrupt_("interrupt"),
      dram_inputs_("dram_inputs"),
      dram_outputs_("dram_outputs"),
      rtl_("rtl", rtl_options_of(stack.parameters())),
      master_("master", clock_),
      checker_("checker", rtl::AXI_CLOCKS_MAX),
      dram_("dram", options_of(stack.parameters())),
      port_(stack.memory, *this, *this, stack.parameters().channels, [] {}) {
  rtl_.clk_i(clock_.clk);
  rtl_.rst_ni(rst_n_);
  rtl_.interrupt_o(interrupt_);
  rtl_.dram_i(dram_inputs_);
  rtl_.dram_o(dram_outputs_);
  rtl_.bind(axi_);
  master_.clk_i(clock_.clk);
  master_.rst_ni(rst_n_);
  master_.bind(axi_);
  checker_.clk_i(clock_.clk);
  checker_.rst_ni(rst_n_);
  checker_.bind(axi_);
  dram_.clk_i(clock_.clk);
  dram_.rst_ni(rst_n_);
  dram_.stack_o(dram_outputs_);
  dram_.stack_i(dram_inputs_);
  dram_.on_taken([this](unsigned bundles) { invalidate(bundles); });
  if (is_vcd(stack.parameters().trace_file)) trace_pins(stack.parameters().trace_file);
  SC_HAS_PROCESS(board);
  SC_METHOD(drive_reset);
  sensitive << stack_.reset_n << stack_.reset_over_ << clock_.passed();
  SC_METHOD(drive_interrupt);
  sensitive << stack_.reset_n << clock_.clk.posedge_event();
  SC_METHOD(look);
  sensitive << clock_.passed();
  dont_initialize();
}

stack_pin::board::~board() {
  if (waves_) sc_core::sc_close_vcd_trace_file(waves_);
}

// A VCD file of the pins that have a value of 64 bits or less.
void stack_pin::board::trace_pins(const std::string &file) {
  waves_ = sc_core::sc_create_vcd_trace_file(file.substr(0, file.size() - 4).c_str());
  waves_->set_time_unit(1, sc_core::SC_PS);
  const std::string place = std::string(stack_.name()) + ".";
  sc_core::sc_trace(waves_, clock_.clk, place + "clk");
  sc_core::sc_trace(waves_, rst_n_, place + "rst_n");
  sc_core::sc_trace(waves_, interrupt_, place + "interrupt");
  axi_.with(axi_, [this, &place](auto &signal, auto &) {
    sc_core::sc_trace(waves_, signal, place + signal.basename());
  });
}

// The caller's thread comes to the first clock at or after the time of its access.
void stack_pin::board::begin(sc_core::sc_time &delay) {
  initiator_delay_check(stack_.name(), delay);
  const uint64_t clock = clock_from(sc_core::sc_time_stamp() + delay);
  delay = sc_core::SC_ZERO_TIME;
  clock_.wait_for(clock);
}

int stack_pin::board::reg_access(tlm::tlm_generic_payload &payload) {
  const uint32_t address = static_cast<uint32_t>(payload.get_address());
  uint32_t value = 0;
  if (payload.is_read()) {
    const int error = master_.read(address, &value);
    std::copy_n(reinterpret_cast<const unsigned char *>(&value), sizeof value, payload.get_data_ptr());
    return error;
  }
  std::copy_n(payload.get_data_ptr(), sizeof value, reinterpret_cast<unsigned char *>(&value));
  if (address == DUPLEX_REG_DOORBELL && new_job_) {
    stack_.doorbell_clock_ = clock_.edges();
    new_job_ = false;
  }
  return master_.write(address, value);
}

void stack_pin::board::registers_b_transport(tlm::tlm_generic_payload &payload, sc_core::sc_time &delay) {
  if (!stack_.registers_check(payload)) return;
  begin(delay);
  const sc_core::sc_scoped_lock lock(access_);  // also if the caller's thread is ended in its access
  const int error = in_reset() ? DUPLEX_ERROR_DEVICE : reg_access(payload);
  if (error == DUPLEX_OK)
    payload.set_response_status(tlm::TLM_OK_RESPONSE);
  else
    payload.set_response_status(error == DUPLEX_ERROR_BUS ? tlm::TLM_ADDRESS_ERROR_RESPONSE
                                                          : tlm::TLM_GENERIC_ERROR_RESPONSE);
}

// The bytes move at once; the access is over when the xPU has nothing more to do.
void stack_pin::board::memory_b_transport(tlm::tlm_generic_payload &payload, sc_core::sc_time &delay) {
  if (!memory_check(payload, stack_.parameters().channels)) return;
  begin(delay);
  if (in_reset()) {
    payload.set_response_status(tlm::TLM_GENERIC_ERROR_RESPONSE);
    return;
  }
  if (!memory_move(payload, *this)) return;
  const memory_place at = memory_place_of(payload);
  const int error = payload.is_read() ? queue_read(at.channel, at.address, payload.get_data_length())
                                      : queue_write(at.channel, at.address, payload.get_data_length());
  bool cut = false;
  while (!error && !cut && dram_.xpu_busy()) {
    wait(clock_.passed());
    cut = stack_.reset_cuts_at(clock_.edges());
  }
  if (error || cut) payload.set_response_status(tlm::TLM_GENERIC_ERROR_RESPONSE);
}

// The flip-flops can be looked at, and nothing but the pins changes them.
unsigned stack_pin::board::registers_debug(tlm::tlm_generic_payload &payload) {
  uint32_t value;
  if (!stack_.registers_debug_check(payload) || !payload.is_read()) return 0;
  if (rtl_.peek(static_cast<uint32_t>(payload.get_address()), &value)) return 0;
  std::copy_n(reinterpret_cast<const unsigned char *>(&value), sizeof value, payload.get_data_ptr());
  return sizeof value;
}

unsigned stack_pin::board::memory_transport_dbg(tlm::tlm_generic_payload &payload) {
  return in_reset() ? 0 : memory_debug(payload, stack_.parameters().channels, *this);
}

int stack_pin::board::queue_read(unsigned channel, uint64_t address, size_t size) {
  const dram_pieces pieces = pieces_of(address, size);
  return dram_.pins().queue_read(channel, pieces.first, pieces.bytes);
}

int stack_pin::board::queue_write(unsigned channel, uint64_t address, size_t size) {
  const dram_pieces pieces = pieces_of(address, size);
  return dram_.pins().queue_write(channel, pieces.first, pieces.bytes);
}

bool stack_pin::board::commands_are_out(unsigned channel, uint64_t *done) const {
  duplex_xpu_state state;
  dram_.pins().xpu_state(channel, clock_.edges(), state);
  *done = std::max(state.read_at, clock_.edges());
  return !state.reads_left && !state.writes_left;
}

// A level of the reset line counts from the first clock at or after its time, as an access.
void stack_pin::board::drive_reset() {
  if (in_reset() != was_reset_) reset_from_ = clock_from(sc_core::sc_time_stamp());
  if (in_reset() && !was_reset_) {
    port_.begin_reset();
    invalidate((1u << DUPLEX_BUNDLES) - 1);
  }
  if (!in_reset() && was_reset_) port_.end_reset();
  was_reset_ = in_reset();
  if (clock_.edges() >= reset_from_) rst_n_ = !in_reset();
}

// The line as it was at the end of a clock.
void stack_pin::board::drive_interrupt() {
  const bool was = stack_.interrupt.read();
  const bool high = !in_reset() && rst_n_ && interrupt_;
  if (clock_.clk.posedge() || in_reset()) stack_.interrupt.write(high);
  if (in_reset()) new_job_ = true;
  if (!clock_.clk.posedge() || !high || was) return;
  stack_.interrupt_clock_ = clock_at(sc_core::sc_time_stamp());
  new_job_ = true;
}

void stack_pin::board::look() {
  if (port_.working()) port_.look();
}

stack_pin::stack_pin(const sc_core::sc_module_name &name, const stack_parameters &parameters)
    : stack_module(name, parameters), board_(new board("board", *this)) {}

stack_pin::~stack_pin() = default;

void stack_pin::random_delays(uint64_t seed) { board_->random_delays(seed); }

void stack_pin::registers_b_transport(tlm::tlm_generic_payload &payload, sc_core::sc_time &delay) {
  board_->registers_b_transport(payload, delay);
}

unsigned stack_pin::registers_transport_dbg(tlm::tlm_generic_payload &payload) {
  return board_->registers_debug(payload);
}

void stack_pin::memory_b_transport(tlm::tlm_generic_payload &payload, sc_core::sc_time &delay) {
  board_->memory_b_transport(payload, delay);
}

unsigned stack_pin::memory_transport_dbg(tlm::tlm_generic_payload &payload) {
  return board_->memory_transport_dbg(payload);
}

tlm::tlm_sync_enum stack_pin::memory_nb_transport_fw(tlm::tlm_generic_payload &payload, tlm::tlm_phase &phase,
                                                     sc_core::sc_time &delay) {
  return board_->memory_nb_transport_fw(payload, phase, delay);
}

bool stack_pin::memory_get_direct_mem_ptr(tlm::tlm_generic_payload &payload, tlm::tlm_dmi &dmi) {
  return board_->get_direct_mem_ptr(payload, dmi);
}

}  // namespace duplex
