#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# The check of C files and scripts finds a file without an opening sentence, a line that is too wide, an opcode by number, a long
# function, one without a contract, a declaration with two values and a private macro, each planted in a file that is right without it.
set -u
cd "$(dirname "$0")/../.." || exit 2
script=$PWD/scripts/measure_code.py
folder=$(mktemp -d) || exit 2
trap 'rm -rf "$folder"' EXIT
cd "$folder" || exit 2
git init -q . && mkdir room tests
bad=0

# LINES -> what the check says of a file that has them
told() {
  printf '%b\n' "$1" >room/unit.c
  git add room/unit.c
  "$script" --check room
}
found() { # NAME LINES EXPECTED
  if told "$2" >out; then
    echo "FAIL $1: nothing is found"
    bad=1
  elif ! grep -qF -- "$3" out || [ "$(wc -l <out)" != 1 ]; then
    echo "FAIL $1: expected one line with '$3'"
    cat out
    bad=1
  else
    echo "ok   $1"
  fi
}

licence='// SPDX-License-Identifier: Apache-2.0'
opening='// One unit of a room.'
told "$licence\n$opening\nint zero;" >out || { echo "FAIL a file that is right"; cat out; bad=1; }
found "no opening sentence" "$licence\nint zero;" "room/unit.c: does not open with a sentence"
found "a wide line" "$licence\n$opening\n// $(printf 'x%.0s' {1..108})" "room/unit.c:3: 111 columns, at most 110 are wanted"
found "an opcode by number" "$licence\n$opening\nbool load = opcode == 1;" "room/unit.c:3 bool load = opcode == 1;: a number that has a name"
body() { for ((i = 0; i < $1; i++)); do printf '  f();\\n'; done; }
told "$licence\n$opening\nint function(void) {\n$(body 38)}" >out || { echo "FAIL a function of 40 lines"; cat out; bad=1; }
found "a long function" "$licence\n$opening\nint function(void) {\n$(body 39)}" "room/unit.c:3 function: 41 lines, at most 40"
told "$licence\n$opening\n\n// A contract.\nstatic int function(void) {\n$(body 14)}" >out || { echo "FAIL a contract"; cat out; bad=1; }
found "no contract" "$licence\n$opening\n\nstatic int function(void) {\n$(body 14)}" "room/unit.c:4 function: no contract above it"
found "a private smaller" "$licence\n$opening\n#define MIN(a, b) a" "room/unit.c:3 #define MIN(a, b) a: include/duplex has it"
found "a private field" "$licence\n$opening\n#define GET(field) field" "include/duplex has it"
found "two values in a line" "$licence\n$opening\nint one = 1, two = f(1, 2);" "room/unit.c:3 int one = 1, two = f(1, 2);: values of several names"
told "$licence\n$opening\nint one = f(1, 2), other;" >out || { echo "FAIL one value"; cat out; bad=1; }
found "bits of an address" "$licence\n$opening\nint at = row << 27 | column << 13;" "include/duplex has it"
printf '%s\n' "$licence" 'NEEDS = one' >tests/room.mk
git add tests/room.mk
found "tests without an opening sentence" "$licence\n$opening\nint zero;" "tests/room.mk: does not open with a sentence"
exit $bad
