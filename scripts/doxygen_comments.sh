#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# Shows Doxygen the plain comments of a header: `// text` on a line of its own belongs to what follows, behind code to what it follows.
# usage: scripts/doxygen_comments.sh HEADER
exec sed -E -e '1s#^// ?#/// \\file\n/// #' -e '1!s#^( *)//( |$)#\1///\2#' -e 's#([;,{}a-zA-Z0-9_)]) +// #\1  ///< #' "$1"
