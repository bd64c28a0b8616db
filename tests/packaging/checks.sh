# SPDX-License-Identifier: Apache-2.0
# Sourced by the tests of packaging: a check is a line, and the end of what it said if it fails. Needs a folder $dir.
failures=0
check() { # NAME COMMAND...
  local name=$1
  shift
  if "$@" >"$dir/said" 2>&1; then echo "ok   $name"; else
    echo "FAIL $name"
    tail -5 "$dir/said"
    failures=$((failures + 1))
  fi
}
