#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# A trained model in several ways: the logits are the same bits on the host alone, on a device of stacks with
# clocks, on the Verilated RTL, and with each FFN as experts.
# usage: tests/model/smollm2_ways.sh BUILD MODEL [TOKENS]
set -eu
duplex=$1/duplex model=$2 tokens=${3:-8}
folder=$(mktemp -d)
trap 'rm -r "$folder"' EXIT

# way NAME TOKENS OPTIONS...: its logits are the first rows of those of the host alone.
way() {
  name=$1 count=$2
  shift 2
  "$duplex" run --model "$model" --prompt-ids 1,5,9,100,2000,30000 --max-new "$count" --ignore-eos --logits "$folder/$name.npy" "$@"
  tail -c $((count * row)) "$folder/$name.npy" > "$folder/$name"
  head -c $((count * row)) "$folder/host" | cmp - "$folder/$name" || { echo "$name: the logits differ"; exit 1; }
}

row=$((4 * 49152))
"$duplex" run --model "$model" --prompt-ids 1,5,9,100,2000,30000 --max-new "$tokens" --ignore-eos --no-clocks --logits "$folder/host.npy"
tail -c $((tokens * row)) "$folder/host.npy" > "$folder/host"
way parts_4 "$tokens" --no-clocks --split-ffn 4 --stats "$folder/parts_4.json"
way parts_16 "$tokens" --no-clocks --split-ffn 16
way stacks "$tokens"
way rtl 2 --backend rtl --stacks 1 --channels 2
sed -n '/split_ffn/,/}/p' "$folder/parts_4.json"
