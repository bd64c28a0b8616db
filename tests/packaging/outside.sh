#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# Installs into a private prefix with blanks and a quote in its path and runs programs that are built outside the tree with pkg-config;
# checks what the libraries export, a second prefix, and that uninstall leaves nothing. usage: tests/packaging/outside.sh BUILD
set -u
cd "$(dirname "$0")/../.." || exit 1
build=$(realpath "$1")
dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
failures=0
check() { # NAME COMMAND...
  local name=$1
  shift
  if "$@" >"$dir/said" 2>&1; then echo "ok   $name"; else
    echo "FAIL $name"
    tail -5 "$dir/said"
    failures=$((failures + 1))
  fi
}
only_prefixed() { # FILE NM-FLAGS...
  local others
  others=$(nm --defined-only "${@:2}" "$1" | awk 'NF == 3 && $3 !~ /^duplex_/ {print $3}')
  [ -z "$others" ] || { echo "exported: $others"; return 1; }
  nm --defined-only "${@:2}" "$1" | grep -q ' T duplex_stack_open$'
}

prefix="$dir/a place of Anna's"
install() { make -s install BUILD="$build" PREFIX="$1" "${@:2}"; }
check "install" install "$prefix"
check "the shared library exports duplex_ only" only_prefixed "$prefix/lib/libduplex.so" -D
check "the static library exports duplex_ only" only_prefixed "$prefix/lib/libduplex.a" -g
check "soname" grep -q libduplex.so.0 <(readelf -d "$prefix/lib/libduplex.so")
cp -r examples/outside "$dir/outside"
check "outside programs" make -s -C "$dir/outside" run PKG_CONFIG_PATH="$prefix/lib/pkgconfig"
python() { # FOLDER CODE: Python with the module of an installation
  PYTHONPATH="$1/lib/python3/dist-packages" /usr/bin/python3 -c "$2"
}
check "the module's own firmware" python "$prefix" 'import duplex, numpy as np
with duplex.Stack(channels=2, firmware="riscv") as s:
    assert (s.gemm(s.upload(np.ones((3, 64), "<f2")), np.ones((2, 64), "<f2")) == 64).all()
    assert s.stats()["firmware_instructions"]'
check "the installed command" "$prefix/bin/duplex" info
check "a second prefix" install "$dir/second"
check "its pkg-config file" grep -q "^prefix=$dir/second$" "$dir/second/lib/pkgconfig/duplex.pc"
check "DESTDIR" install /usr DESTDIR="$dir/staged root"
check "its pkg-config file" grep -q '^prefix=/usr$' "$dir/staged root/usr/lib/pkgconfig/duplex.pc"
check "the module of /usr takes the library beside it" python "$dir/staged root/usr" "import duplex, os
assert os.path.samefile(duplex._library.find(), '$dir/staged root/usr/lib/libduplex.so')"
check "uninstall" make -s uninstall BUILD="$build" PREFIX="$prefix"
check "nothing is left" test -z "$(find "$prefix" -not -type d)"
[ $failures = 0 ]
