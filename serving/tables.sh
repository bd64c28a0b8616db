#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# Measures the tables of time of all built-in models and systems on the C model, one on each processor.
# usage: serving/tables.sh BUILD FOLDER [MODEL SYSTEM[:NODES] ...]
set -eu
duplex=$1/duplex folder=$2
shift 2
[ $# -gt 0 ] || set -- mixtral duplex-pe-et mixtral duplex-pe mixtral duplex-split mixtral hetero glam duplex-pe-et glam duplex-pe \
  glam duplex-split glam hetero grok1 duplex-pe-et grok1 duplex-pe grok1 duplex-split grok1 hetero mixtral duplex-pe-et:2
mkdir -p "$folder"
while [ $# -gt 0 ]; do
  nodes= copies=1
  case $2 in *:*) nodes="--nodes ${2#*:}" ;; esac
  # Two of systems where both sides work at once and memory has room for them; where one side has all experts nothing is to be chosen.
  case $2 in duplex-pe*) copies='1 2' ;; hetero) copies= ;; esac
  for n in ${copies:-none}; do echo "$nodes ${copies:+--copies $n} --model $1 --system ${2%:*}"; done
  shift 2
done | xargs -P "$(nproc)" -L 1 "$duplex" serve --mode full --batch 8 --warm-up 0 --measured 1 --times "$folder" --measure >/dev/null
