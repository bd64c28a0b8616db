#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# Plants one fault of tests/faults/faults.txt at a time in a copy of the sources and shows that the named test finds it.
# usage: tests/faults/run.sh BUILD [--check] [--shard I/N] [NAME...]
#   --check      only shows that each fault still applies, without building anything
#   --shard I/N  only part I of N, 1 to N: the tests are dealt out one by one, each with all of its faults
# A fault that does not apply exactly once, a fault that the test does not find, or a test that fails without any fault: exit status 1.
set -u
cd "$(dirname "$0")/../.." || exit 1
case ${1:---help} in
  --help) sed -n '3,7s/^# //p' tests/faults/run.sh; exit $(($# ? 0 : 2)) ;;
  -*) echo "faults: $1: expected a build folder, then options" >&2; exit 2 ;;
esac
mkdir -p "$1"
build=$(cd "$1" && pwd)
shift
check=0 shard=1 shards=1
if [ "${1:-}" = --check ]; then check=1; shift; fi
if [ "${1:-}" = --shard ]; then
  if [[ ! "${2:-}" =~ ^([1-9][0-9]?)/([1-9][0-9]?)$ ]] || [ "${2%/*}" -gt "${2#*/}" ]; then
    echo "faults: --shard ${2:-}: expected I/N, I from 1 to N" >&2
    exit 2
  fi
  shard=${2%/*} shards=${2#*/}
  shift 2
fi
work=$build/faults/$shard.$shards
mkdir -p "$work"

sources() { git ls-files -co --exclude-standard | while read -r f; do [ -e "$f" ] && printf '%s\n' "$f"; done; }

copy() { # DESTINATION
  mkdir -p "$1"
  sources | tar cf - -T - | tar xf - -C "$1"
}

# Replaces the one occurrence of a text in a file.
plant() { # FILE OLD NEW
  OLD=$2 NEW=$3 perl -0pi -e '
    my ($old, $new) = ($ENV{OLD}, $ENV{NEW});
    my $count = () = /\Q$old\E/g;
    if ($count != 1) { print STDERR "found $count times: $old\n"; exit 3 }
    s/\Q$old\E/$new/' "$1"
}

try() { # TREE TEST: builds and runs the test; the exit status is the test's
  local tree=$1 test=$2 targets command
  case $test in
    bench:*)
      targets=build/verilator/${test#bench:}/${test#bench:}_bench
      command=$targets
      ;;
    random:*)
      targets=build/verilator/${test#random:}/${test#random:}_bench
      command="env DUPLEX_RANDOM_START=1 $targets"
      ;;
    icarus)
      targets=build/tests/icarus/record
      command='tests/icarus/run.sh build'
      ;;
    unit:*)
      command=build/tests/${test#unit:}
      targets=$command
      if grep -q riscv "tests/${test#unit:}.c"; then targets+=' build/firmware.elf build/controller.so'; fi
      if grep -q '"rtl"' "tests/${test#unit:}.c"; then targets+=' build/rtl/stack_1.so build/rtl/stack_2.so build/rtl/stack_5.so'; fi
      if grep -q duplex_rtl_open "tests/${test#unit:}.c"; then targets+=' build/rtl/stack_1.so build/rtl/stack_2.so build/rtl/stack_3.so'; fi
      ;;
    systemc:*)
      targets=build/tests/systemc/${test#systemc:}
      command=$targets
      ;;
    cosim)
      targets='build/duplex build/timing_judge build/tests/cli/oracle_gemm build/rtl/stack_1.so build/rtl/stack_2.so'
      command='tests/cosim/cosim.sh build'
      ;;
    *) echo "unknown test $test" && return 125 ;;
  esac
  rm -f "$tree/build/rtl/source"  # a copied tree is not where its libraries were made
  # shellcheck disable=SC2086
  (cd "$tree" && nice make -s -j2 BUILD=build $targets) >"$tree/build.log" 2>&1 || { tail -5 "$tree/build.log"; return 125; }
  # shellcheck disable=SC2086
  (cd "$tree" && timeout 300 $command) >"$tree/run.log" 2>&1
}

bad=0
found=0
tests=0
declare -A clean number
while IFS='|' read -r name file old new test; do
  case $name in '' | '#'*) continue ;; esac
  if [ -z "${number[$test]:-}" ]; then
    number[$test]=$tests
    tests=$((tests + 1))
  fi
  [ $((${number[$test]} % shards)) = $((shard - 1)) ] || continue
  if [ $# -gt 0 ]; then
    case " $* " in *" $name "*) ;; *) continue ;; esac
  fi
  if [ $check = 1 ]; then
    cp "$file" "$work/checked"
    if plant "$work/checked" "$old" "$new"; then found=$((found + 1)); else
      echo "BAD    $name: does not apply to $file"
      bad=1
    fi
    continue
  fi
  if [ -z "${clean[$test]:-}" ]; then
    copy "$work/clean"
    if try "$work/clean" "$test"; then clean[$test]=1; else
      echo "BAD    $name: $test fails without any fault"
      bad=1
      clean[$test]=0
      continue
    fi
  fi
  [ "${clean[$test]}" = 1 ] || { bad=1; continue; }
  # What the clean tree built is reused; the file that changes is newer and is built again.
  rm -rf "$work/tree"
  cp -a "$work/clean" "$work/tree"
  if ! plant "$work/tree/$file" "$old" "$new"; then
    echo "BAD    $name: does not apply to $file"
    bad=1
    continue
  fi
  try "$work/tree" "$test"
  status=$?
  if [ $status = 0 ]; then
    echo "MISSED $name: $test passes ($file: $old -> $new)"
    bad=1
  elif [ $status = 125 ]; then
    echo "BAD    $name: does not build"
    bad=1
  else
    found=$((found + 1))
    echo "found  $name: $test: $(grep -m1 -hE 'MISMATCH|ERROR|FAIL|violation|failed|expected' "$work/tree/run.log" | cut -c1-150)"
  fi
done <tests/faults/faults.txt
[ $((found + bad)) -gt 0 ] || { echo "BAD    expected a name of tests/faults/faults.txt: $*"; bad=1; }
[ $check = 1 ] && echo "$found faults apply" || echo "$found faults found"
exit $bad
