#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# The check of C files and scripts finds a file without an opening sentence, a line that is too wide and an opcode by number,
# each planted in a file that is right without it.
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
exit $bad
