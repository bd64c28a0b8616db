#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# Scripts and command under a locale whose decimal sign is a comma: numbers are written and read as always. usage: tests/packaging/locale.sh BUILD
set -u
cd "$(dirname "$0")/../.." || exit 1
build=$1
dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
fail() { echo "FAIL $*"; exit 1; }
localedef -i de_DE -f UTF-8 "$dir/de_DE.UTF-8" >"$dir/log" 2>&1 || [ -d "$dir/de_DE.UTF-8" ] || { cat "$dir/log"; fail "no locale"; }
in_comma() { LOCPATH=$dir LC_ALL=de_DE.UTF-8 "$@"; }
# The locale is one: the shell itself reads and writes commas in it.
[ "$(in_comma bash -c 'printf %.1f 1,5')" = 1,5 ] || fail "the locale has no comma"

printf 'test\tsmall\tgood\t0\tPasses\tsleep 0.1\n' >"$dir/plan"
PLAN=$dir/plan RESUME=0 in_comma scripts/run_tests.sh "$dir" test small >"$dir/log" 2>&1 || { cat "$dir/log"; fail "the runner"; }
grep -q 'time="0\.[0-9]*"' "$dir/test-logs/test/junit.xml" || { cat "$dir/test-logs/test/junit.xml"; fail "JUnit XML"; }
! grep -E '[0-9],[0-9]' "$dir/log" || fail "the runner's times"

results() { # NAME
  "$build/duplex" random --shape 3,130 --seed 5 --dist normal:0.25 --out "$dir/$1.x.npy" &&
    "$build/duplex" gemm --x "$dir/$1.x.npy" --w "$dir/$1.x.npy" --out "$dir/$1.npy" --stats "$dir/$1.json" >"$dir/$1.text" &&
    "$build/duplex" info >>"$dir/$1.text" &&
    "$build/duplex" serve --system duplex --model mixtral --mode paper --qps 2.5 --len-sd 0.25 --lin 64 --lout 32 --warm-up 5 --measured 20 \
      --json "$dir/$1.serve.json" --requests-out "$dir/$1.requests.csv" --stages-out "$dir/$1.stages.csv" >/dev/null
}
export -f results
export build dir
in_comma bash -c 'results comma' || fail "the command"
LC_ALL=C bash -c 'results point' || fail "the command"
cmp "$dir/comma.npy" "$dir/point.npy" || fail "results"
diff <(grep -v '"host\|seconds' "$dir/comma.json") <(grep -v '"host\|seconds' "$dir/point.json") || fail "statistics"
for file in serve.json requests.csv stages.csv; do cmp "$dir/comma.$file" "$dir/point.$file" || fail "the simulator's $file"; done
[ "$(head -n 2 "$dir/comma.requests.csv" | tr -cd , | wc -c)" = 12 ] || fail "columns of a table"
jq . "$dir/comma.json" >"$dir/log" || fail "statistics are no JSON"
echo "runner, command and statistics write points under de_DE.UTF-8"
