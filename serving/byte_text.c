// SPDX-License-Identifier: Apache-2.0
// Numbers of bytes for a reader: in the unit that fits.
#include "serving/byte_text.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

#define DIGITS_MOST 9u  // of GB: whole bytes

struct byte_text byte_text(double bytes, unsigned digits) {
  static const struct {
    double bytes;
    const char *name;
  } units[] = {{1e9, "GB"}, {1e6, "MB"}, {1e3, "kB"}};
  struct byte_text to;
  for (unsigned i = 0; i < sizeof units / sizeof *units; i++) {
    if (fabs(bytes) < units[i].bytes) continue;
    snprintf(to.text, sizeof to.text, "%.*f %s", (int)digits, bytes / units[i].bytes, units[i].name);
    return to;
  }
  snprintf(to.text, sizeof to.text, "%.0f bytes", bytes);
  return to;
}

unsigned byte_text_digits(double one, double other) {
  unsigned digits = 1;
  while (digits < DIGITS_MOST && strcmp(byte_text(one, digits).text, byte_text(other, digits).text) == 0)
    digits++;
  return digits;
}
