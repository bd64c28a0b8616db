#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# Makes everything that was built look old if the times of files cannot tell what changed: the build folder is a copy, or a source has
# other content than at the last call and is not newer than what was made of it. usage: scripts/content.sh BUILD
# BUILD/content: which folder this is, and the hash of every source. What is Verilated has records of its own (backend/rtl/room.mk).
set -u -o pipefail
build=$1
record=$build/content
mkdir -p "$build" 2>/dev/null
[ -w "$build" ] || exit 0  # somebody else's, which can only be read
listing() {
  stat -c 'folder %d:%i' "$build" || return 1
  find include params/generated rtl cmodel xpu schedule backend driver device model serving firmware cli tools testbench tests demo examples -type f \
    \( -name '*.[chvS]' -o -name '*.vh' -o -name '*.cpp' -o -name '*.ld' -o -name '*.map' \) -print0 | LC_ALL=C sort -z | xargs -0 sha256sum
}
listing 2>/dev/null | cmp -s - "$record" && exit 0  # and nothing is written
new=$record.$$
trap 'rm -f "$new"' EXIT
listing >"$new" || exit 1

# Objects and programs, without what has records of its own.
built() {
  find "$build" \( -path "$build/rtl*" -o -path "$build/params" -o -path "$build/test-logs" \) -prune -o -type f ! -name 'content*' "$@"
}
times_tell() {
  [ "$(head -n 1 "$record" 2>/dev/null)" = "$(head -n 1 "$new")" ] || return 1
  local file
  while IFS= read -r file; do
    # What was made of it is older, or times do not tell.
    [ -z "$(built -name '*.d' -newer "$file" -exec grep -lF -- "$file" {} +)" ] || return 1
  done < <(comm -13 <(LC_ALL=C sort "$record") <(LC_ALL=C sort "$new") | cut -c67-)
}
times_tell || built -exec touch -d @0 {} +
mv -f "$new" "$record"
