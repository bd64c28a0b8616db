"""A mapped unit: its cells and their sums, and its Verilog text for timing and simulation."""
import collections
import json
import re

import design


def escaped(name):
    """A Verilog name, escaped if it has to be."""
    return name if re.fullmatch(r"[A-Za-z_][\w$]*", name) else f"\\{name} "


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
