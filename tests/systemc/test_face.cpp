// SPDX-License-Identifier: Apache-2.0
// The outer face of a stack, on the loosely timed one and on the one at its pins alike: rules of both sockets
// with the protocol checker on each, debug transport, ownership and pointers, four phases with back-pressure,
// reset, the time of an unloaded read.
#include <algorithm>
#include <cstdio>
#include <string>
#include <vector>

#include "duplex/cmodel.h"
#include "duplex/error.h"
#include "duplex/registers.h"
#include "tests/systemc/checked_stack.h"

namespace {

int bad = 0;

void expect(bool good, const char *what) {
  if (good) return;
  std::printf("MISMATCH: %s, in %s, at %s\n", what, sc_core::sc_get_current_process_handle().name(),
              sc_core::sc_time_stamp().to_string().c_str());
  bad = 1;
}

// Payloads by hand, in a thread.
class master : public sc_core::sc_module, private tlm::tlm_mm_interface {
 public:
  tlm_utils::simple_initiator_socket<master> registers, memory;

  SC_HAS_PROCESS(master);
  // `debug_writes`: whether debug transport writes registers.
  template <class Stack>
  master(const sc_core::sc_module_name &name, checked_stack<Stack> &checked, bool debug_writes)
      : sc_module(name),
        registers("registers"),
        memory("memory"),
        checker_(checked.memory),
        reset_n_(checked.reset_n),
        debug_writes_(debug_writes) {
    registers.bind(checked.registers.target);
    memory.bind(checked.memory.target);
    memory.register_invalidate_direct_mem_ptr(this, &master::invalidate);
    memory.register_nb_transport_bw(this, &master::nb_transport_bw);
    SC_THREAD(run);
    SC_METHOD(end_response);
    sensitive << end_response_event_;
    dont_initialize();
  }
  bool done() const { return done_; }
  const sc_core::sc_event &done_event() const { return done_event_; }

 private:
  using socket = tlm_utils::simple_initiator_socket<master>;

  static void fill(tlm::tlm_generic_payload &payload, tlm::tlm_command command, uint64_t address, void *bytes,
                   unsigned size) {
    payload.set_command(command);
    payload.set_address(address);
    payload.set_data_ptr(static_cast<unsigned char *>(bytes));
    payload.set_data_length(size);
    payload.set_streaming_width(size);
  }

  // One blocking call; its delay goes by.
  tlm::tlm_response_status access(socket &to, tlm::tlm_command command, uint64_t address, void *bytes,
                                  unsigned size, unsigned width = 0,
                                  std::vector<unsigned char> enables = {}) {
    tlm::tlm_generic_payload payload;
    sc_core::sc_time delay = sc_core::SC_ZERO_TIME;
    fill(payload, command, address, bytes, size);
    if (width) payload.set_streaming_width(width);
    if (!enables.empty()) payload.set_byte_enable_ptr(enables.data());
    payload.set_byte_enable_length(unsigned(enables.size()));
    to->b_transport(payload, delay);
    wait(delay);
    return payload.get_response_status();
  }
  tlm::tlm_response_status read(uint64_t address, uint32_t *value) {
    return access(registers, tlm::TLM_READ_COMMAND, address, value, 4);
  }
  void write(uint64_t address, uint32_t value) {
    expect(access(registers, tlm::TLM_WRITE_COMMAND, address, &value, 4) == tlm::TLM_OK_RESPONSE,
           "register write");
  }
  unsigned debug(socket &to, tlm::tlm_command command, uint64_t address, void *bytes, unsigned size) {
    tlm::tlm_generic_payload payload;
    fill(payload, command, address, bytes, size);
    return to->transport_dbg(payload);
  }
  bool pointer(uint64_t address, tlm::tlm_dmi &dmi) {
    tlm::tlm_generic_payload payload;
    payload.set_command(tlm::TLM_READ_COMMAND);
    payload.set_address(address);
    dmi.init();
    return memory->get_direct_mem_ptr(payload, dmi);
  }
  void invalidate(sc_dt::uint64 start, sc_dt::uint64 end) { invalidated_.push_back({start, end}); }
  bool was_invalidated(uint64_t address) const {
    for (const auto &range : invalidated_)
      if (address >= range.first && address <= range.second) return true;
    return false;
  }

  void registers_rules() {
    uint32_t value = 0;
    uint32_t eight[2] = {};
    const sc_core::sc_time before = sc_core::sc_time_stamp();
    expect(read(DUPLEX_REG_ID, &value) == tlm::TLM_OK_RESPONSE && value == DUPLEX_ID_VALUE_RESET, "ID");
    expect(sc_core::sc_time_stamp() - before == duplex::time_of_clock(7), "a read takes 7 clocks");
    write(DUPLEX_REG_INTERRUPT_ENABLE, 1);
    expect(sc_core::sc_time_stamp() - before == duplex::time_of_clock(13), "a write takes 6 clocks");
    wait(1, sc_core::SC_PS);
    const uint64_t next = duplex::clock_from(sc_core::sc_time_stamp());
    expect(next == 14 && duplex::clock_at(sc_core::sc_time_stamp()) == 13, "clocks before and after a time");
    read(DUPLEX_REG_ID, &value);
    expect(sc_core::sc_time_stamp() == duplex::time_of_clock(21), "an access begins with a clock");
    expect(read(0x800, &value) == tlm::TLM_ADDRESS_ERROR_RESPONSE, "no register");
    expect(read(0x10000, &value) == tlm::TLM_ADDRESS_ERROR_RESPONSE, "beyond the registers");
    expect(read(2, &value) == tlm::TLM_ADDRESS_ERROR_RESPONSE, "not aligned");
    expect(access(registers, tlm::TLM_READ_COMMAND, 0, eight, 8) == tlm::TLM_BURST_ERROR_RESPONSE, "8 bytes");
    expect(access(registers, tlm::TLM_READ_COMMAND, 0, eight, 4, 2) == tlm::TLM_BURST_ERROR_RESPONSE,
           "streaming");
    expect(access(registers, tlm::TLM_READ_COMMAND, 0, &value, 4, 0, {0xff}) ==
               tlm::TLM_BYTE_ENABLE_ERROR_RESPONSE,
           "byte enables");
    expect(access(registers, tlm::TLM_IGNORE_COMMAND, DUPLEX_REG_INTERRUPT_ENABLE, &value, 4) ==
               tlm::TLM_COMMAND_ERROR_RESPONSE,
           "neither read nor write");
    expect(read(DUPLEX_REG_INTERRUPT_ENABLE, &value) == tlm::TLM_OK_RESPONSE && value == 1,
           "and not written");
    debug_rules();
  }

  void debug_rules() {
    uint32_t value = 0;
    const sc_core::sc_time now = sc_core::sc_time_stamp();
    value = 3;
    const uint32_t written = debug_writes_ ? 3 : 1;
    expect(debug(registers, tlm::TLM_WRITE_COMMAND, DUPLEX_REG_INTERRUPT_ENABLE, &value, 4) ==
               (debug_writes_ ? 4 : 0),
           "debug write");
    value = 0;
    expect(debug(registers, tlm::TLM_READ_COMMAND, DUPLEX_REG_INTERRUPT_ENABLE, &value, 4) == 4 &&
               value == written,
           "debug read");
    expect(debug(registers, tlm::TLM_READ_COMMAND, DUPLEX_REG_GEOMETRY, &value, 4) == 4 &&
               (value & 0xff) == CHANNELS,
           "debug read of the geometry");
    expect(debug(registers, tlm::TLM_READ_COMMAND, 0x800, &value, 4) == 0, "debug read of no register");
    expect(debug(registers, tlm::TLM_READ_COMMAND, 2, &value, 4) == 0, "debug read, not aligned");
    expect(debug(registers, tlm::TLM_READ_COMMAND, UINT64_C(1) << 32, &value, 4) == 0, "debug read beyond");
    expect(sc_core::sc_time_stamp() == now, "debug takes no time");
    same_registers();
  }

  // Each register, and words of the ring, as the bus reads them.
  void same_registers() {
    uint32_t word = 0x12345678;
    access(registers, tlm::TLM_WRITE_COMMAND, DUPLEX_REG_RING + 0x3fc, &word, 4);
    std::vector<uint32_t> addresses = {DUPLEX_REG_RING, DUPLEX_REG_RING + 0x3fc};
    for (uint32_t at = 0; at <= DUPLEX_REG_PERFORMANCE_HIGH; at += 4) addresses.push_back(at);
    for (const uint32_t at : addresses) {
      uint32_t bus = 1;
      uint32_t looked = 2;
      read(at, &bus);
      expect(debug(registers, tlm::TLM_READ_COMMAND, at, &looked, 4) == 4 && looked == bus,
             "debug read as on the bus");
    }
  }

  void memory_rules() {
    std::vector<unsigned char> bytes(100, 0x11), back(100);
    const uint64_t at = duplex::CHANNEL_BYTES + 8190;  // over the end of a row set of channel 1
    tlm::tlm_dmi dmi;
    expect(access(memory, tlm::TLM_WRITE_COMMAND, at, bytes.data(), 100) == tlm::TLM_GENERIC_ERROR_RESPONSE,
           "bundles are Logic-PIM's after reset");
    expect(!pointer(at, dmi), "no pointer into them");
    write(DUPLEX_REG_BUNDLE_OWNER, 0);
    expect(access(memory, tlm::TLM_WRITE_COMMAND, at, bytes.data(), 100) == tlm::TLM_OK_RESPONSE, "write");
    expect(
        access(memory, tlm::TLM_READ_COMMAND, at, back.data(), 100) == tlm::TLM_OK_RESPONSE && back == bytes,
        "read");
    std::vector<unsigned char> other(100, 0x22);
    expect(access(memory, tlm::TLM_WRITE_COMMAND, at, other.data(), 100, 0, {0xff, 0, 0}) ==
               tlm::TLM_OK_RESPONSE,
           "write with byte enables");
    for (unsigned i = 0; i < 100; i += 3) bytes[i] = 0x22;
    expect(debug(memory, tlm::TLM_READ_COMMAND, at, back.data(), 100) == 100 && back == bytes, "debug read");
    expect(access(memory, tlm::TLM_READ_COMMAND, at, back.data(), 100, 50) == tlm::TLM_BURST_ERROR_RESPONSE,
           "streaming width");
    expect(access(memory, tlm::TLM_READ_COMMAND, duplex::CHANNEL_BYTES - 1, back.data(), 2) ==
               tlm::TLM_BURST_ERROR_RESPONSE,
           "two channels");
    expect(access(memory, tlm::TLM_READ_COMMAND, CHANNELS * duplex::CHANNEL_BYTES, back.data(), 1) ==
               tlm::TLM_ADDRESS_ERROR_RESPONSE,
           "no channel");
    expect(debug(memory, tlm::TLM_READ_COMMAND, UINT64_C(1) << 61, back.data(), 1) == 0,
           "no channel, for debug");
    expect(access(memory, tlm::TLM_IGNORE_COMMAND, at, back.data(), 1) == tlm::TLM_COMMAND_ERROR_RESPONSE,
           "neither read nor write of memory");
    pointers(at, bytes);
  }

  void pointers(uint64_t at, const std::vector<unsigned char> &bytes) {
    tlm::tlm_dmi dmi;
    expect(pointer(at, dmi) && dmi.get_start_address() <= at && dmi.get_end_address() >= at + 1, "pointer");
    expect(dmi.get_dmi_ptr()[at - dmi.get_start_address()] == bytes[0], "bytes behind the pointer");
    expect(dmi.get_read_latency() > sc_core::SC_ZERO_TIME, "latency of the pointer");
    checker_.direct_access(tlm::TLM_WRITE_COMMAND, at, 1);
    dmi.get_dmi_ptr()[at - dmi.get_start_address()] = 0x77;
    unsigned char byte = 0;
    access(memory, tlm::TLM_READ_COMMAND, at, &byte, 1);
    expect(byte == 0x77, "a write by pointer is seen");
    invalidated_.clear();
    write(DUPLEX_REG_BUNDLE_OWNER, 2);
    expect(!was_invalidated(at) && was_invalidated(at + duplex::CHANNEL_BYTES / 4),
           "only bundle 1 is invalidated");
    write(DUPLEX_REG_BUNDLE_OWNER, 3);
    expect(was_invalidated(at), "the pointer is invalidated with its bundle");
    expect(!pointer(at, dmi) && dmi.get_start_address() <= at && dmi.get_end_address() >= at, "and refused");
    expect(access(memory, tlm::TLM_READ_COMMAND, at, &byte, 1) == tlm::TLM_GENERIC_ERROR_RESPONSE,
           "and not read");
    write(DUPLEX_REG_BUNDLE_OWNER, 0);
  }

  // Pointers go with a reset, and none is given while it lasts.
  void reset() {
    tlm::tlm_dmi dmi;
    uint32_t value;
    expect(pointer(64, dmi), "a pointer before the reset");
    invalidated_.clear();
    reset_n_ = false;
    wait(duplex::time_of_clock(100));
    expect(was_invalidated(64), "reset invalidates pointers");
    expect(!pointer(64, dmi), "no pointer in reset");
    expect(debug(registers, tlm::TLM_READ_COMMAND, DUPLEX_REG_ID, &value, 4) == 0, "no registers in reset");
    expect(read(DUPLEX_REG_ID, &value) == tlm::TLM_GENERIC_ERROR_RESPONSE, "no access in reset");
    for (const auto command : {tlm::TLM_READ_COMMAND, tlm::TLM_WRITE_COMMAND})
      expect(debug(memory, command, 64, &value, 4) == 0, "no debug transport of memory in reset");
    reset_n_ = true;
  }

  // A read that nothing is in the way of takes the clocks that the C model itself tells.
  void unloaded_read() {
    duplex_backend_options options = {};
    options.channels = CHANNELS;
    options.threads = 1;
    duplex_backend *model = nullptr;
    expect(duplex_cmodel_open(&options, &model) == DUPLEX_OK, "C model");
    model->ops->reg_write(model, DUPLEX_REG_BUNDLE_OWNER, 0);
    model->ops->advance(model, 300, nullptr);
    const uint64_t from = model->ops->clocks(model);
    model->ops->xpu_read(model, 0, 64, nullptr, 32);
    model->ops->xpu_wait(model);
    duplex_xpu_state state;
    model->ops->xpu_state(model, &state);
    reset();
    wait(sc_core::SC_ZERO_TIME);
    write(DUPLEX_REG_BUNDLE_OWNER, 0);
    wait(duplex::time_of_clock(duplex::clock_at(sc_core::sc_time_stamp()) + 300) - sc_core::sc_time_stamp());
    unsigned char bytes[32];
    const uint64_t begin = duplex::clock_from(sc_core::sc_time_stamp());
    access(memory, tlm::TLM_READ_COMMAND, 64, bytes, 32);
    const uint64_t took = duplex::clock_at(sc_core::sc_time_stamp()) - begin;
    expect(took == state.read_at - from, "clocks of an unloaded read");
    model->ops->close(model);
  }

  // Requests in four phases while the first answer does not end: so many are taken, then END_REQ is withheld.
  // The others follow as answers end, in each of the ways that there are.
  void phases() {
    write(DUPLEX_REG_BUNDLE_OWNER, 0);
    hold_ = true;
    for (unsigned i = 0; i < REQUESTS; i++) {
      send(i);
      if (request_) wait(2, sc_core::SC_US, request_ended_);
      if (!request_) continue;
      expect(hold_ && requests_ended_ == REQUESTS_TAKEN, "END_REQ is withheld when the stack is full");
      hold_ = false;
      end_response_event_.notify();
      wait(10, sc_core::SC_US, request_ended_);
      expect(!request_, "END_REQ follows the end of an answer");
    }
    expect(!hold_, "END_REQ is withheld at some time");
    for (unsigned i = 0; responses_ended_ < REQUESTS && i < 1000; i++) wait(1, sc_core::SC_US);
    wait(1, sc_core::SC_US);
    expect(responses_ended_ == REQUESTS && freed_ == REQUESTS, "all requests are answered, and freed");
    for (unsigned i = 1; i < REQUESTS; i += 2) expect(has_bytes(i), "bytes of a write in four phases");
  }

  static uint64_t address_of(unsigned i) { return i % 2 * duplex::CHANNEL_BYTES + 4096 + i * 32; }
  bool has_bytes(unsigned i) {
    unsigned char bytes[32];
    debug(memory, tlm::TLM_READ_COMMAND, address_of(i), bytes, 32);
    return std::count(bytes, bytes + 32, i + 1) == 32;
  }

  // Odd ones write, even ones read what is there.
  void send(unsigned i) {
    std::vector<unsigned char> &bytes = bytes_[i];
    bytes.assign(32, (unsigned char)(i + 1));
    const auto command = i % 2 ? tlm::TLM_WRITE_COMMAND : tlm::TLM_READ_COMMAND;
    if (i % 2 == 0) {
      debug(memory, tlm::TLM_WRITE_COMMAND, address_of(i), bytes.data(), 32);
      bytes.assign(32, 0);
    }
    auto *payload = new tlm::tlm_generic_payload(this);
    payload->acquire();
    fill(*payload, command, address_of(i), bytes.data(), 32);
    tlm::tlm_phase phase = tlm::BEGIN_REQ;
    sc_core::sc_time delay(i % 3, sc_core::SC_NS);
    request_ = payload;
    expect(memory->nb_transport_fw(*payload, phase, delay) == tlm::TLM_ACCEPTED, "BEGIN_REQ is accepted");
  }

  tlm::tlm_sync_enum nb_transport_bw(tlm::tlm_generic_payload &payload, tlm::tlm_phase &phase,
                                     sc_core::sc_time &) {
    if (phase == tlm::END_REQ) {
      expect(request_ == &payload, "END_REQ of the request that is open");
      request_ = nullptr;
      requests_ended_++;
      request_ended_.notify(sc_core::SC_ZERO_TIME);
      return tlm::TLM_ACCEPTED;
    }
    const unsigned i = payload.get_data_ptr()[0] - 1u;
    expect(payload.is_response_ok() && i < REQUESTS && payload.get_address() == address_of(i),
           "the answer has its bytes");
    if (hold_ || responses_ended_ % 3 == 0) {
      expect(!response_, "one answer at a time");
      response_ = &payload;
      if (!hold_) end_response_event_.notify(3, sc_core::SC_NS);
      return tlm::TLM_ACCEPTED;
    }
    phase = tlm::END_RESP;
    const bool updated = responses_ended_ % 3 == 1;
    responses_ended_++;
    payload.release();
    return updated ? tlm::TLM_UPDATED : tlm::TLM_COMPLETED;
  }

  void end_response() {
    tlm::tlm_generic_payload &payload = *response_;
    tlm::tlm_phase phase = tlm::END_RESP;
    sc_core::sc_time delay(500, sc_core::SC_PS);
    response_ = nullptr;
    responses_ended_++;
    memory->nb_transport_fw(payload, phase, delay);
    payload.release();
  }

  void free(tlm::tlm_generic_payload *payload) override {
    freed_++;
    delete payload;
  }

  void run() {
    registers_rules();
    memory_rules();
    phases();
    unloaded_read();
    done_ = true;
    done_event_.notify();
  }

  static constexpr unsigned REQUESTS = 45, REQUESTS_TAKEN = 32;  // docs/systemc.md

  duplex::protocol_checker<> &checker_;
  sc_core::sc_signal<bool> &reset_n_;
  const bool debug_writes_;
  std::vector<std::pair<uint64_t, uint64_t>> invalidated_;
  std::vector<unsigned char> bytes_[REQUESTS];
  tlm::tlm_generic_payload *request_ = nullptr, *response_ = nullptr;  // that are open
  bool hold_ = false;
  unsigned requests_ended_ = 0;
  unsigned responses_ended_ = 0;
  unsigned freed_ = 0;
  sc_core::sc_event request_ended_, end_response_event_, done_event_;
  bool done_ = false;
};

}  // namespace

int sc_main(int, char **) {
  std::printf("Outer face of a stack: loosely timed, and at its pins\n");
  checked_stack<duplex::stack_tlm> tlm("tlm");
  checked_stack<duplex::stack_pin> pin("pin");
  master tlm_master("tlm_master", tlm, true), pin_master("pin_master", pin, false);
  sc_core::sc_spawn([&] {
    while (!tlm_master.done() || !pin_master.done())
      sc_core::wait(tlm_master.done_event() | pin_master.done_event());
    sc_core::sc_stop();
  });
  sc_core::sc_start(1, sc_core::SC_MS);
  expect(tlm_master.done() && pin_master.done(), "all rules were tried");
  std::printf("rules, debug, pointers, phases, reset%s\n", bad ? ": FAIL" : ": good");
  return bad;
}
