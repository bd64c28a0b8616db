#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""duplex sweep: the results of duplex serve in a table, whatever runs at once; kept and failed points; a sweep that was ended goes on.

usage: tests/cli/sweep.py BUILD    a line for each check, and exit status 1 if one fails
"""
import csv
import itertools
import json
import pathlib
import re
import signal
import subprocess
import sys
import tempfile
import time

DUPLEX = pathlib.Path(sys.argv[1]).resolve() / "duplex"
OPTIONS = {"model": "mixtral", "mode": "paper", "warm-up": 5, "measured": 60}
GRID = {"system": ["gpu", "duplex-pe-et"], "batch": [8, 32], "len-sd": [0, 0.25]}
failures = []


def expect(what, good):
    print(("ok   " if good else "FAIL ") + what)
    if not good:
        failures.append(what)


def sweep(folder, *arguments):
    return subprocess.run([DUPLEX, "sweep", *map(str, arguments)], cwd=folder, capture_output=True, text=True)


def write(folder, name, options, grid):
    (folder / name).write_text(json.dumps({"options": options, "grid": grid}))


def check_results(folder):
    write(folder, "plan.json", OPTIONS, GRID)
    done = sweep(folder, "plan.json", "--jobs", 3)
    expect(f"a sweep of eight points {done.stderr.strip()}", done.returncode == 0)
    rows = list(csv.DictReader((folder / "plan.csv").open()))
    expect("a row for each point, the last name changes fastest",
           [tuple(r[k] for k in GRID) for r in rows] == [tuple(map(str, p)) for p in itertools.product(*GRID.values())])
    row = rows[6]
    subprocess.run([DUPLEX, "serve", *(str(a) for k in OPTIONS for a in (f"--{k}", OPTIONS[k])),
                    *(a for k in GRID for a in (f"--{k}", row[k])), "--json", "one.json"], cwd=folder, check=True, capture_output=True)
    one = json.loads((folder / "one.json").read_text())
    expect("a row has what serve says",
           float(row["throughput_tok_s"]) == one["throughput_tok_s"] and float(row["tbt_ms_p99"]) == one["tbt_ms"]["p99"] and row["error"] == "")
    expect("a cell is empty where nothing was measured",
           one["e2e_ms"] == {"count": 0} and row["e2e_ms_p50"] == row["e2e_ms_p99"] == "" and one["tbt_ms"]["count"] > 0)
    expect("points differ", len({r["throughput_tok_s"] for r in rows}) == 8)


def check_kept(folder):
    first = (folder / "plan.csv").read_bytes()
    results = {p: p.stat().st_mtime_ns for p in (folder / "plan.results").iterdir()}
    done = sweep(folder, "plan.json", "--jobs", 1)
    expect("all are kept, and give the same table",
           "8 of them kept" in done.stdout and (folder / "plan.csv").read_bytes() == first
           and results == {p: p.stat().st_mtime_ns for p in (folder / "plan.results").iterdir()})
    done = sweep(folder, "plan.json", "--again", "--jobs", 1, "--out", "again.csv")
    expect("none is kept, and the table is the same", " 0 of them kept" in done.stdout and (folder / "again.csv").read_bytes() == first)
    next(iter(results)).write_text("{")
    done = sweep(folder, "plan.json")
    expect(f"a damaged result is told {done.stderr.strip()}", done.returncode == 2 and "expected a result, or --again" in done.stderr)
    expect("and the table stays", (folder / "plan.csv").read_bytes() == first)


def check_changed(folder):
    """A file that the plan names is changed: its points are simulated again, the others are kept. 1e3 is a whole number."""
    write(folder, "files.json", {**OPTIONS, "warm-up": 1e0}, {"system": ["gpu", "own.json"]})
    (folder / "own.json").write_text('{"beside": "none"}')
    sweep(folder, "files.json")
    first = list(csv.DictReader((folder / "files.csv").open()))
    (folder / "own.json").write_text('{"beside": "none", "xpu": {"bandwidth_gb_s": 6704}}')
    done = sweep(folder, "files.json")
    then = list(csv.DictReader((folder / "files.csv").open()))
    expect(f"a system that was changed {done.stderr.strip()}", done.returncode == 0 and "1 of them kept" in done.stdout
           and first[0] == then[0] and float(then[1]["throughput_tok_s"]) > 1.3 * float(first[1]["throughput_tok_s"]) > 0)


def check_failed(folder):
    (folder / "no,room.json").write_text('{"beside": "none", "memory": {"gib": 1}}')
    write(folder, "some.json", OPTIONS, {"system": ["gpu", "no,room.json"], "devices": [4, 1]})
    done = sweep(folder, "some.json")
    rows = list(csv.DictReader((folder / "some.csv").open()))
    expect(f"three of four fail, with their errors {done.stderr.strip()}",
           done.returncode == 1 and done.stderr.count("\n") == 1 and "3 of 4 points failed, first number 2" in done.stderr
           and [r["error"] == "" for r in rows] == [True, False, False, False] and "GB are left" in rows[1]["error"]
           and rows[2]["system"] == "no,room.json" and rows[2]["throughput_tok_s"] == "")


def check_idle(folder):
    """An option that changes nothing at some points is left out of these; two copies and experts on a side that are not there are errors of theirs."""
    options = {**OPTIONS, "mode": "full", "measured": 20, "firmware": "native", "partials": "acc"}
    write(folder, "idle.json", options, {"system": ["gpu", "duplex-pe-et"], "copies": [1, 2], "policy": ["default", "xpu"]})
    done = sweep(folder, "idle.json")
    rows = {(r["system"], r["copies"], r["policy"]): r for r in csv.DictReader((folder / "idle.csv").open())}
    good = {key for key, row in rows.items() if not row["error"]}
    expect(f"options of some systems {done.stderr.strip()}", done.returncode == 1 and good == {
        ("gpu", "1", "default"), ("duplex-pe-et", "1", "default"), ("duplex-pe-et", "2", "default"), ("duplex-pe-et", "1", "xpu")})
    expect("with their words", "gpu has no Logic-PIM" in rows["gpu", "2", "default"]["error"]
           and "gpu has no units" in rows["gpu", "1", "xpu"]["error"])
    subprocess.run([DUPLEX, "serve", "--system", "gpu", *(str(a) for k in ("model", "warm-up", "measured") for a in (f"--{k}", options[k])),
                    "--json", "one.json"], cwd=folder, check=True, capture_output=True)
    expect("as without them", float(rows["gpu", "1", "default"]["throughput_tok_s"]) == float("%.9g" % json.loads(
        (folder / "one.json").read_text())["throughput_tok_s"]))
    (folder / "kernels").mkdir()
    (folder / "kernels/decode.csv").write_text("num_heads,num_key_value_heads,head_dim,batch_size,length,latency_us\n8,2,128,16,1024,900\n")
    write(folder, "kernels.json", {**options, "copies": 1, "tables": "kernels"}, {"system": ["gpu", "duplex-pe-et", "bank-pim"]})
    done = sweep(folder, "kernels.json")
    slower, same, _ = list(csv.DictReader((folder / "kernels.csv").open()))
    expect(f"kernels of decode attention change the xPU's alone {done.stderr.strip()}", done.returncode == 0
           and 0 < float(slower["throughput_tok_s"]) < 0.5 * float(rows["gpu", "1", "default"]["throughput_tok_s"])
           and same["throughput_tok_s"] == rows["duplex-pe-et", "1", "default"]["throughput_tok_s"])
    for what, plan, word in (("kernels of no system", {"options": {"tables": "kernels"}, "grid": {"system": ["duplex", "bank-pim"]}},
                              "options.tables changes nothing at any point: kernels/decode.csv is not asked for, since bank-pim decodes"),
                             ("of no system", {"options": {"partials": "acc"}, "grid": {"system": ["gpu", "2xgpu"]}}, "options.partials changes nothing"),
                             ("of no model", {"options": {}, "grid": {"imbalance": ["uniform", "zipf:1"], "system": ["gpu"], "model": ["opt-66b"]}},
                              "grid.imbalance changes nothing at any point: opt-66b has no experts, expected a model"),
                             ("of no mode", {"options": {"mode": "paper"}, "grid": {"firmware": ["native"], "system": ["duplex"]}},
                              "grid.firmware changes nothing at any point: expected --mode full")):
        plan["options"].setdefault("model", "mixtral") if "model" not in plan["grid"] else None
        (folder / "idle_all.json").write_text(json.dumps(plan))
        done = sweep(folder, "idle_all.json")
        expect(f"{what}: {done.stderr.strip()}", done.returncode == 2 and word in done.stderr and done.stderr.count("\n") == 1
               and not (folder / "idle_all.csv").exists())


def wrong_values():
    """Of each option of serve that a sweep may have and that takes a value: one that no run takes."""
    said = subprocess.run([DUPLEX, "serve", "--help"], check=True, capture_output=True, text=True).stdout
    names = re.findall(r"^  --([a-z-]+) (?! )", said, re.MULTILINE)
    yield from ((name, "nonsense") for name in names if name not in ("json", "requests-out", "stages-out", "timeline"))
    yield from (("limit-first", "NaN"), ("len-sd", "inf"), ("len-sd", -0.5), ("qps", -3), ("batch", -1), ("lin", 1.5), ("seed", "0x1"), ("devices", 0),
                ("hash-block", 0), ("find-rate", 2), ("imbalance", "zipf:NaN"), ("imbalance", "power:11"), ("trace", "plan.json"), ("times", "plan.json"),
                ("tables", "plan.json"), ("constants", "plan.json"), ("imbalance", "plan.json"), ("model", "plan.json"), ("system", "plan.json"))


def check_values(folder):
    """A value that no run takes is refused before any point runs, also if all points leave it out or another one is first; one that is
    wrong beside other options alone is the error of its point."""
    there = set(folder.iterdir())
    count = 0
    points = {"system": ["gpu"], "model": ["opt-66b"]}
    for name, value in wrong_values():
        for options, grid in (({}, {**points, name: [*points.get(name, []), value]}),
                              ({"mode": "paper", name: value}, {n: v for n, v in points.items() if n != name})):
            write(folder, "values.json", options, grid)
            done = sweep(folder, "values.json")
            good = (done.returncode == 2 and done.stderr.startswith(f"duplex: values.json:1: --{name} ") and "expected" in done.stderr
                    and done.stderr.count("\n") == 1 and done.stdout == "" and set(folder.iterdir()) == there | {folder / "values.json"})
            count += 1
            if not good:
                expect(f"a wrong value of {name}, {value}: {done.returncode} {done.stderr.strip()}", False)
    expect(f"{count} plans with a value that no run takes", count > 100)
    (folder / "values.json").write_text('{"options": {"model": "mixtral",\n"partials": "half"},\n"grid": {"system": ["duplex"]}}')
    expect("with its line", sweep(folder, "values.json").stderr == "duplex: values.json:2: --partials is 'half': expected acc or f32\n")
    constants = json.loads((pathlib.Path(__file__).parents[2] / "configs/constants.json").read_text())
    (folder / "paper.json").write_text(json.dumps({**constants, "full": {}}))
    (folder / "trace.csv").write_text("arrival_s,input,output\n" + "".join(f"{i},16,4\n" for i in range(20)))
    write(folder, "files_of_one.json", {"model": "mixtral", "trace": "trace.csv", "constants": "paper.json"}, {"mode": ["paper", "full"], "system": ["gpu"]})
    done = sweep(folder, "files_of_one.json")
    rows = list(csv.DictReader((folder / "files_of_one.csv").open()))
    expect(f"constants of one mode are its points' {done.stderr.strip()}", done.returncode == 1 and rows[0]["error"] == ""
           and "full.xpu_compute_share is missing" in rows[1]["error"])


def check_missing(folder):
    """Without what each point needs, none runs; an option without another one that it needs changes no point. What is there may be in the grid."""
    whole = {"system": "gpu", "model": "mixtral"}
    cases = [({}, name, "is missing, expected it there or in the grid: NAME|FILE.json") for name in whole]
    cases += [({**whole, name: value}, name, f"changes nothing at any point: expected {wanted} with it") for name, value, wanted in (
        ("rate", 3, "trace"), ("format", "csv", "trace"), ("prefix-cache", True, "trace"), ("hash-block", 16, "prefix-cache"),
        ("find-rate", 0.9, "limit-first or limit-token"))]
    for given, name, words in cases:
        options = {k: v for k, v in {**whole, **given}.items() if k != name}
        plans = [(options, {"batch": [1, 2]}, "options")] if name in whole else [(whole, {name: [given[name]]}, "grid"), (given, {"batch": [1, 2]}, "options")]
        for options, grid, place in plans:
            write(folder, "missing.json", options, grid)
            done = sweep(folder, "missing.json")
            expect(f"{name}, {place}: {done.stderr.strip()}", done.returncode == 2 and done.stderr == f"duplex: missing.json:1: {place}.{name} {words}\n"
                   and not (folder / "missing.csv").exists() and not (folder / "missing.results").exists())
    for grid in ({"batch": [1, 2], "prefix-cache": [False]}, {"batch": [1, 2]}):
        write(folder, "off.json", {**whole, "hash-block": 16, **({} if "prefix-cache" in grid else {"prefix-cache": False})}, grid)
        done = sweep(folder, "off.json")
        expect(f"false is not with it: {done.stderr.strip()}", done.returncode == 2 and "options.hash-block changes nothing at any point" in done.stderr
               and not (folder / "off.csv").exists())
    write(folder, "there.json", {**OPTIONS, "rate": 3}, {"trace": ["trace.csv"], "system": ["gpu"]})
    done = sweep(folder, "there.json")
    expect(f"the other option in the grid {done.stderr.strip()}", done.returncode == 1 and "--warm-up and --measured" in done.stderr)


def check_flags(folder):
    """An option that stands alone is with a point or not, and its cell says so."""
    (folder / "alike.jsonl").write_text("".join(json.dumps({"timestamp": 9000 * i, "input_length": 1024, "output_length": 4, "hash_ids": [1, 2]}) + "\n"
                                                for i in range(20)))
    write(folder, "flags.json", {"system": "gpu", "model": "mixtral", "trace": "alike.jsonl", "scheduler": "vllm"}, {"prefix-cache": [True, False]})
    done = sweep(folder, "flags.json")
    rows = list(csv.DictReader((folder / "flags.csv").open()))
    expect(f"with and without {done.stderr.strip()}", done.returncode == 0 and [r["prefix-cache"] for r in rows] == ["true", "false"]
           and int(rows[0]["cached_tokens"]) > int(rows[1]["cached_tokens"]) == 0)
    write(folder, "flag.json", {"system": "gpu", "model": "mixtral", "trace": "alike.jsonl", "scheduler": "vllm", "prefix-cache": False},
          {"block-size": [16]})
    done = sweep(folder, "flag.json")
    row = next(csv.DictReader((folder / "flag.csv").open()))
    expect(f"false among the options {done.stderr.strip()}", done.returncode == 0 and row["throughput_tok_s"] == rows[1]["throughput_tok_s"])


def check_ended(folder):
    """Ended in the middle by a signal that nobody can catch, and by one that can be: no process and no half result stays."""
    write(folder, "long.json", {**OPTIONS, "measured": 3000}, {"system": ["gpu"], "batch": list(range(8, 20))})
    for number in (signal.SIGKILL, signal.SIGTERM):
        process = subprocess.Popen([DUPLEX, "sweep", "long.json", "--jobs", "2"], cwd=folder, stdout=subprocess.DEVNULL,
                                   stderr=subprocess.DEVNULL)
        before = len(list(folder.glob("long.results/*.json")))
        limit = time.monotonic() + 60
        while len(list(folder.glob("long.results/*.json"))) < before + 2 and time.monotonic() < limit:
            time.sleep(0.01)
        process.send_signal(number)
        process.wait()
    expect("no table of a sweep that was ended", not (folder / "long.csv").exists())
    done = sweep(folder, "long.json", "--jobs", 2)
    kept = int(done.stdout.split(",")[1].split()[0])
    expect(f"it goes on where it was: {kept} are kept", done.returncode == 0 and 4 <= kept < 12)
    expect("twelve results, and nothing else", len(list(folder.glob("long.results/*"))) == 12)


def check_wrong(folder):
    for what, text, word in (("nothing", "", "wrong.json:"), ("no grid", '{"options": {}}', "wrong.json:1: grid is missing, expected { ... }"),
                             ("an unknown key", '{"grid": {}, "gird": {}}', "gird is unknown"),
                             ("an unknown option", '{"grid": {\n"bach": [1]}}', "wrong.json:2: grid.bach is no option"),
                             ("an output of each point", '{"grid": {}, "options": {"json": "a.json"}}', "json is no option"),
                             ("no values", '{"grid": {"lin": [1],\n"batch": []}}', "wrong.json:2: grid.batch has no values"),
                             ("a value twice", '{"grid": {"lin": [1, 2,\n1.0]}}', "grid.lin has a value twice"),
                             ("one value", '{"grid": {"batch": 3}}', "expected an array"),
                             ("a flag as a number", '{"grid": {"batch": [true]}}', "texts or numbers"),
                             ("a value for what stands alone", '{"grid": {"measure": [1]}}', "expected true or false"),
                             ("what stands alone, twice", '{"grid": {"measure": [true,\n true]}}', "grid.measure has a value twice"),
                             ("an option twice", '{"options": {"batch": 1},\n"grid": {"batch": [1]}}', "wrong.json:2: grid.batch is among"),
                             ("a flag among the options", '{"grid": {},\n"options": {"lin": 4,\n"batch": true}}', "wrong.json:3: options.batch is not"),
                             ("too many points", json.dumps({"grid": {n: list(range(1, 400)) for n in ("batch", "lin")}}), "at most 100000")):
        (folder / "wrong.json").write_text(text)
        done = sweep(folder, "wrong.json")
        expect(f"{what}: {done.stderr.strip()}", done.returncode == 2 and word in done.stderr and done.stderr.count("\n") == 1
               and not (folder / "wrong.csv").exists() and not (folder / "wrong.results").exists())
    expect("no plan", sweep(folder, "--jobs", "2").returncode == 2 and sweep(folder, "nowhere.json").returncode == 2)
    done = sweep(folder, "plan.json", "--results", "plan.csv")
    expect(f"results in a file {done.stderr.strip()}", done.returncode == 2 and "expected a folder" in done.stderr)
    expect("no processes", sweep(folder, "plan.json", "--jobs", "0").returncode == 2)


with tempfile.TemporaryDirectory() as name:
    for check in (check_results, check_kept, check_changed, check_failed, check_idle, check_values, check_missing, check_flags, check_ended, check_wrong):
        check(pathlib.Path(name))
print(f"sweep: {len(failures)} failures")
sys.exit(bool(failures))
