#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""duplex validate: a run whose times are known by hand, with and without experts, and folders that are wrong.

usage: tests/cli/validate.py BUILD    a line for each check, and exit status 1 if one fails
"""
import json
import pathlib
import subprocess
import sys
import tempfile

DUPLEX = pathlib.Path(sys.argv[1]).resolve() / "duplex"
LAYERS, HIDDEN, PROMPT = 2, 256, 100
failures = []


def expect(what, good):
    print(("ok   " if good else "FAIL ") + what)
    if not good:
        failures.append(what)


def validate(folder, *arguments):
    return subprocess.run([DUPLEX, "validate", folder, *arguments], capture_output=True, text=True)


def table(folder, name, *rows):
    (folder / name).write_text("".join(",".join(map(str, r)) + "\n" for r in rows))


def write(folder, engines, first_us, token_us, slower=1.0, latency_ns=20000):
    """Three requests, far from each other, of 2, 5 and 9 tokens; layers that take the same time whatever they are of."""
    folder.mkdir(exist_ok=True)
    config = {"model_type": "qwen3_moe" if engines > 1 else "qwen3", "max_position_embeddings": 4096,
              "num_hidden_layers": LAYERS, "hidden_size": HIDDEN, "intermediate_size": 512, "num_attention_heads": 2,
              "num_key_value_heads": 2, "vocab_size": 1000, "head_dim": 128}
    if engines > 1:
        config |= {"num_experts": 2, "num_experts_per_tok": 2, "moe_intermediate_size": 512}
    (folder / "config.json").write_text(json.dumps(config))
    (folder / "engine.json").write_text(json.dumps({"engine_kwargs": {"data_parallel_size": engines, "max_num_seqs": 8,
                                                                      "max_num_batched_tokens": 4096, "seed": 1}}))
    (folder / "system.json").write_text(json.dumps({"memory_gb": 10, "link_gb_s": 16, "link_latency_ns": latency_ns}))
    table(folder, "dense.csv", ("layer", "tokens", "time_us"), ("embedding", 1, 5), ("embedding", 4096, 5),
          ("layernorm", 1, 1), ("layernorm", 4096, 1), ("final_layernorm", 1, 0), ("qkv_proj", 1, 8), ("qkv_proj", 4096, 8))
    table(folder, "per_sequence.csv", ("layer", "sequences", "time_us"), ("lm_head", 1, 7))
    table(folder, "attention.csv", ("prefill_chunk", "kv_prefill", "n_decode", "kv_decode", "time_us"),
          (16, 0, 0, 0, 20), (4096, 0, 0, 0, 20), (0, 0, 1, 16, 30), (0, 0, 1, 4096, 30), (16, 16, 1, 16, 99))
    table(folder, "moe.csv", ("tokens", "activated_experts", "time_us"), (0.5, 1, 40), (4096, 1, 40))
    lines = []
    for number, output in enumerate((2, 5, 9)):
        queued = 1000.25 + number
        first = queued + first_us * slower * 1e-6
        lines.append({"input_toks": PROMPT, "output_toks": output, "queued_ts": queued, "first_token_ts": first,
                      "last_token_ts": first + (output - 1) * token_us * slower * 1e-6})
    (folder / "requests.jsonl").write_text("\n".join(map(json.dumps, lines)) + "\n")


def differences(folder):
    done = validate(folder, "--json", folder / "out.json")
    expect(f"{folder.name}: {done.stderr.strip()}", done.returncode == 0)
    out = json.loads((folder / "out.json").read_text())
    return [out[w][v]["difference_percent"] for w in ("ttft_ms", "tpot_ms", "e2el_ms") for v in ("mean", "p50", "p90", "p99")]


def check_by_hand(folder):
    dense = 5 + LAYERS * (2 * 1 + 8) + 7
    first, token = dense + LAYERS * 20, dense + LAYERS * 30
    write(folder / "dense", 1, first, token)
    expect("a dense model on one engine, as by hand", all(abs(d) < 1e-3 for d in differences(folder / "dense")))

    def experts(tokens, latency=20):  # 40 us, and both ways over the link
        return LAYERS * (40 + 2 * (latency + tokens * HIDDEN * 2 / 16e9 * 1e6))
    write(folder / "experts", 2, first + experts(PROMPT), token + experts(1))
    expect("experts on two engines, as by hand", all(abs(d) < 1e-3 for d in differences(folder / "experts")))
    write(folder / "at_once", 2, first + experts(PROMPT, 0), token + experts(1, 0), latency_ns=0)
    expect("links without latency", all(abs(d) < 1e-3 for d in differences(folder / "at_once")))
    write(folder / "slower", 1, first, token, slower=1.25)
    expect("a run that was slower by a quarter", all(abs(d + 20) < 1e-3 for d in differences(folder / "slower")))


def check_absent(folder):
    """Requests of one token wait for no other one; a wait of 0 has no difference in percent."""
    write(folder, 1, 0, 50)
    lines = [json.loads(line) for line in (folder / "requests.jsonl").read_text().splitlines()]
    (folder / "requests.jsonl").write_text("".join(json.dumps(line | {"output_toks": 1}) + "\n" for line in lines))
    done = validate(folder, "--json", folder / "out.json")
    out = json.loads((folder / "out.json").read_text())
    expect("no waits for other tokens", done.returncode == 0 and "tpot" not in done.stdout and "tpot_ms" not in out and "e2el_ms" in out)
    expect("no difference from nothing", out["ttft_ms"]["mean"].keys() == {"measured", "simulated"} and out["ttft_ms"]["mean"]["measured"] == 0
           and "nan" not in done.stdout and "inf" not in done.stdout)


def refused(folder, what, name, text, word):
    write(folder, 1, 50, 50)
    if text is None:
        (folder / name).unlink()
    else:
        (folder / name).write_text(text)
    done = validate(folder, "--json", folder / "wrong.json")
    expect(f"{what}: {done.stderr.strip()}", done.returncode == 2 and word in done.stderr and done.stderr.count("\n") == 1
           and not (folder / "wrong.json").exists())


def check_wrong(folder):
    for name in ("requests.jsonl", "engine.json", "system.json", "config.json", "dense.csv", "per_sequence.csv", "attention.csv"):
        refused(folder, f"no {name}", name, None, name)
    refused(folder, "no numbers of the engine", "engine.json", '{"engine_kwargs": {}}', "max_num_seqs")
    refused(folder, "no engine", "engine.json", "{}", "engine_kwargs")
    refused(folder, "fewer tokens than sequences", "engine.json", '{"engine_kwargs": {"max_num_seqs": 9,\n"max_num_batched_tokens": 8}}',
            "engine.json:2: engine_kwargs.max_num_batched_tokens is 8, expected at least")
    refused(folder, "no link", "system.json", '{"memory_gb": 3}', "link_gb_s")
    refused(folder, "a key that the system does not have", "system.json",
            '{"memory_gb": 3, "link_gb_s": 1, "link_latency_ns": 1,\n"memory_utilization": 0.5}',
            "system.json:2: memory_utilization is unknown, expected only memory_gb, memory_utilisation, link_gb_s, link_latency_ns")
    refused(folder, "layers without experts beside others", "config.json", json.dumps({
        "model_type": "qwen3_moe", "max_position_embeddings": 4096, "hidden_size": HIDDEN, "intermediate_size": 512, "num_attention_heads": 2,
        "num_key_value_heads": 2, "vocab_size": 1000, "head_dim": 128, "num_hidden_layers": 4, "num_experts": 2, "num_experts_per_tok": 2,
        "moe_intermediate_size": 512, "mlp_only_layers": [0]}), "config.json: 1 of 4 layers have no experts, expected them in all")
    refused(folder, "memory for nothing", "system.json", '{"memory_gb": 3, "memory_utilisation": 0, "link_gb_s": 1, "link_latency_ns": 1}',
            "memory_utilisation")
    refused(folder, "more devices than there may be", "engine.json", '{"engine_kwargs": {"max_num_seqs": 8, "max_num_batched_tokens": 8,\n'
            '"tensor_parallel_size": 2, "data_parallel_size": 1000}}', "engine.json:2: engine_kwargs.tensor_parallel_size 2 makes devices 2000, expected at most 1024")
    refused(folder, "weights beyond the memory", "config.json", json.dumps({
        "model_type": "qwen3", "max_position_embeddings": 4096, "hidden_size": HIDDEN, "intermediate_size": 512, "num_attention_heads": 2,
        "num_key_value_heads": 2, "vocab_size": 2 ** 24, "head_dim": 128, "num_hidden_layers": LAYERS}), "system.json:1: -8.2 GB are left for K and V")
    refused(folder, "a token before it was asked for", "requests.jsonl",
            '{"input_toks": 1, "output_toks": 1, "queued_ts": 5, "first_token_ts": 4, "last_token_ts": 6}\n', "jsonl:1: expected queued_ts")
    refused(folder, "a damaged first request", "requests.jsonl", '{"input_toks": 1, "output_toks": 1,\n', "jsonl:1: string or '}' expected")
    refused(folder, "a request without its times", "requests.jsonl", '{"input_toks": 1, "output_toks": 1, "queued_ts": 5}\n', "first_token_ts")
    refused(folder, "a misspelt layer", "dense.csv", "layer,tokens,time_us\nembedding,1,5\nlayer_norm,1,1\nfinal_layernorm,1,1\n", "expected rows of layernorm")
    refused(folder, "other columns", "dense.csv", "layer,time_us\nqkv,1\n", "dense.csv:1")
    refused(folder, "a time that is none", "attention.csv", "prefill_chunk,kv_prefill,n_decode,kv_decode,time_us\n1,0,0,0,x\n", "attention.csv:2")
    refused(folder, "a negative time", "per_sequence.csv", "layer,sequences,time_us\nlm_head,1,-2\n", "per_sequence.csv:2")
    refused(folder, "prefill alone", "attention.csv", "prefill_chunk,kv_prefill,n_decode,kv_decode,time_us\n1,0,0,0,3\n", "attention.csv:2: expected rows of decoding alone")
    expect("no folder", validate("--json", "x.json").returncode == 2)


with tempfile.TemporaryDirectory() as name:
    check_by_hand(pathlib.Path(name))
    check_absent(pathlib.Path(name) / "absent")
    check_wrong(pathlib.Path(name) / "wrong")
print(f"validate: {len(failures)} failures")
sys.exit(bool(failures))
