#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# Where moe, run, serve and info --model write: devices, pipes, descriptors, modes, links, names, full disks, signals; in a folder whose
# name has a blank. usage: tests/cli/model_files.sh BUILD
# shellcheck source=tests/cli/checks.sh
. "$(dirname "$0")/checks.sh"
toy=$build/tests/model/toy_model
mkdir "a folder" && cd "a folder" || exit 1
touch stdout stderr
random() { "$duplex" random --shape "$1" --seed "$2" --dist normal:0.1 --out "$3"; }
random 5,64 1 x.npy && random 4,64 2 r.npy && random 4,32,64 3 up.npy && random 4,64,32 4 down.npy || exit 1
mkdir "the model" && "$toy" "the model" mixtral bf16 1 || exit 1

moe=("$duplex" moe --x x.npy --router r.npy --up up.npy --down down.npy --channels 1 --stacks 1)
run=("$duplex" run --model "the model" --prompt-ids 3,5,7 --max-new 3 --channels 1 --stacks 1)
serve=("$duplex" serve --system duplex --model mixtral --batch 8 --lin 64 --lout 32 --warm-up 5 --mode paper)
traced=("$duplex" serve --system duplex --model mixtral --mode paper --trace)
short=(--measured 50)
to_y=(--out /dev/null --policy pim) # for which fewer times are measured
tables_to_y=(--out /dev/null)
on_pim=(--policy pim)
# COMMAND OPTION FILE: each kind of output, and what the command needs beside it.
kinds=("moe --out y.npy on_pim" "moe --stats s.json to_y" "moe --timeline t.json to_y" "moe --timeline-picture t.svg to_y"
  "moe --tables t.txt tables_to_y" "run --logits l.npy on_pim" "run --stats s.json on_pim" "run --record-routing r.csv on_pim"
  "run --timeline t.json on_pim" "run --timeline-picture t.svg on_pim" "serve --json s.json short"
  "serve --requests-out r.csv short" "serve --stages-out s.csv short")
declare -A first=([moe]=--out [run]=--stats [serve]=--json) # goes through all checks
command_of() { # NAME REST: sets `command`
  local -n words=$1 rest=$2
  command=("${words[@]}" "${rest[@]}")
}

# What the host took is no part of what is compared.
same() { cmp -s "$1" "$2" || cmp <(grep -v host_ "$1") <(grep -v host_ "$2"); }
# Before a command: a limit of file sizes below the output's; nobody can take its lines; its lines go to the file $file.
too_large=(bash -c '(ulimit -f 0; exec "$@") 2>&1 >/dev/null | cat >&2; exit "${PIPESTATUS[0]}"' -)
lost=(bash -c 'exec "$@" >/dev/full' -)
over_lines=(bash -c 'exec "$@" >>"$file"' -)
each_kind() { # NAME OPTION FILE REST
  local option=$2 right="sub folder/right" what="$1 $2"
  export file="sub folder/$3"
  command_of "$1" "$4"
  mkdir "sub folder"
  (umask 027 && exec "${command[@]}" "$option" "$file" >/dev/null)
  check "$what in a folder with a blank" mv "$file" "$right"
  check "$what: by the umask" [ "$(stat -c %a "$right")" = 640 ]
  check "$what beyond a limit" refused 1 "File too large" "${too_large[@]}" "${command[@]}" "$option" "$file"
  check "$what to -" refused 2 "$option '-': expected the name of a file" "${command[@]}" "$option" -
  check "$what: a name of another format" refused 2 "its ending says another format" "${command[@]}" "$option" y.pdf
  check "$what: no such folder" refused 2 "none/$3: cannot be written: No such file" "${command[@]}" "$option" "none/$3"
  [ "$option" = --tables ] || check "$what on a full disk" refused 1 "/dev/full: writing failed: No space left" "${command[@]}" "$option" /dev/full
  [ "$1" = moe ] || check "$what: lines that are lost" refused 1 "standard output: writing failed" "${lost[@]}" "${command[@]}" "$option" "new.${file##*.}"
  [ "$option" != "${first[$1]}" ] || written_over "$@"
  [ "$option" != "${first[$1]}" ] || [ "$1" = moe ] || with_lines "$@"
  rm -rf "sub folder" y.npy
}
written_over() { # an output that may be there already
  echo before >got
  check "$what to a descriptor" "${command[@]}" "$option" /dev/fd/5 5>>got >/dev/null
  tail -n +2 got >behind
  check "$what behind what a descriptor holds" same behind "$right"
  echo old >"$file"
  ln "$file" linked
  chmod 444 "$file"
  check "$what: a file without write bits" refused 2 "$file: cannot be written: Permission denied" "${command[@]}" "$option" "$file"
  chmod 600 "$file"
  check "$what: over a file" "${command[@]}" "$option" "$file" >/dev/null
  check "$what: over a file: all of it" same "$file" "$right"
  check "$what: mode stays" [ "$(stat -c %a "$file")" = 600 ]
  check "$what: another hard link keeps what it had" [ "$(cat linked)" = old ]
  mkfifo pipe
  timeout 60 cat pipe >got &
  check "$what to a FIFO" timeout 60 "${command[@]}" "$option" pipe >/dev/null
  wait $!
  check "$what to a FIFO: all of it" same got "$right"
  check "$what to a FIFO: it stays one" [ -p pipe ]
  rm -f pipe got behind linked y.npy
}
with_lines() { # a command that prints, too
  echo old >"$file"
  check "$what: lines that are lost, an old file" refused 1 "standard output: writing failed" "${lost[@]}" "${command[@]}" "$option" "$file"
  check "$what: the old file is unharmed" [ "$(cat "$file")" = old ]
  check "$what over its lines" refused 2 "is named for two outputs" "${over_lines[@]}" "${command[@]}" "$option" "$file"
  check "$what without descriptors" "${command[@]}" "$option" "$file" <&- >&- 2>&-
  check "$what without descriptors: all of it" same "$file" "$right"
}
for kind in "${kinds[@]}"; do
  # shellcheck disable=SC2086
  each_kind $kind
done

# Files that have no end, and bytes 0.
refused_early() { # TEXT COMMAND...: without taking all memory
  (ulimit -v 2000000; refused 2 "$@")
}
for input in /dev/zero folder; do
  mkdir -p folder
  why=$([ $input = folder ] && echo "Is a directory" || echo "File too large")
  check "run --requests $input" refused_early "--requests $input: line 1: cannot be read: $why" "$duplex" run --model "the model" --requests $input
  check "batch $input" refused_early "$input line 1: cannot be read: $why" "$duplex" batch $input --channels 1 --threads 1
  trace=$([ $input = folder ] && echo "--trace folder: Is a directory, expected" || echo "$input:1: cannot be read: $why")
  check "serve --trace $input" refused_early "$trace" "${traced[@]}" $input
  check "serve --constants $input" refused_early "$input: " "${serve[@]}" --constants $input
  tables=$([ $input = folder ] && echo "--tables 'folder': expected the name of a file" || echo "$input:1: expected 'version'")
  check "moe --tables $input" refused_early "$tables" "${moe[@]}" --threads 1 --out y.npy --tables $input
  check "moe --xpu-times $input" refused_early "$input" "${moe[@]}" --threads 1 --out y.npy --xpu-times $input
  check "moe --act $input" refused_early "--act $input: " "${moe[@]}" --out y.npy --act $input
  check "run --model $input" refused_early "$input" "$duplex" run --model $input --prompt-ids 1
  check "info --model $input" refused_early "$input" "$duplex" info --model $input
  check "the judge's preset $input" refused_early "$input: " "$build/timing_judge" $input $input
done
mkfifo nobody # without a writer: nothing waits for one
for files in "nobody mixtral" "gpu nobody" "gpu mixtral --constants nobody" "gpu mixtral --imbalance nobody"; do
  # shellcheck disable=SC2086
  set -- $files
  check "serve, a FIFO in '$files'" refused 2 "nobody: is no regular file" timeout 20 "$duplex" serve --system "$1" --model "$2" --mode paper "${@:3}"
done
rm nobody
long_measure=("$duplex" serve --system duplex --model mixtral --measure --times)
check "serve --times none" refused 2 "none: No such file or directory, expected a folder" "${long_measure[@]}" none
check "serve --times of a file" refused 2 "x.npy: Not a directory, expected a folder" "${long_measure[@]}" x.npy
# Before the tables are measured, which takes more than the seconds here.
check "serve --times where no file can be made" refused 2 "duplex: --times /proc/self/4096_14336_2_1.times: No such file or directory, expected a file" \
  timeout 5 "${long_measure[@]}" /proc/self
mkdir times
ln -s nowhere/x times/4096_14336_2_1.times
check "serve --times with a link to nowhere" refused 2 "duplex: --times times/4096_14336_2_1.times: No such file or directory, expected a file" \
  timeout 5 "${long_measure[@]}" times
ln -sf ../x.npy times/4096_14336_2_1.times
chmod 444 x.npy
check "serve --times with a file without write bits" refused 2 "times/4096_14336_2_1.times: Permission denied, expected a file" timeout 5 "${long_measure[@]}" times
rm -f times/4096_14336_2_1.times
mkdir times/4096_14336_2_1.times
check "serve --times with a folder in a table's place" refused 2 "times/4096_14336_2_1.times: Is a directory, expected a file" \
  timeout 5 "${long_measure[@]}" times
rm -r times
for results in /proc/none /proc/self x.npy nobody/results; do
  printf '{"grid": {"batch": [4]}, "options": {"system": "gpu", "model": "mixtral", "mode": "paper"}}' >plan.json
  check "sweep --results $results" refused 2 "duplex: --results '$results': " "$duplex" sweep plan.json --out sweep.csv --results $results
done
printf 'arrival_s,input,output\n0,5,6\n1,5\0,6\n' >zero.csv
check "serve --trace with a byte 0" refused 2 "zero.csv:3: has a byte 0, expected text" "${traced[@]}" zero.csv
printf '{"prompt_ids": [1]}\0\n' >zero.jsonl
check "run --requests with a byte 0" refused 2 "--requests zero.jsonl: line 1: " "$duplex" run --model "the model" --requests zero.jsonl
printf '{"prompt_ids": [1]}' >end.jsonl
check "run --requests without the last line feed" "$duplex" run --model "the model" --requests end.jsonl --max-new 1 --no-clocks >/dev/null

# What ends the command leaves no file.
ended() { # SIGNAL COMMAND...: once its temporary files are there
  local signal=$1 before status
  shift
  before=$(listing)
  "$@" >stdout 2>stderr &
  for _ in $(seq 200); do compgen -G '.duplex-*' >got && break; sleep 0.05; done
  rm -f got
  compgen -G '.duplex-*' >/dev/null || { echo "no temporary file"; return 1; }
  kill -"$signal" $!
  wait $!
  status=$?
  [ $status -gt 128 ] && [ "$(listing)" = "$before" ] || { echo "status $status"; diff <(echo "$before") <(listing); return 1; }
}
port=$((20000 + $$ % 20000))
check "moe is ended" ended TERM "${moe[@]}" --out y.npy --stats s.json --timeline t.json --firmware riscv --gdb $port
check "run is ended" ended HUP "${run[@]}" --logits l.npy --stats s.json --record-routing r.csv --firmware riscv --gdb $((port + 1))
check "serve is ended" ended ALRM "${serve[@]}" --measured 1000000000 --json s.json --stages-out s.csv
check_end model_files
