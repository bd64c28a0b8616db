// SPDX-License-Identifier: Apache-2.0
// Duplex in SystemC and TLM-2.0: a stack of Logic-PIM as a module of a virtual platform (docs/systemc.md).
//
// `stack_module` is the outer face of every stack, whatever keeps its time: `stack_tlm` is loosely timed over
// the C model, `stack_pin` is the Verilated RTL at its pins. Time comes from the count of clocks of 650 MHz
// and never from a sum of periods: at time_of_clock(n) a stack has completed n clocks since the start of the
// simulation.
#ifndef DUPLEX_SYSTEMC_H
#define DUPLEX_SYSTEMC_H

#include <cstdint>
#include <functional>
#include <memory>
#include <string>

#include "duplex/duplex.h"
#include "duplex/systemc_standard.h"
#include "tlm_utils/simple_initiator_socket.h"
#include "tlm_utils/simple_target_socket.h"

namespace duplex {

// The time at which a stack has completed n clocks: round(n * 10^6 / 650) ps, sc_max_time() at most.
sc_core::sc_time time_of_clock(uint64_t n);
// The first n with time_of_clock(n) at `time` or later: where a stack takes what comes to it at `time`.
uint64_t clock_from(const sc_core::sc_time &time);
// The last n with time_of_clock(n) at `time` or earlier.
uint64_t clock_at(const sc_core::sc_time &time);

// Bytes of one channel at the memory socket: byte a of channel c is at c * CHANNEL_BYTES + a.
constexpr uint64_t CHANNEL_BYTES = UINT64_C(1) << 29;

struct stack_parameters {
  unsigned channels = 32;                 // 1 to 32
  unsigned threads = 1;                   // C model: worker threads, 1 to 1024, 0 = all cores
  std::string dram_preset = "hbm3_5200";  // docs/dram.md
  unsigned rank_switch = 0;               // tCK that the data buses need to turn to the other rank, 0 to 2
  bool xpu_traffic = false;               // the xPU streams at full rate from the bundles that it owns
  std::string trace_file;                 // pin-level module only: wave file, "" = none
};

// The outer face of a stack. Both sockets take any initiator socket of the default width; payloads may be of
// any width that the rules below allow.
//
// registers: 32-bit words at the offsets of docs/registers.md, whole and aligned, without byte enables; no
//   DMI. An access begins with the first clock at or after its time; its delay ends with the access.
//   A delay of more than 10 s is an SC_REPORT_ERROR, as at the other socket: a stack would run for hours.
// memory: the DRAM of all channels, as the xPU sees it. Bytes of bundles that belong to Logic-PIM cannot be
//   accessed: TLM_GENERIC_ERROR_RESPONSE.
// interrupt: high while INTERRUPT_STATUS and INTERRUPT_ENABLE have a bit in common.
// reset_n: a fall puts the stack into reset, for 4 clocks at least and as long as the line is low; cells of
//   the DRAM keep their bytes. An access that comes in reset, or that reset cuts off, ends with
//   TLM_GENERIC_ERROR_RESPONSE.
class stack_module : public sc_core::sc_module {
 public:
  tlm_utils::simple_target_socket<stack_module> registers;
  tlm_utils::simple_target_socket<stack_module> memory;
  sc_core::sc_out<bool> interrupt;
  sc_core::sc_in<bool> reset_n;

  const stack_parameters &parameters() const { return parameters_; }

  // What the stack itself counted: the clock with which the first write of DOORBELL began since the interrupt
  // line rose, or since reset, and the clock with which the line rose last. 0: there was none.
  uint64_t doorbell_clock() const { return doorbell_clock_; }
  uint64_t interrupt_clock() const { return interrupt_clock_; }

 protected:
  stack_module(const sc_core::sc_module_name &name, const stack_parameters &parameters);

  // The transports of the two sockets, as TLM-2.0 names them.
  virtual void registers_b_transport(tlm::tlm_generic_payload &payload, sc_core::sc_time &delay) = 0;
  virtual unsigned registers_transport_dbg(tlm::tlm_generic_payload &payload) = 0;
  virtual void memory_b_transport(tlm::tlm_generic_payload &payload, sc_core::sc_time &delay) = 0;
  virtual unsigned memory_transport_dbg(tlm::tlm_generic_payload &payload) = 0;
  virtual tlm::tlm_sync_enum memory_nb_transport_fw(tlm::tlm_generic_payload &payload, tlm::tlm_phase &phase,
                                                    sc_core::sc_time &delay) = 0;
  virtual bool memory_get_direct_mem_ptr(tlm::tlm_generic_payload &payload, tlm::tlm_dmi &dmi) = 0;

  // Whether a payload is one that the register socket takes; otherwise its response says why not.
  bool registers_check(tlm::tlm_generic_payload &payload) const;
  // The same for debug transport: a word that lies in the map, to read or to write, out of reset.
  bool registers_debug_check(const tlm::tlm_generic_payload &payload) const;

  // From the fall of reset_n until the line is high and RESET_CLOCKS_LEAST clocks have passed, so that the
  // shortest pulse is a whole reset. Processes that drive the stack look when reset_n changes and when
  // reset_over_ comes.
  bool in_reset() const;
  // The first clock in reset: the one with which the last fall counts.
  uint64_t reset_clock() const { return reset_clock_; }
  // Whether reset has cut off what a caller waits for: from the second clock in reset on.
  bool reset_cuts_at(uint64_t clock) const { return in_reset() && clock > reset_clock_; }

  // An elaboration error with its place: "MODULE.WHAT: TEXT".
  void report(const char *what, const std::string &text) const;

  uint64_t doorbell_clock_ = 0;
  uint64_t interrupt_clock_ = 0;
  sc_core::sc_event reset_over_;

 private:
  static constexpr unsigned RESET_CLOCKS_LEAST = 4;
  void before_end_of_elaboration() override;
  void see_reset();
  uint64_t reset_clock_ = 0;
  sc_core::sc_time held_until_;
  const stack_parameters parameters_;
};

// A stack over the C model, loosely timed: bytes and clocks are those of the RTL.
class stack_tlm : public stack_module {
 public:
  stack_tlm(const sc_core::sc_module_name &name, const stack_parameters &parameters = stack_parameters());
  ~stack_tlm() override;

 private:
  class model;
  void registers_b_transport(tlm::tlm_generic_payload &payload, sc_core::sc_time &delay) override;
  unsigned registers_transport_dbg(tlm::tlm_generic_payload &payload) override;
  void memory_b_transport(tlm::tlm_generic_payload &payload, sc_core::sc_time &delay) override;
  unsigned memory_transport_dbg(tlm::tlm_generic_payload &payload) override;
  tlm::tlm_sync_enum memory_nb_transport_fw(tlm::tlm_generic_payload &payload, tlm::tlm_phase &phase,
                                            sc_core::sc_time &delay) override;
  bool memory_get_direct_mem_ptr(tlm::tlm_generic_payload &payload, tlm::tlm_dmi &dmi) override;

  std::unique_ptr<model> model_;
};

// A stack whose RTL runs clock by clock at its pins: the adapter from the register socket to AXI4-Lite, the
// DRAM at the pins, each a module inside with signals between them. Bytes and clocks are those of the back
// end `rtl`. The library with the Verilated stack is found, or built, as duplex_rtl_open does it.
// Debug transport of registers reads and does not write: what is in the RTL changes by its pins only.
// trace_file of the parameters: NAME.vcd holds the AXI4-Lite pins, any other name is an FST file of all
// signals of the RTL.
class stack_pin : public stack_module {
 public:
  stack_pin(const sc_core::sc_module_name &name, const stack_parameters &parameters = stack_parameters());
  ~stack_pin() override;

  // The AXI4-Lite master keeps the RTL waiting at random, 0 to 3 clocks at each handshake.
  void random_delays(uint64_t seed);

 private:
  class board;
  void registers_b_transport(tlm::tlm_generic_payload &payload, sc_core::sc_time &delay) override;
  unsigned registers_transport_dbg(tlm::tlm_generic_payload &payload) override;
  void memory_b_transport(tlm::tlm_generic_payload &payload, sc_core::sc_time &delay) override;
  unsigned memory_transport_dbg(tlm::tlm_generic_payload &payload) override;
  tlm::tlm_sync_enum memory_nb_transport_fw(tlm::tlm_generic_payload &payload, tlm::tlm_phase &phase,
                                            sc_core::sc_time &delay) override;
  bool memory_get_direct_mem_ptr(tlm::tlm_generic_payload &payload, tlm::tlm_dmi &dmi) override;

  std::unique_ptr<board> board_;
};

// The initiator that drives a stack: the host library and the firmware run in its thread, over its sockets,
// on a back end like any other (duplex_stack_open_backend). Registers are accessed by blocking transport,
// under a quantum keeper with the global quantum of TLM-2.0; mem_read and mem_write are debug transports,
// xpu_read and xpu_write blocking transports, which return when they are over. `commands` of the back end are
// all 0.
class initiator : public sc_core::sc_module {
 public:
  tlm_utils::simple_initiator_socket<initiator> registers;
  tlm_utils::simple_initiator_socket<initiator> memory;
  sc_core::sc_in<bool> interrupt;

  // `program` runs once, in a thread of 8 MB of stack, from the start of the simulation.
  initiator(const sc_core::sc_module_name &name, std::function<void(initiator &)> program);
  ~initiator() override;

  // Belongs to the initiator; its `close` does nothing. Only for the program, in its thread.
  duplex_backend *backend();
  // The time of the program: that of the simulation and what it is ahead of it, in clocks.
  uint64_t clock() const;
  // The simulation comes to the program's time.
  void synchronize();

 private:
  class link;
  std::unique_ptr<link> link_;
};

// A program for an initiator that is the host of a stack: it opens the stack that the sockets lead to, with
// so many channels, runs `program` and closes it. riscv: the firmware runs on an RV32 controller, which must
// live as long as the simulation; NULL: in this process, at no cost in clocks. A failure, and no program, is
// an SC_REPORT_ERROR.
std::function<void(initiator &)> with_stack(unsigned channels, std::function<void(duplex_stack *)> program,
                                            const duplex_riscv_options *riscv = nullptr);

// Connects an initiator to a stack: both sockets, the interrupt, and a reset line that is high from the
// start.
class wires {
 public:
  wires(initiator &host, stack_module &stack);
  sc_core::sc_signal<bool> interrupt, reset_n;
};

}  // namespace duplex
#endif
