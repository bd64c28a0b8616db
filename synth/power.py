#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Switching energy of a channel by unit, in a Verilated run of a matrix product.

usage: synth/power.py [--x X.npy --w W.npy] [--seed S] [--build FOLDER] [options of synth/synth.py but --top and --set]
  --x, --w  binary16 matrices of up to 8 tokens and of weights; without them normal ones, 8 x 2048 and 64 x 2048 of deviation 1 and 0.02
  --build   where duplex and fst_values are (build)
`duplex gemm` runs the job on the Verilated stack with one channel and records every register. With these values the mapped net list of each
unit is evaluated in every clock (synth/activity.py), and each change of a net costs C V^2 / 2 with C the input pins on it, each clock pin
C V^2 a clock. Of a unit that stands several times in the channel the first is evaluated. Not in it: wires, glitches, the inside of
cells, leakage, SRAM. So the figure is a lower bound.
"""
import argparse
import json
import pathlib
import subprocess
import sys

sys.dont_write_bytecode = True

import activity
import design
import mapping
import report
import synth

PAPER_PJ = 0.46


def command(*words):
    result = subprocess.run([str(w) for w in words], capture_output=True, text=True)
    if result.returncode:
        raise design.FlowError(f"power: {' '.join(map(str, words[:2]))}: {(result.stderr or result.stdout).strip()[:300]}")


def simulated(own, folder):
    """Runs the job; returns its waveform and how many multiply-accumulates it did."""
    duplex = pathlib.Path(own.build) / "duplex"
    x, w = own.x, own.w
    if not x:
        x, w = folder / "x.npy", folder / "w.npy"
        command(duplex, "random", "--shape", "8,2048", "--dist", "normal:1", "--seed", own.seed, "--out", x)
        command(duplex, "random", "--shape", "64,2048", "--dist", "normal:0.02", "--seed", own.seed + 1, "--out", w)
    command(duplex, "gemm", "--backend", "rtl", "--channels", 1, "--x", x, "--w", w,
            "--out", folder / "y.npy", "--trace", folder / "run.fst", "--stats", folder / "stats.json")
    stats = json.loads((folder / "stats.json").read_text())
    return activity.Wave(pathlib.Path(own.build) / "fst_values", folder / "run.fst"), stats["channels"][0]["macs"]


def places(elaborated):
    """Of each unit below the top the path of its first instance, and how often it stands there."""
    found = {}

    def visit(name, path):
        module = elaborated.modules[name]
        if elaborated.is_memory(module):
            return
        if elaborated.is_unit(module):
            found.setdefault(name, path)
        for child, instance in module.cells:
            visit(child, f"{path}.{instance.removeprefix(chr(92))}")

    visit(elaborated.top, "")
    counts = elaborated.counts()
    return {name: (path, counts[name]) for name, path in found.items()}


def measure(run, wave):
    """(unit, instances, pJ a clock of all instances: switching, clock) for each unit of the channel."""
    root = next(name for name in wave.widths if name.endswith(".channel.share_valid_i")).removesuffix(".share_valid_i")
    units = []
    for name, (path, count) in places(run.design).items():
        units.append((activity.Recorded(run.netlist(name), run.target.library, run.design.modules[name].label(), root + path), count))
    wave.load(sorted(set().union(*(unit.signals(wave) for unit, _ in units))))
    for unit, count in units:
        switched, clocked = unit.energy(unit.run(wave), wave, run.target.library.voltage)
        yield unit.label, count, count * switched, count * clocked


def main(arguments):
    parser = argparse.ArgumentParser(usage=__doc__.split("\n\n")[1])
    parser.add_argument("--x")
    parser.add_argument("--w")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--build", default="build")
    own, others = parser.parse_known_args(arguments)
    try:
        if bool(own.x) != bool(own.w):
            raise design.FlowError("power: --x, --w: expected both or neither")
        run = synth.Run(synth.options(["--top", "channel", "--no-timing"] + others))
        folder = run.out / "power"
        folder.mkdir(parents=True, exist_ok=True)
        wave, macs = simulated(own, folder)
        rows = list(measure(run, wave))
    except (design.FlowError, OSError) as cause:
        print(cause, file=sys.stderr)
        return 2
    scale = wave.clocks / macs
    target = run.target
    print(f"{target.library.name}, {target.library.voltage} V, flow {target.flow}, {mapping.tool_versions()}, "
          f"sources {design.hash_of_files(run.design.files + run.design.headers)}")
    print(f"{own.x or 'normal tokens'}, {own.w or 'normal weights'}, seed {own.seed}: {macs:,} MACs in {wave.clocks:,} clocks; "
          "the gates gave the run's registers and outputs in each")

    def line(unit, count, switched, clocked):
        each = (switched * scale, clocked * scale, (switched + clocked) * scale)
        return unit, count, f"{switched + clocked:.3f}", *(f"{energy:.5f}" for energy in each)

    lines = [("unit", "instances", "pJ a clock", "nets pJ a MAC", "clock pJ a MAC", "pJ a MAC")]
    for unit, count, switched, clocked in sorted(rows, key=lambda row: -row[2] - row[3]):
        lines.append(line(unit, str(count), switched, clocked))
    lines.append(line("channel, all units", "", *(sum(row[i] for row in rows) for i in (2, 3))))
    print("\n".join(report.columns(lines)))
    print(f"paper: {PAPER_PJ} pJ a MAC")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
