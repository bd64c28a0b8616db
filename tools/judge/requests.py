#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Turns a record of requests (docs/memory_controller.md) into the trace of another simulator.

usage: requests.py REQUESTS OUT --for ramulator|dramsys [--access BYTES]
A request becomes the aligned accesses of BYTES (32, a power of two) that hold its bytes, the lowest address first.
Requests stand in the order of their times. Exit status: 0 good, 2 bad input.
  ramulator  front end LoadStoreTrace of Ramulator 2: `LD address` or `ST address`; it has no times
  dramsys    trace player of DRAMSys, absolute times (.stl): `tCK: read address` or `tCK: write address`
"""
import argparse
import pathlib
import re
import sys

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent))
from outputs import output  # noqa: E402

LINES = {
    "ramulator": lambda tck, write, address: f"{'ST' if write else 'LD'} 0x{address:x}\n",
    "dramsys": lambda tck, write, address: f"{tck}: {'write' if write else 'read'} 0x{address:x}\n",
}


LINE = re.compile(r"([0-9]{1,20}) +(0x[0-9a-fA-F]{1,16}) +([RW]) +([0-9]{1,7})")
REQUEST_MOST = 1 << 20  # bytes, as duplex::hbm3_memory writes them and duplex::traffic takes them


def refuse(text):
    sys.stderr.write(f"requests.py: {text}\n")
    sys.exit(2)


def requests(path):
    """(tCK, is a write, address, bytes) of each line."""
    try:
        with open(path, encoding="latin-1") as file:
            for number, line in enumerate(file, 1):
                text = line.split("#")[0].strip(" \t\r\n")
                parts = LINE.fullmatch(" ".join(text.split()))
                if parts and 1 <= int(parts[4]) <= REQUEST_MOST:
                    yield int(parts[1]), parts[3] == "W", int(parts[2], 16), int(parts[4])
                elif text:
                    refuse(f"{path}:{number}: expected `tCK address R|W bytes`, 1 to {REQUEST_MOST} bytes")
    except OSError as error:
        refuse(f"{path}: {error.strerror}")


def accesses(path, access):
    for tck, write, address, size in sorted(requests(path), key=lambda request: request[0]):
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
