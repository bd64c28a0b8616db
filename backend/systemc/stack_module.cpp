// SPDX-License-Identifier: Apache-2.0
// The outer face of a stack: its sockets and ports, and what is checked when a platform is elaborated.
#include "duplex/hbm.h"
#include "duplex/params.h"
#include "duplex/systemc.h"

static_assert(duplex::CHANNEL_BYTES == DUPLEX_CHANNEL_BYTES,
              "the map of the memory socket is that of the DRAM");

namespace duplex {
namespace {

constexpr unsigned THREADS_MOST = 1024;
constexpr uint64_t LAST_ADDRESS = 0xffff;  // of the register socket

}  // namespace

stack_module::stack_module(const sc_core::sc_module_name &name, const stack_parameters &parameters)
    : sc_core::sc_module(name),
      registers("registers"),
      memory("memory"),
      interrupt("interrupt"),
      reset_n("reset_n"),
      parameters_(parameters) {
  sc_core::sc_spawn_options options;
  options.spawn_method();
  options.set_sensitivity(&reset_n);
  sc_core::sc_spawn([this] { see_reset(); }, "see_reset", &options);
  registers.register_b_transport(this, &stack_module::registers_b_transport);
  registers.register_transport_dbg(this, &stack_module::registers_transport_dbg);
  memory.register_b_transport(this, &stack_module::memory_b_transport);
  memory.register_transport_dbg(this, &stack_module::memory_transport_dbg);
  memory.register_nb_transport_fw(this, &stack_module::memory_nb_transport_fw);
  memory.register_get_direct_mem_ptr(this, &stack_module::memory_get_direct_mem_ptr);
  if (parameters.channels < 1 || parameters.channels > DUPLEX_CHANNELS)
    report("channels",
           std::to_string(parameters.channels) + ": expected 1 to " + std::to_string(DUPLEX_CHANNELS));
  if (!duplex_dram_preset(parameters.dram_preset.c_str()))
    report("dram_preset",
           "'" + parameters.dram_preset + "': expected a preset of docs/dram.md, as hbm3_5200");
  if (parameters.threads > THREADS_MOST)
    report("threads", std::to_string(parameters.threads) + ": expected 0 to " + std::to_string(THREADS_MOST));
  if (parameters.rank_switch > 2)
    report("rank_switch", std::to_string(parameters.rank_switch) + ": expected 0 to 2");
  if (sc_core::sc_get_time_resolution() > sc_core::sc_time(1, sc_core::SC_PS))
    report("time resolution", sc_core::sc_get_time_resolution().to_string() + ": expected 1 ps or less");
}

void stack_module::see_reset() {
  if (reset_n.read()) return;
  reset_clock_ = clock_from(sc_core::sc_time_stamp());
  held_until_ = time_of_clock(reset_clock_ + RESET_CLOCKS_LEAST);
  reset_over_.notify(held_until_ - sc_core::sc_time_stamp());
}

bool stack_module::in_reset() const { return !reset_n.read() || sc_core::sc_time_stamp() < held_until_; }

void stack_module::report(const char *what, const std::string &text) const {
  const std::string place = std::string(name()) + "." + what;
  SC_REPORT_ERROR("/duplex/elaboration", (place + ": " + text).c_str());
}

void stack_module::before_end_of_elaboration() {
  if (registers.get_base_port().bind_count() == 0)
    report("registers", "not bound: expected an initiator socket");
  if (memory.get_base_port().bind_count() == 0) report("memory", "not bound: expected an initiator socket");
  if (interrupt.bind_count() == 0) report("interrupt", "not bound: expected an sc_signal<bool>");
  if (reset_n.bind_count() == 0) report("reset_n", "not bound: expected an sc_signal<bool>");
}

bool stack_module::registers_check(tlm::tlm_generic_payload &payload) const {
  payload.set_dmi_allowed(false);
  if (!payload.is_read() && !payload.is_write()) {
    payload.set_response_status(tlm::TLM_COMMAND_ERROR_RESPONSE);
  } else if (!payload.get_data_ptr()) {
    payload.set_response_status(tlm::TLM_GENERIC_ERROR_RESPONSE);
  } else if (payload.get_byte_enable_ptr()) {
    payload.set_response_status(tlm::TLM_BYTE_ENABLE_ERROR_RESPONSE);
  } else if (payload.get_data_length() != 4 || payload.get_streaming_width() < 4) {
    payload.set_response_status(tlm::TLM_BURST_ERROR_RESPONSE);
  } else if (payload.get_address() % 4 || payload.get_address() > LAST_ADDRESS) {
    payload.set_response_status(tlm::TLM_ADDRESS_ERROR_RESPONSE);
  } else {
    return true;
  }
  return false;
}

bool stack_module::registers_debug_check(const tlm::tlm_generic_payload &payload) const {
  const bool moves_word = (payload.is_read() || payload.is_write()) && payload.get_data_ptr() &&
                          payload.get_data_length() >= sizeof(uint32_t);
  return moves_word && payload.get_address() % 4 == 0 && payload.get_address() <= LAST_ADDRESS && !in_reset();
}

}  // namespace duplex
