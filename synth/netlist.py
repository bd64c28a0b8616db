# SPDX-License-Identifier: Apache-2.0
"""A mapped unit: its cells and their sums, and its Verilog text for timing and simulation."""
import collections
import json
import re

import design


def escaped(name):
    """A Verilog name, escaped if it has to be."""
    return name if re.fullmatch(r"[A-Za-z_][\w$]*", name) else f"\\{name} "


def grouped(pins, limit):
    """Pins in groups of at most `limit` load, or single."""
    groups, total = [[]], 0.0
    for pin in pins:
        if groups[-1] and total + pin[2] > limit:
            groups.append([])
            total = 0.0
        groups[-1].append(pin)
        total += pin[2]
    return groups


class Netlist:
    """One unit as Yosys' JSON gives it. Boxes are memories and other units, by their elaborated names."""

    def __init__(self, path, name):
        modules = json.loads(path.read_text())["modules"]
        self.data = modules[name.removeprefix("\\")]
        self.cells = self.data["cells"]
        self.ports = self.data["ports"]
        self.kinds = collections.Counter(cell["type"] for cell in self.cells.values())

    def check(self, label, library, boxes):
        """No cell but those of the library and the boxes, and no latch."""
        for kind in self.kinds:
            if kind not in library.cells and kind not in boxes:
                raise design.FlowError(f"{label}: cell {kind} is not mapped")
            if kind in library.cells and library.cells[kind].latch:
                raise design.FlowError(f"{label}: {self.kinds[kind]} latches ({kind}); storage is flip-flops or memories")

    def sums(self, library):
        """Cells, flip-flops and their areas, without boxes."""
        logic = {k: n for k, n in self.kinds.items() if k in library.cells}
        flops = {k: n for k, n in logic.items() if library.cells[k].flop}

        def area(kinds):
            return sum(library.cells[k].area * n for k, n in kinds.items())

        return {"cells": sum(logic.values()), "area": area(logic), "flops": sum(flops.values()), "flop_area": area(flops)}

    def sinks(self, library, boxes):
        """Of each net its input pins: {bit: [(connection list, index, capacitance, in a box)]}; `boxes` gives the loads of a box's ports."""
        found = collections.defaultdict(list)
        for cell in self.cells.values():
            kind = library.cells.get(cell["type"])
            for pin, bits in cell["connections"].items():
                if kind and kind.pins[pin].direction == "input":
                    loads = [kind.pins[pin].capacitance] * len(bits)
                elif not kind and pin in boxes[cell["type"]]:
                    loads = boxes[cell["type"]][pin]
                else:
                    continue
                for i, bit in enumerate(bits):
                    if isinstance(bit, int):
                        found[bit].append((bits, i, loads[i], not kind))
        return found

    def port_loads(self, library, boxes):
        """Capacitance behind each bit of the input ports."""
        sinks = self.sinks(library, boxes)
        return {port: [sum(load for _, _, load, _ in sinks.get(bit, ())) for bit in entry["bits"]]
                for port, entry in self.ports.items() if entry["direction"] == "input"}

    def buffer_boxes(self, library, boxes, buffer, limit):
        """Trees of buffers before the boxes on nets with more load than `limit`: abc sees a box's pin only as one small load."""
        clocks = {bit for bit in self.ports.get("clk_i", {"bits": []})["bits"]}
        source, = library.cells[buffer].inputs()
        drain, = library.cells[buffer].outputs()
        load = library.cells[buffer].pins[source].capacitance
        last = max((bit for entry in self.data["netnames"].values() for bit in entry["bits"] if isinstance(bit, int)), default=1)
        for bit, pins in self.sinks(library, boxes).items():
            if bit in clocks or sum(p[2] for p in pins) <= limit:
                continue
            in_boxes = [p for p in pins if p[3]]
            while len(in_boxes) > 1 and sum(p[2] for p in in_boxes) > limit:
                groups = grouped(in_boxes, limit)
                in_boxes = []
                for group in groups:
                    last += 1
                    name = f"$buffer${last}"
                    connections = {source: [bit], drain: [last]}
                    self.cells[name] = {"type": buffer, "connections": connections}
                    self.data["netnames"][name] = {"hide_name": 1, "bits": [last]}
                    for bits, index, _, _ in group:
                        bits[index] = last
                    in_boxes.append((connections[source], 0, load, True))
        self.kinds = collections.Counter(cell["type"] for cell in self.cells.values())

    def net_names(self):
        """A name for each bit: ports first, then names of the source, then Yosys' own."""
        names = {}
        for port, entry in self.ports.items():
            for i, bit in enumerate(entry["bits"]):
                if isinstance(bit, int) and (entry["direction"] == "input" or bit not in names):
                    names[bit] = f"{escaped(port)}[{i}]" if len(entry["bits"]) > 1 else escaped(port)
        entries = sorted(self.data["netnames"].items(), key=lambda item: (item[1].get("hide_name", 0), len(item[0])))
        self.internal = {}
        for name, entry in entries:
            for i, bit in enumerate(entry["bits"]):
                if isinstance(bit, int) and bit not in names:
                    plain = f"{name}[{i + entry.get('offset', 0)}]" if len(entry["bits"]) > 1 else name
                    if plain in self.ports:
                        plain += "_net"
                    names[bit] = self.internal[bit] = escaped(plain)
        return names

    def verilog(self, module, box_names):
        """The module's text; `box_names` maps elaborated names to the module names of the output."""
        names = self.net_names()

        def value(bits):
            texts = [names[b] if isinstance(b, int) else f"1'b{b if b in '01' else 0}" for b in reversed(bits)]
            return texts[0] if len(texts) == 1 else "{" + ", ".join(texts) + "}"

        lines = [f"module {module}({', '.join(escaped(p) for p in self.ports)});"]
        for port, entry in self.ports.items():
            size = len(entry["bits"])
            lines.append(f"  {entry['direction']} {f'[{size - 1}:0] ' if size > 1 else ''}{escaped(port)};")
        lines += [f"  wire {name};" for name in self.internal.values()]
        for name, cell in self.cells.items():
            kind = box_names.get(cell["type"], cell["type"])
            pins = ", ".join(f".{pin}({value(bits)})" for pin, bits in cell["connections"].items() if bits)
            lines.append(f"  {kind} {escaped(name)}({pins});")
        for port, entry in self.ports.items():
            for i, bit in enumerate(entry["bits"]):
                own = f"{escaped(port)}[{i}]" if len(entry["bits"]) > 1 else escaped(port)
                if entry["direction"] == "output" and names.get(bit) != own:
                    lines.append(f"  assign {own} = {value([bit])};")
        return "\n".join(lines + ["endmodule", ""])
