#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# Where the command writes: devices, pipes and descriptors, modes and links, names that say another format, full disks, descriptors that
# are closed. usage: tests/cli/files.sh BUILD
preset=$(realpath "$(dirname "$0")/../..")/params/dram/hbm3_5200.preset
# shellcheck source=tests/common/stacks.sh
. "$(dirname "$0")/../common/stacks.sh"
# shellcheck source=tests/cli/checks.sh
. "$(dirname "$0")/checks.sh"
stat_of() { stat -c "$1" "$2"; }
judge() { "$build/timing_judge" "$preset" "$1" >/dev/null; }

"$duplex" random --shape 3,130 --seed 1 --dist normal:1 --out x.npy && "$duplex" random --shape 70,130 --seed 2 --dist normal:1 --out w.npy || exit 1
gemm=("$duplex" gemm --x x.npy --w w.npy)
rtl=("${gemm[@]}" --out y.npy --backend rtl --channels 2)
wave=("${gemm[@]}" --out y.npy --backend rtl --channels 1)
riscv=("${gemm[@]}" --out y.npy --firmware riscv)
touch stdout stderr
"${wave[@]}" --trace wave.fst && take_stacks "$build" stacks 1 2 && ln -s "$(realpath "$build/rtl/stack_1_trace.so")" stacks/ || exit 1
export DUPLEX_RTL_DIR=$dir/stacks  # tests change the folder
rm wave.fst
"${gemm[@]}" --out expected.npy --stats expected.json || exit 1

# A waveform goes into a regular file or nowhere.
mkfifo pipe
ln -s /dev/null null_link
for name in pipe null_link /dev/null /dev/full /dev/stdout /dev/fd/1; do
  check "--trace $name" refused 2 "--trace '$name': expected a regular file" "${wave[@]}" --trace "$name"
done
if [ "$(id -u)" = 0 ] && mknod node c 1 3; then
  check "--trace to a device node" refused 2 "--trace 'node'" "${wave[@]}" --trace node
  check "--out to a device node" "${gemm[@]}" --out node
  check "the node is still one" [ -c node ]
  rm node
fi

# Everything else writes through: pipes, devices, descriptors.
write_through() { # NAME OPTION FILE COMMAND...: the command with OPTION to a FIFO, to standard output as pipe, as file, behind what is there
  local name=$1 option=$2 right=$3
  shift 3
  cat pipe >got &
  check "$name to a FIFO" "$@" "$option" pipe
  wait $!
  check "$name to a FIFO: all of it" cmp got "$right"
  check "$name to a FIFO: it stays one" [ -p pipe ]
  "$@" "$option" /dev/stdout | cat >got
  check "$name to a pipe" cmp got "$right"
  "$@" "$option" /dev/stdout >got
  check "$name to standard output" cmp got "$right"
  echo before >got
  "$@" "$option" /dev/fd/5 5>>got
  check "$name behind what a descriptor holds" cmp <(tail -n +2 got) "$right"
  check "$name to /dev/null" "$@" "$option" /dev/null
}
write_through tensor --out expected.npy "${gemm[@]}"
write_through statistics --stats expected.json "${gemm[@]}" --out y.npy
"${rtl[@]}" --command-trace commands.txt && judge commands.txt || check "command trace" false
write_through "command trace" --command-trace commands.txt "${rtl[@]}"
"${riscv[@]}" --firmware-trace trace.txt --firmware-profile profile.txt || check "firmware trace" false
check "the firmware trace has accesses" grep -q ' write DOORBELL ' trace.txt
check "the profile has functions" grep -q ' serve_gemm$' profile.txt
write_through "firmware trace" --firmware-trace trace.txt "${riscv[@]}"
write_through "firmware profile" --firmware-profile profile.txt "${riscv[@]}"
check "random to standard output" cmp x.npy <("$duplex" random --shape 3,130 --seed 1 --dist normal:1 --out /dev/stdout)
"$duplex" convert x.npy /dev/stdout >got 2>stderr
check "convert to standard output" cmp x.npy got
rm -f got y.npy trace.txt profile.txt

# Names.
check "--out -" refused 2 "--out '-': expected the name of a file" "${gemm[@]}" --out -
check "--stats -" refused 2 "--stats '-'" "${gemm[@]}" --out y.npy --stats -
for names in "--out y.csv" "--out y.NPZ" "--out y.json" "--out x.npy.gz" \
  "--out y.npy --stats s.npy" "--out y.npy --stats s.yaml" "--out y.npy --stats s.csv"; do
  # shellcheck disable=SC2086
  check "$names" refused 2 "its ending says another format" "${gemm[@]}" $names
done
for names in "--trace wave.vcd" "--trace wave.ghw" "--trace w.txt" "--command-trace c.csv" "--command-trace c.npy"; do
  # shellcheck disable=SC2086
  check "$names" refused 2 "its ending says another format" "${rtl[@]}" $names
done
for names in "--firmware-trace t.json" "--firmware-profile p.fst" "--firmware-profile p.npy"; do
  # shellcheck disable=SC2086
  check "$names" refused 2 "its ending says another format" "${riscv[@]}" $names
done
check "random --out r.pt" refused 2 "its ending says another format" "$duplex" random --shape 3 --dist bits --out r.pt
long=$(printf 'n%.0s' $(seq 250))
for name in y out.f16 y.1 "a b.x y" .hidden "$long" y.npy.d/../y.npy; do
  mkdir -p y.npy.d
  check "--out '$name'" "${gemm[@]}" --out "$name"
  check "--out '$name': the result" cmp "$name" expected.npy
  rm -rf "$name" y.npy.d y.npy
done
mkdir folder
check "a folder" refused 2 "folder" "${gemm[@]}" --out folder
check "a folder's name" refused 2 "folder/" "${gemm[@]}" --out folder/
check "an empty name" refused 2 "--out ''" "${gemm[@]}" --out ''
check "no such folder" refused 2 "none/y.npy: cannot be written: No such file" "${gemm[@]}" --out none/y.npy
check "a file as folder" refused 2 "cannot be written" "${gemm[@]}" --out x.npy/y.npy
check "two names of one file" refused 2 "is named for two outputs" "${gemm[@]}" --out a --stats ./a
ln -s a also
check "a link and its file" refused 2 "is named for two outputs" "${gemm[@]}" --out a --stats also
check "two outputs on one pipe" refused 2 "is named for two outputs" \
  bash -c '"$@" | cat; exit ${PIPESTATUS[0]}' - "${gemm[@]}" --out /dev/stdout --stats /dev/fd/1
echo '{"command": "gemm", "x": "x.npy", "w": "w.npy", "out": "/dev/stdout"}' >jobs.jsonl
check "batch: a result among the lines" refused 2 "is named for two outputs" bash -c '"$@" | cat; exit ${PIPESTATUS[0]}' - "$duplex" batch jobs.jsonl
echo '{"command": "gemm", "x": "x.npy", "w": "w.npy", "out": "c"}' >jobs.jsonl
check "batch: a result over a trace" refused 2 "is named for two outputs" \
  bash -c '"$@"; s=$?; rm -f c; exit $s' - "$duplex" batch jobs.jsonl --firmware riscv --firmware-trace c
rm also jobs.jsonl
# The same file by a descriptor, a hard link, or a FIFO that nobody reads: in either order, before anything is opened.
echo old >shared
ln shared linked
for names in "--out shared --stats /dev/fd/5" "--out /dev/fd/5 --stats shared" "--out linked --stats /dev/fd/5" "--out shared --stats linked"; do
  # shellcheck disable=SC2086
  check "$names" refused 2 "is named for two outputs" "${gemm[@]}" $names 5>>shared
done
check "the shared file is unharmed" [ "$(cat shared)" = old ]
check "a FIFO twice" refused 2 "is named for two outputs" "${gemm[@]}" --out pipe --stats pipe
check "a FIFO twice, as a trace" refused 2 "is named for two outputs" "${riscv[@]}" --stats pipe --firmware-trace ./pipe
echo '{"command": "gemm", "x": "x.npy", "w": "w.npy", "out": "linked"}' >jobs.jsonl
check "batch: a result over its lines" refused 2 "is named for two outputs" bash -c '"$@" >>shared' - "$duplex" batch jobs.jsonl
check "convert over its line" refused 2 "is named for two outputs" bash -c '"$@" >>shared' - "$duplex" convert x.npy linked
for descriptor in 0 7; do
  check "descriptor $descriptor for reading" refused 2 "--out '/dev/fd/$descriptor': expected a descriptor that is open for writing" \
    "${gemm[@]}" --out /dev/fd/$descriptor </dev/null 7<shared
done
check "statistics to a descriptor for reading" refused 2 "--stats '/dev/fd/7': expected a descriptor" "${gemm[@]}" --out y.npy --stats /dev/fd/7 7<shared
rm shared linked jobs.jsonl

# Owner, mode, links.
echo old >kept.npy
chmod 600 kept.npy
check "a mode stays" "${gemm[@]}" --out kept.npy
check "a mode stays: 600" [ "$(stat_of %a kept.npy)" = 600 ]
if [ "$(id -u)" = 0 ]; then
  chown 1234:2345 kept.npy
  check "an owner stays" "${gemm[@]}" --out kept.npy
  check "an owner stays: 1234:2345" [ "$(stat_of '%u:%g:%a' kept.npy)" = 1234:2345:600 ]
fi
(umask 027 && "${gemm[@]}" --out new.npy)
check "a new file by the umask" [ "$(stat_of %a new.npy)" = 640 ]
chmod 444 kept.npy
check "--out to a file without write bits" refused 2 "kept.npy: cannot be written: Permission denied" "${gemm[@]}" --out kept.npy
cp expected.json locked && chmod 444 locked
check "--stats to a file without write bits" refused 2 "locked: cannot be written: Permission denied" "${gemm[@]}" --out y.npy --stats locked
check "--trace to a file without write bits" refused 2 "locked: cannot be written: Permission denied" "${wave[@]}" --trace locked
check "--command-trace to a file without write bits" refused 2 "locked: cannot be written" "${rtl[@]}" --command-trace locked
check "--firmware-trace to a file without write bits" refused 2 "locked: cannot be written" "${riscv[@]}" --firmware-trace locked
rm -f kept.npy locked new.npy
echo old >real.npy
ln -s real.npy link.npy
ln real.npy other.npy
check "a symbolic link" "${gemm[@]}" --out link.npy
check "a symbolic link: stays" [ "$(readlink link.npy)" = real.npy ]
check "a symbolic link: its file is written" cmp real.npy expected.npy
check "another hard link keeps what it had" [ "$(cat other.npy)" = old ]
mkdir -p a_folder
ln -s a_folder/new.npy dangling.npy
check "a link to a file that is not there" "${gemm[@]}" --out dangling.npy
check "a link to a file that is not there: stays, and the file is made" cmp a_folder/new.npy expected.npy
check "a link to a file that is not there: is one" [ -L dangling.npy ]
ln -s round.npy round.npy
check "a link to itself" refused 2 "round.npy: cannot be written: Too many levels" "${gemm[@]}" --out round.npy
rm -rf ./*link.npy real.npy other.npy dangling.npy round.npy a_folder folder

# A full disk, and a limit of file sizes: one line, exit status 1, nothing left.
check "tensor on a full disk" refused 1 "/dev/full: writing failed: No space left" "${gemm[@]}" --out /dev/full
check "statistics on a full disk" refused 1 "/dev/full: writing failed: No space left" "${gemm[@]}" --out y.npy --stats /dev/full
check "command trace on a full disk" refused 1 "/dev/full: writing failed: No space left" "${rtl[@]}" --command-trace /dev/full
check "firmware trace on a full disk" refused 1 "/dev/full: writing failed: No space left" "${riscv[@]}" --firmware-trace /dev/full
check "firmware profile on a full disk" refused 1 "/dev/full: writing failed: No space left" "${riscv[@]}" --firmware-profile /dev/full
check "random on a full disk" refused 1 "/dev/full: writing failed: No space left" "$duplex" random --shape 5 --dist bits --out /dev/full
# A line that cannot be printed: no output is left, and the old one stays.
full=(bash -c 'exec "$@" >/dev/full' -)
printed="standard output: writing failed"
check "convert whose line is lost" refused 1 "$printed" "${full[@]}" "$duplex" convert x.npy new.npy
echo old >old.npy
check "convert over a file whose line is lost" refused 1 "$printed" "${full[@]}" "$duplex" convert x.npy old.npy
check "the old file is unharmed" [ "$(cat old.npy)" = old ]
rm old.npy
"$duplex" random --shape 3,130 --seed 9 --dist bits --out other.npy
for command in "compare x.npy x.npy" "compare x.npy other.npy" info -h "gemm --help" "help --man" "help --bash"; do
  # shellcheck disable=SC2086
  check "$command on a full disk" refused 1 "$printed" "${full[@]}" "$duplex" $command
done
rm other.npy
limited=(bash -c 'ulimit -f "$1"; shift; exec "$@"' -)
"${rtl[@]}" && "${wave[@]}" --trace wave.fst || check "RTL" false
rm -f wave.fst y.npy
check "tensor beyond the limit" refused 1 "big.npy: writing failed: File too large" "${limited[@]}" 1 "$duplex" random --shape 5000 --dist bits --out big.npy
check "statistics beyond the limit" refused 1 "s.json: writing failed: File too large" "${limited[@]}" 1 "${gemm[@]}" --out y.npy --stats s.json
check "command trace beyond the limit" refused 1 "c.txt: writing failed: File too large" "${limited[@]}" 1 "${rtl[@]}" --command-trace c.txt
check "firmware trace beyond the limit" refused 1 "t.txt: writing failed: File too large" "${limited[@]}" 1 "${riscv[@]}" --firmware-trace t.txt
for limit in 1 100 1500; do
  check "waveform beyond the limit of $limit KB" refused 1 "w.fst: writing failed: File too large" \
    "${limited[@]}" $limit "${wave[@]}" --trace w.fst
done
if mkdir small && mount -t tmpfs -o size=400k none small 2>/dev/null; then
  check "waveform on a full disk" refused 1 "small/w.fst: writing failed: No space left" "${wave[@]}" --trace small/w.fst
  "$duplex" random --shape 200000 --dist bits --out small/fill >/dev/null 2>&1
  head -c 399k /dev/zero >small/fill
  check "command trace on a full file system" refused 1 "small/c.txt: writing failed: No space left" "${rtl[@]}" --command-trace small/c.txt
  check "firmware trace on a full file system" refused 1 "small/t.txt: writing failed: No space left" "${riscv[@]}" --firmware-trace small/t.txt
  umount small
fi
rmdir small

# A reader that goes away; result lines that cannot be written: the jobs of a batch are done all the same.
for i in 1 2 3; do echo "{\"command\": \"gemm\", \"x\": \"x.npy\", \"w\": \"w.npy\", \"out\": \"b$i.npy\"}"; done >jobs.jsonl
mkfifo gone
sleep 0.2 <gone &
exec 6>gone
wait $!
check "tensor to a pipe without a reader" refused 1 "/dev/fd/6: writing failed: Broken pipe" "${gemm[@]}" --out /dev/fd/6
check "firmware trace to a pipe without a reader" refused 1 "/dev/fd/6: writing failed: Broken pipe" "${riscv[@]}" --firmware-trace /dev/fd/6
exec 6>&-
rm gone
lines_lost() { # the batch cannot write its lines: status 1, one message, all results
  "$duplex" batch jobs.jsonl 2>stderr
  local status=$?
  [ $status = 1 ] && [ "$(cat stderr)" = "duplex: standard output: writing failed" ] && cmp b1.npy expected.npy && cmp b3.npy expected.npy && rm b?.npy
}
check "batch with a full disk behind its lines" lines_lost >/dev/full
mkfifo gone
sleep 0.2 <gone &
exec 6>gone
wait $!
check "batch whose reader has gone" lines_lost >&6
exec 6>&-
rm gone

# Descriptors 0 to 2 closed: nothing that is printed lands in a file.
check "batch without descriptors" "$duplex" batch jobs.jsonl --backend rtl --channels 2 --command-trace c.txt <&- >&- 2>&-
check "the trace holds commands only" [ "$(grep -cvE '^(#|[0-9]+ [01] X?(ACT|PRE|RD|WR|REF|REFAB|OWNER) )' c.txt)" = 0 ]
check "the trace is legal" judge c.txt
check "the results are right" cmp b3.npy expected.npy
check "tensor without descriptors" "${gemm[@]}" --out y.npy <&- >&- 2>&-
check "tensor without descriptors: the result" cmp y.npy expected.npy
"${gemm[@]}" --out none/y.npy --channels 99 <&- >&- 2>&-
check "bad input without descriptors" [ $? = 2 ]
"$build/timing_judge" "$preset" c.txt <&- >&- 2>&-
check "the judge without descriptors" [ $? = 0 ]
check "the trace is as it was" judge c.txt
"$build/timing_judge" "$preset" c.txt >/dev/full 2>stderr
check "the judge on a full disk" [ $? = 2 ]

# A trace that was cut off, or is empty, is no legal one.
head -n -1 c.txt >cut.txt
check "the judge sees a trace without its end" refused 2 "cut.txt: was cut off" "$build/timing_judge" "$preset" cut.txt
head -c -30 c.txt >cut.txt
check "the judge sees a trace that was cut off" [ "$(judge cut.txt 2>/dev/null; echo $?)" = 2 ]
sed 10d c.txt >cut.txt
check "the judge counts" [ "$(judge cut.txt 2>/dev/null; echo $?)" != 0 ]
: >cut.txt
check "the judge sees an empty trace" refused 2 "holds no commands" "$build/timing_judge" "$preset" cut.txt

# A file that changes in place with its times set back is another one.
"$duplex" random --shape 70,130 --seed 3 --dist normal:1 --out w2.npy
"${gemm[@]/w.npy/w2.npy}" --out expected2.npy
mkfifo lines
"$duplex" batch lines >out &
batch=$!
exec 5>lines
echo '{"command": "gemm", "x": "x.npy", "w": "w.npy", "out": "one.npy"}' >&5
for _ in $(seq 100); do [ -s out ] && break; sleep 0.05; done
touch -r w.npy times
cat w2.npy >w.npy
touch -r times w.npy
echo '{"command": "gemm", "x": "x.npy", "w": "w.npy", "out": "two.npy"}' >&5
exec 5>&-
check "batch with a file that changes" wait $batch
check "the first result" cmp one.npy expected.npy
check "the second result is that of the new contents" cmp two.npy expected2.npy

check_end files
