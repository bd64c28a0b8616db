// SPDX-License-Identifier: Apache-2.0
// The sum of the weights, as rtl/softmax/softmax_sum.v.
#include "duplex/softmax.h"

uint64_t duplex_softmax_sum(uint64_t l, duplex_p16 p) {
  return (l + duplex_p16_units(p)) & ((UINT64_C(1) << DUPLEX_SOFTMAX_SUM_BITS) - 1);
}
