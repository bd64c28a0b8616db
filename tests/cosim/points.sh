#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# A point of the design space from its parameters on: its headers, lint of the whole stack with three tools, and random GEMM,
# expert and attention jobs on C model and RTL (2 channels): the bytes of the exact oracles, equal clocks and counters.
# usage: tests/cosim/points.sh BUILD POINT [CASES [--plain]]     POINT: a file of synth/points without its ending; --plain: cheap cases of attention
set -u
build=$1/points/$2 point=synth/points/$2.params cases=${3:-20} default=$1
plain=$([ "${4:-}" = --plain ] && echo 1 || echo 0)
cd "$(dirname "$0")/../.." || exit 2
fail() { echo "points: $point: $*"; exit 1; }

mkdir -p "$build"
before=$(git status --porcelain 2>/dev/null)
built() { make -s CFLAGS=-O1 PARAMS="$point" BUILD="$build" "${@/#/$build/}" >"$build/build.log" 2>&1 || { tail -n 20 "$build/build.log"; fail "does not build"; }; }
built duplex timing_judge tests/cosim/attention tests/cli/oracle_gemm tests/attention/test_attention
# Verilator's run-time library knows no parameters; its records tell make whether it is the right one.
[ -e "$build/rtl/runtime" ] || [ ! -e "$default/rtl/runtime" ] || cp -a "$default/rtl/runtime" "$build/rtl/" || fail "no copy of the run-time library"
built rtl/stack_2.so
[ "$(git status --porcelain 2>/dev/null)" = "$before" ] || fail "the build changed committed files"

mapfile -t rtl < <(grep -v -e '^#' -e '^$' rtl/files.f)
folders=(-I"$build/params/generated" -Iparams/generated -Irtl/common)
verilator --lint-only -Wall -GCHANNELS=2 "${folders[@]}" rtl/lint.vlt --top-module stack "${rtl[@]}" >"$build/lint.log" 2>&1 && [ ! -s "$build/lint.log" ] ||
  { cat "$build/lint.log"; fail "verilator warns"; }
iverilog -g2012 -Wall -t null -Pstack.CHANNELS=2 "${folders[@]}" -s stack "${rtl[@]}" >"$build/lint.log" 2>&1 && [ ! -s "$build/lint.log" ] ||
  { cat "$build/lint.log"; fail "iverilog warns"; }
yosys -q -p "read_verilog -sv ${folders[*]} ${rtl[*]}; hierarchy -check -top stack -chparam CHANNELS 2" >"$build/lint.log" 2>&1 ||
  { tail "$build/lint.log"; fail "yosys"; }

tests/cosim/cosim.sh "$build" --channels 2 --cases "$cases" || fail "jobs"
"$build/tests/attention/test_attention" >"$build/oracle.log" 2>&1 || { tail -n 20 "$build/oracle.log"; fail "attention against the exact oracle"; }
"$build/tests/cosim/attention" --channels 2 --cases "$cases" --plain "$plain" || fail "attention"

# What is of another point is refused in one line.
if [ -e "$default/rtl/stack_2.so" ]; then
  "$build/duplex" random --shape 1,1 --seed 1 --dist normal:1 --out "$build/one.npy" || fail "no input"
  mkdir -p "$build/other"
  cp "$default/rtl/stack_2.so" "$build/other/stack_2.so"
  text=$(DUPLEX_RTL_DIR="$build/other" "$build/duplex" gemm --x "$build/one.npy" --w "$build/one.npy" --backend rtl --channels 2 --out "$build/y.npy" 2>&1)
  code=$?
  [ $code = 1 ] && [ "$(wc -l <<<"$text")" = 1 ] && grep -q "another point of the design space" <<<"$text" ||
    fail "a stack of the default point is not refused: exit $code, $text"
fi
echo "points: $2: lint clean, all bytes, clocks and counters equal"
