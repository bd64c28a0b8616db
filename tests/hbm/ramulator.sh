#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# The trace for Ramulator 2: each access of a bank once, in its place.
set -u
dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
export_trace=tools/judge/ramulator.py
same() { diff "$1" - || { echo "FAILED: $2"; exit 1; }; }

cat >"$dir/commands.txt" <<'L'
0 3 ACT 1 0f 7   # half of a bundle
4 3 ACT 1 f0 7
2 3 XACT 2 20 9
23 3 RD 1 81 5
25 3 XRD 2 20 31
40 3 WR 1 02 6
L
$export_trace "$dir/commands.txt" "$dir/vectors.txt" || exit 1
same "$dir/vectors.txt" "address vectors" <<'L'
R 1,1,0,2,7,5
R 1,1,3,3,7,5
R 1,1,1,5,9,31
W 1,1,1,2,7,6
L
$export_trace "$dir/commands.txt" "$dir/addresses.txt" --load-store || exit 1
same "$dir/addresses.txt" "addresses" <<'L'
LD 0x6800e500
LD 0x6800e5e0
LD 0x70013fa0
ST 0x6800e620
L
echo '9 0 RD 0 ff 1' >"$dir/closed.txt"
! $export_trace "$dir/closed.txt" "$dir/none.txt" 2>/dev/null || { echo "FAILED: a closed row is not refused"; exit 1; }
