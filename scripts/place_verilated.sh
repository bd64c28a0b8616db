#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# Makes folders for what is Verilated or synthesized. Verilator's makefiles and Yosys refuse to work below a path with blanks: there each
# folder becomes a link to one outside, which says so in one line. usage: scripts/place_verilated.sh [--remove] FOLDER...
#   --remove   deletes what such links lead to
# Beside what a link leads to, the file `of` names the link: a checkout that was copied has links of the other one, which it leaves alone.
set -u
name_of() { printf '%s/%s' "$(cd "$(dirname "$1")" && pwd -P)" "$(basename "$1")"; }
own() { [ -L "$1" ] && [ "$(cat "$(readlink "$1")/../of" 2>/dev/null)" = "$(name_of "$1")" ]; }
if [ "${1:-}" = --remove ]; then
  for folder in "${@:2}"; do ! own "$folder" || rm -rf "$(dirname "$(readlink "$folder")")"; done
  exit 0
fi
for folder in "$@"; do
  [ -d "$folder" ] || [ -L "$folder" ] || mkdir -p "$folder" || exit 1
  here=$(cd "$folder" 2>/dev/null && pwd -P)
  if [ -n "$here" ] && [[ $here != *[[:space:]]* ]]; then
    [[ $(readlink "$folder") == /var/tmp/duplex.*/verilated ]] && ! own "$folder" || continue
  fi
  # A checkout that was moved or copied here has the folder itself, or a link of another one; a link whose target is gone begins anew.
  away=$(mktemp -d /var/tmp/duplex.XXXXXX) && mkdir "$away/verilated" && name_of "$folder" >"$away/of" || exit 1
  [ ! -d "$folder" ] || cp -a "$folder/." "$away/verilated" || exit 1
  rm -rf "$folder" && ln -s "$away/verilated" "$folder" || exit 1
  echo "$folder: Verilator and Yosys cannot work below a path with blanks, so this is a link to $away/verilated" >&2
done
