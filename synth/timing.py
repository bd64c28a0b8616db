# SPDX-License-Identifier: Apache-2.0
"""Longest paths of units with OpenSTA, on the mapped net lists; wires are ideal."""
import hashlib
import json
import pathlib
import re
import subprocess

import design
import netlist

# Paths are sorted by slack, a binary32 number of OpenSTA: with a long period it has too few digits left to tell paths apart.
PERIOD_NS = 50


def memory_library(name, memories, target):
    """Liberty text of the memories: access and setup time of libraries.json, no area."""
    library = target.library
    access = target.values["ram_access_ns"] / library.time_ns
    setup = target.values["ram_setup_ns"] / library.time_ns
    load = 1.0 / library.capacitance_ff
    time_unit = "1ps" if library.time_ns < 0.5 else "1ns"
    load_unit = "ff" if library.capacitance_ff == 1 else "pf"
    lines = [f"library ({name}) {{", f'  delay_model : table_lookup; time_unit : "{time_unit}"; capacitive_load_unit (1, {load_unit});',
             '  voltage_unit : "1V"; current_unit : "1mA"; pulling_resistance_unit : "1kohm"; leakage_power_unit : "1nW";',
             "  input_threshold_pct_rise : 50; input_threshold_pct_fall : 50; output_threshold_pct_rise : 50; output_threshold_pct_fall : 50;",
             "  slew_lower_threshold_pct_rise : 20; slew_lower_threshold_pct_fall : 20; slew_upper_threshold_pct_rise : 80; slew_upper_threshold_pct_fall : 80;"]
    widths = sorted({len(e["bits"]) for _, ports in memories for e in ports.values() if len(e["bits"]) > 1})
    for width in widths:
        lines.append(f"  type (bus{width}) {{ base_type : array; data_type : bit; bit_width : {width}; bit_from : {width - 1}; bit_to : 0; }}")
    for module, ports in memories:
        lines.append(f"  cell ({module}) {{ area : 0; interface_timing : true;")
        lines += [memory_port(port, len(entry["bits"]), entry["direction"], access, setup, load) for port, entry in ports.items()] + ["  }"]
    return "\n".join(lines + ["}", ""])


def memory_port(port, width, direction, access, setup, load):
    """One port of a memory in Liberty."""
    head = f"    pin ({port}) {{" if width == 1 else f"    bus ({port}) {{ bus_type : bus{width};"
    if direction == "output":
        kind, arcs = "rising_edge", [("cell_rise", access), ("cell_fall", access), ("rise_transition", 0.0), ("fall_transition", 0.0)]
    else:
        kind, arcs = "setup_rising", [("rise_constraint", setup), ("fall_constraint", setup)]
        head += f" capacitance : {load:.6f};"
    if port == "clk_i":
        return f"{head} direction : input; clock : true; }}"
    tables = " ".join(f'{arc} (scalar) {{ values ("{value:.4f}"); }}' for arc, value in arcs)
    return f'{head} direction : {direction}; timing () {{ related_pin : "clk_i"; timing_type : {kind}; {tables} }} }}'


class Timer:
    """Times units of a design whose net lists a Mapper has made; results are cached by what they depend on."""

    def __init__(self, mapper, folder, log):
        self.mapper, self.design, self.target, self.folder, self.log = mapper, mapper.design, mapper.target, folder, log
        names = {}
        for elaborated, module in self.design.modules.items():
            taken = list(names.values())
            name, number = module.base, 2
            while name in taken:
                name, number = f"{module.base}_{number}", number + 1
            names[elaborated] = name
        self.box_names = {n.removeprefix("\\"): name for n, name in names.items()}
        self.box_load = self.target.values["box_load"]
        self.loaded, self.loads = {}, {}

    def smaller_trees(self):
        """From now on a buffer before boxes drives half as much."""
        self.box_load /= 2
        self.loaded, self.loads = {}, {}

    def load(self, name):
        if name not in self.loaded:
            net = netlist.Netlist(self.mapper.netlist(name), name)
            children = self.design.children(self.design.modules[name])
            boxes = {child.removeprefix("\\"): self.port_loads(child) for child in children}
            if self.target.flow != "plain":
                net.buffer_boxes(self.target.library, boxes, self.target.values["buffer"], self.box_load)
            self.loaded[name] = net
            self.loads[name] = net.port_loads(self.target.library, boxes)
        return self.loaded[name]

    def port_loads(self, name):
        """Capacitance of the input ports of a unit or memory, in the library's unit."""
        if self.design.is_memory(self.design.modules[name]):
            load = 1.0 / self.target.library.capacitance_ff
            return {port: [load] * len(e["bits"]) for port, e in self.memory_ports(name).items() if e["direction"] == "input"}
        self.load(name)
        return self.loads[name]

    def below(self, name, left_out):
        """Units (children first) and memories of a unit; those in `left_out` stay empty."""
        units, memories = [], []

        def visit(at):
            for child in self.design.children(self.design.modules[at]):
                if self.design.is_memory(self.design.modules[child]):
                    if child not in memories:
                        memories.append(child)
                elif child not in units and child not in left_out:
                    visit(child)
            units.append(at)

        visit(name)
        return units, memories

    def memory_ports(self, name):
        """A memory's ports: their widths stand in its interface."""
        ports = {}
        for line in re.findall(r"^  wire (.*\b(?:input|output) \d+ .*)$", self.design.modules[name].text, re.M):
            width = int((re.search(r"width (\d+)", line) or [0, 1])[1])
            ports[line.split("\\")[-1].strip()] = {"direction": re.search(r"input|output", line)[0], "bits": [0] * width}
        return ports

    def worst(self, name, left_out=()):
        """[{start, end, ns}] of the longest paths of a unit with all below it, longest first."""
        units, memories = self.below(name, left_out)
        key = hashlib.sha256("\n".join([self.mapper.key(u) for u in units] + sorted(left_out) + [str(self.box_load), pathlib.Path(__file__).read_text(), pathlib.Path(netlist.__file__).read_text()]).encode()).hexdigest()[:24]
        unit = self.design.modules[name]
        folder = self.folder / "timing" / f"{unit.base}_{key}"
        if (folder / "paths.json").exists():
            return json.loads((folder / "paths.json").read_text())
        self.log(f"{unit.label()}: timing")
        folder.mkdir(parents=True, exist_ok=True)
        files = []
        for module in units:
            files.append(folder / f"{self.box_names[module.removeprefix(chr(92))]}.v")
            files[-1].write_text(self.load(module).verilog(self.box_names[module.removeprefix("\\")], self.box_names))
        ports = [(self.box_names[m.removeprefix("\\")], self.memory_ports(m)) for m in memories]
        (folder / "memories.lib").write_text(memory_library("memories", ports, self.target))
        paths = run_sta(self.target, folder, self.box_names[name.removeprefix("\\")], files, folder / "memories.lib" if memories else None)
        (folder / "paths.json").write_text(json.dumps(paths))
        return paths


def run_sta(target, folder, module, files, memories=None, input_ns=0, output_ns=0):
    """[{start, end, ns}] of the five longest paths of a module, longest first; `input_ns` and `output_ns` of a path lie outside. Any error of
    OpenSTA stops the run: it would go on with half a net list."""
    period = PERIOD_NS / target.library.time_ns
    tcl = [f"read_liberty {target.path}"] + [f"read_liberty {memories}"] * bool(memories) + [f"read_verilog {f}" for f in files]
    tcl += [f"link_design {module}", "set clocks [get_ports -quiet clk_i]",
            f"if {{[llength $clocks]}} {{ create_clock -name clk -period {period} $clocks }} else {{ create_clock -name clk -period {period} }}",
            f"set_input_delay {input_ns / target.library.time_ns} -clock clk [all_inputs]",
            f"set_output_delay {output_ns / target.library.time_ns} -clock clk [all_outputs]",
            "report_checks -path_delay max -path_group clk -group_count 5 -format full -digits 4"]
    script, log = folder / "timing.tcl", folder / "timing.log"
    script.write_text("\n".join(tcl) + "\n")
    result = subprocess.run(["sta", "-no_splash", "-exit", str(script)], capture_output=True, text=True)
    text = result.stdout + result.stderr
    log.write_text(text)
    errors = [line for line in text.split("\n") if line.startswith("Error")]
    if errors or result.returncode:
        raise design.FlowError(f"sta: {(errors or [f'exit status {result.returncode}'])[0]} (log {log})")
    paths = [path_of(block, target.library.time_ns) for block in text.split("Startpoint: ")[1:]]
    for longer, shorter in zip(paths, paths[1:]):
        if shorter["ns"] > longer["ns"] + 0.001:
            raise design.FlowError(f"sta: path to {longer['end']} of {longer['ns']} ns before one of {shorter['ns']} ns, expected longest first")
    return paths


def path_of(block, unit_ns):
    """Length of a path: arrival at its end and the setup time or external delay there."""
    end = re.search(r"Endpoint: (\S+)", block)[1]
    arrival = float(re.search(r"([\d.]+) +data arrival time", block)[1])
    setup = re.search(r"(-?[\d.]+) +[\d.]+ +(?:library setup time|output external delay)", block)
    length = arrival - (float(setup[1]) if setup else 0.0)
    return {"start": block.split()[0].replace("\\", ""), "end": end.replace("\\", ""), "ns": round(length * unit_ns, 4)}
