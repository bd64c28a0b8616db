#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# Fuzzes the parsers from the kept corpus and prints executions and the lines that the corpus reaches.
# usage: tests/fuzz/run.sh BUILD RUNS [SEED]; a tenth of the runs with sanitizers. New cases go to BUILD/fuzz, a failing case stays
# there (crash-*): replay it with BUILD/tests/fuzz/protocol_fuzz FILE. KEEP=1 puts a small set of all cases into tests/fuzz/corpus.
set -u
build=$(realpath "$1") runs=$2 seed=${3:-1}
cd "$(dirname "$0")/../.." || exit 1
work=$build/fuzz
mkdir -p "$work/cases"
fuzz() { # PROGRAM RUNS
  "$build/tests/fuzz/$1" -seed="$seed" -runs="$2" -max_len=1500 -timeout=10 -rss_limit_mb=2048 -print_final_stats=1 -artifact_prefix="$work/" \
    "$work/cases" tests/fuzz/corpus >"$work/$1.log" 2>&1 || { tail -25 "$work/$1.log"; echo "fuzz: FAILED with seed $seed, case in $work"; exit 1; }
  awk -v name="$1" '/number_of_executed_units/ {print name ": " $2 " executions"}' "$work/$1.log"
}
fuzz protocol_fuzz $((runs / 10))
fuzz protocol_fuzz_fast $((runs - runs / 10))
if [ "${KEEP:-0}" = 1 ]; then
  rm -rf "$work/smallest"
  mkdir -p "$work/smallest"
  tests/fuzz/smallest.py "$build" "$work/cases" tests/fuzz/corpus | xargs -d '\n' cp -t "$work/smallest" || exit 1
  rm -f tests/fuzz/corpus/*
  cp "$work"/smallest/* tests/fuzz/corpus/
fi
tests/fuzz/coverage.sh "$build"
