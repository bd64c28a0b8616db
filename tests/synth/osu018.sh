#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# Areas and paths of small units against the recorded ones, gates against RTL, proofs. usage: tests/synth/osu018.sh BUILD [--sample]
#   --sample   the smallest units of each step: no dot64, accumulator or bench of gates, one flow, proofs of two units
set -eu
build=$1
only=() proven=() larger=(round dot64 accumulator activation_multiply activation_polynomial)
if [ "${2:-}" = --sample ]; then
  only=(--only round --only fifo)
  proven=(operand fifo:WIDTH=4,DEPTH=4)
  larger=()
fi
export DUPLEX_LIBRARY=$build/libduplex.a
gates() { synth/gates.py "$@" --seed "${DUPLEX_SEED:-1}" --out "$build/synth"; }
synth/check.py --out="$build/synth" "${only[@]}"
# More vectors cost these little, and a cell that is exchanged in the rounding shows in few of them.
gates operand activation_round --vectors 10000
[ ${#larger[@]} = 0 ] || gates "${larger[@]}" --vectors 500
synth/equivalence.py "${proven[@]}" --out="$build/synth"
