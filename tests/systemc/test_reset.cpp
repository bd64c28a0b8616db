// SPDX-License-Identifier: Apache-2.0
// Reset at any time of an access, for any time, on the loosely timed stack and on the one at its pins: both
// answer each access with the same response at the same time. DUPLEX_SEED repeats a run.
//
// usage: test_reset [SEED]
#include <cinttypes>
#include <cstdio>
#include <cstdlib>
#include <string>
#include <vector>

#include "duplex/random.h"
#include "duplex/registers.h"
#include "tests/common/environment.h"
#include "tests/systemc/checked_stack.h"

namespace {

constexpr unsigned CASES = 60;

// An access, and a pulse of the reset line; times in ps from the begin of the case.
struct pulse_case {
  bool memory, write;
  unsigned bytes;
  uint64_t access_at, falls_at, low_for, again_at;  // again_at: of a register access behind the first one
};

pulse_case draw(uint64_t seed, unsigned number) {
  duplex_random random;
  duplex_random_seed(&random, seed, number);
  const auto below = [&random](uint64_t bound) { return duplex_random_below(&random, bound); };
  pulse_case c;
  c.memory = below(2);
  c.write = below(2);
  c.bytes = c.memory ? 1 + unsigned(below(2000)) : 4;
  c.access_at = below(4000);
  // On a clock, or anywhere; sometimes far behind the access.
  c.falls_at =
      below(3) ? below(16000) : duplex::time_of_clock(below(12)) / sc_core::sc_time(1, sc_core::SC_PS);
  const uint64_t widths[] = {0, 1, 900, 1538, 5000, 30000};
  c.low_for = widths[below(6)];
  c.again_at = below(20000);
  return c;
}

// What came of a case.
struct answer {
  tlm::tlm_response_status first, again;
  uint64_t first_at, again_at;
  bool operator==(const answer &b) const {
    return first == b.first && again == b.again && first_at == b.first_at && again_at == b.again_at;
  }
};

std::string text(const answer &a) {
  return std::to_string(a.first) + " at " + std::to_string(a.first_at) + " ps, " + std::to_string(a.again) +
         " at " + std::to_string(a.again_at) + " ps";
}

class master : public sc_core::sc_module {
 public:
  tlm_utils::simple_initiator_socket<master> registers, memory;
  std::vector<answer> answers;

  SC_HAS_PROCESS(master);
  template <class Stack>
  master(const sc_core::sc_module_name &name, checked_stack<Stack> &checked, uint64_t seed)
      : sc_module(name), registers("registers"), memory("memory"), reset_n_(checked.reset_n), seed_(seed) {
    registers.bind(checked.registers.target);
    memory.bind(checked.memory.target);
    SC_THREAD(run);
    SC_THREAD(pulse);
  }

 private:
  static sc_core::sc_time ps(uint64_t count) { return sc_core::sc_time(double(count), sc_core::SC_PS); }

  tlm::tlm_response_status access(tlm_utils::simple_initiator_socket<master> &to, bool write,
                                  uint64_t address, unsigned char *bytes, unsigned size) {
    tlm::tlm_generic_payload payload;
    sc_core::sc_time delay = sc_core::SC_ZERO_TIME;
    payload.set_command(write ? tlm::TLM_WRITE_COMMAND : tlm::TLM_READ_COMMAND);
    payload.set_address(address);
    payload.set_data_ptr(bytes);
    payload.set_data_length(size);
    payload.set_streaming_width(size);
    to->b_transport(payload, delay);
    wait(delay);
    return payload.get_response_status();
  }

  void run() {
    unsigned char bytes[2048] = {};
    for (unsigned number = 0; number < CASES; number++) {
      case_ = draw(seed_, number);
      // All is the xPU's, and the last reset and its DRAM commands are over.
      wait(duplex::time_of_clock(300 * (number + 1)) - sc_core::sc_time_stamp());
      access(registers, true, DUPLEX_REG_BUNDLE_OWNER, bytes, 4);
      wait(duplex::time_of_clock(300 * (number + 1) + 60) - sc_core::sc_time_stamp());
      const sc_core::sc_time start = sc_core::sc_time_stamp();
      const auto since = [&start] { return (sc_core::sc_time_stamp() - start) / ps(1); };
      begin_.notify();
      answer a;
      wait(ps(case_.access_at));
      a.first = access(case_.memory ? memory : registers, case_.write,
                       case_.memory ? 0 : unsigned(DUPLEX_REG_INTERRUPT_ENABLE), bytes, case_.bytes);
      a.first_at = uint64_t(since());
      wait(ps(case_.again_at));
      a.again = access(registers, false, DUPLEX_REG_ID, bytes, 4);
      a.again_at = uint64_t(since());
      answers.push_back(a);
    }
  }

  void pulse() {
    while (true) {
      wait(begin_);
      wait(ps(case_.falls_at));
      reset_n_ = false;
      wait(ps(case_.low_for));
      reset_n_ = true;
    }
  }

  sc_core::sc_signal<bool> &reset_n_;
  const uint64_t seed_;
  pulse_case case_ = {};
  sc_core::sc_event begin_;
};

}  // namespace

int sc_main(int argc, char **argv) {
  const uint64_t seed = argc > 1 ? std::strtoull(argv[1], nullptr, 0) : environment_seed();
  std::printf("Reset in an access, on both modules, seed %" PRIu64 "\n", seed);
  std::fflush(stdout);
  checked_stack<duplex::stack_tlm> tlm("tlm");
  checked_stack<duplex::stack_pin> pin("pin");
  master tlm_master("tlm_master", tlm, seed), pin_master("pin_master", pin, seed);
  sc_core::sc_start(duplex::time_of_clock(300 * (CASES + 2)));
  unsigned bad = 0, cut = 0;
  for (unsigned i = 0; i < CASES; i++) {
    if (i >= tlm_master.answers.size() || i >= pin_master.answers.size()) {
      std::printf("MISMATCH: case %u has no answer\n", i);
      bad++;
      break;
    }
    const answer &a = tlm_master.answers[i];
    const answer &b = pin_master.answers[i];
    cut += a.first != tlm::TLM_OK_RESPONSE;
    if (a == b) continue;
    bad++;
    const pulse_case c = draw(seed, i);
    std::printf("MISMATCH: case %u, %s of %u bytes of %s at %" PRIu64 " ps, low from %" PRIu64
                " ps for %" PRIu64 " ps: tlm %s; pin %s\n",
                i, c.write ? "write" : "read", c.bytes, c.memory ? "memory" : "registers", c.access_at,
                c.falls_at, c.low_for, text(a).c_str(), text(b).c_str());
  }
  if (cut < CASES / 4 || cut > CASES - 5) {
    std::printf("MISMATCH: %u cases of %u cut off\n", cut, CASES);
    bad++;
  }
  std::printf("%u cases, %u of them cut off%s\n", CASES, cut, bad ? ": FAIL" : ": good");
  return bad != 0;
}
