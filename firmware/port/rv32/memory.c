// SPDX-License-Identifier: Apache-2.0
// What the compiler calls for structures, a word at a time; picolibc's go byte by byte.
#include <stddef.h>
#include <stdint.h>

__attribute__((used)) void *memset(void *to, int value, size_t size) {
  uint8_t *byte = to;
  if (((uintptr_t)to | size) % 4 == 0 && value == 0) {
    uint32_t *word = to;
    for (size_t i = 0; i < size / 4; i++) word[i] = 0;
    return to;
  }
  while (size--) *byte++ = (uint8_t)value;
  return to;
}
