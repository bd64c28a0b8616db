#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# Without compiling anything: flags that ask for inexact floating point reach no command of the build, whichever compiler it calls.
# make regress builds so, and runs what it built (flags.sh). usage: tests/packaging/compilers.sh BUILD
set -u
cd "$(dirname "$0")/../.." || exit 1
other=$1/compilers
bad=0
fail() { echo "FAIL $*"; bad=1; }

commands() { # COMPILER: how it is called for command and library
  make -n V=1 BUILD="$other" CC="$1" WERROR=1 CFLAGS="-Ofast -ffast-math" LDFLAGS="-Ofast -ffast-math" "$other/duplex" "$other/libduplex.so" |
    grep "^$1 "
}
for compiler in gcc clang; do
  called=$(commands $compiler)
  [ "$(grep -c -e ' -O3 .* -c ' <<<"$called")" -gt 200 ] || fail "the commands of $compiler"
  ! grep -e ' -Ofast' -e ' -ffast-math' <<<"$called" || fail "$compiler is called with inexact flags"
done

[ $bad = 0 ] && echo "compilers: no inexact flags reach gcc or clang"
exit $bad
