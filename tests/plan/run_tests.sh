#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# The runner of tests ends a test that hangs with all its processes, names it, counts failures, and refuses a bad plan.
# usage: tests/plan/run_tests.sh BUILD
set -eu
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
fail() { echo "$*"; cat "$work/log"; exit 1; }
run() { PLAN=$work/plan TEST_LIMIT=2 DUPLEX_CASES=1 RESUME=0 JOBS=2 scripts/run_tests.sh "$work" test "$@" >"$work/log" 2>&1; }

{
  printf 'test\tsmall\tgood\t0\tPasses\ttrue\n'
  printf 'test\tsmall\tbad\t0\tFails\techo why; exit 3\n'
  printf 'test\tsmall\thanging\t0\tNever ends\ttrap "" TERM; sleep 300 & echo $! >%s/child; wait\n' "$work"
  printf 'regress\tsmall\tlong\t0\tNot of this tier\tfalse\n'
} >"$work/plan"

status=0
run small || status=$?
[ $status = 1 ] || fail "exit $status, expected 1"
grep -q '^FAIL .* small bad (exit 3)' "$work/log" || fail "the failing test is not named"
grep -q '| why' "$work/log" || fail "the failing test's output is not shown"
grep -q '^FAIL .* small hanging (hangs: ended after 2 s)' "$work/log" || fail "the hanging test is not named"
child=$(cat "$work/child")
for _ in 1 2 3 4 5; do [ -e "/proc/$child" ] && sleep 0.2; done
grep -q '^State:.*[SRD] ' "/proc/$child/status" 2>/dev/null && fail "a process of the hanging test is left"
[ "$(tail -n 1 "$work/log")" = '1 passed, 2 failed' ] || fail "the last line"
[ "$(grep -c '<failure' "$work/test-logs/test/junit.xml")" = 2 ] || fail "the JUnit file"

sed -i '/bad\|hanging/d' "$work/plan"
run small || fail "a plan that passes"
[ "$(tail -n 1 "$work/log")" = '1 passed, 0 failed' ] || fail "the last line"
printf 'test\tsmall\tno_seconds\tPasses\ttrue\n' >>"$work/plan"
status=0
run small || status=$?
[ $status = 2 ] && grep -q 'plan:3: expected TIER GROUP NAME SECONDS' "$work/log" || fail "a bad plan is not refused"
echo "a failing and a hanging test are named, the hanging one is ended, a bad plan is refused"
