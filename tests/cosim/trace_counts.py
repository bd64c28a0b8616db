#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""The commands of a trace against those of the statistics of the last job of the run: Logic-PIM's of each kind as often, from the time
when it gets its bundles to the time when it gives them back, and as many bytes written by the xPU.

The statistics end with the job. Rows that are still open then are closed, and refreshes that are owed are done, before the bundles
change hands: of the PRE and REF behind the last ACT, RD or WR the statistics may have some or none.

usage: trace_counts.py COMMANDS.txt STATS.json
"""
import collections
import json
import sys

XPU_WRITE_BYTES = 32


def last_job(commands):
    """The commands between the last OWNER that gives Logic-PIM bundles and the next one that takes them all."""
    job, inside = [], False
    for command in commands:
        if command[2] != "OWNER":
            if inside:
                job.append(command)
        elif command[1] == "0":  # each channel tells the same
            if int(command[4], 16) and not inside:
                job = []
            inside = int(command[4], 16) != 0
    return job


def main():
    with open(sys.argv[1], encoding="utf-8") as file:
        commands = [line.split() for line in file if not line.startswith("#")]
    with open(sys.argv[2], encoding="utf-8") as file:
        stats = json.load(file)
    job = [command[2] for command in last_job(commands)]
    work = max((at + 1 for at, kind in enumerate(job) if kind in ("ACT", "RD", "WR")), default=0)
    least, most = collections.Counter(job[:work]), collections.Counter(job)
    least["XWR"] = most["XWR"] = sum(command[2] == "XWR" for command in commands)
    told = {kind.upper(): count for kind, count in stats["dram_commands"].items()}
    told["XWR"] = stats["xpu_write_bytes"] // XPU_WRITE_BYTES
    if any(not least[kind] <= count <= most[kind] for kind, count in told.items()) or not told["RD"]:
        print(f"the trace has {dict(least)} with the job's work, {dict(most)} in all, the statistics {told}")
        sys.exit(1)


if __name__ == "__main__":
    main()
