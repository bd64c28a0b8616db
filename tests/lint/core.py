#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""duplex.core against what Verilator reads for the stack: every file that it reads stands in the core, every Verilog file of the core
exists, and the ones that no design reads are only the other DRAM presets. usage: tests/lint/core.py BUILD"""
import pathlib
import re
import shutil
import subprocess
import sys

ROOT = pathlib.Path(__file__).resolve().parents[2]


def files_of_core():
    """The files of each fileset of duplex.core, by its name."""
    sets, name = {}, None
    for line in (ROOT / "duplex.core").read_text().splitlines():
        if found := re.fullmatch(r"  (\w+):", line):
            name = found[1]
        elif found := re.match(r"      - ([\w./]+)", line):
            sets.setdefault(name, []).append(found[1])
    return sets


def read_by_verilator(build, top, options):
    """Every file of the tree that Verilator opens for this top module, from the dependency file that it writes."""
    folder = build / "core"
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    search = [word for room in sorted((ROOT / "rtl").glob("*/")) for word in ("-y", str(room.relative_to(ROOT)))]
    command = ["verilator", "--lint-only", "-MMD", "--Mdir", folder, "--top-module", top, "-Iparams/generated", *search, *options,
               f"rtl/{top}/{top}.v"]
    subprocess.run(command, cwd=ROOT, check=True, stdout=subprocess.DEVNULL)
    text = (folder / f"V{top}__ver.d").read_text().replace("\\\n", " ")
    names = (pathlib.Path(name) for name in text.split(":", 1)[1].split())
    inside = (name.resolve().relative_to(ROOT) if name.is_absolute() and ROOT in name.resolve().parents else name for name in names)
    return {str(name) for name in inside if not name.is_absolute()}


def main():
    build = pathlib.Path(sys.argv[1]).resolve()
    sets = files_of_core()
    core = {name for name in sets["rtl"] if not name.endswith(".vlt")}
    read = read_by_verilator(build, "stack", ["-GCHANNELS=1", "-DDUPLEX_ASSERT"])
    wrong = [f"{name}: Verilator reads it, duplex.core does not have it" for name in sorted(read - core)]
    unread = {name for name in core - read if not re.fullmatch(r"params/generated/dram_\w+\.vh", name)}
    wrong += [f"{name}: in duplex.core, but Verilator does not read it" for name in sorted(unread)]
    wrong += [f"{name}: in duplex.core, but not in the tree" for files in sets.values() for name in files if not (ROOT / name).is_file()]
    if len(read) < 50 or "bench" not in sets:
        wrong.append("duplex.core: expected the filesets rtl and bench, and a stack of 50 files or more")
    print("\n".join(wrong + [f"duplex.core: {len(core)} files of the RTL, {len(read)} read, {len(wrong)} differences"]))
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
