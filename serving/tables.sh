#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# Measures the tables of time of all built-in models and systems on the C model, one on each processor.
# usage: serving/tables.sh BUILD FOLDER [MODEL SYSTEM ...]
set -eu
duplex=$1/duplex folder=$2
shift 2
[ $# -gt 0 ] || set -- mixtral duplex-pe-et mixtral duplex-pe mixtral duplex-split mixtral hetero glam duplex-pe-et glam duplex-pe \
  glam duplex-split glam hetero grok1 duplex-pe-et grok1 duplex-pe grok1 duplex-split grok1 hetero
mkdir -p "$folder"
while [ $# -gt 0 ]; do
  case $2 in duplex-pe*) copies='1 2' ;; *) copies=1 ;; esac # two: of systems where both sides work at once and memory has room
  for n in $copies; do echo "$1 $2 $n"; done
  shift 2
done | xargs -P "$(nproc)" -L 1 sh -c '"$0" serve --mode full --model "$2" --system "$3" --copies "$4" --batch 8 --warm-up 0 --measured 1 --times "$1" \
  --measure >/dev/null' "$duplex" "$folder"
