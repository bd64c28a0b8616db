#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# Lines of the parsers that the kept corpus reaches; fails below 90%. usage: tests/fuzz/coverage.sh BUILD
set -u
export LC_ALL=C  # points in numbers, whatever the locale
build=$(realpath "$1")
cd "$(dirname "$0")/../.." || exit 1
rm -f "$build"/tests/fuzz/*.gcda
find tests/fuzz/corpus -type f -print0 | xargs -0 "$build/tests/fuzz/protocol_replay" || exit 1
cd "$build/tests/fuzz" || exit 1
gcov -n ./*.gcda 2>/dev/null | awk -v FS="'" '
  /^File/ { file = $2; sub(".*/(firmware|cmodel|testbench)/", "&", file) }
  /^Lines/ && file ~ /(firmware\/protocol\/.*|descriptor_check|rv32\/image|kernels\/ring)\.c$/ {
    split($0, part, /[:% ]+/); total += part[5]; hit += part[5] * part[3] / 100
    n = split(file, name, "/"); printf "  %-24s %6.1f%% of %d lines\n", name[n], part[3], part[5] }
  /^Lines/ { file = "" }
  END { printf "parsers: %.1f%% of %d lines reached by the corpus\n", 100 * hit / total, total; exit 100 * hit < 90 * total }'
