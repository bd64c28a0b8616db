#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# duplex attention: the exact bytes for every number of channels, spread, set of bundles and way to give lengths; statistics.
# usage: tests/cli/attention.sh BUILD
# shellcheck source=tests/cli/checks.sh
. "$(dirname "$0")/checks.sh"
oracle=$build/tests/cli/oracle_attention

while read -r batch q_heads heads d lengths scale dist; do
  longest=$(tr , '\n' <<<"$lengths" | sort -n | tail -1)
  "$duplex" random --shape "$batch,$q_heads,$d" --seed 1 --dist "$dist" --out q.npy &&
    "$duplex" random --shape "$batch,$heads,$longest,$d" --seed 2 --dist "$dist" --out k.npy &&
    "$duplex" random --shape "$batch,$heads,$longest,$d" --seed 3 --dist "$dist" --out v.npy &&
    "$oracle" q.npy k.npy v.npy "$lengths" "$scale" exact.npy p16 &&
    "$oracle" q.npy k.npy v.npy "$lengths" "$scale" exact_p32.npy p32 || exit 1
  options=(--q q.npy --k k.npy --v v.npy --lengths "$lengths")
  usual=exact.npy  # by default weights have two parts where these cost no time
  [ $((q_heads / heads)) -gt 4 ] || usual=exact_p32.npy
  [ "$scale" = 0 ] || options+=(--scale "$scale")
  for channels in 1 2 3 5 32; do
    name="$batch $q_heads $heads $d $lengths $scale $dist, $channels channels"
    check "$name" "$duplex" attention "${options[@]}" --out o.npy --channels $channels --stats stats.json
    check "$name: exact" cmp o.npy $usual
    check "$name, p16" "$duplex" attention "${options[@]}" --out o.npy --channels $channels --weights p16
    check "$name, p16: exact" cmp o.npy exact.npy
    check "$name, p32" "$duplex" attention "${options[@]}" --out o.npy --channels $channels --weights p32
    check "$name, p32: exact" cmp o.npy exact_p32.npy
  done
  for spread in 1 2 4 8 16 32; do
    [ $((spread * heads)) -gt 32 ] && break
    check "$name, spread $spread" "$duplex" attention "${options[@]}" --out o.npy --spread $spread --weights p16 --stats stats.json
    check "$name, spread $spread: exact" cmp o.npy exact.npy
    check "$name, spread $spread, p32" "$duplex" attention "${options[@]}" --out o.npy --spread $spread --weights p32
    check "$name, spread $spread, p32: exact" cmp o.npy exact_p32.npy
  done
  check "$name, one bundle" "$duplex" attention "${options[@]}" --out o.npy --channels 2 --bundles 1 --weights p16
  check "$name, one bundle: exact" cmp o.npy exact.npy
  check "$name, append inside" "$duplex" attention "${options[@]}" --out o.npy --channels 3 --append inside --weights p16 --stats append.json
  check "$name, append inside: exact" cmp o.npy exact.npy
  check "$name, append inside: K and the pieces of V" [ "$(jq .xpu_write_bytes append.json)" -ge $((batch * heads * d * 2 + batch * heads * d * 32)) ]
  check "$name, append inside: takes time" [ "$(jq '.append_cycles > 0 and .cycles > .append_cycles' append.json)" = true ]
  bytes=$(($(tr , + <<<"$lengths")))
  check "$name: useful bytes" [ "$(jq .useful_bytes stats.json)" = $((bytes * heads * d * 4)) ]
  check "$name: MACs" [ "$(jq '[.channels[].macs] | add' stats.json)" = $((bytes * q_heads * d * 2)) ]
  check "$name: bytes read" [ "$(jq .dram_read_bytes stats.json)" -ge $((bytes * heads * d * 4)) ]
done <<'L'
1 1 1 16 1 0 normal:1
3 8 2 128 70,1,133 0 normal:1
2 9 1 80 64,65 0.3 normal:0.5
2 16 1 48 30,200 0 classes
4 5 5 64 9,129,1,64 0.01 bits
1 10 10 256 40 0 uniform:2
2 2 1 32 3000,700 0 normal:1
L

# Lengths from files, and the default.
"$duplex" random --shape 2,4,32 --seed 1 --dist normal:1 --out q.npy
for name in k v; do "$duplex" random --shape 2,2,50,32 --seed ${#name} --dist normal:1 --out $name.npy; done
"$duplex" attention --q q.npy --k k.npy --v v.npy --lengths 50,50 --out all.npy
check "default lengths" "$duplex" attention --q q.npy --k k.npy --v v.npy --out o.npy
check "default lengths: the same" cmp o.npy all.npy
"$duplex" attention --q q.npy --k k.npy --v v.npy --lengths 7,50 --out exact.npy
for type in '<i4 i' '<i8 q'; do
  read -r descr letter <<<"$type"
  python3 -c "
import struct, sys
header = b\"{'descr': '$descr', 'fortran_order': False, 'shape': (2,), }\".ljust(117) + b'\n'
open('lengths.npy', 'wb').write(b'\x93NUMPY\1\0' + struct.pack('<H', len(header)) + header + struct.pack('<2$letter', 7, 50))"
  check "lengths as $descr" "$duplex" attention --q q.npy --k k.npy --v v.npy --lengths lengths.npy --out o.npy
  check "lengths as $descr: the same" cmp o.npy exact.npy
done
# The largest batch: what the refusal of a larger one names has room, and its o is right (one position: o is v).
batch() { # SEQUENCES
  "$duplex" random --shape "$1,1,16" --seed 1 --dist normal:1 --out q.npy && "$duplex" random --shape "$1,1,1,16" --seed 2 --dist normal:1 --out kv.npy
}
elements() { tail -c "$1" "$2"; }
batch 3000
told=$("$duplex" attention --q q.npy --k kv.npy --v kv.npy --out o.npy --channels 1 2>&1 >/dev/null; echo $?)
check "a batch that is too large" [ "$told" = "duplex: --q q.npy: has 3000 sequences, the stack's DRAM has room for K, V, q and o of the first 2764
2" ]
batch 2765
check "one sequence too many" [ "$("$duplex" attention --q q.npy --k kv.npy --v kv.npy --out o.npy --channels 1 2>/dev/null; echo $?)" = 2 ]
batch 2764
check "the largest batch" "$duplex" attention --q q.npy --k kv.npy --v kv.npy --out o.npy --channels 1
check "the largest batch: exact" cmp <(elements $((2764 * 32)) o.npy) <(elements $((2764 * 32)) kv.npy)
check_end attention
