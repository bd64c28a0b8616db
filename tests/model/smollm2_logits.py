#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""SmolLM2-135M-Instruct on the device against a reference in binary32 on the same dequantised weights.

usage: tests/model/smollm2_logits.py BUILD MODEL.gguf [NEW_TOKENS [OPTIONS OF duplex run]...]

Prints the text, and the error of the logits in units of their deviation; fails above 2e-3 in the median or 2e-2 at most, or
if a greedy token is another one although the two best logits are farther apart than the largest error.
"""
import pathlib
import struct
import subprocess
import sys
import tempfile

import numpy

PROMPT = "The capital of France is"
MEDIAN, LARGEST = 2e-3, 2e-2


class Gguf:
    """Metadata and tensors of a GGUF file of version 3, as far as this model needs."""
    SCALARS = {0: "B", 1: "b", 2: "H", 3: "h", 4: "I", 5: "i", 6: "f", 7: "?", 10: "Q", 11: "q", 12: "d"}

    def __init__(self, path):
        self.bytes = numpy.memmap(path, dtype=numpy.uint8, mode="r")
        self.at = 4
        version, tensors, keys = self.number("I"), self.number("Q"), self.number("Q")
        assert bytes(self.bytes[:4]) == b"GGUF" and version == 3
        self.keys = {self.text(): self.value(self.number("I")) for _ in range(keys)}
        shapes = {}
        for _ in range(tensors):
            name, rank = self.text(), self.number("I")
            shapes[name] = ([self.number("Q") for _ in range(rank)][::-1], self.number("I"), self.number("Q"))
        start = (self.at + 31) // 32 * 32
        self.tensors = {name: (shape, kind, start + offset) for name, (shape, kind, offset) in shapes.items()}

    def number(self, code):
        size = struct.calcsize("<" + code)
        self.at += size
        return struct.unpack("<" + code, bytes(self.bytes[self.at - size:self.at]))[0]

    def text(self):
        size = self.number("Q")
        self.at += size
        return bytes(self.bytes[self.at - size:self.at]).decode()

    def value(self, kind):
        if kind == 8:
            return self.text()
        if kind == 9:
            inner, count = self.number("I"), self.number("Q")
            return [self.value(inner) for _ in range(count)]
        return self.number(self.SCALARS[kind])

    def tensor(self, name):
        shape, kind, at = self.tensors[name]
        count = int(numpy.prod(shape))
        if kind == 0:
            return self.bytes[at:at + 4 * count].view("<f4").reshape(shape)
        if kind == 8:  # Q8_0: a scale, 32 values
            blocks = self.bytes[at:at + count // 32 * 34].reshape(-1, 34)
            values = blocks[:, 2:].view(numpy.int8).astype(numpy.float32)
            return (values * blocks[:, :2].copy().view("<f2").astype(numpy.float32)).reshape(shape)
        assert kind == 3, kind  # Q4_1: a scale, a minimum, 32 nibbles, the low ones first
        blocks = self.bytes[at:at + count // 32 * 20].reshape(-1, 20)
        scale = blocks[:, :2].copy().view("<f2").astype(numpy.float32)
        least = blocks[:, 2:4].copy().view("<f2").astype(numpy.float32)
        nibbles = numpy.concatenate([blocks[:, 4:] & 15, blocks[:, 4:] >> 4], axis=1).astype(numpy.float32)
        return (nibbles * scale + least).reshape(shape)


def norm(x, weight, epsilon):
    return x / numpy.sqrt((x * x).mean(-1, keepdims=True) + epsilon) * weight


def rotate(heads, base):
    """Neighbours of a head are a pair in this kind of file."""
    count, _, size = heads.shape
    angle = numpy.arange(count)[:, None] * base ** (-numpy.arange(0, size, 2) / size)
    cosine, sine = numpy.cos(angle)[:, None].astype("f4"), numpy.sin(angle)[:, None].astype("f4")
    even, odd = heads[..., 0::2], heads[..., 1::2]
    return numpy.stack([even * cosine - odd * sine, odd * cosine + even * sine], axis=-1).reshape(heads.shape)


def logits_of(file, tokens):
    keys = {key.split(".", 1)[1]: value for key, value in file.keys.items()}
    heads, kv_heads = keys["attention.head_count"], keys["attention.head_count_kv"]
    epsilon, base = keys["attention.layer_norm_rms_epsilon"], keys["rope.freq_base"]
    embedding = file.tensor("token_embd.weight")
    x = embedding[tokens]
    size = x.shape[1] // heads
    mask = numpy.triu(numpy.full((len(tokens), len(tokens)), -numpy.inf, "f4"), 1)
    for layer in range(keys["block_count"]):
        def weight(name):
            return file.tensor(f"blk.{layer}.{name}.weight")
        a = norm(x, weight("attn_norm"), epsilon)
        q = rotate((a @ weight("attn_q").T).reshape(-1, heads, size), base)
        k = rotate((a @ weight("attn_k").T).reshape(-1, kv_heads, size), base).repeat(heads // kv_heads, axis=1)
        v = (a @ weight("attn_v").T).reshape(-1, kv_heads, size).repeat(heads // kv_heads, axis=1)
        scores = numpy.einsum("thd,shd->hts", q, k) / numpy.float32(size) ** 0.5 + mask
        scores = numpy.exp(scores - scores.max(-1, keepdims=True))
        o = numpy.einsum("hts,shd->thd", scores / scores.sum(-1, keepdims=True), v).reshape(x.shape)
        x = x + o @ weight("attn_output").T
        a = norm(x, weight("ffn_norm"), epsilon)
        g = a @ weight("ffn_gate").T
        x = x + (g / (1 + numpy.exp(-g)) * (a @ weight("ffn_up").T)) @ weight("ffn_down").T
    return norm(x, file.tensor("output_norm.weight"), epsilon) @ embedding.T


def main(build, model, count="64", *options):
    duplex = [pathlib.Path(build) / "duplex", "run", "--model", model]
    with tempfile.TemporaryDirectory() as folder:
        path = pathlib.Path(folder) / "logits.npy"
        options = list(options) or ["--no-clocks"]
        subprocess.run([*duplex, "--prompt", PROMPT, "--max-new", count, "--ignore-eos", *options], check=True)
        prompt = list(map(int, subprocess.run([pathlib.Path(build) / "duplex", "info", "--model", model, "--tokens", PROMPT], check=True,
                                              capture_output=True, text=True).stdout.split(",")))
        ids = ",".join(map(str, prompt))
        done = subprocess.run([*duplex, "--prompt-ids", ids, "--max-new", count, "--ignore-eos", "--logits", path, *options],
                              check=True, capture_output=True, text=True)
        chosen = list(map(int, done.stdout.split(",")))
        got = numpy.load(path)
    expected = logits_of(Gguf(model), prompt + chosen[:-1])[len(prompt) - 1:]
    errors = abs(got - expected) / expected.std()
    best = numpy.sort(expected, axis=1)[:, ::-1]
    close = best[:, 0] - best[:, 1] <= errors.max() * expected.std() * 2
    others = expected.argmax(1) != chosen
    print(f"{len(chosen)} tokens, error of logits / deviation: median {numpy.median(errors):.2e}, largest {errors.max():.2e}; "
          f"{others.sum()} greedy tokens are others, {(others & ~close).sum()} of them without a near tie")
    sys.exit(bool(numpy.median(errors) > MEDIAN or errors.max() > LARGEST or (others & ~close).any()))


if __name__ == "__main__":
    main(*sys.argv[1:])
