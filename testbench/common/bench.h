// SPDX-License-Identifier: Apache-2.0
// What every unit bench shares: options, the loop over cases, replay of one case, the wave file, the report.
//
// A bench supplies `bool run_case(bench::Case &)`. A case starts from reset and draws all its stimulus,
// stalls included, from `Case::random`, which depends only on (seed, case number): `--seed S --only N`
// repeats case N alone. A bench built with `make WAVES=1` also takes `--wave FILE`, which records it.
// DUPLEX_RANDOM_START=S gives registers and memories random values before the reset of each case, not zeros.
#ifndef DUPLEX_BENCH_H
#define DUPLEX_BENCH_H

#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <functional>
#include <memory>
#include <string>

#include "duplex/random.h"
#include "verilated.h"
#if VM_TRACE
#include "verilated_fst_c.h"
#endif

namespace bench {

constexpr uint64_t HALF_CLOCK = 500;  // in waveforms, in ps: clock n is n ns

struct Options {
  uint64_t seed = 1;
  uint64_t cases = 0;  // 0: the bench's default, times DUPLEX_CASES of the environment
  int64_t only = -1;
  std::string wave;
  bool random_start = false;
  int start_seed = 0;  // of this case
};

// A seed for Verilator's random numbers, of all bits: its generator gives neighbouring small seeds equal
// bits.
inline int start_seed(uint64_t seed, uint64_t number) {
  duplex_random random;
  duplex_random_seed(&random, seed, number);
  return (int)(duplex_random_u64(&random) >> 33) | 1;
}

struct Case {
  const Options &options;
  uint64_t number;
  duplex_random random;
  uint64_t compared = 0;  // comparisons made; a case that compares nothing fails

  bool chance(unsigned percent) { return duplex_random_below(&random, 100) < percent; }
  uint64_t below(uint64_t bound) { return duplex_random_below(&random, bound); }
  uint64_t bits() { return duplex_random_u64(&random); }

  // Reports one mismatch: where it is, and what was expected. Returns false so that a case can `return
  // c.mismatch(...)`.
  bool mismatch(const char *unit, const char *stage, long row, long lane, const std::string &rtl,
                const std::string &model) {
    std::printf("MISMATCH unit %s stage %s row %ld lane %ld: rtl %s, model %s (case %llu of seed %llu)\n",
                unit, stage, row, lane, rtl.c_str(), model.c_str(), (unsigned long long)number,
                (unsigned long long)options.seed);
    return false;
  }
};

// An assertion of the RTL failed; Verilator has printed its file and line.
struct AssertionFailed {};

// The model under test with its clock and wave file. Ports must be named clk_i and rst_ni.
template <class Model>
class Clocked {
 public:
  explicit Clocked(const Options &options)
      : context_(new VerilatedContext), model_(new Model(started(context_.get(), options))) {
#if VM_TRACE
    if (options.wave.empty()) return;
    context_->traceEverOn(true);
    wave_.reset(new VerilatedFstC);
    model_->trace(wave_.get(), 99);
    wave_->open(options.wave.c_str());
#else
    (void)options;
#endif
  }
  ~Clocked() {
    entered(context_.get());
#if VM_TRACE
    if (wave_) wave_->close();
#endif
    model_->final();
  }
  Model *operator->() { return model_.get(); }

  // Settles combinational outputs for inputs just set, without a clock edge.
  void settle() {
    model_->eval();
    if (context_->gotError()) throw AssertionFailed();
  }

  // One clock: inputs set before the call are sampled at the rising edge.
  void tick() {
    model_->clk_i = 0;
    step();
    model_->clk_i = 1;
    step();
    cycles_++;
  }
  void reset(int clocks = 2) {
    model_->rst_ni = 0;
    for (int i = 0; i < clocks; i++) tick();
    model_->rst_ni = 1;
  }
  uint64_t cycles() const { return cycles_; }

 private:
  // Verilator's run-time library works on the context that its thread has entered, also while a model is made
  // and deleted. A failed assertion ends the case, not the program.
  static VerilatedContext *entered(VerilatedContext *context) {
    context->fatalOnError(false);
    Verilated::threadContextp(context);
    return context;
  }
  // Before the model is made: its start values.
  static VerilatedContext *started(VerilatedContext *context, const Options &options) {
    if (options.random_start) {
      context->randReset(2);
      context->randSeed(options.start_seed);
    }
    return entered(context);
  }
  void step() {
    model_->eval();
#if VM_TRACE
    if (wave_) wave_->dump(context_->time());
#endif
    context_->timeInc(HALF_CLOCK);
    if (context_->gotError()) throw AssertionFailed();
  }
  std::unique_ptr<VerilatedContext> context_;
  std::unique_ptr<Model> model_;
#if VM_TRACE
  std::unique_ptr<VerilatedFstC> wave_;
#endif
  uint64_t cycles_ = 0;
};

inline uint64_t number_of(const char *option, const char *text) {
  char *end = nullptr;
  const unsigned long long value = text ? std::strtoull(text, &end, 0) : 0;
  if (!text || end == text || *end) {
    std::fprintf(stderr, "%s: expected a number\n", option);
    std::exit(2);
  }
  return value;
}

// The name of a wave file, if this bench can write one.
inline const char *wave_file(const char *name) {
#if !VM_TRACE
  std::fprintf(stderr, "--wave %s: this bench writes no waves, expected one built with make WAVES=1\n", name);
  std::exit(2);
#endif
  return name;
}

inline Options parse(int argc, char **argv) {
  Options options;
  for (int i = 1; i < argc; i += 2) {
    const std::string name = argv[i];
    const char *value = i + 1 < argc ? argv[i + 1] : nullptr;
    if (name == "--seed")
      options.seed = number_of("--seed", value);
    else if (name == "--cases")
      options.cases = number_of("--cases", value);
    else if (name == "--only")
      options.only = (int64_t)number_of("--only", value);
    else if (name == "--wave" && value)
      options.wave = wave_file(value);
    else {
      std::fprintf(stderr, "usage: %s [--seed S] [--cases N] [--only CASE] [--wave FILE.fst]\n", argv[0]);
      std::exit(2);
    }
  }
  return options;
}

// Runs the cases and reports; the value is the program's exit status.
inline int run(int argc, char **argv, const char *unit, uint64_t default_cases,
               const std::function<bool(Case &)> &run_case) {
  Options options = parse(argc, argv);
  const char *start = std::getenv("DUPLEX_RANDOM_START");
  options.random_start = start != nullptr;
  const uint64_t first_start = start ? number_of("DUPLEX_RANDOM_START", start) : 0;
  const char *scale = std::getenv("DUPLEX_CASES");
  const uint64_t cases =
      options.cases ? options.cases : default_cases * (scale ? number_of("DUPLEX_CASES", scale) : 1);
  const uint64_t first = options.only < 0 ? 0 : (uint64_t)options.only;
  const uint64_t end = options.only < 0 ? cases : first + 1;
  uint64_t compared = 0;
  for (uint64_t number = first; number < end; number++) {
    options.start_seed = start_seed(first_start, number);
    Case c{options, number, {}, 0};
    duplex_random_seed(&c.random, options.seed, number);
    bool good = false;
    try {
      good = run_case(c);
    } catch (const AssertionFailed &) {
      std::printf("an assertion of the RTL failed\n");
    }
    if (good && c.compared == 0) {
      std::printf("case %llu compared nothing\n", (unsigned long long)number);
      good = false;
    }
    if (!good) {
      std::printf("FAIL %s: replay with %s --seed %llu --only %llu (waves: docs/testing.md)\n", unit, argv[0],
                  (unsigned long long)options.seed, (unsigned long long)number);
      return 1;
    }
    compared += c.compared;
  }
  std::printf("PASS %s: %llu cases, %llu comparisons, seed %llu\n", unit, (unsigned long long)(end - first),
              (unsigned long long)compared, (unsigned long long)options.seed);
  return 0;
}

}  // namespace bench
#endif
