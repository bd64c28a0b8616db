#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Follows every link of the pages inside the tree: to a file, and to a heading if it names one.

usage: scripts/check_links.py
Exit status 1 if a link leads nowhere, one line each. Links to other places are not followed.
"""
import pathlib
import re
import subprocess
import sys

ROOT = pathlib.Path(__file__).resolve().parent.parent


def anchors(page):
    """Anchors of a page's headings, as GitHub makes them; those of code blocks are none."""
    text = re.sub(r"^```.*?^```", "", page.read_text(), flags=re.S | re.M)
    headings = re.findall(r"^#+ (.*)$", text, re.M)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


def bad_links(page, text):
    """The links of a piece of a page that lead nowhere, each with what is missing."""
    plain = re.sub(r"`[^`\n]*`", "", re.sub(r"^```.*?^```", "", text, flags=re.S | re.M))
    for target in re.findall(r"\]\(([^)\s]+)\)", plain):
        name, _, anchor = target.partition("#")
        path = (page.parent / name).resolve() if name else page
        if re.match(r"[a-z]+:", target):
            continue
        if not path.exists():
            yield f"{target}: no such file"
        elif anchor and path.suffix == ".md" and anchor not in anchors(path):
            yield f"{target}: no such heading"


def main():
    names = subprocess.run(["git", "ls-files", "-co", "--exclude-standard", "*.md"], cwd=ROOT, capture_output=True, text=True,
                           check=True).stdout.split()
    pages = [ROOT / name for name in names if (ROOT / name).exists()]
    bad = [f"{page.relative_to(ROOT)}: {text}" for page in pages for text in bad_links(page, page.read_text())]
    print("\n".join(bad) or f"{len(pages)} pages, every link leads somewhere")
    sys.exit(1 if bad else 0)


if __name__ == "__main__":
    main()
