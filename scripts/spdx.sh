#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# Gives every source file its licence line: the first line, or the one after `#!`.
# usage: scripts/spdx.sh [--check]
# Generated files ("Do not edit" in their head) are left alone: their generator must write the line.
# --check changes nothing; a file without the line is named, exit status 1.
set -u
cd "$(dirname "$0")/.." || exit 1
case ${1:-} in
  '') check=0 ;;
  --check) check=1 ;;
  *) echo "usage: scripts/spdx.sh [--check]" >&2; exit 2 ;;
esac
text='SPDX-License-Identifier: Apache-2.0'

# The line as a comment of the file's language; nothing for files that hold no source, or whose readers know no comments.
line_of() { # FILE -> $line
  case $1 in
    *.c | *.h | *.cpp | *.v | *.vh | *.vlt | *.rdl) line="// $text" ;;
    *.S | *.ld | *.map) line="/* $text */" ;;
    *.py | *.sh | *.mk | *.sdc | *.params | *.preset | *.fields | *.core | Makefile | */Makefile | .ci/*) line="# $text" ;;
    *) line='' ;;
  esac
}

generated() { head -n 5 "$1" | grep -q 'Do not edit'; }
generator() { head -n 5 "$1" | grep -o '[a-z_/]*generate[a-z_]*\.py' | head -n 1; }

put() { # FILE LINE: the mode of the file stays
  local copy
  copy=$(mktemp) || exit 1
  if head -n 1 "$1" | grep -q '^#!'; then
    { head -n 1 "$1"; printf '%s\n' "$2"; tail -n +2 "$1"; } >"$copy"
  else
    { printf '%s\n' "$2"; cat "$1"; } >"$copy"
  fi
  cat "$copy" >"$1"
  rm -f "$copy"
}

missing=0
count=0
while read -r file; do
  [ -f "$file" ] || continue
  line_of "$file"
  [ -n "$line" ] || continue
  count=$((count + 1))
  mapfile -t -n 5 head <"$file"  # no process a file, of which there are hundreds
  [[ "${head[*]}" != *"$text"* ]] || continue
  if generated "$file"; then
    echo "$file: no licence line; $(generator "$file") must write it"
    missing=$((missing + 1))
  elif [ $check = 1 ]; then
    echo "$file: no licence line (scripts/spdx.sh)"
    missing=$((missing + 1))
  else
    put "$file" "$line"
  fi
done < <(git ls-files -co --exclude-standard)
echo "spdx: $count source files, $missing without the licence line"
[ $missing = 0 ]
