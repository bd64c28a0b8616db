#include "duplex/softmax.h"

uint64_t duplex_softmax_sum(uint64_t l, duplex_p16 p) {
  const unsigned field = p >> 11;
  const uint64_t fraction = p & 0x7ff;
  const uint64_t units = field ? (2048 + fraction) << (field - 1) : fraction;
  return (l + units) & ((UINT64_C(1) << DUPLEX_SOFTMAX_SUM_BITS) - 1);
}
