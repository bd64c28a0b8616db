# SPDX-License-Identifier: Apache-2.0
"""Reads the RTL and the Verilog benches with slang, a strict reader: an error or a warning ends with status 1. usage: slang.py"""
import pathlib
import sys

from pyslang import driver

ROOT = pathlib.Path(__file__).resolve().parents[2]


def read(top, files):
    """slang's verdict on a hierarchy; it prints what it finds."""
    reader = driver.Driver()
    reader.addStandardArgs()
    include = " ".join(f"-I{ROOT}/{folder}" for folder in ("params/generated", "rtl/common"))
    names = " ".join(str(ROOT / name) for name in files)
    # A vector with one bit for each channel is shifted by one: with one channel nothing is left, as meant.
    options = "--single-unit --timescale 1ns/1ps -Werror -Wno-shift-count-overflow"
    good = reader.parseCommandLine(f"slang --top {top} {include} {options} {names}")
    good = good and reader.processOptions() and reader.parseAllSources()
    if not good:
        return False
    reader.reportCompilation(reader.createCompilation(), False)
    return reader.reportDiagnostics(True)


def main():
    rtl = [line for line in (ROOT / "rtl/files.f").read_text().splitlines() if line and not line.startswith("#")]
    bench = ["tests/icarus/dram.v", "tests/icarus/stack_tb.v"]
    verdicts = [read("stack", rtl), read("stack_tb", rtl + bench), read("axi_lite_tb", rtl + ["tests/icarus/axi_lite_tb.v"])]
    print(f"slang: {len(rtl)} RTL files and the Verilog benches " + ("clean" if all(verdicts) else "not clean"))
    return 0 if all(verdicts) else 1


if __name__ == "__main__":
    sys.exit(main())
