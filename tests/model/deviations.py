#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Measures how the error of logits grows with the weights: the tables of docs/model_numerics.md.

usage: deviations.py DUPLEX [--rounded] [WEIGHTS' DEVIATION ...]      0.02 0.1 0.15 0.25 unless told

Makes one model of each architecture by transformers, four layers, random weights of that deviation that are
exact in binary16 (with --rounded: of binary32, which the loader rounds), runs it with `duplex run`, and
compares the logits of four times 40 positions with those of transformers in binary64 on the same files. Prints
median and largest error in deviations of the logits. A sequence ends where two experts of a router are nearer
to each other than the limit of the largest error, since another one may be chosen there.
Needs torch and transformers of PyPI; the tables are of transformers 5.24 and torch 2.15.
"""
import json
import pathlib
import subprocess
import sys
import tempfile

import numpy
import torch
import transformers

from golden import run

POSITIONS = 40
SEQUENCES = 4
NEAR = 1.5e-2
COMMON = dict(vocab_size=140, hidden_size=64, intermediate_size=96, num_hidden_layers=4, num_attention_heads=4,
              num_key_value_heads=2, max_position_embeddings=128, bos_token_id=None, eos_token_id=None,
              pad_token_id=None)
YARN = dict(rope_type="yarn", rope_theta=10000.0, factor=8.0, original_max_position_embeddings=16,
            attention_factor=1.4)
MODELS = {
    "Llama, 8 query heads on one of K and V": ("Llama", dict(num_attention_heads=8, num_key_value_heads=1)),
    "Llama with yarn, scores magnified": ("Llama", dict(rope_parameters=YARN)),
    "Mistral, window 5": ("Mistral", dict(sliding_window=5)),
    "Qwen3": ("Qwen3", dict(head_dim=64)),
    "Mixtral": ("Mixtral", dict(num_local_experts=8, num_experts_per_tok=2, sliding_window=None)),
    "Qwen3-MoE": ("Qwen3Moe", dict(num_experts=8, num_experts_per_tok=2, moe_intermediate_size=48, head_dim=16,
                                   norm_topk_prob=True, num_key_value_heads=4)),
    "OLMoE": ("Olmoe", dict(num_experts=8, num_experts_per_tok=2)),
    "Granite MoE": ("GraniteMoe", dict(num_local_experts=8, num_experts_per_tok=2, embedding_multiplier=12.0,
                                       residual_multiplier=0.4, attention_multiplier=0.25, logits_scaling=3.0)),
    "DeepSeek-V3": ("DeepseekV3", dict(q_lora_rank=24, kv_lora_rank=32, qk_nope_head_dim=20, qk_rope_head_dim=12,
                                       v_head_dim=18, n_routed_experts=8, num_experts_per_tok=2, n_group=4,
                                       topk_group=2, moe_intermediate_size=48, first_k_dense_replace=1,
                                       num_key_value_heads=4)),
    "gpt-oss": ("GptOss", dict(num_local_experts=8, num_experts_per_tok=2, head_dim=16, sliding_window=6)),
}


def spread(name, parameter):
    """Norms around one, biases and sinks of their own size: the models' initial values would not test them."""
    if "norm" in name:
        return 1 + 0.3 * torch.randn_like(parameter)
    return torch.randn_like(parameter) * (1.5 if "sinks" in name else 0.2)


def make(folder, kind, settings, deviation, rounded):
    torch.manual_seed(1)
    config = getattr(transformers, kind + "Config")(**{**COMMON, **settings}, initializer_range=deviation)
    model = getattr(transformers, kind + "ForCausalLM")(config)
    with torch.no_grad():
        for name, parameter in model.named_parameters():
            if parameter.dim() == 1:
                parameter.copy_(spread(name, parameter))
    (model if rounded else model.half()).save_pretrained(folder)


def tokens_of(sequence):
    return [(7 * i * i + (3 + sequence) * i + 5 + 11 * sequence) % COMMON["vocab_size"] for i in range(POSITIONS)]


def logits(duplex, folder, tokens):
    """Of each position by a request of its own: a row of --logits is the one that a token is chosen from."""
    requests = pathlib.Path(folder, "requests.jsonl")
    requests.write_text("".join(
        json.dumps(dict(prompt_ids=tokens[:i + 1], max_new=1)) + "\n" for i in range(len(tokens))))
    out = pathlib.Path(folder, "logits.npy")
    subprocess.run([duplex, "run", "--model", folder, "--requests", requests, "--logits", out, "--quiet",
                    "--ignore-eos", "--no-clocks"], check=True, stdout=subprocess.DEVNULL)
    return numpy.load(out).astype(float)


def errors(duplex, kind, settings, deviation, rounded):
    found_errors = []
    with tempfile.TemporaryDirectory() as folder:
        make(folder, kind, settings, deviation, rounded)
        for tokens in map(tokens_of, range(SEQUENCES)):
            expected, gaps = run(folder, tokens)
            compared = numpy.minimum.accumulate(gaps) >= NEAR
            found = logits(duplex, folder, tokens)
            found_errors.append((abs(found - expected)[compared] / expected.std()).ravel())
    error = numpy.concatenate(found_errors)
    return f"{numpy.median(error):.1e}, {error.max():.1e}" if error.size else "none compared"


def main(arguments):
    rounded = "--rounded" in arguments
    duplex, *deviations = [a for a in arguments if a != "--rounded"]
    deviations = [float(d) for d in deviations or (0.02, 0.1, 0.15, 0.25)]
    transformers.logging.set_verbosity_error()
    transformers.logging.disable_progress_bar()
    print("| model |" + "".join(f" w = {d} |" for d in deviations))
    print("|---" * (len(deviations) + 1) + "|")
    for name, (kind, settings) in MODELS.items():
        cells = [errors(duplex, kind, settings, deviation, rounded) for deviation in deviations]
        print(f"| {name} | " + " | ".join(cells) + " |", flush=True)


if __name__ == "__main__":
    main(sys.argv[1:])
