#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# A record of requests as traces of other simulators: the lines of the page, and bad records.
# usage: tests/systemc/requests.sh
set -u
cd "$(dirname "$0")/../.." || exit 1
dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
source tests/packaging/checks.sh
page=docs/memory_controller.md
tool=tools/judge/requests.py

# Lines of the table of the page: the record, and what each simulator gets for it.
column() { awk -F' *[|] *' -v column="$1" '/^\| `[0-9]+ 0x/ {print $column}' "$page" | tr -d '`' | sed 's/, /\n/g'; }
{ echo '# Requests to a memory: tCK address R|W bytes'; column 2; } >"$dir/record"
check "the page has lines" test "$(wc -l <"$dir/record")" = 3
same() { # SIMULATOR COLUMN
  "$tool" "$dir/record" "$dir/out" --for "$1" && column "$2" | diff "$dir/out" -
}
check "Ramulator 2" same ramulator 3
check "DRAMSys" same dramsys 4
wider() { "$tool" "$dir/record" "$dir/out" --for ramulator --access 64 && printf 'LD 0x1000\nLD 0x1040\nST 0x2000\n' | diff "$dir/out" -; }
check "accesses of 64 bytes" wider

refused() { # TEXT LINE
  printf '0 0x0 R 4\n%s\n' "$2" >"$dir/bad"
  "$tool" "$dir/bad" "$dir/none" --for dramsys 2>"$dir/error"
  [ $? = 2 ] && [ "$(wc -l <"$dir/error")" = 1 ] && grep -qF -- "$1" "$dir/error" && [ ! -e "$dir/none" ]
}
missing() { # a file that is not there, and an output that cannot be written
  "$tool" "$1" "$2" --for dramsys 2>"$dir/error"
  [ $? = 2 ] && [ "$(wc -l <"$dir/error")" = 1 ]
}
check "no record" missing "$dir/nothing" "$dir/none"
check "no place for the trace" missing "$dir/record" "$dir/no/folder"
comment() { printf '# \xff\n7 0x40 R 4\n2 0x0 R 4\n' >"$dir/unordered" && "$tool" "$dir/unordered" "$dir/out" --for dramsys && printf '2: read 0x0\n7: read 0x40\n' | diff "$dir/out" -; }
check "a comment of any bytes, times that go back" comment
expected='bad:2: expected `tCK address R|W bytes`'
for line in '1 0x0 X 4' '1 0x0 R 0' '1 0x0 R' '1 0x0 R 4 5' '-1 0x0 R 4' '1 zero R 4' '1_0 0x0 R 4' '1 0x0 R 1048577' $'1 0x0 R 4\xff'; do check "refused: $line" refused "$expected" "$line"; done
[ $failures = 0 ]
