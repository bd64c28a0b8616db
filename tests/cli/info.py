#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""What `duplex info` prints against the parameters, the presets, the processor and the libraries that are there.

usage: tests/cli/info.py BUILD
"""
import os
import pathlib
import re
import subprocess
import sys
import tempfile

ROOT = pathlib.Path(__file__).resolve().parent.parent.parent
DUPLEX = str(pathlib.Path(sys.argv[1]).resolve() / "duplex")
FAILURES = []


def numbers(path):
    """{name: value} of a file of lines `name value comment`."""
    pairs = (line.split()[:2] for line in path.read_text(encoding="utf-8").splitlines() if line.strip() and not line.startswith("#"))
    return {name: int(value) for name, value in pairs}


def info(folder):
    """{title: [texts]} of what is printed with this folder of libraries."""
    run = subprocess.run([DUPLEX, "info"], capture_output=True, text=True, check=True, env=dict(os.environ, DUPLEX_RTL_DIR=folder))
    lines = {}
    for line in run.stdout.splitlines():
        lines.setdefault(line[:23].strip(), []).append(line[23:])
    return lines


def check(what, got, expected):
    if got != expected:
        FAILURES.append(what)
        print(f"FAIL {what}: {got!r}, expected {expected!r}")


def expected_lines():
    """What the sources say, without libraries and processor."""
    p = numbers(ROOT / "params/hardware.params")
    presets = {path.stem: numbers(path)["tCK_ps"] for path in sorted((ROOT / "params/dram").glob("*.preset"))}
    register_map = re.search(r"value\[31:0\] = (\d+); } VERSION @", (ROOT / "params/registers.rdl").read_text(encoding="utf-8")).group(1)
    macs = p["LANES"] * p["WIDTH"]
    hertz = p["CLOCK_KHZ"] * 1000
    stack = p["CHANNELS"] * p["BUNDLES"] * p["BANK_ROWS"] * p["ROW_SET_BYTES"]
    return {
        "version": [f"{(ROOT / 'VERSION').read_text(encoding='utf-8').strip()}, register map {register_map}"],
        "channels": [f"{p['CHANNELS']}, each {p['LANES']} lanes x {p['WIDTH']}-wide exact dot product = {macs} MACs"],
        "peak": [f"{2 * p['CHANNELS'] * macs * hertz / 1e12:.1f} TFLOPS, {p['CHANNELS'] * p['BEAT_BYTES'] * hertz / 1e12:.2f} TB/s a stack "
                 f"at {hertz // 10**6} MHz"],
        "accumulators": [f"{p['ROWS']} rows x {p['LANES']} lanes x {p['SUM_BITS']} bits, LSB 2^-{p['SUM_FRACTION_BITS']}"],
        "DRAM": [f"{p['BUNDLES']} bundles x {p['BANK_ROWS']} rows x {p['ROW_SET_BYTES']} bytes a channel = {stack >> 30} GB a stack"],
        "DRAM preset": [f"{name}, tCK {ps} ps" for name, ps in presets.items()],
        "shared buffers": [f"{p['SHARED_BUFFERS']} x {p['SHARED_WORDS'] * p['WORD_BYTES'] // 1024} KB"],
        "back end cmodel": [f"1 to {p['CHANNELS']} channels"],
    }, p["CHANNELS"]


def processor():
    """The features of this machine, as the system tells them."""
    flags = re.search(r"^flags\s*:(.*)", pathlib.Path("/proc/cpuinfo").read_text(encoding="utf-8"), re.M)
    if not flags:
        return "not x86-64"
    return ", ".join(["x86-64"] + [f for f in ("avx2", "fma", "avx512f") if f in flags.group(1).split()])


def main():
    lines, channels = expected_lines()
    with tempfile.TemporaryDirectory() as folder:
        got = info(folder)
        for title, texts in lines.items():
            check(title, got.get(title), texts)
        check("titles", sorted(got), sorted([*lines, "back end rtl", "processor"]))
        text = re.fullmatch(r"(.*); kernel (\w+), (\d+) cores", got["processor"][0])
        check("processor", text and text.group(1), processor())
        check("cores", text and int(text.group(3)), os.cpu_count())
        # The libraries that are there, each number of channels.
        listed = lambda: re.fullmatch(r"built for channels:(.*?); no others: there are no sources to build it", info(folder)["back end rtl"][0]).group(1)
        check("no library", listed(), " none")
        everyone = list(range(1, channels + 1))
        for number in everyone + [0, channels + 1]:
            library = pathlib.Path(folder, f"stack_{number}.so")
            library.touch()
            check(f"only {number} channels", listed(), f" {number}" if number in everyone else " none")
            library.unlink()
        for number in everyone:
            pathlib.Path(folder, f"stack_{number}.so").touch()
        pathlib.Path(folder, "stack_3_trace.so").touch()
        check("all libraries", listed(), " " + ", ".join(map(str, everyone)))
    print(f"info: {len(FAILURES)} failures")
    sys.exit(bool(FAILURES))


if __name__ == "__main__":
    main()
