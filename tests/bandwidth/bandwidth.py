#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Measures the bandwidth of Logic-PIM and of the xPU beside it, and fails below the targets (docs/dram.md).

usage: bandwidth.py BUILD [--sample] [--seed S] [--threads N]
  --sample   rank switch 0 only, one shape, every other number of owned bundles with either rule, two experts in turn
             with one rule on 2 channels, the shortest expert on the C model only, two numbers of tokens: half a minute instead of many
Streams of an expert GEMM for every number of owned bundles and both activation rules: the C model with 32 channels, the RTL with 2
and the rows of a full channel. Whole experts on 32 channels of both; tokens. Clocks, counters and bytes of the RTL have to be those
of the C model, and every DRAM command is judged. Prints tables, targets beside them; exit status 1 if anything is below.
"""
import argparse
import os
import sys
import tempfile

from command import Command

HIDDEN, INNER = 4096, 14336
RULES = ("paper", "strict")
# bundles owned -> (name, option, target of rule paper, of rule strict)
OWNED = [(4, "0,1,2,3", 0.985, 0.97), (3, "0,1,2", 0.96, 0.95), (2, "0,1", 0.95, 0.93), (1, "0", 0.70, 0.55)]
XPU_TARGET = 0.95
EXPERTS = [("a whole expert", INNER, 0.96), ("a fifth", 2868, 0.93), ("a twentieth", 717, 0.85)]
TOKENS = [1, 8, 9, 16, 17, 24, 32, 64]
SAMPLE_TOKENS = [1, 17]
RESIDENT = 16


class Measure(Command):
    def __init__(self, options, folder):
        super().__init__(options.build, options.seed, options.threads, folder)
        self.failures = []

    def fail(self, text):
        self.failures.append(text)
        print(f"FAILED: {text}")

    def rtl(self, what, arguments, channels, rank_switch=0, strict=False):
        """A run on the RTL, which has to be that of the C model in everything."""
        measured = self.run(arguments, "rtl", channels)
        if measured != self.run(arguments, "cmodel", channels) or not self.same_output():
            self.fail(f"{what}: RTL and C model differ")
        violation = self.violation("hbm3_5200", rank_switch, strict)
        if violation:
            self.fail(f"{what}: {violation}")
        return measured

    def below(self, what, value, target):
        if value < target:
            self.fail(f"{what}: {value:.4f} is below {target}")


def stream_rows(measure, rows, arguments, **timing):
    """Both shapes on one back end: what the streams reach, and the xPU."""
    results = []
    for inputs, outputs in rows:
        case = ["gemm", "--x", measure.tensor(8, inputs, 1), "--w", measure.tensor(outputs, inputs, 0.02), *arguments]
        what = f"{inputs} x {outputs} {' '.join(arguments)}"
        stats = measure.rtl(what, case, 2, **timing) if timing else measure.run(case, "cmodel", 32)
        results.append((what, stats["stream_bandwidth_utilisation"], stats["xpu_bandwidth_utilisation"]))
    return results


def streams(measure, rank_switch, shapes, sample):
    print(f"\nStreams of an expert GEMM, 8 tokens, refresh on, rank switch {rank_switch} tCK: stream_bandwidth_utilisation (xPU: share "
          "of its own peak)")
    print(f"{'':8}{'':8}{'C model, 32 channels':^38}{'RTL, 2 channels':^38}{'':8}")
    print(f"{'rule':8}{'bundles':8}" + 2 * f"{'K 4096':>10}{'K 14336':>10}{'xPU least':>14}    " + f"{'target':>8}")
    for strict, rule in enumerate(RULES):
        for count, bundles, *targets in OWNED:
            if sample and count % 2 != strict:
                continue
            arguments = ["--bundles", bundles, "--activation-rule", rule, "--rank-switch", str(rank_switch), "--xpu-traffic",
                         "none" if count == 4 else "stream"]
            line = f"{rule:8}{count:<8}"
            full = [(HIDDEN, INNER), (INNER, HIDDEN)][:shapes]
            for results in (stream_rows(measure, full, arguments),
                            stream_rows(measure, [(k, n // 16) for k, n in full], arguments, rank_switch=rank_switch,
                                        strict=bool(strict))):
                for what, reached, xpu in results:
                    if rank_switch == 0:
                        measure.below(what, reached, targets[strict])
                    if count < 4:
                        measure.below(f"{what}, xPU", xpu, XPU_TARGET)
                shown = [f"{reached:10.4f}" for _, reached, _ in results] + (2 - len(results)) * [f"{'-':>10}"]
                line += "".join(shown) + (f"{min(r[2] for r in results):14.4f}" if count < 4 else f"{'idle':>14}") + "    "
            print(line + f"{targets[strict]:8.3f}" + ("" if rank_switch == 0 else " (at 0)"), flush=True)


def spaces(measure, rules, sample):
    """The paper's placement, one expert in one memory space: two of them streaming in turn. One alone is the stream of one bundle."""
    print("\nTwo experts in one memory space each, in turn, the xPU streaming from the others, K 4096, N 14336 (RTL: 896), 8 tokens:"
          " stream_bandwidth_utilisation")
    print(f"{'rule':8}{'C model, 32 channels':>22}{'RTL, 2 channels':>18}{'xPU least':>12}{'target':>8}")
    for strict, rule in enumerate(rules):
        target = OWNED[2][2 + strict]
        reached, xpu = [], []
        for outputs, channels in ((INNER // 16, 2),) if sample else ((INNER, 32), (INNER // 16, 2)):
            case = ["gemm", "--x", measure.tensor(8, HIDDEN, 1, pair=True), "--w", measure.tensor(outputs, HIDDEN, 0.02, pair=True),
                    "--bundles", "0,1", "--activation-rule", rule, "--xpu-traffic", "stream"]
            what = f"two in turn, rule {rule}, {channels} channels"
            stats = measure.rtl(what, case, 2, strict=bool(strict)) if channels == 2 else measure.run(case, "cmodel", channels)
            reached.append(stats["stream_bandwidth_utilisation"])
            xpu.append(stats["xpu_bandwidth_utilisation"])
            measure.below(what, reached[-1], target)
            measure.below(what + ", xPU", xpu[-1], XPU_TARGET)
        model = "-" if sample else f"{reached[0]:.4f}"
        print(f"{rule:8}{model:>22}{reached[-1]:18.4f}{min(xpu):12.4f}{target:8.2f}", flush=True)


def expert(measure, inner):
    return ["expert", "--x", measure.tensor(8, HIDDEN, 1), "--gate", measure.tensor(inner, HIDDEN, 0.02), "--up",
            measure.tensor(inner, HIDDEN, 0.02), "--down", measure.tensor(HIDDEN, inner, 0.02)]


def experts(measure, cases, on_rtl):
    print(f"\nWhole experts, doorbell to completion, hidden size {HIDDEN}, 8 tokens, 32 channels, four bundles: bandwidth_utilisation")
    print(f"{'':16}{'inner size':>12}{'clocks':>10}{'reached':>10}{'target':>8}")
    for name, inner, target in cases:
        case = expert(measure, inner)
        stats = measure.rtl(name, case, 32) if name in on_rtl else measure.run(case, "cmodel", 32)
        reached = stats["bandwidth_utilisation"]
        print(f"{name:16}{inner:12}{stats['cycles']:10}{reached:10.4f}{target:8.2f}  {'C model and RTL' if name in on_rtl else 'C model'}",
              flush=True)
        measure.below(name, reached, target)


def tokens(measure, counts):
    print(f"\nTokens, K {HIDDEN}, N {INNER}, 32 channels: clocks, and DRAM read bytes without those of the activations")
    print(f"{'tokens':>8}{'clocks':>10}{'a group of 8':>14}{'weight bytes':>14}")
    first = None
    for count in counts:
        groups = (count + 7) // 8
        stats = measure.run(["gemm", "--x", measure.tensor(count, HIDDEN, 1), "--w", measure.tensor(INNER, HIDDEN, 0.02)], "cmodel",
                            32)
        read = stats["dram_read_bytes"] - groups * HIDDEN // 64 * 1024
        first = first or (stats["cycles"], read)
        print(f"{count:8}{stats['cycles']:10}{stats['cycles'] / groups:14.0f}{read:14}", flush=True)
        if abs(stats["cycles"] / (groups * first[0]) - 1) > 0.03:
            measure.fail(f"{count} tokens: {stats['cycles']} clocks, expected about {groups} times {first[0]}")
        if read != first[1] * ((count + RESIDENT - 1) // RESIDENT):
            measure.fail(f"{count} tokens: {read} bytes of weights")


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("build")
    parser.add_argument("--sample", action="store_true")
    parser.add_argument("--seed", type=int, default=int(os.environ.get("DUPLEX_SEED", "1")))
    parser.add_argument("--threads", type=int, default=1)
    options = parser.parse_args()
    print(f"seed {options.seed}")
    with tempfile.TemporaryDirectory() as folder:
        measure = Measure(options, folder)
        for rank_switch in [0] if options.sample else [0, 1, 2]:
            streams(measure, rank_switch, 1 if options.sample else 2, options.sample)
        spaces(measure, RULES[:1] if options.sample else RULES, options.sample)
        if options.sample:
            experts(measure, EXPERTS[-1:], [])
        else:
            experts(measure, EXPERTS, [name for name, _, _ in EXPERTS])
        tokens(measure, SAMPLE_TOKENS if options.sample else TOKENS)
    print(f"\n{len(measure.failures)} below target or different" if measure.failures else "\nall targets reached, RTL and C model equal")
    sys.exit(bool(measure.failures))


if __name__ == "__main__":
    main()
