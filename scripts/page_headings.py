# SPDX-License-Identifier: Apache-2.0
"""The headings of a Markdown page and their anchors, by GitHub's rule."""
import re


def prose(text):
    """The lines of a page, those of code blocks empty."""
    lines, fence = [], None
    for line in text.split("\n"):
        mark = re.match(r"\s*(```+|~~~+)", line)
        lines.append("" if fence or mark else line)
        if fence is None:
            fence = mark and mark.group(1)
        elif line.strip() == fence:
            fence = None
    return lines


def anchors_of(lines, taken=()):
    """{number of the line: anchor} of the headings in the lines of prose(); no anchor is one of `taken`."""
    found = {}
    for number, line in enumerate(lines):
        heading = re.match(r"#{1,6}\s+(.*?)\s*#*$", line)
        if not heading:
            continue
        words = re.sub(r"\[([^\]]*)\]\([^)]*\)", r"\1", heading[1]).lower()
        name = re.sub(r"[^\w\- ]", "", words).replace(" ", "-")
        names = [name, *(f"{name}-{i}" for i in range(1, 100))]
        found[number] = next(n for n in names if n not in found.values() and n not in taken)
    return found
