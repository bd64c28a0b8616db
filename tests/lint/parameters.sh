#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# The generator refuses every point outside the list of docs/parameters.md with one line and exit 2, writes nothing then, and
# takes the others; its files are whole or not there.
# usage: tests/lint/parameters.sh BUILD
set -u
cd "$(dirname "$0")/../.." || exit 2
folder=$1/parameters
bad=0
rm -rf "$folder" && mkdir -p "$folder"

made() { # NAME LINES -> exit code of the generator
  printf '%b\n' "$2" >"$folder/$1.params"
  python3 params/generate.py --params "$folder/$1.params" --out "$folder/$1" >"$folder/$1.log" 2>&1
}
refused() { # NAME LINES EXPECTED_TEXT
  made "$1" "$2"
  local code=$?
  if [ $code != 2 ] || [ "$(wc -l <"$folder/$1.log")" != 1 ] || ! grep -q -- "$3" "$folder/$1.log" || [ -e "$folder/$1" ]; then
    echo "parameters: $1: expected one line with '$3' and exit 2, found exit $code:"
    cat "$folder/$1.log"
    bad=1
  fi
}
taken() { # NAME LINES
  made "$1" "$2" && [ ! -s "$folder/$1.log" ] && [ "$(find "$folder/$1" -type f | wc -l)" = 5 ] && ! find "$folder/$1" -name '.*' -type f | grep -q . ||
    { echo "parameters: $1 is refused:"; cat "$folder/$1.log"; bad=1; }
}

refused lanes_2 'LANES 2' 'LANES is 2, expected 4, 8 or 16'
refused lanes_6 'LANES 6' 'LANES is 6'
refused lanes_32 'LANES 32' 'LANES is 32'
refused lanes_alone 'LANES 16' 'WIDTH is 64, expected 128 with 16 lanes'
refused width_alone 'WIDTH 128' 'WIDTH is 128, expected 64 with 8 lanes'
refused rows_16 'ROWS 16' 'ROWS is 16, expected 64 with 8 lanes'
refused rows_128 'ROWS 128' 'ROWS is 128, expected 64 with 8 lanes'
refused columns 'COLUMNS 64' 'COLUMNS is 64, expected 32'
refused word 'WORD_BYTES 32' 'WORD_BYTES is 32, expected 64'
refused channels_8 'CHANNELS 8' 'CHANNELS is 8, expected 32'
refused shared 'SHARED_WORDS 8192' 'SHARED_WORDS is 8192, expected 16384'
refused ring 'RING_ENTRIES 32' 'RING_ENTRIES is 32, expected 16'
refused sum 'SUM_BITS 96' 'SUM_BITS is 96, expected 97'
refused k_tiles 'K_TILES_MAX 2048' 'K_TILES_MAX is 2048, expected 1 to 1024'
refused k_large "$(sed 's/^K_TILES_MAX.*/K_TILES_MAX 1024/' synth/points/large.params)" 'K_TILES_MAX is 1024, expected 1 to 512'
refused mailbox 'MAILBOX_ROWS 8' 'MAILBOX_ROWS is 8, expected 16 to 8192'
refused name 'LANE 8' 'LANE: expected a name'
refused twice 'LANES 8\nLANES 4' 'twice.params:2: LANES stands there twice'
refused no_line '# nothing' 'no line with a parameter'
refused number 'LANES eight' 'number.params:1: expected NAME, a number'
taken small "$(cat synth/points/small.params)"
taken large "$(cat synth/points/large.params)"
taken short "$(cat synth/points/short.params)"
taken default 'LANES 8'
taken clock 'CLOCK_KHZ 800000'
taken k_short 'K_TILES_MAX 256'
taken mailbox_512 'MAILBOX_ROWS 512'
# A DRAM preset with a time that no counter holds, or without one of the parameters.
refused_preset() { # NAME PARAMETER VALUE EXPECTED_TEXT
  mkdir -p "$folder/$1" && cp -r params "$folder/$1"
  sed -i "s/^$2 .*/$3/" "$folder/$1/params/dram/hbm3_6400.preset"
  (cd "$folder/$1" && python3 params/generate.py) >"$folder/$1.log" 2>&1
  local code=$?
  if [ $code != 2 ] || [ "$(wc -l <"$folder/$1.log")" != 1 ] || ! grep -q -- "$4" "$folder/$1.log" || [ -e "$folder/$1/include" ]; then
    echo "parameters: $1: expected one line with '$4' and exit 2, found exit $code:"
    cat "$folder/$1.log"
    bad=1
  fi
}
refused_preset preset_long nRRDL 'nRRDL 33' 'hbm3_6400.preset: nRRDL is 33, expected 1 to 32'
refused_preset preset_zero nRREFD 'nRREFD 0' 'nRREFD is 0, expected 1 to 32'
refused_preset preset_precharge nPPD 'nPPD 3' 'nPPD is 3, expected 1 to 2'
refused_preset preset_sum nWR 'nWR 503' 'nCWL + nBL + nWR is 513, expected 1 to 512'
refused_preset preset_without nFAW '# none' 'its parameters are not those of hbm3_5200.preset'
[ $bad = 0 ] && echo "parameters: all points taken or refused as documented"
exit $bad
