#!/usr/bin/env python3
"""Draws the DRAM commands of one channel over time, bundle by bundle, as SVG.

usage: commands.py TRACE PRESET OUT.svg [--channel C] [--from CLOCK] [--clocks N] [--zoom N]
TRACE is the command text of docs/architecture.md. Above: N clocks (3000) from CLOCK on; below: the first clocks of these enlarged
(--zoom, 300). Bars are open rows, ticks are columns read or written, grey is a refresh.
"""
import argparse

WIDTH, LEFT, LANE, GAP = 1160, 90, 60, 26
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

    def frame(self, sides):
        for bundle in range(4):
            y = self.y(bundle)
            self.parts.append(f'<rect x="{LEFT}" y="{y}" width="{WIDTH - LEFT - 20}" height="{LANE}" fill="none" stroke="#bbb" stroke-width="0.5"/>')
            self.text(LEFT - 8, y + 25, f"bundle {bundle}", "end")
            self.text(LEFT - 8, y + 41, sides[bundle], "end", 10)
        bottom = self.y(3) + LANE
        step = next(s for s in (10, 20, 50, 100, 200, 500, 1000, 2000, 5000, 10000) if (self.end - self.begin) / 2 / s <= 12)
        for clock in range((self.begin // 2 + step - 1) // step * step, self.end // 2 + 1, step):
            self.parts.append(f'<line x1="{self.x(2 * clock):.1f}" x2="{self.x(2 * clock):.1f}" y1="{bottom}" y2="{bottom + 5}" stroke="#555"/>')
            self.text(self.x(2 * clock), bottom + 18, str(clock), "middle", 10)
        self.text(WIDTH - 20, bottom + 32, "clock (650 MHz, 2 tCK)", "end", 10)


def draw(panel, commands, rows, timing):
    for bundle, bank, xpu, begin, end in rows:
        panel.box(begin, end, panel.y(bundle, bank), LANE / 8, COLOURS["row_x" if xpu else "row"])
    for tck, kind, bundle, mask in commands:
        plain = kind.lstrip("X")
        banks = [b for b in range(8) if mask >> b & 1]
        y, height, tip = panel.y(bundle, banks[0]), (banks[-1] - banks[0] + 1) * LANE / 8, f"{kind} at tCK {tck}"
        if plain == "REF":
            panel.box(tck, tck + timing["nRFCPB"], y, height, COLOURS["REF"], tip)
        elif plain in ("RD", "WR"):
            colour = COLOURS["WR"] if plain == "WR" else COLOURS["XRD" if kind[0] == "X" else "RD"]
            panel.box(tck, tck + 1, y + height * 0.2, height * 0.6, colour, tip)
        else:
            panel.box(tck, tck + 2, y, height, COLOURS[plain], tip)


def picture(commands, timing, begin, clocks, zoom):
    end, height = begin + 2 * clocks, 4 * (LANE + GAP)
    rows = open_rows(commands, end)
    used = {bundle: kind[0] == "X" for _, kind, bundle, _ in commands}
    sides = ["not used" if b not in used else "xPU" if used[b] else "Logic-PIM" for b in range(4)]
    parts = []
    for top, last in ((50, end), (50 + height + 40, begin + 2 * zoom)):
        panel = Panel(top, begin, last)
        draw(panel, [c for c in commands if begin - 2 * timing["nRFCPB"] <= c[0] <= last], rows, timing)
        panel.frame(sides)
        parts += panel.parts
    legend = [("row", "open row"), ("row_x", "open row, xPU"), ("ACT", "ACT"), ("PRE", "PRE"), ("RD", "RD"), ("XRD", "RD, xPU"), ("WR", "WR"),
              ("REF", "refresh")]
    for i, (colour, name) in enumerate(legend):
        x = LEFT + i * 128
        parts.append(f'<rect x="{x}" y="16" width="14" height="12" fill="{COLOURS[colour]}"/><text x="{x + 19}" y="26" font-size="12">{name}</text>')
    return (f'<svg xmlns="http://www.w3.org/2000/svg" width="{WIDTH}" height="{2 * height + 110}" font-family="sans-serif">\n'
            '<rect width="100%" height="100%" fill="white"/>\n' + "\n".join(parts) + "\n</svg>\n")


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
    commands = sorted(read_commands(options.trace, options.channel))
    with open(options.out, "w", encoding="utf-8") as file:
        file.write(picture(commands, read_preset(options.preset), 2 * options.begin, options.clocks, options.zoom))


if __name__ == "__main__":
    main()
