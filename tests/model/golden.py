#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Makes the golden logits of the small models: transformers in binary64 on the same files.

usage: golden.py TOOL FOLDER     TOOL is build/tests/model/toy_model, FOLDER gets NAME.npy, the
logits, <f4 [positions, vocabulary], and NAME_gaps.npy, how near each token's router is to another choice, <f4 [positions].
Needs torch and transformers of PyPI; the committed files are of transformers 5.24 and torch 2.15.
"""
import pathlib
import subprocess
import sys
import tempfile

import numpy
import torch
import transformers


def tokens_of(name):
    """Longer than a small window."""
    return [(7 * i * i + 3 * i + 5) % 140 for i in range(48 if "window" in name else 24)]


def between(values, chosen):
    """Of each row the distance of the last chosen value to the next one, in deviations."""
    ranked = numpy.sort(values, axis=1)[:, ::-1]
    return (ranked[:, chosen - 1] - ranked[:, chosen]) / values.std()


def gaps(router_logits, chosen, count):
    """Of each token the least distance of the last chosen expert to the next one, over all layers, in deviations."""
    least = numpy.full(count, numpy.inf)
    for layer in router_logits:
        values = layer.numpy().reshape(count, -1)
        if values.shape[1] == chosen:
            continue
        least = numpy.minimum(least, between(values, chosen))
    return least


def grouped_gaps(router_logits, model, count):
    """The same where groups are chosen, and experts in them, by sigmoids with a bias."""
    config = model.config
    least = numpy.full(count, numpy.inf)
    routers = [layer.mlp.gate for layer in model.model.layers if hasattr(layer.mlp, "gate")]
    for logits, router in zip(router_logits, routers):
        values = (logits.reshape(count, -1).sigmoid() + router.e_score_correction_bias).numpy()
        groups = values.reshape(count, config.n_group, -1)
        if config.topk_group < config.n_group:
            ranks = numpy.sort(groups, axis=2)[:, :, -2:].sum(axis=2)
            least = numpy.minimum(least, between(ranks, config.topk_group))
            taken = numpy.argsort(ranks, axis=1)[:, -config.topk_group:]
            values = numpy.take_along_axis(groups, taken[:, :, None], axis=1).reshape(count, -1)
        if config.num_experts_per_tok < values.shape[1]:
            least = numpy.minimum(least, between(values, config.num_experts_per_tok))
    return least


def run(folder, tokens):
    model = transformers.AutoModelForCausalLM.from_pretrained(
        folder, dtype=torch.float64, attn_implementation="eager", experts_implementation="eager")
    experts = getattr(model.config, "num_experts_per_tok", 0)
    with torch.no_grad():
        out = model(torch.tensor([tokens]), **({"output_router_logits": True} if experts else {}))
    if hasattr(model.config, "n_group"):
        return out.logits[0].numpy(), grouped_gaps(out.router_logits, model, len(tokens))
    return out.logits[0].numpy(), gaps(out.router_logits if experts else [], experts, len(tokens))


def main(tool, target):
    names = subprocess.run([tool], check=True, capture_output=True, text=True).stdout.split()
    for name in names:
        with tempfile.TemporaryDirectory() as folder:
            subprocess.run([tool, folder, name, "f16", "1"], check=True)
            logits, least = run(folder, tokens_of(name))
        numpy.save(pathlib.Path(target) / f"{name}.npy", logits.astype("<f4"))
        numpy.save(pathlib.Path(target) / f"{name}_gaps.npy", least.astype("<f4"))
        print(name)


if __name__ == "__main__":
    main(*sys.argv[1:])
