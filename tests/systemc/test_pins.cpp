// SPDX-License-Identifier: Apache-2.0
// The pins of a stack in SystemC: each rule of the AXI4-Lite checker broken on purpose is found, and no
// other; edge n of the clock stands at round(n * 10^6 / 650) ps; and a pin-level stack of one channel answers
// registers, also while its master waits at random, takes part in a reset in mid-access, and gives its DRAM
// to the memory socket by each interface.
//
// usage: test_pins [SEED]
#include <sys/stat.h>

#include <cstdio>
#include <cstdlib>
#include <functional>
#include <string>
#include <vector>

#include "backend/systemc/axi_lite_checker.h"
#include "backend/systemc/clock_source.h"
#include "backend/systemc/protocol_checker.h"
#include "backend/systemc/traffic.h"
#include "duplex/duplex.h"
#include "duplex/error.h"
#include "duplex/numerics.h"
#include "duplex/random.h"
#include "duplex/registers.h"
#include "duplex/systemc.h"
#include "tests/common/environment.h"
#include "tests/systemc/scratch.h"

namespace {

int bad = 0;
void expect(bool good, const std::string &what) {
  if (good) return;
  bad = 1;
  std::printf("MISMATCH: %s\n", what.c_str());
}

// Pins that a case drives clock by clock, with a checker on them.
class rig : public sc_core::sc_module {
 public:
  duplex::axi_lite_signals pins;
  sc_core::sc_signal<bool> rst_n;
  duplex::axi_lite_checker checker;
  std::vector<duplex::axi_rule> found;

  rig(const sc_core::sc_module_name &name, duplex::clock_source &clock)
      : sc_module(name), rst_n("rst_n", true), checker("checker", LATE) {
    checker.clk_i(clock.clk);
    checker.rst_ni(rst_n);
    checker.bind(pins);
    checker.on_violation([this](duplex::axi_rule rule, const std::string &) { found.push_back(rule); });
  }
  static constexpr unsigned LATE = 8;
};

struct planted {
  const char *what;
  std::vector<duplex::axi_rule> rules;
  // One step for each clock.
  std::vector<std::function<void(duplex::axi_lite_signals &)>> steps;
  bool reset = false;  // the line is low throughout
};

using A = duplex::axi_lite_signals;
using R = duplex::axi_rule;

void nothing(A &) {}

// A signal shows a new value later: it cannot be assigned on to the next one.
void set(bool value, std::initializer_list<sc_core::sc_signal<bool> *> signals) {
  for (sc_core::sc_signal<bool> *signal : signals) signal->write(value);
}

std::vector<planted> cases() {
  const auto write = [](A &a) {
    set(true, {&a.axi_awvalid_i, &a.axi_awready_o, &a.axi_wvalid_i, &a.axi_wready_o});
  };
  const auto quiet = [](A &a) {
    set(false, {&a.axi_awvalid_i, &a.axi_wvalid_i, &a.axi_bvalid_o, &a.axi_arvalid_i, &a.axi_rvalid_o});
  };
  const auto response = [=](A &a) { quiet(a), set(true, {&a.axi_bvalid_o, &a.axi_bready_i}); };
  std::vector<planted> list = {
      {"a write", {}, {write, response, quiet}},
      {"a write whose address waits",
       {},
       {[](A &a) {
          set(true, {&a.axi_awvalid_i, &a.axi_wvalid_i, &a.axi_wready_o});
        },
        [](A &a) { a.axi_wvalid_i = false, a.axi_awready_o = true; }, response, quiet}},
      {"a read",
       {},
       {[](A &a) { a.axi_arvalid_i = true; }, [](A &a) { a.axi_arready_o = true; },
        [=](A &a) { quiet(a), a.axi_rvalid_o = true, a.axi_rresp_o = 2; },
        [](A &a) { a.axi_rready_i = true; }, quiet}},
      {"AW falls", {R::valid_kept}, {[](A &a) { a.axi_awvalid_i = true; }, quiet}},
      {"R falls",
       {R::valid_kept},
       {[](A &a) {
          set(true, {&a.axi_arvalid_i, &a.axi_arready_o});
        },
        [=](A &a) { quiet(a), a.axi_rvalid_o = true; }, quiet,
        [](A &a) {
          set(true, {&a.axi_rvalid_o, &a.axi_rready_i});
        },
        quiet}},
      {"an address changes",
       {R::payload_kept},
       {[](A &a) { a.axi_arvalid_i = true; }, [](A &a) { a.axi_araddr_i = 4, a.axi_arready_o = true; },
        [=](A &a) {
          quiet(a), set(true, {&a.axi_rvalid_o, &a.axi_rready_i});
        },
        quiet}},
      {"a strobe changes",
       {R::payload_kept},
       {[](A &a) { a.axi_wvalid_i = true; }, [](A &a) { a.axi_wstrb_i = 3, a.axi_wready_o = true; }, quiet}},
      {"B without a request", {R::response_first}, {response, quiet}},
      {"B without data",
       {R::response_first},
       {[](A &a) {
          set(true, {&a.axi_awvalid_i, &a.axi_awready_o});
        },
        response, quiet}},
      {"R twice",
       {R::response_first},
       {[](A &a) {
          set(true, {&a.axi_arvalid_i, &a.axi_arready_o});
        },
        [=](A &a) {
          quiet(a), set(true, {&a.axi_rvalid_o, &a.axi_rready_i});
        },
        nothing, quiet}},
      {"a response code", {R::response_code}, {write, [=](A &a) { response(a), a.axi_bresp_o = 1; }, quiet}},
      {"a valid signal in reset",
       {R::reset_value},
       {nothing, [](A &a) { a.axi_rvalid_o = true; }, quiet},
       true},
  };
  planted late = {"ready does not come", {R::ready_late}, {[](A &a) { a.axi_awvalid_i = true; }}};
  late.steps.resize(rig::LATE + 3, nothing);
  list.push_back(late);
  late = {"B does not come", {R::response_late}, {write, quiet}};
  late.steps.resize(rig::LATE + 4, nothing);
  list.push_back(late);
  late = {"R does not come",
          {R::response_late},
          {[](A &a) {
             set(true, {&a.axi_arvalid_i, &a.axi_arready_o});
           },
           quiet}};
  late.steps.resize(rig::LATE + 4, nothing);
  list.push_back(late);
  return list;
}

constexpr uint64_t AREA = 1 << 16;  // bytes of the traffic at the memory socket

constexpr unsigned CHANNELS = 2;

duplex::stack_parameters parameters(const std::string &trace_file) {
  duplex::stack_parameters p;
  p.channels = CHANNELS;
  p.trace_file = trace_file;
  return p;
}

// A job, the same one cut off by a reset, and once more.
class cut_job : public sc_core::sc_module {
 public:
  cut_job(const sc_core::sc_module_name &name, uint64_t seed)
      : sc_module(name),
        stack_("stack", parameters("")),
        host_("host", [this](duplex::initiator &) { program(); }),
        interrupt_("interrupt"),
        reset_n_("reset_n", true),
        w_(N * K),
        x_(K) {
    duplex_random random;
    duplex_random_seed(&random, seed, 5);
    for (auto *numbers : {&w_, &x_})
      for (duplex_f16 &number : *numbers) number = duplex_f16_from_double(duplex_random_normal(&random));
    host_.registers.bind(stack_.registers);
    host_.memory.bind(stack_.memory);
    host_.interrupt(interrupt_);
    stack_.interrupt(interrupt_);
    stack_.reset_n(reset_n_);
    SC_HAS_PROCESS(cut_job);
    SC_THREAD(reset);
  }
  bool done() const { return done_; }
  const sc_core::sc_event &done_event() const { return done_event_; }

 private:
  static constexpr size_t N = 128, K = 2048;
  static constexpr uint64_t WATCHDOG_CLOCKS = 5000;  // more than the job takes

  duplex_stack *open(duplex_weights **weights) {
    duplex_stack_options options = {};
    options.backend.channels = CHANNELS;
    options.watchdog_clocks = WATCHDOG_CLOCKS;
    duplex_stack *stack = nullptr;
    expect(duplex_stack_open_backend(host_.backend(), &options, &stack) == 0, "a stack is opened");
    expect(duplex_stack_upload(stack, w_.data(), N, K, nullptr, weights) == 0, "weights are uploaded");
    return stack;
  }
  std::vector<float> run(duplex_stack *stack, const duplex_weights *weights, uint64_t *clocks) {
    std::vector<float> y(N);
    const int error = duplex_stack_gemm(stack, weights, x_.data(), 1, DUPLEX_F32, y.data());
    expect(error == 0, std::string("a job ends with ") + duplex_error_text(error));
    *clocks = stack_.interrupt_clock() - stack_.doorbell_clock();
    debug_reads();
    return y;
  }
  // Debug transport shows each register, and the descriptors in the ring, as the bus does.
  void debug_reads() {
    duplex_backend *backend = host_.backend();
    backend->ops->reg_write(backend, DUPLEX_REG_PERFORMANCE_SELECT, 3 << 8);
    std::vector<uint32_t> addresses;
    for (uint32_t at = 0; at <= DUPLEX_REG_PERFORMANCE_HIGH; at += 4) addresses.push_back(at);
    for (uint32_t word = 0; word < 32; word++) addresses.push_back(DUPLEX_REG_RING + 4 * word);
    unsigned others = 0;  // that do not hold 0
    for (const uint32_t at : addresses) {
      uint32_t bus = 0;
      uint32_t looked = 1;
      tlm::tlm_generic_payload payload;
      payload.set_command(tlm::TLM_READ_COMMAND);
      payload.set_address(at);
      payload.set_data_ptr(reinterpret_cast<unsigned char *>(&looked));
      payload.set_data_length(sizeof looked);
      backend->ops->reg_read(backend, at, &bus);
      host_.synchronize();
      expect(host_.registers->transport_dbg(payload) == sizeof looked && looked == bus,
             "debug read of register " + std::to_string(at) + ": " + std::to_string(looked) +
                 ", on the bus " + std::to_string(bus));
      others += bus != 0;
    }
    expect(others > 15, "few registers hold anything behind a job");
  }
  void reset() {
    wait(cut_);
    expect(stack_.doorbell_clock() > stack_.interrupt_clock(), "there is no job for the reset to cut off");
    reset_n_ = false;
  }
  // The host begins afresh with the first clock out of reset, so that refreshes come in the same clocks.
  void program() {
    duplex_weights *weights = nullptr;
    uint64_t clocks = 0;
    uint64_t clocks_behind = 0;
    duplex_stack *stack = open(&weights);
    const std::vector<float> y = run(stack, weights, &clocks);
    std::vector<float> lost(N);
    cut_.notify(duplex::time_of_clock(clocks / 2));
    expect(duplex_stack_gemm(stack, weights, x_.data(), 1, DUPLEX_F32, lost.data()) != 0,
           "a job outlives a reset");
    host_.synchronize();
    reset_n_ = true;
    wait(sc_core::SC_ZERO_TIME);
    duplex_stack_close(stack);
    stack = open(&weights);
    expect(run(stack, weights, &clocks_behind) == y, "other bytes behind a reset in mid-job");
    expect(clocks && clocks_behind == clocks,
           std::to_string(clocks_behind) + " clocks behind a reset, before it " + std::to_string(clocks));
    duplex_stack_close(stack);
    done_ = true;
    done_event_.notify();
  }

  duplex::stack_pin stack_;
  duplex::initiator host_;
  sc_core::sc_signal<bool> interrupt_;
  sc_core::sc_signal<bool, sc_core::SC_MANY_WRITERS> reset_n_;
  std::vector<duplex_f16> w_, x_;
  sc_core::sc_event cut_, done_event_;
  bool done_ = false;
};

duplex::traffic_parameters memory_traffic(uint64_t seed) {
  duplex::traffic_parameters p;
  p.seed = seed;
  p.requests = 60;
  p.bytes = AREA;
  p.start_ps = 1000000;  // the bundles are the xPU's by then
  p.enable_percent = 30;
  std::fill(p.weights, p.weights + duplex::TRAFFIC_INTERFACES, 1);
  return p;
}

class bench : public sc_core::sc_module {
 public:
  tlm_utils::simple_initiator_socket<bench> registers;

  bench(const sc_core::sc_module_name &name, uint64_t seed, const std::string &trace_file)
      : sc_module(name),
        registers("registers"),
        clock_("clock"),
        cases_(cases()),
        stack_("stack", parameters(trace_file)),
        registers_checker_("registers_checker"),
        memory_checker_("memory_checker"),
        traffic_("traffic", memory_traffic(seed)),
        interrupt_("interrupt"),
        reset_n_("reset_n", true),
        cut_job_("cut_job", seed) {
    for (size_t i = 0; i < cases_.size(); i++)
      rigs_.emplace_back(new rig(("rig" + std::to_string(i)).c_str(), clock_));
    stack_.random_delays(seed);
    registers.bind(registers_checker_.target);
    registers_checker_.initiator.bind(stack_.registers);
    traffic_.socket.bind(memory_checker_.target);
    traffic_.on_pointer_access([this](tlm::tlm_command command, uint64_t address, uint64_t bytes) {
      memory_checker_.direct_access(command, address, bytes);
    });
    memory_checker_.initiator.bind(stack_.memory);
    memory_checker_.set_address_bytes(duplex::CHANNEL_BYTES);
    stack_.interrupt(interrupt_);
    stack_.reset_n(reset_n_);
    SC_HAS_PROCESS(bench);
    SC_THREAD(run_cases);
    SC_THREAD(watch_clock);
    SC_THREAD(use_registers);
    SC_THREAD(reset_in_access);
  }

  void judge() {
    for (size_t i = 0; i < cases_.size(); i++) {
      std::string seen;
      for (const R rule : rigs_[i]->found) seen += std::string(" ") + name_of(rule);
      expect(rigs_[i]->found == cases_[i].rules, std::string(cases_[i].what) + ":" + seen);
    }
    expect(done_ && traffic_.done() && traffic_.failures() == 0, "the stack did not do all that was asked");
    for (unsigned i = 0; i < duplex::TRAFFIC_INTERFACES; i++)
      expect(traffic_.completed(duplex::traffic_interface(i)) > 5, "an interface of the memory is not used");
    expect(registers_checker_.calls() > 40 && memory_checker_.calls() > 60, "the checkers saw no calls");
  }
  size_t count() const { return cases_.size(); }

 private:
  static void fill(tlm::tlm_generic_payload &p, tlm::tlm_command command, uint64_t address, uint32_t &value) {
    p.set_command(command);
    p.set_address(address);
    p.set_data_ptr(reinterpret_cast<unsigned char *>(&value));
    p.set_data_length(4);
    p.set_streaming_width(4);
    p.set_byte_enable_ptr(nullptr);
    p.set_dmi_allowed(false);
    p.set_response_status(tlm::TLM_INCOMPLETE_RESPONSE);
  }
  tlm::tlm_response_status access(tlm::tlm_command command, uint64_t address, uint32_t &value) {
    tlm::tlm_generic_payload p;
    sc_core::sc_time delay = sc_core::SC_ZERO_TIME;
    fill(p, command, address, value);
    registers->b_transport(p, delay);
    wait(delay);
    return p.get_response_status();
  }

  void run_cases() {
    for (size_t i = 0; i < cases_.size(); i++) rigs_[i]->rst_n = !cases_[i].reset;
    for (size_t step = 0; step < 2 * rig::LATE; step++) {
      wait(clock_.passed());
      for (size_t i = 0; i < cases_.size(); i++)
        if (step < cases_[i].steps.size()) cases_[i].steps[step](rigs_[i]->pins);
    }
  }

  // The formula, in integers: the clock of the count of edges.
  void watch_clock() {
    for (uint64_t n = 1; n < 2000; n++) {
      wait(clock_.clk.posedge_event());
      const uint64_t ps = (2 * n * 1000000 + 650) / (2 * 650);
      if (sc_core::sc_time_stamp() != sc_core::sc_time(double(ps), sc_core::SC_PS)) {
        expect(false, "edge " + std::to_string(n) + " at " + sc_core::sc_time_stamp().to_string());
        return;
      }
    }
  }

  void use_registers() {
    uint32_t id = 0;
    expect(access(tlm::TLM_READ_COMMAND, DUPLEX_REG_ID, id) == tlm::TLM_OK_RESPONSE &&
               id == DUPLEX_ID_VALUE_RESET,
           "ID reads " + std::to_string(id));
    uint32_t none = 0;
    access(tlm::TLM_WRITE_COMMAND, DUPLEX_REG_BUNDLE_OWNER, none);
    for (unsigned i = 0; i < 20; i++) {
      uint32_t value = i & 1;
      uint32_t read = 9;
      access(tlm::TLM_WRITE_COMMAND, DUPLEX_REG_INTERRUPT_ENABLE, value);
      access(tlm::TLM_READ_COMMAND, DUPLEX_REG_INTERRUPT_ENABLE, read);
      expect(read == value, "INTERRUPT_ENABLE reads " + std::to_string(read));
    }
    uint32_t value = 0;
    expect(access(tlm::TLM_READ_COMMAND, 0xfffc, value) == tlm::TLM_ADDRESS_ERROR_RESPONSE,
           "an address without a register is answered well");
    while (!traffic_.done()) wait(traffic_.done_event());
    begin_.notify();
    expect(access(tlm::TLM_READ_COMMAND, DUPLEX_REG_ID, value) == tlm::TLM_GENERIC_ERROR_RESPONSE,
           "an access outlives a reset");
    wait(reset_over_);
    expect(access(tlm::TLM_READ_COMMAND, DUPLEX_REG_INTERRUPT_ENABLE, value) == tlm::TLM_OK_RESPONSE &&
               value == 0,
           "INTERRUPT_ENABLE is " + std::to_string(value) + " behind a reset");
    if (!cut_job_.done()) wait(cut_job_.done_event());
    done_ = true;
    sc_core::sc_stop();
  }

  // The line falls a clock behind the begin of an access, which takes two at least, and stays low for 10 ns.
  void reset_in_access() {
    wait(begin_);
    wait(1600, sc_core::SC_PS);
    reset_n_ = false;
    wait(10, sc_core::SC_NS);
    reset_n_ = true;
    reset_over_.notify(sc_core::SC_ZERO_TIME);
  }

  duplex::clock_source clock_;
  std::vector<planted> cases_;
  std::vector<std::unique_ptr<rig>> rigs_;
  duplex::stack_pin stack_;
  duplex::protocol_checker<> registers_checker_, memory_checker_;
  duplex::traffic traffic_;
  sc_core::sc_signal<bool> interrupt_, reset_n_;
  cut_job cut_job_;
  sc_core::sc_event begin_, reset_over_;
  bool done_ = false;
};

}  // namespace

int sc_main(int count, char **arguments) {
  const uint64_t seed = count > 1 ? std::strtoull(arguments[1], nullptr, 0) : environment_seed();
  std::printf("Pins of a stack in SystemC: AXI4-Lite checker, clock, registers, memory, reset, seed %llu\n",
              (unsigned long long)seed);
  const scratch files;
  const std::string waves = files.path("pins.vcd");
  {
    bench bench("bench", seed, waves);
    sc_core::sc_start(1, sc_core::SC_MS);
    bench.judge();
    std::printf("%zu cases of the AXI4-Lite checker\n", bench.count());
  }
  struct stat status = {};
  expect(stat(waves.c_str(), &status) == 0 && status.st_size > 10000, "no waveform of the pins");
  if (bad) std::printf("FAIL\n");
  return bad;
}
