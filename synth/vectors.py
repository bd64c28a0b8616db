# SPDX-License-Identifier: Apache-2.0
"""Input vectors for the arithmetic units: binary16 numbers by class, exact sums, and anything."""
import random

LANES = 64


def operand(bits):
    """A binary16 number as `operand.v` decodes it: sign, magnitude and exponent."""
    sign, field, fraction = bits >> 15, bits >> 10 & 31, bits & 1023
    if field == 31:
        return (1, 0, 31) if fraction else (sign, 0, 30)
    if not field and not fraction:
        return 0, 0, 31
    return sign, (fraction | 1024 if field else fraction), max(field - 1, 0)


def weight_operand(bits):
    """A weight of softmax, likewise."""
    field, fraction = bits >> 11, bits & 2047
    return (0, 0, 31) if not bits else (0, (fraction | 2048 if field else fraction), max(field - 1, 0))


def number(source, kind):
    """One binary16 number of a class."""
    bits = source.getrandbits(16)
    return {"any": bits, "moderate": bits & 0x83FF | (10 + source.randrange(8)) << 10, "subnormal": bits & 0x83FF,
            "extreme": bits & 0x8000 | source.choice((0x7BFF, 1, 0x3FF)), "zeros": source.choice((bits & 0x8000, bits & 0xBFFF)),
            "special": source.choice((0x7C00, 0xFC00, 0x7E01, 0, bits, bits & 0xBFFF))}[kind]


def dot64(source, count):
    """Pairs of 64 numbers; in one of four the second half cancels the first, in one of four x has weights of softmax."""
    kinds = ("any", "moderate", "subnormal", "extreme", "zeros", "special")
    found = {port: [] for port in ("x_significand_i", "x_exponent_i", "w_significand_i", "w_exponent_i")}
    for _ in range(count):
        x, w = ([number(source, kind) for _ in range(LANES)] for kind in source.choices(kinds, k=2))
        if source.randrange(4) == 0:
            half = LANES // 2
            x[half:], w[half:] = [v ^ 0x8000 for v in x[:half]], w[:half]
        if source.randrange(4) == 0:
            pack(found, "x", 12, [weight_operand(source.randrange(0xE801)) for _ in range(LANES)])
        else:
            pack(found, "x", 12, [operand(v) for v in x])
        pack(found, "w", 11, [operand(v) for v in w])
    return found


def pack(found, letter, bits, operands):
    """Operands side by side, with magnitudes of so many bits below the sign."""
    width = bits + 1
    found[f"{letter}_significand_i"].append(sum((s << bits | m) << width * i for i, (s, m, _) in enumerate(operands)))
    found[f"{letter}_exponent_i"].append(sum(e << 5 * i for i, (_, _, e) in enumerate(operands)))


def round_unit(source, count):
    """Sums of a random number of significant bits, ties of both formats among them, at random exponents."""
    found = {"sum_i": [], "flags_i": [], "exponent_i": []}
    for _ in range(count):
        length = source.randrange(97)
        bits = source.getrandbits(97) >> (97 - length) if length else 0
        if source.randrange(5) < 2 and length > 26:
            low = length - source.choice((11, 24))
            bits = (bits >> low << low) + (1 << (low - 1)) + source.randrange(3) - 1
        found["sum_i"].append((-bits if source.randrange(2) else bits) % (1 << 97))
        found["flags_i"].append(source.randrange(8) if source.randrange(20) == 0 else 0)
        found["exponent_i"].append(0 if source.randrange(2) else source.randrange(256))
    return found


def anything(source, count, ports):
    """Random bits for every input."""
    return {port: [source.getrandbits(len(e["bits"])) for _ in range(count)] for port, e in ports.items() if e["direction"] == "input" and port != "clk_i"}


def of_unit(base, seed, count, ports):
    source = random.Random(seed)
    if base == "operand":
        return {"value_i": 2 * list(range(65536)), "p16_i": 65536 * [0] + 65536 * [1]}
    if base in ("dot64", "round"):
        return {"dot64": dot64, "round": round_unit}[base](source, count)
    return anything(source, count, ports)
