#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Plants faults in the timing judge and in the xPU's stand-in, one at a time: every use of a timing parameter in the judge counts one tCK
less, every timer of the stand-in one clock more, and every comparison with its clock decides one clock later. A unit test must fail each
time.

usage: planted.py BUILD [SOURCE...]
"""
import os
import re
import subprocess
import sys
import tempfile

JUDGE = ["tests/hbm/test_timing_judge.c"]
XPU = ["tests/hbm/test_xpu_traffic.c", "tests/hbm/test_xpu_writes.c", "tests/hbm/test_xpu_reads.c"]
TIMER = (r"\bxpu_clocks\([^()]*\)", "({} + 1)")
REACHED = (r"x->now(?= (?:>=|<) )", "x->now - 1")
# source, what is replaced, by what, the tests of which one must fail
PLANTS = [
    ("cmodel/hbm/timing_judge.c", r"\b[a-z]+(?:->timing\.|->)n[A-Z]\w*", "({} - 1)", JUDGE),
    *((f"cmodel/hbm/xpu_{part}.c", *plants, XPU) for part in ("reads", "rows", "traffic", "writes") for plants in (TIMER, REACHED)),
]


def is_message(text, number):
    """The text of a message, not a decision."""
    lines = text.splitlines()
    return "snprintf" in lines[number - 1] or "tck - limit" in lines[number]


def fails(build, broken, test, program):
    subprocess.run(["cc", "-std=c11", "-D_GNU_SOURCE", "-O1", "-Iinclude", "-I.", test, broken, build + "/libduplex.a", "-o", program,
                    "-lcmocka", "-Wl,--allow-multiple-definition"], check=True)
    return subprocess.run([program], capture_output=True, check=False).returncode != 0


def plant(build, folder, source, pattern, replacement, tests):
    """Plants all faults of one kind in one source; returns how many, and how many no test found."""
    planted = missed = 0
    with open(source, encoding="utf-8") as file:
        text = file.read()
    broken, program = os.path.join(folder, "broken.c"), os.path.join(folder, "test")
    for use in re.finditer(pattern, text):
        number = text.count("\n", 0, use.start())
        if is_message(text, number):
            continue
        with open(broken, "w", encoding="utf-8") as file:
            file.write(text[:use.start()] + replacement.format(use.group()) + text[use.end():])
        planted += 1
        if not any(fails(build, broken, test, program) for test in tests):
            missed += 1
            print(f"MISSED {source}:{number + 1}: {replacement.format(use.group())}")
    return planted, missed


def main():
    build, sources = sys.argv[1], sys.argv[2:] or sorted({plants[0] for plants in PLANTS})
    with tempfile.TemporaryDirectory() as folder:
        results = {source: [plant(build, folder, *plants) for plants in PLANTS if plants[0] == source] for source in sources}
    for source, kinds in results.items():
        planted, missed = map(sum, zip(*kinds))
        print(f"{source}: {planted} planted, {planted - missed} found")
    sys.exit(any(missed for kinds in results.values() for _, missed in kinds) or not all(sum(planted for planted, _ in k) for k in results.values()))


if __name__ == "__main__":
    main()
