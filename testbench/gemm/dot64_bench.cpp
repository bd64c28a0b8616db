// SPDX-License-Identifier: Apache-2.0
// dot64.v against cmodel/gemm/dot64.c, stage by stage: the registers of products, of the sums of 8, and the
// result.
#include <deque>

#include "Vdot64.h"
#include "Vdot64___024root.h"
#include "duplex/gemm_units.h"
#include "testbench/common/bench.h"
#include "testbench/common/gemm_stimulus.h"

namespace {

constexpr int width = DUPLEX_WIDTH, groups = DUPLEX_DOT64_GROUPS;

// The registers in the generate blocks, by index.
#define EIGHT(macro, n) \
  macro(n##0), macro(n##1), macro(n##2), macro(n##3), macro(n##4), macro(n##5), macro(n##6), macro(n##7)
#define SIXTY_FOUR(macro)                                                                                 \
  macro(0), macro(1), macro(2), macro(3), macro(4), macro(5), macro(6), macro(7), macro(8), macro(9),     \
      EIGHT(macro, 1), macro(18), macro(19), EIGHT(macro, 2), macro(28), macro(29), EIGHT(macro, 3),      \
      macro(38), macro(39), EIGHT(macro, 4), macro(48), macro(49), EIGHT(macro, 5), macro(58), macro(59), \
      macro(60), macro(61), macro(62), macro(63)
#define LANE(i, name) root->dot64__DOT__lane__BRA__##i##__KET____DOT__##name
#define GROUP(i, name) root->dot64__DOT__group__BRA__##i##__KET____DOT__##name
#define PRODUCT(i) LANE(i, product_q)
#define SHIFT(i) LANE(i, shift_q)
#define NEGATIVE(i) LANE(i, negative_q)
#define LOW(i) GROUP(i, low_q)
#define HIGH(i) GROUP(i, high_q)

bool same(bench::Case &c, const char *stage, uint64_t number, long place, uint64_t rtl, uint64_t model) {
  c.compared++;
  return rtl == model ||
         c.mismatch("dot64", stage, (long)number, place, std::to_string(rtl), std::to_string(model));
}

bool check_products(bench::Case &c, const Vdot64___024root *root, const duplex_dot64_stages &want,
                    uint64_t number) {
  const uint32_t product[] = {SIXTY_FOUR(PRODUCT)};
  const uint32_t shift[] = {SIXTY_FOUR(SHIFT)};
  const uint32_t negative[] = {SIXTY_FOUR(NEGATIVE)};
  for (int i = 0; i < width; i++)
    if (!same(c, "product", number, i, product[i], want.product[i]) ||
        !same(c, "shift", number, i, shift[i], want.shift[i]) ||
        !same(c, "negative", number, i, negative[i], want.negative[i]))
      return false;
  return true;
}

bool check_groups(bench::Case &c, const Vdot64___024root *root, const duplex_dot64_stages &want,
                  uint64_t number) {
  const uint64_t low[] = {LOW(0), LOW(1), LOW(2), LOW(3), LOW(4), LOW(5), LOW(6), LOW(7)};
  const uint64_t high[] = {HIGH(0), HIGH(1), HIGH(2), HIGH(3), HIGH(4), HIGH(5), HIGH(6), HIGH(7)};
  for (int i = 0; i < groups; i++)
    if (!same(c, "group low", number, i, low[i], want.group_low[i]) ||
        !same(c, "group high", number, i, high[i], (uint64_t)want.group_high[i] & ((UINT64_C(1) << 36) - 1)))
      return false;
  return true;
}

bool check_sum(bench::Case &c, const Vdot64 *rtl, const duplex_dot64_stages &want, uint64_t number) {
  return same(c, "low", number, 0, rtl->low_o, want.low) &&
         same(c, "high", number, 0, rtl->high_o, (uint64_t)want.high & ((UINT64_C(1) << 39) - 1)) &&
         same(c, "flags", number, 0, rtl->flags_o, want.flags);
}

void put(uint32_t *words, int low, int bits, uint32_t value) {
  for (int i = 0; i < bits; i++) {
    const uint32_t bit = UINT32_C(1) << ((low + i) % 32);
    words[(low + i) / 32] = (words[(low + i) / 32] & ~bit) | (value >> i & 1 ? bit : 0);
  }
}

// Magnitudes of x have `bits` 12, of w 11.
void drive(const duplex_operand *operands, int bits, uint32_t *significand, uint32_t *exponent) {
  for (int i = 0; i < width; i++) {
    put(significand, (bits + 1) * i, bits + 1,
        (uint32_t)operands[i].negative << bits | operands[i].magnitude);
    put(exponent, 5 * i, 5, operands[i].exponent);
  }
}

// One dot product a clock: what is in each stage is one of the last three.
bool run_case(bench::Case &c) {
  static std::unique_ptr<bench::Clocked<Vdot64>> kept;
  if (!kept || !c.options.wave.empty()) kept.reset(new bench::Clocked<Vdot64>(c.options));
  bench::Clocked<Vdot64> &rtl = *kept;
  duplex_dot64_stages stages[3] = {};
  for (uint64_t number = 0; number < 300; number++) {
    uint16_t x[width], w[width];
    gemm_stimulus::pair(c, x, w, width);
    duplex_operand x_operands[width], w_operands[width];
    const bool weights = c.chance(30);  // of softmax, in x
    const int kind = (int)c.below(gemm_stimulus::kinds);
    for (int i = 0; i < width; i++) {
      x_operands[i] =
          weights ? duplex_operand_decode_p16(gemm_stimulus::weight(c, kind)) : duplex_operand_decode(x[i]);
      w_operands[i] = duplex_operand_decode(w[i]);
    }
    drive(x_operands, 12, rtl->x_significand_i.data(), rtl->x_exponent_i.data());
    drive(w_operands, 11, rtl->w_significand_i.data(), rtl->w_exponent_i.data());
    duplex_dot64(x_operands, w_operands, &stages[number % 3]);
    rtl.tick();
    if (!check_products(c, rtl->rootp, stages[number % 3], number)) return false;
    if (number >= 1 && !check_groups(c, rtl->rootp, stages[(number - 1) % 3], number - 1)) return false;
    if (number >= 2 && !check_sum(c, rtl.operator->(), stages[(number - 2) % 3], number - 2)) return false;
  }
  return true;
}

}  // namespace

int main(int argc, char **argv) { return bench::run(argc, argv, "dot64", 200, run_case); }
