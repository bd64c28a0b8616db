#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""The energy of a layer is its commands, bytes and MACs, as the statistics have them, times the constants of the page.

usage: tests/cli/energy.py BUILD    one line for each difference, and exit status 1
"""
import json
import pathlib
import subprocess
import sys
import tempfile

BUILD = pathlib.Path(sys.argv[1]).resolve()
DUPLEX = BUILD / "duplex"
# nJ of a bank's activation, pJ a bit of either path, pJ a MAC (docs/device.md, "Energy").
ACTIVATE, LOGIC_PIM_BIT, XPU_BIT, MAC = 0.909e-9, 1.81e-12, 3.48e-12, 0.46e-12
TOKENS, EXPERTS, HIDDEN, INNER, TOP_K = 9, 4, 70, 150, 2
differences = 0


def run(*arguments):
    subprocess.run([DUPLEX, *map(str, arguments)], check=True, stdout=subprocess.DEVNULL)


def compare(what, found, expected):
    global differences
    if abs(found - expected) > 1e-8 * expected:  # nine digits are printed
        print(f"{what}: {found}, expected {expected}")
        differences += 1


def side(activations, bytes_, bit, macs):
    return {"dram_activate": activations * ACTIVATE, "dram_access": 8 * bytes_ * bit, "mac": macs * MAC}


with tempfile.TemporaryDirectory() as name:
    folder = pathlib.Path(name)
    shapes = {"x": (TOKENS, HIDDEN), "router": (EXPERTS, HIDDEN), "gate": (EXPERTS, INNER, HIDDEN),
              "up": (EXPERTS, INNER, HIDDEN), "down": (EXPERTS, HIDDEN, INNER)}
    files = []
    for tensor, shape in shapes.items():
        file = folder / f"{tensor}.npy"
        run("random", "--shape", ",".join(map(str, shape)), "--dist", "normal:0.1", "--out", file)
        files += [f"--{tensor}", file]


    def layer(firmware, *policy):
        run("moe", *files, "--out", folder / "y.npy", "--stats", folder / "s.json", "--channels", 2, "--stacks", 2,
            "--top-k", TOP_K, *policy, "--firmware", firmware)
        return json.loads((folder / "s.json").read_text())

    def model(firmware, *policy):
        run("run", "--model", folder / "toy", "--prompt-ids", "3,5,7", "--max-new", 2, "--channels", 1, "--stacks", 1,
            "--stats", folder / "s.json", *policy, "--firmware", firmware)
        return json.loads((folder / "s.json").read_text())

    stats = layer("native", "--decide", "always")
    layers = [layer(firmware, "--policy", "pim") for firmware in ("native", "riscv")]
    (folder / "toy").mkdir()
    subprocess.run([BUILD / "tests/model/toy_model", folder / "toy", "mixtral", "bf16", "1"], check=True)
    models = [model(firmware, "--policy", "pim") for firmware in ("native", "riscv")]

commands, energy = stats["dram_commands"], stats["energy_j"]
other_macs = TOKENS * EXPERTS * HIDDEN + TOKENS * TOP_K * HIDDEN
other_bytes = 2 * EXPERTS * HIDDEN + 2 * 2 * TOKENS * HIDDEN + 4 * TOKENS * EXPERTS
xpu_bytes = stats["xpu_read_bytes"] + stats["xpu_write_bytes"]
expected = {"logic_pim": side(8 * commands["act"], 256 * (commands["rd"] + commands["wr"]), LOGIC_PIM_BIT, stats["logic_pim_macs"]),
            "xpu": side(xpu_bytes / 1024, xpu_bytes, XPU_BIT, stats["xpu_macs"]),
            "other": side(other_bytes / 1024, other_bytes, XPU_BIT, other_macs)}
compare("MACs of both sides", stats["logic_pim_macs"] + stats["xpu_macs"], TOKENS * TOP_K * 3 * HIDDEN * INNER)
compare("other MACs", stats["other_macs"], other_macs)
compare("other bytes", stats["other_bytes"], other_bytes)
for who, parts in expected.items():
    for part, joule in parts.items():
        compare(f"energy_j.{who}.{part}", energy[who][part], joule)
    compare(f"energy_j.{who}.total", energy[who]["total"], sum(parts.values()))
compare("energy_j.total", energy["total"], sum(sum(parts.values()) for parts in expected.values()))
# Whoever runs the firmware, Logic-PIM streams the same columns where the policy has no choice: the times of RV32 firmware are in
# the tables that `best` goes by. Refreshes depend on the time that passes.
for command in ("rd", "wr"):
    for what, (native, riscv) in (("moe", layers), ("run", models)):
        compare(f"dram_commands.{command} of {what} with --firmware riscv", riscv["dram_commands"][command],
                native["dram_commands"][command])
if xpu_bytes == 0 or commands["rd"] == 0:
    print("one of the sides did nothing: nothing was compared")
    differences += 1
sys.exit(1 if differences else 0)
