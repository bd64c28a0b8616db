// SPDX-License-Identifier: Apache-2.0
// Processor time of one GEMM on a pin-level stack of two channels, in clocks of the stack per
// second. Linked once
// with the RTL of `verilator --cc` in a module of the project's own (backend/systemc/verilated_stack.cpp),
// and once with that of `verilator --sc` (stack_sc.cpp), so that all else is the same.
#include <cstdio>
#include <ctime>
#include <vector>

#include "duplex/duplex.h"
#include "duplex/error.h"
#include "duplex/numerics.h"
#include "duplex/random.h"
#include "duplex/systemc.h"

namespace {

constexpr unsigned M = 8, N = 1024, K = 2048;

int failed = 1;

std::vector<duplex_f16> draw(duplex_random &random, size_t count) {
  std::vector<duplex_f16> numbers(count);
  for (duplex_f16 &number : numbers) number = duplex_f16_from_double(duplex_random_normal(&random));
  return numbers;
}

// The time and clocks of the job alone: weights are there before.
void program(duplex::initiator &host) {
  sc_core::wait(100, sc_core::SC_NS);  // the other one has its reset now
  duplex_random random;
  duplex_random_seed(&random, 1, 0);
  const std::vector<duplex_f16> w = draw(random, size_t(N) * K), x = draw(random, size_t(M) * K);
  std::vector<duplex_f16> y(size_t(M) * N);
  duplex_stack_options options = {};
  options.backend.channels = 2;
  duplex_stack *stack = nullptr;
  duplex_weights *weights = nullptr;
  int error = duplex_stack_open_backend(host.backend(), &options, &stack);
  if (!error) error = duplex_stack_upload(stack, w.data(), N, K, nullptr, &weights);
  const uint64_t before = host.clock();
  const std::clock_t begin = std::clock();
  if (!error) error = duplex_stack_gemm(stack, weights, x.data(), M, DUPLEX_F16, y.data());
  const double seconds = double(std::clock() - begin) / CLOCKS_PER_SEC;
  const double clocks = double(host.clock() - before);
  uint64_t sum = 0;
  for (const duplex_f16 number : y) sum = sum * 31 + number;
  if (error)
    std::printf("%s\n", duplex_error_text(error));
  else
    std::printf("%.0f clocks, %.2f s of processor, %.0f clocks/s, result %016llx\n", clocks, seconds,
                clocks / seconds, (unsigned long long)sum);
  failed = error != 0;
  duplex_stack_close(stack);
  sc_core::sc_stop();
}

}  // namespace

int sc_main(int, char **) {
  duplex::stack_parameters parameters;
  parameters.channels = 2;
  duplex::stack_pin stack("stack", parameters);
  duplex::initiator host("host", program);
  sc_core::sc_signal<bool> interrupt("interrupt"), reset_n("reset_n", true);
  host.registers.bind(stack.registers);
  host.memory.bind(stack.memory);
  host.interrupt(interrupt);
  stack.interrupt(interrupt);
  stack.reset_n(reset_n);
  sc_core::sc_start();
  return failed;
}
