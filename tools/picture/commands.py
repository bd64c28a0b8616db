#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Draws one channel of a run over time as SVG: how busy its two data buses are, and its DRAM commands bundle by bundle.

usage: commands.py TRACE PRESET OUT.svg [--channel C] [--from CLOCK] [--clocks N] [--zoom N]
TRACE is the command text of docs/architecture.md. First the whole run: the share of each data bus that is in use. Then the commands
of N clocks (3000) from CLOCK on, and the first of these enlarged (--zoom, 300). Bars are open rows, ticks are columns read or
written, grey is a refresh.
"""
import argparse
import pathlib
import sys

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent))
from outputs import output  # noqa: E402

WIDTH, LEFT, LANE, GAP = 960, 92, 44, 12
WINDOW = 64  # clocks of one step of the first panel
STEPS = (10, 20, 50, 100, 200, 500, 1000, 2000, 5000, 10000)  # clocks between two marks of an axis
COLOURS = {"row": "#c9dcf2", "row_x": "#f6dcbd", "RD": "#1f5fa8", "XRD": "#c46a00", "WR": "#7a2a8c", "ACT": "#1a8f3c", "PRE": "#c22929",
           "REF": "#9a9a9a"}


def read_preset(path):
    with open(path, encoding="utf-8") as file:
        return {line.split()[0]: int(line.split()[1]) for line in file if line.strip() and not line.startswith("#")}


def read_commands(path, channel):
    with open(path, encoding="utf-8") as file:
        for line in file:
            fields = line.split("#")[0].split()
            if len(fields) >= 5 and int(fields[1]) == channel and fields[2] != "OWNER":
                yield int(fields[0]), fields[2], int(fields[3]), int(fields[4], 16)


def open_rows(commands, end):
    """(bundle, bank, of the xPU, from, to) in tCK for each time that a bank is open."""
    opened, rows = {}, []
    for tck, kind, bundle, mask in commands:
        for bank in (b for b in range(8) if mask >> b & 1):
            if kind.lstrip("X") == "ACT":
                opened[bundle, bank] = (tck, kind[0] == "X")
            elif kind.lstrip("X") == "PRE" and (bundle, bank) in opened:
                start, xpu = opened.pop((bundle, bank))
                rows.append((bundle, bank, xpu, start, tck))
    return rows + [(bundle, bank, xpu, start, end) for (bundle, bank), (start, xpu) in opened.items()]


class Panel:
    def __init__(self, top, begin, end):
        self.top, self.begin, self.end, self.parts = top, begin, end, []
        self.scale = (WIDTH - LEFT - 20) / (end - begin)

    def x(self, tck):
        return LEFT + (min(max(tck, self.begin), self.end) - self.begin) * self.scale

    def y(self, bundle, bank=0):
        return self.top + bundle * (LANE + GAP) + bank * LANE / 8

    def box(self, begin, end, y, height, colour, tip=""):
        if end < self.begin or begin > self.end:
            return
        width = max(self.x(end) - self.x(begin), 0.6)
        title = f"<title>{tip}</title>" if tip else ""
        self.parts.append(f'<rect x="{self.x(begin):.2f}" y="{y:.2f}" width="{width:.2f}" height="{height:.2f}" fill="{colour}">{title}</rect>')

    def text(self, x, y, text, anchor="start", size=12):
        self.parts.append(f'<text x="{x:.1f}" y="{y:.1f}" font-size="{size}" text-anchor="{anchor}">{text}</text>')

    def axis(self, y):
        step = next(s for s in STEPS if (self.end - self.begin) / 2 / s <= 10)
        for clock in range((self.begin // 2 + step - 1) // step * step, self.end // 2 + 1, step):
            self.parts.append(f'<line x1="{self.x(2 * clock):.1f}" x2="{self.x(2 * clock):.1f}" y1="{y}" y2="{y + 5}" stroke="#555"/>')
            self.text(self.x(2 * clock), y + 18, f"{clock:,}", "middle", 12)

    def frame(self, sides):
        for bundle in range(4):
            y = self.y(bundle)
            self.parts.append(f'<rect x="{LEFT}" y="{y}" width="{WIDTH - LEFT - 20}" height="{LANE}" fill="none" stroke="#bbb" stroke-width="0.5"/>')
            self.text(LEFT - 8, y + 19, f"bundle {bundle}", "end", 13)
            self.text(LEFT - 8, y + 35, sides[bundle], "end", 12)
        self.axis(self.y(3) + LANE)


def busy(commands, end, timing):
    """(of the xPU, window, share of its data bus in use): tCK with data among those of the window."""
    used = {}
    for tck, kind, _, _ in commands:
        if kind.lstrip("X") in ("RD", "WR"):
            key = (kind[0] == "X", tck // (2 * WINDOW))
            used[key] = used.get(key, 0) + timing["nCCDS" if key[0] else "nCCDL"]
    return [[min(used.get((xpu, window), 0) / (2 * WINDOW), 1) for window in range(end // (2 * WINDOW))] for xpu in (False, True)]


def draw_busy(panel, commands, end, timing):
    """Two areas, one for each side: from 0 to 1 of its own bus."""
    for row, (name, shares) in enumerate(zip(("Logic-PIM", "xPU"), busy(commands, end, timing))):
        top, base = panel.top + row * (LANE + GAP), panel.top + row * (LANE + GAP) + LANE
        points = [f"{panel.x(2 * WINDOW * (w + at)):.1f},{base - LANE * share:.1f}" for w, share in enumerate(shares) for at in (0, 1)]
        panel.parts.append(f'<polygon points="{LEFT},{base} {" ".join(points)} {points[-1].split(",")[0]},{base}" fill="{COLOURS[("RD", "XRD")[row]]}"/>')
        panel.parts.append(f'<rect x="{LEFT}" y="{top}" width="{WIDTH - LEFT - 20}" height="{LANE}" fill="none" stroke="#bbb" stroke-width="0.5"/>')
        panel.text(LEFT - 8, top + 27, name, "end", 13)
    panel.axis(panel.top + 2 * LANE + GAP)


def joined(commands, gap):
    """(from, to, kind, bundle, mask): columns of one bundle and mask that follow each other within `gap` tCK are one."""
    open_runs, runs = {}, []
    for tck, kind, bundle, mask in commands:
        run = open_runs.get((kind, bundle, mask))
        if run and tck - run[1] < gap:
            run[1] = tck + 1
        else:
            open_runs[kind, bundle, mask] = run = [tck, tck + 1]
            runs.append((run, kind, bundle, mask))
    return [(begin, end, kind, bundle, mask) for (begin, end), kind, bundle, mask in runs]


def draw_columns(panel, commands):
    """Columns read and written; where a tick would be too narrow to be seen, those that follow each other as one bar."""
    columns = [c for c in commands if c[1].lstrip("X") in ("RD", "WR")]
    for begin, end, kind, bundle, mask in joined(columns, 8 if panel.scale < 1 else 0):
        banks = [b for b in range(8) if mask >> b & 1]
        height = (banks[-1] - banks[0] + 1) * LANE / 8
        colour = COLOURS["WR"] if kind.endswith("WR") else COLOURS[kind]
        panel.box(begin, end, panel.y(bundle, banks[0]) + height * 0.2, height * 0.6, colour)


def draw(panel, commands, rows, timing):
    for bundle, bank, xpu, begin, end in rows:
        panel.box(begin, end, panel.y(bundle, bank), LANE / 8, COLOURS["row_x" if xpu else "row"])
    for tck, kind, bundle, mask in commands:
        plain = kind.lstrip("X")
        banks = [b for b in range(8) if mask >> b & 1]
        y, height, tip = panel.y(bundle, banks[0]), (banks[-1] - banks[0] + 1) * LANE / 8, f"{kind} at tCK {tck}"
        if plain == "REF":
            panel.box(tck, tck + timing["nRFCPB"], y, height, COLOURS["REF"], tip)
        elif plain in ("ACT", "PRE"):
            panel.box(tck, tck + 2, y, height, COLOURS[plain], tip)
    draw_columns(panel, commands)


def legend(y):
    names = [("row", "open row"), ("row_x", "open row, xPU"), ("ACT", "ACT"), ("PRE", "PRE"), ("RD", "RD"), ("XRD", "RD, xPU"), ("WR", "WR"),
             ("REF", "refresh")]
    x, parts = LEFT, []
    for colour, name in names:
        parts.append(f'<rect x="{x}" y="{y}" width="14" height="12" fill="{COLOURS[colour]}"/><text x="{x + 19}" y="{y + 11}" font-size="13">{name}</text>')
        x += 48 + 8 * len(name)
    return parts


def picture(commands, timing, begin, clocks, zoom):
    end, height = begin + 2 * clocks, 4 * (LANE + GAP)
    last = max(tck for tck, kind, _, _ in commands if kind.lstrip("X") in ("RD", "WR"))
    rows = open_rows(commands, end)
    used = {bundle: kind[0] == "X" for _, kind, bundle, _ in commands}
    sides = ["not used" if b not in used else "xPU" if used[b] else "Logic-PIM" for b in range(4)]
    whole = Panel(40, 0, last)
    whole.text(LEFT, 26, f"The whole run: share of each data bus in use, in steps of {WINDOW} clocks (of 650 MHz)", size=15)
    draw_busy(whole, commands, last, timing)
    parts, top = whole.parts, 40 + 2 * (LANE + GAP) + 52
    for title, stop in ((f"The DRAM commands of {clocks:,} of these clocks", end), (f"The first {zoom} of these, enlarged", begin + 2 * zoom)):
        panel = Panel(top, begin, stop)
        panel.text(LEFT, top - 14, title, size=15)
        draw(panel, [c for c in commands if begin - 2 * timing["nRFCPB"] <= c[0] <= stop], rows, timing)
        panel.frame(sides)
        parts += panel.parts
        top += height + 60
    parts += legend(top - 38)
    return (f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {top - 10}" width="{WIDTH}" height="{top - 10}" '
            'font-family="Helvetica, Arial, DejaVu Sans, sans-serif">\n'
            '<rect width="100%" height="100%" rx="8" fill="white"/>\n' + "\n".join(parts) + "\n</svg>\n")


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("trace")
    parser.add_argument("preset")
    parser.add_argument("out")
    parser.add_argument("--channel", type=int, default=0)
    parser.add_argument("--from", dest="begin", type=int, default=0)
    parser.add_argument("--clocks", type=int, default=3000)
    parser.add_argument("--zoom", type=int, default=300)
    options = parser.parse_args()
    with output(options.out) as file:
        commands = sorted(read_commands(options.trace, options.channel))
        file.write(picture(commands, read_preset(options.preset), 2 * options.begin, options.clocks, options.zoom))


if __name__ == "__main__":
    main()
