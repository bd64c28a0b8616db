#include "duplex/softmax.h"

uint64_t duplex_softmax_sum(uint64_t l, duplex_f16 p) {
  const unsigned field = p >> 10 & 31;
  const uint64_t fraction = p & 0x3ff;
  const uint64_t units = field ? (1024 + fraction) << (field - 1) : fraction;
  return (p >> 15 ? l - units : l + units) & ((UINT64_C(1) << DUPLEX_SOFTMAX_SUM_BITS) - 1);
}
