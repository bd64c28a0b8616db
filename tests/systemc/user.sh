#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# A user's platform: the second program of docs/systemc.md against an installation in a prefix of its own, with gcc and clang, as of
# C++17 and C++20, all warnings as errors; a later standard without SC_CPLUSPLUS is refused with a clear text.
# usage: tests/systemc/user.sh BUILD
set -u
cd "$(dirname "$0")/../.." || exit 1
build=$1
dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
source tests/packaging/checks.sh
page=docs/systemc.md
export PKG_CONFIG_PATH="$dir/prefix/lib/pkgconfig" LD_LIBRARY_PATH="$dir/prefix/lib" SYSTEMC_DISABLE_COPYRIGHT_MESSAGE=1
DUPLEX_RTL_DIR=$(realpath "$build")/rtl
export DUPLEX_RTL_DIR
awk '$0 == "```cpp" && ++seen == 2 {inside = 1; next} /^```/ {inside = 0} inside' "$page" >"$dir/user.cpp"
check "the page has a second program" test -s "$dir/user.cpp"
check "install" make -s install BUILD="$build" PREFIX="$dir/prefix"
warnings=(-Wall -Wextra -Wpedantic -Werror)
read -ra flags <<<"$(pkg-config --cflags duplex-systemc)"
read -ra libraries <<<"$(pkg-config --libs duplex-systemc)"
runs() { # COMPILER STANDARD
  "$1" "$dir/user.cpp" -o "$dir/user" "${flags[@]}" "-std=$2" "${warnings[@]}" "${libraries[@]}" && "$dir/user" >"$dir/out" &&
    [ "$(grep -cx 'y = 11' "$dir/out")" = 2 ] && [ "$(grep -c '^[ab] TLM_OK_RESPONSE at ' "$dir/out")" = 4 ] || { cat "$dir/out"; return 1; }
}
for compiler in g++ clang++; do
  for standard in c++17 c++20; do check "$compiler, $standard" runs "$compiler" "$standard"; done
done
unset_is_refused() {
  ! g++ -fsyntax-only "$dir/user.cpp" "${flags[@]}" -std=c++20 -USC_CPLUSPLUS 2>"$dir/error" && grep -q 'expected -DSC_CPLUSPLUS=201703L' "$dir/error"
}
check "C++20 without SC_CPLUSPLUS is refused with a text" unset_is_refused
[ $failures = 0 ]
