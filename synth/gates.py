#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Simulates the mapped net lists of units: in every clock they must give the bits that the RTL gives.

usage: synth/gates.py [UNIT]... [options of synth/synth.py but --top] [--vectors N] [--cases N] [--seed S]
A pipeline without feedback is simulated for N vectors at once (synth/simulate.py), its RTL with Icarus. A unit with memories or with
other units inside gets its net list as an instance beside its RTL and is Verilated with the unit's own bench, whose stimulus and comparison with the C model
stay as they are (N cases). Cells are modelled by the functions that the library gives for them.
"""
import argparse
import itertools
import os
import pathlib
import re
import subprocess
import sys

sys.dont_write_bytecode = True

import design
import liberty
import simulate
import synth
import vectors

UNITS = "operand", "round", "dot64", "accumulator", "activation_multiply", "activation_round", "activation_polynomial"  # if none is named
FLUSH = 100  # clocks until unknown contents of registers and memory rows are overwritten


def cell_model(cell):
    """A cell as Verilog, from its Liberty functions."""
    ports = [f"input {p}" for p in cell.inputs()] + [f"output {p}" for p in cell.outputs()]
    lines = [f"module {cell.name}({', '.join(ports)});"]
    if cell.flop:
        if {"clear", "preset"} & cell.flop.keys():
            raise design.FlowError(f"gates: {cell.name}: expected flip-flops without asynchronous set or reset")
        state, inverse = cell.flop["state"]
        clock = liberty.python_function(cell.flop["clocked_on"]).strip("() ")
        edge = "negedge" if clock.startswith("~") else "posedge"
        lines += [f"  reg {state};", f"  wire {inverse} = ~{state};",
                  f"  always @({edge} {clock.strip('~() ')}) {state} <= {liberty.python_function(cell.flop['next_state'])};"]
    lines += [f"  assign {p} = {liberty.python_function(cell.pins[p].function)};" for p in cell.outputs()]
    return "\n".join(lines + ["endmodule", ""])


def memory_wrapper(name, module, ports):
    """The name that a net list uses for a memory, around the memory's RTL."""
    declared = [f"{e['direction']} {'[%d:0] ' % (len(e['bits']) - 1) if len(e['bits']) > 1 else ''}{p}" for p, e in ports.items()]
    values = ", ".join(f".{k}({v})" for k, v in module.parameters.items())
    pins = ", ".join(f".{p}({p})" for p in ports)
    return f"module {name}({', '.join(declared)});\n  {module.base} #({values}) ram({pins});\nendmodule\n"


def checked_rtl(run, name, gate):
    """The unit's RTL with the net list beside it."""
    module = run.design.modules[name]
    ports = run.netlist(name).ports
    outputs = [p for p, e in ports.items() if e["direction"] == "output"]
    lines = [f"  wire {'[%d:0] ' % (len(ports[p]['bits']) - 1) if len(ports[p]['bits']) > 1 else ''}gate_{p};" for p in outputs]
    pins = ", ".join(f".{p}({'gate_' + p if p in outputs else p})" for p in ports)
    same = " || ".join(f"{p} != gate_{p}" for p in outputs)
    values = ", ".join(f"{p}, gate_{p}" for p in outputs)
    formats = " %h" * 2 * len(outputs)
    fail = f'$display("MISMATCH gates of {module.base}:{formats}", {values}); $stop;'
    lines.append(f"  {gate} gates({pins});")
    if "clk_i" in ports:
        lines += ["  integer clocks = 0;", "  always @(negedge clk_i) begin",
                  "    clocks <= clocks + 1;", f"    if (clocks > {FLUSH} && ({same})) begin {fail} end", "  end"]
    else:
        lines.append(f"  always @* if ({same}) begin {fail} end")
    text = (design.ROOT / module_file(run, module)).read_text()
    return re.sub(r"^endmodule", "\n".join(lines) + "\nendmodule", text, flags=re.M)


def module_file(run, module):
    return run.design.place[module.base]


def build(run, unit, folder):
    """Writes the Verilog of a unit and compiles its bench; returns the program."""
    name = run.design.top
    folder.mkdir(parents=True, exist_ok=True)
    units, memories = run.timer.below(name, ())
    nets = [run.netlist(u) for u in units]
    library = run.target.library
    kinds = sorted({kind for net in nets for kind in net.kinds if kind in library.cells})
    names = dict(run.timer.box_names)
    names.update({u.removeprefix("\\"): names.get(u.removeprefix("\\"), "") + "_gates" for u in units})  # beside the RTL's own
    names[name.removeprefix("\\")] = f"{unit}_gates"
    text = "/* verilator lint_off DECLFILENAME */\n" + "".join(cell_model(library.cells[k]) for k in kinds)
    text += "".join(memory_wrapper(names[m.removeprefix("\\")] + "_macro", run.design.modules[m], run.timer.memory_ports(m)) for m in memories)
    names.update({m.removeprefix("\\"): names[m.removeprefix("\\")] + "_macro" for m in memories})
    text += "".join(net.verilog(names[u.removeprefix("\\")], names) for u, net in zip(units, nets))
    (folder / "gates.v").write_text(text)
    (folder / f"{unit}.v").write_text(checked_rtl(run, name, f"{unit}_gates"))
    (folder / "public.vlt").write_text(f'`verilator_config\npublic_flat_rw -module "{unit}" -var "*_q"\ntracing_off -file "*gates.v"\n')
    return compile_bench(unit, folder)


def link(path, target):
    path.unlink(missing_ok=True)
    path.symlink_to(target)
    return path


def compile_bench(unit, folder):
    library = os.environ.get("DUPLEX_LIBRARY", "build/libduplex.a")
    bench = next(design.ROOT.glob(f"testbench/*/{unit}_bench.cpp"))
    # By links, since Verilator's makefiles take no path with blanks.
    sources, archive = link(folder / "sources", design.ROOT), link(folder / "library.a", pathlib.Path(library).resolve())
    command = ["verilator", "--cc", "--exe", "--build", "-Wno-fatal", "-Wno-lint", "-Wno-UNOPTFLAT",
               "--output-split", "20000", "-O3", "--x-assign", "fast", "--x-initial", "fast", "-Iparams/generated", "-Irtl/common",
               "-y", "rtl/common", "-y", "rtl/gemm", "-y", "rtl/attention", "--top-module", unit, "-CFLAGS", f"-O1 -I{sources}/include -I{sources}",
               "-LDFLAGS", f"{archive} -ljansson -lm -ldl -lmpfr -lgmp", "--Mdir", str(folder / "obj"), "-o", f"{unit}_bench",
               str(folder / "public.vlt"), str(folder / "gates.v"), str(folder / f"{unit}.v"), str(sources / bench.relative_to(design.ROOT))]
    result = subprocess.run(command, cwd=design.ROOT, capture_output=True, text=True)
    (folder / "build.log").write_text(result.stdout + result.stderr)
    if result.returncode:
        raise design.FlowError(f"gates: {unit}: verilator failed (log {folder}/build.log)")
    return folder / "obj" / f"{unit}_bench"


def rtl_bench(ports, inputs, count, folder):
    """Icarus bench that applies one vector a clock and prints the outputs before each clock."""
    names = list(inputs)
    widths = {p: len(e["bits"]) for p, e in ports.items()}
    (folder / "vectors.hex").write_text("".join(" ".join(f"{inputs[p][i]:x}" for p in names) + "\n" for i in range(count)))
    outputs = [p for p, e in ports.items() if e["direction"] == "output"]
    declared = "".join(f"  {'reg' if p in names else 'wire'} [{widths[p] - 1}:0] {p};\n" for p in names + outputs)
    clock = ["clk_i"] * ("clk_i" in ports)
    pins = ", ".join(f".{p}({p})" for p in clock + names + outputs)
    return f"""module bench;
  reg clk_i = 0;
{declared}  integer file, i, got;
  unit_under_test unit({pins});
  initial begin
    file = $fopen("{folder}/vectors.hex", "r");
    for (i = 0; i < {count}; i = i + 1) begin
      got = $fscanf(file, "{' '.join(['%h'] * len(names))}", {', '.join(names)});
      #1 clk_i = 1;
      #1 $display("{' '.join(['%h'] * len(outputs))}", {', '.join(outputs)});
      clk_i = 0;
    end
    $finish;
  end
endmodule
""".replace("unit_under_test", "{unit}")


def rtl_outputs(run, ports, inputs, count, folder):
    """What the RTL gives after each vector's clock, by Icarus."""
    unit = run.chosen.top
    (folder / "bench.v").write_text(rtl_bench(ports, inputs, count, folder).replace("{unit}", unit))
    program = folder / "bench.vvp"
    files = [f for f in run.design.files if not f.startswith("rtl/stack/")]
    compiler = ["iverilog", "-g2012", "-Iparams/generated", "-Irtl/common", "-s", "bench", "-o", str(program)]
    for command in ([*compiler, str(folder / "bench.v"), *files], ["vvp", "-n", str(program)]):
        result = subprocess.run(command, cwd=design.ROOT, capture_output=True, text=True)
        if result.returncode:
            raise design.FlowError(f"gates: {unit}: {command[0]}: {result.stderr.strip()[:300]}")
    names = [p for p, e in ports.items() if e["direction"] == "output"]
    rows = [line.split() for line in result.stdout.splitlines() if re.fullmatch(r"[0-9a-fx ]+", line)]
    return {p: [row[i] for row in rows] for i, p in enumerate(names)}


def compare_pipeline(run, pipeline, count, seed, folder):
    """Number of outputs that were compared; stops at the first that differs."""
    ports = pipeline.net.ports
    inputs = vectors.of_unit(run.chosen.top, seed, count, ports)
    count = len(next(iter(inputs.values())))
    gates = pipeline.outputs(pipeline.run(inputs, count), count)
    rtl = rtl_outputs(run, ports, inputs, count, folder)
    delay = max(pipeline.latency() - 1, 0)  # the bench prints after the clock
    compared = 0
    for port, expected in rtl.items():
        if len(expected) != count:
            raise design.FlowError(f"gates: {run.chosen.top}: Icarus gave {len(expected)} of {count} results")
        for i in range(count - delay):
            if int(expected[i + delay], 16) != gates[port][i]:
                raise Mismatch(f"MISMATCH unit {run.chosen.top} vector {i} (seed {seed}): "
                               f"{port} of the gates {gates[port][i]:x}, of the RTL {expected[i + delay]}")
            compared += 1
    return compared


class Mismatch(Exception):
    """Gates and RTL differ."""


def check(unit, own, others):
    """Checks one unit; prints what was compared. Returns whether all was the same."""
    run = synth.Run(synth.options(["--top", unit, "--no-timing"] + others))
    folder = run.out / "gates"
    folder.mkdir(parents=True, exist_ok=True)
    print(f"{unit}, {run.target.library.name}, flow {run.chosen.flow}: ", end="", flush=True)
    units, memories = run.timer.below(run.design.top, ())
    if len(units) == 1 and not memories:
        pipeline = simulate.Pipeline(run.netlist(run.design.top), run.target.library, unit)
        compared = compare_pipeline(run, pipeline, own.vectors, own.seed, folder)
        print(f"PASS {len(pipeline.order):,} cells, {compared:,} comparisons with the RTL, seed {own.seed}")
        return True
    return subprocess.run([build(run, unit, folder), "--seed", str(own.seed), "--cases", own.cases]).returncode == 0


def main(arguments):
    parser = argparse.ArgumentParser(usage=__doc__.split("\n\n")[1])
    parser.add_argument("--vectors", type=int, default=1000)
    parser.add_argument("--cases", default="2")
    parser.add_argument("--seed", type=int, default=1)
    units = list(itertools.takewhile(lambda argument: not argument.startswith("-"), arguments))
    own, others = parser.parse_known_args(arguments[len(units):])
    try:
        return 0 if all([check(unit, own, others) for unit in units or UNITS]) else 1
    except Mismatch as found:
        print(found)
        return 1
    except (design.FlowError, OSError) as cause:
        print(cause, file=sys.stderr)
        return 2


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
