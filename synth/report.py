# SPDX-License-Identifier: Apache-2.0
"""The report of a run as text, Markdown, JSON and picture."""
import json

import picture

COLUMNS = ("unit", "instances", "cells", "cells um2", "of it flops", "SRAM KB", "SRAM um2", "kGE", "all mm2", "path ns")


def table_rows(data):
    for row in data["units"]:
        yield ("  " * row["depth"] + row["unit"], f"{row['instances']:,}", f"{row['cells']:,}", f"{row['area']:,.0f}", f"{row['flop_area']:,.0f}",
               f"{row['memory_bits'] / 8192:,.1f}", f"{row['memory_area']:,.0f}", f"{row['gate_equivalents'] / 1000:,.1f}", f"{row['total_mm2']:.4f}",
               f"{row['paths'][0]['ns']:.3f}" if row["paths"] else "-")


def head(data):
    lines = [f"top {data['top']} {data['parameters'] or ''}".rstrip(), f"library {data['library']}, {data['process']}, flow {data['flow']}, {data['versions']}",
             f"sources {data['sources']} ({len(data['files'])} files)",
             "SRAM: the user's macro list" if data["macros"] else "SRAM: 1.13 mm2 per MB at 7 nm, 1.5 times for two ports"]
    if data["process"] != "7 nm" and not data["macros"]:
        lines.append("SRAM is the 7 nm figure and not comparable with this library's cells")
    return lines


def totals(data):
    """(what, value) lines below the table."""
    t = data["totals"]
    lines = [(name, f"{t[name]['area'] / 1e6:.4f} mm2 cells ({t[name]['flop_area'] / 1e6:.4f} flops), {t[name]['memory_area'] / 1e6:.4f} mm2 SRAM "
              f"({t[name]['memory_bits'] / 8 / 2**20:.3f} MB), together {(t[name]['area'] + t[name]['memory_area']) / 1e6:.4f} mm2, "
              f"{t[name]['area'] / data['gate_area'] / 1e6:.3f} MGE") for name in ("channel", "top") if name in t]
    if "um2_per_mac" in t:
        shares = ", ".join(f"{k} {v:,.1f}" for k, v in t["um2_per_mac"].items() if k != "sum")
        lines.append(("MAC", f"{t['um2_per_mac']['sum']:,.1f} um2 a MAC lane ({shares}; {t['macs']:,} MACs)"))
    missed = [row for row in data["units"] if data["limit_ns"] and row["paths"] and row["paths"][0]["ns"] > data["limit_ns"]]
    if data["limit_ns"]:
        lines.append(("limit", f"{data['limit_ns']} ns: " + ("met by every unit" if not missed else "missed by " + ", ".join(r["unit"] for r in missed))))
    return lines


def paper_rows(data):
    """Beside the paper's table; only for a 7 nm library."""
    if data["process"] != "7 nm" or data["top"] != "stack":
        return []

    def row(name, group):
        mine = group["logic_mm2"] + group["memory_mm2"]
        return (f"{name} ({group['what']})", f"{group['logic_mm2']:.3f}", f"{group['memory_mm2']:.3f}", f"{mine:.3f}" if mine else "none",
                f"{group['paper_mm2']:.2f}" if group["paper_mm2"] else "not listed")

    def total(groups):
        return sum(g["logic_mm2"] + g["memory_mm2"] or g["paper_mm2"] or 0.0 for g in groups.values())

    listed = {name: group for name, group in data["groups"].items() if group["paper_mm2"]}
    others = {name: group for name, group in data["groups"].items() if not group["paper_mm2"]}
    lent = [name for name, group in listed.items() if not group["logic_mm2"] + group["memory_mm2"]]
    rows = [row(*item) for item in listed.items()]
    rows.append(("what the paper lists, without TSVs" + "".join(f", {name} as in the paper" for name in lent), "", "", f"{total(listed):.3f}",
                 f"{sum(g['paper_mm2'] for g in listed.values()):.2f}"))
    rows += [row(*item) for item in others.items()]
    return rows + [("what the paper does not list", "", "", f"{total(others):.3f}", ""), ("all", "", "", f"{total(data['groups']):.3f}", "")]


def path_lines(data):
    for row in data["units"]:
        for path in row["paths"][:2]:
            yield f"{path['ns']:8.3f} ns  {row['unit']} ({row['file']}): {path['start']} -> {path['end']}"


def columns(rows, first_left=True):
    widths = [max(len(row[i]) for row in rows) for i in range(len(rows[0]))]
    return ["  ".join(cell.ljust(w) if i == 0 and first_left else cell.rjust(w) for i, (cell, w) in enumerate(zip(row, widths))).rstrip() for row in rows]


def text(data):
    lines = head(data) + [""] + columns([COLUMNS] + list(table_rows(data))) + [""]
    lines += [f"{name:8} {value}" for name, value in totals(data)]
    if rows := paper_rows(data):
        lines += [""] + columns([("mm2", "cells", "SRAM", "all", "paper")] + rows)
    return "\n".join(lines + ["", "longest paths"] + list(path_lines(data)) + [""])


def markdown_table(header, rows):
    lines = [header, *([c.replace("  ", "&nbsp;&nbsp;") for c in row] for row in rows)]
    first, *others = ("| " + " | ".join(cells) + " |" for cells in lines)
    return [first, "|" + "---|" * len(header), *others]


def markdown(data):
    lines = ["# Area and timing", ""] + [line + "  " for line in head(data)] + [""] + markdown_table(COLUMNS, table_rows(data)) + [""]
    lines += [f"* {name}: {value}" for name, value in totals(data)] + [""]
    if rows := paper_rows(data):
        lines += markdown_table(("mm2", "cells", "SRAM", "all", "paper"), rows) + [""]
    return "\n".join(lines + ["## Longest paths", "", "```"] + list(path_lines(data)) + ["```", ""])


def write(data, folder):
    (folder / "report.json").write_text(json.dumps(data, indent=1) + "\n")
    (folder / "report.txt").write_text(text(data))
    (folder / "report.md").write_text(markdown(data))
    bars = [(f"{row['unit']} x {row['instances']}", *(row["instances"] * part / 1e6 for part in
                                                       (row["area"] - row["flop_area"], row["flop_area"], row["memory_area"])))
            for row in data["units"]]
    (folder / "area.svg").write_text(picture.svg(f"{data['top']}, {data['library']}: mm2 of all instances", bars))
