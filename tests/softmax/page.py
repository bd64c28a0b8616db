#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Rebuilds P and the softmax weights from the numbers on docs/numerics.md alone, and compares them with the C model and the RTL's table.

usage: tests/softmax/page.py BUILD
"""
import ctypes
import os
import pathlib
import random
import re
import sys
from fractions import Fraction

ROOT = pathlib.Path(__file__).resolve().parent.parent.parent
PAGE = re.search(r"### The power 2\^-f\n(.*?)### Weights of two parts", (ROOT / "docs/numerics.md").read_text(), re.DOTALL)[1]
P16, HIGH, LOW = range(3)
UNIT = Fraction(1, 1 << 24)  # of all weights


def read_page():
    """The segments, and the constants as they stand in the formulas."""
    segments = {}
    for row in re.findall(r"^\| (\d+ \|.*\d) \|$", PAGE, re.MULTILINE):
        numbers = [int(n) for n in row.split(" | ")]
        for i in range(0, len(numbers), 4):
            segments[numbers[i]] = numbers[i + 1:i + 4]
    constant = {name: tuple(int(n) for n in re.search(pattern, PAGE).groups()) for name, pattern in (
        ("segment", r"segment = f >> (\d+) "), ("y", r"y       = 2\^(\d+) - 1 - \(f mod 2\^(\d+)\)"),
        ("slope", r"slope   = base \+ \(curve \* \(y >> (\d+)\) >> (\d+)\)"),
        ("value", r"value   = \(start \* 2\^(\d+) \+ slope \* y\) >> (\d+) "), ("P", r"P       = value \* 2\^\((\d+) - (\d+) - w\)"))}
    assert sorted(segments) == list(range(64)), sorted(segments)
    return segments, constant


SEGMENTS, CONSTANT = read_page()


def value_of(f):
    start, base, curve = SEGMENTS[f >> CONSTANT["segment"][0]]
    y = (1 << CONSTANT["y"][0]) - 1 - f % (1 << CONSTANT["y"][1])
    slope = base + (curve * (y >> CONSTANT["slope"][0]) >> CONSTANT["slope"][1])
    return ((start << CONSTANT["value"][0]) + slope * y) >> CONSTANT["value"][1]


def power_of(d):
    w, f = d >> 23, d % (1 << 23)
    one, fraction = CONSTANT["P"]
    return value_of(f) * Fraction(2) ** (one - fraction - w)


def half_up(number, unit):
    return (number / unit + Fraction(1, 2)).__floor__() * unit


def last_place(number, bits):
    """Of so many significant bits, but no finer than 2^-24."""
    place = Fraction(1)
    while place * (1 << bits) > number:
        place /= 2
    while place * (1 << bits) <= number:
        place *= 2
    return max(place, UNIT)


def weights_of(d):
    """p, and high and low, as numbers."""
    if d > 40 << 23:
        return 0, 0, 0
    power = power_of(d)
    near = half_up(power, last_place(power, 12))
    if power < Fraction(1, 1 << 13):
        return near, half_up(power, UNIT), 0
    place = last_place(power, 12)
    high = (power / place).__floor__() * place
    low = power - high if d < 17 << 23 else half_up(power - high, UNIT)
    return near, high, low


def number_of(bits):
    """A weight, as docs/numerics.md has it."""
    exponent, fraction = bits >> 11, bits & 0x7ff
    return fraction * UNIT if exponent == 0 else ((1 << 11) + fraction) * Fraction(2) ** (exponent - 25)


def check_packing():
    text = (ROOT / "params/generated/duplex_exponential.vh").read_text()
    packed = int(re.search(r"EXPONENTIAL_TABLE \d+'h([0-9a-f]+)", text)[1], 16)
    stride = int(re.search(r"with (\d+) bits for each\s+segment", PAGE)[1])
    fields = [(int(low), int(high) + 1) for high, low in re.findall(r"(?:start|base|curve) in bits (\d+):(\d+)", PAGE)]
    assert len(fields) == 3
    for i, segment in SEGMENTS.items():
        entry = packed >> (i * stride) & ((1 << stride) - 1)
        assert [entry >> low & ((1 << high - low) - 1) for low, high in fields] == segment and entry >> fields[2][1] == 0, i


library = ctypes.CDLL(str(pathlib.Path(sys.argv[1]).resolve() / "libduplex.so"))
weight = library.duplex_exponential_of
weight.argtypes, weight.restype = (ctypes.c_uint32, ctypes.c_int), ctypes.c_uint16
generator = random.Random(int(os.environ.get("DUPLEX_SEED", "1")))
edges = [(w << 23) + (s << 17) + e for w in range(42) for s in (0, 1, 31, 63) for e in (-1, 0, 1)]
differences = [d for d in edges if d >= 0] + [generator.randrange(41 << 23) for _ in range(15000)]
check_packing()
for d in differences:
    expected = weights_of(d)
    got = tuple(number_of(weight(d, part)) for part in (P16, HIGH, LOW))
    assert got == expected, (d, [float(g) for g in got], [float(e) for e in expected])
print(f"page: {len(differences)} differences, p and both parts from the numbers of docs/numerics.md are the C model's; the packed table too")
