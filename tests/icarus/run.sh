#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# Plain Verilog benches, with Icarus. usage: tests/icarus/run.sh BUILD
set -eu
cd "$(dirname "$0")/../.."
out=$1/icarus
mkdir -p "$out"
iverilog -g2012 -Wall -Wno-timescale -Iparams/generated -y rtl/control -y rtl/common -s axi_lite_tb -o "$out/axi_lite_tb.vvp" \
  tests/icarus/axi_lite_tb.v
vvp -n "$out/axi_lite_tb.vvp" +seed="${DUPLEX_SEED:-1}" +accesses=$((2000 * ${DUPLEX_CASES:-1}))
