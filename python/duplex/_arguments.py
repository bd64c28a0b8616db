# SPDX-License-Identifier: Apache-2.0
"""Arguments of a caller, checked before the library is called: TypeError, or ValueError, with name, value and what was expected."""
import math
import numbers
import operator
import os

import numpy

from ._errors import ArgumentError

# Ranges of integers, those of duplex/duplex.h, kv_cache.h and device.h (tests/python holds them against the library).
RANGES = {
    "stacks": (1, 8), "channels": (1, 32), "threads": (0, 1024), "rank_switch": (0, 2), "watchdog_clocks": (0, 2 ** 64 - 1),
    "heads": (1, 256), "head_size": (16, 256), "layers": (0, 1024), "page_positions": (0, 131072), "pages": (0, 65535), "prefill_pages": (0, 65535),
    "positions": (0, 131072), "expected": (0, 2 ** 64 - 1), "expected_pairs": (0, 2 ** 64 - 1),
    "copies": (0, 2), "moe_layers": (0, 2 ** 64 - 1), "most_pairs": (0, 2 ** 64 - 1),
    "places": (1, 2 ** 32 - 1), "always_decide": (0, 1)}
BUNDLES = 4


def _as_integer(value, name, wanted):
    """Python's integers and NumPy's; True and False are none."""
    try:
        if isinstance(value, (bool, numpy.bool_)):
            raise TypeError
        return operator.index(value)
    except TypeError:
        raise TypeError(f"{name}: {value!r}, expected an integer, {wanted}") from None


def integer(value, name, least=None, most=None):
    """An integer from least to most; without them from the range of that name."""
    if least is None:
        least, most = RANGES[name]
    wanted = f"{least} to {most}" if least < most else str(least)
    number = _as_integer(value, name, wanted)
    if not least <= number <= most:
        raise ArgumentError(f"{name}: {number}, expected {wanted}")
    return number


def mask(value, name):
    """A mask of bundles."""
    wanted = f"a mask of bundles 0 to {BUNDLES - 1}"
    number = _as_integer(value, name, wanted)
    if not 0 <= number < 1 << BUNDLES:
        raise ArgumentError(f"{name} {number:#x}: expected {wanted}")
    return number


def flag(value, name):
    """True or False, also as 1 or 0."""
    if not isinstance(value, (bool, numpy.bool_, int, numpy.integer)):
        raise TypeError(f"{name}: {value!r}, expected True or False")
    if value not in (0, 1):
        raise ValueError(f"{name}: {value!r}, expected True or False")
    return bool(value)


def scale(value):
    """A factor of attention: 0 for the usual one. What binary32 has no number for is the library's to refuse."""
    wanted = "a positive number, or 0 for 1 / sqrt(head_size)"
    if isinstance(value, (bool, numpy.bool_)) or not isinstance(value, numbers.Real):
        raise TypeError(f"scale: {value!r}, expected {wanted}")
    try:
        number = float(value)
    except OverflowError:
        number = math.inf
    if not 0 <= number < math.inf:
        raise ArgumentError(f"scale: {value!r}, expected {wanted}")
    return number


def text(value, name, wanted):
    """A name as the library takes it."""
    if not isinstance(value, str):
        raise TypeError(f"{name}: {value!r}, expected {wanted}")
    return _whole(value.encode(errors="surrogateescape"), name)


def path(value, name):
    """A file as the library takes it; None: none."""
    if value is None:
        return None
    try:
        return _whole(os.fsencode(value), name)
    except TypeError:
        raise TypeError(f"{name}: {value!r}, expected a path or None") from None


def _whole(encoded, name):
    if b"\0" in encoded:
        raise ValueError(f"{name}: {encoded!r}, expected no NUL character")
    return encoded


def choice(value, name, choices):
    """One of some names."""
    if not isinstance(value, str) or value not in choices:
        raise ValueError(f"{name}: {value!r}, expected {', '.join(choices)}")
    return value


def items(value, name, wanted):
    """What can be gone through, as a list."""
    try:
        return list(value)
    except TypeError:
        raise TypeError(f"{name}: {value!r}, expected {wanted}") from None


def _numbers(value, name):
    """Any array of numbers."""
    try:
        return numpy.asarray(value)
    except (TypeError, ValueError) as error:
        raise ValueError(f"{name}: expected an array: {error}") from None


def array(value, name, *shape):
    """A binary16 array in C order with that many dimensions; None in `shape` stands for any length."""
    given = _numbers(value, name)
    if given.dtype != numpy.dtype("<f2"):
        raise TypeError(f"{name}: is {given.dtype.str}, expected <f2 (convert with {name}.astype('<f2'))")
    if given.ndim != len(shape) or any(want is not None and want != have for want, have in zip(shape, given.shape)):
        wanted = ", ".join("any" if n is None else str(n) for n in shape)
        raise ValueError(f"{name}: has the shape {given.shape}, expected ({wanted})")
    return numpy.require(given, requirements="CA")


def exponents(value, shape, name="exponents"):
    """An 8-bit exponent for each row."""
    given = _numbers(value, name)
    if given.dtype.kind not in "iu" or ((given < -128) | (given > 127)).any():
        raise ValueError(f"{name}: expected integers from -128 to 127")
    if given.shape != shape:
        raise ValueError(f"{name}: has the shape {given.shape}, expected {shape}")
    return numpy.ascontiguousarray(given, numpy.int8)


def result(out, shape, dtype):
    """The caller's array for results, or a new one."""
    if out is None:
        return numpy.empty(shape, dtype)
    if not isinstance(out, numpy.ndarray) or out.shape != shape or out.dtype != dtype or not out.flags.c_contiguous or not out.flags.writeable:
        raise ValueError(f"out: expected a writeable {dtype.str} array in C order of the shape {shape}")
    return out
