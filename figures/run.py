#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""A picture of one run of `duplex serve`: time and energy by part, and latencies.

usage: figures/run.py RESULT.json OUT.svg|OUT.png
"""
import json
import pathlib
import subprocess
import sys

PARTS = ("fc", "attention_prefill", "attention_decode", "moe", "links", "other")
ENERGIES = ("fc_dram", "fc_comp", "attn_dram", "attn_comp", "moe_dram", "moe_comp", "other")
TERMINALS = {".svg": "svg size 1100,400 font 'sans,11' background rgb 'white'", ".png": "pngcairo size 1100,400 font 'sans,11'"}


def boxes(title, label, names, values):
    """One plot of named boxes."""
    rows = "\n".join(f"{i} {v:.9g}" for i, v in enumerate(values))
    tics = ", ".join(f"'{n.replace('_', ' ')}' {i}" for i, n in enumerate(names))
    return (f"$data << EOD\n{rows}\nEOD\nset title '{title}'\nset ylabel '{label}'\nset yrange [0:*]\nset xrange [-0.7:{len(names) - 0.3}]\n"
            f"set xtics rotate by -50 ({tics})\nplot $data using 1:2 with boxes notitle\n")


def refuse(text):
    print(f"figures/run.py: {text}", file=sys.stderr)
    sys.exit(2)


def main():
    if len(sys.argv) != 3:
        refuse("expected RESULT.json and OUT.svg or OUT.png")
    if pathlib.Path(sys.argv[2]).suffix not in TERMINALS:
        refuse(f"{sys.argv[2]}: expected a name that ends with .svg or .png")
    try:
        result = json.loads(pathlib.Path(sys.argv[1]).read_text())
        shares, energy = result["time_shares"], result["energy_j_per_token"]
        latencies = [(f"{m} {p}", result[f"{m}_ms"][p]) for m in ("tbt", "t2ft") for p in ("p50", "p90", "p99")
                     if result[f"{m}_ms"]["count"]]
        what = f"{result['model']} on {result['system']}, mode {result['mode']}: {result['throughput_tok_s']:.0f} tokens/s".replace("'", "")
    except (OSError, ValueError, KeyError, TypeError) as error:
        refuse(f"{sys.argv[1]}: {error}, expected the JSON of duplex serve")
    script = "".join((f"set terminal {TERMINALS[pathlib.Path(sys.argv[2]).suffix]}\nset multiplot layout 1,3 title \"{what.replace('_', ' ')}\"\n"
                      "set style fill solid 0.5\nset boxwidth 0.7\nset linetype 1 lc rgb '#3070b0'\nset bmargin 9\n",
                      boxes("time", "% of the time", PARTS, [100 * shares[p] for p in PARTS]),
                      boxes("energy", "mJ a token", ENERGIES, [1e3 * energy[e] for e in ENERGIES]),
                      boxes("latency", "ms", *zip(*latencies)), "unset multiplot\n"))
    try:
        picture = subprocess.run(["gnuplot"], input=script.encode(), check=True, capture_output=True).stdout
        pathlib.Path(sys.argv[2]).write_bytes(picture)
    except OSError as error:
        refuse(error)


if __name__ == "__main__":
    main()
