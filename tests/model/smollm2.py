#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""SmolLM2 as its package ships it: what it is, and its tokenizer on its own vocabulary and the project's pages.

usage: tests/model/smollm2.py BUILD; `make model-smollm2` first. Texts of the vocabulary are read from the file by this script itself.
"""
import pathlib
import struct
import subprocess
import sys

BUILD = pathlib.Path(sys.argv[1])
MODEL = BUILD / "models/smollm2/SmolLM2-135M-Instruct.Q4_1.gguf"
FAILURES = []


def check(what, got, expected):
    if got != expected:
        FAILURES.append(what)
        print(f"FAIL {what}: {got!r}, expected {expected!r}")


def texts_of(data, key):
    """The texts of an array of the metadata, as they stand in the file."""
    name = key.encode()
    at = data.index(struct.pack("<Q", len(name)) + name) + 8 + len(name)
    kind, of, count = struct.unpack_from("<IIQ", data, at)
    assert (kind, of) == (9, 8)
    at += 16
    texts = []
    for _ in range(count):
        length, = struct.unpack_from("<Q", data, at)
        texts.append(data[at + 8:at + 8 + length].decode())
        at += 8 + length
    return texts


# Byte-level BPE writes each byte as one printable character.
PLAIN = [*range(33, 127), *range(161, 173), *range(174, 256)]
OTHERS = [byte for byte in range(256) if byte not in PLAIN]
BYTES = {chr(byte): byte for byte in PLAIN} | {chr(256 + i): byte for i, byte in enumerate(OTHERS)}


def encode(texts):
    """[(tokens, decoded bytes)] by the project's tokenizer."""
    records = b"".join(struct.pack("<I", len(text)) + text for text in texts)
    run = subprocess.run([BUILD / "tests/model/tokens", MODEL], input=records, capture_output=True, check=True)
    lines = run.stdout.decode().split("\n")
    return [([int(word) for word in lines[2 * i].split()], bytes.fromhex(lines[2 * i + 1])) for i in range(len(texts))]


def main():
    data = MODEL.read_bytes()
    vocabulary = texts_of(data, "tokenizer.ggml.tokens")
    check("tokens", len(vocabulary), 49152)
    info = subprocess.run([BUILD / "duplex", "info", "--model", MODEL], capture_output=True, text=True, check=True).stdout
    for line in ("architecture           LlamaForCausalLM", "layers                 30, hidden 576, 8192 positions",
                 "attention              9 heads of 64, 3 of K and V", "tokenizer              49152 tokens", "tensors                272:"):
        check(line, line in info, True)
    # A token that is one piece of text and whole UTF-8 gives itself, unless its merges lead elsewhere; the text comes back in any case.
    texts = [(i, bytes(BYTES[character] for character in token)) for i, token in enumerate(vocabulary) if i > 16]
    whole = [(i, text) for i, text in texts if text.decode(errors="ignore").encode() == text]
    results = encode([text for _, text in whole])
    same = sum(tokens == [i] for (i, _), (tokens, _) in zip(whole, results))
    check("texts of the vocabulary that come back", sum(text == back for (_, text), (_, back) in zip(whole, results)), len(whole))
    print(f"{same} of {len(whole)} texts of tokens are that token alone")
    check("most are", same > 0.98 * len(whole), True)
    special = encode([b"<|im_start|>user\nHi<|im_end|>"])[0]
    check("special tokens", (special[0][0], special[0][-1], special[1]), (1, 2, b"<|im_start|>user\nHi<|im_end|>"))
    pages = [path.read_bytes() for path in sorted(pathlib.Path("docs").glob("*.md"))]
    check("pages that come back", [back for _, back in encode(pages)] == pages, True)
    print(f"smollm2: {len(FAILURES)} failures")
    sys.exit(bool(FAILURES))


if __name__ == "__main__":
    main()
