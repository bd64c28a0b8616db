#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Proves with Yosys (equiv_simple, equiv_induct) that the mapped net lists of small units do what their RTL does.

usage: synth/equivalence.py [UNIT[:NAME=VALUE,...]]... [options of synth/synth.py but --top and --set]
"""
import itertools
import sys

sys.dont_write_bytecode = True

import design
import synth

UNITS = "operand", "fifo:WIDTH=4,DEPTH=4", "result_room", "bundle_state", "axi_lite"  # if none is named


def script(run, net):
    """Yosys script: the RTL as `gold`, the net list with the library's functions as `gate`."""
    unit = run.chosen.top
    values = "".join(f" -chparam {k} {v}" for k, v in run.parameters.items())
    return f"""read_verilog -sv -I{run.design.includes} -I{design.COMMON} {' '.join(run.design.files)}
hierarchy -check -top {unit}{values}
proc; flatten; memory_map; opt_clean
rename -top gold
design -stash gold
read_json {net}
read_liberty -overwrite -ignore_miss_func {run.target.path}
hierarchy -top {run.design.top}
proc; flatten; opt_clean
rename -top gate
design -stash gate
design -copy-from gold -as gold gold
design -copy-from gate -as gate gate
equiv_make gold gate equivalent
hierarchy -top equivalent
opt_clean
equiv_simple -undef
equiv_induct -undef
equiv_status -assert
"""


def main(arguments):
    units = list(itertools.takewhile(lambda argument: not argument.startswith("-"), arguments))
    others = arguments[len(units):]
    try:
        for text in units or UNITS:
            unit, _, values = text.partition(":")
            sets = [word for value in values.split(",") if value for word in ("--set", value)]
            run = synth.Run(synth.options(["--top", unit, "--no-timing"] + sets + others))
            run.out.mkdir(exist_ok=True)
            run.netlist(run.design.top)
            path = run.out / "equivalence.ys"
            path.write_text(script(run, run.mapper.netlist(run.design.top)))
            design.run_yosys(path, run.out / "equivalence.log")
            proven = [line for line in (run.out / "equivalence.log").read_text().splitlines() if "proven and" in line][-1].strip()
            print(f"{text}, {run.target.library.name}, flow {run.chosen.flow}: {proven}")
    except (design.FlowError, OSError) as cause:
        print(f"equivalence: {cause}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
