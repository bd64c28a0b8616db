#!/bin/bash
# Reads every RTL file with Verilator (-Wall), Icarus and Yosys, checks the format of the C files and the layers of the project.
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
verilator --lint-only -Wall -GCHANNELS=2 -Iparams/generated "${waivers[@]}" --top-module stack "${rtl[@]}" >"$build/lint/verilator.log" 2>&1 ||
  { cat "$build/lint/verilator.log"; fail "verilator"; }
[ ! -s "$build/lint/verilator.log" ] || { cat "$build/lint/verilator.log"; fail "verilator warns"; }
iverilog -g2012 -Wall -t null -Pstack.CHANNELS=2 -Iparams/generated -s stack "${rtl[@]}" >"$build/lint/iverilog.log" 2>&1 || { tail "$build/lint/iverilog.log"; fail "iverilog"; }
yosys -q -p "read_verilog -sv -Iparams/generated ${rtl[*]}; hierarchy -check -top stack -chparam CHANNELS 2" >"$build/lint/yosys.log" 2>&1 ||
  { tail "$build/lint/yosys.log"; fail "yosys"; }

mapfile -t c_files < <(git ls-files "*.c" "*.h" "*.cpp" | grep -v -E "include/duplex/(params|registers|descriptor|enumerations|dram_presets|energy)\.h$|_tables\.c$")
clang-format --dry-run --Werror "${c_files[@]}" >"$build/lint/format.log" 2>&1 || { head -20 "$build/lint/format.log"; fail "clang-format"; }

# Layers: what layers.txt says of includes, and of the objects if there are any.
scripts/layers.py "$build" || fail "layers"
[ $bad = 0 ] && echo "lint: ${#rtl[@]} RTL files, ${#c_files[@]} C files clean"
exit $bad
