#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Turns the command text of docs/architecture.md into a trace that Ramulator 2 reads.

usage: ramulator.py TRACE OUT [--load-store]
One line for each access of 32 bytes of one bank, in order of time; the rows and refreshes are Ramulator's own to decide.
  default        front end ReadWriteTrace: `R channel,pseudochannel,bankgroup,bank,row,column`. Its HBM3 has no ranks: the banks of rank
                 1 are banks 4 to 7 of their group (set `bank: 8` in the organisation).
  --load-store   front end LoadStoreTrace: `LD address`, with the physical address, the channel above it (bits 29 to 33).
"""
import argparse
import pathlib
import sys

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent))
from outputs import output  # noqa: E402


def accesses(file):
    """(write, channel, bundle, bank of the bundle, row, column) of each bank access."""
    rows = {}
    for number, line in enumerate(file, 1):
        fields = line.split("#")[0].split()
        if not fields:
            continue
        try:
            channel, kind, bundle, mask = int(fields[1]), fields[2].lstrip("X"), int(fields[3]), int(fields[4], 16)
            banks = [bank for bank in range(8) if mask >> bank & 1]
            if kind == "ACT":
                rows.update({(channel, bundle, bank): int(fields[5]) for bank in banks})
            elif kind in ("RD", "WR"):
                yield from ((kind == "WR", channel, bundle, bank, rows[channel, bundle, bank], int(fields[5])) for bank in banks)
        except (IndexError, ValueError, KeyError):
            sys.exit(f"ramulator.py: line {number}: expected a legal trace of lines `tCK channel KIND bundle mask [row or column]`")


def vector(write, channel, bundle, bank, row, column):
    # Bank j of a bundle is bank 2 * (upper half of the rank) + j / 4 of bank group j mod 4.
    bank_of_group = 4 * (bundle // 2) + 2 * (bundle % 2) + bank // 4
    return f"{'W' if write else 'R'} {channel // 2},{channel % 2},{bank % 4},{bank_of_group},{row},{column}\n"


def address(write, channel, bundle, bank, row, column):
    return f"{'ST' if write else 'LD'} 0x{channel << 29 | bundle << 27 | row << 13 | column << 8 | bank << 5:x}\n"


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("trace")
    parser.add_argument("out")
    parser.add_argument("--load-store", action="store_true")
    options = parser.parse_args()
    with output(options.out) as out, open(options.trace, encoding="utf-8") as trace:
        out.writelines((address if options.load_store else vector)(*access) for access in accesses(trace))


if __name__ == "__main__":
    main()
