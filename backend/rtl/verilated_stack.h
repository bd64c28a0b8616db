// SPDX-License-Identifier: Apache-2.0
// One Verilated stack with its context and its wave file: it settles at a given time, and says what failed.
//
// DUPLEX_RANDOM_START=n gives its registers and memories random values instead of zeros.
#ifndef DUPLEX_RTL_VERILATED_STACK_H
#define DUPLEX_RTL_VERILATED_STACK_H

#include <cstdint>
#include <cstdlib>
#include <string>

#include "Vstack.h"
#include "duplex/backend.h"
#include "duplex/error.h"
#include "duplex/random.h"
#include "verilated.h"
#if RTL_TRACE
#include "backend/rtl/wave.h"
#endif

namespace rtl {

class VerilatedStack {
 public:
  VerilatedStack() : model_(started(), "stack") {}
  ~VerilatedStack() {
    enter();
    close_wave();
    if (ran_) model_.final();  // a model that never ran has nothing to end, and cannot
  }

  Vstack &pins() { return model_; }
  const Vstack &pins() const { return model_; }

  // Several stacks may live in one thread, and Verilator's run-time library wants to know which one is meant,
  // also while a model is made and deleted. A failed assertion is an error of this stack, not the program's
  // end.
  VerilatedContext *enter() {
    context_.fatalOnError(false);
    Verilated::threadContextp(&context_);
    return &context_;
  }

  // Settles the model with the inputs that it has; `ps` is the time in the wave file, `recorded` whether it
  // goes there.
  void settle(uint64_t ps, bool recorded) {
    context_.time(ps);
    model_.eval();
    ran_ = true;
    if (recorded) record();
  }

  bool assertion_failed() const { return context_.gotError(); }

#if RTL_TRACE
  // "", or why the wave file cannot be written (or was not written whole).
  std::string open_wave(const char *path) {
    context_.traceEverOn(true);
    const std::string wrong = wave_.open(model_, path);
    tracing_ = wrong.empty();
    return wrong;
  }
  std::string close_wave() {
    tracing_ = false;
    return wave_.close();
  }
#else
  std::string open_wave(const char *) { return ""; }
  std::string close_wave() { return ""; }
#endif

 private:
  // Before the model is made: its start values.
  VerilatedContext *started() {
    if (const char *seed = std::getenv("DUPLEX_RANDOM_START")) {
      duplex_random random;  // Verilator's own generator gives neighbouring small seeds equal bits
      duplex_random_seed(&random, std::strtoull(seed, nullptr, 0), 0);
      context_.randReset(2);
      context_.randSeed((int)(duplex_random_u64(&random) >> 33) | 1);
    }
    return enter();
  }

#if RTL_TRACE
  // The writer takes each time once: of the clocks before a simulation, all at time 0, the first one.
  void record() {
    if (!tracing_ || recorded_ == context_.time()) return;
    recorded_ = context_.time();
    wave_.dump(recorded_);
  }
#else
  void record() {}
#endif

  VerilatedContext context_;
  Vstack model_;
  bool ran_ = false;
#if RTL_TRACE
  Wave wave_;
  bool tracing_ = false;
  uint64_t recorded_ = UINT64_MAX;
#endif
};

}  // namespace rtl
#endif
