#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# Plants what layers.txt forbids, one thing at a time, in a copy of the tree: scripts/layers.py must name each.
# usage: tests/lint/layers.sh BUILD
set -u
cd "$(dirname "$0")/../.." || exit 1
build=$(realpath "$1")
dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
failures=0
flags=(-std=c11 -D_GNU_SOURCE -fPIC -Iinclude -I.)

# The sources and the library's objects, which are lighter without what debuggers want; git does not know them, so every file counts.
mkdir -p "$dir/pristine/build"
{ git ls-files -co --exclude-standard 2>/dev/null || find . -path ./build -prune -o -type f -print; } |
  while read -r f; do [ -e "$f" ] && printf '%s\n' "$f"; done | grep -E '\.(c|h|cpp|inc|S|py|txt|md)$' | tar cf - -T - | tar xf - -C "$dir/pristine"
(cd "$build" && find obj systemc/obj -name '*.o' -print0 | tar cf - --null -T -) | tar xf - -C "$dir/pristine/build"
find "$dir/pristine/build" -name '*.o' -print0 | xargs -0 strip --strip-debug

# A tree of links to these files: what changes one has to replace it.
fresh() {
  rm -rf "$dir/tree"
  cp -al "$dir/pristine" "$dir/tree"
}

append() { # LINE FILE: of the tree
  { cat "$dir/tree/$2" 2>/dev/null; printf '%s\n' "$1"; } >"$dir/new"
  mv "$dir/new" "$dir/tree/$2"
}

expect() { # NAME TEXT [BUILD]: layers.py fails and says so, of the objects too with BUILD
  local said
  if said=$("$dir/tree/scripts/layers.py" "${@:3}"); then
    echo "FAIL $1: not found"
  elif ! grep -qF "$2" <<<"$said"; then
    echo "FAIL $1: expected '$2', got: $said"
  else
    echo "ok   $1"
    return
  fi
  failures=$((failures + 1))
}

# Compiles an object of the copy again, with a line more.
plant() { # FILE LINE
  append "$2" "$1"
  case $1 in
    backend/systemc/*.cpp) rm "$dir/tree/build/systemc/obj/$(basename "$1" .cpp).o" && (cd "$dir/tree" && c++ -std=c++17 -fPIC -Iinclude -I. -c "$1" -o "build/systemc/obj/$(basename "$1" .cpp).o") || exit 1 ;;
    *) rm "$dir/tree/build/obj/${1%.c}.o" && (cd "$dir/tree" && cc "${flags[@]}" -c "$1" -o "build/obj/${1%.c}.o") || exit 1 ;;
  esac
}

fresh
"$dir/tree/scripts/layers.py" "$dir/tree/build" || { echo "FAIL the tree itself"; exit 1; }
append '#include "driver/stack.h"' cmodel/common/error.c
expect "a lower floor includes a higher one" "cmodel/common/error.c includes driver/stack.h"
for spelling in '#include <driver/stack.h>' '#  include "driver/stack.h"' '#include "../../driver/stack.h"'; do
  fresh
  append "$spelling" cmodel/common/error.c
  expect "the same as $spelling" "cmodel/common/error.c includes driver/stack.h"
done
fresh
append '#include "cmodel/gemm/fast_kernels.h"' cli/info.c
expect "the command includes a private header" "cli/info.c includes cmodel/gemm/fast_kernels.h"
fresh
plant cmodel/common/error.c 'struct duplex_stack; void duplex_stack_close(struct duplex_stack *s); void planted(void) { duplex_stack_close(0); }'
expect "a lower floor calls a higher one" "cmodel/common/error.c uses duplex_stack_close" "$dir/tree/build"
fresh
plant driver/space.c 'int duplex_kv_move(void *s); int planted(void *s) { return duplex_kv_move(s); }'
expect "a circle of calls" "circle of calls" "$dir/tree/build"
fresh
plant driver/space.c 'static int planted; int next_planted(void) { return planted++; }'
expect "mutable state at file scope" "driver/space.c: planted is mutable state" "$dir/tree/build"
fresh
plant backend/systemc/sparse_bytes.cpp 'static int planted_state; int next_planted(void); int next_planted(void) { return planted_state++; }'
expect "mutable state of C++" "backend/systemc/sparse_bytes.cpp: _ZL13planted_state is mutable state" "$dir/tree/build"
fresh
plant backend/systemc/sparse_bytes.cpp 'extern "C" int info_command(void); int planted(void); int planted(void) { return info_command(); }'
expect "C++ calls a higher floor" "backend/systemc/sparse_bytes.cpp uses info_command" "$dir/tree/build"
fresh
rm "$dir/tree/build/obj/driver/space.o"
expect "no object" "driver/space.c: no object" "$dir/tree/build"
fresh
append $'#define UP "driver/stack.h"\n#include UP' cmodel/common/error.c
expect "an include through a macro" "cmodel/common/error.c includes what UP stands for"
fresh
append '#include "driver/stack.h"' cmodel/common/planted.inc
expect "an include of a file to be included" "cmodel/common/planted.inc includes driver/stack.h"
fresh
append '#include "backend/systemc/timeline.h"' driver/space.c
expect "a room inside a permitted one that stands below" "driver may not include backend/systemc"
fresh
sed -i 's/^\(cmodel\/common *| include\) /\1 driver /' "$dir/tree/layers.txt"
expect "a row with a lower room" "cmodel/common names driver, which does not stand above it"
fresh
sed -i 's/^\(device *| include xpu\) /\1 shedule /' "$dir/tree/layers.txt"
expect "a row with an unknown room" "device names shedule: there is no such room"
fresh
append 'nowhere | include | | nothing' layers.txt
expect "a row of no folder" "layers.txt: nowhere: there is no such folder"
fresh
sed -i 's/May link/May lnk/' "$dir/tree/driver/README.md"
expect "a README without its row" "driver/README.md does not show its row"
fresh
sed -i 's/Start with/Begin with/' "$dir/tree/driver/README.md"
expect "a README without a start" "driver/README.md does not say where to start reading"
[ $failures = 0 ]
