#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# Every kind of bad input: exit status 2, one line on standard error that names the input, nothing left behind, existing outputs unharmed.
# usage: tests/cli/bad_input.sh BUILD
set -u
export ASAN_OPTIONS=${ASAN_OPTIONS:+$ASAN_OPTIONS:}allocator_may_return_null=1:print_summary=0
duplex=$(cd "$1" && pwd)/duplex
configs=$(cd "$(dirname "$0")/../../configs" && pwd) || exit 1
dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
cd "$dir" || exit 1
failures=0
count=0

npy() { # FILE DESCR ORDER SHAPE BYTES [VERSION]: a .npy file with that header and that many zero bytes
  local header="{'descr': '$2', 'fortran_order': $3, 'shape': $4, }" version length
  printf -v header '%s%*s\n' "$header" $((63 - (${#header} + 10) % 64)) ''
  printf -v version '\\x%02x\\x00' "${6:-1}"
  printf -v length '\\x%02x\\x%02x' $((${#header} % 256)) $((${#header} / 256))
  [ "${6:-1}" = 1 ] || length+='\x00\x00'
  { printf "\\x93NUMPY$version$length"; printf '%s' "$header"; } >"$1"
  truncate -s "+$5" "$1"
}

# Few processes a case, since there are hundreds.
refused() { # NAME WORD COMMAND...: the message must contain WORD
  local name=$1 word=$2 status text before after
  shift 2
  count=$((count + 1))
  echo old >out.npy
  [ ! -e stats.json ] || rm -f stats.json
  before=(*)
  "$@" >stdout 2>stderr
  status=$?
  text=$(<stderr)
  # What a sanitizer says of a refused allocation.
  [[ $text != *==* ]] || { sed -i '/^==/d' stderr && text=$(<stderr); }
  after=(*)
  if [ $status != 2 ] || [ "$(wc -l <stderr)" != 1 ] || ! grep -q -- "$word" stderr || [ -s stdout ] || [ "$(<out.npy)" != old ] ||
    [ "${before[*]}" != "${after[*]}" ]; then
    echo "FAIL $name: status $status: $text; files before: ${before[*]}, after: ${after[*]}"
    failures=$((failures + 1))
  else
    echo "ok   $name: $text"
  fi
}

gemm() { "$duplex" gemm --out out.npy "$@"; }
expert() { "$duplex" expert --out out.npy "$@"; }

touch stdout stderr
shopt -s dotglob
npy x.npy '<f2' False '(3, 100)' 600
npy w.npy '<f2' False '(5, 100)' 1000
npy pair.npy '<f2' False '(2, 5, 100)' 2000
npy w90.npy '<f2' False '(5, 90)' 900
npy d.npy '<f2' False '(100, 5)' 1000
npy f4.npy '<f4' False '(5, 100)' 2000
npy big_endian.npy '>f2' False '(5, 100)' 1000
npy fortran.npy '<f2' True '(5, 100)' 1000
npy rank1.npy '<f2' False '(500,)' 1000
npy rank3.npy '<f2' False '(5, 10, 10)' 1000
npy rank5.npy '<f2' False '(5, 10, 10, 1, 1)' 1000
npy scalar.npy '<f2' False '()' 2
npy empty.npy '<f2' False '(0, 100)' 0
npy truncated.npy '<f2' False '(5, 100)' 999
npy longer.npy '<f2' False '(5, 100)' 1001
npy huge.npy '<f2' False '(4294967296, 4294967296)' 16
npy overflow.npy '<f2' False '(18446744073709551616, 1)' 16
npy negative.npy '<f2' False '(-5, 100)' 1000
npy zeros.npy '<f2' False '(005, 0100)' 1000
npy zero.npy '<f2' False '(5, 0100)' 1000
npy version9.npy '<f2' False '(5, 100)' 1000 9
npy wide.npy '<f2' False '(1, 65537)' 131074
npy many.npy '<f2' False '(4097, 1)' 8194
npy column.npy '<f2' False '(2, 1)' 4
head -c 5 x.npy >short.npy
head -c 40 x.npy >cut_header.npy
echo "not an array" >foreign.npy
: >nothing.npy
mkdir folder.npy
printf 'DUPLEXAT' >table.act
head -c 8192 /dev/zero >zero.act

refused "no command" "command" "$duplex"
refused "unknown command" "nonsense" "$duplex" nonsense
refused "unknown option" "--frob" gemm --x x.npy --w w.npy --frob 1
refused "stray argument" "stray" gemm --x x.npy --w w.npy stray
refused "option without value" "--w needs a value: expected FILE.npy" gemm --x x.npy --w
refused "an option in place of a file" "--x needs a value: expected FILE.npy" gemm --x --w w.npy
refused "option twice" "--x" gemm --x x.npy --x x.npy --w w.npy
refused "missing option" "--w is missing: expected FILE.npy" gemm --x x.npy
refused "missing file" "missing.npy" gemm --x missing.npy --w w.npy
refused "a folder" "folder.npy" gemm --x folder.npy --w w.npy
for file in f4 big_endian fortran rank1 rank3 rank5 scalar empty truncated longer huge overflow \
  negative zeros zero version9 short cut_header foreign nothing; do
  refused "gemm --w $file" "$file.npy" gemm --x x.npy --w $file.npy
  refused "gemm --x $file" "$file.npy" gemm --x $file.npy --w w.npy
done
refused "shapes do not match" "w90.npy" gemm --x x.npy --w w90.npy
refused "K too large" "wide.npy" gemm --x wide.npy --w wide.npy
refused "M too large" "many.npy" gemm --x many.npy --w column.npy
refused "out type" "--out-type" gemm --x x.npy --w w.npy --out-type f64
refused "backend" "--backend" gemm --x x.npy --w w.npy --backend fpga
refused "channels 0" "--channels" gemm --x x.npy --w w.npy --channels 0
refused "channels 33" "--channels" gemm --x x.npy --w w.npy --channels 33
refused "bundle 4" "--bundles" gemm --x x.npy --w w.npy --bundles 0,4
refused "a bundle twice" "bundle 1 is named twice" gemm --x x.npy --w w.npy --bundles 1,1
refused "an end of a list" "expected numbers from 0 to 3" gemm --x x.npy --w w.npy --bundles 0,
refused "version and more" "unknown argument" "$duplex" --version extra
refused "stripe outside the bundles" "--stripe" gemm --x x.npy --w w.npy --bundles 0,1 --stripe 1,2
refused "no such rule" "--activation-rule" gemm --x x.npy --w w.npy --activation-rule lax
refused "no such preset" "--dram-preset" gemm --x x.npy --w w.npy --dram-preset hbm2
refused "rank switch 3" "--rank-switch" gemm --x x.npy --w w.npy --rank-switch 3
refused "pair of tokens, one matrix" "--w" gemm --x pair.npy --w w.npy
refused "a pair in one bundle" "two bundles" gemm --x pair.npy --w pair.npy --bundles 2
refused "channels text" "--channels" gemm --x x.npy --w w.npy --channels 2x
refused "threads 0" "--threads" gemm --x x.npy --w w.npy --threads 0
refused "trace on the C model" "--trace" gemm --x x.npy --w w.npy --trace t.fst
refused "commands on the C model" "--command-trace" gemm --x x.npy --w w.npy --command-trace t.txt
head -c 3000 "$(dirname "$duplex")/firmware.elf" >short.elf
refused "a window that ends before it begins" "--trace-from 9: expected at most --trace-to, 8" \
  gemm --x x.npy --w w.npy --backend rtl --trace t.fst --trace-from 9 --trace-to 8
refused "firmware cut off" "short.elf" gemm --x x.npy --w w.npy --firmware riscv --firmware-elf short.elf
refused "firmware no ELF" "duplex: --firmware-elf x.npy: it is no ELF file" gemm --x x.npy --w w.npy --firmware riscv --firmware-elf x.npy
refused "firmware missing" "none.elf" gemm --x x.npy --w w.npy --firmware riscv --firmware-elf none.elf
refused "firmware of the host" "duplex: its class is 2, 64-bit: expected 1, 32-bit" gemm --x x.npy --w w.npy --firmware riscv --firmware-elf "$duplex"
refused "firmware file, native" "--firmware-elf" gemm --x x.npy --w w.npy --firmware-elf short.elf
refused "firmware trace, native" "--firmware-trace" gemm --x x.npy --w w.npy --firmware-trace t.txt
refused "instructions per clock" "--instructions-per-clock" gemm --x x.npy --w w.npy --firmware riscv --instructions-per-clock 0
for rate in ' 1' '1 ' '1	' x ''; do
  refused "instructions per clock '$rate'" "--instructions-per-clock" \
    gemm --x x.npy --w w.npy --firmware riscv --instructions-per-clock "$rate"
done
refused "gdb port" "--gdb" gemm --x x.npy --w w.npy --firmware riscv --gdb 70000
refused "firmware unknown" "--firmware" gemm --x x.npy --w w.npy --firmware z80
refused "output in no folder" "no/where.npy" "$duplex" gemm --x x.npy --w w.npy --out no/where.npy
refused "output is a folder" "folder.npy" "$duplex" gemm --x x.npy --w w.npy --out folder.npy
refused "stats in no folder" "no/stats.json" gemm --x x.npy --w w.npy --stats no/stats.json
refused "two outputs of one name" "out.npy" gemm --x x.npy --w w.npy --stats out.npy
refused "expert without up" "--up" expert --x x.npy --down d.npy
refused "expert: gate of another shape" "w90.npy" expert --x x.npy --gate w90.npy --up w.npy --down d.npy
refused "expert: up of another shape" "w90.npy" expert --x x.npy --up w90.npy --down d.npy
refused "expert: down of another shape" "w.npy" expert --x x.npy --up w.npy --down w.npy
refused "expert: dtype" "f4.npy" expert --x x.npy --up f4.npy --down d.npy
refused "activation unknown" "swish9" expert --x x.npy --up w.npy --down d.npy --act swish9
refused "activation table truncated" "table.act" expert --x x.npy --up w.npy --down d.npy --act table.act
refused "activation table foreign" "zero.act" expert --x x.npy --up w.npy --down d.npy --act zero.act
attention() { "$duplex" attention --out out.npy "$@"; }
npy q.npy '<f2' False '(2, 4, 32)' 512
npy kv.npy '<f2' False '(2, 2, 10, 32)' 2560
npy kv3.npy '<f2' False '(2, 3, 10, 32)' 3840
npy kv_batch.npy '<f2' False '(3, 2, 10, 32)' 3840
npy kv_short.npy '<f2' False '(2, 2, 9, 32)' 2304
npy kv_f4.npy '<f4' False '(2, 2, 10, 32)' 5120
npy q40.npy '<f2' False '(1, 1, 40)' 80
npy kv40.npy '<f2' False '(1, 1, 1, 40)' 80
npy q272.npy '<f2' False '(1, 1, 272)' 544
npy kv272.npy '<f2' False '(1, 1, 1, 272)' 544
npy q17.npy '<f2' False '(1, 17, 16)' 544
npy kv1.npy '<f2' False '(1, 1, 1, 16)' 32
npy q257.npy '<f2' False '(1, 257, 16)' 8224
npy kv257.npy '<f2' False '(1, 257, 1, 16)' 8224
npy q1.npy '<f2' False '(1, 1, 16)' 32
npy kv_long.npy '<f2' False '(1, 1, 131073, 16)' 4194336
npy lengths0.npy '<i4' False '(2,)' 8
npy lengths3.npy '<i8' False '(3,)' 24
refused "attention without v" "--v" attention --q q.npy --k kv.npy
refused "attention: rank of q" "x.npy" attention --q x.npy --k kv.npy --v kv.npy
refused "attention: rank of k" "q.npy" attention --q q.npy --k q.npy --v kv.npy
refused "attention: dtype" "kv_f4.npy" attention --q q.npy --k kv_f4.npy --v kv.npy
refused "attention: batch" "kv_batch.npy" attention --q q.npy --k kv_batch.npy --v kv_batch.npy
refused "attention: head size of k" "kv40.npy" attention --q q1.npy --k kv40.npy --v kv40.npy
refused "attention: v unlike k" "kv_short.npy" attention --q q.npy --k kv.npy --v kv_short.npy
refused "attention: heads no multiple" "query heads" attention --q q.npy --k kv3.npy --v kv3.npy
refused "attention: group of 17" "query heads" attention --q q17.npy --k kv1.npy --v kv1.npy
refused "attention: head size 40" "head size 40" attention --q q40.npy --k kv40.npy --v kv40.npy
refused "attention: head size 272" "head size 272" attention --q q272.npy --k kv272.npy --v kv272.npy
refused "attention: 257 heads" "257 KV heads" attention --q q257.npy --k kv257.npy --v kv257.npy
refused "attention: too many positions" "131073" attention --q q1.npy --k kv_long.npy --v kv_long.npy
refused "attention: append elsewhere" "--append" attention --q q.npy --k kv.npy --v kv.npy --append outside
refused "attention: length 0" "length 0" attention --q q.npy --k kv.npy --v kv.npy --lengths 3,0
refused "attention: length beyond L" "length 11" attention --q q.npy --k kv.npy --v kv.npy --lengths 11,1
refused "attention: negative length" "length -1" attention --q q.npy --k kv.npy --v kv.npy --lengths -1,1
for list in 3 3,4,5 3,,4 3, 99999999999999999999,1 ''; do
  refused "attention: lengths '$list'" "--lengths" attention --q q.npy --k kv.npy --v kv.npy --lengths "$list"
done
refused "attention: lengths of 0 in a file" "length 0" attention --q q.npy --k kv.npy --v kv.npy --lengths lengths0.npy
refused "attention: lengths of another batch" "lengths3.npy" attention --q q.npy --k kv.npy --v kv.npy --lengths lengths3.npy
refused "attention: lengths as <f2" "x.npy" attention --q q.npy --k kv.npy --v kv.npy --lengths x.npy
for scale in 0 -1 nan inf 1e400 x '' 1x ' 1' '1 '; do
  refused "attention: scale '$scale'" "--scale" attention --q q.npy --k kv.npy --v kv.npy --scale "$scale"
done
for spread in 0 3 64 x ''; do refused "attention: spread '$spread'" "--spread" attention --q q.npy --k kv.npy --v kv.npy --spread "$spread"; done
refused "attention: spread beyond the channels" "at most 16" attention --q q.npy --k kv.npy --v kv.npy --spread 32
refused "attention: spread on one channel" "at most 1" attention --q q.npy --k kv.npy --v kv.npy --spread 2 --channels 3
for weights in f32 P32 x ''; do refused "attention: weights '$weights'" "--weights" attention --q q.npy --k kv.npy --v kv.npy --weights "$weights"; done
refused "compare one file" "two files" "$duplex" compare x.npy
refused "compare types" "f4.npy" "$duplex" compare w.npy f4.npy
refused "compare shapes" "w90.npy" "$duplex" compare w.npy w90.npy
refused "random without shape" "--shape" "$duplex" random --dist bits --out out.npy
refused "random shape" "--shape" "$duplex" random --shape 3,0 --dist bits --out out.npy
refused "random dist" "--dist" "$duplex" random --shape 3 --dist cauchy --out out.npy
for dist in normal:1e5 uniform:65520 normal:0 uniform:-1 normal:nan normal:inf uniform: 'normal: 1' 'normal:1 ' 'uniform:	1' ' bits' 'bits '; do
  refused "random dist '$dist'" "expected normal:S or uniform:A with a number above 0 and below 65520, bits or classes" \
    "$duplex" random --shape 3 --dist "$dist" --out out.npy
done
refused "more than the disk holds" "its file system has" "$duplex" random --shape 1048576,1048576,1024 --dist bits --out out.npy
refused "more than can be counted" "too large" "$duplex" random --shape 1048576,1048576,1048576,1048576 --dist bits --out out.npy
# Elements and orders that others understand: the message says how to come by <f2.
for type in '<f4' '<f8' '>f2' '|V2' '<i4' '>u8' '|b1'; do
  npy other.npy "$type" False '(5, 100)' $((500 * ${type#??}))
  refused "--w of $type" "its elements are $type, expected <f2: .duplex convert. makes it, or astype('<f2')" gemm --x x.npy --w other.npy
done
for type in '|V16' '<c8' '<M8' '|S2'; do
  npy other.npy "$type" False '(5, 100)' $((500 * ${type#??}))
  refused "--w of $type, which nothing converts" "its elements are $type, expected <f2 *$" gemm --x x.npy --w other.npy
done
refused "--w in Fortran order" "expected C order: .duplex convert. makes it, or ascontiguousarray" gemm --x x.npy --w fortran.npy
refused "--lengths of <f4" "astype('<i4')" attention --q q.npy --k kv.npy --v kv.npy --lengths f4.npy
for scale in 1e39 2.4e38 1e-50 -nan INF; do refused "attention: scale $scale" "--scale" attention --q q.npy --k kv.npy --v kv.npy --scale "$scale"; done
for list in '5 7' '5;7' '5.0, 7' '(5, 7)' '0x5,7' '5, seven' ' ' '5, 7,'; do
  refused "attention: lengths '$list'" "2 numbers with commas" attention --q q.npy --k kv.npy --v kv.npy --lengths "$list"
done
for kernel in sse avx9000 AVX2 ''; do
  refused "kernel '$kernel'" "DUPLEX_KERNEL is '$kernel'" env DUPLEX_KERNEL="$kernel" \
    "$duplex" gemm --x x.npy --w w.npy --out out.npy
done
for seed in x 7x -1 1e400 99999999999999999999 ''; do refused "AXI seed '$seed'" "DUPLEX_AXI_SEED is '$seed'" env DUPLEX_AXI_SEED="$seed" "$duplex" info; done
refused "random start" "DUPLEX_RANDOM_START is 'x'" env DUPLEX_RANDOM_START=x "$duplex" info
refused "convert one file" "two files" "$duplex" convert x.npy
refused "convert to f4" "--to" "$duplex" convert x.npy out.npy --to f4
refused "convert a missing file" "none.npy" "$duplex" convert none.npy out.npy
refused "convert what is no tensor" "foreign.npy" "$duplex" convert foreign.npy out.npy
npy other.npy '<c8' False '(5, 100)' 4000
refused "convert complex numbers" "its elements are <c8, expected f2, f4" "$duplex" convert other.npy out.npy
for file in truncated longer empty huge overflow negative version9 rank5; do refused "convert $file" "$file.npy" "$duplex" convert $file.npy out.npy; done
refused "help of two commands" "one command" "$duplex" help gemm expert
refused "help of no command" "nonsense" "$duplex" help nonsense
refused "help with two options" "takes one option, '--bash' was given with --man" "$duplex" help --man --bash
refused "help with an option twice" "takes one option, '--man' was given with --man" "$duplex" help --man --man
refused "help with two options and a command" "takes one option, '--words'" "$duplex" help --man gemm --words
refused "help with an option behind the command" "'--man' before the command" "$duplex" help gemm --man
refused "help with an option of another command" "unknown option '--foo' of help" "$duplex" help --foo
refused "help --words of a command" "takes no command, 'gemm' was given" "$duplex" help --words gemm
refused "info with argument" "x.npy" "$duplex" info x.npy
# Files of models.
refused "model not there" "--model nowhere: cannot be read" "$duplex" info --model nowhere
refused "model of another kind" "x.npy: expected a folder with config.json, or a GGUF file" "$duplex" info --model x.npy
mkdir foreign
refused "model without a description" "foreign/config.json: cannot be read" "$duplex" info --model foreign
echo '{"architectures":["DeepseekV2ForCausalLM"]}' >foreign/config.json
refused "foreign model" "architectures: 'DeepseekV2ForCausalLM' is not there" "$duplex" info --model foreign
printf '\xef\xbb\xbf{"architectures":["DeepseekV2ForCausalLM"]}' >foreign/config.json
refused "foreign model behind a byte order mark" "architectures: 'DeepseekV2ForCausalLM' is not there" "$duplex" info --model foreign
sizes='"model_type":"llama","hidden_size":8,"num_hidden_layers":1,"num_attention_heads":2,"vocab_size":4,"max_position_embeddings":16,"intermediate_size":8'
echo "{$sizes,\"odd_rule\":1}" >foreign/config.json
refused "unknown rule" "odd_rule is not known: it may change what is computed" "$duplex" info --model foreign
echo "{$sizes}" >foreign/config.json
refused "model without weights" "foreign/model.safetensors: cannot be read" "$duplex" info --model foreign
printf '\377\377\377\377\377\377\377\377{}' >foreign/model.safetensors
refused "length of a header" "its header has 18446744073709551615 bytes" "$duplex" info --model foreign
printf '\002\000\000\000\000\000\000\000{}' >foreign/model.safetensors
refused "missing weights" "the embedding is missing" "$duplex" info --model foreign
printf '\002\000\000\000\000\000\000\000{}' >foreign/a.safetensors
echo '{"weight_map":{"x":"../a.safetensors"}}' >foreign/model.safetensors.index.json
refused "two sources of weights" "is there beside foreign/model.safetensors.index.json" "$duplex" info --model foreign
rm foreign/model.safetensors
refused "shard outside" "expected the name of a file in the same folder" "$duplex" info --model foreign
rm -r foreign

# A layer of 2 experts, 100 hidden and 5 inner.
npy router.npy '<f2' False '(2, 100)' 400
npy router3.npy '<f2' False '(3, 100)' 600
npy router90.npy '<f2' False '(2, 90)' 360
npy router257.npy '<f2' False '(257, 100)' 51400
npy ups.npy '<f2' False '(2, 5, 100)' 2000
npy ups3.npy '<f2' False '(3, 5, 100)' 3000
npy ups6.npy '<f2' False '(2, 6, 100)' 2400
npy downs.npy '<f2' False '(2, 100, 5)' 2000
npy downs90.npy '<f2' False '(2, 90, 5)' 1800
npy x4097.npy '<f2' False '(4097, 100)' 819400
moe() { "$duplex" moe --out out.npy --x x.npy --channels 2 "$@"; }
layer=(--router router.npy --gate ups.npy --up ups.npy --down downs.npy)
refused "moe: the router's columns" "router90.npy: dimension 1 is 90, expected 100" moe --router router90.npy --up ups.npy --down downs.npy
refused "moe: experts of router and up" "--up ups3.npy: dimension 0 is 3, expected 2" moe --router router.npy --up ups3.npy --down downs.npy
refused "moe: experts of router and down" "--down downs.npy: dimension 0 is 2, expected 3" moe --router router3.npy --up ups3.npy --down downs.npy
refused "moe: gate and up" "--gate ups6.npy: dimension 1 is 6, expected 5" moe --router router.npy --gate ups6.npy --up ups.npy --down downs.npy
refused "moe: up and down" "--down downs.npy: dimension 2 is 5, expected 6" moe --router router.npy --up ups6.npy --down downs.npy
refused "moe: hidden size of down" "--down downs90.npy: dimension 1 is 90, expected 100" moe --router router.npy --up ups.npy --down downs90.npy
refused "moe: a matrix for experts" "--up w.npy" moe --router router.npy --up w.npy --down downs.npy
refused "moe: a missing router" "--router is missing" moe --up ups.npy --down downs.npy
refused "moe: 257 experts" "router257.npy: has 257 rows, expected 1 to 256" moe --router router257.npy --up ups.npy --down downs.npy
refused "moe: 4097 tokens" "x4097.npy: has 4097 rows, expected 1 to 4096" "$duplex" moe --out out.npy --x x4097.npy "${layer[@]}"
refused "moe: top-k above the experts" "--top-k 3: expected 1 to 2" moe "${layer[@]}" --top-k 3
refused "moe: top-k 0" "--top-k" moe "${layer[@]}" --top-k 0
refused "moe: no place" "--places is '0': expected a whole number from 1 to 100" moe "${layer[@]}" --places 0 --stats s.json
refused "moe: 101 places" "--places is '101': expected a whole number from 1 to 100" moe "${layer[@]}" --places 101 --stats s.json
refused "moe: places without statistics" "--places 2: expected --stats" moe "${layer[@]}" --places 2
refused "moe: 0 stacks" "--stacks" moe "${layer[@]}" --stacks 0
refused "moe: 9 stacks" "--stacks" moe "${layer[@]}" --stacks 9
refused "moe: an unknown policy" "--policy" moe "${layer[@]}" --policy fastest
refused "moe: an unknown score" "--score" moe "${layer[@]}" --score max
refused "moe: unknown partial sums" "--partials" moe "${layer[@]}" --partials f16
refused "moe: three copies of each expert" "--copies" moe "${layer[@]}" --copies 3
refused "moe: decide sometimes" "--decide" moe "${layer[@]}" --decide sometimes
refused "moe: two copies with another policy" "--copies 2: expected --policy best" moe "${layer[@]}" --copies 2 --policy paper
refused "moe: a decision of another policy" "--decide always: expected --policy best" moe "${layer[@]}" --decide always --policy pim
refused "moe: a table of gathered h" "--tables t.tables: expected other --partials" moe "${layer[@]}" --tables t.tables --partials gathered
refused "moe: a firmware that is none" "duplex: --firmware-elf short.elf: " \
  moe "${layer[@]}" --firmware riscv --firmware-elf short.elf
refused "moe: bundles" "--bundles: expected none" moe "${layer[@]}" --bundles 0
refused "moe: a stripe set" "--stripe: expected none" moe "${layer[@]}" --stripe 0
refused "moe: the xPU's traffic" "--xpu-traffic: expected none" moe "${layer[@]}" --xpu-traffic stream
refused "moe: a command trace of five stacks" "expected --stacks 1" moe "${layer[@]}" --backend rtl --command-trace commands.txt
refused "moe: a timeline that is a picture" "another format than .json" moe "${layer[@]}" --timeline t.svg
refused "moe: a picture that is a timeline" "another format than .svg" moe "${layer[@]}" --timeline-picture t.json
refused "moe: an unknown activation" "--act" moe "${layer[@]}" --act swish

# Tables of time: a good one first.
"$duplex" moe --out out.npy --x x.npy --channels 1 --stacks 1 "${layer[@]}" --tables good.tables || failures=$((failures + 1))
sed '/^groups_9 /s/ 0 / 1 /' good.tables >damaged.tables
sed 's/^version .*/version 1/' good.tables >version.tables
sed 's/^origin .*/origin 1/' good.tables >origin.tables
head -c 3000 good.tables >cut.tables
printf 'm,n,k,latency_us\n8,10,100,3.0\n' >good.csv
: >empty.tables
table() { "$duplex" moe --out out.npy --x x.npy --channels 1 --stacks 1 "${layer[@]}" "$@"; }
refused "moe: a damaged table" "damaged.tables:2: the tables are damaged" table --tables damaged.tables
refused "moe: a table of another version" "version.tables:1: version 1, expected" table --tables version.tables
sed 's/^version \(.*\)/version 0\1/' good.tables >zero.tables
refused "moe: a number with a zero before it" "zero.tables:1: expected 'version'" table --tables zero.tables
refused "moe: a table of another model" "origin.tables: a table of another" table --tables origin.tables
refused "moe: a table that is cut off" "cut.tables:" table --tables cut.tables
refused "moe: an empty table" "empty.tables:1: expected 'version'" table --tables empty.tables
refused "moe: a folder as table" "--tables .*: expected the name of a file" table --tables ..
refused "moe: a tensor as table" "x.npy:1: expected 'version'" table --tables x.npy
refused "moe: a table in no folder" "--tables nowhere/t.tables: cannot be written" table --tables nowhere/t.tables
refused "moe: a table of other stacks" "good.tables: a table of another shape: stacks 1, expected 2" \
  "$duplex" moe --out out.npy --x x.npy --channels 1 --stacks 2 "${layer[@]}" --tables good.tables
refused "moe: a table of experts without gate" "good.tables: a table of another shape: gate one, expected none" \
  "$duplex" moe --out out.npy --x x.npy --channels 1 --stacks 1 --router router.npy --up ups.npy --down downs.npy --tables good.tables

# Times of the xPU.
printf 'm,n,k,latency_us\n8,10,100,3.0\n8,10,100,3.0\n' >twice.csv
printf 'm,n,k,latency_us\n8,10,100,3.x\n' >letter.csv
printf 'bytes,latency_us\n8,3.0\n' >other.csv
printf 'm,n,k,latency_us\n' >none.csv
refused "moe: times of the xPU twice" "duplex: --xpu-times twice.csv, line 3" table --xpu-times twice.csv
refused "moe: a time of the xPU that is none" "duplex: --xpu-times letter.csv, line 2, column 10" table --xpu-times letter.csv
refused "moe: times of other kernels" "duplex: --xpu-times other.csv, line 1, column 1: expected the columns 'm,n,k,latency_us'" table --xpu-times other.csv
refused "moe: no times of the xPU" "duplex: --xpu-times none.csv" table --xpu-times none.csv
refused "moe: a missing file of times" "--xpu-times nowhere.csv: No such file" table --xpu-times nowhere.csv
refused "moe: a folder of times" "--xpu-times ..: is a folder" table --xpu-times ..
refused "moe: a table of another xPU" "good.tables: a table of another" table --xpu-times good.csv --tables good.tables

# A channel has not enough row sets for all experts. A table that was to be made is not left either.
npy one.npy '<f2' False '(1, 1)' 2
npy many_router.npy '<f2' False '(256, 1)' 512
npy many_up.npy '<f2' False '(256, 4096, 1)' 2097152
npy many_down.npy '<f2' False '(256, 1, 4096)' 2097152
refused "moe: a space that is too small" "no room for expert 248 in bundles 0xf" \
  "$duplex" moe --out out.npy --x one.npy --router many_router.npy --gate many_up.npy \
  --up many_up.npy --down many_down.npy --channels 1 --stacks 1 --tables many.tables

# serve: the files themselves are in tests/serving/test_configs.c and test_traces.c
echo '{"beside": "none", "colour": 1}' >colour.json
printf 'arrival_s,input,output\n0,0,1\n' >zero.csv
printf 'arrival_s,input,output\n0,1,1\n' >one.csv
printf 'arrival_s,input,output\n0,1,1\n2,1000000,1000000\n1,1,1\n' >long.csv
serve() { "$duplex" serve --system gpu --model mixtral --mode paper --measured 3 --warm-up 0 --json stats.json "$@"; }
refused "serve: no system" "--system is missing: expected NAME|FILE.json, see --help" "$duplex" serve --model mixtral
refused "serve: an unknown system" "expected a file or one of" "$duplex" serve --system gpus --model mixtral
refused "serve: an unknown model" "expected a file or one of" "$duplex" serve --system gpu --model mixtal
refused "serve: an unknown key" "colour.json:1: colour is unknown" "$duplex" serve --system colour.json --model mixtral
refused "serve: batch 0" "--batch" serve --batch 0
refused "serve: an option in place of a number" "duplex: --batch needs a value: expected N" \
  "$duplex" serve --system gpu --model mixtral --batch --json stats.json
refused "serve: an option in place of a word" "duplex: --mode needs a value: expected full|paper|authors" \
  "$duplex" serve --system gpu --model mixtral --mode --json stats.json
refused "serve: an option that nobody knows in place of a number" "duplex: --batch needs a value: expected N" \
  "$duplex" serve --system gpu --model mixtral --batch --jsno stats.json
refused "serve: a length of 0" "--lin" serve --lin 0
refused "serve: NaN" "--qps" serve --qps nan
refused "serve: a negative rate" "--qps" serve --qps -1
refused "serve: a deviation above 1" "--len-sd" serve --len-sd 1.5
refused "serve: an unknown mode" "--mode" serve --mode fast
refused "serve: weights that do not fit" "duplex: mixtral on gpu with --devices 1: -7.5 GB are left" serve --devices 1
refused "serve: experts on 3 devices" "duplex: --devices is 3, expected a divisor or a multiple" serve --devices 3
refused "serve: experts on 3 nodes" "duplex: --nodes 3 makes devices with experts 12, expected a divisor or a multiple" serve --nodes 3
refused "serve: experts on 3 nodes of 2 devices" "duplex: --nodes 3 makes devices with experts 6, expected" serve --nodes 3 --devices 2
refused "serve: too many nodes" "duplex: --nodes 1024 makes devices 4096, expected at most 1024" serve --nodes 1024
refused "serve: slices of experts on 3 nodes" "duplex: --nodes is 3, expected a divisor" "$duplex" serve --system duplex-pe-et --model mixtral --nodes 3
refused "serve: half of three devices" "duplex: --devices is 3, expected an even number" "$duplex" serve --system hetero --model mixtral --devices 3
printf '{"beside": "none",\n"nodes": 3}\n' >three.json
refused "serve: experts on 3 nodes of a file" "duplex: --system three.json:2: nodes makes devices with experts 12, expected a divisor or a multiple" \
  "$duplex" serve --system three.json --model mixtral
refused "serve: the same with devices" "duplex: --system three.json:2: nodes makes devices with experts 12, expected" \
  "$duplex" serve --system three.json --model mixtral --devices 4
# What has no room: in a unit in which it is not 0, of the model, and of the system that is too small.
refused "serve: a short request without room" "duplex: mixtral on gpu with --devices 1: -7.5 GB are left for K and V .*, expected 2.1 MB for a request of 16 tokens" \
  serve --devices 1 --lin 8 --lout 8
printf '{"model_type": "mixtral", "max_position_embeddings": 64, "num_attention_heads": 32, "num_key_value_heads": 8, "num_local_experts": 8,
"num_hidden_layers": 320, "hidden_size": 4096, "intermediate_size": 14336, "num_experts_per_tok": 2, "vocab_size": 32000}\n' >large.json
refused "serve: a model of Hugging Face without room" "duplex: --model large.json:2 on gpu: -585.7 GB are left for K and V" \
  "$duplex" serve --system gpu --model large.json
printf '{"beside": "none",\n"memory": {"gib": 0.001}}\n' >small.json
echo '{"layers": 1, "hidden": 64, "inner": 64, "heads": 4, "kv_heads": 4, "head_size": 16, "vocabulary": 100}' >tiny.json
refused "serve: a small memory" "duplex: --model tiny.json:1 on small.json:2: 4.2 MB are left for K and V .*, expected 4.5 MB for a request" \
  "$duplex" serve --system small.json --model tiny.json --lin 16384
printf 'arrival_s,input,output\n0,16448,10\n' >larger.csv
refused "serve: a request of a trace in a small memory" \
  "larger.csv:2: a request of 16458 tokens takes 4.213 MB for K and V, expected at most the 4.212 MB that are left of tiny.json:1 on small.json:2" \
  "$duplex" serve --system small.json --model tiny.json --trace larger.csv
refused "serve: a trace of zeros" "zero.csv:2: input is 0" serve --trace zero.csv
refused "serve: more than the trace has" "at most 1 requests" "$duplex" serve --system gpu --model mixtral --mode paper --trace one.csv --measured 2
refused "serve: a request of a trace without room" "long.csv:3: a request of 2000000 tokens" \
  "$duplex" serve --system gpu --model mixtral --mode paper --trace long.csv
printf 'arrival_s,input,output\n0,10,5\n1e-320,10,5\n' > at_once.csv
refused "serve: a trace too short to stretch" "at_once.csv.*all requests arrive at once" \
  "$duplex" serve --system gpu --model mixtral --mode paper --trace at_once.csv --rate 3
refused "serve: a rate of its own and a trace" "expected --rate" serve --trace one.csv --qps 3
refused "serve: a rate without a trace" "expected --trace" serve --rate 5
refused "serve: a format without a trace" "expected --trace" serve --format csv
for option in "--lin 5" "--lout 5" "--len-sd 0.1"; do
  # shellcheck disable=SC2086
  refused "serve: a trace and $option" "lengths of the trace" serve --trace one.csv $option
done
for option in "--times ." --measure "--activation-rule strict" "--partials f32" "--dram-preset hbm3_6400" "--copies 1"; do
  # shellcheck disable=SC2086
  refused "serve: $option in mode paper" "expected --mode full" serve $option
done
for option in "--qps 3" "--len-sd 0.1" "--limit-first 3" "--limit-token 3" "--find-rate 0.9" "--warm-up 3" "--requests-out o.csv" "--trace one.csv"; do
  # shellcheck disable=SC2086
  refused "serve: $option as the authors" "expected another mode" "$duplex" serve --system gpu --model mixtral --mode authors $option
done
refused "serve: half of the devices as the authors" "another layout" "$duplex" serve --system duplex-split --model mixtral --mode authors
for mode in full paper authors; do
  for system in gpu duplex duplex-pe-et bank-pim hetero; do
    refused "serve: a model that does not fit $system in mode $mode" "GB are left" \
      "$duplex" serve --system $system --model grok1 --mode $mode --nodes 1 --devices 2
  done
done
echo '{"layers": 64, "hidden": 65536, "inner": 64, "dense_inner": 262144, "heads": 64, "kv_heads": 8, "head_size": 128, "vocabulary": 100,
  "experts": 8, "top_k": 2, "moe_every": 2}' >dense.json
refused "serve: xPUs without room" "left on the xPUs" "$duplex" serve --system hetero --model dense.json --mode paper
refused "serve: an imbalance without experts" "has no experts" "$duplex" serve --system gpu --model llama3-70b --mode paper --imbalance zipf:1
refused "serve: limits that nothing breaks" "lower limits" "$duplex" serve --system gpu --model mixtral --mode paper --find-rate 0.9 \
  --limit-first 1e9 --lin 8 --lout 2 --measured 20 --warm-up 0
refused "serve: an unknown scheduler" "--scheduler" serve --scheduler orca
refused "serve: what only another scheduler has" "expected --scheduler vllm" serve --max-num-seqs 8
refused "serve: fewer tokens than sequences" "at least the 8" serve --scheduler vllm --max-num-seqs 8 --max-num-batched-tokens 7
refused "serve: clients and arrivals" "expected --max-num-seqs" serve --scheduler vllm --qps 3 --batch 8
refused "serve: clients and a search of arrivals" "expected --max-num-seqs" serve --scheduler vllm --find-rate 0.9 --limit-first 5 --batch 8
refused "serve: a limit of nothing" "--limit-first is '0'" serve --qps 3 --limit-first 0
refused "serve: a limit of nothing a token" "--limit-token is '0'" serve --find-rate 0.9 --limit-token 0
refused "serve: no folder of times" "--times none: No such file or directory, expected a folder" "$duplex" serve --system duplex-pe-et --model mixtral --times none
refused "serve: blocks beyond memory" "expected 2199.0 GB for a request of 2048 tokens" "$duplex" serve --system gpu --model mixtral --scheduler vllm \
  --block-size 16777216
refused "serve: blocks of nothing" "--block-size" serve --scheduler vllm --block-size 0
refused "serve: an imbalance without a number" "--imbalance zipf:: expected a number from 0 to 10" serve --imbalance zipf:
refused "serve: an imbalance of nothing" "expected uniform, zipf:A" serve --imbalance nowhere.csv
refused "serve: a table that is no routing" "duplex: --imbalance zero.csv:1: expected the columns" serve --imbalance zero.csv
printf 'layer,step,expert,tokens\n0,0,1,3\n0,1,1,3\n0,0,1,3\n' >again.csv
printf 'layer,step,expert,tokens\n0,0,1,3\n0,0,8,3\n' >expert8.csv
refused "serve: an expert that the model has not" "duplex: --imbalance expert8.csv:3: expert is 8, expected one of the model's, 0 to 7" serve --imbalance expert8.csv
{ echo layer,step,expert,tokens && for layer in {40..8}; do printf '%s,0,1,3\n%s,0,2,1\n' "$layer" "$layer"; done; } >layers33.csv
refused "serve: more layers than the model has" \
  "duplex: --imbalance layers33.csv:2: layer 40 is one more than the 32 with experts that the model has, expected no more layers" \
  serve --imbalance layers33.csv
refused "serve: a step of a recorded routing twice" "duplex: --imbalance again.csv:4: step 0 of layer 0, expert 1" serve --imbalance again.csv
refused "serve: measured kernels in mode paper" "expected --mode full" serve --tables .
refused "serve: no measured kernels" "duplex: --tables nowhere: No such file or directory, expected one with gemm.csv" "$duplex" serve --system gpu --model mixtral --tables nowhere
refused "serve: prompts without hashes" "expected --trace with hash_ids" \
  "$duplex" serve --system gpu --model mixtral --scheduler vllm --trace one.csv --prefix-cache
printf '{"timestamp": 0, "input_length": 4000, "output_length": 5, "hash_ids": [1, 2, 3]}\n' >few.jsonl
refused "serve: hashes of parts of another size" "duplex: --trace few.jsonl:1: 3 hash_ids of 4000 tokens, expected 8" \
  "$duplex" serve --system gpu --model mixtral --scheduler vllm --trace few.jsonl --prefix-cache
refused "serve: a size of hashes without a cache" "expected --prefix-cache" serve --scheduler vllm --hash-block 16
refused "serve: experts that the nodes that prefill do not divide" "duplex: 3 nodes that prefill: devices with experts is 12, expected a divisor or a multiple" \
  serve --nodes 4 --prefill-nodes 3
refused "serve: experts that the nodes that decode do not divide" "duplex: 3 nodes that decode: devices with experts is 12, expected a divisor or a multiple" \
  serve --nodes 4 --prefill-nodes 1
for pair in "azure|columns TIMESTAMP, ContextTokens and GeneratedTokens" "csv|columns arrival_s, input and output" "mooncake|keys timestamp, input_length and output_length" \
  "vllm|keys queued_ts, input_toks and output_toks"; do
  printf 'a,b\n1,2\n' >other.csv
  refused "serve: a trace of another format than ${pair%|*}" "duplex: --trace other.csv:1: expected the ${pair#*|} of the format ${pair%|*} once" \
    serve --trace other.csv --format "${pair%|*}"
done
refused "serve: a trace that is a folder" "duplex: --trace folder.npy: Is a directory, expected " serve --trace folder.npy
refused "serve: constants that are a device" "duplex: --constants /dev/null: is no regular file, expected a file or constants *$" serve --constants /dev/null
mkdir kernels && mkfifo kernels/gemm.csv
refused "serve: kernels in a pipe" "duplex: --tables kernels/gemm.csv: is no regular file, expected a table of measured times" \
  timeout 20 "$duplex" serve --system gpu --model mixtral --tables kernels
rm -r kernels
mkdir tables.d && mkfifo tables.d/4096_3584_8_1_f32.times
refused "serve: a table of time that is a pipe" "duplex: --times tables.d/4096_3584_8_1_f32.times: is no regular file, expected a table of time" \
  timeout 20 "$duplex" serve --system duplex-pe-et --model mixtral --copies 1 --partials f32 --times tables.d
rm -r tables.d
refused "serve: kernels that are no folder" "duplex: --tables zero.csv: is no folder, expected one with gemm.csv" \
  "$duplex" serve --system gpu --model mixtral --tables zero.csv
echo '{"architectures": []}' >none.json
refused "serve: a model of no class" "duplex: --model none.json:1: architectures is wrong: expected a list of one name of MixtralForCausalLM, " \
  "$duplex" serve --system gpu --model none.json
echo '{"layers": 2, "hidden": 64, "inner": 64, "heads": 4, "kv_heads": 4, "head_size": 16, "vocabulary": 100, "weight_bits": 32}' >bits32.json
refused "serve: weights of 32 bits" "duplex: --model bits32.json:1: weight_bits is not as it must be, expected one of 4, 8, 16" \
  "$duplex" serve --system gpu --model bits32.json
printf '{"model_type": "qwen2_moe", "num_hidden_layers": 4, "hidden_size": 64, "intermediate_size": 96, "moe_intermediate_size": 32,
  "num_attention_heads": 4, "num_experts_per_tok": 2, "vocab_size": 100, "num_experts": 8, "shared_expert_intermediate_size": 64,
  "mlp_only_layers": [0, 4]}' >dense_layers.json
refused "serve: a dense layer behind the last one" "duplex: --model dense_layers.json:3: mlp_only_layers is not as it must be, expected a list of layers from 0 to 3" \
  "$duplex" serve --system gpu --model dense_layers.json
# Nothing in place of a file, a folder or an operand: the option, and what it takes.
for option in "times|FOLDER" "tables|FOLDER" "trace|FILE" "constants|FILE.json" "json|FILE.json" "imbalance|uniform.zipf:A.power:A.FILE.csv" "stages-out|FILE.csv"; do
  refused "serve: an empty --${option%|*}" "duplex: --${option%|*} '': expected ${option#*|}" "$duplex" serve --system gpu --model mixtral "--${option%|*}" ''
done
refused "gemm: an empty --w" "duplex: --w '': expected FILE.npy" gemm --x x.npy --w ''
refused "gemm: an empty --out" "duplex: --out '': expected FILE.npy" "$duplex" gemm --x x.npy --w w.npy --out ''
refused "gemm: an empty --firmware-elf" "duplex: --firmware-elf '': expected FILE" gemm --x x.npy --w w.npy --firmware riscv --firmware-elf ''
refused "convert: an empty name" "duplex: convert '': expected IN.npy OUT.npy" "$duplex" convert '' out.npy
refused "convert: an empty output" "duplex: convert '': expected IN.npy OUT.npy" "$duplex" convert x.npy ''
refused "compare: an empty name" "duplex: compare '': expected A.npy B.npy" "$duplex" compare x.npy ''
for command in "batch|FILE.jsonl" "sweep|FILE.json" "validate|"; do
  refused "${command%|*}: an empty name" "duplex: ${command%|*} '': expected ${command#*|}" "$duplex" "${command%|*}" ''
done
refused "serve: all nodes prefill" "duplex: --prefill-nodes is 2, expected fewer than all nodes" serve --nodes 2 --prefill-nodes 2
refused "serve: nodes that prefill as the authors" "expected another mode" \
  "$duplex" serve --system gpu --model mixtral --mode authors --nodes 2 --prefill-nodes 1
refused "serve: experts on no Logic-PIM" "gpu has no units" serve --policy pim
refused "serve: experts on the half without them" "all experts on Logic-PIM" "$duplex" serve --system hetero --model mixtral --mode paper --policy xpu
refused "serve: three copies of experts" "--copies" "$duplex" serve --system duplex-pe-et --model mixtral --copies 3
refused "serve: two copies of experts without room" "with two copies of each expert" \
  "$duplex" serve --system duplex-pe-et --model mixtral --devices 2 --copies 2
refused "serve: policy best without tables" "--policy best: expected --mode full with it, or another policy" \
  "$duplex" serve --system duplex-pe-et --model mixtral --mode paper --policy best
# Options that would change nothing: OPTION|SYSTEM|MODEL|MESSAGE. tests/serving/outputs.py has all systems.
sed 's/}/, "weight_bits": 8}/; s/"moe_every": 2/"moe_every": 1/' dense.json >bits8.json
printf '{"comment": "",\n"beside": "none"}\n' >none_beside.json
mkdir decode.d gemm.d reduce.d && touch decode.d/decode.csv gemm.d/gemm.csv reduce.d/all_reduce.csv
while IFS='|' read -r option system model word; do
  # shellcheck disable=SC2086
  refused "serve: $option on $system of $model" "duplex: $word" "$duplex" serve --system $system --model $model --json stats.json $option
done <<'END'
--partials f32|gpu|mixtral|--partials: gpu has no units beside the xPU, expected a system with logic_pim, bank_pim or bankgroup_pim, such as duplex-pe-et$
--partials acc|2xgpu|mixtral|--partials: 2xgpu has no units
--partials f32|duplex|llama3-70b|--partials: llama3-70b has no experts, expected a model with some, such as mixtral$
--partials f32 --policy xpu|duplex|mixtral|--partials: policy xpu has no partial sums, expected another policy$
--firmware riscv|gpu|mixtral|--firmware: gpu has no units
--firmware native|none_beside.json|mixtral|--firmware: none_beside.json:2 has no units
--policy best|gpu|mixtral|--policy: gpu has no units
--policy pim|gpu|mixtral|--policy: gpu has no units
--policy paper|hetero|mixtral|--policy: hetero has all experts on Logic-PIM, expected another layout than hetero$
--policy pim|duplex|opt-66b|--policy: opt-66b has no experts
--policy best|duplex-pe-et|bits8.json|--policy best: bits8.json:2 has weights of 8 bits, expected 16, as the tables of Logic-PIM's times have, or another policy$
--imbalance uniform|gpu|opt-66b|--imbalance: opt-66b has no experts
--activation-rule strict|bank-pim|mixtral|--activation-rule: bank-pim has no Logic-PIM, expected a system with it, such as duplex-pe-et$
--measure|bank-pim|mixtral|--measure: bank-pim has no Logic-PIM
--measure|duplex|opt-66b|--measure: opt-66b has no experts
--times x|bankgroup-pim|mixtral|--times: bankgroup-pim has no Logic-PIM
--times .|duplex|bits8.json|--times: bits8.json:2 has weights of 8 bits
--tables decode.d|duplex|mixtral|--tables: decode.d/decode.csv is not asked for, since duplex decodes beside the xPU, expected one of gemm.csv, prefill.csv, elements.csv, all_reduce.csv in the folder$
--tables gemm.d|gpu|bits8.json|--tables: gemm.d/gemm.csv is not asked for, since bits8.json:2 has weights of 8 bits, expected one of prefill.csv, elements.csv, decode.csv, all_reduce.csv in the folder$
--tables reduce.d --devices 2|hetero|mixtral|--tables: reduce.d/all_reduce.csv is not asked for, since hetero with --devices 2 has no two xPUs in a node, expected one of gemm.csv, prefill.csv, elements.csv in the folder$
--copies 1|gpu|mixtral|--copies: gpu has no Logic-PIM
--copies 2|gpu|mixtral|--copies: gpu has no Logic-PIM
--copies 2|duplex|mixtral|--copies: policy default of duplex has no use for two copies of each expert, expected policy best$
--copies 2|hetero|mixtral|--copies: hetero has all experts on Logic-PIM
--copies 2|duplex-pe|bits8.json|--copies: bits8.json:2 has weights of 8 bits
--copies auto|duplex-pe|llama3-70b|--copies: llama3-70b has no experts
END

# Values of a sweep that its points leave out, or that not all have: OPTION|VALUES|MORE OF THE GRID|MESSAGE.
while IFS='|' read -r option values more word; do
  printf '{"options": {},\n"grid": {"%s": [%s], %s}}\n' "$option" "$values" "$more" >plan.json
  refused "sweep: $option of $values" "duplex: plan.json:2: $word" "$duplex" sweep plan.json
done <<'END'
partials|"acc", "half"|"system": ["gpu", "duplex"], "model": ["mixtral"]|--partials is 'half': expected acc or f32$
policy|"default", "bets"|"system": ["gpu"], "model": ["mixtral", "opt-66b"]|--policy is 'bets': expected default, best, paper, pim or xpu$
firmware|"avr"|"system": ["gpu", "duplex"], "model": ["mixtral"], "mode": ["paper"]|--firmware is 'avr': expected riscv or native$
limit-first|"NaN"|"system": ["gpu"], "model": ["mixtral"], "mode": ["authors"]|--limit-first is 'NaN': expected a number from 1e-06 to 1e+09$
max-num-seqs|-1|"system": ["gpu"], "model": ["mixtral"]|--max-num-seqs is '-1': expected a whole number from 1 to 16777216$
imbalance|"zipf:NaN"|"system": ["gpu"], "model": ["opt-66b"]|--imbalance zipf:NaN: expected a number from 0 to 10 behind the colon$
imbalance|"nowhere.csv"|"system": ["gpu"], "model": ["opt-66b", "mixtral"]|--imbalance nowhere.csv: No such file or directory, expected uniform
tables|"nowhere"|"system": ["gpu"], "model": ["mixtral"], "mode": ["paper", "full"]|--tables nowhere: No such file or directory, expected one with gemm.csv
times|"nowhere"|"system": ["gpu", "duplex"], "model": ["mixtral"]|--times nowhere: No such file or directory, expected a folder$
trace|"nowhere.csv"|"system": ["gpu"], "model": ["mixtral"], "mode": ["authors"]|--trace nowhere.csv: No such file or directory, expected a file of requests$
constants|"nowhere.json"|"system": ["gpu"], "model": ["mixtral"]|--constants nowhere.json: No such file or directory, expected a file or constants
system|"gpu", "nowhere"|"model": ["mixtral"]|--system nowhere: No such file or directory, expected a file or
model|"mixtral", "nowhere"|"system": ["gpu"]|--model nowhere: No such file or directory, expected a file or
END

# What must be accepted: the help, header versions 2 and 3, an output over an input.
for arguments in "--help" "-h" "gemm -h" "batch -h" "gemm --x -h" "info -h" "--version" "help" "help gemm" "help --man" \
  "help --man batch" "help --bash" "convert --help" "batch --help" "help --help" "gemm --help" "expert --help" "attention --help" \
  "moe --help" "compare --help" "random --help" "info --help" "info"; do
  count=$((count + 1))
  # shellcheck disable=SC2086
  "$duplex" $arguments >stdout 2>stderr && [ -s stdout ] && [ ! -s stderr ] || { echo "FAIL duplex $arguments"; failures=$((failures + 1)); }
done
for command in '' gemm batch help; do
  count=$((count + 1))
  # shellcheck disable=SC2086
  cmp <("$duplex" $command -h) <("$duplex" $command --help) || { echo "FAIL -h of '$command'"; failures=$((failures + 1)); }
done
for dist in normal:65519 uniform:1e-9; do
  count=$((count + 1))
  "$duplex" random --shape 3 --dist $dist --out random.npy || { echo "FAIL --dist $dist"; failures=$((failures + 1)); }
done
for version in 2 3; do
  count=$((count + 1))
  npy "v$version.npy" '<f2' False '(5, 100)' 1000 $version
  gemm --x x.npy --w "v$version.npy" --channels 2 || { echo "FAIL header version $version"; failures=$((failures + 1)); }
done
count=$((count + 1))
cp x.npy both.npy
"$duplex" gemm --x both.npy --w w.npy --out both.npy --channels 2 && ! cmp -s x.npy both.npy || { echo "FAIL output over input"; failures=$((failures + 1)); }
count=$((count + 1))
"$duplex" attention --q q.npy --k kv.npy --v kv.npy --out list.npy --lengths ' 5,	7 ' &&
  "$duplex" attention --q q.npy --k kv.npy --v kv.npy --out out.npy --lengths 5,7 && cmp list.npy out.npy ||
  { echo "FAIL lengths with blanks"; failures=$((failures + 1)); }
# Every kind of text file may begin with the byte order mark that editors write, and says the same then.
mkdir -p plain/tables
(
  cd plain || exit 1
  printf '{"beside": "none",\n"devices": 2}\n' >system.json
  echo '{"layers": 2, "hidden": 64, "inner": 64, "heads": 4, "kv_heads": 4, "head_size": 16, "vocabulary": 100, "experts": 4}' >model.json
  cp "$configs/constants.json" constants.json
  printf 'arrival_s,input,output\n0,10,5\n' >trace.csv
  printf '{"timestamp": 0, "input_length": 400, "output_length": 5, "hash_ids": [1]}\n' >trace.jsonl
  printf 'layer,step,expert,tokens\n0,0,1,3\n0,0,2,1\n' >routing.csv
  printf 'm,n,k,latency_us\n8,64,64,10\n' >tables/gemm.csv
  echo '{"grid": {"system": ["system.json"], "model": ["model.json"], "measured": [3], "warm-up": [0]}}' >plan.json
  echo '{"command": "gemm", "x": "../x.npy", "w": "../w.npy", "out": "batch.npy"}' >jobs.jsonl
)
cp -r plain marked
find marked -type f -exec sed -i '1s/^/\xef\xbb\xbf/' {} +
for folder in plain marked; do
  (
    cd $folder || exit 1
    serve=("$duplex" serve --system system.json --model model.json)
    "${serve[@]}" --constants constants.json --trace trace.csv --imbalance routing.csv --tables tables --json csv.json &&
      "${serve[@]}" --trace trace.jsonl --scheduler vllm --prefix-cache --json jsonl.json &&
      "$duplex" sweep plan.json && "$duplex" batch jobs.jsonl --channels 2 && rm -r plan.results
  ) >stdout || { echo "FAIL files in $folder"; failures=$((failures + 1)); }
done
for file in csv.json jsonl.json plan.csv batch.npy; do
  count=$((count + 1))
  cmp plain/$file marked/$file || { echo "FAIL byte order marks: $file"; failures=$((failures + 1)); }
done
echo "bad input: $count cases, $failures failures"
[ $failures = 0 ]
