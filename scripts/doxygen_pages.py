#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Shows Doxygen a Markdown page whose links to headings it can follow: each heading gets its anchor as a label, with the page's name
before it, because labels are those of all pages together. usage: scripts/doxygen_pages.py PAGE.md
"""
import re
import sys
from pathlib import Path

from page_headings import anchors_of, prose

# A link to a heading: the page, if it is another one, and the anchor.
LINK = re.compile(r"\]\(((?:[\w./-]*/)?([\w-]+)\.md)?#([\w-]+)\)")


def label(stem, anchor):
    return f"{stem}_{anchor}"


page = Path(sys.argv[1])
text = page.read_text(encoding="utf-8")
lines = text.split("\n")
for number, anchor in anchors_of(prose(text)).items():
    lines[number] += f" {{#{label(page.stem, anchor)}}}"
print(LINK.sub(lambda link: f"]({link[1] or ''}#{label(link[2] or page.stem, link[3])})", "\n".join(lines)), end="")
