#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# Measures the tables of time of all built-in models and systems on the C model. usage: serving/tables.sh BUILD FOLDER [MODEL SYSTEM ...]
set -eu
duplex=$1/duplex folder=$2
shift 2
[ $# -gt 0 ] || set -- mixtral duplex-pe-et mixtral duplex-pe mixtral duplex-split mixtral hetero glam duplex-pe-et glam duplex-pe \
  glam duplex-split glam hetero grok1 duplex-pe-et grok1 duplex-pe grok1 duplex-split grok1 hetero
mkdir -p "$folder"
while [ $# -gt 0 ]; do
  case $2 in duplex-pe*) copies='1 2' ;; *) copies=1 ;; esac # two: of systems where both sides work at once and memory has room
  for n in $copies; do
    "$duplex" serve --mode full --model "$1" --system "$2" --copies "$n" --batch 8 --warm-up 0 --measured 1 --times "$folder" --measure >/dev/null
  done
  shift 2
done
