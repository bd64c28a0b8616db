// SPDX-License-Identifier: Apache-2.0
// The loosely timed stack: rules of its sockets with the protocol checker on each, time of clocks, interrupt,
// ownership and pointers, reset in mid-job, wrong parameters and open sockets.
//
// usage: test_stack [SEED]
#include <sys/wait.h>
#include <unistd.h>

#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <memory>
#include <string>
#include <vector>

#include "backend/systemc/protocol_checker.h"
#include "backend/systemc/traffic.h"
#include "duplex/cmodel.h"
#include "duplex/error.h"
#include "duplex/params.h"
#include "duplex/random.h"
#include "duplex/registers.h"
#include "duplex/systemc.h"
#include "tests/common/environment.h"

namespace {

constexpr unsigned CHANNELS = 2;
int bad = 0;

void expect(bool good, const char *what) {
  if (good) return;
  std::printf("MISMATCH: %s, at %s\n", what, sc_core::sc_time_stamp().to_string().c_str());
  bad = 1;
}

duplex::stack_parameters two_channels() {
  duplex::stack_parameters p;
  p.channels = CHANNELS;
  return p;
}

// A stack with the checker at both sockets.
struct checked_stack {
  explicit checked_stack(const std::string &name)
      : stack(name.c_str(), two_channels()),
        registers((name + "_registers").c_str()),
        memory((name + "_memory").c_str()),
        interrupt((name + "_interrupt").c_str()),
        reset_n((name + "_reset_n").c_str(), true) {
    registers.initiator.bind(stack.registers);
    memory.initiator.bind(stack.memory);
    memory.set_address_bytes(CHANNELS * duplex::CHANNEL_BYTES);
    stack.interrupt(interrupt);
    stack.reset_n(reset_n);
  }
  duplex::stack_tlm stack;
  duplex::protocol_checker<> registers, memory;
  sc_core::sc_signal<bool> interrupt, reset_n;
};

// Payloads by hand, in a thread.
class master : public sc_core::sc_module {
 public:
  tlm_utils::simple_initiator_socket<master> registers, memory;

  SC_HAS_PROCESS(master);
  master(const sc_core::sc_module_name &name, checked_stack &checked)
      : sc_module(name), registers("registers"), memory("memory"), checked_(checked) {
    registers.bind(checked.registers.target);
    memory.bind(checked.memory.target);
    memory.register_invalidate_direct_mem_ptr(this, &master::invalidate);
    SC_THREAD(run);
  }
  bool done() const { return done_; }

 private:
  using socket = tlm_utils::simple_initiator_socket<master>;

  // One blocking call; its delay goes by.
  tlm::tlm_response_status access(socket &to, tlm::tlm_command command, uint64_t address, void *bytes,
                                  unsigned size, unsigned width = 0,
                                  std::vector<unsigned char> enables = {}) {
    tlm::tlm_generic_payload payload;
    sc_core::sc_time delay = sc_core::SC_ZERO_TIME;
    payload.set_command(command);
    payload.set_address(address);
    payload.set_data_ptr(static_cast<unsigned char *>(bytes));
    payload.set_data_length(size);
    payload.set_streaming_width(width ? width : size);
    if (!enables.empty()) payload.set_byte_enable_ptr(enables.data());
    payload.set_byte_enable_length(unsigned(enables.size()));
    to->b_transport(payload, delay);
    took_ = delay;
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
    payload.set_command(command);
    payload.set_address(address);
    payload.set_data_ptr(static_cast<unsigned char *>(bytes));
    payload.set_data_length(size);
    payload.set_streaming_width(size);
    return to->transport_dbg(payload);
  }
  bool pointer(uint64_t address, tlm::tlm_dmi &dmi) {
    tlm::tlm_generic_payload payload;
    payload.set_command(tlm::TLM_READ_COMMAND);
    payload.set_address(address);
    return memory->get_direct_mem_ptr(payload, dmi);
  }
  void invalidate(sc_dt::uint64 start, sc_dt::uint64 end) { invalidated_.push_back({start, end}); }
  bool was_invalidated(uint64_t address) const {
    for (const auto &range : invalidated_)
      if (address >= range.first && address <= range.second) return true;
    return false;
  }

  void registers_rules() {
    uint32_t value = 0, eight[2] = {};
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
    const sc_core::sc_time now = sc_core::sc_time_stamp();
    value = 3;
    expect(debug(registers, tlm::TLM_WRITE_COMMAND, DUPLEX_REG_INTERRUPT_ENABLE, &value, 4) == 4,
           "debug write");
    value = 0;
    expect(debug(registers, tlm::TLM_READ_COMMAND, DUPLEX_REG_INTERRUPT_ENABLE, &value, 4) == 4 && value == 3,
           "debug read");
    expect(debug(registers, tlm::TLM_READ_COMMAND, 0x800, &value, 4) == 0, "debug read of no register");
    expect(sc_core::sc_time_stamp() == now, "debug takes no time");
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
    pointers(at, bytes);
  }

  void pointers(uint64_t at, const std::vector<unsigned char> &bytes) {
    tlm::tlm_dmi dmi;
    expect(pointer(at, dmi) && dmi.get_start_address() <= at && dmi.get_end_address() >= at + 1, "pointer");
    expect(dmi.get_dmi_ptr()[at - dmi.get_start_address()] == bytes[0], "bytes behind the pointer");
    expect(dmi.get_read_latency() > sc_core::SC_ZERO_TIME, "latency of the pointer");
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
    checked_.reset_n = false;
    wait(duplex::time_of_clock(100));
    checked_.reset_n = true;
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

  void run() {
    registers_rules();
    memory_rules();
    unloaded_read();
    done_ = true;
  }

  checked_stack &checked_;
  sc_core::sc_time took_;
  std::vector<std::pair<uint64_t, uint64_t>> invalidated_;
  bool done_ = false;
};

// Random traffic by all interfaces of the memory socket; all bundles are the xPU's before it begins.
class traffic_line : public sc_core::sc_module {
 public:
  tlm_utils::simple_initiator_socket<traffic_line> registers;

  traffic_line(const sc_core::sc_module_name &name, uint64_t seed)
      : sc_module(name), registers("registers"), checked_("stack"), traffic_("traffic", parameters(seed)) {
    registers.bind(checked_.registers.target);
    traffic_.socket.bind(checked_.memory.target);
    traffic_.on_failure([](const std::string &text) { expect(false, text.c_str()); });
    traffic_.on_pointer_access([this](tlm::tlm_command command, uint64_t address, uint64_t bytes) {
      checked_.memory.direct_access(command, address, bytes);
    });
  }
  void judge() {
    expect(traffic_.done() && !checked_.memory.in_flight(), "all traffic ends");
    for (unsigned i = 0; i < duplex::TRAFFIC_INTERFACES; i++)
      expect(traffic_.completed(duplex::traffic_interface(i)) > 10, "each interface is used");
  }

 private:
  static duplex::traffic_parameters parameters(uint64_t seed) {
    duplex::traffic_parameters p;
    p.seed = seed;
    p.requests = 400;
    p.bytes = 1 << 15;
    p.address = duplex::CHANNEL_BYTES - (1 << 14);  // both channels, but none of its blocks lies in two
    p.smallest = 1;
    p.largest = 64;
    p.enable_percent = 30;
    p.outstanding = 40;
    for (unsigned &weight : p.weights) weight = 1;
    p.weights[1] = 6;
    p.smallest = p.alignment = 64;
    return p;
  }
  void start_of_simulation() override {
    tlm::tlm_generic_payload payload;
    uint32_t none = 0;
    payload.set_command(tlm::TLM_WRITE_COMMAND);
    payload.set_address(DUPLEX_REG_BUNDLE_OWNER);
    payload.set_data_ptr(reinterpret_cast<unsigned char *>(&none));
    payload.set_data_length(4);
    payload.set_streaming_width(4);
    expect(registers->transport_dbg(payload) == 4, "bundles for the xPU");
  }

  checked_stack checked_;
  duplex::traffic traffic_;
};

// A job, the same with a reset in its middle, and again; the interrupt comes at the time of its clock.
class reset_line : public sc_core::sc_module {
 public:
  SC_HAS_PROCESS(reset_line);
  reset_line(const sc_core::sc_module_name &name, uint64_t seed)
      : sc_module(name),
        seed_(seed),
        checked_("stack"),
        host_("host", [this](duplex::initiator &host) { program(host); }) {
    host_.registers.bind(checked_.registers.target);
    host_.memory.bind(checked_.memory.target);
    host_.interrupt(checked_.interrupt);
    SC_THREAD(pull_reset);
    SC_METHOD(see_interrupt);
    sensitive << checked_.interrupt;
    dont_initialize();
  }
  void judge() {
    expect(done_, "the program ends");
    expect(interrupts_ > 2, "interrupts came");
  }

 private:
  static constexpr size_t N = 200, K = 512, M = 8;

  void program(duplex::initiator &host) {
    duplex_random random;
    duplex_random_seed(&random, seed_, 5);
    std::vector<duplex_f16> w(N * K), x(M * K);
    for (duplex_f16 &v : w) v = duplex_f16_from_double(duplex_random_normal(&random));
    for (duplex_f16 &v : x) v = duplex_f16_from_double(duplex_random_normal(&random));
    duplex_stack_options options = {};
    options.backend.channels = CHANNELS;
    options.watchdog_clocks = 20000;
    duplex_stack *device = nullptr;
    duplex_weights *weights = nullptr;
    expect(!duplex_stack_open_backend(host.backend(), &options, &device), "open");
    if (!device) return;
    sc_core::wait(1, sc_core::SC_MS);  // nobody else is at work any more
    expect(!duplex_stack_upload(device, w.data(), N, K, nullptr, &weights), "upload");
    std::vector<float> first(M * N), second(M * N), third(M * N);
    const uint64_t deltas = sc_core::sc_delta_count();
    expect(!duplex_stack_gemm(device, weights, x.data(), M, DUPLEX_F32, first.data()), "job");
    expect(sc_core::sc_delta_count() - deltas < clocks_of(device) / 2, "fewer events than clocks");
    const uint64_t clocks = clocks_of(device);
    pull_.notify(duplex::time_of_clock(clocks / 2));
    expect(
        duplex_stack_gemm(device, weights, x.data(), M, DUPLEX_F32, second.data()) == DUPLEX_ERROR_WATCHDOG,
        "a job that was reset ends by the watchdog");
    expect(!checked_.interrupt.read(), "no interrupt after reset");
    expect(!duplex_stack_gemm(device, weights, x.data(), M, DUPLEX_F32, third.data()),
           "a job after the reset");
    expect(first == third, "bytes after the reset");
    duplex_stack_close(device);
    done_ = true;
  }
  static uint64_t clocks_of(const duplex_stack *device) {
    duplex_stack_stats stats;
    duplex_stack_last_stats(device, &stats);
    return stats.cycles;
  }
  void pull_reset() {
    wait(pull_);
    checked_.reset_n = false;
    wait(duplex::time_of_clock(10));
    checked_.reset_n = true;
    wait(duplex::time_of_clock(2));
    expect(debug_read(DUPLEX_REG_STATUS) == 1u << DUPLEX_STATUS_EMPTY_LSB,
           "reset ends the job that was under way");
    expect(debug_read(DUPLEX_REG_DOORBELL) == 0 && debug_read(DUPLEX_REG_COMPLETED) == 0,
           "reset clears the ring");
  }
  uint32_t debug_read(uint32_t address) {
    tlm::tlm_generic_payload payload;
    uint32_t value = UINT32_MAX;
    payload.set_command(tlm::TLM_READ_COMMAND);
    payload.set_address(address);
    payload.set_data_ptr(reinterpret_cast<unsigned char *>(&value));
    payload.set_data_length(sizeof value);
    payload.set_streaming_width(sizeof value);
    expect(host_.registers->transport_dbg(payload) == sizeof value, "debug read");
    return value;
  }
  void see_interrupt() {
    if (!checked_.interrupt.read()) return;
    interrupts_++;
    expect(sc_core::sc_time_stamp() == duplex::time_of_clock(checked_.stack.interrupt_clock()),
           "the interrupt comes at the time of its clock");
  }

  const uint64_t seed_;
  checked_stack checked_;
  duplex::initiator host_;
  sc_core::sc_event pull_;
  unsigned interrupts_ = 0;
  bool done_ = false;
};

// round(n * 10^6 / 650) ps, by other arithmetic.
void clocks(uint64_t seed) {
  duplex_random random;
  duplex_random_seed(&random, seed, 1);
  for (unsigned i = 0; i < 10000; i++) {
    const uint64_t n = i < 5000 ? i : duplex_random_below(&random, UINT64_C(1) << 40);
    const unsigned __int128 twice = (unsigned __int128)n * 2000000 / 650;  // in half ps, rounded down
    const uint64_t ps = uint64_t((twice + 1) / 2);
    const sc_core::sc_time at = duplex::time_of_clock(n);
    expect(at.value() == ps, "time of a clock");
    expect(duplex::clock_at(at) == n && duplex::clock_from(at) == n, "clock of a time");
    const sc_core::sc_time later = at + sc_core::sc_time(1, sc_core::SC_PS);
    expect(duplex::clock_at(later) == n && duplex::clock_from(later) == n + 1, "clock of a time between");
  }
}

// Runs `build` and the elaboration in a process of its own; whether it ends with this text.
template <typename Build>
void refused(const char *text, Build build) {
  int out[2];
  if (pipe(out)) return expect(false, "pipe");
  const pid_t child = fork();
  if (child == 0) {
    std::string said = "nothing";
    try {
      build();
      sc_core::sc_start(sc_core::SC_ZERO_TIME);
    } catch (const sc_core::sc_report &report) {
      said = report.get_msg();
    }
    _exit(write(out[1], said.c_str(), said.size()) < 0);
  }
  close(out[1]);
  char said[400] = {};
  for (ssize_t got, at = 0; (got = read(out[0], said + at, sizeof said - 1 - size_t(at))) > 0;) at += got;
  close(out[0]);
  waitpid(child, nullptr, 0);
  if (std::strcmp(said, text) != 0) std::printf("said '%s', expected '%s'\n", said, text);
  expect(std::strcmp(said, text) == 0, "text of an elaboration error");
}

void elaboration() {
  const auto with = [](void (*change)(duplex::stack_parameters &)) {
    return [change] {
      duplex::stack_parameters p = two_channels();
      change(p);
      new duplex::stack_tlm("s", p);
    };
  };
  refused("s.channels: 0: expected 1 to 32", with([](duplex::stack_parameters &p) { p.channels = 0; }));
  refused("s.channels: 33: expected 1 to 32", with([](duplex::stack_parameters &p) { p.channels = 33; }));
  refused("s.rank_switch: 3: expected 0 to 2", with([](duplex::stack_parameters &p) { p.rank_switch = 3; }));
  refused("s.dram_preset: 'ddr4': expected a preset of docs/dram.md, as hbm3_5200",
          with([](duplex::stack_parameters &p) { p.dram_preset = "ddr4"; }));
  refused("s.registers: not bound: expected an initiator socket", with([](duplex::stack_parameters &) {}));
  refused("s.memory: not bound: expected an initiator socket", [] {
    auto *stack = new duplex::stack_tlm("s", two_channels());
    auto *host = new duplex::initiator("h", [](duplex::initiator &) {});
    host->registers.bind(stack->registers);
  });
  refused("s.interrupt: not bound: expected an sc_signal<bool>", [] {
    auto *stack = new duplex::stack_tlm("s", two_channels());
    auto *host = new duplex::initiator("h", [](duplex::initiator &) {});
    host->registers.bind(stack->registers);
    host->memory.bind(stack->memory);
  });
  refused("nothing", [] {
    auto *stack = new duplex::stack_tlm("s", two_channels());
    auto *host = new duplex::initiator("h", [](duplex::initiator &) {});
    new duplex::wires(*host, *stack);
  });
}

}  // namespace

int sc_main(int count, char **arguments) {
  const uint64_t seed = count > 1 ? std::strtoull(arguments[1], nullptr, 0) : environment_seed();
  std::printf("Loosely timed stack, seed %llu\n", (unsigned long long)seed);
  std::fflush(stdout);
  elaboration();
  clocks(seed);
  checked_stack checked("rules");
  master by_hand("master", checked);
  traffic_line traffic("traffic", seed);
  reset_line reset("reset", seed);
  sc_core::sc_start(10, sc_core::SC_MS);
  expect(by_hand.done(), "all rules were tried");
  traffic.judge();
  reset.judge();
  std::printf("rules, traffic, reset, elaboration%s\n", bad ? ": FAIL" : ": good");
  return bad;
}
