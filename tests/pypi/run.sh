#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# What packages of PyPI show: FuseSoC lints and simulates duplex.core, slang reads the Verilog, the cocotb example passes, the package
# tokenizers finds the same tokens.
# usage: tests/pypi/run.sh BUILD
# The packages of requirements.txt, and of alone.txt without what these name, go into a virtual environment in BUILD/pypi. Where no
# package index can be reached all of it is skipped, with one line and exit status 0; anything else that goes wrong fails.
set -u
cd "$(dirname "$0")/../.." || exit 1
mkdir -p "$1" || exit 1
build=$(cd "$1" && pwd)
wanted=tests/pypi/requirements.txt alone=tests/pypi/alone.txt
home=$build/pypi
logs=$home/logs

fail() { echo "test-pypi: $*" >&2; exit 1; }

# What pip says when it has nobody to ask; a version that an index does not have reads otherwise.
is_unreachable() { grep -qE 'Retrying|NewConnectionError|ConnectTimeout|Temporary failure in name|\(from versions: none\)' "$1"; }

install() {
  cat "$wanted" "$alone" | cmp -s - "$home/installed.txt" && return
  rm -rf "$home"
  mkdir -p "$logs"
  python3 -m venv "$home/venv" >"$logs/venv.log" 2>&1 || fail "python3 -m venv: expected python3-venv ($logs/venv.log)"
  if ! "$home/venv/bin/pip" install -q --disable-pip-version-check --retries 1 --timeout 20 -r "$wanted" >"$logs/pip.log" 2>&1 ||
    ! "$home/venv/bin/pip" install -q --disable-pip-version-check --retries 1 --timeout 20 --no-deps -r "$alone" >>"$logs/pip.log" 2>&1; then
    is_unreachable "$logs/pip.log" || { tail -n 5 "$logs/pip.log" >&2; fail "pip: $wanted ($logs/pip.log)"; }
    echo "test-pypi: skipped: no package index can be reached"
    exit 0
  fi
  cat "$wanted" "$alone" >"$home/installed.txt"
}

passed=0
failed=0
check() { # NAME COMMAND...: its output goes to a log
  local name=$1 log=$logs/$1.log
  shift
  if "$@" >"$log" 2>&1 </dev/null; then
    passed=$((passed + 1))
    echo "ok    $name"
  else
    failed=$((failed + 1))
    echo "FAIL  $name ($log)"
    tail -n 15 "$log" | sed 's/^/      | /'
  fi
}

fusesoc_target() { # TARGET
  rm -rf "$home/fusesoc_$1"
  fusesoc --config "$home/fusesoc.conf" --cores-root . run --target="$1" --work-root "$home/fusesoc_$1" duplex:logic_pim:stack
}
lint() { fusesoc_target lint && ! grep -q '%Warning' "$logs/fusesoc_lint.log"; }
simulate() { fusesoc_target sim && grep -q 'stack: .* clocks, 0 failures' "$logs/fusesoc_sim.log"; }

# cocotb's Makefile ends with 0 whatever its tests did; the results tell.
cocotb_example() {
  local results=$home/cocotb/results.xml
  mkdir -p "$home/cocotb"
  rm -f "$results"
  make --no-print-directory -C examples/cocotb SIM_BUILD="$home/cocotb/sim" COCOTB_RESULTS_FILE="$results" || return 1
  [ "$(grep -c '<testcase' "$results")" = 2 ] && ! grep -qE '<(failure|error|skipped)' "$results"
}

install
touch "$home/fusesoc.conf" "$build/FUSESOC_IGNORE"  # no cores of copies that tests make
PATH=$home/venv/bin:$PATH
export PYTHONDONTWRITEBYTECODE=1
check slang python tests/pypi/slang.py
check fusesoc_lint lint
check fusesoc_sim simulate
check cocotb cocotb_example
check model_tokens python tests/pypi/model_tokens.py "$build"
echo "$passed passed, $failed failed"
[ "$failed" = 0 ]
