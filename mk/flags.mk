# SPDX-License-Identifier: Apache-2.0
# Compilers and flags. CC, CXX, CPPFLAGS, CFLAGS, LDFLAGS and SANITIZE are the caller's; none of them can change the arithmetic.
CC ?= cc
CXX ?= c++
CFLAGS ?= -O2 -g
CPPFLAGS ?=
LDFLAGS ?=
SANITIZE ?=
# Warnings are errors for those who work on Duplex: .ci/run sets WERROR=1. A compiler that knows other warnings still builds.
WERROR ?=
WARN := -Wall -Wextra $(if $(filter-out 0,$(WERROR)),-Werror)

# Words that change what floating point computes. They reach no compiler and no linker: GCC and clang link crtfastmath.o for some of
# them, and a program, or a library that it loads, then flushes denormal numbers to zero in all of the process.
INEXACT := -ffast-math -funsafe-math-optimizations -ffinite-math-only -fassociative-math -freciprocal-math -fno-signed-zeros \
  -fno-trapping-math -fcx-limited-range -fcx-fortran-rules -fno-honor-nans -fno-honor-infinities -fapprox-func -frounding-math \
  -fsingle-precision-constant -fdenormal-fp-math% -ffp-contract=% -ffp-model=% -fexcess-precision=% -mrecip% -mfpmath=% \
  -mdaz-ftz -mpc32 -mpc64 -mpc80
exact = $(filter-out $(INEXACT),$(patsubst -Ofast,-O3,$(1)))
$(foreach variable,CC CXX CPPFLAGS CFLAGS LDFLAGS SANITIZE,$(eval override $(variable) := $$(call exact,$$($(variable)))))

# -flto: objects of GCC hold code too, which the one-object library needs; clang needs a linker of its own for it, so it goes without.
ifneq ($(findstring -flto,$(CFLAGS)),)
CLANG_CC := $(findstring clang,$(shell $(CC) --version 2>/dev/null))
override CFLAGS := $(if $(CLANG_CC),$(filter-out -flto%,$(CFLAGS)),$(CFLAGS) -ffat-lto-objects)
override LDFLAGS := $(if $(CLANG_CC),$(filter-out -flto%,$(LDFLAGS)),$(LDFLAGS))
endif

INCLUDES := $(POINT_INCLUDES) -Iinclude -I.
# Last, so that nothing before them counts; both compilers know them.
EXACT := -fno-fast-math -fno-unsafe-math-optimizations -fno-finite-math-only -fno-associative-math -fno-reciprocal-math -fsigned-zeros \
  -ffp-contract=off
ALL_CFLAGS = -std=c11 -D_GNU_SOURCE $(WARN) $(INCLUDES) -fPIC -pthread -MMD -MP $(CPPFLAGS) $(CFLAGS) $(SANITIZE) $(EXACT)
SANITIZED_BUILD := $(findstring -fsanitize,$(CFLAGS) $(SANITIZE))
