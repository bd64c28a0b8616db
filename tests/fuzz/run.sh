#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# Fuzzes the parsers of a target from its kept corpus and prints executions and the lines that the corpus reaches.
# usage: tests/fuzz/run.sh BUILD TARGET RUNS [SEED]; RUNS for each folder of the corpus, a tenth of them with sanitizers. New cases go to
# BUILD/fuzz/TARGET, a failing case stays there (crash-*): replay it with BUILD/tests/fuzz/TARGET_fuzz FILE. KEEP=1 puts a small set of
# all cases into the corpus.
set -u
build=$(realpath "$1") target=$2 runs=$3 seed=${4:-1}
cd "$(dirname "$0")/../.." || exit 1
# Freed memory that is kept for the address sanitizer: with its 256 MB a large piece empties all at once, which takes seconds.
export ASAN_OPTIONS=${ASAN_OPTIONS:+$ASAN_OPTIONS:}quarantine_size_mb=16
declare -A longest=([protocol]=1500 [model]=5000 [serving]=3000)
declare -A parts=([protocol]=. [model]='safetensors gguf config tokenizer' [serving]=.)
fuzz() { # PROGRAM PART RUNS
  local work=$build/fuzz/$target/$2
  mkdir -p "$work/cases"
  "$build/tests/fuzz/$1" -seed="$seed" -runs="$3" -max_len="${longest[$target]}" -timeout=10 -rss_limit_mb=2048 -print_final_stats=1 \
    -artifact_prefix="$work/" "$work/cases" "tests/fuzz/corpus/$target/$2" >"$work/$1.log" 2>&1 ||
    { tail -25 "$work/$1.log"; echo "fuzz: FAILED with seed $seed, case in $work"; exit 1; }
  awk -v name="$1 $2" '/number_of_executed_units/ {print name ": " $2 " executions"}' "$work/$1.log"
}
keep() { # PART
  local work=$build/fuzz/$target/$1 corpus=tests/fuzz/corpus/$target/$1
  rm -rf "$work/smallest"
  mkdir -p "$work/smallest"
  tests/fuzz/smallest.py "$build" "$target" "$work/cases" "$corpus" | xargs -d '\n' cp -t "$work/smallest" || exit 1
  rm -f "$corpus"/*
  cp "$work"/smallest/* "$corpus/"
}
for part in ${parts[$target]}; do
  fuzz "${target}_fuzz" "$part" $((runs / 10))
  fuzz "${target}_fuzz_fast" "$part" $((runs - runs / 10))
  [ "${KEEP:-0}" != 1 ] || keep "$part"
done
tests/fuzz/coverage.sh "$build" "$target"
