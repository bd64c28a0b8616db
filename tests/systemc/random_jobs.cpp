// SPDX-License-Identifier: Apache-2.0
// Random jobs on two stacks of one simulation, loosely timed or with pins, with native and with RV32
// firmware, against a back end outside of SystemC: the same bytes; without a quantum the same clocks, as the
// host sees them and as the stack counts them from doorbell to interrupt; with a quantum the same count of
// the stack, and one quantum of difference for the host at most.
//
// Both begin each job at the same clock: at another one it would meet other refreshes, and take other clocks.
//
// usage: random_jobs [--module tlm|pin] [--seed S] [--cases N] [--only CASE] [--channels C] [--quantum NS]
// [--reference cmodel|rtl]
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <memory>
#include <string>
#include <vector>

#include "backend/systemc/protocol_checker.h"
#include "duplex/error.h"
#include "duplex/systemc.h"
#include "tests/common/environment.h"
#include "tests/systemc/counted_backend.h"
#include "tests/systemc/job.h"
#include "tlm_utils/tlm_quantumkeeper.h"

namespace {

struct options {
  uint64_t seed = environment_seed();
  uint64_t cases = 20;
  uint64_t only = UINT64_MAX;
  unsigned channels = 2;
  uint64_t quantum_ns = 0;
  bool rtl = false;
  bool pin = false;
};

struct totals {
  uint64_t jobs = 0;
  uint64_t bad = 0;
  uint64_t clocks = 0;
  uint64_t reference_clocks = 0;
  uint64_t most_off = 0;
};

const duplex_riscv_options riscv = {};

unsigned programs = 2;  // that are not over yet

// One stack with the program that drives it, and the back end that it is compared with.
class way {
 public:
  way(const char *name, const options &o, bool with_riscv)
      : name_(name),
        o_(o),
        riscv_(with_riscv),
        stack_(make((std::string(name) + "_stack").c_str(), o)),
        host_((std::string(name) + "_host").c_str(), [this](duplex::initiator &) { program(); }),
        registers_((std::string(name) + "_registers").c_str()),
        memory_((std::string(name) + "_memory").c_str()),
        interrupt_((std::string(name) + "_interrupt").c_str()),
        reset_n_((std::string(name) + "_reset_n").c_str(), true) {
    host_.registers.bind(registers_.target);
    registers_.initiator.bind(stack_->registers);
    host_.memory.bind(memory_.target);
    memory_.initiator.bind(stack_->memory);
    host_.interrupt(interrupt_);
    stack_->interrupt(interrupt_);
    stack_->reset_n(reset_n_);
  }
  const totals &result() const { return total_; }
  const char *name() const { return name_; }
  bool finished() const { return finished_; }

 private:
  static std::unique_ptr<duplex::stack_module> make(const char *name, const options &o) {
    duplex::stack_parameters p;
    p.channels = o.channels;
    if (o.pin) return std::make_unique<duplex::stack_pin>(name, p);
    return std::make_unique<duplex::stack_tlm>(name, p);
  }

  duplex_stack *open(duplex_backend *backend) {
    duplex_stack_options o = {};
    o.backend.channels = o_.channels;
    o.riscv = riscv_ ? &riscv : nullptr;
    duplex_stack *stack = nullptr;
    const int error = duplex_stack_open_backend(backend, &o, &stack);
    if (error) std::printf("%s: %s: %s\n", name_, backend->ops->name, duplex_error_text(error));
    return stack;
  }

  void program() {
    duplex_backend_options options = {};
    options.channels = o_.channels;
    options.threads = 1;
    duplex_backend *inner = nullptr;
    const bool rtl = o_.rtl && !riscv_;
    if (rtl ? duplex_rtl_open(&options, &inner) : duplex_cmodel_open(&options, &inner)) {
      std::printf("%s: %s\n", name_, rtl ? duplex_rtl_failure() : duplex_cmodel_failure());
      sc_core::sc_stop();
      return;
    }
    counted_backend counted(inner);
    duplex_stack *reference = open(counted.backend());
    duplex_stack *own = open(host_.backend());
    const bool all = o_.only == UINT64_MAX;
    if (reference && own) ahead_ = clocks_of(host_.backend()) - clocks_of(inner);
    for (uint64_t i = all ? 0 : o_.only; reference && own && i < (all ? o_.cases : o_.only + 1); i++) {
      align(inner);
      one(reference, counted, own, i);
    }
    finished_ = reference && own;
    if (--programs == 0) sc_core::sc_stop();  // a stack with pins has a clock that would go on
    duplex_stack_close(own);
    duplex_stack_close(reference);
  }

  static uint64_t clocks_of(duplex_backend *backend) { return backend->ops->clocks(backend); }

  // The one that is behind comes to the clock of the other, as far apart as they were at the start.
  void align(duplex_backend *reference) {
    duplex_backend *own = host_.backend();
    const uint64_t own_clock = clocks_of(own) - ahead_;
    const uint64_t reference_clock = clocks_of(reference);
    if (own_clock < reference_clock) own->ops->advance(own, reference_clock - own_clock, nullptr);
    if (reference_clock < own_clock) reference->ops->advance(reference, own_clock - reference_clock, nullptr);
  }

  void one(duplex_stack *reference, const counted_backend &counted, duplex_stack *own, uint64_t number) {
    test_case *job = job_draw(o_.seed, number);
    std::vector<uint8_t> expected(job_result_bytes(job)), bytes(expected.size());
    uint64_t expected_clocks = 0;
    uint64_t clocks = 0;
    const int expected_error = job_run(reference, job, expected.data(), &expected_clocks);
    const int error = job_run(own, job, bytes.data(), &clocks);
    const uint64_t counts = stack_->interrupt_clock() - stack_->doorbell_clock();
    const uint64_t off = clocks > expected_clocks ? clocks - expected_clocks : expected_clocks - clocks;
    const uint64_t quantum = duplex::clock_from(sc_core::sc_time(double(o_.quantum_ns), sc_core::SC_NS));
    std::string wrong;
    if (error || expected_error)
      wrong += std::string(" error ") + duplex_error_text(error ? error : expected_error);
    if (bytes != expected) wrong += " bytes";
    if (off > quantum) wrong += " clocks of the host";
    if (counts < counted.least() || counts > counted.most()) wrong += " clocks of the stack";
    if (!wrong.empty()) {
      std::printf("MISMATCH case %llu of seed %llu, %s (", (unsigned long long)number,
                  (unsigned long long)o_.seed, name_);
      std::fflush(stdout);
      job_print(job);
      std::printf("):%s; host %llu, expected %llu; stack %llu, expected %llu to %llu\n", wrong.c_str(),
                  (unsigned long long)clocks, (unsigned long long)expected_clocks, (unsigned long long)counts,
                  (unsigned long long)counted.least(), (unsigned long long)counted.most());
    }
    total_.jobs++;
    total_.bad += !wrong.empty();
    total_.clocks += clocks;
    total_.reference_clocks += expected_clocks;
    if (off > total_.most_off) total_.most_off = off;
    job_free(job);
  }

  const char *name_;
  const options &o_;
  const bool riscv_;
  bool finished_ = false;
  uint64_t ahead_ = 0;  // clocks of the stack before those of the reference, when both were opened
  totals total_;
  std::unique_ptr<duplex::stack_module> stack_;
  duplex::initiator host_;
  duplex::protocol_checker<> registers_, memory_;
  sc_core::sc_signal<bool> interrupt_, reset_n_;
};

options read(int argc, char **argv) {
  options o;
  for (int i = 1; i + 1 < argc; i += 2) {
    const std::string word = argv[i];
    const uint64_t value = std::strtoull(argv[i + 1], nullptr, 0);
    if (word == "--seed") o.seed = value;
    if (word == "--cases") o.cases = value;
    if (word == "--only") o.only = value;
    if (word == "--channels") o.channels = unsigned(value);
    if (word == "--quantum") o.quantum_ns = value;
    if (word == "--module") o.pin = std::strcmp(argv[i + 1], "pin") == 0;
    if (word == "--reference") o.rtl = std::strcmp(argv[i + 1], "rtl") == 0;
  }
  return o;
}

// The line of a way; whether it is good.
bool told(const way &w, const options &o) {
  const totals &t = w.result();
  const double percent = t.reference_clocks ? 100.0 * (double(t.clocks) - double(t.reference_clocks)) /
                                                  double(t.reference_clocks)
                                            : 0;
  std::printf(
      "%s: %llu jobs, quantum %llu ns: %llu clocks, reference %llu (%+.3f%%), largest difference of a job "
      "%llu, %llu wrong\n",
      w.name(), (unsigned long long)t.jobs, (unsigned long long)o.quantum_ns, (unsigned long long)t.clocks,
      (unsigned long long)t.reference_clocks, percent, (unsigned long long)t.most_off,
      (unsigned long long)t.bad);
  const bool long_enough = duplex::time_of_clock(t.reference_clocks) >= sc_core::sc_time(1, sc_core::SC_MS);
  return w.finished() && !t.bad && t.jobs && !(long_enough && (percent > 2 || percent < -2));
}

}  // namespace

int sc_main(int argc, char **argv) {
  const options o = read(argc, argv);
  tlm::tlm_global_quantum::instance().set(sc_core::sc_time(double(o.quantum_ns), sc_core::SC_NS));
  std::printf("seed %llu, reference %s\n", (unsigned long long)o.seed, o.rtl ? "rtl" : "cmodel");
  way native("native", o, false), riscv_way("riscv", o, true);
  sc_core::sc_start();
  const bool native_good = told(native, o);
  const bool good = told(riscv_way, o) && native_good;
  if (!good)
    std::printf("replay: %s --seed %llu --only CASE --channels %u --quantum %llu --reference %s\n", argv[0],
                (unsigned long long)o.seed, o.channels, (unsigned long long)o.quantum_ns,
                o.rtl ? "rtl" : "cmodel");
  return good ? 0 : 1;
}
