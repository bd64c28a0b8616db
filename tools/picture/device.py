#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Draws the device as SVG: the xPU and its stacks, and the inside of one stack. Sizes come from params/hardware.params.

usage: device.py PARAMS OUT.svg [--check]
Solid: what this project has. Dashed: what is to come. With --check nothing is written; exit status 1 if OUT.svg is stale.
"""
import pathlib
import sys

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent))
from outputs import output  # noqa: E402

WIDTH, HEIGHT = 960, 676
INK, GREY, PAPER = "#1f2933", "#5f6b7a", "#ffffff"
FILLS = {"stack": "#f4f6f8", "memory": "#e4ecf7", "compute": "#d9ecdf", "control": "#fbeccb", "attention": "#f0e0f2", "plain": "#ffffff"}
STACKS = 5  # of a device, as in the paper


def read_parameters(path):
    lines = pathlib.Path(path).read_text(encoding="utf-8").splitlines()
    return {line.split()[0]: int(line.split()[1]) for line in lines if line.strip() and not line.startswith("#")}


class Drawing:
    def __init__(self):
        self.parts = []

    def box(self, x, y, width, height, fill, dashed=False):
        dash = ' stroke-dasharray="7 5"' if dashed else ""
        self.parts.append(f'<rect x="{x}" y="{y}" width="{width}" height="{height}" rx="6" fill="{FILLS[fill]}" stroke="{INK}" '
                          f'stroke-width="1.4"{dash}/>')

    def text(self, x, y, text, size=14, anchor="middle", colour=INK, bold=False):
        weight = ' font-weight="bold"' if bold else ""
        self.parts.append(f'<text x="{x}" y="{y}" font-size="{size}" text-anchor="{anchor}" fill="{colour}"{weight}>{text}</text>')

    def unit(self, x, y, width, height, fill, title, *lines, dashed=False):
        """A box with its title in bold and smaller lines below it, as a block in its middle."""
        self.box(x, y, width, height, fill, dashed)
        top = y + height / 2 - 9 * len(lines) + 5
        self.text(x + width / 2, top, title, bold=True)
        for number, line in enumerate(lines, 1):
            self.text(x + width / 2, top + 18 * number, line, 12.5, colour=GREY)

    def arrow(self, points, dashed=False, both=False):
        dash = ' stroke-dasharray="7 5"' if dashed else ""
        start = ' marker-start="url(#head)"' if both else ""
        path = " ".join(f"{x},{y}" for x, y in points)
        self.parts.append(f'<polyline points="{path}" fill="none" stroke="{INK}" stroke-width="1.6"{dash} marker-end="url(#head)"{start}/>')

    def svg(self):
        return (f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {HEIGHT}" width="{WIDTH}" height="{HEIGHT}" '
                'font-family="Helvetica, Arial, DejaVu Sans, sans-serif">\n'
                f'<defs><marker id="head" viewBox="0 0 10 10" refX="9" refY="5" markerWidth="8" markerHeight="8" orient="auto-start-reverse">'
                f'<path d="M0,1 L10,5 L0,9 z" fill="{INK}"/></marker></defs>\n'
                f'<rect width="100%" height="100%" rx="8" fill="{PAPER}"/>\n' + "\n".join(self.parts) + "\n</svg>\n")


def draw_device(d, p):
    """The upper row: host, xPU, stacks."""
    memory = p["CHANNELS"] * p["BUNDLES"] * p["BANK_ROWS"] * p["ROW_SET_BYTES"] >> 30
    d.text(24, 30, f"A device: an xPU and {STACKS} stacks of {memory} GB", 16, "start", bold=True)
    d.unit(24, 48, 150, 74, "plain", "host", "driver, command")
    d.unit(214, 48, 150, 74, "plain", "xPU", "prefill, high Op/B", dashed=True)
    for number in range(STACKS):
        x = 404 + 108 * number
        d.unit(x, 48, 100, 74, "stack", f"stack {number}", "HBM3", "Logic-PIM", dashed=number > 0)
    d.arrow([(174, 85), (212, 85)], dashed=True)
    d.arrow([(366, 85), (402, 85)], dashed=True, both=True)
    d.arrow([(99, 124), (99, 196)], both=True)
    d.text(109, 164, "jobs, results", 12.5, "start", GREY)
    d.parts.append(f'<path d="M404,124 L214,180 M504,124 L936,180" stroke="{GREY}" stroke-width="1" stroke-dasharray="2 4" fill="none"/>')


def draw_stack(d, p):
    """The frame of one stack and what its channels share."""
    clock = p["CLOCK_KHZ"] // 1000
    shared = p["SHARED_WORDS"] * p["WORD_BYTES"] >> 20
    d.unit(24, 200, 150, 88, "control", "RV32 controller", "firmware: jobs into", "descriptors")
    d.box(214, 182, 722, 478, "stack")
    d.text(230, 206, f"Inside a stack: the logic die at {clock} MHz, and its DRAM", 16, "start", bold=True)
    d.unit(230, 222, 216, 66, "control", "control", f"registers, ring of {p['RING_ENTRIES']}", "operation controller")
    d.unit(470, 222, 216, 66, "memory", "shared buffers", f"{p['SHARED_BUFFERS']} x {shared} MB, {p['CHANNELS']} slices")
    d.unit(710, 222, 210, 66, "compute", "activation", f"{p['ACTIVATION_LANES']} lanes, a loadable table")
    d.arrow([(174, 255), (228, 255)], both=True)
    d.arrow([(708, 255), (688, 255)])
    d.arrow([(338, 288), (338, 320)])
    d.text(348, 309, "job", 12.5, "start", GREY)
    d.arrow([(578, 288), (578, 320)])
    d.text(588, 309, f"broadcast, {p['WORD_BYTES']} B a clock", 12.5, "start", GREY)
    d.arrow([(815, 320), (815, 290)])
    d.text(825, 309, "result bus", 12.5, "start", GREY)


def draw_channel(d, p):
    """One of the channels, with the pile of the others behind it."""
    macs = p["LANES"] * p["WIDTH"]
    beat, column = p["BEAT_BYTES"], p["COLUMN_BYTES"]
    for shift in (12, 6):
        d.box(230 + shift, 322 + shift, 678, 226, "plain")
    d.box(230, 322, 678, 226, "plain")
    d.text(244, 346, f"{p['CHANNELS']} channels, one for each pseudo channel", 15, "start", bold=True)
    d.unit(244, 362, 176, 84, "memory", "bundle controller", "ACT, PRE, RD, WR, REF", "three row sets ahead")
    d.unit(476, 362, 176, 84, "compute", "GEMM module", f"{p['LANES']} x {p['WIDTH']} = {macs} MACs", "exact sums")
    d.unit(708, 362, 186, 84, "compute", "round and drain", "each sum rounded once", "f16, f32 or acc")
    d.arrow([(420, 404), (474, 404)])
    d.text(448, 394, f"{beat} B", 12.5, colour=GREY)
    d.arrow([(652, 404), (706, 404)])
    d.unit(476, 472, 366, 54, "attention", "attention", "scale, maximum, exponential, exact sum, quotient")
    d.arrow([(564, 446), (564, 470)], both=True)
    d.arrow([(776, 446), (776, 470)], both=True)
    d.unit(244, 472, 176, 54, "plain", "write path", f"columns of {column} B")
    d.arrow([(332, 472), (332, 448)])
    d.arrow([(872, 446), (872, 538), (332, 538), (332, 528)])


def draw_dram(d, p):
    """The DRAM dies, by bundle: who owns which."""
    d.arrow([(290, 548), (290, 594)], both=True)
    d.text(302, 580, f"{p['COLUMN_BYTES']} B in two clocks, from the {p['BUNDLES']} bundles of the channel", 12.5, "start", GREY)
    for bundle in range(p["BUNDLES"]):
        x = 230 + 174 * bundle
        d.unit(x, 596, 166, 50, "memory", f"bundle {bundle}", f"rank {bundle // 2}, half {bundle % 2}, 8 banks")
    d.text(24, 570, "solid: here today", 13, "start")
    d.text(24, 592, "dashed: to come", 13, "start")
    d.text(24, 624, "A bundle belongs to Logic-PIM", 12, "start", GREY)
    d.text(24, 641, "or to the xPU; both stream", 12, "start", GREY)
    d.text(24, 658, "at once.", 12, "start", GREY)


def main():
    if len(sys.argv) < 3:
        sys.exit("usage: device.py PARAMS OUT.svg [--check]")
    parameters, out = read_parameters(sys.argv[1]), pathlib.Path(sys.argv[2])
    drawing = Drawing()
    for part in (draw_device, draw_stack, draw_channel, draw_dram):
        part(drawing, parameters)
    if "--check" not in sys.argv:
        with output(out) as file:
            file.write(drawing.svg())
    elif not out.exists() or out.read_text(encoding="utf-8") != drawing.svg():
        sys.exit(f"{out} is not what {sys.argv[1]} gives: make pictures")


if __name__ == "__main__":
    main()
