#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# Installs into a private prefix with blanks and a quote in its path and runs programs that are built outside the tree with pkg-config;
# checks what the libraries export, a second prefix, and that uninstall leaves nothing. usage: tests/packaging/outside.sh BUILD
set -u
cd "$(dirname "$0")/../.." || exit 1
given=$1  # as make can name it
build=$(realpath "$1")
dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
source tests/packaging/checks.sh
only_prefixed() { # FILE NM-FLAGS...
  local others
  others=$(nm --defined-only "${@:2}" "$1" | awk 'NF == 3 && $3 !~ /^duplex_/ {print $3}')
  [ -z "$others" ] || { echo "exported: $others"; return 1; }
  nm --defined-only "${@:2}" "$1" | grep -q ' T duplex_stack_open$'
}

prefix="$dir/a place of Anna's"
install() { make -s install BUILD="$given" PREFIX="$1" "${@:2}"; }
# Under a strict umask, over an installation that had one more stack.
mkdir -p "$prefix/lib/duplex"
touch "$prefix/lib/duplex/stack_31.so"
printf '%s\n' "$prefix/lib/duplex/stack_31.so" >"$prefix/lib/duplex/installed"
check "install" bash -c 'umask 077; "$@"' - make -s install BUILD="$given" PREFIX="$prefix"
check "everybody may read all of it" test -z "$(find "$prefix" -mindepth 1 -not -perm -o=r)"
check "the shared library exports duplex_ only" only_prefixed "$prefix/lib/libduplex.so" -D
check "the static library exports duplex_ only" only_prefixed "$prefix/lib/libduplex.a" -g
check "soname" grep -q libduplex.so.0 <(readelf -d "$prefix/lib/libduplex.so")
cp -r examples/outside "$dir/outside"
check "outside programs" make -s -C "$dir/outside" run PKG_CONFIG_PATH="$prefix/lib/pkgconfig"
cp -r examples/influence "$dir/influence"
check "influence functions" make -s -C "$dir/influence" influence PKG_CONFIG_PATH="$prefix/lib/pkgconfig"
check "times of influence functions" "$dir/influence/influence" --times 8,8 --channels 1
python() { # FOLDER CODE: Python with the module of an installation
  PYTHONPATH="$1/lib/python3/dist-packages" /usr/bin/python3 -c "$2"
}
check "the module's own firmware" python "$prefix" 'import duplex, numpy as np
with duplex.Stack(channels=2, firmware="riscv") as s:
    assert (s.gemm(s.upload(np.ones((3, 64), "<f2")), np.ones((2, 64), "<f2")) == 64).all()
    assert s.stats()["firmware_instructions"]'
check "the installed command" "$prefix/bin/duplex" info
check "a man page for each command" test "$("$prefix/bin/duplex" help --words | sed 's/.*/duplex-&.1/' | sort)" = "$(ls "$prefix/share/man/man1" | grep -v '^duplex.1$')"
check "the man page" grep -q '^.SH SYNOPSIS' "$prefix/share/man/man1/duplex.1"
! command -v man >/dev/null || check "man pages without a warning" test -z "$(for page in "$prefix"/share/man/man1/*; do man --warnings -l "$page" 2>&1 >/dev/null; done)"
check "completion for bash" bash -c 'source "$1"; COMP_WORDS=(duplex gemm --ba); COMP_CWORD=2; _duplex; [ "${COMPREPLY[*]}" = --backend ]' - "$prefix/share/bash-completion/completions/duplex"

# The Verilated stack of the installation, by the shared library and by the command, also after a move.
[ -e "$prefix/lib/duplex/stack_2.so" ] || { echo "FAIL no stack is installed"; failures=$((failures + 1)); }
cp -r examples/outside "$dir/rtl"
sed -i -e 's/"cmodel"/"rtl"/' -e 's/channels = 4/channels = 2/' "$dir/rtl/gemm.c"
make -s -C "$dir/rtl" gemm_shared PKG_CONFIG_PATH="$prefix/lib/pkgconfig"
check "the stack, by the shared library" env LD_LIBRARY_PATH="$prefix/lib" "$dir/rtl/gemm_shared"
cp -r "$prefix" "$dir/moved"
check "the stack, moved, by the shared library" env LD_LIBRARY_PATH="$dir/moved/lib" "$dir/rtl/gemm_shared"
"$dir/moved/bin/duplex" random --shape 3,130 --dist normal:1 --out "$dir/x.npy"
gemm=("$dir/moved/bin/duplex" gemm --x "$dir/x.npy" --w "$dir/x.npy" --backend rtl --channels 2 --out "$dir/y.npy")
check "the stack, moved, by the command" "${gemm[@]}"
check "DUPLEX_RTL_DIR" env DUPLEX_RTL_DIR="$prefix/lib/duplex" "${gemm[@]}"
hash=$(cat "$build/stack.hash")
sed -i "s/$hash/${hash//[0-9a-f]/0}/" "$dir/moved/lib/duplex/stack_2.so"
refused() { ! "$@" 2>"$dir/error" && [ "$(wc -l <"$dir/error")" = 1 ] && grep -q 'built from other RTL' "$dir/error"; }
check "a stack of other RTL is refused" refused "${gemm[@]}"
rm -r "$dir/moved/lib/duplex"
none() { ! "$@" 2>"$dir/error" && [ "$(wc -l <"$dir/error")" = 1 ] && grep -q 'no sources to build it' "$dir/error"; }
check "no stack at all is one line" none "${gemm[@]}"
printf '#include <duplex/duplex.h>\nint main(void) { return DUPLEX_OK; }\n' >"$dir/header.c"
check "duplex.h brings the error codes" cc -I"$prefix/include" "$dir/header.c" -o "$dir/header"

check "a second prefix" install "$dir/second"
check "its pkg-config file" grep -q "^prefix=$dir/second$" "$dir/second/lib/pkgconfig/duplex.pc"
check "DESTDIR" install /usr DESTDIR="$dir/staged root"
check "its pkg-config file" grep -q '^prefix=/usr$' "$dir/staged root/usr/lib/pkgconfig/duplex.pc"
check "the module of /usr takes the library beside it" python "$dir/staged root/usr" "import duplex, os
assert os.path.samefile(duplex._library.find(), '$dir/staged root/usr/lib/libduplex.so')"
check "a prefix with a quote" install "$dir/it's here"
check "its pkg-config file" grep -q "^libdir" "$dir/it's here/lib/pkgconfig/duplex.pc"
touch "$prefix/include/duplex/foreign.h" "$prefix/share/man/man1/duplex-foreign.1"
check "uninstall" make -s uninstall BUILD="$given" PREFIX="$prefix"
check "only foreign files are left" test "$(find "$prefix" -not -type d | sed 's|.*/||' | sort | tr '\n' ' ')" = "duplex-foreign.1 foreign.h "
refused() { ! "$@" 2>"$dir/error" && grep -q 'expected the list that make install writes' "$dir/error"; }
check "uninstall of nothing" refused make -s uninstall BUILD="$given" PREFIX="$prefix"
[ $failures = 0 ]
