#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# Lines of the parsers that the kept corpus reaches; fails below 90%. usage: tests/fuzz/coverage.sh BUILD TARGET
set -u
export LC_ALL=C  # points in numbers, whatever the locale
build=$(realpath "$1") target=$2
declare -A parsers=([protocol]='(firmware/protocol/.*|descriptor_check|rv32/image|kernels/ring)\.c$'
  [model]='model/(safetensors|gguf|gguf_config|config|config_(attention|experts|json|keys|layers|rope|tokens|unknown)|json|tensor|tokenizer_json|tokenizer_gguf)\.c$'
  [serving]='(serving/(config_file|hugging_face|model_shapes|imbalance_file|machine|model|profile|table_text|trace_file)|cli/sweep_plan|xpu/kernel_file)\.c$')
cd "$(dirname "$0")/../.." || exit 1
rm -f "$build/tests/fuzz/$target"/*.gcda
find "tests/fuzz/corpus/$target" -type f -print0 | xargs -0 "$build/tests/fuzz/${target}_replay" || exit 1
cd "$build/tests/fuzz/$target" || exit 1
gcov -n ./*.gcda 2>/dev/null | awk -v FS="'" -v parsers="${parsers[$target]//\\/\\\\}" '
  /^File/ { file = $2 }
  /^Lines/ && file ~ parsers {
    split($0, part, /[:% ]+/); total += part[5]; hit += part[5] * part[3] / 100
    n = split(file, name, "/"); printf "  %-24s %6.1f%% of %d lines\n", name[n], part[3], part[5] }
  /^Lines/ { file = "" }
  END {
    if (!total) { print "parsers: no lines were counted: expected counters of the replay program and gcov beside it"; exit 1 }
    printf "parsers: %.1f%% of %d lines reached by the corpus\n", 100 * hit / total, total; exit 100 * hit < 90 * total }'
