// SPDX-License-Identifier: Apache-2.0
// A gated expert on one stack, from a C++ program outside the project.
#include <duplex/duplex.h>

#include <cstdio>
#include <memory>
#include <stdexcept>
#include <vector>

static void check(int error, duplex_stack *stack) {
  if (error) throw std::runtime_error(duplex_stack_last_error(stack));
}

int main() {
  constexpr size_t tokens = 2, hidden = 64, inner = 96;
  duplex_stack_options options = {};
  options.backend.channels = 2;
  duplex_stack *opened = nullptr;
  char text[256];
  if (duplex_stack_open("cmodel", &options, &opened, text, sizeof text)) throw std::runtime_error(text);
  const std::unique_ptr<duplex_stack, decltype(&duplex_stack_close)> stack(opened, duplex_stack_close);
  const duplex_f16 one = duplex_f16_from_double(1);
  const duplex_f16 small = duplex_f16_from_double(0.125);
  const std::vector<duplex_f16> x(tokens * hidden, one), gate(inner * hidden, small),
      down(hidden * inner, one);
  duplex_weights *up_weights = nullptr, *down_weights = nullptr;
  check(duplex_stack_upload_gated(stack.get(), gate.data(), gate.data(), inner, hidden, nullptr, nullptr,
                                  &up_weights),
        stack.get());
  check(duplex_stack_upload(stack.get(), down.data(), hidden, inner, nullptr, &down_weights), stack.get());
  std::vector<duplex_f32> y(tokens * hidden);
  const auto *table = duplex_activation_builtin("identity");
  check(duplex_stack_expert(stack.get(), up_weights, down_weights, table, x.data(), tokens, DUPLEX_F32,
                            y.data()),
        stack.get());
  std::printf("y[0] = 0x%08x\n", y[0]);
  return y[0] == 0x45c00000 ? 0 : 1;  // 96 * 8 * 8
}
