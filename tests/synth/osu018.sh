#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# Areas and paths of small units against the recorded ones, gates against RTL, proofs. usage: tests/synth/osu018.sh BUILD [--sample]
#   --sample   without the large units: dot64, accumulator and those of the activation, and without what they alone show
set -eu
build=$1
only=() units=()
if [ "${2:-}" = --sample ]; then
  only=(--only round --only 'round, flow A' --only fifo)
  units=(operand round activation_round)
fi
synth/check.py --out="$build/synth" "${only[@]}"
DUPLEX_LIBRARY=$build/libduplex.a synth/gates.py "${units[@]}" --seed "${DUPLEX_SEED:-1}" --vectors 500 --out "$build/synth"
synth/equivalence.py --out="$build/synth"
