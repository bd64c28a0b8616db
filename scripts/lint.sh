#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# Reads every RTL file with Verilator (-Wall), Icarus and Yosys, checks the format of the C files, widths, opening sentences and the layers of the project.
# usage: scripts/lint.sh [BUILD]
set -u
cd "$(dirname "$0")/.." || exit 1
build=${1:-build}
mkdir -p "$build/lint"
bad=0
fail() { echo "lint: $*"; bad=1; }

mapfile -t rtl < <(grep -v -e '^#' -e '^$' rtl/files.f)
for file in rtl/*/*.v; do
  printf '%s\n' "${rtl[@]}" | grep -qx "$file" || fail "$file is not in rtl/files.f"
  grep -q "^module $(basename "$file" .v)\b" "$file" || fail "$file: its module has another name"
done

waivers=()
[ -e rtl/lint.vlt ] && waivers=(rtl/lint.vlt)
# Without and with the assertions that benches switch on. Verilator takes twice as long for two channels as for one, so that it looks at
# the assertions in a stack of one.
for define in NO_ASSERT DUPLEX_ASSERT; do
  log=$build/lint/$define
  channels=$([ $define = NO_ASSERT ] && echo 2 || echo 1)
  verilator --lint-only -Wall -D$define "-GCHANNELS=$channels" -Iparams/generated -Irtl/common "${waivers[@]}" --top-module stack "${rtl[@]}" \
    >"$log.verilator.log" 2>&1 || { cat "$log.verilator.log"; fail "verilator -D$define"; }
  [ ! -s "$log.verilator.log" ] || { cat "$log.verilator.log"; fail "verilator warns"; }
  iverilog -g2012 -Wall -t null -D$define -Pstack.CHANNELS=2 -Iparams/generated -Irtl/common -s stack "${rtl[@]}" \
    >"$log.iverilog.log" 2>&1 || { tail "$log.iverilog.log"; fail "iverilog -D$define"; }
  yosys -q -p "read_verilog -sv -D$define -Iparams/generated -Irtl/common ${rtl[*]}; hierarchy -check -top stack -chparam CHANNELS 2" \
    >"$log.yosys.log" 2>&1 || { tail "$log.yosys.log"; fail "yosys -D$define"; }
  [ ! -s "$log.yosys.log" ] || { cat "$log.yosys.log"; fail "yosys warns"; }
done
scripts/rtl_style.py || fail "rtl_style (docs/rtl_style.md)"

generated="include/duplex/(params|registers|descriptor|enumerations|dram_presets|energy)\.h$|_tables\.c$"
mapfile -t c_files < <(git ls-files "*.c" "*.h" "*.cpp" | grep -v -E "$generated")
clang-format --dry-run --Werror "${c_files[@]}" >"$build/lint/format.log" 2>&1 || { head -20 "$build/lint/format.log"; fail "clang-format"; }

scripts/measure_code.py --check || fail "code"

# Pages: links, anchors, widths; licence lines.
scripts/check_docs.py || fail "pages"
scripts/spdx.sh --check || fail "licence lines"

# Layers: what layers.txt says of includes, and of the objects if there are any.
scripts/layers.py "$build" || fail "layers"
[ $bad = 0 ] && echo "lint: ${#rtl[@]} RTL files, ${#c_files[@]} C files clean"
exit $bad
