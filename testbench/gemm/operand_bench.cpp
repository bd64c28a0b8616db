// SPDX-License-Identifier: Apache-2.0
// operand.v against cmodel/gemm/operand.c: all binary16 numbers and all weights of softmax in each case.
#include "Voperand.h"
#include "duplex/gemm_units.h"
#include "testbench/common/bench.h"

namespace {

bool run_case(bench::Case &c) {
  Voperand rtl;
  for (unsigned value = 0; value <= 0x10000 + DUPLEX_P16_MOST; value++) {
    rtl.value_i = value & 0xffff;
    rtl.p16_i = value >> 16;
    rtl.eval();
    const duplex_operand want =
        value >> 16 ? duplex_operand_decode_p16((uint16_t)value) : duplex_operand_decode((uint16_t)value);
    const unsigned significand = (unsigned)want.negative << 12 | want.magnitude;
    if (rtl.significand_o != significand)
      return c.mismatch("operand", "significand", value, 0, std::to_string(rtl.significand_o),
                        std::to_string(significand));
    if (rtl.exponent_o != want.exponent)
      return c.mismatch("operand", "exponent", value, 0, std::to_string(rtl.exponent_o),
                        std::to_string(want.exponent));
    c.compared += 2;
  }
  return true;
}

}  // namespace

int main(int argc, char **argv) { return bench::run(argc, argv, "operand", 2, run_case); }
