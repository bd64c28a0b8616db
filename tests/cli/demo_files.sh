#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# The demonstration looks at the files of the user before it makes anything: the one that is wrong is named, what is not given fits.
# usage: tests/cli/demo_files.sh BUILD
root=$(cd "$(dirname "$0")/../.." && pwd)
# shellcheck source=tests/cli/checks.sh
. "$(dirname "$0")/checks.sh"
mkdir build && ln -s "$duplex" build/duplex
random() { "$duplex" random --shape "$1" --dist normal:1 --out "$2.npy"; }
random 3,100 x
random 3,100,1 three
random 7,100 gate
random 7,100 up
random 100,7 down
random 6,100 short
random 7,99 narrow
echo junk >junk.npy
head -c 500 x.npy >cut.npy
python3 -c "
for size in (4, 8):
    header = b\"{'descr': '<f%d', 'fortran_order': False, 'shape': (3, 100), }\" % size
    header = header.ljust(117) + b'\n'
    open('f%d.npy' % size, 'wb').write(b'\x93NUMPY\1\0' + len(header).to_bytes(2, 'little') + header + bytes(size * 300))"
accepted() { env "$@" "$root/demo/run.sh" build --check >said 2>&1; }
refused() { # TEXT NAME=FILE...
  env "${@:2}" "$root/demo/run.sh" build --check >said 2>&1
  [ $? = 2 ] && [ "$(wc -l <said)" = 1 ] && grep -qF -- "demo: $1" said || { cat said; return 1; }
}
check "no files" accepted
check "x alone" accepted X=x.npy
check "all files" accepted X=x.npy GATE=gate.npy UP=up.npy DOWN=down.npy
check "missing" refused "X=none.npy: cannot be read" X=none.npy
check "no tensor" refused "X=junk.npy: is not a .npy file" X=junk.npy
check "the third one cut off" refused "UP=cut.npy: is truncated" X=x.npy GATE=gate.npy UP=cut.npy
check "elements" refused "GATE=f4.npy: its elements are not <f2" X=x.npy GATE=f4.npy
check "elements of 8 bytes" refused "X=f8.npy: its elements are not <f2" X=f8.npy
check "three dimensions" refused "X=three.npy: has the shape (3,100,1)" X=three.npy
check "up unlike gate" refused "UP=short.npy: has the shape (6,100), expected (7, 100)" GATE=gate.npy UP=short.npy
check "gate unlike x" refused "GATE=narrow.npy: has the shape (7,99), expected (7, 100)" X=x.npy GATE=narrow.npy
check "down unlike up" refused "DOWN=up.npy: has the shape (7,100), expected (100, 7)" X=x.npy UP=up.npy DOWN=up.npy
check "nothing was made" [ -z "$(ls build/demo/*.npy 2>/dev/null)" ]
check_end demo_files
