#!/usr/bin/env python3
"""Switching energy of the dot product and of what feeds it, for the operands of a layer.

usage: synth/power.py [--x X.npy --w W.npy] [--rows N] [--seed S] [options of synth/synth.py but --top and --set]
  --x, --w  binary16 matrices of tokens and weights, as `duplex random` and `duplex gemm` use them; without them normal ones
  --rows    beats to simulate, default 512
The mapped net list is simulated in the order in which the GEMM module streams: a tile of 64 activations stays while 64 rows of weights
pass. Each change of a net costs C V^2 / 2 with the pins on it as C, a clock pin C V^2 a clock. Not in it: wires, glitches, what cells
burn inside, leakage, memories. So the figure is a lower bound.
"""
import argparse
import ast
import pathlib
import random
import struct
import sys

sys.dont_write_bytecode = True

import design
import simulate
import synth
import vectors

PAPER_PJ = 0.46
LANES, ROWS = 64, 64


def read_npy(path):
    """Rows of a binary16 .npy matrix as bit patterns."""
    data = pathlib.Path(path).read_bytes()
    length = struct.unpack_from("<H", data, 8)[0] if data[:6] == b"\x93NUMPY" else 0
    header = ast.literal_eval(data[10:10 + length].decode()) if length else {}
    if header.get("descr") != "<f2" or header.get("fortran_order") or len(header["shape"]) != 2:
        raise design.FlowError(f"power: {path}: expected a .npy matrix of binary16 (<f2)")
    rows, columns = header["shape"]
    values = struct.unpack_from(f"<{rows * columns}H", data, 10 + length)
    return [values[i * columns:(i + 1) * columns] for i in range(rows)]


def normal(source, rows, columns, deviation):
    return [[vectors.half(source.gauss(0, deviation)) for _ in range(columns)] for _ in range(rows)]


def streamed(x, w, beats):
    """Operands of lane 0 in the order of the stream: for each k-tile all rows of a block of 64."""
    found = {f"{letter}_{part}_i": [] for letter in "xw" for part in ("significand", "exponent")}
    columns, weights = len(x[0]) // LANES, []
    for block in range(0, len(w), ROWS):
        for tile in range(columns):
            for row in w[block:block + ROWS]:
                if len(weights) == beats:
                    return found, weights
                at = slice(tile * LANES, (tile + 1) * LANES)
                vectors.pack(found, x[0][at], row[at])
                weights.append(row[at])
    return found, weights


def energy(run, base, inputs):
    """pJ of one instance for each vector: nets by their toggles, clock pins."""
    net, library = run.netlist(run.design.top), run.target.library
    count = len(next(iter(inputs.values())))
    nets = simulate.Pipeline(net, library, base).run(inputs, count)
    clocks = set(net.ports.get("clk_i", {"bits": []})["bits"])
    scale = library.voltage ** 2 * library.capacitance_ff * 1e-3  # to pJ
    switched = clocked = 0.0
    for bit, pins in net.sinks(library, {}).items():
        load = sum(pin[2] for pin in pins)
        if bit in clocks:
            clocked = load * scale
        elif bit in nets:
            toggles = (nets[bit] ^ nets[bit] >> 1) & ((1 << (count - 1)) - 1)
            switched += load * scale / 2 * toggles.bit_count() / (count - 1)
    return switched, clocked


def main(arguments):
    parser = argparse.ArgumentParser(usage=__doc__.split("\n\n")[1])
    parser.add_argument("--x")
    parser.add_argument("--w")
    parser.add_argument("--rows", type=int, default=512)
    parser.add_argument("--seed", type=int, default=1)
    own, others = parser.parse_known_args(arguments)
    try:
        source = random.Random(own.seed)
        x = read_npy(own.x) if own.x else normal(source, 1, 4096, 1.0)
        w = read_npy(own.w) if own.w else normal(source, ROWS, 4096, 0.02)
        if len(x[0]) != len(w[0]) or len(x[0]) < LANES:
            raise design.FlowError(f"power: {own.x}, {own.w}: expected the same number of columns, at least {LANES}")
        inputs, weights = streamed(x, w, own.rows)
        runs = {base: synth.Run(synth.options(["--top", base, "--no-timing"] + others)) for base in ("dot64", "operand")}
        dot = energy(runs["dot64"], "dot64", inputs)
        decode = energy(runs["operand"], "operand", {"value_i": [row[0] for row in weights]})
    except (design.FlowError, OSError) as cause:
        print(cause, file=sys.stderr)
        return 2
    lanes = synth.generated_parameter("LANES")
    parts = {"dot64, data": dot[0] / LANES, "dot64, clock pins": dot[1] / LANES, "weight operand": decode[0] / lanes}
    target = runs["dot64"].target
    print(f"{target.library.name}, {target.library.voltage} V, flow {target.flow}, {len(weights)} beats, " + (f"{own.x}, {own.w}" if own.x else f"seed {own.seed}"))
    for name, value in parts.items():
        print(f"  {name:18} {value:.4f} pJ a MAC")
    print(f"  {'sum':18} {sum(parts.values()):.4f} pJ a MAC (paper: {PAPER_PJ})")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
