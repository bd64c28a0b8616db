#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# The built-in tables of time are what the C model gives now. usage: tests/serving/tables.sh BUILD [MODEL SYSTEM[:NODES] ...]
set -eu
build=$(realpath "$1")
shift
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$(dirname "$0")/../.."
serving/tables.sh "$build" "$folder" "$@"
for table in "$folder"/*.times; do cmp "$table" "configs/tables/${table##*/}"; done
echo "tables: $(ls "$folder" | wc -l) of them measured anew, the same"
