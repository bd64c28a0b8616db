#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# The worked example of docs/kernel_howto.md: built as FIRMWARE=, natively and as RV32, the same bytes as three gemm jobs. usage: example.sh BUILD
set -u
cd "$(dirname "$0")/../.." || exit 1
build=$1/projections
# The library runs for a second here, so it is not optimised, and has only what a stack needs.
make -s --no-print-directory CFLAGS=-O0 WITHOUT='device xpu model' FIRMWARE=examples/projections BUILD="$build" \
  firmware-rv32 "$build/examples/projections/projections" || exit 1
for firmware in native riscv; do
  "$build/examples/projections/projections" $firmware cmodel 8 | tee "$build/$firmware.txt"
  grep -q '^the same bytes' "$build/$firmware.txt" || exit 1
done
