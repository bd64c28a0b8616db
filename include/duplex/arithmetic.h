// The smaller of two numbers, and division that rounds up. Freestanding.
#ifndef DUPLEX_ARITHMETIC_H
#define DUPLEX_ARITHMETIC_H

#include <stdint.h>

static inline uint32_t duplex_smaller(uint32_t a, uint32_t b) { return a < b ? a : b; }
static inline uint32_t duplex_divide_up(uint32_t a, uint32_t b) { return (a + b - 1) / b; }

#endif
