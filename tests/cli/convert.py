#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""duplex convert against NumPy: every value, order of bytes and axes, rank, tie and count. usage: tests/cli/convert.py BUILD"""
import os
import pathlib
import re
import subprocess
import sys
import tempfile

import numpy as np

DUPLEX = pathlib.Path(sys.argv[1]).resolve() / "duplex"
generator = np.random.default_rng(int(os.environ.get("DUPLEX_SEED", "1")))
cases = 0


def save(path, array, descr):
    """A .npy file of the elements as they lie in the array, with this descr: np.save knows no bfloat16."""
    order = array.flags.f_contiguous and not array.flags.c_contiguous
    shape = repr(tuple(int(n) for n in array.shape))
    header = f"{{'descr': '{descr}', 'fortran_order': {order}, 'shape': {shape}, }}".encode()
    header += b" " * (63 - (len(header) + 10) % 64) + b"\n"
    path.write_bytes(b"\x93NUMPY\1\0" + len(header).to_bytes(2, "little") + header + array.tobytes("A"))


def expected_of(values):
    """binary16 of them, and counts: inexact, overflowing, flushed, NaN."""
    with np.errstate(all="ignore"):
        half = values.astype(np.float16)
    back = half.astype(np.float64) if values.dtype.kind == "f" else half
    nan = np.isnan(half)
    if values.dtype.kind == "f":
        inexact = ~nan & (back != values.astype(np.float64))
    else:  # exactly, in integers of any size
        exact = [int(h) == int(v) if np.isfinite(h) else False for h, v in zip(half.ravel().tolist() if half.size else [], values.ravel().tolist())]
        inexact = ~np.array(exact, bool).reshape(values.shape)
    return half, [int(c.sum()) for c in (inexact, inexact & np.isinf(half), inexact & (half == 0), nan)]


def check(values, descr, stored=None):
    """values: what the file means, in the order that it has there; stored: its elements, if NumPy has no such type."""
    global cases
    cases += 1
    save(folder / "in.npy", values if stored is None else stored, descr)
    done = subprocess.run([DUPLEX, "convert", folder / "in.npy", folder / "out.npy"], capture_output=True, text=True)
    assert done.returncode == 0, (descr, done.stderr)
    got = np.load(folder / "out.npy")
    half, counts = expected_of(values)
    assert got.dtype == np.dtype("<f2") and got.flags.c_contiguous and got.shape == values.shape, descr
    same = (got.view(np.uint16) == np.ascontiguousarray(half).view(np.uint16)) | (np.isnan(got) & np.isnan(half))
    assert same.all(), (descr, values[~same][:3], got[~same][:3], half[~same][:3])
    assert (np.signbit(got) == np.signbit(half)).all(), descr
    printed = re.search(r": (\d+) inexact, of them (\d+) overflowing to infinity and (\d+) flushed to zero; (\d+) NaN$", done.stdout.strip())
    assert printed and [int(n) for n in printed.groups()] == counts, (descr, done.stdout, counts)


def neighbours(kind):
    """All binary16 numbers, the middle between each and the next, and the values of the format just beside both; the edges."""
    bits = np.arange(0x7c00, dtype=np.uint16)
    numbers = np.append(bits.view(np.float16).astype(np.float64), 65536.0)
    points = np.concatenate([numbers, (numbers[1:] + numbers[:-1]) / 2, [2.0**-25, 2.0**-26, 2.0**-149, 2.0**-1074]])
    with np.errstate(all="ignore"):
        near = points.astype(kind)
        all_of_it = np.concatenate([near, np.nextafter(near, kind(0)), np.nextafter(near, kind(np.inf)), [kind(np.inf), kind(np.nan), np.finfo(kind).max]])
    return np.concatenate([all_of_it, -all_of_it]).astype(kind)


with tempfile.TemporaryDirectory() as name:
    folder = pathlib.Path(name)
    every = np.arange(0x10000, dtype=np.uint32).astype(np.uint16)
    for order in "<>":
        check(every.view(np.float16).astype(order + "f2"), order + "f2")
        check(neighbours(np.float32).astype(order + "f4"), order + "f4")
        check(neighbours(np.float64).astype(order + "f8"), order + "f8")
        random = generator.integers(0, 1 << 64, 200000, dtype=np.uint64)
        check(random.view(np.float64).astype(order + "f8"), order + "f8")
        check(random.astype(np.uint32).view(np.float32).astype(order + "f4"), order + "f4")
    # bfloat16 is the upper half of binary32.
    single = (every.astype(np.uint32) << 16).view(np.float32)
    for descr in ("|V2", "<V2", "bfloat16"):
        check(single, descr, every.astype("<u2"))
    check(single, ">V2", every.astype(">u2"))
    for kind in ("i1", "i2", "i4", "i8", "u1", "u2", "u4", "u8"):
        size = int(kind[1])
        raw = generator.integers(0, 1 << 64, 3000, dtype=np.uint64) >> generator.integers(0, 64, 3000, dtype=np.uint64)
        edges = np.array([0, 1, 2047, 2048, 2049, 2050, 2051, 4095, 4097, 65504, 65519, 65520, 65535, (1 << 63) - 1, (1 << 63), (1 << 64) - 1], np.uint64)
        values = np.concatenate([raw, edges, ~edges]).astype("u%d" % size).view(kind)
        for order in "<>" if size > 1 else "|":
            check(values.astype(order + kind), order + kind)
    check(np.array([True, False, True]), "|b1")
    for shape in ((7,), (5, 3), (2, 5, 3), (3, 2, 5, 4), (1, 1), (1, 9), (9, 1)):
        for turn in (np.ascontiguousarray, np.asfortranarray):
            check(turn(generator.normal(size=shape)), "<f8")
            check(turn(generator.normal(size=shape).astype(">f4")), ">f4")
print(f"convert: {cases} files, every value and count as NumPy's")
