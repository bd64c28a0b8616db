// SPDX-License-Identifier: Apache-2.0
// Benches of pipelines: a value goes in every clock, and its result comes out a fixed number of clocks later.
#ifndef DUPLEX_BENCH_PIPELINE_H
#define DUPLEX_BENCH_PIPELINE_H

#include <deque>
#include <memory>
#include <string>

#include "testbench/common/bench.h"

namespace pipeline {

// The unit, made once for all cases: nothing of a case is left in it after `latency` clocks. With a wave file
// every case has its own.
template <class Model>
bench::Clocked<Model> &unit(const bench::Case &c) {
  static std::unique_ptr<bench::Clocked<Model>> kept;
  if (!kept || !c.options.wave.empty()) kept.reset(new bench::Clocked<Model>(c.options));
  return *kept;
}

// What the model says of the values on their way.
template <class Value>
class Expected {
 public:
  explicit Expected(size_t latency) : latency_(latency) {}

  // In each clock: what goes in now; true, with what comes out behind the edge, once the pipeline is full.
  bool next(const Value &in, Value *out) {
    values_.push_back(in);
    if (values_.size() < latency_) return false;
    *out = values_.front();
    values_.pop_front();
    return true;
  }

 private:
  const size_t latency_;
  std::deque<Value> values_;
};

// Counts a comparison; false, with a report, if the values differ.
inline bool same(bench::Case &c, const char *name, const char *output, long clock, uint64_t rtl,
                 uint64_t model) {
  c.compared++;
  return rtl == model || c.mismatch(name, output, clock, 0, std::to_string(rtl), std::to_string(model));
}

}  // namespace pipeline
#endif
