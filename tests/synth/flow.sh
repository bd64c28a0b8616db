#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# The synthesis flow in a copy of the sources: a unit enters the report by rtl/files.f alone; what did not change is not synthesized again; latches,
# bad options and macro lists without an entry are refused; areas that are better or worse than recorded are both found.
# usage: tests/synth/flow.sh BUILD
set -eu
build=$(realpath "$1")
copy=$(mktemp -d)
trap 'rm -rf "$copy"' EXIT
cp -r rtl params synth VERSION "$copy"
cd "$copy"
fail() { echo "$*"; cat log; exit 1; }
synth() { synth/synth.py --no-timing "$@" >log 2>&1; }
refused() { # TEXT OPTION...
  local text=$1 status=0
  shift
  synth --out out "$@" || status=$?
  [ $status = 2 ] || fail "exit $status, expected 2: $*"
  [ "$(wc -l <log)" -le 2 ] && grep -q "$text" log || fail "expected '$text': $*"
}

unit() { # NAME TEXT
  printf 'module %s(input wire clk_i, input wire [3:0] data_i, output reg [3:0] data_o);\n%s\nendmodule\n' "$1" "$2" >"rtl/gemm/$1.v"
  echo "rtl/gemm/$1.v" >>rtl/files.f
}
unit added 'always @(posedge clk_i) data_o <= data_o + data_i;'
unit leaky 'always @* if (clk_i) data_o = data_i;'
synth --top added --out out || fail "a new unit"
grep -q '^added: synthesis' log || fail "a new unit was not synthesized"
jq -e '.units[0] | .unit == "added" and .flops == 4 and .area > 0' out/added_*/report.json >/dev/null || fail "a new unit is not in the report"
sed -i '1i // A comment.' rtl/gemm/added.v
synth --top added --out out && ! grep -q 'synthesis' log || fail "a comment changed the unit"
sed -i 's/+ data_i/- data_i/' rtl/gemm/added.v
synth --top added --out out && grep -q '^added: synthesis' log || fail "a changed unit was not synthesized again"

refused 'leaky: ' --top leaky
refused 'expected a module of rtl/files.f' --top no_unit
refused 'expected NAME=NUMBER' --set 'rows=?'
refused 'expected a .lib or .lib.gz file' --liberty no.lib
refused 'expected a Liberty file' --liberty VERSION
refused 'expected one of plain' --flow fast
echo 'ram_1r1w 7 7 100' >macros
refused "expected a line 'ram_1r1w" --top accumulator --macros macros
printf 'LANES 5\n' >point.params
refused 'LANES is 5, expected 4, 8 or 16' --params point.params

baseline=synth/baselines/osu018_stdcells.json
jq '.runs |= with_entries(select(.key | startswith("fifo")))' $baseline >small.json
for change in '1.01 better' '0.99 worse' '1 '; do
  jq ".runs[].units[].area *= ${change% *}" small.json >$baseline
  status=0
  synth/check.py --out "$build/synth" >log 2>&1 || status=$?
  if [ -n "${change#* }" ]; then
    [ $status = 1 ] && grep -q "area .* ${change#* } than the recorded" log || fail "an area that is ${change#* } was not found"
  else
    [ $status = 0 ] || fail "an area that is the same was not accepted"
  fi
done
echo "a new unit in the report, 8 refusals, areas judged from both sides"
