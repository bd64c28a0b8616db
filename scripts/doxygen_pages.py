#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Shows Doxygen a Markdown page whose links to headings it can follow. Each heading but a page's title gets its anchor as a label,
with the page's name before it, because labels are those of all pages together; a link to it then needs no page.
usage: scripts/doxygen_pages.py PAGE.md
"""
import re
import sys
from pathlib import Path

from page_headings import anchors_of, prose

ROOT = Path(__file__).resolve().parent.parent
SHOWN = (ROOT, ROOT / "docs")  # whose pages Doxygen reads (docs/Doxyfile)
# A link to a heading: the page, if it is another one, and the anchor.
LINK = re.compile(r"\]\(([\w./-]+\.md)?#([\w-]+)\)")


def target(page, link):
    """A link as Doxygen understands it; of a page that it does not read, as it is."""
    to = (page.parent / link[1]).resolve() if link[1] else page
    return f"](#{to.stem}_{link[2]})" if to.parent in SHOWN else link[0]


page = Path(sys.argv[1]).resolve()
text = page.read_text(encoding="utf-8")
lines = text.split("\n")
for number, anchor in anchors_of(prose(text)).items():
    if not lines[number].startswith("# "):
        lines[number] += f" {{#{page.stem}_{anchor}}}"
print(LINK.sub(lambda link: target(page, link), "\n".join(lines)), end="")
