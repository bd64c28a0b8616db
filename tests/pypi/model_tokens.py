# SPDX-License-Identifier: Apache-2.0
"""Tokens and decoded texts of the project's tokenizer against the package tokenizers, on random texts and the project's pages.

usage: model_tokens.py BUILD [SEED]; exit status 1 if any differs. The vocabularies are trained on the pages.
"""
import json
import pathlib
import random
import struct
import subprocess
import sys
import tempfile

from tokenizers import AddedToken, Regex, Tokenizer, decoders, models, normalizers, pre_tokenizers as pre, processors, trainers

ROOT = pathlib.Path(__file__).resolve().parents[2]
PAGES = [path.read_text(encoding="utf-8") for path in sorted((ROOT / "docs").glob("*.md"))]
FOREIGN = "\u00e9t\u00e9 \u00e9lan na\u00efve \u03a9mega \u65e5\u672c\u8a9e \u30c6\u30b9\u30c8 \u2581x"
LLAMA3 = (r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+")
PARTS = ["a", "b", "the ", "Hello", " world", "'s", "'LL", "\n", "\r\n", "  ", "\t", " ", "1", "23", "4567", "\u00b2", "\u2167", "\u00e9", "e\u0301",
         "\u01c6", "\u65e5\u672c", "\ud55c\uad6d", "\u3131\u314f", "\U0001f469\u200d\U0001f469\u200d\U0001f467", "\u00a0", "\u2003", "\u200b", "<s>",
         "</s>", "<unk>", "<tool>", "foo bar", " foo", "x", "...", "!?", "_", "-", "\u03a9", "A\u030a", "\u212b", "\u017f", "\u2581", "\u2581\u2581",
         "\u0301", "\ufeff", "if (x) {", "}", "\\", "/", "\"", "caf\u00e9", "\x00", "\x7f", "\u0085", "word", "ing", "qq zz"]


def byte_level(steps, normalizer=None, whole_words=False):
    tokenizer = Tokenizer(models.BPE(ignore_merges=whole_words))
    tokenizer.pre_tokenizer, tokenizer.decoder = steps, decoders.ByteLevel()
    if normalizer:
        tokenizer.normalizer = normalizer
    trainer = trainers.BpeTrainer(vocab_size=2000, special_tokens=["<s>", "</s>"], initial_alphabet=pre.ByteLevel.alphabet(), show_progress=False)
    tokenizer.train_from_iterator(PAGES + [FOREIGN] * 20, trainer)
    tokenizer.add_tokens([AddedToken("<tool>", normalized=False, lstrip=True, rstrip=True), AddedToken("foo bar", normalized=True)])
    tokenizer.post_processor = processors.Sequence([processors.ByteLevel(trim_offsets=True), processors.TemplateProcessing(
        single="<s> $A", pair="<s> $A $B", special_tokens=[("<s>", 0)])])
    return tokenizer


def trained_pieces():
    """A vocabulary of SentencePiece's kind, with a token for each byte."""
    tokenizer = Tokenizer(models.BPE(unk_token="<unk>", fuse_unk=True, byte_fallback=True))
    special = ["<unk>", "<s>", "</s>"]
    trainer = trainers.BpeTrainer(vocab_size=1500, special_tokens=special + [f"<0x{i:02X}>" for i in range(256)], show_progress=False)
    tokenizer.pre_tokenizer = pre.Metaspace(prepend_scheme="always", split=True)
    tokenizer.train_from_iterator(PAGES + [FOREIGN] * 20, trainer)
    text = json.loads(tokenizer.to_str())
    text["added_tokens"] = [token for token in text["added_tokens"] if token["content"] in special]
    return text


def pieces(trained, steps, prepend=False, decoder=None, fallback=True):
    trained["model"]["byte_fallback"] = fallback
    tokenizer = Tokenizer.from_str(json.dumps(trained))
    tokenizer.add_tokens([AddedToken("qq zz", normalized=True)])
    tokenizer.pre_tokenizer = steps
    if prepend:
        tokenizer.normalizer = normalizers.Sequence([normalizers.Prepend("\u2581"), normalizers.Replace(" ", "\u2581")])
    tokenizer.decoder = decoder or decoders.Sequence(
        [decoders.Replace("\u2581", " "), decoders.ByteFallback(), decoders.Fuse(), decoders.Strip(" ", 1, 0)])
    tokenizer.post_processor = processors.TemplateProcessing(single="<s> $A </s>", pair="<s> $A $B", special_tokens=[("<s>", 1), ("</s>", 2)])
    return tokenizer


def all_tokenizers():
    def cut(pattern):
        return pre.Sequence([pre.Split(Regex(pattern), "isolated"), pre.ByteLevel(add_prefix_space=False, use_regex=False)])

    yield "gpt2", byte_level(pre.ByteLevel(add_prefix_space=True))
    yield "smollm", byte_level(pre.Sequence([pre.Digits(True), pre.ByteLevel(add_prefix_space=False)]))
    yield "llama3", byte_level(cut(LLAMA3), whole_words=True)
    yield "qwen2", byte_level(cut(LLAMA3.replace("{1,3}", "")), normalizers.NFC())
    trained = trained_pieces()
    yield "mixtral", pieces(trained, None, prepend=True)
    yield "first", pieces(trained, pre.Metaspace(prepend_scheme="first", split=False))
    yield "always", pieces(trained, pre.Metaspace(prepend_scheme="always", split=True))
    yield "metaspace", pieces(trained, pre.Metaspace(prepend_scheme="first"), decoder=decoders.Metaspace(prepend_scheme="first"))
    yield "unknown", pieces(trained, pre.Metaspace(prepend_scheme="never"), fallback=False)


def differences(program, folder, tokenizer, texts, whole):
    records = b"".join(struct.pack("<I", len(text.encode())) + text.encode() for text in texts)
    run = subprocess.run([program, folder] + ["--whole"] * whole, input=records, capture_output=True, check=True)
    lines = run.stdout.decode().split("\n")
    for i, text in enumerate(texts):
        expected = tokenizer.encode(text, add_special_tokens=whole).ids
        back = tokenizer.decode(expected, skip_special_tokens=False)
        got = [int(word) for word in lines[2 * i].split()]
        if got != expected or bytes.fromhex(lines[2 * i + 1]).decode() != back:
            yield f"{text!r}: {got} {bytes.fromhex(lines[2 * i + 1])!r}, expected {expected} {back!r}"


def decoded_differences(program, folder, tokenizer, lists):
    """Of random tokens, bytes that are no UTF-8 among them."""
    records = b"".join(struct.pack(f"<I{len(tokens)}I", 4 * len(tokens), *tokens) for tokens in lists)
    run = subprocess.run([program, folder, "--decode"], input=records, capture_output=True, check=True)
    lines = run.stdout.decode().split("\n")
    for i, tokens in enumerate(lists):
        got, expected = bytes.fromhex(lines[2 * i + 1]).decode(), tokenizer.decode(tokens, skip_special_tokens=False)
        if got != expected:
            yield f"{tokens}: {got!r}, expected {expected!r}"


def random_lists(draw, tokenizer):
    """Half of them mostly of the tokens with low numbers, among which are those of bytes."""
    size = tokenizer.get_vocab_size()
    return [[draw.randrange(min(size, 260 if i % 2 else size)) for _ in range(draw.randint(1, 12))] for i in range(300)]


def main():
    seed = int(sys.argv[2]) if len(sys.argv) > 2 else 1
    draw = random.Random(seed)
    texts = ["".join(draw.choice(PARTS) for _ in range(draw.randint(0, 30))) for _ in range(500)]
    texts += [page[i:i + 400] for page in PAGES for i in range(0, 2000, 400)]
    failed = 0
    for name, tokenizer in all_tokenizers():
        with tempfile.TemporaryDirectory() as folder:
            tokenizer.save(folder + "/tokenizer.json")
            found = [text for whole in (False, True) for text in differences(sys.argv[1] + "/tests/model/tokens", folder, tokenizer, texts, whole)]
            lists = random_lists(draw, tokenizer)
            found += decoded_differences(sys.argv[1] + "/tests/model/tokens", folder, tokenizer, lists)
        print(f"{name}: {len(found)} of {2 * len(texts)} texts and {len(lists)} lists of tokens differ", *found[:3], sep="\n  ")
        failed += len(found)
    sys.exit(failed != 0)


if __name__ == "__main__":
    main()
