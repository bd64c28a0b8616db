#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# Flags and the compiler cannot change the arithmetic: library and command are built with flags that ask for inexact floating point,
# and must give the bytes of the build under test, its unit tests of numbers, and leave the processor's control words alone.
# usage: tests/packaging/flags.sh BUILD CC NAME FLAGS [TEST...]
set -u
cd "$(dirname "$0")/../.." || exit 1
build=$1 cc=$2 other=$1/flags-$3 flags=$4
tests=("${@:5}")
bad=0
fail() { echo "FAIL $*"; bad=1; }
mkdir -p "$other/rtl"
# What was Verilated does not depend on these flags: only harness and model are compiled anew.
for part in channel top_2 runtime; do [ -e "$other/rtl/$part" ] || cp -al "$build/rtl/$part" "$other/rtl/$part" || exit 1; done
make -s BUILD="$other" CC="$cc" CFLAGS="$flags" LDFLAGS="$flags" WERROR=1 "$other/duplex" "$other/libduplex.so" "$other/rtl/stack_2.so" \
  "${tests[@]/#/$other/tests/}" || exit 1

for test in "${tests[@]}"; do "$other/tests/$test" >"$other/log" 2>&1 || { tail -n 5 "$other/log"; fail "$test"; }; done
cc -O1 tests/packaging/control_word.c -o "$other/control_word" -ldl -lm || exit 1
"$other/control_word" "$other/libduplex.so" "$other/rtl/stack_2.so" || fail "control words"
# The check sees a library that is linked so.
echo 'int nothing;' | gcc -x c -Ofast -fPIC -shared - -o "$other/fast.so" && ! "$other/control_word" "$other/fast.so" >"$other/log" || fail "the check"

# Infinities, NaN and denormal numbers among the operands.
python3 - "$other" <<'PY' || exit 1
import random, struct, sys
def save(name, rows, columns, draw):
    head = "{'descr': '<f2', 'fortran_order': False, 'shape': (%d, %d), }" % (rows, columns)
    head += " " * (-(len(head) + 11) % 64) + "\n"
    with open(f"{sys.argv[1]}/{name}.npy", "wb") as out:
        out.write(b"\x93NUMPY\1\0" + struct.pack("<H", len(head)) + head.encode())
        out.write(b"".join(struct.pack("<H", draw.choice(SPECIAL) if draw.random() < 0.002 else draw.getrandbits(15) % 0x5000 | draw.getrandbits(1) << 15)
                           for _ in range(rows * columns)))
SPECIAL = [0x7C00, 0xFC00, 0x7E00, 0x8000, 0x0001, 0x03FF]
save("x", 9, 130, random.Random(1))
save("w", 70, 130, random.Random(2))
PY
for run in "$build" "$other"; do
  "$run/duplex" gemm --x "$other/x.npy" --w "$other/w.npy" --out "$other/y$([ "$run" = "$build" ] || echo .other).npy" >"$other/log" || fail "gemm of $run"
done
cmp "$other/y.npy" "$other/y.other.npy" || fail "bytes of a gemm"
[ $bad = 0 ] && echo "$cc $flags: the same bytes, control words as they were, ${#tests[@]} unit tests"
exit $bad
