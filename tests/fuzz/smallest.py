#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Prints a small set of the cases in FOLDERs that reaches every line and branch that all of them reach, about as often.

usage: tests/fuzz/smallest.py BUILD TARGET FOLDER...
"""
import glob
import json
import os
import subprocess
import sys


def reached(build, target, case):
    for counts in glob.glob(f"{build}/{target}/*.gcda"):
        os.remove(counts)
    subprocess.run([f"{build}/{target}_replay", case], check=True, stdout=subprocess.DEVNULL)
    text = subprocess.run("gcov -b -t --json-format *.gcda", shell=True, cwd=f"{build}/{target}", capture_output=True, text=True, check=True)
    points = set()
    for source in (file for line in text.stdout.splitlines() if line for file in json.loads(line)["files"]):
        for line in source["lines"]:
            place = (source["file"], line["line_number"])
            if line["count"] and not place[0].endswith("_fuzz.c"):
                points.add((*place, min(line["count"].bit_length(), 4)))
                points.update((*place, "branch", i) for i, b in enumerate(line["branches"]) if b["count"])
    return points


def main():
    build = sys.argv[1] + "/tests/fuzz"
    target = sys.argv[2]
    points = {case: reached(build, target, case) for folder in sys.argv[3:] for case in sorted(glob.glob(folder + "/*"))}
    missing = set().union(*points.values())
    while missing:
        # Of small files rather more.
        case = max(points, key=lambda c: len(points[c] & missing) / (os.path.getsize(c) + 300) ** 0.3)
        missing -= points[case]
        print(case)


main()
