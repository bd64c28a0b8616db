#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# Content decides: a copied checkout whose RTL was edited never runs the old stack; values of variables that changed build anew what
# they must; a build on demand says so, ends with who asked for it, and is done by one builder at a time.
# usage: tests/packaging/copies.sh BUILD [--whole]
#   --whole   another VERSION shows in the command, which is compiled and linked anew, and not only in the object that holds it
# In the copy, whose path has blanks and a quote, `verilator` is one that never Verilates, so that every attempt shows.
set -u
cd "$(dirname "$0")/../.." || exit 1
build=$(realpath "$1")
whole=${2:-}
dir=$(mktemp -d)
copy="$dir/a copy of Anna's"
started=
trap 'kill $started 2>/dev/null; cd /; "$copy/scripts/place_verilated.sh" --remove "$copy"/build/rtl* "$copy"/build/verilator; rm -rf "$dir"' EXIT
source tests/packaging/checks.sh

mkdir -p "$copy/build" "$dir/bin"
git ls-files -z 2>/dev/null | xargs -0 cp -r --parents -t "$copy" || exit 1
for part in "$build"/*; do
  case ${part##*/} in
    duplex | obj | rtl | params | *.a | content | flags | rv32.flags | version | stack.hash | libduplex.map | firmware.name)
      cp -rH "$part" "$copy/build/" ;;  # rtl may be a link
  esac
done
rm -f "$copy"/build/rtl/stack_3*.so
real=$(command -v verilator)
cat >"$dir/bin/verilator" <<SH
#!/bin/bash
case " \$* " in *" --cc "*) echo \$\$ >>"$dir/verilating"; exec sleep "\$(cat "$dir/seconds")" ;; esac
exec "$real" "\$@"
SH
chmod +x "$dir/bin/verilator"
echo 0 >"$dir/seconds"
cd "$copy" || exit 1
# Tests may run under make, whose variables are not for the copy.
unset MAKEFLAGS MFLAGS MAKELEVEL MAKEOVERRIDES
export PATH="$dir/bin:$PATH"
export LC_ALL=C  # the words of make
duplex=$copy/build/duplex
python3 - <<'PY'
import struct
head = "{'descr': '<f2', 'fortran_order': False, 'shape': (3, 3), }"
head += " " * (-(len(head) + 11) % 64) + "\n"
with open("x.npy", "wb") as out:
    out.write(b"\x93NUMPY\1\0" + struct.pack("<H", len(head)) + head.encode() + struct.pack("<9H", *range(0x3C00, 0x3C09)))
PY
gemm=("$duplex" gemm --x x.npy --w x.npy --backend rtl)
refused() { # TEXT COMMAND...: one line, and no result
  rm -f y.npy
  ! "${@:2}" --out y.npy 2>"$dir/error" && [ ! -e y.npy ] && [ "$(wc -l <"$dir/error")" = 1 ] && grep -q "$1" "$dir/error"
}
verilated_nothing() { [ ! -e "$dir/verilating" ]; }

rm -f build/rtl/*.log  # of runs beside this one
touch build/rtl/stack_2.so.failed.log
check "a copy runs as it is" "${gemm[@]}" --channels 2 --out y.npy
check "and Verilates nothing" verilated_nothing
no_log() { ! compgen -G "$copy/build/rtl/*.log" >/dev/null; }
check "and the log of an earlier failure is gone" no_log

# Without the tools: what is there is taken as it is, and stays.
mkdir "$dir/tools"
ln -s /usr/bin/* "$dir/tools/"
rm -f "$dir"/tools/verilator*
built() { find build/rtl/ -type f ! -path '*/locks/*' | sort; }
built >"$dir/before"
without_verilator=(env PATH="$dir/tools")
without_make=(env PATH=/nonexistent)
check "without Verilator a copy runs" "${without_verilator[@]}" "${gemm[@]}" --channels 2 --out y.npy
check "without make, too" "${without_make[@]}" "${gemm[@]}" --channels 2 --out y.npy
check "what is not there is refused" refused 'Verilator is not installed' "${without_verilator[@]}" "${gemm[@]}" --channels 3
check "and for another DRAM" refused 'make is not installed' "${without_make[@]}" "${gemm[@]}" --channels 2 --dram-preset hbm3_6400
says() { grep -q "$1" <("${@:2}"); }
check "which info says" says 'no others: Verilator is not installed' "${without_verilator[@]}" "$duplex" info
no_make() { ! "${without_verilator[@]}" make build/rtl/stack_3.so RTL_OPTIMIZE=-O0 2>"$dir/error" && grep -q 'verilator does not run' "$dir/error"; }
check "make without Verilator says so" no_make
check "and nothing is lost" diff "$dir/before" <(built)
# An edit that is older than all that was built.
echo "// edited" >>rtl/gemm/round.v
touch -d 2001-01-01 rtl/gemm/round.v
check "edited RTL is not run with the old stack" refused 'stack_2.so: .*run make' "${gemm[@]}" --channels 2
check "which is said before it is Verilated" verilated_nothing
make build/rtl/stack_2.so >"$dir/made" 2>&1
check "make Verilates it anew" test -e "$dir/verilating"
cp "$OLDPWD/rtl/gemm/round.v" rtl/gemm/round.v

made_with() { # TEXT MAKE-WORDS...: in the steps
  make "${@:2}" >"$dir/made" 2>&1
  grep -q -- "$1" "$dir/made"
}
object=build/obj/driver/messages.o
check "a copy compiles C anew" made_with "1/1.*messages.c" $object
check "once" made_with "Nothing to be done\|up to date" $object
moved_is_as_new() (  # what was compiled does not look old
  cd "$dir" && mv "$copy" moved && cd moved && scripts/content.sh build && [ -n "$(find "$object" -newermt 1971-01-01)" ]
  status=$?
  cd "$dir" && mv moved "$copy"
  exit $status
)
check "nor does a checkout that was moved" moved_is_as_new
check "other CFLAGS compile anew" made_with "1/1.*messages.c" $object CFLAGS=-O1
echo "// edited" >>driver/messages.c
touch -d 2001-01-01 driver/messages.c
check "an edit with an old time" made_with "1/1.*messages.c" $object CFLAGS=-O1
echo 9.8.7 >VERSION
if [ -n "$whole" ]; then
  make -s build/duplex CFLAGS=-O0 >"$dir/made" 2>&1
  check "another VERSION" grep -q '9\.8\.7' <("$duplex" --version)
else
  check "another VERSION" made_with "1/1.*main.c" build/obj/cli/main.o CFLAGS=-O0
  check "in the object" grep -q '9\.8\.7' build/obj/cli/main.o
fi
check "its core file" grep -q ':9.8.7$' duplex.core
sed -i 's/^CLOCK_KHZ *[0-9]*/CLOCK_KHZ 640000/' params/hardware.params
touch -d 2001-01-01 params/hardware.params
check "another parameter, in what is made of it" made_with "1/1.*info.c" build/obj/cli/info.o CFLAGS=-O0
check "in the header" grep -q 'CLOCK_KHZ 640000' include/duplex/params.h
echo '// edited' >>params/registers.rdl
one_line() { ! "$@" >"$dir/out" 2>"$dir/error" && [ "$(wc -l <"$dir/error")" -le 2 ]; }
check "registers without their generator are refused" one_line make build/duplex PYTHON=/bin/false
cp "$OLDPWD/params/registers.rdl" params/registers.rdl
sums() { sha256sum include/duplex/* params/generated/* docs/registers.md docs/descriptors.md; }
sums >"$dir/before"
check "regen without its generator" one_line make regen PYTHON=/bin/false
check "changes nothing" diff "$dir/before" <(sums)
check "a folder without firmware" one_line make FIRMWARE=/nowhere
entries() { find . -maxdepth 2 -not -path './build*' | sort; }
entries >"$dir/before"
for name in 'my build' '' / '~' '~/x' ,x ./-x x/-y =x x:y 'x%y' 'x$$y' 'x#y' "x'y"; do
  check "a build folder that make cannot name: '$name'" one_line make BUILD="$name" all
done
check "leaves nothing" diff "$dir/before" <(entries)
named() { ! make build/obj/driver/messages.o BUILD=build CC="$1" 2>"$dir/error" && grep -q "^CC=$1: nowhere is not installed" "$dir/error"; }
check "a compiler that is not there is named" named nowhere
check "and what goes before a compiler" named 'nowhere gcc'
whole_count() { [ "$(make -n COUNTING=1 BUILD=fresh test-build | grep -c '^: counted step')" -gt 200 ] && [ ! -e fresh ]; }
check "a dry run counts all steps and writes nothing" whole_count
needs() { make -n test-build GROUPS="$1" 2>/dev/null | grep -q "VERILATE"; }
spared() { ! needs "$1"; }
check "a group of tests that needs no RTL builds none" spared fuzz
check "one that needs it does" needs cosim

# Builders, with the sources that the program is of.
cp "$OLDPWD/params/hardware.params" params/hardware.params
[ -n "$whole" ] || cp "$OLDPWD/VERSION" VERSION
echo 1000 >"$dir/seconds"
rm -f "$dir/verilating"
"${gemm[@]}" --channels 3 --out y.npy 2>"$dir/error" &
builder=$!
disown
started=$builder
soon() { # COMMAND...: within 20 seconds
  for _ in $(seq 100); do "$@" >/dev/null 2>&1 && return; sleep 0.2; done
  return 1
}
check "a build on demand says so" soon grep -q 'building stack_3.so, once' "$dir/error"
check "and works" soon test -s "$dir/verilating"
make build/rtl/stack_3.so >"$dir/second" 2>&1 &
second=$!
started+=" $second"
check "a second builder waits and says so" soon grep -q 'waiting for another builder' "$dir/second"
verilator=$(head -n 1 "$dir/verilating")
kill -KILL $builder
ended() { ! kill -0 "$1"; }
check "its compiler ends with a builder that is killed" soon ended "$verilator"
next() { [ "$(wc -l <"$dir/verilating")" -ge 2 ]; }
check "and leaves no lock" soon next
check "and no log" soon no_log
kill "$(tail -n 1 "$dir/verilating")" $second 2>/dev/null
wait 2>/dev/null
[ $failures = 0 ]
