#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# Looks for what the given groups of scripts/dependencies.txt need and installs what is missing.
# usage: scripts/dependencies.sh [--check] GROUP...
#        scripts/dependencies.sh --doctor    reports on all groups; exit status 1 only if plain `make` lacks something
#   --check  only report; exit status 1 if anything is missing
set -u
cd "$(dirname "$0")/.." || exit 1
check=0
if [ "${1:-}" = --doctor ]; then
  # shellcheck disable=SC2046
  "$0" --check $(awk '!/^#/ && NF && !seen[$1]++ {print $1}' scripts/dependencies.txt)
  "$0" --check build >/dev/null && exit 0
  echo "plain make needs the packages of the group build" >&2
  exit 1
fi
if [ "${1:-}" = --check ]; then check=1; shift; fi

present() { # FILE-OR-COMMAND
  case $1 in
    /*) [ -e "$1" ] ;;
    *.h) [ -e "/usr/include/$1" ] || compgen -G "/usr/include/*-linux-gnu*/$1" >/dev/null ;;
    *) command -v "$1" >/dev/null ;;
  esac
}

# Not a process substitution: that needs /dev/fd, which a bare root without its mounts does not have.
rows=$(grep -v '^#' scripts/dependencies.txt)
missing=()
for group in "$@"; do
  known=0
  while read -r name package evidence; do
    [ "$name" = "$group" ] || continue
    known=1
    if present "$evidence"; then
      [ $check = 0 ] || printf '  %-7s %-32s found\n' "$group" "$package"
    else
      missing+=("$package")
      [ $check = 0 ] || printf '  %-7s %-32s MISSING\n' "$group" "$package"
    fi
  done <<< "$rows"
  [ $known = 1 ] || { echo "dependencies: no group '$group'" >&2; exit 2; }
done

[ ${#missing[@]} -gt 0 ] || exit 0
if [ $check = 1 ]; then
  echo "missing: ${missing[*]}"
  echo "install: apt-get install --no-install-recommends ${missing[*]}"
  exit 1
fi
sudo=()
if [ "$(id -u)" != 0 ]; then
  command -v sudo >/dev/null || { echo "dependencies: missing ${missing[*]}; install them as root" >&2; exit 1; }
  sudo=(sudo)
fi
command -v apt-get >/dev/null || { echo "dependencies: missing ${missing[*]}; no apt-get here to install them" >&2; exit 1; }
echo "installing with apt-get: ${missing[*]}"
"${sudo[@]}" apt-get update -qq || exit 1
"${sudo[@]}" env DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends "${missing[@]}" >/dev/null || exit 1
