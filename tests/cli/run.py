#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""duplex run on small models: tokens, logits, routing, statistics, invariance, bad input.

usage: tests/cli/run.py BUILD [--all]     --all: invariance of every model, 64 tokens
"""
import json
import os
import pathlib
import pty
import re
import shutil
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
    served = subprocess.run([BUILD / "duplex", "serve", "--system", "gpu", "--model", "mixtral/config.json", "--mode", "paper", "--devices", "1",
                             "--lin", "8", "--lout", "8", "--warm-up", "0", "--measured", "3", "--imbalance", "r.csv"],
                            cwd=folder, capture_output=True, text=True)
    expect(f"the simulator serves with this routing {served.stderr.strip()}", served.returncode == 0)
    return tokens


# nJ of a bank's activation, pJ a bit of either path, pJ a MAC (docs/device.md, "Energy").
ACTIVATE, LOGIC_PIM_BIT, XPU_BIT, MAC = 0.909e-9, 1.81e-12, 3.48e-12, 0.46e-12


def check_energy(folder):
    common = ["--prompt-ids", "3,5,7,11", "--max-new", 4, *SMALL, "--ignore-eos", "--stats"]
    for name in ("llama", "mixtral", "granitemoe", "llama_group", "gpt_oss_window"):
        good("--model", name, *common, "e.json", "--record-routing", "e.csv", folder=folder)
        s = json.loads((folder / "e.json").read_text())
        commands = s["dram_commands"]
        logic_pim = 8 * commands["act"] * ACTIVATE + 256 * 8 * (commands["rd"] + commands["wr"]) * LOGIC_PIM_BIT + s["logic_pim_macs"] * MAC
        xpu = s["xpu_bytes"] / 1024 * ACTIVATE + 8 * s["xpu_bytes"] * XPU_BIT + s["xpu_macs"] * MAC
        expect(f"{name}: energy is commands, bytes and MACs times the constants",
               logic_pim > 0 and numpy.allclose([s["energy_j"]["logic_pim"]["total"], s["energy_j"]["xpu"]["total"], s["energy_j"]["total"],
                                                 4 * s["energy_per_token_j"]], [logic_pim, xpu, logic_pim + xpu, logic_pim + xpu], rtol=1e-8))
        config = json.loads((folder / name / "config.json").read_text())
        hidden, heads, kv_heads = config["hidden_size"], config["num_attention_heads"], config["num_key_value_heads"]
        size, layers, tokens = config.get("head_dim") or hidden // heads, config["num_hidden_layers"], 7
        # Products of a token in a layer; scores and contexts of 28 pairs of positions; the head for four tokens.
        experts = config.get("num_local_experts", 0)
        active = config.get("num_experts_per_tok", 1)
        ffn = 3 * active * hidden * config["intermediate_size"] + (experts + active if experts else 0) * hidden
        products = layers * tokens * (2 * hidden * size * (heads + kv_heads) + ffn) + 4 * hidden * config["vocab_size"]
        attention = layers * 2 * heads * size * 28
        found = s["logic_pim_macs"] + s["xpu_macs"]
        expect(f"{name}: MACs {found} are those of the shapes, {products} and {attention} of attention", found == products + attention)
        rows = len((folder / "e.csv").read_text().split()) - 1
        expect(f"{name}: experts {s['experts']} in {s['moe_layers']} layers are those of the routing",
               sum(s["experts"].values()) == rows and s["moe_layers"] == (4 * layers if experts else 0) and (name != "gpt_oss_window" or s["experts"]["xpu"] == rows > 0))


def check_no_numbers(folder):
    """A residual stream beyond binary32 leaves no number among the logits."""
    config = json.loads((folder / "granitemoe" / "config.json").read_text())
    shutil.copytree(folder / "granitemoe", folder / "huge")
    (folder / "huge" / "config.json").write_text(json.dumps(config | {"residual_multiplier": 1e39}))
    for more in ([], ["--temperature", 1]):
        done = call("--model", "huge", "--prompt-ids", "3,5", "--max-new", 3, "--no-clocks", "--stats", "huge.json", *more, folder=folder)
        expect(f"logits that are no numbers are told: {done.stdout.strip()} {done.stderr.strip()}",
               done.returncode == 0 and done.stdout == "0,0,0\n" and len(done.stderr.splitlines()) == 1 and "3 of 3 new tokens" in done.stderr and
               json.loads((folder / "huge.json").read_text())["tokens_from_nan"] == 3)


def check_end_tokens(folder):
    """Those of generation_config.json count, if it is there."""
    usual = good("--model", "mixtral", "--prompt-ids", "3,5", "--max-new", 6, "--ignore-eos", "--no-clocks", folder=folder).strip().split(",")
    shutil.copytree(folder / "mixtral", folder / "ends")
    last = usual.index(usual[3]) + 1
    (folder / "ends" / "generation_config.json").write_text(json.dumps({"eos_token_id": [159, int(usual[3])]}))
    ended = good("--model", "ends", "--prompt-ids", "3,5", "--max-new", 6, "--no-clocks", folder=folder).strip().split(",")
    expect(f"a token of generation_config.json ends a request: {ended} of {usual}", ended == usual[:last])
    (folder / "ends" / "generation_config.json").write_text('{"eos_token_id": 1')
    done = call("--model", "ends", "--prompt-ids", "3,5", "--no-clocks", folder=folder)
    expect(f"a damaged one is named: {done.stderr.strip()}", done.returncode == 2 and "ends/generation_config.json: expected JSON" in done.stderr)


def check_timeline(folder):
    good("--model", "mixtral", "--prompt-ids", "3,5,7,11", "--max-new", 3, *SMALL, "--timeline", "t.json", "--timeline-picture", "t.svg",
         "--stats", "t_stats.json", folder=folder)
    events = json.loads((folder / "t.json").read_text())["traceEvents"]
    tracks = {e["tid"]: e["args"]["name"] for e in events if e["ph"] == "M"}
    expect("tracks of a timeline", list(tracks.values()) == ["xPU", "stack 0", "stack 1", "layers", "steps"])
    of = {name: [e for e in events if e["ph"] == "X" and tracks[e["tid"]] == name] for name in tracks.values()}
    clock = [(e["args"]["first_clock"], e["args"]["end_clock"]) for e in of["steps"]]
    seconds = json.loads((folder / "t_stats.json").read_text())["device_seconds"]
    expect("steps follow each other, and last as long as the device's time",
           len(clock) == 3 and clock[0][0] == 0 and all(a[1] == b[0] for a, b in zip(clock, clock[1:])) and
           abs(clock[-1][1] - seconds * 650e6) <= 1)
    expect("every event lies in its step", all(clock[e["args"]["step"]][0] <= e["args"]["first_clock"] and e["args"]["end_clock"] <= clock[e["args"]["step"]][1]
                                               for es in of.values() for e in es))
    expect("what a track does does not overlap", all(a["args"]["end_clock"] <= b["args"]["first_clock"]
                                                     for es in of.values() for a, b in zip(es, es[1:])))
    expect("both blocks of both layers of each step",
           [(e["name"], e["args"]["layer"]) for e in of["layers"]] == [("attention", 0), ("FFN", 0), ("attention", 1), ("FFN", 1)] * 3)
    expect("both sides do something", {e["name"] for e in of["stack 1"]} >= {"decode attention"} and
           {e["name"] for e in of["xPU"]} >= {"product", "prefill attention", "migration"})
    picture = (folder / "t.svg").read_text()
    expect("the picture has them all", all(f">{name}<" in picture for name in tracks.values()) and picture.count("<title>") == sum(map(len, of.values())))


def on_terminal(*arguments, folder):
    pid, terminal = pty.fork()
    if pid == 0:
        os.chdir(folder)
        os.execv(BUILD / "duplex", ["duplex", "run", *map(str, arguments)])
    text = b""
    try:
        while part := os.read(terminal, 4096):
            text += part
    except OSError:
        pass
    os.waitpid(pid, 0)
    return text.decode()


def check_summary(folder):
    text = on_terminal("--model", "mixtral", "--prompt-ids", "3,5", "--max-new", 4, *SMALL, folder=folder)
    expect(f"a summary on a terminal: {text!r}", all(word in text for word in ("2 of prompts, 4 new, in 4 steps", "mJ a token", "on Logic-PIM", "experts")))
    text = on_terminal("--model", "llama", "--prompt-ids", "3,5", "--max-new", 4, "--no-clocks", "--split-ffn", 3, folder=folder)
    expect(f"without clocks no device, with parts what N7 would change: {text!r}", "device" not in text and re.search(r"changed [1-9]\d* of 640 outputs", text))


def check_split(folder):
    common = ["--model", "llama", "--prompt-ids", "3,5,7", "--max-new", 8, "--no-clocks", "--logits"]
    whole = good(*common, "w.npy", folder=folder)
    expect("an FFN as experts: the same tokens and logits", whole == good(*common, "p.npy", "--split-ffn", 4, "--stats", "p.json", folder=folder) and
           (folder / "w.npy").read_bytes() == (folder / "p.npy").read_bytes())
    split = json.loads((folder / "p.json").read_text())["split_ffn"]
    expect(f"outputs that rule N7 would change: {split}", split["outputs"] == 10 * 2 * 64 and 0 < split["n7_changes_f32"] < split["outputs"])


def check_sharing(folder):
    # A tree: a page of 64 positions and a part of one; a second prefix behind it; another one beside it.
    shots = [(7 * i * i + 3) % 150 for i in range(70)]
    more_shots = shots + [(5 * i + 1) % 150 for i in range(61)]
    other = [(11 * i + 2) % 150 for i in range(20)]
    prompts = [shots + [5], other + [3], shots + [9, 11, 2, 4], more_shots + [5, 6], [8] * 9, more_shots + [5], other + [3, 4, 5]]
    lines = [{"prompt_ids": prompt, "max_new": 6} for prompt in prompts]
    (folder / "many_shot.jsonl").write_text("\n".join(map(json.dumps, lines)) + "\n")
    for name in ("mixtral", "llama", "qwen3_window") if ALL else ("qwen3_window",):
        common = ["--model", name, "--requests", "many_shot.jsonl", "--ignore-eos", "--logits"]
        good(*common, "n.npy", *SMALL, "--stats", "n.json", folder=folder)
        for more in ([*SMALL, "--stats", "s.json"], [*SMALL, "--batch", 3, "--prefill-chunk", 9], ["--no-clocks"], ["--stacks", 3, "--channels", 1]):
            good(*common, "s.npy", "--share-prefix", *more, folder=folder)
            expect(f"{name}: shared prefixes leave all logits as they are", (folder / "n.npy").read_bytes() == (folder / "s.npy").read_bytes())
        alone, shared = (json.loads((folder / f"{of}.json").read_text()) for of in "ns")
        expect(f"{name}: without sharing nothing is saved {alone['prefix']}",
               {key: value for key, value in alone["prefix"].items() if value} == {"kv_bytes": alone["prefix"]["kv_bytes"]})
        prefix, saved = shared["prefix"], alone["prompt_tokens"] - shared["prompt_tokens"]
        expect(f"{name}: each prefix is prefilled once, and streamed less often {prefix}",
               prefix["count"] == 3 and prefix["tokens"] == 70 + 61 + 20 and prefix["kv_bytes_saved"] > 0 and
               saved == 3 * 70 + 61 + 20 == prefix["prompt_tokens_saved"])
        # All begin in the first step: 4, 2 and 2 prompts. A prefix of a page takes as long as its steps did.
        expect(f"{name}: time of what is not prefilled and streamed again",
               prefix["prefill_seconds_saved_least"] == 0 < prefix["prefill_seconds_saved_most"] < 3 * shared["device_seconds"] and
               numpy.isclose(prefix["stream_seconds_saved"], prefix["kv_bytes_saved"] / (4 * 128 * 650e6)))
        good(*common, "s.npy", "--share-prefix", *SMALL, "--batch", 1, "--stats", "s.json", folder=folder)
        prefix = json.loads((folder / "s.json").read_text())["prefix"]
        expect(f"{name}: prompts one by one save all of it {prefix}",
               numpy.isclose(prefix["prefill_seconds_saved_least"], prefix["prefill_seconds_saved_most"]) and prefix["prefill_seconds_saved_most"] > 0)
    (folder / "other.jsonl").write_text('{"prompt_ids": [1, 2, 3]}\n{"prompt_ids": [2, 2, 3]}\n')
    good("--model", "llama", "--requests", "other.jsonl", "--max-new", 2, "--share-prefix", *SMALL, "--stats", "o.json", folder=folder)
    expect("prompts without a common prefix run each by itself", json.loads((folder / "o.json").read_text())["prefix"]["tokens"] == 0)


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


def check_long(folder):
    """A step of more tokens than one call of an MoE layer takes; the routing of a model without experts."""
    prompt = [(37 * i + 11 * (i // 7)) % 150 for i in range(500)]
    (folder / "long.jsonl").write_text("\n".join(json.dumps({"prompt_ids": prompt[k:] + prompt[:k], "max_new": 1}) for k in range(9)))
    outputs = {good("--model", "mixtral", "--requests", "long.jsonl", "--no-clocks", "--batch", batch, folder=folder) for batch in (1, 9)}
    expect("4500 tokens in a step, or 500 in each of nine: the same", len(outputs) == 1)
    good("--model", "llama", "--prompt-ids", "1,2", "--max-new", 2, "--no-clocks", "--record-routing", "dense.csv", folder=folder)
    expect("routing without experts: the first line alone", (folder / "dense.csv").read_text() == "layer,step,expert,tokens\n")


def check_difference(folder):
    """Partial sums in binary32 depend on the placement: what has to be found is found, with its place."""
    prompt = ",".join(str((37 * i + 11 * (i // 7)) % 150) for i in range(120))
    done = call("--model", "exact", "--prompt-ids", prompt, "--max-new", 1, "--channels", 2, "--stacks", 2, "--partials", "f32",
                "--check-invariance", folder=folder)
    expect(f"a difference is told: {done.stderr.strip()}",
           done.returncode == 1 and bool(re.search(r"request 1 differs .* behind layer \d+, FFN, position \d+$", done.stderr.strip())))


def check_invariance(folder, names, tokens):
    # A prefix of 12 tokens, which two ways share.
    shots = list(range(20, 32))
    lines = [{"prompt_ids": shots + [3], "max_new": tokens}, {"prompt_ids": shots + [4, 6, 5, 8, 2, 7], "max_new": tokens // 2}]
    (folder / "i.jsonl").write_text("\n".join(map(json.dumps, lines)))
    rtl = ["--rtl-tokens", tokens] if ALL else []
    for name in names:
        out = good("--model", name, "--requests", "i.jsonl", *SMALL, "--check-invariance", "--share-prefix", "--ignore-eos", *rtl,
                   folder=folder)
        ways = 21 if "expert" in (folder / name / "config.json").read_text() else 19  # with one copy of experts, and with two
        hashes = set(re.findall(r"\b[0-9a-f]{16}\b", out))
        expect(f"{name}: {out.splitlines()[-1] if out else 'nothing'}", len(hashes) == 1 and f"{ways} ways, one hash" in out)


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
    (["--model", "mixtral", "--prompt-ids", "1", "--temperature", "1e-60"], "binary32"),
    (["--model", "mixtral", "--prompt-ids", "1", "--top-p", "0.5"], "--temperature"),
    (["--model", "mixtral", "--prompt-ids", "1", "--temperature", "1", "--top-p", "0"], "--top-p"),
    (["--model", "mixtral", "--prompt-ids", "1", "--stacks", "9"], "--stacks"),
    (["--model", "mixtral", "--prompt-ids", "1", "--batch", "0"], "--batch"),
    (["--model", "mixtral", "--prompt-ids", "1", "--bundles", "0"], "--bundles"),
    (["--model", "mixtral", "--prompt-ids", "1", "--logits", "l.json"], "npy"),
    (["--model", "mixtral", "--prompt-ids", "1", "--logits", "nowhere/l.npy"], "nowhere"),
    (["--model", "mixtral", "--prompt-ids", "1", "--split-ffn", "2"], "--split-ffn: 2 parts of a dense FFN: the model has none"),
    (["--model", "llama", "--prompt-ids", "1", "--split-ffn", "113"], "--split-ffn: 113 parts of a dense FFN: it has 112 inner columns"),
    (["--model", "llama_bias", "--prompt-ids", "1", "--split-ffn", "3"], "--split-ffn: 3 parts of a dense FFN: expected one without biases"),
    (["--model", "llama", "--prompt-ids", "1", "--split-ffn", "0"], "--split-ffn"),
    (["--model", "llama", "--prompt-ids", "1", "--timeline", "t.json", "--no-clocks"], "--timeline: expected without --no-clocks"),
    (["--model", "llama", "--prompt-ids", "1", "--timeline-picture", "t.svg", "--no-clocks"], "--timeline-picture: expected without --no-clocks"),
    (["--model", "llama", "--prompt-ids", "1", "--timeline", "t.svg"], "json"),
    *[(["--model", "llama", "--prompt-ids", "1", "--check-invariance", *option], f"{option[0]} has no effect on --check-invariance")
      for option in (["--batch", "2"], ["--prefill-chunk", "2"], ["--no-clocks"], ["--logits", "x.npy"], ["--record-routing", "x.csv"],
                     ["--timeline", "x.json"], ["--timeline-picture", "x.svg"], ["--stats", "x.json"], ["--gdb", "1"])],
    (["--model", "llama", "--prompt-ids", "1", "--rtl-tokens", "2"], "--rtl-tokens: expected --check-invariance"),
    (["--model", "mixtral", "--prompt", "a"], "tokenizer"),
    (["--model", "mixtral", "--prompt", "--max-new"], "tokenizer"),  # a text may be anything
    (["--model", "mixtral", "--prompt-ids", "--max-new", "3"], "--prompt-ids needs a value: expected "),
    (["--model", "pieces", "--prompt", "a"], "expected tokenizer.json"),
    (["--model", "nothing", "--prompt-ids", "1"], "nothing"),
    (["--model", "/dev/null", "--prompt-ids", "1"], "/dev/null"),
    (["--model", "mixtral", "--requests", "nothing.jsonl"], "nothing.jsonl"),
    (["--model", "mixtral", "--requests", "empty.jsonl"], "empty.jsonl"),
    (["--model", "mixtral", "--requests", "b1.jsonl"], "line 2"),
    (["--model", "mixtral", "--requests", "b2.jsonl"], "unknown"),
    (["--model", "mixtral", "--requests", "b3.jsonl"], "arrival_s"),
    (["--model", "mixtral", "--requests", "b6.jsonl"], "1e6"),
    (["--model", "mixtral", "--requests", "b4.jsonl"], "prompt"),
    (["--model", "mixtral", "--requests", "b5.jsonl"], "element 1"),
    (["--model", "mixtral", "--prompt-ids", "1", "--xpu-times", "nowhere.csv"], "--xpu-times nowhere.csv: No such file"),
    (["--model", "mixtral", "--prompt-ids", "1", "--xpu-times", "b1.jsonl"], "duplex: --xpu-times b1.jsonl, line 1"),
]


def check_bad(folder):
    (folder / "empty.jsonl").write_text("\n \n")
    (folder / "b1.jsonl").write_text('{"prompt_ids": [1]}\n{"prompt_ids": [1]\n')
    (folder / "b2.jsonl").write_text('{"prompt_ids": [1], "unknown": 1}\n')
    (folder / "b3.jsonl").write_text('{"prompt_ids": [1], "arrival_s": -1}\n')
    (folder / "b6.jsonl").write_text('{"prompt_ids": [1], "arrival_s": 1000001}\n')
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
        check_energy(folder)
        check_no_numbers(folder)
        check_end_tokens(folder)
        check_timeline(folder)
        check_summary(folder)
        check_split(folder)
        check_sharing(folder)
        check_long(folder)
        (folder / "exact").mkdir()
        subprocess.run([toy, folder / "exact", "mixtral", "f32", "3"], check=True)
        check_difference(folder)
        (folder / "pieces").mkdir()
        subprocess.run([toy, folder / "pieces", "llama", "f16", "3"], check=True)
        (folder / "pieces" / "tokenizer.model").write_bytes(b"pieces")
        check_bad(folder)
        check_invariance(folder, names if ALL else ["qwen3_moe_window"], 64 if ALL else 4)
    print(f"run: {len(failures)} failures")
    sys.exit(bool(failures))


main()
