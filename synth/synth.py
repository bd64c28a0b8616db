#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Area and timing of a module of rtl/files.f and all units below it.

usage: synth/synth.py [--top MODULE] [--set NAME=VALUE]... [--params FILE] [--liberty FILE] [--flow plain|buffered|adders] [--macros FILE]
                      [--driver CELL] [--load FF] [--target PS] [--out FOLDER] [--no-timing]
  --top      module, default stack; --set gives its parameters
  --params   lines `NAME value` that replace those of params/hardware.params: another point of the design space
  --liberty  .lib or .lib.gz, default osu018 of Debian's qflow-tech-osu018
  --flow     plain: no buffering; buffered: abc inserts buffers and chooses sizes; adders: also full adders of the library (default)
  --macros   areas of the memories, lines `module WIDTH DEPTH um2`
  --driver, --load, --target  driving cell and load of every unit's ports, and abc's delay target, if the library is not in libraries.json
Report: report.txt, .md, .json and area.svg in FOLDER/<top>_<library>_<flow>; units that did not change are taken from FOLDER/cache.
"""
import argparse
import pathlib
import re
import sys

sys.dont_write_bytecode = True

import area
import design
import mapping
import report
import timing

OSU018 = "/usr/share/qflow/tech/osu018/osu018_stdcells.lib"


def options(arguments):
    parser = argparse.ArgumentParser(usage=__doc__.split("\n\n")[1])
    parser.add_argument("--top", default="stack")
    parser.add_argument("--set", action="append", default=[])
    parser.add_argument("--params")
    parser.add_argument("--liberty", default=OSU018)
    parser.add_argument("--flow", default="adders")
    parser.add_argument("--macros")
    parser.add_argument("--driver")
    parser.add_argument("--load", type=float)
    parser.add_argument("--target", type=int)
    parser.add_argument("--out", default="build/synth")
    parser.add_argument("--no-timing", action="store_true")
    chosen = parser.parse_args(arguments)
    bad = [text for text in chosen.set if not re.fullmatch(r"[A-Z_]+=\d+", text)]
    if bad:
        raise design.FlowError(f"synth: --set {bad[0]}: expected NAME=NUMBER")
    return chosen


def log(text):
    print(text, file=sys.stderr, flush=True)


def longest(units):
    return max((path["ns"] for unit in units for path in unit["paths"]), default=0.0)


class Run:
    """One run: the design, its target, and the net lists of its units."""

    def __init__(self, chosen):
        self.chosen = chosen
        self.folder = design.place(chosen.out)
        self.folder.mkdir(parents=True, exist_ok=True)
        self.parameters = dict(text.split("=") for text in chosen.set)
        given = {"driver": chosen.driver, "load": chosen.load, "target_ps": chosen.target}
        self.target = mapping.Target(chosen.liberty, chosen.flow, {k: v for k, v in given.items() if v is not None}, self.folder)
        self.design = design.Design(chosen.top, self.parameters, self.folder, chosen.params)
        self.mapper = mapping.Mapper(self.design, self.target, self.folder, log)
        self.timer = timing.Timer(self.mapper, self.folder, log)
        point = [pathlib.Path(chosen.params).stem] if chosen.params else []
        self.out = self.folder / "_".join([chosen.top, *chosen.set, *point, self.target.library.name, chosen.flow])

    def generated_parameter(self, name):
        header = (design.ROOT / self.design.includes / "duplex_params.vh").read_text()
        return int(re.search(rf"DUPLEX_{name} (\d+)", header)[1])

    def netlist(self, name):
        """A checked net list."""
        boxes = {n.removeprefix("\\") for n in self.design.children(self.design.modules[name])}
        loaded = self.timer.load(name)
        loaded.check(self.design.modules[name].label(), self.target.library, boxes)
        return loaded

    def paths(self, row):
        """A channel's inside is timed with the channel, not again 32 times with the stack."""
        if self.chosen.no_timing:
            return []
        channels = [n for n, m in self.design.modules.items() if m.base == "channel" and n != row["name"]]
        return self.timer.worst(row["name"], channels)

    def apart(self):
        """Rows of the units of rtl/files.f that the stack does not hold: each as a top of its own, in no number."""
        known = {module.base for module in self.design.modules.values()} if self.chosen.top == "stack" else set(self.design.place)
        rows = []
        for unit in (u for u in self.design.place if u not in known and not self.design.place[u].startswith(design.COMMON)):
            run = Run(argparse.Namespace(**{**vars(self.chosen), "top": unit, "set": []}))
            rows += [{**row, "instances": 0, "total_mm2": 0.0} for row in run.units(area.Area(run.design, run.netlist, run.target, None))]
        return rows

    def units(self, areas):
        """The rows of the report, with their paths."""
        rows = areas.rows()
        for row in rows:
            row["paths"] = self.paths(row)
            del row["name"]
        return rows

    def measured(self, macros):
        areas = area.Area(self.design, self.netlist, self.target, macros)
        return areas, self.units(areas)

    def data(self):
        macros = area.read_macros(self.chosen.macros) if self.chosen.macros else None
        areas, units = self.measured(macros)
        limit = self.target.values.get("limit_ns")
        if limit and longest(units) > limit and self.target.flow != "plain":
            log(f"{longest(units):.3f} ns, once more with smaller trees of buffers before units")
            self.timer.smaller_trees()
            again = self.measured(macros)
            if longest(again[1]) < longest(units):
                areas, units = again
        units += self.apart()
        files = self.design.files + self.design.headers
        point = [self.chosen.params] if self.chosen.params else []
        return {"top": self.chosen.top, "parameters": " ".join(self.chosen.set + point),
                "library": self.target.library.name, "process": self.target.values["process"],
                "flow": self.chosen.flow, "versions": mapping.tool_versions(), "sources": design.hash_of_files(files), "files": files,
                "macros": self.chosen.macros, "gate_area": self.target.gate_area, "limit_ns": self.target.values.get("limit_ns"),
                "units": units, "groups": areas.groups(), "totals": areas.totals(self.generated_parameter("WIDTH"))}


def main(arguments):
    try:
        run = Run(options(arguments))
        data = run.data()
    except (design.FlowError, OSError) as cause:
        log(cause)
        return 2
    run.out.mkdir(exist_ok=True)
    report.write(data, run.out)
    print((run.out / "report.txt").read_text() + f"report: {run.out}/report.txt, .md, .json, area.svg")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
