#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Clocks of the C model against those of the RTL, on jobs drawn from a seed.

usage: cycles.py BUILD [--seed S] [--jobs N] [--only JOB] [--timing PRESET:RANK_SWITCH ...]
The jobs run with 1 to 4 owned bundles in turn, under both activation rules, with the xPU streaming from its own bundles, some as pairs of matrices, first with
the preset of the paper, then with another one; half of them with the firmware on the RV32 controller, which leaves the stack idle between
register accesses. The first job is 1 x 1 x 1, the last one has the full rows of a channel. Prints a table; exit status 1 if the
clocks, any other statistic or a byte differ, or if the judge finds a violation. A job is drawn from (seed, its number) alone: --only
repeats it.
"""
import argparse
import os
import random
import sys
import tempfile

from command import Command

TIMINGS = ["hbm3_5200:0", "hbm3_6400:1"]
OWNED = {1: ["0", "1", "2", "3"], 2: ["0,1", "0,2", "1,3", "2,3"], 3: ["0,1,2", "0,2,3", "1,2,3"], 4: ["0,1,2,3"]}
CHANNELS = 2


def between(draw, least, most):
    """Small numbers as often as large ones."""
    return min(most, int(least * (most / least) ** draw.random() + 0.5))


def draw_job(seed, number, jobs):
    draw = random.Random(f"{seed} {number}")
    count = number % 4 + 1
    dram = ["--bundles", draw.choice(OWNED[count]), "--activation-rule", draw.choice(["paper", "strict"])]
    dram += ["--xpu-traffic", "none" if count == 4 else draw.choice(["none", "stream", "stream"])]
    least = draw.choice([1, 64])
    shape = [between(draw, 1, 40), between(draw, least, 4096), between(draw, least, 900)]
    if number in (0, jobs - 1):
        shape = [1, 1, 1] if number == 0 else [8, 4096, 896]
    kind = draw.choice(["gemm", "gemm", "gemm", "expert"]) if 0 < number < jobs - 1 else "gemm"
    pair = count > 1 and 0 < number < jobs - 1 and draw.random() < 0.25
    extra = ["--out-type", draw.choice(["f16", "f32", "acc"])]
    if kind == "expert":
        shape[1] = min(shape[1], 1024)
        extra = ["--act", draw.choice(["silu", "gelu", "relu"])]
    return kind, pair, shape, dram, extra + ["--firmware", draw.choice(["native", "riscv"])]


def arguments_of(command, kind, pair, shape):
    tokens, inputs, outputs = shape

    def tensor(rows, columns, name):
        return command.tensor(rows, columns, 0.1, name, pair)

    x = ["--x", tensor(tokens, inputs, "x.npy")]
    if kind == "gemm":
        return ["gemm", *x, "--w", tensor(outputs, inputs, "w.npy")]
    return ["expert", *x, "--gate", tensor(outputs, inputs, "g.npy"), "--up", tensor(outputs, inputs, "u.npy"), "--down",
            tensor(inputs, outputs, "d.npy")]


def one(command, seed, number, jobs, preset, rank_switch):
    """Runs a job on both; the line of the table, the difference in clocks, and what is wrong."""
    kind, pair, shape, dram, extra = draw_job(seed, number, jobs)
    arguments = [*arguments_of(command, kind, pair, shape), *dram, *extra, "--dram-preset", preset, "--rank-switch", rank_switch]
    rtl, model = command.run(arguments, "rtl", CHANNELS), command.run(arguments, "cmodel", CHANNELS)
    difference = model["cycles"] - rtl["cycles"]
    wrong = []
    wrong += [f"{name} {rtl[name]} and {model[name]}" for name in rtl if rtl[name] != model[name]]
    if not command.same_output():
        wrong.append("bytes")
    violation = command.violation(preset, rank_switch, dram[3] == "strict")
    if violation:
        wrong.append(violation)
    traffic = "xPU streams" if dram[5] == "stream" else ""
    line = (f"{number:4}  {kind + (' x 2' if pair else ''):11}{shape[0]:4} x {shape[1]:4} x {shape[2]:4}  "
            f"{extra[1]:5}{extra[3]:7} {dram[1]:8}{dram[3]:7}{traffic:12}"
            f"{rtl['cycles']:9}{model['cycles']:9}{difference:7}")
    return line, difference, wrong


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("build")
    parser.add_argument("--seed", type=int, default=int(os.environ.get("DUPLEX_SEED", "1")))
    parser.add_argument("--jobs", type=int, default=60)
    parser.add_argument("--only", type=int)
    parser.add_argument("--timing", nargs="+", default=TIMINGS)
    options = parser.parse_args()
    failed = worst = 0
    with tempfile.TemporaryDirectory() as folder:
        command = Command(options.build, options.seed, 1, folder)
        for timing in options.timing:
            preset, rank_switch = timing.split(":")
            print(f"preset {preset}, rank switch {rank_switch} tCK, seed {options.seed}, {CHANNELS} channels")
            print(" job  kind       tokens x inputs x outputs    firmware bundles rule               RTL  C model  difference (clocks)")
            for number in range(options.jobs) if options.only is None else [options.only]:
                line, difference, wrong = one(command, options.seed, number, options.jobs, preset, rank_switch)
                print(line + ("  MISMATCH: " + ", ".join(wrong) if wrong else ""), flush=True)
                worst = max(worst, abs(difference))
                failed += bool(wrong)
    print(f"largest difference: {worst} clocks; {failed} jobs with differences")
    sys.exit(bool(failed))


if __name__ == "__main__":
    main()
