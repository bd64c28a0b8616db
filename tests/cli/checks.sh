# SPDX-License-Identifier: Apache-2.0
# shellcheck shell=bash
# What the tests of the command share; sourced with the build folder as the first argument. The test goes on in a folder of its own,
# with build, duplex and dir set, and ends with check_end.
set -u
build=$(cd "$1" && pwd)
duplex=$build/duplex
dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
cd "$dir" || exit 1
failures=0
count=0
check() { # NAME COMMAND...: the command must succeed
  local name=$1
  shift
  count=$((count + 1))
  "$@" || { echo "FAIL $name"; failures=$((failures + 1)); }
}
listing() { find . -mindepth 1 ! -name stdout ! -name stderr -printf '%p %y %m %n %i\n' | sort; }
# STATUS TEXT COMMAND...: exit status, one line of message that has the text, and nothing in the folder is another than before
refused() {
  local wanted=$1 text=$2 before status
  shift 2
  before=$(listing)
  timeout 60 "$@" >stdout 2>stderr
  status=$?
  [ $status = "$wanted" ] && [ "$(wc -l <stderr)" = 1 ] && grep -qF -- "$text" stderr && [ "$(listing)" = "$before" ] && return
  echo "status $status: $(cat stderr)"
  diff <(echo "$before") <(listing)
  return 1
}
check_end() { # NAME: the sums, and the exit status
  echo "$1: $count checks, $failures failures"
  [ $failures = 0 ]
}
