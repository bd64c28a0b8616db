#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# figures/paper.py and figures/run.py: what cannot be run is told in one line, before any run where that is known. A figure without a limit
# is not run by --check. Tables are those of a page that the same command wrote, and not of another one.
# usage: tests/serving/paper.sh BUILD
figures=$(cd "$(dirname "$0")/../../figures" && pwd) || exit 1
# shellcheck source=tests/cli/checks.sh
. "$(dirname "$0")/../cli/checks.sh"
paper=$figures/paper.py
touch stdout stderr
mkdir none fails
# A duplex that never serves: where it is asked to, that is told.
printf '#!/bin/sh\necho "duplex: no room" >&2\nexit 2\n' >fails/duplex
chmod +x fails/duplex

check "no build" refused 2 "BUILD is missing" "$paper"
check "a build that is not there" refused 2 "nowhere: has no duplex" "$paper" nowhere --check
check "a build without the command" refused 2 "none: has no duplex" "$paper" none
check "an unknown figure" refused 2 "unknown figure 'fig99': expected fig4a" "$paper" fails --check fig11 fig99
check "an unknown option" refused 2 "unknown option '--jbos'" "$paper" fails --jbos 2
for option in --measured --jobs; do
  for value in x 0 -1 1.5 99999999999; do
    check "$option $value" refused 2 "$option is '$value': expected a whole number from 1" "$paper" fails $option $value
  done
done
for option in --measured --jobs --compare; do
  check "$option without a value" refused 2 "$option needs a value" "$paper" fails $option
done
check "a page that is not there" refused 2 "--compare nowhere.html: No such file" "$paper" fails --compare nowhere.html
check "a page that is a folder" refused 2 "--compare none: Is a directory" "$paper" fails --compare none
check "a page that is no text" refused 2 "--compare $duplex: no text" "$paper" fails --compare "$duplex"
for text in /dev/null "$figures/../README.md"; do
  check "a text that is no page, $text" refused 2 "another text, expected a page" "$paper" fails --compare "$text"
done
check "limits and a page" refused 2 "expected one of them" "$paper" fails --check --compare "$figures/../docs/paper.html"
check "a run that fails" refused 2 "duplex ended with status 2: duplex: no room" "$paper" fails --check fig11

no_limit() { [ "$("$paper" fails --check charged full checked)" = "$(printf '%s: no limit\n' charged full checked)" ]; }
check "figures without a limit are not run" no_limit
mixed() { [ "$("$paper" fails --check copies fig8 | cut -d ' ' -f 1-2)" = "$(printf '%s\n' 'copies: no' 'fig8: worst')" ]; }
check "beside one with a limit" mixed

mkdir own
ln -s "$duplex" own/duplex
if command -v gnuplot >/dev/null; then
  "$paper" own fig8 fig5c_batch --measured 20 >/dev/null || exit 1
  cp own/paper/index.html page.html
  check "stages without a prompt" refused 2 "a run has no time_shares_mixed: expected a greater --measured" "$paper" own fig4a --measured 1
  check "the page of the same run" "$paper" own fig8 fig5c_batch --measured 20 --compare page.html >stdout
  sed -i 's/<td>0\.[0-9]*/<td>0.0/' page.html
  not_that() { ! "$paper" own fig8 --compare "$1" >stdout && grep -q "FAILED" stdout; }
  check "another page" not_that page.html
  sed 's/<td>.*//' page.html >empty.html
  check "a page without tables" not_that empty.html
  run=("$figures/run.py")
  echo '[]' >list.json
  check "a picture of a list" refused 2 "expected the JSON of duplex serve" "${run[@]}" list.json out.png
  "$duplex" serve --system gpu --model mixtral --measured 100 --json result.json >stdout
  check "a picture in a folder that is not there" refused 2 "No such file" "${run[@]}" result.json nowhere/out.png
  check "a picture" "${run[@]}" result.json out.png
fi
check_end "figures"
