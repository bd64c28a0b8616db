#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# Areas and paths of small units against the recorded ones, gates against RTL, proofs. usage: tests/synth/osu018.sh BUILD
set -eu
build=$1
synth/check.py --out="$build/synth"
DUPLEX_LIBRARY=$build/libduplex.a synth/gates.py --seed "${DUPLEX_SEED:-1}" --vectors 500 --out "$build/synth"
synth/equivalence.py --out="$build/synth"
