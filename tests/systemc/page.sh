#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# Takes program and command of docs/systemc.md as printed, builds them against an installation in a prefix of its own, and runs the
# program; an older C++ is refused with a clear text. usage: tests/systemc/page.sh BUILD
set -u
cd "$(dirname "$0")/../.." || exit 1
build=$1
dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
source tests/packaging/checks.sh
page=docs/systemc.md
export PKG_CONFIG_PATH="$dir/prefix/lib/pkgconfig" LD_LIBRARY_PATH="$dir/prefix/lib" SYSTEMC_DISABLE_COPYRIGHT_MESSAGE=1
block() { awk -v fence="$1" -v number="$2" '$0 == fence && ++seen == number {inside = 1; next} /^```/ {inside = 0} inside' "$page"; }

check "install" make -s install BUILD="$build" PREFIX="$dir/prefix"
block '```cpp' 1 >"$dir/first.cpp"
command=$(grep -m 1 '^g++ first.cpp' "$page")
check "the page has a program and a command" test -s "$dir/first.cpp" -a -n "$command"
built() { (cd "$dir" && bash -c "$command"); }
check "it builds" built
says_eleven() { "$dir/first" >"$dir/out" 2>&1 && grep -qx 'y = 11 at [0-9]* [pnu]s' "$dir/out" || { cat "$dir/out"; return 1; }; }
check "it says y = 11" says_eleven
refused() { ! (cd "$dir" && bash -c "$command -std=c++14 -Wfatal-errors") 2>"$dir/error" && grep -q 'need C++17 or later' "$dir/error"; }
check "C++14 is refused with a text" refused
check "the library finds its own" test -z "$(ldd "$dir/prefix/lib/libduplex-systemc.so" | grep 'not found')"
check "uninstall" make -s uninstall BUILD="$build" PREFIX="$dir/prefix"
check "uninstall leaves nothing" test -z "$(find "$dir/prefix" -name '*systemc*')"
[ $failures = 0 ]
