#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# Builds a thing that several builders may want at the same time: one builds, the others wait for its lock and find the thing there.
# usage: scripts/build_once.sh THING RECORD CONTENT COMMAND
#   RECORD   file that holds the CONTENT of which THING was built; it is there only if THING is whole
#   COMMAND  for bash; what it prints goes to THING's log, which is shown if it fails
# The lock lasts as long as anything that the command started: a builder that is killed leaves no lock, and no compiler works unlocked.
set -u
thing=$1 record=$2 content=$3 command=$4
name=${thing//\//_}
locks=$(dirname "$(dirname "$thing")")/locks
mkdir -p "$locks" "$(dirname "$record")"
exec 9>>"$locks/$name"
flock -n 9 || { echo "  waiting for another builder of $thing"; flock 9; }
[ -e "$thing" ] && [ "$(cat "$record" 2>/dev/null)" = "$content" ] && exit 0
rm -f "$record"
bash -o pipefail -c "$command" >"$locks/$name.log" 2>&1 || { cat "$locks/$name.log" >&2; exit 1; }
printf %s "$content" >"$record"  # without an end of line, which make's $(file <) may keep
