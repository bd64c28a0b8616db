#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# Results of the command: the exact bytes whatever the number of channels and threads; outputs all or none; what a failure leaves.
# usage: tests/cli/outputs.sh BUILD
# shellcheck source=tests/cli/checks.sh
. "$(dirname "$0")/checks.sh"
oracle=$build/tests/cli/oracle_gemm
status_is() { # STATUS COMMAND...: exit status, and one line of message unless it is 0
  local wanted=$1
  shift
  "$@" >stdout 2>stderr
  local status=$?
  [ $status = "$wanted" ] && [ "$(wc -l <stderr)" = $((wanted != 0)) ] || { echo "status $status: $(cat stderr)"; return 1; }
}
listing() { find . -mindepth 1 ! -name stdout ! -name stderr | sort; }

# Every number of channels and threads, every type and kind of value, against the exact sums.
while read -r m n k type dist; do
  "$duplex" random --shape "$m,$k" --seed 3 --dist "$dist" --out x.npy && "$duplex" random --shape "$n,$k" --seed 4 --dist "$dist" --out w.npy || exit 1
  "$oracle" x.npy w.npy "$type" exact.npy || exit 1
  for channels in 1 2 3 5 31 32; do
    for threads in 1 3; do
      check "gemm $m $n $k $type $dist, $channels channels, $threads threads" \
        "$duplex" gemm --x x.npy --w w.npy --out y.npy --out-type "$type" --channels $channels --threads $threads
      check "gemm $m $n $k $type $dist, $channels channels, $threads threads: exact" cmp y.npy exact.npy
    done
  done
done <<'L'
1 1 1 f16 normal:1
9 130 200 f16 classes
8 65 127 f32 bits
17 33 64 acc classes
2 7 5000 f32 uniform:0.0001
L
"$duplex" random --shape 11,100 --seed 5 --dist normal:1 --out x.npy
for name in gate up; do "$duplex" random --shape 70,100 --seed ${#name} --dist normal:0.1 --out $name.npy; done
"$duplex" random --shape 100,70 --seed 8 --dist normal:0.1 --out down.npy
expert=("$duplex" expert --x x.npy --gate gate.npy --up up.npy --down down.npy)
"${expert[@]}" --out one.npy --channels 1 --threads 1
for channels in 2 3 5 32; do
  check "expert, $channels channels" "${expert[@]}" --out y.npy --channels $channels
  check "expert, $channels channels: the same" cmp y.npy one.npy
done

# The exact sums of an expert split over its inner size add up to those of the whole, and their rounding is the whole's.
cat >tensor.py <<'P'
import ast, math, struct, sys
from fractions import Fraction
def read(path):
    data = open(path, "rb").read()
    start = 10 + int.from_bytes(data[8:10], "little")
    shape, size = ast.literal_eval(data[10:start].decode())["shape"], {"<f2": 2, "<f4": 4, "|V16": 16}[ast.literal_eval(data[10:start].decode())["descr"]]
    body = data[start:]
    return [[body[(r * shape[1] + c) * size:][:size] for c in range(shape[1])] for r in range(shape[0])]
def write(path, rows):
    header = "{'descr': '<f2', 'fortran_order': False, 'shape': (%d, %d), }" % (len(rows), len(rows[0]))
    header = header.ljust(117) + "\n"
    open(path, "wb").write(b"\x93NUMPY\1\0" + len(header).to_bytes(2, "little") + header.encode() + b"".join(b"".join(r) for r in rows))
if sys.argv[1] == "split":
    for name in ("gate", "up"):
        rows = read(name + ".npy")
        write(name + "1.npy", rows[:33]), write(name + "2.npy", rows[33:])
    rows = read("down.npy")
    write("down1.npy", [r[:33] for r in rows]), write("down2.npy", [r[33:] for r in rows])
elif sys.argv[1] == "nearest":
    signed = lambda bits: (bits & (1 << 125) - 1) - ((bits & 1 << 124) << 1)
    for exact, bits in zip([e for r in read("acc.npy") for e in r], [e for r in read("f32.npy") for e in r]):
        exact, value = Fraction(signed(int.from_bytes(exact, "little")), 1 << 48), struct.unpack("<f", bits)[0]
        assert abs(exact - Fraction(value)) <= Fraction(2) ** (math.frexp(value)[1] - 25)
else:
    sums = [[int.from_bytes(e, "little") for r in read(name) for e in r] for name in ("acc.npy", "acc1.npy", "acc2.npy")]
    sys.exit(any((a + b) % (1 << 125) != whole for whole, a, b in zip(*sums)) or not any(sums[0]))
P
python3 tensor.py split
"${expert[@]}" --out acc.npy --out-type acc
for part in 1 2; do "$duplex" expert --x x.npy --gate gate$part.npy --up up$part.npy --down down$part.npy --out acc$part.npy --out-type acc; done
check "parts of an expert add up exactly" python3 tensor.py add
"${expert[@]}" --out f32.npy --out-type f32
check "expert as f32 is the nearest to its exact sum" python3 tensor.py nearest

gemm=("$duplex" gemm --x x.npy --w up.npy)
"${gemm[@]}" --out y.npy
cp y.npy expected.npy
# Links, devices, pipes.
echo old >real.npy
ln -s real.npy link.npy
check "output to a link" "${gemm[@]}" --out link.npy
check "a link stays a link" [ -L link.npy ]
check "the file behind the link" cmp real.npy expected.npy
check "output to a device" "${gemm[@]}" --out /dev/null --stats /dev/null
check "a device stays one" [ -c /dev/null ]
"${gemm[@]}" --out /dev/stdout | cmp -s - expected.npy
check "output to a pipe" [ "${PIPESTATUS[1]}" = 0 ]
rm link.npy real.npy

# Failures: exit status 1 or 2, one line, nothing left, nothing harmed.
printf x >$'line\nbreak.npy'
echo old >old.npy
touch stdout stderr
before=$(listing)
check "no room for the output" status_is 1 "${gemm[@]}" --out /dev/full --stats stats.json
check "no room for the message" bash -c '"$1" info >/dev/full 2>stderr; [ $? = 1 ] && [ $(wc -l <stderr) = 1 ]' - "$duplex"
check "no stack to load" status_is 1 env DUPLEX_RTL_DIR=/nonexistent \
  "${gemm[@]}" --out old.npy --backend rtl --trace wave.fst --command-trace commands.txt --stats stats.json
check "two names of one output" status_is 2 "${gemm[@]}" --out old.npy --stats ./old.npy
check "a trace over an output" status_is 2 "${gemm[@]}" --out old.npy --backend rtl --trace "$PWD/old.npy"
check "a name of two lines" status_is 2 "$duplex" gemm --x $'line\nbreak.npy' --w up.npy --out old.npy
check "nothing left behind" [ "$(listing)" = "$before" ]
check "the old file is unharmed" [ "$(cat old.npy)" = old ]

# Too little memory: whatever the limit, the job is done or refused in one line.
before=$(listing)
for limit in $(seq 4000 1500 40000); do
  (ulimit -v "$limit" && exec "${gemm[@]}" --out y.npy --threads 2) >stdout 2>stderr
  status=$?
  check "limit of $limit KB: status $status" [ $status = 0 -o $status = 2 -o $status = 127 ]
  [ $status != 2 ] || check "limit of $limit KB: one line" [ "$(wc -l <stderr)" = 1 ]
  check "limit of $limit KB: nothing left" [ "$(listing)" = "$before" ]
done
check "the last one is right" cmp y.npy expected.npy

check_end outputs
