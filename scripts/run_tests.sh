#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# Runs the tests of tests/plan.tsv and those found by name, and prints time by group.
# usage: scripts/run_tests.sh BUILD TIER [GROUP...]
#        scripts/run_tests.sh --list [TIER [GROUP...]]   prints the plan
#   TIER    test or regress
#   GROUP   only these groups
# environment: JOBS (2) at a time; DUPLEX_SEED (1), DUPLEX_CASES scale the random tests; RESUME=1 skips what passed before in this build;
#   TEST_LIMIT (600) seconds after which a test is ended; PLAN (tests/plan.tsv)
# Log of each test: BUILD/test-logs/<tier>/<group>.<name>.log; JUnit XML: BUILD/test-logs/<tier>/junit.xml. Exit status 1 if any test failed.
set -u
export LC_ALL=C  # points in numbers, whatever the locale
usage() { sed -n '3,4s/^# //p' "$0" >&2; exit 2; }
list=0
if [ "${1:-}" = --list ]; then
  list=1
  shift
  set -- build "${1:-test}" "${@:2}"
fi
[ $# -ge 2 ] || usage
case $2 in test | regress) ;; *) usage ;; esac
build=$1
tier=$2
[ $list = 1 ] || [ -d "$build" ] || { echo "run_tests: $build: expected a build folder" >&2; exit 2; }
shift 2
groups=("$@")
plan_file=${PLAN:-tests/plan.tsv}
export DUPLEX_SEED=${DUPLEX_SEED:-1} B=$build
# Every change gets a share of the random cases of the tests that run for longest; make regress runs ten times all of them.
[ "$tier" = regress ] || export DUPLEX_SHARE=${DUPLEX_SHARE:-4}
# Many tests start Python. Where `python3` only looks for another one (a shim of pyenv), that takes longer than the start
# itself, so it is done once.
python=$(python3 -c 'import sys; print(sys.executable)')
[ -z "$python" ] || [ "$(command -v python3)" = "$python" ] || export PATH="${python%/*}:$PATH"
TIMEFORMAT='%R %U %S'

wanted() { # GROUP
  [ ${#groups[@]} = 0 ] && return 0
  local group
  for group in "${groups[@]}"; do [ "$group" = "$1" ] && return 0; done
  return 1
}

# The rows of the plan for this tier: tier, group, name, seconds, shows, command.
rows() {
  awk -F '\t' -v tier="$tier" '
    /^#/ || NF == 0 {next}
    NF != 6 || $1 !~ /^(test|regress|both)$/ || $4 !~ /^[0-9]+$/ {
      printf "%s:%d: expected TIER GROUP NAME SECONDS SHOWS COMMAND with tabs between\n", FILENAME, FNR >"/dev/stderr"; exit 2}
    $1 == tier || $1 == "both"' "$plan_file"
}

# What a source file says it is: the first sentence of its first comment.
first_line() { sed -n -e '/SPDX-License-Identifier/d' -e 's|^// *||p' "$1" | head -n 1; }

# A test found by name, with the seconds that the plan gives it, or 1.
found() { # GROUP NAME FILE COMMAND
  local seconds
  seconds=$(awk -F '\t' -v group="$1" -v name="$2" '$2 == group && $3 == name && $6 == "-" {print $4}' <<<"$planned")
  printf '%s\t%s\t%s\t%s\t%s\n' "$1" "$2" "${seconds:-1}" "$(first_line "$3")" "$4"
}

# One line a test, long ones first: group, name, seconds, shows, command.
plan() {
  local file unit
  {
    awk -F '\t' -v OFS='\t' '$6 != "-" {print $2, $3, $4, $5, $6}' <<<"$planned"
    for file in testbench/*/*_bench.cpp; do
      unit=$(basename "$file" _bench.cpp)
      found bench "$unit" "$file" "$build/verilator/$unit/${unit}_bench --seed $DUPLEX_SEED"
    done
    for file in tests/*/test_*.c; do
      found unit "$(basename "$file" .c)" "$file" "$build/${file%.c}"
    done
    for file in tests/systemc/test_*.cpp; do
      found systemc "$(basename "$file" .cpp)" "$file" "$build/${file%.cpp}"
    done
  } | sort -s -t $'\t' -k3,3nr | while IFS= read -r line; do
    if wanted "${line%%$'\t'*}"; then printf '%s\n' "$line"; fi
  done
}

planned=$(rows) || exit 2
mapfile -t tests < <(plan)
for group in "${groups[@]}"; do
  grep -q "^$group	" < <(printf '%s\n' "${tests[@]}") && continue
  echo "run_tests: $group: expected a group of the plan (scripts/run_tests.sh --list)" >&2
  exit 2
done
if [ $list = 1 ]; then
  printf '%s\n' "${tests[@]}" | awk -F '\t' '{printf "%-10s %-20s %s\n", $1, $2, $4; printf "%31s %s\n", "", $5}'
  exit 0
fi

logs=$build/test-logs/$tier
mkdir -p "$logs"
[ "${RESUME:-0}" = 1 ] || rm -f "$logs"/*
echo "seed $DUPLEX_SEED (set DUPLEX_SEED for another), $tier, ${#tests[@]} tests"

clear_line=
[ -t 1 ] && clear_line=$'\r\033[K'
progress() { [ -z "$clear_line" ] || printf '%s  %s' "$clear_line" "$1"; }

# Seconds after which a test is ended: more cases take longer.
limit_of() { # SECONDS
  local limit=${TEST_LIMIT:-600}
  [ $((10 * $1)) -le "$limit" ] || limit=$((10 * $1))
  echo $((limit * ${DUPLEX_CASES:-1}))
}

# Runs one test in a process group of its own, which ends with it when the time is over.
run_one() { # GROUP NAME SECONDS COMMAND
  local log=$logs/$1.$2.log limit status wall user system why
  [ -e "$log.ok" ] && return
  rm -f "$log.failed"  # of the run before, with RESUME=1
  limit=$(limit_of "$3")
  { time timeout -s KILL "$limit" bash -c "$4" >"$log" 2>&1 </dev/null; } 2>"$log.time"
  status=$?
  read -r wall user system < <(tail -n 1 "$log.time")
  rm -f "$log.time"
  local result="$wall $(awk "BEGIN {printf \"%.1f\", $user + $system}")"
  if [ $status = 0 ]; then
    echo "$result" >"$log.ok"
    printf '%sok    %6.1f s  %s %s\n' "$clear_line" "$wall" "$1" "$2"
  else
    echo "$result" >"$log.failed"
    why="exit $status"
    [ "${wall%.*}" -lt "$limit" ] || why="hangs: ended after $limit s"
    printf '%sFAIL  %6.1f s  %s %s (%s): %s\n' "$clear_line" "$wall" "$1" "$2" "$why" "$4"
    tail -n 25 "$log" | sed 's/^/      | /'
  fi
}

begin=$(date +%s)
running=0
started=0
for test in "${tests[@]}"; do
  IFS=$'\t' read -r group name seconds shows command <<<"$test"
  [ "$running" -lt "${JOBS:-2}" ] || { wait -n; running=$((running - 1)); }
  started=$((started + 1))
  run_one "$group" "$name" "$seconds" "$command" &
  running=$((running + 1))
  progress "$started of ${#tests[@]}: $group $name ($shows)"
done
wait
printf '%s' "$clear_line"

# One line a result: group, name, ok or failed, seconds, seconds of processor.
results() {
  local result name
  for result in "$logs"/*.log.ok "$logs"/*.log.failed; do
    [ -e "$result" ] || continue
    name=$(basename "$result")
    echo "${name%%.*} $(sed 's/^[^.]*\.//; s/\.log\..*//' <<<"$name") ${name##*.} $(cat "$result")"
  done
}

results | awk '
  BEGIN {print "<?xml version=\"1.0\"?><testsuite name=\"duplex\">"}
  {printf "<testcase classname=\"%s\" name=\"%s\" time=\"%s\">", $1, $2, $4
   if ($3 == "failed") printf "<failure message=\"see %s.%s.log\"/>", $1, $2
   print "</testcase>"}
  END {print "</testsuite>"}' >"$logs/junit.xml"

echo "time by group (seconds, of them on a processor):"
results | awk '{wall[$1] += $4; cpu[$1] += $5; count[$1]++}
  END {for (g in wall) printf "  %-10s %4d tests %8.1f s %8.1f s\n", g, count[g], wall[g], cpu[g]}' | sort
passed=$(results | awk '$3 == "ok"' | wc -l)
failed=$(results | awk '$3 == "failed"' | wc -l)
echo "tests took $(($(date +%s) - begin)) s, $(results | awk '{sum += $5} END {printf "%.0f", sum}') s of processor"
echo "$passed passed, $failed failed"
[ "$failed" = 0 ] && [ "$passed" -gt 0 ]
