#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# Areas and paths of small units against the recorded ones, gates against RTL, proofs. usage: tests/synth/osu018.sh BUILD [--sample]
#   --sample   the smallest units of each step: no dot64, accumulator or bench of gates, one flow, proofs of two units
set -eu
build=$1
only=() units=() proven=()
if [ "${2:-}" = --sample ]; then
  only=(--only round --only fifo)
  units=(operand activation_round)
  proven=(operand fifo:WIDTH=4,DEPTH=4)
fi
synth/check.py --out="$build/synth" "${only[@]}"
DUPLEX_LIBRARY=$build/libduplex.a synth/gates.py "${units[@]}" --seed "${DUPLEX_SEED:-1}" --vectors 500 --out "$build/synth"
synth/equivalence.py "${proven[@]}" --out="$build/synth"
