#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Makes the built-in activation tables: cmodel/activation/builtin_tables.c.

usage: params/activation/generate.py [--check | --report]
--check   writes nothing; the exit status is 1 if the tables were not made by this generator or were edited (by hashes, no arithmetic)
--report  prints the worst relative error of each function instead of writing

Values come from decimal arithmetic of 90 digits (exp of the decimal module, own series for erf), so that they share nothing with
the MPFR oracle of the tests. A segment's cubic is the one of nearly equal relative error at its extrema (one step of Remez),
rounded coefficient by coefficient and improved by a search over the neighbouring integers with the unit's own truncations.
The format is described in include/duplex/activation.h.
"""
import hashlib
import math
import pathlib
import sys
from decimal import Decimal, getcontext

ROOT = pathlib.Path(__file__).resolve().parent.parent.parent
sys.path.insert(0, str(ROOT / "params"))
from whole_files import write_all  # noqa: E402

OUTPUT = ROOT / "cmodel/activation/builtin_tables.c"

getcontext().prec = 90
getcontext().Emin, getcontext().Emax = -10**6, 10**6

WIDTHS = {"c0": 18, "c1": 15, "c2": 12, "c3": 9}
UNIT_EXPONENT = 32  # c0 counts units of 2^(e - 32)
ONE = (1 << 16, 0, 0, 0, 16)
ZERO = (0, 0, 0, 0, 0)
TINY = (1, 0, 0, 0, -256)  # 2^-288: times any two binary32 numbers it rounds to zero
TAIL, PLUS_ZERO, MINUS_ZERO, PLUS_INF, MINUS_INF = 0, 1, 5, 2, 6  # limits: bit 2 the sign, 1 zero, 2 infinity, 3 NaN


def segments():
    for line in (ROOT / "params/hardware.params").read_text().splitlines():
        if line.startswith("ACTIVATION_SEGMENTS "):
            return int(line.split()[1])
    sys.exit("hardware.params: no ACTIVATION_SEGMENTS")


def arctan_of_inverse(n):
    """arctan(1/n) by its Taylor series."""
    total, power, k = Decimal(0), Decimal(1) / n, 0
    while abs(power) > Decimal(10) ** -95:
        total += power / (2 * k + 1) * (-1) ** k
        power /= n * n
        k += 1
    return total


PI = 4 * (4 * arctan_of_inverse(5) - arctan_of_inverse(239))
ROOT_2_OVER_PI = (2 / PI).sqrt()


def silu_ratio(g):
    return 1 / (1 + (-g).exp())


def gelu_tanh_ratio(g):
    inner = ROOT_2_OVER_PI * (g + Decimal("0.044715") * g**3)
    return 1 / (1 + (-2 * inner).exp())


def gelu_ratio(g):
    """The normal distribution function: 1/2 + density(g) * (g + g^3/3 + g^5/(3*5) + ...); 90 digits outlast its cancellation."""
    term, total, k = g, g, 1
    while abs(term) > Decimal(10) ** -88:
        k += 2
        term = term * g * g / k
        total += term
    return Decimal("0.5") + (-g * g / 2).exp() / (2 * PI).sqrt() * total


def log2_floor(value):
    """The e of 2^e <= value < 2^(e+1)."""
    e = math.floor(float(value.ln() / Decimal(2).ln()))
    while Decimal(2) ** e > value:
        e -= 1
    while Decimal(2) ** (e + 1) <= value:
        e += 1
    return e


def unit_polynomial(c, t):
    """Horner's rule with the unit's truncations; t counts 2^-16, the result quarters of c0's unit."""
    p2 = ((c[2] << 14) + c[3] * t) >> 10
    p1 = ((c[1] << 18) + p2 * t) >> 14
    return ((c[0] << 18) + p1 * t) >> 16


def solve(matrix):
    """Gaussian elimination with pivots; the last column is the right-hand side."""
    n = len(matrix)
    for i in range(n):
        pivot = max(range(i, n), key=lambda r: abs(matrix[r][i]))
        matrix[i], matrix[pivot] = matrix[pivot], matrix[i]
        for r in range(n):
            if r != i:
                factor = matrix[r][i] / matrix[i][i]
                matrix[r] = [a - factor * b for a, b in zip(matrix[r], matrix[i])]
    return [matrix[i][n] / matrix[i][i] for i in range(n)]


EXTREMA = [round(-32768 * math.cos(math.pi * i / 4)) for i in range(5)]
GRID = sorted(set(EXTREMA[1:4] + [min(-32768 + 2048 * i, 32767) for i in range(33)]))


def fits(c):
    return all(-(1 << (w - 1)) <= v < 1 << (w - 1) for v, w in zip(c, WIDTHS.values()))


def worst_error(c, grid_values):
    return max(abs(unit_polynomial(c, t) / value - 1) for t, value in grid_values)


def fit_segment(values, exponent):
    """Best integers for one segment; values: t -> exact value. Returns (error, (c0, c1, c2, c3, e)) or None if they do not fit."""
    scale = Decimal(2) ** (UNIT_EXPONENT - exponent)
    units = {t: float(v * scale) for t, v in values.items()}
    rows = []
    for i, t in enumerate(EXTREMA):
        x = t / 65536
        rows.append([1.0, x, x * x, x**3, -((-1) ** i) * units[t], units[t]])
    real = solve(rows)
    grid_values = [(t, 4 * units[t]) for t in GRID]
    best = None
    for d3 in (-1, 0, 1):
        c3 = round(real[3] / 64) + d3
        for d2 in (-1, 0, 1):
            c2 = round(real[2] / 16) + d2
            # What rounding took from c3 and c2 is given back to c1 and c0: t^3 is near 3/16 t, t^2 near 1/8.
            near1 = round((real[1] + (real[3] - 64 * c3) * 3 / 16) / 4)
            near0 = round(real[0] + (real[2] - 16 * c2) / 8)
            for c1 in (near1 - 1, near1, near1 + 1):
                for c0 in (near0 - 1, near0, near0 + 1):
                    c = (c0, c1, c2, c3)
                    if fits(c):
                        error = worst_error(c, grid_values)
                        if best is None or error < best[0]:
                            best = (error, c + (exponent,))
    return best


def entry(fields, ratio=True):
    """64 bits of one segment."""
    bits, at = 0, 0
    for value, width in zip(fields, list(WIDTHS.values()) + [9]):
        bits |= (value & ((1 << width) - 1)) << at
        at += width
    return bits | int(ratio) << 63


def header(shift, first, at_minus_inf, at_plus_inf):
    return (first & 0xFFF) | shift << 12 | at_minus_inf << 16 | at_plus_inf << 19


def fitted_table(ratio, shift, first):
    """Segments of act(g)/g, their worst errors, and the header of a function that ends at -0 and +Inf."""
    entries, errors = [], []
    for index in range(segments()):
        values = {}
        for t in set(EXTREMA + GRID):
            values[t] = ratio((Decimal(first + index) + (Decimal(t) + 32768) / 65536) / 2**shift)
        exponent = log2_floor(values[0]) + UNIT_EXPONENT - 16
        best = fit_segment(values, exponent) or fit_segment(values, exponent + 1) or fit_segment(values, exponent + 2)
        errors.append((best[0], (first + index) / 2**shift))
        entries.append(entry(best[1]))
    return [header(shift, first, MINUS_ZERO, PLUS_INF), entry(TINY), entry(ONE), 0] + entries, max(errors)


def constant_table(below, above, limits):
    half = segments() // 2
    entries = [entry(below)] * half + [entry(above)] * half
    return [header(0, -half, *limits), entry(below), entry(above), 0] + entries, (0.0, 0.0)


def tables():
    yield "silu", fitted_table(silu_ratio, 2, -112 * 4)
    yield "gelu", fitted_table(gelu_ratio, 5, -11 * 32)
    yield "gelu_tanh", fitted_table(gelu_tanh_ratio, 5, -11 * 32)
    yield "relu", constant_table(ZERO, ONE, (PLUS_ZERO, PLUS_INF))
    yield "identity", constant_table(ONE, ONE, (MINUS_INF, PLUS_INF))


def input_hash():
    """Of this file and of the one parameter that it reads."""
    return hashlib.sha256(pathlib.Path(__file__).read_bytes() + str(segments()).encode()).hexdigest()


def c_file():
    lines = ["// SPDX-License-Identifier: Apache-2.0", "// Generated by params/activation/generate.py. Do not edit.", '#include "builtin_tables.h"', ""]
    made = list(tables())
    lines.append("const struct duplex_activation_builtin duplex_activation_builtins[DUPLEX_ACTIVATION_BUILTINS] = {")
    for name, (entries, _) in made:
        lines.append(f'    {{"{name}", {{{{')
        lines += ["        " + " ".join(f"0x{e:016x}," for e in entries[i:i + 6]) for i in range(0, len(entries), 6)]
        lines.append("    }}},")
    body = "\n".join(lines + ["};", ""])
    return f"// inputs {input_hash()}\n// tables {hashlib.sha256(body.encode()).hexdigest()}\n{body}"


def check():
    text = OUTPUT.read_text() if OUTPUT.exists() else ""
    parts = text.split("\n", 2)
    good = len(parts) == 3 and parts[0] == f"// inputs {input_hash()}" and \
        parts[1] == f"// tables {hashlib.sha256(parts[2].encode()).hexdigest()}"
    if not good:
        sys.exit(f"{OUTPUT.relative_to(ROOT)} is not what its source gives: run make activation-tables")


def main():
    if sys.argv[1:] == ["--check"]:
        check()
    elif sys.argv[1:] == ["--report"]:
        for name, (_, (error, at)) in tables():
            print(f"{name:10} {'exact' if error == 0 else f'2^{math.log2(error):.2f} in the segment at {at}'}")
    elif not sys.argv[1:]:
        write_all({OUTPUT: c_file()})
    else:
        sys.exit(__doc__)


main()
