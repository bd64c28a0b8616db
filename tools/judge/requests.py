#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Turns a record of requests (docs/memory_controller.md) into the trace of another simulator.

usage: requests.py REQUESTS OUT --for ramulator|dramsys [--access BYTES]
A request becomes the aligned accesses of BYTES (32, a power of two) that hold its bytes, the lowest address first.
  ramulator  front end LoadStoreTrace of Ramulator 2: `LD address` or `ST address`; it has no times
  dramsys    trace player of DRAMSys, absolute times (.stl): `tCK: read address` or `tCK: write address`
"""
import argparse
import pathlib
import sys

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent))
from outputs import output  # noqa: E402

LINES = {
    "ramulator": lambda tck, write, address: f"{'ST' if write else 'LD'} 0x{address:x}\n",
    "dramsys": lambda tck, write, address: f"{tck}: {'write' if write else 'read'} 0x{address:x}\n",
}


def requests(path):
    """(tCK, is a write, address, bytes) of each line."""
    with open(path, encoding="ascii") as file:
        for number, line in enumerate(file, 1):
            fields = line.split("#")[0].split()
            if not fields:
                continue
            try:
                tck, address, letter, size = int(fields[0]), int(fields[1], 16), fields[2], int(fields[3])
                if len(fields) != 4 or letter not in ("R", "W") or size < 1 or min(tck, address) < 0:
                    raise ValueError
            except (ValueError, IndexError):
                sys.exit(f"requests.py: {path}:{number}: expected `tCK address R|W bytes`")
            yield tck, letter == "W", address, size


def accesses(path, access):
    for tck, write, address, size in requests(path):
        for first in range(address // access * access, address + size, access):
            yield tck, write, first


def power_of_two(text):
    number = int(text)
    if number < 1 or number & (number - 1):
        raise argparse.ArgumentTypeError(f"'{text}': expected a power of two")
    return number


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("requests")
    parser.add_argument("out")
    parser.add_argument("--for", dest="simulator", choices=LINES, required=True)
    parser.add_argument("--access", type=power_of_two, default=32)
    options = parser.parse_args()
    with output(options.out) as out:
        out.writelines(LINES[options.simulator](*access) for access in accesses(options.requests, options.access))


if __name__ == "__main__":
    main()
