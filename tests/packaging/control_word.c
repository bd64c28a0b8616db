// SPDX-License-Identifier: Apache-2.0
// Loads each library that is named and checks that floating point is what it was: the control words of the
// processor, and sums of denormal numbers. usage: control_word LIBRARY...
#include <dlfcn.h>
#include <fenv.h>
#include <float.h>
#include <stdio.h>
#include <xmmintrin.h>

enum { STICKY = 0x3f };  // flags of what happened, which any sum may raise

// Half of the smallest normal number, computed now: 0 if denormal results or inputs are flushed.
static float denormal(void) {
  volatile float smallest = FLT_MIN;
  volatile float half = smallest / 2;
  return half + half / 2;
}

int main(int count, char **paths) {
  fenv_t before, after;
  fegetenv(&before);
  const unsigned word = _mm_getcsr() & ~STICKY;
  const float value = denormal();
  int bad = count < 2 || value == 0;
  for (int i = 1; i < count; i++) {
    if (!dlopen(paths[i], RTLD_NOW | RTLD_GLOBAL)) {
      printf("%s\n", dlerror());
      return 1;
    }
    fegetenv(&after);
    const int same = (_mm_getcsr() & ~STICKY) == word && denormal() == value &&
                     after.__control_word == before.__control_word;
    printf("%s: MXCSR 0x%04x, was 0x%04x, %s\n", paths[i], _mm_getcsr() & ~STICKY, word,
           same ? "the same" : "CHANGED");
    bad |= !same;
  }
  return bad;
}
