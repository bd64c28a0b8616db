#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# GDB on the RV32 controller: break, step, print, continue, and the result is right. usage: tests/controller/gdb.sh BUILD
set -u
build=$(realpath "$1")
dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
cd "$dir" || exit 1
fail() { echo "gdb: $*"; cat gdb.txt duplex.txt 2>/dev/null; exit 1; }
"$build/duplex" random --shape 20,100 --seed 1 --dist normal:1 --out x.npy &&
  "$build/duplex" random --shape 30,100 --seed 2 --dist normal:1 --out w.npy || fail "no input"
"$build/duplex" gemm --x x.npy --w w.npy --channels 2 --out expected.npy || fail gemm
port=$((20000 + $$ % 20000))
"$build/duplex" gemm --x x.npy --w w.npy --channels 2 --out y.npy --firmware riscv --gdb $port >duplex.txt 2>&1 &
job=$!
for _ in $(seq 100); do grep -q "waiting for GDB" duplex.txt && break; sleep 0.1; done
timeout 60 gdb-multiarch -nx -batch "$build/firmware.elf" -ex "target remote 127.0.0.1:$port" \
  -ex 'break ring_push_kept' -ex continue -ex 'print last' -ex 'print/x d[0]' \
  -ex 'info registers pc' -ex stepi -ex 'info registers pc' -ex next -ex 'print *ring' \
  -ex continue -ex 'print/x d[0] & 0xff' -ex bt -ex 'set $sp = $sp' -ex 'print $sp' \
  -ex delete -ex 'break ring_finish' -ex continue -ex 'print mailbox.magic' -ex 'x/2i $pc' -ex delete -ex continue >gdb.txt 2>&1 || fail "GDB: exit status $?"
wait $job || fail "the job fails"
cmp y.npy expected.npy || fail "other bytes under GDB"
[ "$(grep -c '^Breakpoint [0-9.]*, ring_push_kept' gdb.txt)" = 2 ] || fail "two stops at ring_push_kept expected"
grep -q '^Breakpoint [0-9.]*, ring_finish' gdb.txt || fail "no stop at ring_finish"
grep -q '^\$1 = false' gdb.txt || fail "print last"
grep -q '^\$2 = 0x.*1$' gdb.txt || fail "the first descriptor is a LOAD"
[ "$(grep '^pc ' gdb.txt | sort -u | wc -l)" = 2 ] || fail "stepi does not move"
grep -q 'produced = ' gdb.txt || fail "print a structure"
grep -q '= 0x2$' gdb.txt || fail "the second descriptor is a GEMM"
grep -qE '#[12] .* serve_gemm|#[12] .* firmware_gemm' gdb.txt || fail "no backtrace"
grep -q '= 1364216900' gdb.txt || fail "the mailbox is not seen"
grep -q 'exited normally' gdb.txt || fail "the end is not told"
echo "gdb: break, step, print, continue; the same bytes"
