#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Files of `duplex serve` agree with one another, and options of mode full change what they must: DRAM preset, activation rule, bits of a weight.

usage: tests/serving/outputs.py BUILD
"""
import collections
import csv
import itertools
import json
import pathlib
import subprocess
import sys
import tempfile

SMALL = {"layers": 2, "hidden": 256, "inner": 512, "heads": 8, "kv_heads": 2, "head_size": 128, "vocabulary": 100, "experts": 8, "top_k": 2, "devices": 1}
PARTS = ("fc", "attention_prefill", "attention_decode", "moe", "links", "other")
CLOCKS = {"hbm3_5200": 650e6, "hbm3_6400": 800e6}


def near(value, expected, relative=1e-6):
    assert abs(value - expected) <= relative * abs(expected) + 1e-12, (value, expected)


class Serve:
    def __init__(self, build, folder):
        self.duplex, self.folder = pathlib.Path(build) / "duplex", pathlib.Path(folder)

    def model(self, **keys):
        path = self.folder / "model.json"
        path.write_text(json.dumps({**SMALL, **keys}))
        return path

    def run(self, model, system, *more):
        out = self.folder / "out.json"
        subprocess.run([self.duplex, "serve", "--model", model, "--system", system, "--batch", "16", "--json", out, *more], check=True,
                       stdout=subprocess.DEVNULL)
        return json.loads(out.read_text())


def check_trace(serve):
    """Behind the warm-up all requests of a trace are measured, unless something else is asked for."""
    trace, requests = serve.folder / "arrivals.csv", serve.folder / "requests.csv"
    trace.write_text("arrival_s,input,output\n" + "".join(f"{i},{8 + i},4\n" for i in range(5)))
    for more, first, count in ((), 0, 5), (("--warm-up", "2"), 2, 3), (("--warm-up", "2", "--measured", "1"), 2, 1):
        serve.run("mixtral", "gpu", "--mode", "paper", "--trace", trace, "--requests-out", requests, *more)
        rows = list(csv.DictReader(requests.open()))
        assert [int(row["input"]) for row in rows] == [8 + first + i for i in range(count)], (more, rows)


def check_tables(serve, system):
    """Rows of stages add up to the result; the trace has the same stages, and in each what its processors do."""
    rows, trace = serve.folder / "stages.csv", serve.folder / "trace.json"
    requests = serve.folder / "requests.csv"
    result = serve.run("mixtral", system, "--lin", "200", "--lout", "20", "--warm-up", "5", "--measured", "120", "--stages-out", rows, "--timeline",
                       trace, "--requests-out", requests)
    stages = [{k: float(v) for k, v in row.items()} for row in csv.DictReader(rows.open())]
    total = sum(row["seconds"] for row in stages)
    assert len(stages) == result["stages"]["all"]
    for part in PARTS:
        near(sum(row[f"{part}_s"] for row in stages) / total, result["time_shares"][part])
    near(sum(row["rtl_checked_s"] for row in stages) / total, result["rtl_checked_shares"]["all"])
    near(sum(row["logic_pim_s"] for row in stages) / total, result["logic_pim_utilisation"])
    near(sum(row["dram_j"] + row["comp_j"] for row in stages) / result["tokens"], result["energy_j_per_token"]["total"])
    near(sum(v for k, v in result["energy_j_per_token"].items() if k != "total"), result["energy_j_per_token"]["total"])
    events = json.loads(trace.read_text())["traceEvents"]
    blocks = [e for e in events if e["ph"] == "X" and e["tid"] == 1]
    busy = collections.Counter()
    for block, row in zip(blocks, stages, strict=True):
        near(block["ts"], 1e6 * row["begin_s"], 1e-5)
        near(block["dur"], 1e6 * row["seconds"], 1e-5)
    for e in events:
        if e["ph"] == "X" and e["tid"] > 1:
            busy[e["tid"]] += e["dur"] * 1e-6
            assert any(b["pid"] == e["pid"] and b["ts"] <= e["ts"] + 1e-3 and e["ts"] + e["dur"] <= b["ts"] + b["dur"] + 1e-3 for b in blocks), e
    near(busy[2], sum(row["xpu_s"] for row in stages), 1e-5)
    near(busy[3], sum(row["logic_pim_s"] for row in stages), 1e-5)
    near(busy[4], sum(row["links_s"] for row in stages), 1e-5)
    spans = [e for e in events if e["ph"] in "be"]
    assert len(spans) == 4 * len(requests.read_text().splitlines()[1:]) > 0
    return result


def check_dram(serve):
    """The activation rule costs clocks; a faster DRAM has shorter ones, and each is in experts and in attention."""
    model = serve.model()
    times = ["--measured", "50", "--warm-up", "0", "--lin", "4096", "--lout", "64", "--policy", "pim",
             "--firmware", "native"]  # one table for each, not two
    base = serve.run(model, "duplex-pe-et", *times)
    for option, value, slower in (("--activation-rule", "strict", True), ("--dram-preset", "hbm3_6400", False)):
        other = serve.run(model, "duplex-pe-et", *times, option, value)
        for part in ("moe", "attention_decode"):
            before, after = (r["time_shares"][part] * r["seconds"] for r in (base, other))
            assert before != after and (after > before) == slower, (option, part, before, after)
    long = ["--measured", "20", "--warm-up", "0", "--lin", "16000", "--lout", "20"]
    rates = [serve.run(serve.model(hidden=2048, inner=4096), "gpu", *long, *preset)["layers_mixed"]["moe"]["tflops_per_device"]
             for preset in ([], ["--dram-preset", "hbm3_6400"])]
    assert 0 < rates[0] <= 940 and abs(rates[1] / rates[0] - 1) < 0.01, rates  # arithmetic stays as it is
    faster = other["seconds"] * other["time_shares"]["moe"] / base["seconds"] / base["time_shares"]["moe"]
    assert CLOCKS["hbm3_5200"] / CLOCKS["hbm3_6400"] <= faster < 1, faster


def check_bits(serve):
    """Half the bits of a weight: half the bytes of weights, and no more time, on every system."""
    for system in ("gpu", "duplex", "duplex-pe-et", "bank-pim", "bankgroup-pim"):
        results = [serve.run(serve.model(weight_bits=bits, hidden=4096, inner=4096), system, "--measured", "50", "--warm-up", "0", "--lin", "64")
                   for bits in (8, 4)]
        wide, narrow = (r["layers_decoding_only"]["moe"]["op_per_byte"] for r in results)
        assert 1.7 * wide < narrow < 2 * wide, (system, wide, narrow)
        assert results[1]["throughput_tok_s"] >= results[0]["throughput_tok_s"], system
        assert all(r["rtl_checked_shares"]["all"] == 0 for r in results)


def check_absent(serve):
    """What is not there is left out: a kind of stages that no stage is of, firmware of a system without Logic-PIM, percentiles of
    nothing."""
    for system in ("gpu", "duplex-pe-et"):
        for mode, *more in (("authors", "--measured", "3"), ("full", "--lin", "64", "--lout", "20", "--warm-up", "0", "--measured", "30")):
            there = serve.run("mixtral", system, "--mode", mode, *more)
            for wait in ("tbt_ms", "t2ft_ms", "e2e_ms"):
                assert there[wait].keys() == ({"count", "p50", "p90", "p99", "mean"} if there[wait]["count"] else {"count"}), there[wait]
            assert (there["t2ft_ms"]["count"] > 0) == (mode == "full") and there["tbt_ms"]["count"] > 0
            kinds = {"decoding_only": there["stages"]["decoding_only"], "mixed": there["stages"]["all"] - there["stages"]["decoding_only"]}
            assert (kinds["mixed"] > 0) == (mode == "full") and kinds["decoding_only"] > 0
            for kind, count in kinds.items():
                for name in (f"time_shares_{kind}", f"layers_{kind}"):
                    assert (name in there) == (count > 0), name
                assert (kind in there["rtl_checked_shares"]) == (count > 0), kind
            assert ("firmware" in there) == (mode == "full" and system != "gpu")


# What an option changes, on which systems: all but those that have no units, no Logic-PIM, or their experts on one side alone.
SYSTEMS = ("gpu", "2xgpu", "duplex", "duplex-pe", "duplex-pe-et", "duplex-split", "hetero", "bank-pim", "bankgroup-pim")
UNITS, LOGIC_PIM, TWO_SIDES = set(SYSTEMS[2:]), set(SYSTEMS[2:7]), set(SYSTEMS[2:]) - {"hetero"}
OF_SYSTEMS = {("--partials", "f32"): UNITS, ("--firmware", "native"): UNITS, ("--activation-rule", "strict"): LOGIC_PIM,
              ("--policy", "pim"): TWO_SIDES, ("--policy", "xpu"): TWO_SIDES, ("--imbalance", "zipf:1"): set(SYSTEMS),
              ("--dram-preset", "hbm3_6400"): set(SYSTEMS), ("--copies", "1"): set(), ("--copies", "2"): set(), ("--times", "."): set(),
              ("--measure",): set()}  # the last ones are of tables, which weights of 8 bits do not have
OF_EXPERTS = ("--partials", "--policy", "--imbalance")


def results_of(serve, model, system, *more):
    """What serve says of the same short run; None: an option is refused, with one line that begins with it."""
    out = serve.folder / "out.json"
    done = subprocess.run([serve.duplex, "serve", "--model", model, "--system", system, "--batch", "16", "--lin", "6000", "--lout", "20", "--warm-up",
                           "0", "--measured", "40", "--json", out, *more], capture_output=True, text=True)
    if done.returncode:
        assert done.returncode == 2 and done.stderr.startswith(f"duplex: {more[0]}: ") and done.stderr.count("\n") == 1, done.stderr
        assert "expected" in done.stderr, done.stderr
        return None
    return {key: value for key, value in json.loads(out.read_text()).items() if key not in ("firmware", "imbalance", "measured_kernels")}


# Measured kernels, each alone, and on which systems with two devices the xPU runs such. Products of 8 bits have a roofline, and hetero
# and duplex-split have one xPU a node, or half of it, left.
KERNELS = {"gemm": ("m,n,k,latency_us", "8,64,64,500", set(SYSTEMS)),
           "prefill": ("num_heads,num_key_value_heads,head_dim,batch_size,isl,latency_us", "4,4,64,1,64,500", set(SYSTEMS)),
           "elements": ("bytes,latency_us", "64,500", set(SYSTEMS)),
           "decode": ("num_heads,num_key_value_heads,head_dim,batch_size,length,latency_us", "4,4,64,4,64,500", {"gpu", "2xgpu"}),
           "all_reduce": ("num_gpus,bytes,latency_us", "2,64,500", set(SYSTEMS) - {"hetero", "duplex-split"})}


def check_kernels(serve, model, system, base, wide):
    """A folder with one table changes the results, or is refused. With one that is asked for another one may lie beside it."""
    folder = serve.folder / "kernels"
    folder.mkdir(exist_ok=True)
    for name, (head, row, systems) in KERNELS.items():
        table = folder / f"{name}.csv"
        table.write_text(f"{head}\n{row}\n")
        there = results_of(serve, model, system, "--tables", folder)
        wanted = system in systems and (wide or name != "gemm")
        assert (there is not None) == wanted and there != base, (system, wide, name)
        if not wanted:
            (folder / "prefill.csv").write_text("\n".join(KERNELS["prefill"][:2]) + "\n")
            assert results_of(serve, model, system, "--tables", folder) not in (None, base), (system, wide, name)
        for file in folder.iterdir():
            file.unlink()


def check_idle(serve):
    """An option changes the results, or is refused; a value that is the default one is refused likewise."""
    bits, dense = {"weight_bits": 8}, {"experts": 0, "devices": 2}
    for keys, system in itertools.product((bits, dense), SYSTEMS):
        model = serve.folder / "model.json"
        given = {**SMALL, "devices": 2, **keys}
        model.write_text(json.dumps({k: v for k, v in given.items() if keys is bits or k != "top_k"}))
        base = results_of(serve, model, system)
        assert base, (keys, system)
        for option, systems in OF_SYSTEMS.items():
            there = results_of(serve, model, system, *option)
            wanted = system in systems and (keys is bits or option[0] not in OF_EXPERTS)
            assert (there is not None) == wanted and there != base, (keys, system, option)
        check_kernels(serve, model, system, base, keys is dense)
    for option, system in ((("--partials", "acc"), "gpu"), (("--firmware", "riscv"), "2xgpu"), (("--policy", "default"), "hetero"),
                           (("--copies", "auto"), "duplex"), (("--copies", "1", "--policy", "paper"), "duplex-pe-et"),
                           (("--partials", "f32", "--policy", "xpu"), "duplex-pe-et")):
        assert results_of(serve, "mixtral", system, *option) is None, (option, system)


def main():
    with tempfile.TemporaryDirectory() as folder:
        serve = Serve(sys.argv[1], folder)
        shares = {system: check_tables(serve, system)["rtl_checked_shares"]["all"] for system in ("gpu", "duplex", "duplex-pe-et", "duplex-split", "hetero")}
        assert shares["gpu"] == 0 < min(v for k, v in shares.items() if k != "gpu"), shares
        check_dram(serve)
        check_bits(serve)
        check_absent(serve)
        check_idle(serve)
        check_trace(serve)
    print("serve: tables, traces and results agree; DRAM, activation rule and bits of weights count; idle options are refused")


if __name__ == "__main__":
    main()
