#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Checks docs/units.md, the table of all RTL modules, against the tree; fills in what can be counted.

usage: scripts/check_units.py [--write]
Each module of rtl/files.f has one row, in its order; every file that a row links to exists (headings: check_docs.py); a C file or a bench
that has the unit's own name and room stands in its row, and another C file of the row names the unit, as the section that the row links
to does; the areas are those of synth/baselines, the counts those of the table.
--write puts areas and counts right; all else is for the writer. Exit status 1 if something is stale, one line each.
"""
import json
import pathlib
import re
import sys

from page_headings import anchors_of, prose

ROOT = pathlib.Path(__file__).resolve().parent.parent
PAGE = ROOT / "docs/units.md"
BASELINE = ROOT / "synth/baselines/asap7sc7p5t_rvt_tt.json"
COLUMNS = ("unit", "room", "RTL", "C model", "bench", "page", "clocks", "um2", "what it does")
COUNTS = re.compile(r"<!-- counts -->\n.*?<!-- end -->", re.S)


def modules():
    """Paths of rtl/files.f, in its order."""
    lines = (ROOT / "rtl/files.f").read_text().splitlines()
    return [line.strip() for line in lines if line.strip() and not line.startswith("#")]


def areas():
    """Unit -> text of its recorded areas, without what it instantiates; one for each set of parameters."""
    found = {}
    for name, figures in json.loads(BASELINE.read_text())["runs"]["stack"]["units"].items():
        found.setdefault(name.split()[0], []).append(f"{figures['area']:,.0f}" if figures["area"] >= 100 else f"{figures['area']:.1f}")
    return {unit: " / ".join(texts) for unit, texts in found.items()}


def area_of(path, recorded):
    """Text of the area column; building blocks are counted with the unit that uses them."""
    return recorded.get(pathlib.Path(path).stem, "with its user" if path.split("/")[1] == "common" else "not recorded")


def cells(line):
    return [cell.strip() for cell in line.strip().strip("|").split("|")]


def table(text):
    """(line number, cells) of each row of the table; the row that begins with a backquote is a unit."""
    return [(number, cells(line)) for number, line in enumerate(text.splitlines()) if line.startswith("| `")]


def own_files(unit, room):
    """Column -> path of the file that has the unit's own name in the unit's own room, if there is one."""
    named = {"C model": f"cmodel/{room}/{unit}.c", "bench": f"testbench/{room}/{unit}_bench.cpp"}
    return {column: path for column, path in named.items() if (ROOT / path).exists()}


def silent_files(unit, cell):
    """C files of the cell that neither have the unit's name nor mention it: a reader would search them in vain."""
    for name in re.findall(r"\]\(([^)#]+)", cell):
        path = PAGE.parent / name
        if path.exists() and path.stem != unit and not re.search(unit.replace("_", "[_ ]"), path.read_text()):
            yield name


def section(page, anchor):
    """The text from a heading to the next one of its level or a higher one; without a heading, or if there is none, the page."""
    text = (PAGE.parent / page).read_text()
    lines = prose(text)
    begin = next((number for number, name in anchors_of(lines).items() if name == anchor), None)
    if begin is None:
        return text
    level = len(re.match(r"#*", lines[begin])[0])
    end = next((number for number in range(begin + 1, len(lines)) if re.match(rf"#{{1,{level}}} ", lines[number])), len(lines))
    return "\n".join(text.split("\n")[begin:end])


def silent_sections(unit, cell):
    """Links of the cell to a section that does not name the unit."""
    for page, anchor in re.findall(r"\]\(([^)#]+\.md)#?([^)]*)", cell):
        if not re.search(unit.replace("_", r"[_\s]+"), section(page, anchor), re.I):
            yield f"{page}#{anchor}" if anchor else page


def stale_row(row, path, area):
    room, unit = path.split("/")[1], pathlib.Path(path).stem
    where = f"docs/units.md: {unit}"
    if len(row) != len(COLUMNS):
        yield f"{where}: {len(row)} cells, expected {len(COLUMNS)}"
        return
    cell = dict(zip(COLUMNS, row))
    if cell["room"] != room:
        yield f"{where}: room {cell['room']}, expected {room}"
    for column, own in {"RTL": path, **own_files(unit, room)}.items():
        if f"(../{own})" not in cell[column]:
            yield f"{where}: column {column} does not link to {own}"
    for column in ("C model", "bench", "page", "clocks", "what it does"):
        if not cell[column]:
            yield f"{where}: column {column} is empty"
    for name in silent_files(unit, cell["C model"]):
        yield f"{where}: {name} does not name the unit"
    for name in silent_sections(unit, cell["page"]):
        yield f"{where}: {name} does not name the unit"
    if cell["um2"] != area:
        yield f"{where}: area {cell['um2']}, recorded is {area} (--write)"
    for name in re.findall(r"\]\(([^)#]+)", " ".join(row)):
        if not (PAGE.parent / name).exists():
            yield f"{where}: {name}: no such file"


def counts(paths):
    units = [(pathlib.Path(p).stem, p.split("/")[1]) for p in paths]
    outside = [u for u in units if u[1] != "common"]
    model = sum("C model" in own_files(*u) for u in outside)
    bench = sum("bench" in own_files(*u) for u in outside)
    return (f"<!-- counts -->\n{len(units)} modules, {len(units) - len(outside)} of them building blocks of `common`. Of the other "
            f"{len(outside)}, {model} have a C file of the\nsame name in the same room, and {bench} have a bench of their own.\n<!-- end -->")


def main():
    write = sys.argv[1:] == ["--write"]
    if sys.argv[1:] and not write:
        sys.exit("usage: scripts/check_units.py [--write]")
    if not PAGE.exists():
        sys.exit("docs/units.md: expected the table of units")
    paths, recorded, text = modules(), areas(), PAGE.read_text()
    if write:
        lines = text.splitlines()
        area = {pathlib.Path(path).stem: area_of(path, recorded) for path in paths}
        for number, row in table(text):
            if len(row) == len(COLUMNS):
                row[COLUMNS.index("um2")] = area.get(row[0].strip("`"), "")
                lines[number] = "| " + " | ".join(row) + " |"
        text = COUNTS.sub(lambda _: counts(paths), "\n".join(lines) + "\n")
        PAGE.write_text(text)
    rows = {row[0].strip("`"): row for _, row in table(text)}
    stems = [pathlib.Path(path).stem for path in paths]
    stale = [f"docs/units.md: {name}: not in rtl/files.f" for name in rows if name not in stems]
    names = [row[0].strip("`") for _, row in table(text)]
    stale += [f"docs/units.md: {name}: more than one row" for name in rows if names.count(name) > 1]
    stale += [f"docs/units.md: {stem}: has no row" for stem in stems if stem not in rows]
    if not stale and list(rows) != stems:
        stale.append("docs/units.md: rows are not in the order of rtl/files.f")
    for stem, path in zip(stems, paths):
        if stem in rows:
            stale += stale_row(rows[stem], path, area_of(path, recorded))
    if counts(paths) not in text:
        stale.append("docs/units.md: the counts above the table are not those of the tree (--write)")
    print("\n".join(stale) or f"docs/units.md: {len(rows)} units, every file and page is there")
    sys.exit(1 if stale else 0)


if __name__ == "__main__":
    main()
