#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# The example platform: kernels, quantum, parameters, traces; each bad input is one line on the standard error and exit status 2.
# usage: tests/systemc/platform.sh BUILD
set -u
cd "$(dirname "$0")/../.." || exit 1
platform=$(realpath "$1")/systemc/platform
dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
source tests/packaging/checks.sh

same() { # the reference has the same bytes, and so many clocks of difference at most
  local most=$1
  shift
  "$platform" --reference cmodel "$@" >"$dir/out" 2>&1 || { cat "$dir/out"; return 1; }
  awk -v most="$most" '/and cmodel: the same bytes/ {found = 1; off = $(NF - 3)} END {exit !(found && off <= most)}' "$dir/out" || { cat "$dir/out"; return 1; }
}
check "expert, RV32 firmware" same 0
check "expert, native firmware" same 0 --firmware native --seed 2
check "attention" same 0 --kernel attention
counts() { # the stack counts the same with a quantum, also one that is longer than the job
  "$platform" "$@" >"$dir/out" && grep interrupt "$dir/out" >"$dir/counts" || return 1
  for quantum in 5000 10000 100000; do
    "$platform" "$@" --quantum $quantum | grep interrupt | diff "$dir/counts" - || return 1
  done
}
check "the stack's own count with a quantum, expert" counts
check "the stack's own count with a quantum, attention" counts --kernel attention
check "a quantum of 10 us" same 6500 --quantum 10000
check "the other DRAM preset, 1 tCK to turn" same 0 --dram-preset hbm3_6400 --rank-switch 1 --channels 1
printf '# a small one\nkernel = attention  # of one sequence\nsequences=1\n\n  channels =3\n' >"$dir/parameters"
check "parameters of a file" same 0 --parameters "$dir/parameters"
check "they were read" grep -q '^attention, 1 sequences .* 3 channels' "$dir/out"
side_by_side() {
  "$platform" --module both "$@" >"$dir/out" 2>&1 && grep -qx 'tlm and pin: the same bytes, 0 clocks of difference' "$dir/out" || { cat "$dir/out"; return 1; }
}
small=(--hidden 64 --inner 64)
check "expert side by side" side_by_side "${small[@]}"
check "attention side by side" side_by_side --kernel attention --positions 64 --sequences 1 --firmware native
alike() { [ "$(awk '/last interrupt/ {$1 = ""; print}' "$dir/out" | uniq | wc -l)" = 1 ]; }
check "the last interrupt at the same time" alike
check "pins as VCD" "$platform" --module pin --firmware native "${small[@]}" --trace "$dir/pins.vcd"
check "the waveform has the pins" grep -q 'awvalid' "$dir/pins.vcd"
traces=(--trace "$dir/w.vcd" --registers-trace "$dir/r.txt" --memory-trace "$dir/m.txt")
check "traces" "$platform" --kernel attention --positions 20 "${traces[@]}"
check "the waveform has the interrupt" grep -q 'interrupt' "$dir/w.vcd"
check "accesses of the register socket" grep -qE '^[0-9]+ b_transport W 0x1c 4 9231 TLM_OK_RESPONSE$' "$dir/r.txt"
check "accesses of the memory socket" grep -qE '^[0-9]+ transport_dbg W 0x[0-9a-f]+ [0-9]+ 0 ' "$dir/m.txt"
help_names() { "$platform" --help >"$dir/out" 2>&1 && grep -q -- '--quantum N' "$dir/out"; }
check "help" help_names

refused() { # TEXT OPTIONS...
  local text=$1
  shift
  "$platform" "$@" >"$dir/out" 2>"$dir/error"
  [ $? = 2 ] && [ "$(wc -l <"$dir/error")" = 1 ] && grep -qF -- "$text" "$dir/error" || { cat "$dir/error"; return 1; }
}
printf 'channels = 2\nwidth = 3\n' >"$dir/unknown"
printf 'channels\n' >"$dir/half"
check "an unknown module" refused "--module: 'x': expected tlm, pin or both" --module x
check "a number out of range" refused "--channels: '33': expected a number of 1 to 32" --channels 33
check "no number" refused "--quantum: '1us': expected a number" --quantum 1us
check "no value" refused '--seed: has no value' --seed
check "an unknown option" refused '--nothing: there is no such name' --nothing 1
check "no option" refused 'expert: expected an option' expert
check "a head size" refused "--head-size: '17': expected a multiple of 16" --head-size 17
check "no file of parameters" refused "--parameters $dir/none: No such file" --parameters "$dir/none"
check "an unknown parameter" refused "$dir/unknown:2: width: there is no such name" --parameters "$dir/unknown"
check "half a line" refused "$dir/half:1: channels: expected" --parameters "$dir/half"
check "no place for a trace" refused "--memory-trace $dir/none/m: No such file" --memory-trace "$dir/none/m"
check "no place for a waveform" refused "$dir/none/w.vcd" --trace "$dir/none/w.vcd"
check "a waveform that SystemC cannot write" refused "--trace: 'w.fst': expected NAME.vcd" --trace w.fst
printf 'hidden = 8\0garbage\n' >"$dir/zero"
check "a byte 0 in a file of parameters" refused "--parameters $dir/zero: line 1: a byte 0: expected text" --parameters "$dir/zero"
check "parameters without an end" refused "--parameters /dev/zero: line 1: expected" --parameters /dev/zero
little() { (ulimit -v 200000 && refused "$@"); }
check "too little memory" little "platform: "
check "a waveform that is no file" refused 'expected a regular file' --module pin --trace /dev/null
mkdir "$dir/files"
files=(--registers-trace "$dir/files/r.txt" --memory-trace "$dir/files/m.txt" --trace "$dir/files/w.vcd")
nothing_left() { [ -z "$(ls -A "$dir/files")" ] || { ls -A "$dir/files"; return 1; }; }
check "two outputs to one file" refused 'is the file of --registers-trace too' "${files[@]}" --memory-trace "$dir/files/../files/r.txt"
check "neither of them is there" nothing_left
here() { (cd "$dir/files" && refused "$@"); }
check "by a name without a folder" here 'is the file of --registers-trace too' --registers-trace a.txt --memory-trace ./a.txt
check "neither of them is there" nothing_left
ln -s one.txt "$dir/link"
check "by a link that leads nowhere" refused 'is the file of --registers-trace too' --registers-trace "$dir/link" --memory-trace "$dir/one.txt"
lost() { # no room for standard output: exit status 1, one line, no output
  "$platform" "$@" >/dev/full 2>"$dir/error"
  [ $? = 1 ] && grep -qx 'platform: standard output: writing failed' "$dir/error" && [ "$(wc -l <"$dir/error")" = 1 ]
}
check "standard output is full" lost "${small[@]}" "${files[@]}"
check "no output is there" nothing_left
check "help, and standard output is full" lost --help
closed() { "$platform" "${small[@]}" --trace "$dir/closed.vcd" >&- && ! grep -q 'clocks of the host' "$dir/closed.vcd"; }
check "no report in a waveform if standard output is closed" closed
check "no place for the last output" refused "$dir/none/w.vcd: No such file" "${files[@]}" --trace "$dir/none/w.vcd"
check "the others are not there either" nothing_left
killed() {
  "$platform" "${files[@]}" --hidden 2048 --inner 8192 >"$dir/out" 2>&1 &
  local job=$!
  for _ in $(seq 600); do [ "$(ls -A "$dir/files" | wc -l)" = 3 ] && break || sleep 0.1; done
  kill -$1 $job
  wait $job
  [ $? = $((128 + $(kill -l $1))) ]
}
check "a job that does not fit" refused 'platform: tlm: no room' \
  "${files[@]}" --kernel attention --sequences 1024 --positions 131072 --kv-heads 256 --head-size 16
check "it writes no output" nothing_left
for signal in TERM USR1 SEGV; do
  check "signal $signal ends it" killed $signal
  check "it leaves no output" nothing_left
done
echo old >"$dir/files/r.txt"
check "an output that was there" refused "$dir/none/m: No such file" --registers-trace "$dir/files/r.txt" --memory-trace "$dir/none/m"
check "it keeps its contents" grep -qx old "$dir/files/r.txt"
check "all outputs, and a device" "$platform" --positions 20 --kernel attention "${files[@]}" --memory-trace /dev/null
check "they have their names" test "$(ls -A "$dir/files" | xargs)" = 'r.txt w.vcd' -a -s "$dir/files/w.vcd" -a "$(wc -l <"$dir/files/r.txt")" -gt 10
[ $failures = 0 ]
