#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# No test builds again what the build has made: make as users, tests, the gate and a build on demand call it takes the records of
# flags, versions and sources below the build folder for the same, and has no step left for the command.
# usage: tests/lint/records.sh BUILD
set -u
cd "$(dirname "$0")/../.." || exit 1
build=$1
# What the caller gave to make, and gives again each time: make does not export variables that it overrides.
given=()
for name in CC CXX CPPFLAGS CFLAGS LDFLAGS SANITIZE; do
  [[ " ${MAKEFLAGS:-}" != *" $name="* ]] || given+=("$(grep "^$name=" "$build/rtl/source")")
done
unset MAKEFLAGS MFLAGS MAKELEVEL MAKEOVERRIDES
bad=0
records() { stat -c '%n %Y %y' "$build"/{flags,version,stack.hash,libduplex.map,firmware.name,rv32.flags,systemc.flags,rtl/source}; }
before=$(records) || exit 1

# The variables of a build on demand are those of BUILD/rtl/source.
mapfile -t on_demand < <(grep = "$build/rtl/source")
kept() { # WHO MAKE-WORDS...
  make -s BUILD="$build" "${given[@]}" "${@:2}" "$build/version" || bad=1
  diff <(echo "$before") <(records) || { echo "FAIL $1: records are written again"; bad=1; }
}
nothing_left() { # WHO MAKE-WORDS...
  local steps
  steps=$(make -n COUNTING=1 BUILD="$build" "${given[@]}" "${@:2}" "$build/duplex" | grep -c '^: counted step')
  [ "$steps" = 0 ] || { echo "FAIL $1: $steps steps for what is built"; bad=1; }
}
kept "make"
kept "make WERROR=1" WERROR=1
kept "a build on demand" "${on_demand[@]}"
# The buffers of make lie elsewhere with other words.
kept "a build on demand, more words" "${on_demand[@]}" "PADDING=$(printf '%300s' | tr ' ' x)"
# Variables that rows of the plan give to make; what is built below another folder has its own.
while IFS=$'\t' read -r _ _ name _ _ command; do
  mapfile -t words < <(grep -o 'make -s [^&|;]*' <<<"$command" | grep -oE '\b[A-Z_]+=[^ '"'"'"]+' | grep -v -e '^BUILD=' -e '^LEAVE=')
  [ ${#words[@]} = 0 ] || kept "the test $name" "${words[@]}"
done < <(grep -v '^#' tests/plan.tsv)
nothing_left "make"
nothing_left "a build on demand" "${on_demand[@]}"
[ $bad = 0 ] && echo "records: the same for all callers of make"
exit $bad
