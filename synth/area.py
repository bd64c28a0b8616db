# SPDX-License-Identifier: Apache-2.0
"""Area of the top by unit: each unit is counted once and multiplied by how often it stands in the top."""
import json
import pathlib

import design

MB_MM2 = 1.13       # a one-port SRAM of 1 MB at 7 nm, from the paper's two buffers (2.26 mm2)
TWO_PORTS = 1.5     # factor of one read and one write port
FOLDER = pathlib.Path(__file__).resolve().parent


def read_macros(path):
    """A user's macro list: lines `module WIDTH DEPTH um2`."""
    macros = {}
    for number, line in enumerate(pathlib.Path(path).read_text().splitlines(), 1):
        fields = line.split("#")[0].split()
        if not fields:
            continue
        try:
            module, width, depth, area = fields
            macros[module, int(width), int(depth)] = float(area)
        except ValueError:
            raise design.FlowError(f"synth: {path}:{number}: expected 'module WIDTH DEPTH um2'")
    return macros


def memory_of(module, macros):
    """(bits, um2) of a memory module."""
    width, depth = module.parameters["WIDTH"], module.parameters["DEPTH"]
    bits = width * depth
    if macros is not None:
        if (module.base, width, depth) not in macros:
            raise design.FlowError(f"synth: macro list: expected a line '{module.base} {width} {depth} um2'")
        return bits, macros[module.base, width, depth]
    return bits, bits / 8 / 2**20 * MB_MM2 * 1e6 * (1.0 if module.base == "ram_1rw" else TWO_PORTS)


class Area:
    """Own and inclusive areas of the units of a design in um2."""

    def __init__(self, elaborated, netlists, target, macros):
        self.design, self.target = elaborated, target
        self.instances = elaborated.counts()
        self.own = {}
        for name in elaborated.order():
            module = elaborated.modules[name]
            if elaborated.is_memory(module):
                continue
            entry = netlists(name).sums(target.library)
            entry["memory_bits"], entry["memory_area"] = 0, 0.0
            for child, count in elaborated.children(module).items():
                if elaborated.is_memory(elaborated.modules[child]):
                    bits, area = memory_of(elaborated.modules[child], macros)
                    entry["memory_bits"] += count * bits
                    entry["memory_area"] += count * area
            self.own[name] = entry

    def inclusive(self, name):
        """Sums of one instance with all below it."""
        total = dict(self.own[name])
        for child, count in self.design.children(self.design.modules[name]).items():
            if child in self.own:
                for key, value in self.inclusive(child).items():
                    total[key] += count * value
        return total

    def rows(self):
        """One entry for each unit, parents first, with its depth below the top."""
        rows, seen = [], set()

        def visit(name, depth):
            if name in seen or name not in self.own:
                return
            seen.add(name)
            module = self.design.modules[name]
            entry = {"unit": module.label(), "base": module.base, "file": self.design.place[module.base],
                     "depth": depth, "instances": self.instances[name], **self.own[name]}
            entry["gate_equivalents"] = entry["area"] / self.target.gate_area
            entry["total_mm2"] = self.instances[name] * (entry["area"] + entry["memory_area"]) / 1e6
            entry["name"] = name
            rows.append(entry)
            for child in self.design.children(self.design.modules[name]):
                visit(child, depth + 1)

        visit(self.design.top, 0)
        return rows

    def groups(self):
        """Inclusive sums over all instances by group of paper.json; what no other group takes is in 'rest'."""
        known = json.loads((FOLDER / "paper.json").read_text())
        of_unit = {unit: group for group, entry in known.items() for unit in entry["units"]}  # modules or folders
        sums = {group: {"logic_mm2": 0.0, "memory_mm2": 0.0, **entry} for group, entry in known.items()}

        def visit(name, group, count):
            base = self.design.modules[name].base
            group = of_unit.get(base) or of_unit.get(f"{pathlib.PurePath(self.design.place[base]).parent}/") or group
            sums[group]["logic_mm2"] += count * self.own[name]["area"] / 1e6
            sums[group]["memory_mm2"] += count * self.own[name]["memory_area"] / 1e6
            for child, number in self.design.children(self.design.modules[name]).items():
                if child in self.own:
                    visit(child, group, count * number)

        visit(self.design.top, "rest", 1)
        return sums

    def first(self, base):
        return next((n for n in self.own if self.design.modules[n].base == base), None)

    def totals(self, width):
        """Top, one channel, one MAC."""
        top = self.inclusive(self.design.top)
        result = {"top": top}
        if channel := self.first("channel"):
            result["channel"] = self.inclusive(channel)
        parts = {base: self.first(base) for base in ("dot64", "accumulator", "round")}
        if parts["dot64"]:
            dots = self.instances[parts["dot64"]]
            result["macs"] = dots * width
            shares = {base: self.own[n]["area"] * self.instances[n] / dots / width for base, n in parts.items() if n}
            result["um2_per_mac"] = {**shares, "sum": sum(shares.values())}
        return result
