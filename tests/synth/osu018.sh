#!/bin/bash
# Areas and paths of small units against the recorded ones, gates against RTL, proofs. usage: tests/synth/osu018.sh BUILD
set -eu
build=$1
synth/check.py --out "$build/synth"
DUPLEX_LIBRARY=$build/libduplex.a synth/gates.py operand round dot64 accumulator --seed "${DUPLEX_SEED:-1}" --vectors 500 --out "$build/synth"
synth/equivalence.py operand fifo:WIDTH=4,DEPTH=4 result_room bundle_state axi_lite --out "$build/synth"
