#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# Plants links that lead nowhere, one at a time, in a page: scripts/check_docs.py must name each with its line, and nothing in the
# page without them. usage: tests/lint/docs.sh
set -u
cd "$(dirname "$0")/../.." || exit 1
dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
failures=0
mkdir "$dir/scripts" "$dir/docs"
cp scripts/check_docs.py scripts/page_headings.py "$dir/scripts"
printf '# Other\n\n## A heading\n' >"$dir/docs/other.md"

said() { # LINES...
  printf '%s\n' '# Page' '' "$@" >"$dir/docs/page.md"
  "$dir/scripts/check_docs.py" "$dir/docs/page.md"
}

clean() { # NAME LINES...
  local text
  if text=$(said "${@:2}"); then echo "ok   $1"; return; fi
  echo "FAIL $1: expected nothing, got: $text"
  failures=$((failures + 1))
}

found() { # NAME TEXT LINES...
  local text
  text=$(said "${@:3}")
  if [ "$text" = "docs/page.md:$2" ]; then echo "ok   $1"; return; fi
  echo "FAIL $1: expected '$2', got: ${text:-nothing}"
  failures=$((failures + 1))
}

clean "a link by name" 'See [the page][Other  Page].' '' '[other page]: other.md#a-heading "its title"'
clean "a name alone" 'See [other][] and [other], or a word in [brackets].' '' '[other]: <other.md>'
clean "no link" 'The word `queue[0][1]`, or queue[0][1], and [ ] as it is.'
clean "a link to the outside" '[there][far]' '' '[far]: https://example.org/x'
found "no such file" '3: link to none.md: there is no such file' 'See [a](none.md).'
found "no such heading" '3: link to other.md#none: the page has no such heading' 'See [a](other.md#none).'
found "a name without its line" '3: link to [nowhere]: the page does not define it' 'See [the page][nowhere].'
found "a short name without its line" '3: link to [nowhere]: the page does not define it' 'See [nowhere][].'
found "a name whose file is not there" '5: link to none.md: there is no such file' 'See [a][b].' '' '[b]: none.md'
found "a name whose heading is not there" '5: link to other.md#none: the page has no such heading' 'See [a][b].' '' \
  '[b]: other.md#none'
found "a name that nothing uses" '5: [b]: no link uses it' 'See [a](other.md).' '' '[b]: other.md'
found "a name that stands twice" '6: [B]: defined more than once' 'See [a][b].' '' '[b]: other.md' '[B]: other.md'
[ $failures = 0 ]
