#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""The evaluation of the Duplex paper again by `duplex serve`: tables, pictures, and the error of each cell that is published.

usage: figures/paper.py BUILD [FIGURE ...] [--check | --compare PAGE.html] [--measured N] [--jobs N]
  FIGURE       fig4a fig4b fig5a fig5b fig5c fig5c_batch fig8 fig11 fig12 fig13 fig14 fig15 fig16 claims full copies checked
               charged gap authors authors_throughput authors_energy; without any: all, with --check those that have a limit
  --check      no files: one line a figure, and exit status 1 if a limit of docs/serving.md is missed; one without a limit is not run
  --compare    exit status 1 if a table of the page is not that of this run
  --measured   stages of a closed loop that are measured, and a tenth as many of warm-up (default 10000)
  --jobs       runs at once (default 2)
Writes BUILD/paper/FIGURE.csv, .svg and .png (by gnuplot), and index.html with all of them. What cannot be run ends with exit status 2.
"""
import base64
import concurrent.futures
import csv
import html
import json
import math
import pathlib
import statistics
import subprocess
import sys
import tempfile

from words import check_words, read_words, refuse

ROOT = pathlib.Path(__file__).resolve().parent.parent
LENGTHS = {"mixtral": (256, 1024, 4096), "glam": (512, 1024, 2048), "grok1": (256, 1024, 4096),
           "opt-66b": (256, 1024, 2048), "llama3-70b": (256, 1024, 4096)}
BATCHES = (32, 64, 128)
DUPLEX = ("2xgpu", "duplex", "duplex-pe", "duplex-pe-et")
PARTS = ("fc_dram", "fc_comp", "attn_dram", "attn_comp", "moe_dram", "moe_comp")


class TooShort(Exception):
    """A run of so few stages that it does not have what is asked for."""


class Result(dict):
    """An object in the results of a run."""

    def __missing__(self, key):
        raise TooShort(f"a run has no {key}: expected a greater --measured")


class Runs:
    """Runs of `duplex serve`, each once."""

    def __init__(self, build, measured, jobs, check):
        self.duplex, self.measured, self.check, self.done = build / "duplex", measured, check, {}
        self.pool = concurrent.futures.ThreadPoolExecutor(jobs)
        self.folder = tempfile.TemporaryDirectory()

    def system(self, name, **keys):
        """A file of a built-in system with other values of these keys."""
        path = pathlib.Path(self.folder.name) / f"{name}.json"
        path.write_text(json.dumps({**json.loads((ROOT / f"configs/systems/{name}.json").read_text()), **keys}))
        return path

    def _run(self, words):
        with tempfile.NamedTemporaryFile(suffix=".json") as out:
            subprocess.run([self.duplex, "serve", *words, "--json", out.name], check=True, capture_output=True, text=True)
            return json.load(open(out.name), object_hook=Result)

    def start(self, model, system, batch, lin, lout, *more):
        key = (model, system, batch, lin, lout, *more)
        if key not in self.done:
            length = [] if "--qps" in more else ["--measured", self.measured]
            if "--qps" not in more and "authors" not in more:
                length += ["--warm-up", self.measured // 10]
            mode = [] if "--mode" in more else ["--mode", "paper"]
            words = ["--model", model, "--system", system, *mode, "--batch", batch, "--lin", lin, "--lout", lout, *length, *more]
            self.done[key] = self.pool.submit(self._run, [str(w) for w in words])
        return self.done[key]


def published(name):
    """{(all columns but the last): value} of a file of published values; "off" is None."""
    path = ROOT / "figures/published" / f"{name}.csv"
    lines = [line for line in path.read_text().splitlines() if not line.startswith("#")] if path.exists() else []
    rows = list(csv.reader(lines))[1:]
    return {tuple(row[:-1]): None if row[-1] == "off" else float(row[-1]) for row in rows}


def latencies(result):
    """nan where a run was too short for any."""
    return {f"{key}_{p}": result[f"{key}_ms"].get(p, math.nan) for key in ("tbt", "t2ft", "e2e") for p in ("p50", "p90", "p99")}


# Each figure: names of the columns, and a generator that first starts all its runs and then yields ((columns), value). A value
# is None where a picture of the paper has no point.
def fig4a(runs):
    cells = [(m, b, lo, runs.start(m, "gpu", b, 2048, lo)) for m in ("mixtral", "glam") for b in BATCHES
             for lo in ((256, 1024, 4096) if m == "mixtral" else (512, 1024, 2048))]
    for model, batch, lout, run in cells:
        for stage in ("decoding_only", "mixed"):
            shares = run.result()[f"time_shares_{stage}"]
            for part in shares:
                if part != "attention_prefill" or stage == "mixed":
                    yield (model, batch, lout, stage, part), shares[part]


def fig4b(runs):
    cells = [(m, b, runs.start(m, "gpu", b, 2048, 1024)) for m in ("mixtral", "glam") for b in BATCHES]
    for model, batch, run in cells:
        for stage in ("decoding_only", "mixed"):
            for layer, values in run.result()[f"layers_{stage}"].items():
                if values["op_per_byte"] == 0 or (stage, layer) == ("mixed", "attention_decode"):
                    continue
                for what in ("op_per_byte", "tflops_per_device"):
                    yield (model, batch, stage, layer, what), values[what]


SHAPES_5 = ((256, 256), (2048, 256), (2048, 2048))


def fig5a(runs):
    cells = [(b, li, lo, runs.start("mixtral", "gpu", b, li, lo)) for b in BATCHES for li, lo in SHAPES_5]
    for batch, lin, lout, run in cells:
        stages = run.result()["stages"]
        yield (batch, lin, lout), stages["decoding_only"] / stages["all"]


def fig5b(runs):
    cells = [(li, lo, [runs.start("mixtral", s, 32, li, lo) for s in ("gpu", "hetero")]) for li, lo in SHAPES_5]
    for lin, lout, pair in cells:
        gpu, hetero = (latencies(run.result()) for run in pair)
        for metric in ("tbt_p50", "tbt_p90", "tbt_p99", "t2ft_p50", "e2e_p50"):
            yield (metric, lin, lout), hetero[metric] / gpu[metric]


SHAPES_5C = ((2048, 2048), (2048, 4096), (4096, 4096), (8192, 4096))


def fig5c(runs):
    """`unlimited`: with as much memory as all requests need."""
    systems = {"gpu": "gpu", "limited": "hetero", "unlimited": runs.system("hetero", memory={"gib": 1024})}
    cells = [(li, lo, {name: runs.start("mixtral", s, 128, li, lo) for name, s in systems.items()}) for li, lo in SHAPES_5C]
    for lin, lout, group in cells:
        gpu, *others = ((name, run.result()["throughput_tok_s"]) for name, run in group.items())
        for name, value in others:
            yield (lin, lout, name), value / gpu[1]


def fig5c_batch(runs):
    cells = [(li, lo, runs.start("mixtral", "hetero", 128, li, lo)) for li, lo in SHAPES_5C]
    for lin, lout, run in cells:
        yield (lin, lout), run.result()["batch"]


def fig8(_runs):
    """Energy times delay times area at peak rates, of one product [n, 4096] by [16384, 4096], from configs/constants.json."""
    constants = json.loads((ROOT / "configs/constants.json").read_text())
    for tokens in (1, 2, 4, 8, 16, 32):
        values = {}
        for unit in ("bank_pim", "bankgroup_pim", "logic_pim"):
            c = constants[unit]
            size = 2 * (16384 * 4096 + tokens * (16384 + 4096))
            macs = 16384 * 4096 * tokens
            energy = size * 8 * c["dram_pj_bit"] + macs * c["mac_pj"]
            delay = max(size / c["bandwidth_gb_s"] / 1e9, 2 * macs / c["peak_tflops"] / 1e12)
            values[unit] = energy * delay * c["area_mm2"]
        for unit, value in values.items():
            yield (unit, tokens), value / max(values.values())


def ratios(runs, models, systems, *more):
    cells = [(m, b, le, [runs.start(m, s, b, le, le, *more) for s in ("gpu", *systems)]) for m in models for b in BATCHES for le in LENGTHS[m]]
    for model, batch, length, group in cells:
        gpu, *others = (run.result()["throughput_tok_s"] for run in group)
        for system, value in zip(systems, others):
            yield (model, batch, length, system), value / gpu


def fig11(runs):
    yield from ratios(runs, ("mixtral",) if runs.check else ("mixtral", "glam", "grok1"), DUPLEX)


SEEDS = range(1, 6)


def fig12(runs):
    """The median of several seeds: with constant lengths the places' progress is drawn once, and with it whether more than one of a hundred
    tokens is of a stage with two prompts."""
    cells = [(le, [[runs.start("glam", s, 64, le, le, "--seed", seed) for seed in SEEDS] for s in ("gpu", *DUPLEX)]) for le in LENGTHS["glam"]]
    for length, group in cells:
        drawn = [[latencies(run.result()) for run in seeds] for seeds in group]
        gpu, *others = ({metric: statistics.median(d[metric] for d in seeds) for metric in seeds[0]} for seeds in drawn)
        for system, result in zip(DUPLEX, others):
            for metric in ("tbt_p50", "tbt_p90", "tbt_p99", "t2ft_p50", "e2e_p50"):
                yield (metric, length, system), result[metric] / gpu[metric]


def fig13(runs):
    systems = ("duplex-pe-et", "gpu", "2xgpu")
    cells = {(s, q): runs.start("mixtral", s, 128, 4096, 512, "--qps", q) for s in systems for q in range(4, 17)}
    base = latencies(cells["duplex-pe-et", 4].result())
    for metric in ("tbt_p50", "tbt_p90", "tbt_p99", "t2ft_p50", "e2e_p50"):
        for (system, qps), run in cells.items():
            value = latencies(run.result())[metric] / base[metric]
            yield (metric, system, qps), value


def fig14(runs):
    yield from ratios(runs, ("mixtral", "opt-66b", "llama3-70b"), ("bank-pim", "duplex-pe-et"))


def fig15(runs):
    cells = [(m, b, le, [runs.start(m, s, b, le, le) for s in ("gpu", "duplex-pe-et")])
             for m in (("mixtral",) if runs.check else ("mixtral", "glam", "grok1")) for b in BATCHES for le in LENGTHS[m]]
    for model, batch, length, pair in cells:
        energies = [run.result()["energy_j_per_token"] for run in pair]
        for system, energy in zip(("gpu", "duplex-pe-et"), energies):
            for part in PARTS:
                yield (model, batch, length, system, part), energy[part] / energies[0]["total"]


def fig16(runs):
    yield from ratios(runs, ("mixtral",), ("duplex-split", "duplex-pe-et"))


def claims(runs):
    """What the text of the paper says of its figures."""
    def mean(values):
        return statistics.mean(list(values))
    fig = {name: dict(FIGURES[name][0](runs)) for name in ("fig11", "fig12", "fig13", "fig14", "fig15")}
    def over(one, other, figure="fig11", model=None):
        rows = fig[figure]
        return [v / (1 if other == "gpu" else rows[(*c[:-1], other)]) for c, v in rows.items() if c[-1] == one and model in (None, c[0])]
    yield ("fig11", "PE+ET over GPU: largest"), max(over("duplex-pe-et", "gpu"))
    yield ("fig11", "PE+ET over GPU: geometric mean of 27 cells"), statistics.geometric_mean(over("duplex-pe-et", "gpu"))
    yield ("fig11", "Duplex over GPU: largest"), max(over("duplex", "gpu"))
    yield ("fig11", "PE over Duplex: geometric mean"), statistics.geometric_mean(over("duplex-pe", "duplex"))
    yield ("fig11", "PE+ET over Duplex: largest"), max(over("duplex-pe-et", "duplex"))
    against_bank = over("duplex-pe-et", "bank-pim", "fig14", "mixtral")
    yield ("fig14", "Bank-PIM over GPU at Mixtral: largest"), max(over("bank-pim", "gpu", "fig14", "mixtral"))
    yield ("fig14", "Bank-PIM over GPU at Mixtral 64 256"), fig["fig14"]["mixtral", 64, 256, "bank-pim"]
    yield ("fig14", "PE+ET over Bank-PIM at Mixtral: largest"), max(against_bank)
    yield ("fig14", "PE+ET over Bank-PIM at Mixtral: mean"), mean(against_bank)
    late, lengths = fig["fig12"], LENGTHS["glam"]
    yield ("fig12", "TBT p50 of Duplex under GPU: mean"), mean(late["tbt_p50", le, "duplex"] - 1 for le in lengths)
    for metric, name in (("tbt_p99", "TBT p99"), ("t2ft_p50", "T2FT p50")):
        yield ("fig12", f"{name} of PE+ET under 2xGPU at 512"), late[metric, 512, "duplex-pe-et"] / late[metric, 512, "2xgpu"] - 1
    yield ("fig12", "E2E p50 of PE+ET under GPU: mean"), mean(late["e2e_p50", le, "duplex-pe-et"] - 1 for le in lengths)
    yield ("fig12", "E2E p50 of PE+ET under 2xGPU: mean"), mean(late["e2e_p50", le, "duplex-pe-et"] / late["e2e_p50", le, "2xgpu"] - 1 for le in lengths)
    yield ("fig12", "E2E p50 of GPU over PE+ET: largest"), max(1 / late["e2e_p50", le, "duplex-pe-et"] for le in lengths)
    energy = {}
    for (*cell, system, _), value in fig["fig15"].items():
        if system == "duplex-pe-et":
            energy[tuple(cell)] = energy.get(tuple(cell), -1) + value
    for model in ("mixtral", "glam", "grok1"):
        yield ("fig15", f"energy of Duplex under GPU at {model}: largest"), min(v for c, v in energy.items() if c[0] == model)
    yield ("fig15", "energy of Duplex under GPU: mean of 27 cells"), mean(energy.values())
    rows = [(cell, value, None) for cell, value in fig["fig13"].items()]
    for system, name in (("gpu", "GPU"), ("2xgpu", "2xGPU"), ("duplex-pe-et", "Duplex")):
        yield ("fig13", f"last rate of {name}"), knee(rows, system)


def as_authors(runs):
    """[(batch, length, results by system)] in mode authors; `gpu` is the first system."""
    cells = [(b, le, {s: runs.start("mixtral", s, b, le, le, "--mode", "authors") for s in ("gpu", *DUPLEX, "bank-pim")})
             for b in BATCHES for le in (256, 1024, 2048)]
    return [(batch, length, {system: run.result() for system, run in group.items()}) for batch, length, group in cells]


def authors(runs):
    for batch, length, group in as_authors(runs):
        for system, result in group.items():
            yield (batch, length, system), result["tbt_ms"]["mean"]


def authors_throughput(runs):
    for batch, length, group in as_authors(runs):
        gpu = group["gpu"]["throughput_tok_s"]
        for system, result in group.items():
            yield (batch, length, system), gpu if system == "gpu" else result["throughput_tok_s"] / gpu


def authors_energy(runs):
    """With the error of that simulator, which counts twice what Logic-PIM reads, as it was published; and without."""
    for batch, length, group in as_authors(runs):
        for counted in ("twice", "once"):
            energy = {s: r["energy_j_per_token_counted_twice"] if counted == "twice" else r["energy_j_per_token"]["total"]
                      for s, r in group.items()}
            for system, value in energy.items():
                yield (batch, length, system, counted), 1e3 * value if system == "gpu" else value / energy["gpu"]


def full(runs):
    """Fig. 11 with everything charged, beside what the paper has for its idealisation."""
    yield from ratios(runs, ("mixtral", "glam", "grok1"), DUPLEX, "--mode", "full")


def layer_us(result):
    return result["seconds"] / result["stages"]["all"] / 32 * 1e6


def once_and_twice(runs, models):
    """[(model, batch, length, copies, GPU's result, result of Duplex+PE+ET)] in mode full: with one copy of each expert, and with two
    where these are chosen."""
    ways = (("gpu", ()), ("duplex-pe-et", ("--copies", 1)), ("duplex-pe-et", ()))
    cells = [(m, b, le, [runs.start(m, s, b, le, le, "--mode", "full", *more) for s, more in ways])
             for m in models for b in BATCHES for le in LENGTHS[m]]
    for model, batch, length, group in cells:
        gpu, once, chosen = (run.result() for run in group)
        yield model, batch, length, 1, gpu, once
        if chosen["copies"] == 2:
            yield model, batch, length, 2, gpu, chosen


def copies(runs):
    for model, batch, length, number, gpu, duplex in once_and_twice(runs, ("mixtral", "glam", "grok1")):
        yield (model, batch, length, number), duplex["throughput_tok_s"] / gpu["throughput_tok_s"]


def unequal_sides(result):
    """Microseconds a layer, of all stages: experts of those that only decode, less the mean of what both sides work on them."""
    whole, decoding, mixed = (result[key]["moe"] for key in ("time_shares", "time_shares_decoding_only", "time_shares_mixed"))
    weight = (whole - mixed) / (decoding - mixed)  # of these stages, in the time
    works = result["layers_decoding_only"]["moe"]
    return layer_us(result) * weight * (decoding - (works["xpu_share"] + works["logic_pim_share"]) / 2)


def gap(runs):
    """Microseconds a layer that Duplex+PE+ET takes longer than the paper's ratio allows beside this GPU, and where they are."""
    there = published("fig11")
    for model, batch, length, number, gpu, duplex in once_and_twice(runs, ("mixtral",)):
        layer = layer_us(duplex)
        item = {name: share * layer for name, share in {**duplex["time_shares"], **duplex["charged_shares"]}.items()}
        allowed = layer_us(gpu) / there[model, str(batch), str(length), "duplex-pe-et"]
        parts = {"decision": item["decision"], "tokens and sums": item["tokens_to_stacks"] + item["partial_sums"],
                 "jobs, hand-over, firmware": item["hand_over"] + item["firmware"], "unequal sides": unequal_sides(duplex)}
        whole = {"gpu": layer_us(gpu), "duplex-pe-et": layer, "allowed": allowed, "gap": layer - allowed}
        for name, value in {**whole, **parts, "the rest": layer - allowed - sum(parts.values())}.items():
            yield (batch, length, number, name), value


def checked(runs):
    """Share of the time on clocks of the cycle model, in the cells of `full`."""
    cells = [(m, b, le, s, runs.start(m, s, b, le, le, "--mode", "full")) for m in ("mixtral", "glam", "grok1") for b in BATCHES
             for le in LENGTHS[m] for s in DUPLEX[1:]]
    for *cell, run in cells:
        for stage in ("decoding_only", "mixed"):
            yield (*cell, stage), run.result()["rtl_checked_shares"][stage]


def charged(runs):
    """Microseconds a layer of each part and of what is charged, Mixtral."""
    cells = [(b, le, s, n, runs.start("mixtral", s, b, le, le, "--mode", "full", *(("--copies", n) if n else ())))
             for b, le in ((32, 4096), (128, 256)) for s, n in (("duplex-pe-et", 2), ("duplex-pe-et", 1), ("gpu", ""))]
    for *cell, run in cells:
        result = run.result()
        layer = layer_us(result)
        for item, share in {**result["time_shares"], **result["charged_shares"]}.items():
            if item != "other":
                yield (*cell, item), share * layer


FIGURES = {
    "fig4a": (fig4a, "model,batch,lout,stage,part", "Shares of the time of a stage on GPU, Lin 2048"),
    "fig4b": (fig4b, "model,batch,stage,layer,quantity", "Operations a byte and TFLOP/s of a GPU, Lin 2048, Lout 1024"),
    "fig5a": (fig5a, "batch,lin,lout", "Share of the stages that only decode, Mixtral, 4 GPUs"),
    "fig5b": (fig5b, "metric,lin,lout", "Latency of Hetero over GPU, Mixtral, batch 32"),
    "fig5c": (fig5c, "lin,lout,memory", "Throughput of Hetero over GPU, Mixtral, batch 128"),
    "fig5c_batch": (fig5c_batch, "lin,lout", "Requests in flight that the memory of Hetero has room for, Mixtral, batch 128"),
    "fig8": (fig8, "unit,op_b", "Energy times delay times area, over the worst of each column"),
    "fig11": (fig11, "model,batch,length,system", "Throughput over GPU"),
    "fig12": (fig12, "metric,length,system", "Latency over GPU, GLaM, batch 64"),
    "fig13": (fig13, "metric,system,qps", "Latency by requests a second, Mixtral (4096, 512), over Duplex at 4"),
    "fig14": (fig14, "model,batch,length,system", "Throughput over GPU, Bank-PIM and Duplex"),
    "fig15": (fig15, "model,batch,length,system,part", "Energy of a token over the total of GPU"),
    "fig16": (fig16, "model,batch,length,system", "Throughput over GPU, split and together"),
    "claims": (claims, "figure,what", "What the text of the paper says of its figures"),
    "full": (full, "model,batch,length,system", "Throughput over GPU, mode full, beside the paper"),
    "checked": (checked, "model,batch,length,system,stage", "Share of the time on RTL-checked clocks, mode full"),
    "copies": (copies, "model,batch,length,copies", "Throughput of Duplex+PE+ET over GPU, mode full, one copy of each expert and two"),
    "charged": (charged, "batch,length,system,copies,item", "Microseconds a layer of Mixtral, mode full"),
    "gap": (gap, "batch,length,copies,item", "Microseconds a layer of Mixtral beyond what the published ratio allows, mode full"),
    "authors": (authors, "batch,length,system", "Milliseconds between tokens, mode authors"),
    "authors_throughput": (authors_throughput, "batch,length,system", "Throughput over GPU, of gpu tokens a second, mode authors"),
    "authors_energy": (authors_energy, "batch,length,system,counted", "Energy of a token over GPU, of gpu millijoule, mode authors"),
}


def rows_of(name, runs):
    """[(columns, ours, published or None)]"""
    known = published("fig11" if name in ("full", "copies") else name)
    key = (lambda cell: (*cell[:3], "duplex-pe-et")) if name == "copies" else tuple
    return [(cell, ours, known.get(tuple(str(c) for c in key(cell)))) for cell, ours in FIGURES[name][0](runs)]


def errors(rows):
    return [abs(ours / there - 1) for _, ours, there in rows if there]


def knee(rows, system):
    """The last integer rate of requests up to which the median time to the first token is at most 5 times Duplex's at 4."""
    return max(cell[2] for cell, ours, _ in rows if cell[0] == "t2ft_p50" and cell[1] == system and ours <= 5)


def check_fig11(rows):
    value = {cell: ours for cell, ours, _ in rows}
    found = errors(rows)
    signs = [value["mixtral", 128, le, "duplex"] < value["mixtral", 128, le, "2xgpu"] for le in (256, 1024)]
    signs.append(value["mixtral", 128, 4096, "duplex-pe-et"] < value["mixtral", 128, 4096, "duplex-pe"])
    good = len(found) == 36 and sum(found) / 36 <= 0.05 and max(found) <= 0.12 and all(signs)
    return good, f"mean error {sum(found) / 36:.4f} (at most 0.05), worst {max(found):.4f} (0.12), {sum(signs)} of {len(signs)} signs"


def check_fig15(rows):
    parts = [abs(ours - there) for _, ours, there in rows if there is not None]
    totals = {}
    for cell, ours, there in rows:
        if there is not None:
            total = totals.setdefault(cell[:4], [0, 0])
            total[0] += ours
            total[1] += there
    worst = max(abs(a - b) for a, b in totals.values())
    return len(parts) == 108 and max(parts) <= 0.02 and worst <= 0.02, f"worst part {max(parts):.4f}, worst total {worst:.4f} (at most 0.02)"


def check_fig8(rows):
    value = {cell: ours for cell, ours, _ in rows}
    crosses = value["bank_pim", 4] < value["logic_pim", 4] and value["bank_pim", 8] > value["logic_pim", 8]
    worst = max(errors(rows))
    return worst <= 0.15 and crosses, f"worst {worst:.4f} (at most 0.15), crossover between 4 and 8: {crosses}"


def check_fig13(rows):
    gpu, duplex = knee(rows, "gpu"), knee(rows, "duplex-pe-et")
    return abs(gpu - 9) <= 1 and abs(duplex - 14) <= 1, f"knees {gpu} (9) and {duplex} (14), each within 1"


def check_authors(rows):
    """Of times, throughputs and energies: all 54 cells of the published table."""
    found = errors(rows)
    return len(found) == 54 and max(found) <= 0.03, f"{len(found)} of 54 cells, worst {max(found):.4f} (at most 0.03)"


CHECKS = {"fig8": check_fig8, "fig11": check_fig11, "fig13": check_fig13, "fig15": check_fig15, "authors": check_authors,
          "authors_throughput": check_authors, "authors_energy": check_authors}


def say(rows):
    found = errors(rows)
    return f"{len(rows)} cells, {len(found)} published" + (f", mean error {100 * sum(found) / len(found):.1f}%, worst {100 * max(found):.1f}%"
                                                           if found else "")


def write_csv(path, columns, rows):
    with open(path, "w", newline="") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow([*columns.split(","), "ours", "published", "error"])
        for cell, ours, there in rows:
            writer.writerow([*cell, f"{ours:.6g}", "" if there is None else there, f"{ours / there - 1:.4f}" if there else ""])


# Figures whose GPU has a unit of its own beside the ratios of the others.
LOGARITHMIC = ("authors_throughput", "authors_energy")


def boxes(title, rows, logarithmic):
    """Ours as boxes and what is published as points, in the order of the table."""
    most = max(max(ours, there or 0) for _, ours, there in rows)
    cut = min(most, 6) if title.startswith("Latency by") else most
    least = 1.08 * min(0, *(ours for _, ours, _ in rows))
    data = "\n".join(f"{i} {min(ours, cut):.6g} {'NaN' if there is None else there}" for i, (_, ours, there) in enumerate(rows))
    step = max(1, len(rows) // 40)
    labels = ", ".join(f"'{' '.join(map(str, cell)).replace('_', '-')}' {i}" for i, (cell, _, _) in enumerate(rows) if i % step == 0)
    return f"""set style fill solid 0.5
set boxwidth 0.8
{f"set logscale y; set yrange [0.1:{2 * most:.6g}]" if logarithmic else f"set yrange [{least:.6g}:{1.08 * cut:.6g}]"}
set xrange [-1:{len(rows)}]
set xtics rotate by -60 ({labels}) font ',8'
set key top left
set bmargin 11
$data << EOD
{data}
EOD
plot $data using 1:2 with boxes lc rgb '#3070b0' title 'here', $data using 1:3 with points pt 7 ps 0.5 lc rgb '#d04020' title 'published'
"""


def roofline(rows):
    """TFLOP/s over operations a byte: a point of each type of layer, and the bounds of the GPU."""
    value = {cell: (ours, there) for cell, ours, there in rows}
    constants = json.loads((ROOT / "configs/constants.json").read_text())
    mode, gpu = constants["paper"], constants["xpu"]
    peak, rate = gpu["peak_tflops"] * mode["xpu_compute_share"], gpu["bandwidth_gb_s"] * mode["xpu_bandwidth_share"] * 1e-3
    series = {}
    for (model, batch, stage, layer, what) in value:
        if what == "op_per_byte":
            pair = value[model, batch, stage, layer, what], value[model, batch, stage, layer, "tflops_per_device"]
            series.setdefault(f"{model} {stage} {layer}".replace("_", "-"), []).append((pair[0][0], pair[1][0], pair[0][1], pair[1][1]))
    texts = [f"$s{i} << EOD\n" + "\n".join(" ".join("NaN" if v is None else f"{v:.6g}" for v in point) for point in points) + "\nEOD\n"
             for i, points in enumerate(series.values())]
    plots = [f"$s{i} using 1:2 with points pt {i % 7 + 4} title '{name}'" for i, name in enumerate(series)]
    titles = ("title 'published'", "notitle")
    plots += [f"$s{i} using 3:4 with points pt 1 lc rgb '#d04020' {titles[bool(i)]}" for i in range(len(series))]
    return ("".join(texts) + "set logscale xy\nset xlabel 'operations a byte of DRAM'\nset ylabel 'TFLOP/s of a device'\nset key outside right\n"
            f"plot [0.5:3000] (x * {rate} < {peak} ? x * {rate} : {peak}) with lines lc rgb '#808080' title 'bound', " + ", ".join(plots) + "\n")


TERMINALS = {".svg": "svg size 1100,460 font 'sans,10' background rgb 'white'", ".png": "pngcairo size 1100,460 font 'sans,10'"}


def draw(path, name, rows):
    """A picture as SVG and as PNG; returns the SVG."""
    title = FIGURES[name][2]
    plot = roofline(rows) if name == "fig4b" else boxes(title, rows, name in LOGARITHMIC)
    for suffix, terminal in TERMINALS.items():
        script = f"set terminal {terminal}\nset title '{title}'\n{plot}"
        picture = subprocess.run(["gnuplot"], input=script.encode(), check=True, capture_output=True).stdout
        path.with_suffix(suffix).write_bytes(picture)
    return path.with_suffix(".svg").read_text()


def table(name, rows):
    columns = FIGURES[name][1].split(",")
    lines = "".join("<tr>" + "".join(f"<td>{html.escape(str(c))}" for c in cell) + f"<td>{ours:.3f}<td>" + ("" if there is None else f"{there:g}")
                    + "<td>" + (f"{100 * (ours / there - 1):+.1f}%" if there else "") + "\n" for cell, ours, there in rows)
    head = "".join(f"<th>{c}" for c in (*columns, "here", "published", "error"))
    return f"<table><tr>{head}\n{lines}</table>"


PAGE_BEGIN = "<!doctype html><html lang='en'><meta charset='utf-8'><title>Duplex: the paper's evaluation</title>"


def page(out, figures):
    """One file with all pictures and tables."""
    body = []
    for name, rows in figures.items():
        picture = base64.b64encode((out / f"{name}.png").read_bytes()).decode()
        body.append(f"<h2 id='{name}'>{name}: {html.escape(FIGURES[name][2])}</h2><p>{say(rows)}</p><p>{NOTES.get(name, '')}</p>\n"
                    f"<img alt='{name}' src='data:image/png;base64,{picture}'>\n<details><summary>Table</summary>\n{table(name, rows)}\n</details>\n")
    links = " ".join(f"<a href='#{name}'>{name}</a>" for name in figures)
    return (PAGE_BEGIN + "<style>body{font-family:sans-serif;"
            "margin:2em;max-width:1150px}td,th{padding:1px 8px;text-align:right;font-size:90%}</style><h1>The paper's evaluation</h1>"
            "<p>Made by <code>make paper</code>: mode <code>paper</code> of <code>duplex serve</code>, and where it is said mode <code>full</code> or "
            "<code>authors</code>, beside the values of the figures of the MICRO 2024 paper (arXiv 2409.01141) where they are known. Every value is "
            f"of a run, by the formulas and constants of docs/serving.md.</p><p>{links}</p>\n" + "".join(body) + "</html>\n")


# What a picture does not say.
NOTES = {
    "fig4b": "Decoding points lie lower than the published ones by the GPU's bandwidth: 0.80 of the peak here, as in Fig. 11, and 0.98 there.",
    "fig5c": "The published values are above what this system can reach: two Logic-PIM devices of 107.3 TFLOP/s take at least 13.4 ms for the experts "
             "of a stage of 128 decoding tokens, and 228 ms with a prompt of 2048, which Fig. 5b shows. By these bounds alone the first ratio is at "
             "most 0.60 (docs/serving.md). Unlimited: with memory for all 128 requests.",
    "fig5b": "Constant lengths make every prompt alike, so p90 of (256, 256) is either a stage with a prompt or one without.",
    "copies": "One copy of each expert, or two, where these have room beside K and V and are faster.",
    "gap": "Allowed: what the published ratio of Fig. 11 allows beside the time of this GPU. Unequal sides: of stages that only decode, the "
           "experts' time less the mean of what both sides work. The rest: whole groups of 8 tokens and the better GPU, less what Duplex wins by "
           "the same links and attention.",
    "fig12": "Each value is of the median of five seeds. What the text of the paper says of this figure is in `claims`.",
    "fig13": "The knees of the median time to the first token are those of the picture of the paper within one request a second; before and behind "
             "a knee a cell may be off by several times its value (docs/serving.md).",
    "claims": "The values as the text prints them. Its means are those of all cells of a figure.",
    "authors_energy": "That simulator counts twice what Logic-PIM reads from DRAM; its values are published with this error only.",
}


def tell(name, text, good):
    print(f"{name}: {text}{'' if good else ', FAILED'}", flush=True)
    return good


def check_figures(names, runs):
    """Whether all limits are kept; a figure without one is not run."""
    good = True
    for name in names:
        kept, text = CHECKS[name](rows_of(name, runs)) if name in CHECKS else (True, "no limit")
        good &= tell(name, text, kept)
    return good


def make_figures(names, runs, out, there):
    """Writes tables, pictures and the page of all; whether the tables are those of the page `there`, if there is one."""
    good, made = True, {}
    out.mkdir(exist_ok=True)
    for name in names:
        made[name] = rows = rows_of(name, runs)
        write_csv(out / f"{name}.csv", FIGURES[name][1], rows)
        draw(out / name, name, rows)
        good &= tell(name, say(rows), there is None or table(name, rows) in there)
    (out / "index.html").write_text(page(out, made))
    print(out / "index.html")
    return good


def main():
    words, options, check = read_words(__doc__, PAGE_BEGIN)
    check_words(words, options, check, FIGURES)
    build, names = pathlib.Path(words[0]), words[1:]
    runs = Runs(build, options["--measured"], options["--jobs"], check)
    try:
        good = (check_figures(names or CHECKS, runs) if check
                else make_figures(names or FIGURES, runs, build / "paper", options["--compare"]))
    except subprocess.CalledProcessError as error:
        runs.pool.shutdown(cancel_futures=True)
        refuse(f"{pathlib.Path(error.cmd[0]).name} ended with status {error.returncode}: {error.stderr.strip()}")
    except (OSError, TooShort) as error:
        runs.pool.shutdown(cancel_futures=True)
        refuse(error)
    sys.exit(0 if good else 1)


if __name__ == "__main__":
    main()
