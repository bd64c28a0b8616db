#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Plants faults in the timing judge: every use of a timing parameter, one at a time, counts one tCK less. The judge's unit test must
fail each time.

usage: planted.py BUILD
"""
import os
import re
import subprocess
import sys
import tempfile

SOURCE, TEST = "cmodel/hbm/timing_judge.c", "tests/hbm/test_timing_judge.c"


def main():
    build = sys.argv[1]
    with open(SOURCE, encoding="utf-8") as file:
        text = file.read()
    missed = planted = 0
    with tempfile.TemporaryDirectory() as folder:
        broken, program = os.path.join(folder, "judge.c"), os.path.join(folder, "test")
        for use in re.finditer(r"\b[a-z]+(?:->timing\.|->)n[A-Z]\w*", text):
            number = text.count("\n", 0, use.start())
            if "snprintf" in text.splitlines()[number - 1] or "tck - limit" in text.splitlines()[number]:
                continue  # the text of a message
            with open(broken, "w", encoding="utf-8") as file:
                file.write(f"{text[:use.start()]}({use.group()} - 1){text[use.end():]}")
            subprocess.run(["cc", "-std=c11", "-D_GNU_SOURCE", "-O1", "-Iinclude", "-I.", TEST, broken, build + "/libduplex.a", "-o",
                            program, "-lcmocka", "-Wl,--allow-multiple-definition"], check=True)
            planted += 1
            if subprocess.run([program], capture_output=True, check=False).returncode == 0:
                missed += 1
                print(f"MISSED {SOURCE}:{number + 1}: {use.group()} - 1")
    print(f"{planted} planted, {planted - missed} found")
    sys.exit(bool(missed) or planted == 0)


if __name__ == "__main__":
    main()
