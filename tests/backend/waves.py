#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Waveforms of the rtl back end: clock n is at n ns, so that the DRAM commands of the command trace stand at their clocks; the trace
window holds; the save file of GTKWave names signals that are there. usage: tests/backend/waves.py BUILD"""
import pathlib
import subprocess
import sys
import tempfile

ROOT = pathlib.Path(__file__).resolve().parents[2]
CLOCK = 1000  # units of time
FIRST, LAST = 150, 700  # clocks of the window
PINS = ("rst_ni", "dram_row_valid_o", "dram_row_command_o", "dram_row_bundle_o", "dram_column_valid_o", "dram_column_write_o",
        "dram_column_bundle_o")
ROW_COMMANDS = ("ACT", "PRE", "REF")


def record(duplex, folder):
    """One small GEMM on one channel, with waveform and command trace."""
    def run(*words):
        subprocess.run([duplex, *map(str, words)], check=True, cwd=folder, stdout=subprocess.DEVNULL)
    run("random", "--shape", "3,130", "--seed", 1, "--dist", "normal:1", "--out", "x.npy")
    run("random", "--shape", "9,130", "--seed", 2, "--dist", "normal:1", "--out", "w.npy")
    run("gemm", "--backend", "rtl", "--channels", 1, "--x", "x.npy", "--w", "w.npy", "--out", "y.npy", "--trace", "run.fst", "--trace-from", FIRST,
        "--trace-to", LAST, "--command-trace", "commands.txt")


def values_of(reader, fst, names):
    """The changes of the signals: (time, name, bits), and the times at which anything changed."""
    text = subprocess.run([reader, fst, "values"], input="\n".join(names), capture_output=True, text=True, check=True).stdout
    name_of, time = {}, 0
    for line in text.splitlines():
        kind, _, rest = line.partition(" ")
        if kind == "n":
            number, source, _ = rest.split()
            name_of.setdefault(source, []).append(names[int(number)])
        elif kind == "t":
            time = int(rest)
        else:
            for name in name_of[kind]:
                yield time, name, rest


def commands_in_wave(changes, top):
    """{(clock, command, bundle)} of the clocks of the window, from the pins at whole clocks."""
    pins, found, at = {}, set(), FIRST
    def look():
        if pins["dram_row_valid_o"] == "1":
            found.add((at, ROW_COMMANDS[int(pins["dram_row_command_o"], 2)], int(pins["dram_row_bundle_o"], 2)))
        if pins["dram_column_valid_o"] == "1":
            found.add((at, "WR" if pins["dram_column_write_o"] == "1" else "RD", int(pins["dram_column_bundle_o"], 2)))
    for time, name, bits in [*changes, ((LAST + 1) * CLOCK, None, None)]:
        while at * CLOCK < time and at <= LAST:  # the pins at `at` ns are those of the changes so far
            look()
            at += 1
        if name:
            pins[name.removeprefix(top)] = bits
    return found


def commands_in_trace(path):
    """The same from the command trace, whose times are in tCK, two a clock: CHANNEL-free lines of `tCK channel COMMAND bundle ...`."""
    for line in path.read_text().splitlines():
        words = line.split()
        if len(words) > 3 and words[0].isdigit() and words[2] in (*ROW_COMMANDS, "RD", "WR"):
            yield int(words[0]) // 2, words[2], int(words[3])


def main():
    build = pathlib.Path(sys.argv[1]).resolve()
    reader = build / "fst_values"
    with tempfile.TemporaryDirectory() as name:
        folder = pathlib.Path(name)
        record(build / "duplex", folder)
        fst = folder / "run.fst"
        saved = subprocess.run([ROOT / "tools/waves/save_file.py", reader, fst], capture_output=True, text=True, check=True).stdout
        listed = subprocess.run([reader, fst, "list"], capture_output=True, text=True, check=True).stdout.split("\n")
        top = min((line.split(" ", 1)[1] for line in listed if line.endswith(".registers.axi_awvalid_i")), key=len).removesuffix("registers.axi_awvalid_i")
        changes = list(values_of(reader, fst, [top + pin for pin in PINS] + [top + "clk_i"]))
        wanted = {c for c in commands_in_trace(folder / "commands.txt") if FIRST <= c[0] <= LAST}
    wrong = []
    if saved != (ROOT / "tools/waves/stack.gtkw").read_text():
        wrong.append("tools/waves/stack.gtkw: not what tools/waves/save_file.py makes")
    times = [time for time, signal, _ in changes if signal == top + "clk_i"]
    if (times[0], times[-1]) != (FIRST * CLOCK, LAST * CLOCK + CLOCK // 2):
        wrong.append(f"window: from {times[0]} to {times[-1]}, expected clocks {FIRST} to {LAST}")
    found = commands_in_wave([c for c in changes if c[1] != top + "clk_i"], top)
    wrong += [f"clock {c[0]}: {c[1]} of bundle {c[2]} only in the {where}" for where, only in
              (("waveform", found - wanted), ("command trace", wanted - found)) for c in sorted(only)]
    if len(wanted) < 10:
        wrong.append(f"{len(wanted)} commands in the window, expected more")
    print("\n".join(wrong + [f"waves: {len(wanted)} DRAM commands at their clocks, {len(wrong)} failures"]))
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
