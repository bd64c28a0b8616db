#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Compares area and longest paths with the recorded ones, synth/baselines/<library>.json; worse and better both fail.

usage: synth/check.py [--record] [--only NAME]... [--liberty FILE] [--out FOLDER]
  --record   writes what is measured now as the new baseline
  --only     this run of the baseline, and no other that is not named so
The baseline names the runs; with other versions of Yosys or OpenSTA than the recorded ones nothing is compared.
"""
import argparse
import json
import pathlib
import sys

sys.dont_write_bytecode = True

import design
import liberty
import mapping
import synth

FOLDER = pathlib.Path(__file__).resolve().parent / "baselines"
TOLERANCE = {"area": 0.002, "path_ns": 0.01}  # the flow is deterministic; names of cells alone may shift ties


def measure(entry, chosen):
    """Area and path of each unit of a run."""
    arguments = ["--top", entry["top"], "--flow", entry["flow"], "--liberty", chosen.liberty, "--out", chosen.out]
    for text in entry["set"]:
        arguments += ["--set", text]
    data = synth.Run(synth.options(arguments)).data()
    return {row["unit"]: {"area": round(row["area"], 2), "path_ns": row["paths"][0]["ns"] if row["paths"] else 0.0} for row in data["units"]}


def differences(name, old, new):
    """Lines for what moved by more than the tolerance."""
    lines = [f"{name}: {unit}: {'recorded, but not there any more' if unit in old else 'new, not recorded'}" for unit in sorted(old.keys() ^ new.keys())]
    for unit in sorted(old.keys() & new.keys()):
        for what, share in TOLERANCE.items():
            before, now = old[unit][what], new[unit][what]
            if abs(now - before) > share * max(before, 1e-9):
                lines.append(f"{name}: {unit}: {what} {now:,} {'worse' if now > before else 'better'} than the recorded {before:,}")
    return lines


def main(arguments):
    parser = argparse.ArgumentParser(usage=__doc__.split("\n\n")[1])
    parser.add_argument("--record", action="store_true")
    parser.add_argument("--only", action="append")
    parser.add_argument("--liberty", default=synth.OSU018)
    parser.add_argument("--out", default="build/synth")
    chosen = parser.parse_args(arguments)
    try:
        path = FOLDER / f"{liberty.Library(chosen.liberty).name}.json"
        baseline = json.loads(path.read_text())
        if not chosen.record and baseline["versions"] != mapping.tool_versions():
            print(f"check: recorded with {baseline['versions']}, here {mapping.tool_versions()}: nothing to compare; record it anew")
            return 0
        lines = []
        runs = {name: entry for name, entry in baseline["runs"].items() if not chosen.only or name in chosen.only}
        unknown = sorted(set(chosen.only or []) - runs.keys())
        if unknown or (chosen.record and chosen.only):
            raise ValueError(f"--only {(unknown or chosen.only)[0]}: expected a run of the baseline, and no --record")
        for name, entry in runs.items():
            units = measure(entry, chosen)
            lines += differences(name, entry["units"], units)
            entry["units"] = units
    except (design.FlowError, OSError, ValueError) as cause:
        print(f"check: {cause}", file=sys.stderr)
        return 2
    print("\n".join(lines + [f"{len(runs)} runs, {sum(len(e['units']) for e in runs.values())} units, {len(lines)} differences"]))
    if chosen.record:
        baseline["versions"] = mapping.tool_versions()
        path.write_text(json.dumps(baseline, indent=1) + "\n")
        return 0
    if lines:
        print("if this is meant, record it: make synth-record" + ("" if chosen.liberty == synth.OSU018 else f" LIBERTY={chosen.liberty}"))
    return 1 if lines else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
