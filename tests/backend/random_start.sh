#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# Benches and jobs on RTL whose registers and memories hold random values before their reset: nothing may depend on what was there.
# usage: tests/backend/random_start.sh BUILD SEED CASES...   (cases of: each bench, GEMM jobs, attention jobs)
set -u
build=$1
export DUPLEX_RANDOM_START=$2
bad=0
benches=0
for bench in "$build"/verilator/*/*_bench; do
  case $bench in */bundle_controller-*) continue ;; esac
  "$bench" --seed "$2" --cases "$3" || bad=1
  benches=$((benches + 1))
done
[ "$benches" -gt 20 ] || { echo "random_start: $benches benches in $build/verilator, expected all"; bad=1; }
tests/cosim/cosim.sh "$build" --channels 2 --seed "$2" --cases "$4" || bad=1
"$build/tests/cosim/attention" --channels 2 --seed "$2" --plain 1 --cases "$5" || bad=1
echo "random start, seed $2: $benches benches"
exit $bad
