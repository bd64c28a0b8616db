#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# The report names the files that are simulated, with their hash: those that Verilator has read for the stack, and the generated headers.
# usage: tests/synth/sources.sh BUILD
set -eu
build=$1
out=$(mktemp -d)
trap 'rm -rf "$out"' EXIT
synth/synth.py --top operand --no-timing --out "$out" >/dev/null 2>&1
report=$(ls "$out"/operand_*/report.json)
jq -r '.files[]' "$report" | LC_ALL=C sort >"$out/reported"

hash=$(xargs sha256sum <"$out/reported" | sha256sum | cut -d' ' -f1)
[ "$hash" = "$(jq -r .sources "$report")" ] || { echo "the report's hash is not that of its files: $hash"; exit 1; }

cat "$build"/rtl/channel/Vchannel__ver.d "$build"/rtl/top_2/Vstack__ver.d | tr ' ' '\n' | grep -oE '(rtl|params/generated)/[a-z_0-9/]*\.vh?$' |
  LC_ALL=C sort -u >"$out/simulated"
[ -s "$out/simulated" ] || { echo "no Verilated stack in $build/rtl"; exit 1; }
# A header may be one that only the firmware's constants or another timing preset needs; RTL files must be the same.
missing=$(comm -13 "$out/reported" "$out/simulated")
[ -z "$missing" ] || { echo "simulated, but not in the report: $missing"; exit 1; }
unused=$(comm -23 "$out/reported" "$out/simulated" | grep '\.v$' | while read -r file; do
  compgen -G "testbench/*/$(basename "$file" .v)_bench.cpp" >/dev/null || echo "$file"  # a unit that is not in the stack yet has its own bench
done)
[ -z "$unused" ] || { echo "in the report, but not simulated: $unused"; exit 1; }
echo "$(wc -l <"$out/simulated") simulated files, all in the report; hash $hash"
