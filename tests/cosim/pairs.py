#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Pairs of matrices and of experts, which stream in turn: the same bytes as one after the other, on both back ends.

usage: pairs.py BUILD [--seed S] [--cases N]
"""
import argparse
import os
import random
import subprocess
import sys
import tempfile


def read(path):
    """Shape and bytes of a .npy file."""
    with open(path, "rb") as file:
        data = file.read()
    length = int.from_bytes(data[8:10], "little")
    header = data[10:10 + length].decode()
    shape = header[header.index("(") + 1:header.index(")")]
    return [int(part) for part in shape.split(",") if part.strip()], data[10 + length:]


def write(path, shape, data):
    header = f"{{'descr': '<f2', 'fortran_order': False, 'shape': {tuple(shape)}, }}"
    header += " " * (63 - (10 + len(header)) % 64) + "\n"
    with open(path, "wb") as file:
        file.write(b"\x93NUMPY\x01\x00" + len(header).to_bytes(2, "little") + header.encode() + data)


class Case:
    def __init__(self, duplex, folder, seed):
        self.duplex, self.folder, self.seed = duplex, folder, seed

    def path(self, name):
        return os.path.join(self.folder, name + ".npy")

    def inputs(self, name, rows, columns, deviation):
        """Both matrices in one file, and each in its own."""
        subprocess.run([self.duplex, "random", "--shape", f"2,{rows},{columns}", "--dist", f"normal:{deviation}", "--seed",
                        f"{self.seed}{sum(name.encode())}", "--out", self.path(name)], check=True)
        _, data = read(self.path(name))
        for i in range(2):
            write(self.path(f"{name}{i}"), (rows, columns), data[i * len(data) // 2:(i + 1) * len(data) // 2])

    def run(self, command, names, suffix, *more):
        arguments = [word for name in names for word in ("--" + name, self.path(name + suffix))]
        subprocess.run([self.duplex, command, *arguments, "--out", self.path("y" + suffix), *more], check=True)
        return read(self.path("y" + suffix))


def one(case, draw):
    tokens, hidden, inner = draw.choice([1, 7, 8, 9, 20]), draw.choice([1, 63, 64, 130, 257]), draw.choice([2, 31, 64, 100, 200])
    command = draw.choice(["gemm", "expert"])
    shapes = {"gemm": [("x", tokens, hidden), ("w", inner, hidden)],
              "expert": [("x", tokens, hidden), ("gate", inner, hidden), ("up", inner, hidden), ("down", hidden, inner)]}[command]
    names = [name for name, _, _ in shapes]
    for name, rows, columns in shapes:
        case.inputs(name, rows, columns, 1 if name == "x" else 0.1)
    if command == "expert" and draw.random() < 0.3:
        names.remove("gate")
    bundles, channels = draw.choice(["0,1", "0,2", "1,2,3", "0,1,2,3"]), draw.choice(["1", "2", "3"])
    single = b"".join(case.run(command, names, str(i))[1] for i in range(2))
    pairs = [case.run(command, names, "", "--bundles", bundles, "--channels", channels, "--backend", backend)
             for backend in ("cmodel", "rtl")]
    what = f"{command} {names} tokens {tokens} hidden {hidden} inner {inner} bundles {bundles} channels {channels}"
    if any(shape[0] != 2 or data != single for shape, data in pairs):
        sys.exit(f"MISMATCH: {what}: not the bytes of one after the other")
    print("same:", what)


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("build")
    parser.add_argument("--seed", type=int, default=int(os.environ.get("DUPLEX_SEED", "1")))
    parser.add_argument("--cases", type=int, default=12)
    options = parser.parse_args()
    print(f"seed {options.seed}")
    for number in range(options.cases):
        with tempfile.TemporaryDirectory() as folder:
            one(Case(options.build + "/duplex", folder, f"{options.seed}{number}"), random.Random(f"{options.seed} {number}"))


if __name__ == "__main__":
    main()
