// SPDX-License-Identifier: Apache-2.0
// Numbers of bytes for a reader: in the unit that fits.
#ifndef SERVING_BYTE_TEXT_H
#define SERVING_BYTE_TEXT_H

struct byte_text {
  char text[40];
};

// In the largest of GB, MB, kB (powers of ten) and bytes of which there is one, with so many digits behind
// the point; whole bytes. A negative number likewise.
struct byte_text byte_text(double bytes, unsigned digits);

// So many digits, one at least, that both texts differ, unless both numbers are nearly equal.
unsigned byte_text_digits(double one, double other);

#endif
