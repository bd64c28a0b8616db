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
  bool memory, phases, write;  // phases: by the non-blocking transport of the memory
  unsigned bytes;
  uint64_t access_at, falls_at, low_for, again_at;  // again_at: of a register access behind the first one
};

pulse_case draw(uint64_t seed, unsigned number) {
  duplex_random random;
  duplex_random_seed(&random, seed, number);
  const auto below = [&random](uint64_t bound) { return duplex_random_below(&random, bound); };
  pulse_case c;
  c.memory = below(3);
  c.phases = c.memory && below(2);
  c.write = below(2);
  c.bytes = c.memory ? 1 + unsigned(below(2000)) : 4;
  c.access_at = below(4000);
  // On a clock, or anywhere; sometimes far behind the access.
  c.falls_at =
      below(3) ? below(16000) : duplex::time_of_clock(below(12)) / sc_core::sc_time(1, sc_core::SC_PS);
  if (!c.memory && below(2)) c.falls_at = c.access_at + 5000 + below(8000);  // where it is about to end
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

class master : public sc_core::sc_module, private tlm::tlm_mm_interface {
 public:
  tlm_utils::simple_initiator_socket<master> registers, memory;
  std::vector<answer> answers;

  SC_HAS_PROCESS(master);
  template <class Stack>
  master(const sc_core::sc_module_name &name, checked_stack<Stack> &checked, uint64_t seed)
      : sc_module(name), registers("registers"), memory("memory"), reset_n_(checked.reset_n), seed_(seed) {
    registers.bind(checked.registers.target);
    memory.bind(checked.memory.target);
    memory.register_nb_transport_bw(this, &master::nb_transport_bw);
    SC_THREAD(run);
    SC_THREAD(pulse);
  }

 private:
  static sc_core::sc_time ps(uint64_t count) { return sc_core::sc_time(double(count), sc_core::SC_PS); }

  using socket = tlm_utils::simple_initiator_socket<master>;

  static void fill(tlm::tlm_generic_payload &payload, bool write, uint64_t address, unsigned char *bytes,
                   unsigned size) {
    payload.set_command(write ? tlm::TLM_WRITE_COMMAND : tlm::TLM_READ_COMMAND);
    payload.set_address(address);
    payload.set_data_ptr(bytes);
    payload.set_data_length(size);
    payload.set_streaming_width(size);
  }

  tlm::tlm_response_status access(socket &to, bool write, uint64_t address, unsigned char *bytes,
                                  unsigned size) {
    tlm::tlm_generic_payload payload;
    sc_core::sc_time delay = sc_core::SC_ZERO_TIME;
    fill(payload, write, address, bytes, size);
    to->b_transport(payload, delay);
    wait(delay);
    return payload.get_response_status();
  }

  tlm::tlm_response_status access_in_phases(bool write, unsigned char *bytes, unsigned size) {
    tlm::tlm_generic_payload payload(this);
    tlm::tlm_phase phase = tlm::BEGIN_REQ;
    sc_core::sc_time delay = sc_core::SC_ZERO_TIME;
    payload.acquire();
    fill(payload, write, 0, bytes, size);
    memory->nb_transport_fw(payload, phase, delay);
    wait(responded_);
    const tlm::tlm_response_status status = payload.get_response_status();
    while (payload.get_ref_count() > 1) wait(sc_core::SC_ZERO_TIME);
    payload.release();
    return status;
  }
  tlm::tlm_sync_enum nb_transport_bw(tlm::tlm_generic_payload &, tlm::tlm_phase &phase, sc_core::sc_time &) {
    if (phase != tlm::BEGIN_RESP) return tlm::TLM_ACCEPTED;
    responded_.notify();
    return tlm::TLM_COMPLETED;
  }
  void free(tlm::tlm_generic_payload *) override {}  // a thread has it

  tlm::tlm_response_status first_access(unsigned char *bytes) {
    if (case_.phases) return access_in_phases(case_.write, bytes, case_.bytes);
    if (case_.memory) return access(memory, case_.write, 0, bytes, case_.bytes);
    return access(registers, case_.write, DUPLEX_REG_INTERRUPT_ENABLE, bytes, case_.bytes);
  }

  // A thread that is ended in its access holds up nobody for longer than the access takes.
  void end_in_access() {
    const sc_core::sc_time start = sc_core::sc_time_stamp();
    unsigned char other[4], bytes[4];
    sc_core::sc_process_handle thread =
        sc_core::sc_spawn([&] { access(registers, false, DUPLEX_REG_ID, other, 4); });
    wait(ps(3000));
    thread.kill();
    const tlm::tlm_response_status status = access(registers, false, DUPLEX_REG_ID, bytes, 4);
    answers.push_back({status, status, uint64_t((sc_core::sc_time_stamp() - start) / ps(1)), 0});
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
      a.first = first_access(bytes);
      a.first_at = uint64_t(since());
      wait(ps(case_.again_at));
      a.again = access(registers, false, DUPLEX_REG_ID, bytes, 4);
      a.again_at = uint64_t(since());
      answers.push_back(a);
    }
    end_in_access();
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
  sc_core::sc_event begin_, responded_;
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
  unsigned bad = 0;
  unsigned cut = 0;
  for (unsigned i = 0; i <= CASES; i++) {
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
    if (i == CASES) {
      std::printf("MISMATCH: an access was ended: tlm %s; pin %s\n", text(a).c_str(), text(b).c_str());
      break;
    }
    const pulse_case c = draw(seed, i);
    std::printf("MISMATCH: case %u, %s of %u bytes of %s at %" PRIu64 " ps, low from %" PRIu64
                " ps for %" PRIu64 " ps: tlm %s; pin %s\n",
                i, c.write ? "write" : "read", c.bytes, c.memory ? "memory" : "registers", c.access_at,
                c.falls_at, c.low_for, text(a).c_str(), text(b).c_str());
  }
  if (cut < CASES / 4 || cut == CASES) {
    std::printf("MISMATCH: %u cases of %u cut off\n", cut, CASES);
    bad++;
  }
  std::printf("%u cases, %u of them cut off%s\n", CASES, cut, bad ? ": FAIL" : ": good");
  return bad != 0;
}
