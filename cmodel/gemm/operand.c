// SPDX-License-Identifier: Apache-2.0
// Operands of products from binary16 numbers and weights of softmax, as rtl/gemm/operand.v.
#include "duplex/gemm_units.h"

struct duplex_operand duplex_operand_decode(duplex_f16 value) {
  const bool negative = value >> 15;
  const unsigned field = value >> 10 & 31;
  const unsigned fraction = value & 1023;
  if (field == 31 && fraction) return (struct duplex_operand){true, 0, DUPLEX_OPERAND_SPECIAL};
  if (field == 31) return (struct duplex_operand){negative, 0, DUPLEX_OPERAND_INF};
  if (field == 0 && fraction == 0) return (struct duplex_operand){false, 0, DUPLEX_OPERAND_SPECIAL};
  if (field == 0) return (struct duplex_operand){negative, (uint16_t)fraction, 0};
  return (struct duplex_operand){negative, (uint16_t)(1024 + fraction), (uint8_t)(field - 1)};
}

struct duplex_operand duplex_operand_decode_p16(duplex_p16 value) {
  const unsigned field = value >> 11;
  const unsigned fraction = value & 2047;
  if (value == 0) return (struct duplex_operand){false, 0, DUPLEX_OPERAND_SPECIAL};
  if (field == 0) return (struct duplex_operand){false, (uint16_t)fraction, 0};
  return (struct duplex_operand){false, (uint16_t)(2048 + fraction), (uint8_t)(field - 1)};
}
