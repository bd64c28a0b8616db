#!/bin/bash
# Runs tests and prints time by group.
# usage: scripts/run_tests.sh BUILD TIER [GROUP...]
#   TIER    test or regress; the lines of tests/list.txt with that tier run, besides all unit tests and unit benches
#   GROUP   only these groups
# environment: JOBS (2) at a time; DUPLEX_SEED (1), DUPLEX_CASES scale the random tests; RESUME=1 skips what passed before in this build
# Log of each test: BUILD/test-logs/<tier>/<group>.<name>.log; JUnit XML: BUILD/test-logs/<tier>/junit.xml. Exit status 1 if any test failed.
set -u
build=$1
tier=$2
shift 2
groups=("$@")
logs=$build/test-logs/$tier
mkdir -p "$logs"
[ "${RESUME:-0}" = 1 ] || rm -f "$logs"/*
export DUPLEX_SEED=${DUPLEX_SEED:-1} B=$build
echo "seed $DUPLEX_SEED (set DUPLEX_SEED for another), $tier"

wanted() { # GROUP
  [ ${#groups[@]} = 0 ] && return 0
  local group
  for group in "${groups[@]}"; do [ "$group" = "$1" ] && return 0; done
  return 1
}

# One line a test: group, name, command.
plan() {
  local file unit
  while read -r row_tier group name command; do
    [ "$row_tier" = "$tier" ] || [ "$row_tier" = both ] || continue
    printf '%s\t%s\t%s\n' "$group" "$name" "$command"
  done < <(grep -v -e '^#' -e '^$' tests/list.txt)
  for file in testbench/*/*_bench.cpp; do
    unit=$(basename "$file" _bench.cpp)
    printf 'bench\t%s\t%s\n' "$unit" "$build/verilator/$unit/${unit}_bench --seed $DUPLEX_SEED"
  done
  for file in tests/*/test_*.c; do
    file=${file%.c}
    printf 'unit\t%s\t%s\n' "$(basename "$file")" "$build/$file"
  done
}

run_one() { # GROUP NAME COMMAND
  local log=$logs/$1.$2.log start status
  [ -e "$log.ok" ] && return
  start=$(date +%s.%N)
  bash -c "$3" >"$log" 2>&1 </dev/null
  status=$?
  local seconds
  seconds=$(echo "$(date +%s.%N) $start" | awk '{printf "%.1f", $1 - $2}')
  if [ $status = 0 ]; then
    echo "$seconds" >"$log.ok"
    printf 'ok    %6s s  %s %s\n' "$seconds" "$1" "$2"
  else
    echo "$seconds" >"$log.failed"
    printf 'FAIL  %6s s  %s %s (exit %d): %s\n' "$seconds" "$1" "$2" "$status" "$3"
    tail -n 25 "$log" | sed 's/^/      | /'
  fi
}

begin=$(date +%s)
running=0
while IFS=$'\t' read -r group name command; do
  wanted "$group" || continue
  [ "$running" -lt "${JOBS:-2}" ] || { wait -n; running=$((running - 1)); }
  run_one "$group" "$name" "$command" &
  running=$((running + 1))
done < <(plan)
wait

{
  echo '<?xml version="1.0"?><testsuite name="duplex">'
  for result in "$logs"/*.log.ok "$logs"/*.log.failed; do
    [ -e "$result" ] || continue
    name=$(basename "$result")
    name=${name%.log.*}
    printf '<testcase classname="%s" name="%s" time="%s">' "${name%%.*}" "${name#*.}" "$(cat "$result")"
    case $result in *.failed) printf '<failure message="see %s"/>' "$(basename "${result%.failed}")" ;; esac
    echo '</testcase>'
  done
  echo '</testsuite>'
} >"$logs/junit.xml"

echo "time by group (seconds of one core):"
for result in "$logs"/*.log.ok "$logs"/*.log.failed; do
  [ -e "$result" ] && printf '%s %s\n' "$(basename "$result" | cut -d. -f1)" "$(cat "$result")"
done | awk '{sum[$1] += $2; count[$1]++} END {for (g in sum) printf "  %-10s %4d tests %8.1f s\n", g, count[g], sum[g]}' | sort
passed=$(find "$logs" -name '*.log.ok' | wc -l)
failed=$(find "$logs" -name '*.log.failed' | wc -l)
echo "tests took $(($(date +%s) - begin)) s"
echo "$passed passed, $failed failed"
[ "$failed" = 0 ] && [ "$passed" -gt 0 ]
