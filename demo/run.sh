#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# One expert of Mixtral-8x7B in its real shape: complete on the C model and on the RTL, compared, reported.
# usage: demo/run.sh BUILD [TOKENS]
#        demo/run.sh BUILD --check    only looks at the files of the user
# X, GATE, UP and DOWN in the environment name files of your own (<f2, finite values), of any shape that fits: make demo X=... GATE=... UP=... DOWN=...
set -u
export LC_ALL=C  # points in numbers, whatever the locale
build=$1
check_only=0
[ "${2:-}" != --check ] || { check_only=1; set -- "$1"; }
tokens=${2:-8}
duplex=$build/duplex
dir=$build/demo
hidden=4096 inner=14336 channels=2
mkdir -p "$dir"
fail() { echo "demo: $1" >&2; exit 1; }
number=0
step() { number=$((number + 1)); printf '\n== %d of 6: %s\n' $number "$1"; }
now() { date +%s.%N; }
since() { echo "$(now) $1" | awk '{printf "%.1f s", $1 - $2}'; }
random() { # NAME SHAPE SEED DEVIATION FILE-OF-THE-USER
  if [ -n "$5" ]; then ln -s "$(realpath "$5")" "$dir/$1.npy"; return; fi
  "$duplex" random --shape "$2" --seed "$3" --dist "normal:$4" --out "$dir/$1.npy" || fail "no data for $1"
}

# The user's files are looked at before anything else is made: each is a tensor of <f2, and fits what it meets.
shape_of() { # FILE
  head -c 400 "$1" | grep -ao "'shape': *([^)]*)" | tr -dc '0-9,' | sed 's/,$//'
}
refuse() { echo "demo: $1" >&2; exit 2; }
refuse_elements() { refuse "$1=$2: its elements are not <f2; duplex convert makes these"; }
check_file() { # NAME FILE ROWS COLUMNS: as many as the demonstration or another file of the user has, or "any"
  local shape rows columns
  [ -n "$2" ] || return 0
  [ -r "$2" ] || refuse "$1=$2: cannot be read, expected a .npy file"
  if "$duplex" compare "$2" "$2" >"$dir/said" 2>&1; then
    head -c 400 "$2" | grep -aq "'descr': *'<f2'" || refuse_elements "$@"
  else  # which takes more kinds of elements than the demonstration
    ! grep -q ': its elements are ' "$dir/said" || refuse_elements "$@"
    refuse "$1=$(sed 's/^duplex: A //' "$dir/said")"
  fi
  shape=$(shape_of "$2")
  IFS=, read -r rows columns <<<"$shape"
  [[ $shape =~ ^[0-9]+,[0-9]+$ ]] || refuse "$1=$2: has the shape ($shape), expected two dimensions"
  { [ "$3" = any ] || [ "$rows" = "$3" ]; } && { [ "$4" = any ] || [ "$columns" = "$4" ]; } ||
    refuse "$1=$2: has the shape ($shape), expected ($3, $4)"
}
size_of() { # FILE AXIS OTHERWISE
  if [ -n "$1" ] && [ -r "$1" ]; then shape_of "$1" | cut -d, -f"$2"; else echo "$3"; fi
}
check_files() {
  check_file X "${X:-}" any "$hidden"
  check_file GATE "${GATE:-}" "$inner" "$hidden"
  check_file UP "${UP:-}" "$inner" "$hidden"
  check_file DOWN "${DOWN:-}" "$hidden" "$inner"
}
# What is not given fits what is.
for name in DOWN:1 UP:2 GATE:2 X:2; do
  file=${name%:*}
  hidden=$(size_of "${!file:-}" "${name#*:}" "$hidden")
done
for name in DOWN:2 UP:1 GATE:1; do
  file=${name%:*}
  inner=$(size_of "${!file:-}" "${name#*:}" "$inner")
done
hidden=${hidden:-any} inner=${inner:-any}
check_files
[ $check_only = 0 ] || exit 0

if [ -n "${X:-}${GATE:-}${UP:-}${DOWN:-}" ]; then
  step "Data: your files; what is not given is hidden $hidden, intermediate $inner, $tokens tokens"
else
  step "Data: one expert, hidden $hidden, intermediate $inner, $tokens tokens, binary16, seeded normal values"
fi
rm -f "$dir"/*.npy
start=$(now)
random x "$tokens,$hidden" 1 1 "${X:-}"
random gate "$inner,$hidden" 2 0.02 "${GATE:-}"
random up "$inner,$hidden" 3 0.02 "${UP:-}"
random down "$hidden,$inner" 4 0.02 "${DOWN:-}"
echo "$(du -shL "$dir" | cut -f1) in $(since "$start")"

step "The whole expert on the C model, 32 channels"
start=$(now)
expert=(expert --x "$dir/x.npy" --gate "$dir/gate.npy" --up "$dir/up.npy" --down "$dir/down.npy")
"$duplex" "${expert[@]}" --out "$dir/y.npy" --stats "$dir/model.json" || fail "expert on the C model"
echo "$(since "$start") of host time"

step "The same expert by exact integer sums and MPFR, sharing no arithmetic with the model"
start=$(now)
"$build/exact_expert" "$dir/x.npy" "$dir/gate.npy" "$dir/up.npy" "$dir/down.npy" "$dir/y.npy" "$dir/h.npy" || fail "the exact computation differs"
echo "$(since "$start") of host time"

step "The whole expert on the Verilated RTL, $channels channels"
start=$(now)
"$duplex" "${expert[@]}" --channels $channels --out "$dir/y_rtl.npy" --backend rtl --command-trace "$dir/commands.txt" --stats "$dir/rtl.json" || fail "expert on the RTL"
echo "$(since "$start") of host time"
"$duplex" "${expert[@]}" --channels $channels --out "$dir/y_model.npy" --stats "$dir/model_$channels.json" || fail "expert on the C model"
echo -n "RTL against C model: "
"$duplex" compare "$dir/y.npy" "$dir/y_rtl.npy" || fail "RTL and C model differ"
[ "$(jq -c .channels "$dir/rtl.json")" = "$(jq -c .channels "$dir/model_$channels.json")" ] || fail "per-channel counters of RTL and C model differ"
echo "per-channel rows, bytes and MACs: equal"
echo -n "DRAM timing judge: "
"$build/timing_judge" params/dram/hbm3_5200.preset "$dir/commands.txt" || fail "DRAM timing"
rm -f "$dir/commands.txt"

step "Report"
printf '%-34s %12s %10s %14s %12s %8s %8s\n' "run" "clocks" "us" "DRAM read B" "DRAM write B" "BW util" "MAC util"
report() {
  jq -r --arg name "$1" '[$name, .cycles, (.cycles / 650 * 10 | round / 10), .dram_read_bytes, .dram_write_bytes,
    (.bandwidth_utilisation * 1000 | round / 1000), (.mac_utilisation * 1000 | round / 1000)] | @tsv' "$dir/$2.json" |
    awk -F '\t' '{printf "%-34s %12s %10s %14s %12s %8s %8s\n", $1, $2, $3, $4, $5, $6, $7}'
}
report "C model, whole expert, 32 channels" model
report "C model, whole expert, $channels channels" "model_$channels"
report "RTL, whole expert, $channels channels" rtl
echo
echo "Compared bit by bit: all of y with exact sums rounded once, and the RTL's y with the C model's."
echo "Files: $dir"

step "A mixture-of-experts layer on a device: an xPU and five stacks, 8 experts, 32 tokens, top-2"
layer=$dir/moe
mkdir -p "$layer"
"$duplex" random --shape 32,1024 --seed 1 --dist normal:1 --out "$layer/x.npy" &&
  "$duplex" random --shape 8,1024 --seed 2 --dist normal:0.05 --out "$layer/router.npy" &&
  "$duplex" random --shape 8,3584,1024 --seed 3 --dist normal:0.02 --out "$layer/gate.npy" &&
  "$duplex" random --shape 8,3584,1024 --seed 4 --dist normal:0.02 --out "$layer/up.npy" &&
  "$duplex" random --shape 8,1024,3584 --seed 5 --dist normal:0.02 --out "$layer/down.npy" || fail "no data for the layer"
moe=(moe --x "$layer/x.npy" --router "$layer/router.npy" --gate "$layer/gate.npy" --up "$layer/up.npy" --down "$layer/down.npy")
for policy in xpu pim best; do
  start=$(now)
  "$duplex" "${moe[@]}" --policy $policy --out "$layer/$policy.npy" --stats "$layer/$policy.json" --timeline "$layer/$policy.timeline.json" \
    --timeline-picture "$layer/$policy.svg" || fail "the layer under policy $policy"
  jq -r --arg policy $policy --arg host "$(since "$start")" '"policy \($policy): \(.cycles / 6.5 | round / 100) us, both sides \(.sides_cycles / 6.5 | round / 100) us, bound \(.bound_cycles / 6.5 | round / 100) us; \($host) of host time"' "$layer/$policy.json"
  echo -n "  bits against the xPU alone: "
  "$duplex" compare "$layer/xpu.npy" "$layer/$policy.npy" || fail "policies differ"
done
rm -f "$layer"/{gate,up,down}.npy
echo "What each processor did and when: $layer/best.svg (a picture), $layer/best.timeline.json (for ui.perfetto.dev)"
