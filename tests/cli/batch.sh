#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# duplex batch: the same bytes as single commands, matrices uploaded once, wrong lines named, the others run. usage: tests/cli/batch.sh BUILD
set -u
build=$(realpath "$1")
duplex=$build/duplex
dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
cd "$dir" || exit 1
fail() { echo "batch: $*"; cat out err 2>/dev/null; exit 1; }
random() { "$duplex" random --shape "$1" --seed "$2" --dist normal:1 --out "$3.npy" || fail "no input"; }
random 9,130 1 x
random 75,130 2 g
random 75,130 3 u
random 130,75 4 d
random 9,75 5 z
"$duplex" gemm --x x.npy --w u.npy --out one.npy --channels 3 --out-type f32 || fail gemm
"$duplex" expert --x x.npy --gate g.npy --up u.npy --down d.npy --out two.npy --channels 3 || fail expert

random 2,9,130 6 px
random 2,75,130 7 pg
random 2,75,130 8 pu
random 2,130,75 9 pd
"$duplex" gemm --x px.npy --w pu.npy --out three.npy --channels 3 || fail "gemm of a pair"
"$duplex" expert --x px.npy --gate pg.npy --up pu.npy --down pd.npy --out four.npy --channels 3 || fail "pair of experts"
random 3,8,48 10 q
random 3,2,90,48 11 k
random 3,2,90,48 12 v
"$duplex" attention --q q.npy --k k.npy --v v.npy --lengths 90,1,70 --scale 0.5 --weights p32 --out five.npy --channels 3 || fail attention

cat >jobs.jsonl <<'L'
{"command": "gemm", "x": "x.npy", "w": "u.npy", "out": "a.npy", "out_type": "f32"}
{"command": "expert", "x": "x.npy", "gate": "g.npy", "up": "u.npy", "down": "d.npy", "out": "b.npy"}

{"command": "gemm", "x": "x.npy", "w": "u.npy", "out": "c.npy", "out_type": "f32"}
{"command": "expert", "x": "x.npy", "gate": "g.npy", "up": "u.npy", "down": "d.npy", "out": "e.npy"}
{"command": "gemm", "x": "z.npy", "w": "d.npy", "out": "f.npy"}
{"command": "gemm", "x": "px.npy", "w": "pu.npy", "out": "h.npy"}
{"command": "attention", "q": "q.npy", "k": "k.npy", "v": "v.npy", "lengths": "90,1,70", "scale": "0.5", "spread": "1", "weights": "p32", "out": "i.npy"}
{"command": "expert", "x": "px.npy", "gate": "pg.npy", "up": "pu.npy", "down": "pd.npy", "out": "j.npy"}
{"command": "gemm", "x": "px.npy", "w": "pu.npy", "out": "l.npy"}
L
for numbers in '"scale": 0.5, "spread": 1' '"scale": 5e-1, "spread": "1"' '"scale": "0.5", "spread": 1'; do
  echo '{"command": "attention", "q": "q.npy", "k": "k.npy", "v": "v.npy", "lengths": "90,1,70", '"$numbers"', "weights": "p32", "out": "i.npy"}' >numbers.jsonl
  "$duplex" batch numbers.jsonl --channels 3 >out 2>err && cmp i.npy five.npy && rm i.npy || fail "numbers: $numbers"
done
echo '{"command": "attention", "q": "q.npy", "k": "k.npy", "v": "v.npy", "lengths": [90, 1, 70], "scale": 0.5, "weights": "p32", "out": "i.npy"}' >numbers.jsonl
"$duplex" batch numbers.jsonl --channels 3 --bundles ' 0, 1,2 ,3' >out 2>err && cmp i.npy five.npy && rm i.npy || fail "a list of lengths"
random 1,8,48 13 q1
random 1,2,90,48 14 k1
"$duplex" attention --q q1.npy --k k1.npy --v k1.npy --lengths 70 --scale 2 --spread 4 --out six.npy --channels 8 || fail attention
echo '{"command": "attention", "q": "q1.npy", "k": "k1.npy", "v": "k1.npy", "lengths": 70, "scale": 2, "spread": 4, "out": "i.npy"}' >numbers.jsonl
"$duplex" batch numbers.jsonl --channels 8 >out 2>err && cmp i.npy six.npy || fail "integers"

for firmware in native riscv; do
  rm -f [abcefhijl].npy
  "$duplex" batch jobs.jsonl --channels 3 --firmware $firmware >out 2>err || fail "$firmware: exit status $?"
  [ ! -s err ] || fail "$firmware prints"
  cmp a.npy one.npy && cmp c.npy one.npy && cmp b.npy two.npy && cmp e.npy two.npy || fail "$firmware: other bytes"
  cmp h.npy three.npy && cmp j.npy four.npy && cmp i.npy five.npy && cmp l.npy three.npy || fail "$firmware: other bytes of pairs or attention"
  [ "$(jq -c '[.line, .uploaded]' out | tr -d '\n')" = '[1,1][2,2][4,0][5,0][6,0][7,1][8,0][9,2][10,0]' ] || fail "$firmware: matrices were not resident"
done

# A matrix that changes between two jobs is brought again.
mkfifo jobs
"$duplex" batch jobs --channels 2 >out 2>err &
{
  echo '{"command": "gemm", "x": "x.npy", "w": "u.npy", "out": "a.npy"}'
  for _ in $(seq 100); do [ -e a.npy ] && [ "$(wc -l <out)" = 1 ] && break; sleep 0.1; done
  cp g.npy u.npy
  echo '{"command": "gemm", "x": "x.npy", "w": "u.npy", "out": "b.npy"}'
} >jobs
wait $! || fail "a file that changes"
"$duplex" gemm --x x.npy --w g.npy --out c.npy || fail gemm
cmp b.npy c.npy || fail "the old matrix was used"

wrong() { # LINE TEXT
  echo "$1" >wrong.jsonl
  echo '{"command": "gemm", "x": "x.npy", "w": "g.npy", "out": "good.npy"}' >>wrong.jsonl
  rm -f good.npy bad.npy
  "$duplex" batch wrong.jsonl --channels 1 >out 2>err
  [ $? = 2 ] || fail "not refused: $1"
  grep -qF "wrong.jsonl line 1: $2" err && [ "$(wc -l <err)" = 1 ] || fail "expected '$2' for $1"
  [ -e good.npy ] || fail "the next line did not run after $1"
  [ ! -e bad.npy ] || fail "something was written for $1"
  [ "$(find . -name 'bad.npy*' | wc -l)" = 0 ] || fail "a temporary file stayed after $1"
}
wrong '{"command": "gemm"' 'not JSON'
wrong '[1]' 'expected a JSON object'
wrong '{"command": "gemm", "x": "x.npy", "w": "g.npy"}' "'out' is missing: expected it of gemm"
wrong '{"command": "gemm", "x": 1, "w": "g.npy", "out": "bad.npy"}' "'x': expected a text"
wrong '{"command": "gemm", "x": "x.npy", "w": "g.npy", "out": "bad.npy", "size": "1"}' "unknown key 'size'"
wrong '{"command": "mix", "x": "x.npy", "w": "g.npy", "out": "bad.npy"}' "command is 'mix'"
wrong '{"command": "gemm", "x": "x.npy", "w": "none.npy", "out": "bad.npy"}' 'w none.npy: '
wrong '{"command": "gemm", "x": "x.npy", "w": "d.npy", "out": "bad.npy"}' 'x x.npy: has 130 columns, expected 75'
wrong '{"command": "gemm", "x": "x.npy", "w": "g.npy", "gate": "g.npy", "out": "bad.npy"}' "'gate' does not belong to gemm: expected only its own keys"
wrong '{"command": "gemm", "x": "x.npy", "w": "g.npy", "out": "bad.npy", "out_type": "f8"}' "out_type is 'f8'"
wrong '{"command": "expert", "x": "x.npy", "up": "g.npy", "down": "g.npy", "out": "bad.npy"}' 'down g.npy: has the shape (75, 130)'
wrong '{"command": "expert", "x": "x.npy", "up": "g.npy", "down": "d.npy", "out": "bad.npy", "act": "tanh"}' "act is 'tanh'"
wrong '{"command": "gemm", "x": "x.npy", "w": "g.npy", "out": "nowhere/bad.npy"}' 'out nowhere/bad.npy: cannot be written'
wrong '{"command": "gemm", "x": "x.npy", "w": "pu.npy", "out": "bad.npy"}' 'w pu.npy: has 3 dimensions, expected those of x'
wrong '{"command": "gemm", "x": "px.npy", "w": "g.npy", "out": "bad.npy"}' 'w g.npy: has 2 dimensions, expected those of x'
wrong '{"command": "attention", "q": "q.npy", "k": "k.npy", "out": "bad.npy"}' "'v' is missing"
wrong '{"command": "attention", "q": "q.npy", "k": "k.npy", "v": "v.npy", "x": "x.npy", "out": "bad.npy"}' "'x' does not belong"
wrong '{"command": "attention", "q": "q.npy", "k": "k.npy", "v": "v.npy", "lengths": "1,91,1", "out": "bad.npy"}' '--lengths: sequence 1 has length 91'
wrong '{"command": "attention", "q": "q.npy", "k": "k.npy", "v": "v.npy", "spread": "2", "out": "bad.npy"}' '--spread 2: expected at most 1 for 2 KV heads'
for number in '"scale": 0' '"scale": -0.5' '"scale": true' '"scale": null' '"scale": [1]' \
  '"spread": 3' '"spread": 1.5' '"spread": false' '"lengths": 91' '"lengths": {}' '"weights": 16'; do
  key=${number#\"}
  wrong '{"command": "attention", "q": "q1.npy", "k": "k1.npy", "v": "k1.npy", '"$number"', "out": "bad.npy"}' ''
  grep -q -e "${key%%\"*}" err || fail "$number is not named"
done
wrong_nul() { # FORMAT of printf
  printf "$1\n" >wrong.jsonl
  rm -f bad.npy
  "$duplex" batch wrong.jsonl --channels 1 >out 2>err
  [ $? = 2 ] && grep -q 'line 1: not JSON: there is a NUL byte' err && [ ! -s out ] && [ ! -e bad.npy ] || fail "a NUL byte: $1"
}
wrong_nul '{"command": "gemm", "x": "x.npy", "w": "g.npy", "out": "bad.npy"}\0, "out_type": "f32"}'
wrong_nul '\0{"command": "gemm", "x": "x.npy", "w": "g.npy", "out": "bad.npy"}'
wrong_nul '  \0'
wrong '{"command": "gemm", "x": "x.npy", "w": "g.npy", "out": "bad.npy"} x' 'not JSON'
"$duplex" batch none.jsonl 2>err; [ $? = 2 ] || fail "a missing file"
"$duplex" batch numbers.jsonl --stats s.json 2>err; [ $? = 2 ] && grep -q "unknown option '--stats'" err && [ ! -e s.json ] || fail "--stats"
"$duplex" help batch | grep -q '^  --stats' && fail "the help has --stats"
echo "batch: the same bytes as single commands, every wrong line named"
