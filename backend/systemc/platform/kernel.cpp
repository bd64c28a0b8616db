// SPDX-License-Identifier: Apache-2.0
// The job of the example platform: tensors from a seed, and the calls of the host library.
#include "backend/systemc/platform/kernel.h"

#include <chrono>
#include <new>

#include "duplex/error.h"
#include "duplex/kv_cache.h"
#include "duplex/random.h"

namespace platform {
namespace {

const duplex_riscv_options riscv = {};

duplex_f16 *result_of(outcome &out, size_t count) {
  out.bytes.resize(count * sizeof(duplex_f16));
  return reinterpret_cast<duplex_f16 *>(out.bytes.data());
}

// The seconds of the host that a call takes.
template <typename Call>
int timed(outcome &out, Call call) {
  const auto before = std::chrono::steady_clock::now();
  const int error = call();
  out.seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - before).count();
  return error;
}

}  // namespace

kernel::kernel(const options &o) : o_(o) {}

std::string kernel::text() const {
  if (o_.kernel == "expert")
    return "expert, " + std::to_string(o_.tokens) + " tokens, hidden " + std::to_string(o_.hidden) +
           ", inner " + std::to_string(o_.inner);
  return "attention, " + std::to_string(o_.sequences) + " sequences of " + std::to_string(o_.positions) +
         ", KV heads " + std::to_string(o_.kv_heads) + " x " + std::to_string(o_.group) + ", head size " +
         std::to_string(o_.head_size);
}

std::vector<duplex_f16> kernel::draw(uint64_t stream, size_t count, double scale) const {
  duplex_random random;
  duplex_random_seed(&random, o_.seed, stream);
  std::vector<duplex_f16> values(count);
  for (duplex_f16 &value : values) value = duplex_f16_from_double(scale * duplex_random_normal(&random));
  return values;
}

int kernel::expert(duplex_stack *stack, outcome &out) const {
  const size_t weights = o_.hidden * o_.inner;
  duplex_weights *up = nullptr, *down = nullptr;
  int error = duplex_stack_upload_gated(stack, draw(1, weights, 0.02).data(), draw(2, weights, 0.02).data(),
                                        o_.inner, o_.hidden, nullptr, nullptr, &up);
  if (!error)
    error = duplex_stack_upload(stack, draw(3, weights, 0.02).data(), o_.hidden, o_.inner, nullptr, &down);
  if (error) return error;
  const std::vector<duplex_f16> x = draw(0, o_.tokens * o_.hidden, 1);
  duplex_f16 *y = result_of(out, o_.tokens * o_.hidden);
  return timed(out, [&] {
    return duplex_stack_expert(stack, up, down, duplex_activation_builtin("silu"), x.data(), o_.tokens,
                               DUPLEX_F16, y);
  });
}

int kernel::attention(duplex_stack *stack, outcome &out) const {
  const size_t of_sequence = o_.kv_heads * o_.positions * o_.head_size;
  const size_t outputs = o_.sequences * o_.kv_heads * o_.group * o_.head_size;
  duplex_kv_options cache_options = {};
  cache_options.heads = unsigned(o_.kv_heads);
  cache_options.head_size = unsigned(o_.head_size);
  cache_options.page_positions = 64;
  cache_options.pages = o_.sequences * ((o_.positions + 63) / 64);
  duplex_kv_cache *cache = nullptr;
  int error = duplex_kv_open(stack, &cache_options, &cache);
  std::vector<duplex_sequence *> sequences(o_.sequences);
  for (size_t i = 0; i < o_.sequences && !error; i++) {
    error = duplex_kv_begin(cache, DUPLEX_KV_SPACES, o_.positions, &sequences[i]);
    if (!error)
      error = duplex_kv_append(sequences[i], 0, draw(10 + 2 * i, of_sequence, 1).data(),
                               draw(11 + 2 * i, of_sequence, 1).data(), o_.positions,
                               o_.positions * o_.head_size);
  }
  if (error) return error;
  const std::vector<duplex_f16> q = draw(0, outputs, 1);
  duplex_f16 *y = result_of(out, outputs);
  return timed(out, [&] {
    return duplex_stack_attention(cache, 0, sequences.data(), o_.sequences, q.data(), o_.kv_heads * o_.group,
                                  0, y);
  });
}

outcome kernel::run(duplex_backend *backend) const {
  outcome out;
  duplex_stack_options stack_options = {};
  stack_options.backend.channels = o_.stack.channels;
  stack_options.riscv = o_.firmware == "riscv" ? &riscv : nullptr;
  duplex_stack *stack = nullptr;
  int error = duplex_stack_open_backend(backend, &stack_options, &stack);
  if (error) {
    out.error = std::string("opening the stack: ") + duplex_error_text(error);
    return out;
  }
  try {
    error = o_.kernel == "expert" ? expert(stack, out) : attention(stack, out);
  } catch (const std::bad_alloc &) {
    error = DUPLEX_ERROR_NO_MEMORY;
  }
  duplex_stack_stats stats;
  duplex_stack_last_stats(stack, &stats);
  out.clocks = stats.cycles;
  out.instructions = stats.firmware_instructions;
  out.good = !error;
  if (error) out.error = duplex_stack_last_error(stack);
  if (error && out.error.empty()) out.error = duplex_error_text(error);
  duplex_stack_close(stack);
  return out;
}

}  // namespace platform
