#!/bin/bash
# One expert of Mixtral-8x7B in its real shape: complete on the C model, a slice of full row length on the RTL, compared, reported.
# usage: demo/run.sh BUILD [TOKENS]
set -u
build=$1
tokens=${2:-8}
duplex=$build/duplex
dir=$build/demo
hidden=4096 inner=14336 channels=2 slice=128
mkdir -p "$dir"
fail() { echo "demo: $1" >&2; exit 1; }
step() { printf '\n== %s\n' "$1"; }
now() { date +%s.%N; }
since() { echo "$(now) $1" | awk '{printf "%.1f s", $1 - $2}'; }
random() { [ -e "$dir/$1.npy" ] || "$duplex" random --shape "$2" --seed "$3" --dist "normal:$4" --out "$dir/$1.npy" || fail "no data for $1"; }

step "Data: one expert, hidden $hidden, intermediate $inner, $tokens tokens, binary16, seeded normal values"
rm -f "$dir"/*.npy
start=$(now)
random x "$tokens,$hidden" 1 1
random gate "$inner,$hidden" 2 0.02
random up "$inner,$hidden" 3 0.02
random down "$hidden,$inner" 4 0.02
echo "$(du -shL "$dir" | cut -f1) in $(since "$start")"

step "The whole expert on the C model, 32 channels"
start=$(now)
"$duplex" expert --x "$dir/x.npy" --gate "$dir/gate.npy" --up "$dir/up.npy" --down "$dir/down.npy" --out "$dir/y.npy" --stats "$dir/model.json" || fail "expert on the C model"
echo "$(since "$start") of host time"

step "The same expert by exact integer sums and MPFR, sharing no arithmetic with the model"
start=$(now)
"$build/exact_expert" "$dir/x.npy" "$dir/gate.npy" "$dir/up.npy" "$dir/down.npy" "$dir/y.npy" "$dir/h.npy" || fail "the exact computation differs"
echo "$(since "$start") of host time"

# The generator is sequential: a tensor with fewer rows and the same seed is the first rows of the larger one.
step "On the RTL, $channels channels: an expert with $slice of the $inner inner rows (rows of full length $hidden)"
random gate_slice "$slice,$hidden" 2 0.02
random up_slice "$slice,$hidden" 3 0.02
random down_slice "$hidden,$slice" 5 0.02
expert_slice=(expert --x "$dir/x.npy" --gate "$dir/gate_slice.npy" --up "$dir/up_slice.npy" --down "$dir/down_slice.npy" --channels $channels)
start=$(now)
"$duplex" "${expert_slice[@]}" --out "$dir/y_slice_rtl.npy" --backend rtl --stats "$dir/rtl_expert.json" || fail "expert on the RTL"
echo "$(since "$start") of host time"
"$duplex" "${expert_slice[@]}" --out "$dir/y_slice.npy" --stats "$dir/model_expert.json" || fail "expert slice on the C model"
echo -n "RTL against C model: "
"$duplex" compare "$dir/y_slice.npy" "$dir/y_slice_rtl.npy" || fail "RTL and C model differ"

step "On the RTL, $channels channels: $slice rows of the down projection (rows of full length $inner) on the h of the whole expert"
random down_rows "$slice,$inner" 4 0.02
start=$(now)
"$duplex" gemm --x "$dir/h.npy" --w "$dir/down_rows.npy" --out "$dir/y_rows_rtl.npy" --backend rtl --channels $channels --stats "$dir/rtl_down.json" || fail "gemm on the RTL"
echo "$(since "$start") of host time"
"$duplex" gemm --x "$dir/h.npy" --w "$dir/down_rows.npy" --out "$dir/y_rows.npy" --channels $channels --stats "$dir/model_down.json" || fail "gemm on the C model"
echo -n "RTL against C model: "
"$duplex" compare "$dir/y_rows.npy" "$dir/y_rows_rtl.npy" || fail "RTL and C model differ"

step "Report"
printf '%-34s %12s %10s %14s %12s %8s %8s\n' "run" "clocks" "us" "DRAM read B" "DRAM write B" "BW util" "MAC util"
report() {
  jq -r --arg name "$1" '[$name, .cycles, (.cycles / 650 * 10 | round / 10), .dram_read_bytes, .dram_write_bytes,
    (.bandwidth_utilisation * 1000 | round / 1000), (.mac_utilisation * 1000 | round / 1000)] | @tsv' "$dir/$2.json" |
    awk -F '\t' '{printf "%-34s %12s %10s %14s %12s %8s %8s\n", $1, $2, $3, $4, $5, $6, $7}'
}
report "C model, whole expert, 32 channels" model
report "RTL, expert slice, $channels channels" rtl_expert
report "C model, the same slice" model_expert
report "RTL, down rows, $channels channels" rtl_down
report "C model, the same rows" model_down
echo
echo "Compared bit by bit: y of the whole expert with exact sums; the RTL's y of both slices with the C model's."
echo "Files: $dir"
