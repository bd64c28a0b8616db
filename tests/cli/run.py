#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""duplex run on small models: tokens, logits, routing, statistics, invariance, bad input.

usage: tests/cli/run.py BUILD [--all]     --all: invariance of every model, 64 tokens
"""
import json
import pathlib
import re
import subprocess
import sys
import tempfile

import numpy

BUILD = pathlib.Path(sys.argv[1]).resolve()
ALL = "--all" in sys.argv
SMALL = ["--channels", "2", "--stacks", "2"]
failures = []


def call(*arguments, folder):
    return subprocess.run([BUILD / "duplex", "run", *map(str, arguments)], cwd=folder, capture_output=True, text=True)


def expect(what, good):
    print(("ok   " if good else "FAIL ") + what)
    if not good:
        failures.append(what)


def good(*arguments, folder):
    done = call(*arguments, folder=folder)
    expect(f"{' '.join(map(str, arguments))}: exit status {done.returncode} {done.stderr.strip()}", done.returncode == 0)
    return done.stdout


def check_outputs(folder):
    out = good("--model", "mixtral", "--prompt-ids", "3,5,7,11", "--max-new", 6, *SMALL, "--logits", "l.npy", "--stats", "s.json",
               "--record-routing", "r.csv", folder=folder)
    tokens = [int(t) for t in out.split(",")]
    logits = numpy.load(folder / "l.npy")
    expect("a row of logits for each token, from which it was chosen",
           logits.dtype == numpy.dtype("<f4") and list(logits.argmax(1)) == tokens)
    stats = json.loads((folder / "s.json").read_text())
    expect("statistics count tokens and steps",
           (stats["prompt_tokens"], stats["new_tokens"], stats["steps"], stats["moe_layers"]) == (4, 6, 6, 12))
    page = set(re.findall(r"`([a-z_0-9.]+)`", (pathlib.Path(__file__).resolve().parents[2] / "docs/command_line.md").read_text()
                          .split("## Statistics of a run")[1]))
    keys = {f"{k}.{i}" for k, v in stats.items() if isinstance(v, dict) for i in v} | {k for k, v in stats.items() if not isinstance(v, dict)}
    expect(f"keys of the statistics are those of the page {sorted(keys ^ page)}", not keys - page)
    rows = [list(map(int, line.split(","))) for line in (folder / "r.csv").read_text().split()[1:]]
    pairs = {}
    for layer, step, expert, count in rows:
        pairs[layer, step] = pairs.get((layer, step), 0) + count
    expect("routing: two experts for each token of each step",
           pairs == {(layer, step): 2 * (4 if step == 0 else 1) for layer in range(2) for step in range(6)})
    return tokens


def check_requests(folder, alone):
    lines = [{"prompt_ids": [3, 5, 7, 11], "max_new": 6}, {"prompt_ids": [9] * 20, "max_new": 3, "arrival_s": 1e-4},
             {"prompt_ids": [1], "max_new": 8, "seed": 7}]
    (folder / "q.jsonl").write_text("\n".join(map(json.dumps, lines)) + "\n")
    outputs = {good("--model", "mixtral", "--requests", "q.jsonl", *more, folder=folder)
               for more in ([*SMALL], [*SMALL, "--batch", 1], [*SMALL, "--prefill-chunk", 3], ["--no-clocks"])}
    expect("the same tokens in every batch, chunk, and without clocks", len(outputs) == 1)
    answers = [[int(t) for t in line.split(",")] for line in outputs.pop().split()]
    expect("a line a request, in their order", [len(a) for a in answers] == [6, 3, 8] and answers[0] == alone)
    draws = ["--model", "mixtral", "--prompt-ids", "3,5", "--max-new", 12, "--temperature", "1.5", "--no-clocks"]
    one = good(*draws, "--seed", 1, folder=folder)
    expect("draws depend on the seed", one == good(*draws, "--seed", 1, folder=folder) and one != good(*draws, "--seed", 2, folder=folder))


def check_invariance(folder, names, tokens):
    lines = [{"prompt_ids": [3, 5, 7, 11, 4, 6], "max_new": tokens}, {"prompt_ids": list(range(20, 40)), "max_new": tokens // 2}]
    (folder / "i.jsonl").write_text("\n".join(map(json.dumps, lines)))
    for name in names:
        out = good("--model", name, "--requests", "i.jsonl", *SMALL, "--check-invariance", folder=folder)
        hashes = set(re.findall(r"\b[0-9a-f]{16}\b", out))
        expect(f"{name}: {out.splitlines()[-1] if out else 'nothing'}", len(hashes) == 1 and "one hash" in out)


BAD = [
    (["--prompt-ids", "1"], "--model"),
    (["--model", "mixtral"], "--prompt-ids"),
    (["--model", "mixtral", "--prompt-ids", "1", "--prompt", "a"], "one of"),
    (["--model", "mixtral", "--prompt-ids", ""], "--prompt-ids"),
    (["--model", "mixtral", "--prompt-ids", "1,,2"], "1,,2"),
    (["--model", "mixtral", "--prompt-ids", "1,-2"], "1,-2"),
    (["--model", "mixtral", "--prompt-ids", "1, 2"], "commas"),
    (["--model", "mixtral", "--prompt-ids", "99999999999"], "99999999999"),
    (["--model", "mixtral", "--prompt-ids", "160"], "vocabulary"),
    (["--model", "mixtral", "--prompt-ids", "1", "--max-new", "0"], "--max-new"),
    (["--model", "mixtral", "--prompt-ids", "1", "--max-new", "600"], "positions"),
    (["--model", "mixtral", "--prompt-ids", "1", "--temperature", "-1"], "--temperature"),
    (["--model", "mixtral", "--prompt-ids", "1", "--temperature", "nan"], "--temperature"),
    (["--model", "mixtral", "--prompt-ids", "1", "--top-p", "0.5"], "--temperature"),
    (["--model", "mixtral", "--prompt-ids", "1", "--temperature", "1", "--top-p", "0"], "--top-p"),
    (["--model", "mixtral", "--prompt-ids", "1", "--stacks", "9"], "--stacks"),
    (["--model", "mixtral", "--prompt-ids", "1", "--batch", "0"], "--batch"),
    (["--model", "mixtral", "--prompt-ids", "1", "--bundles", "0"], "--bundles"),
    (["--model", "mixtral", "--prompt-ids", "1", "--logits", "l.json"], "npy"),
    (["--model", "mixtral", "--prompt-ids", "1", "--logits", "nowhere/l.npy"], "nowhere"),
    (["--model", "mixtral", "--prompt", "a"], "tokenizer"),
    (["--model", "nothing", "--prompt-ids", "1"], "nothing"),
    (["--model", "/dev/null", "--prompt-ids", "1"], "/dev/null"),
    (["--model", "mixtral", "--requests", "nothing.jsonl"], "nothing.jsonl"),
    (["--model", "mixtral", "--requests", "empty.jsonl"], "empty.jsonl"),
    (["--model", "mixtral", "--requests", "b1.jsonl"], "line 2"),
    (["--model", "mixtral", "--requests", "b2.jsonl"], "unknown"),
    (["--model", "mixtral", "--requests", "b3.jsonl"], "arrival_s"),
    (["--model", "mixtral", "--requests", "b4.jsonl"], "prompt"),
    (["--model", "mixtral", "--requests", "b5.jsonl"], "element 1"),
]


def check_bad(folder):
    (folder / "empty.jsonl").write_text("\n \n")
    (folder / "b1.jsonl").write_text('{"prompt_ids": [1]}\n{"prompt_ids": [1]\n')
    (folder / "b2.jsonl").write_text('{"prompt_ids": [1], "unknown": 1}\n')
    (folder / "b3.jsonl").write_text('{"prompt_ids": [1], "arrival_s": -1}\n')
    (folder / "b4.jsonl").write_text('{"max_new": 1}\n')
    (folder / "b5.jsonl").write_text('{"prompt_ids": [1, -1]}\n')
    before = sorted(p.name for p in folder.iterdir())
    for arguments, word in BAD:
        done = call(*arguments, folder=folder)
        lines = done.stderr.splitlines()
        expect(f"{' '.join(arguments)}: {done.stderr.strip()}",
               done.returncode == 2 and len(lines) == 1 and word in lines[0] and not done.stdout)
    expect("nothing is left", before == sorted(p.name for p in folder.iterdir()))


def main():
    with tempfile.TemporaryDirectory() as name:
        folder = pathlib.Path(name)
        toy = BUILD / "tests/model/toy_model"
        names = subprocess.run([toy], check=True, capture_output=True, text=True).stdout.split()
        for model in names:
            (folder / model).mkdir()
            subprocess.run([toy, folder / model, model, "bf16", "1"], check=True)
        check_requests(folder, check_outputs(folder))
        check_bad(folder)
        check_invariance(folder, names if ALL else ["qwen3_moe"], 64 if ALL else 4)
    print(f"run: {len(failures)} failures")
    sys.exit(bool(failures))


main()
