// SPDX-License-Identifier: Apache-2.0
// The loosely timed stack: random traffic at its memory socket, time of clocks, interrupt, reset in mid-job,
// wrong parameters and open sockets.
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

#include "backend/systemc/traffic.h"
#include "duplex/error.h"
#include "duplex/random.h"
#include "duplex/registers.h"
#include "duplex/systemc.h"
#include "duplex/systemc_memory.h"
#include "tests/common/environment.h"
#include "tests/systemc/checked_stack.h"
#include "tests/systemc/offender.h"

namespace {

int bad = 0;

void expect(bool good, const char *what) {
  if (good) return;
  std::printf("MISMATCH: %s, at %s\n", what, sc_core::sc_time_stamp().to_string().c_str());
  bad = 1;
}

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

  checked_stack<duplex::stack_tlm> checked_;
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
  checked_stack<duplex::stack_tlm> checked_;
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

// The end of time.
void far_clocks() {
  const sc_core::sc_time end = sc_core::sc_max_time();
  const uint64_t last = duplex::clock_at(end);
  expect(duplex::time_of_clock(last) <= end && duplex::clock_from(end) >= last, "the last clock");
  expect(duplex::time_of_clock(last + 1) == end && duplex::time_of_clock(UINT64_MAX) == end, "clocks beyond");
}

// Runs `build`, the elaboration and 10 us in a process of its own; whether it ends with this text.
template <typename Build>
void refused(const char *text, Build build) {
  int out[2];
  if (pipe(out)) return expect(false, "pipe");
  const pid_t child = fork();
  if (child == 0) {
    std::string said = "nothing";
    try {
      build();
      sc_core::sc_start(10, sc_core::SC_US);
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

// A host of a stack of two channels.
struct hosted {
  duplex::stack_tlm stack{"s", two_channels()};
  duplex::initiator host{"h", duplex::with_stack(2, [](duplex_stack *) {})};
  duplex::wires wires{host, stack};
};

// Each socket of the host at the other one of the stack.
struct swapped {
  duplex::stack_tlm stack{"s", two_channels()};
  duplex::initiator host{"h", duplex::with_stack(2, [](duplex_stack *) {})};
  sc_core::sc_signal<bool> interrupt{"interrupt"}, reset_n{"reset_n", true};
  swapped() {
    host.registers.bind(stack.memory);
    host.memory.bind(stack.registers);
    host.interrupt(interrupt);
    stack.interrupt(interrupt);
    stack.reset_n(reset_n);
  }
};

// A stack of the same name in each of two modules, with wires that have names of their own.
struct nested : sc_core::sc_module {
  duplex::stack_tlm stack{"s", two_channels()};
  explicit nested(const sc_core::sc_module_name &name) : sc_module(name) {}
};

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
  refused("s.threads: 1025: expected 0 to 1024", with([](duplex::stack_parameters &p) { p.threads = 1025; }));
  refused("s.rank_switch: 3: expected 0 to 2", with([](duplex::stack_parameters &p) { p.rank_switch = 3; }));
  refused("s.dram_preset: 'ddr4': expected a preset of docs/dram.md, as hbm3_5200",
          with([](duplex::stack_parameters &p) { p.dram_preset = "ddr4"; }));
  refused("s.trace_file: 'a.vcd': expected none: this stack has no pins",
          with([](duplex::stack_parameters &p) { p.trace_file = "a.vcd"; }));
  refused("h.program: none: expected a function", [] { new duplex::initiator("h", nullptr); });
  refused("h: opening the stack: 32 channels: expected 2", [] {
    auto *stack = new duplex::stack_tlm("s", two_channels());
    auto *host = new duplex::initiator("h", duplex::with_stack(32, [](duplex_stack *) {}));
    new duplex::wires(*host, *stack);
  });
  refused("with_stack.program: none: expected a function", [] { duplex::with_stack(2, nullptr); });
  refused(
      "h: opening the stack: its registers cannot be read, TLM_GENERIC_ERROR_RESPONSE of an access: "
      "expected `registers` of a stack at this socket, and reset_n high",
      [] { (new hosted)->wires.reset_n = false; });
  refused(
      "h: opening the stack: its registers cannot be read, TLM_GENERIC_ERROR_RESPONSE of an access: "
      "expected `registers` of a stack at this socket, and reset_n high",
      [] { new swapped; });
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
    sc_core::sc_report_handler::set_actions("object already exists", sc_core::SC_THROW);
    for (const char *name : {"a", "b"}) {
      auto *inside = new nested(name);
      auto *host = new duplex::initiator((std::string("host_") + name).c_str(), [](duplex::initiator &) {});
      new duplex::wires(*host, inside->stack);
    }
  });
  refused("nothing", [] {
    auto *stack = new duplex::stack_tlm("s", two_channels());
    auto *host = new duplex::initiator("h", [](duplex::initiator &) {});
    new duplex::wires(*host, *stack);
  });
}

// Phases out of turn at the memory socket, and a delay without end. Reports are thrown in SystemC's threads
// here, whose stacks the address sanitizer does not know: it says that false reports may follow (its issue
// 189), and gives them. So these cases run in the plain build alone.
void offences() {
#ifdef __SANITIZE_ADDRESS__
  return;
#endif
  for (const deed &d : deeds())
    refused((std::string("s.memory: nb_transport_fw: ") + d.text).c_str(), [&d] {
      auto *stack = new duplex::stack_tlm("s", two_channels());
      auto *host = new duplex::initiator("h", [](duplex::initiator &) {});
      auto *interrupt = new sc_core::sc_signal<bool>("interrupt");
      auto *reset_n = new sc_core::sc_signal<bool>("reset_n", true);
      auto *other = new offender("o", d.act);
      host->registers.bind(stack->registers);
      other->socket.bind(stack->memory);
      host->memory.bind((new duplex::hbm3_memory("m"))->socket);
      host->interrupt(*interrupt);
      stack->interrupt(*interrupt);
      stack->reset_n(*reset_n);
    });
  for (const deed &d : deeds())
    refused((std::string("m.socket: nb_transport_fw: ") + d.text).c_str(), [&d] {
      auto *memory = new duplex::hbm3_memory("m");
      (new offender("o", d.act))->socket.bind(memory->socket);
    });
  refused("s: a delay of 11 s: expected 10 s at most", [] {
    auto *stack = new duplex::stack_tlm("s", two_channels());
    auto *host = new duplex::initiator("h", [](duplex::initiator &h) {
      tlm::tlm_generic_payload payload;
      unsigned char bytes[4];
      sc_core::sc_time delay(11, sc_core::SC_SEC);
      payload.set_read();
      payload.set_data_ptr(bytes);
      payload.set_data_length(sizeof bytes);
      payload.set_streaming_width(sizeof bytes);
      h.registers->b_transport(payload, delay);
    });
    new duplex::wires(*host, *stack);
  });
}

}  // namespace

int sc_main(int count, char **arguments) {
  const uint64_t seed = count > 1 ? std::strtoull(arguments[1], nullptr, 0) : environment_seed();
  std::printf("Loosely timed stack, seed %llu\n", (unsigned long long)seed);
  std::fflush(stdout);
  elaboration();
  offences();
  clocks(seed);
  far_clocks();
  traffic_line traffic("traffic", seed);
  reset_line reset("reset", seed);
  sc_core::sc_start(10, sc_core::SC_MS);
  traffic.judge();
  reset.judge();
  std::printf("traffic, reset, elaboration%s\n", bad ? ": FAIL" : ": good");
  return bad;
}
