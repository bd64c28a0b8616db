#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""examples/influence: bits against its definition in exact rationals, errors against exact and binary64 scores, any batch and processor.

usage: tests/cli/influence.py BUILD [--all]     --all: more random layers, larger ones, some on the RTL too
"""
import fractions
import os
import pathlib
import re
import subprocess
import sys
import tempfile

import numpy as np

PROGRAM = pathlib.Path(sys.argv[1]).resolve() / "examples/influence/influence"
ALL = "--all" in sys.argv
SEED = int(os.environ.get("DUPLEX_SEED", "1"))
MATRICES = ("qa", "qs", "eigenvalues", "u", "v", "activations", "gradients", "lengths")
F = fractions.Fraction
failures = []


def expect(what, good):
    if not good:
        print("FAIL " + what)
        failures.append(what)


def round_to(value, bits, least):
    """A fraction to nearest, ties to even, of so many significant bits, none below 2^least."""
    if value == 0:
        return F(0)
    exponent = abs(value.numerator).bit_length() - value.denominator.bit_length()
    exponent -= abs(value) < F(2) ** exponent
    unit = F(2) ** max(exponent - bits + 1, least)
    return round(value / unit) * unit  # of Fraction: half to even


def rn32(value):
    return round_to(value, 24, -149)


def exponent_of(row):
    """e of 2^e <= the largest magnitude < 2^(e + 1)."""
    largest = max(map(abs, row))
    if largest == 0:
        return 0
    exponent = largest.numerator.bit_length() - largest.denominator.bit_length()
    return exponent - (largest < F(2) ** exponent)


def rn16(row, exponent):
    return [round_to(v / F(2) ** exponent, 11, -24) for v in row]


def fractions_of(array):
    return [[F(float(v)) for v in row] for row in array]


def columns_of(matrix):
    return [list(column) for column in zip(*matrix)]


def dot(a, b):
    return sum((x * y for x, y in zip(a, b)), F(0))


def times(matrix, tokens):
    return [[dot(row, token) for row in matrix] for token in tokens]


def damped_matrix(case, damping):
    """Rows of M with their exponents, as docs/influence.md defines them."""
    p = [[rn32(v) for v in row] for row in times(columns_of(fractions_of(case["qs"])), columns_of(fractions_of(case["u"])))]
    q = [[rn32(v) for v in row] for row in times(columns_of(fractions_of(case["qa"])), columns_of(fractions_of(case["v"])))]
    common = max((exponent_of(a) + exponent_of(b) for a, b in zip(p, q) if any(a) and any(b)), default=0)
    left = columns_of([rn16(a, common - exponent_of(b)) for a, b in zip(p, q)])
    right = columns_of([rn16(b, exponent_of(b)) for b in q])
    rows = []
    for i, row in enumerate(left):
        quotients = [F(float(rn32(dot(row, other))) / (float(case["eigenvalues"][i, k]) + damping)) for k, other in enumerate(right)]
        own = exponent_of(quotients)
        rows.append((own + common if any(quotients) else 0, rn16(quotients, own)))
    return rows


def scores_defined(case, damping):
    """Scores with the roundings of docs/influence.md and no others."""
    m = damped_matrix(case, damping)
    alpha = times(columns_of(fractions_of(case["qa"])), fractions_of(case["activations"]))
    sigma = times(columns_of(fractions_of(case["qs"])), fractions_of(case["gradients"]))
    terms = []
    for a, s in zip(alpha, sigma):
        a = [rn32(v) for v in a]
        own = exponent_of(a)
        x = rn16(a, own)
        beta = [rn32(F(2) ** exponent * dot(row, x)) for exponent, row in m]
        terms.append(F(2) ** own * dot([rn32(v) for v in s], beta))
    return [rn32(v) for v in sum_up(terms, case["lengths"])]


def scores_exact(case, damping):
    """Scores without any rounding."""
    qa, qs = columns_of(fractions_of(case["qa"])), columns_of(fractions_of(case["qs"]))
    p, q = columns_of(times(qs, columns_of(fractions_of(case["u"])))), columns_of(times(qa, columns_of(fractions_of(case["v"]))))
    damped = [[F(float(v)) + F(damping) for v in row] for row in case["eigenvalues"]]
    m = [[dot(a, b) / d for b, d in zip(q, row)] for a, row in zip(p, damped)]
    alpha, sigma = times(qa, fractions_of(case["activations"])), times(qs, fractions_of(case["gradients"]))
    return sum_up([dot(s, [dot(row, a) for row in m]) for a, s in zip(alpha, sigma)], case["lengths"])


def sum_up(terms, lengths):
    ends = np.cumsum(lengths)
    return [sum(terms[end - length:end], F(0)) for end, length in zip(ends, lengths)]


def make_case(generator, k, n, rank, lengths, scale=1.0):
    """A layer whose inputs and gradients have the spectra of the eigenvalues; `scale` of activations, 1 / scale of gradients."""
    bases = [np.linalg.qr(generator.normal(size=(side, side)))[0] for side in (k, n)]
    spectra = [np.exp(-12 * np.arange(side) / side) for side in (k, n)]

    def draw(count, side):
        return (generator.normal(size=(count, spectra[side].size)) * np.sqrt(spectra[side])) @ bases[side].T

    tokens = int(np.sum(lengths))
    case = {"qa": bases[0], "qs": bases[1], "u": draw(rank, 1).T, "v": draw(rank, 0).T,
            "activations": scale * draw(tokens, 0), "gradients": draw(tokens, 1) / scale}
    case = {name: np.ascontiguousarray(array, "<f2") for name, array in case.items()}
    case["eigenvalues"] = (spectra[1][:, None] * spectra[0] * generator.uniform(0.5, 2, size=(n, k))).astype("<f4")
    case["lengths"] = np.array(lengths, "<i8")
    return case


def call(*arguments):
    return subprocess.run([PROGRAM, *map(str, arguments)], capture_output=True, text=True)


def run(folder, case, damping, *more):
    """Scores as the program writes them, and its lines."""
    files = []
    for name in MATRICES:
        np.save(folder / f"{name}.npy", np.ascontiguousarray(case[name]))
        files += ["--" + name, folder / f"{name}.npy"]
    done = call(*files, "--damping", repr(damping), "--out", folder / "scores.npy", *more)
    expect(f"{more}: exit status {done.returncode} {done.stderr}", done.returncode == 0)
    return (np.load(folder / "scores.npy"), done.stdout) if done.returncode == 0 else (np.zeros(len(case["lengths"])), "")


def raised(magnitudes, largest):
    """An element's error as binary16 of a row with an exponent is 2^-11 of this at most: small ones are multiples of 2^-24."""
    return magnitudes + 2.0 ** -14 * largest


def error_bound(case, damping):
    """5 * 2^-11 of the sum of the raised magnitudes of all terms, in binary64: four roundings to binary16, the rest far smaller."""
    f = {name: case[name].astype(float) for name in MATRICES}
    p, q = np.abs(f["qs"].T @ f["u"]), np.abs(f["qa"].T @ f["v"])
    alpha, sigma = np.abs(f["activations"] @ f["qa"]), np.abs(f["gradients"] @ f["qs"])
    largest = q.max(0) + 1e-300
    p = raised(p, 2 * (p.max(0) * largest).max() / largest)  # the exponents of the columns of q move to those of p
    m = p @ raised(q, largest).T / (f["eigenvalues"] + damping)
    m, alpha = raised(m, m.max(1, keepdims=True)), raised(alpha, alpha.max(1, keepdims=True))
    terms = np.einsum("tn,nk,tk->t", sigma, m, alpha, optimize=True)
    return 5 * 2.0 ** -11 * np.array([float(v) for v in sum_up(list(terms), case["lengths"])])


def check_small(folder, generator, number):
    """Bit for bit the definition, and near the exact score."""
    k, n, rank = (int(v) for v in generator.integers(1, 12, size=3))
    lengths = generator.integers(1, 5, size=generator.integers(1, 6))
    case = make_case(generator, k, n, rank, lengths, scale=2.0 ** generator.integers(-10, 4))
    if number % 4 == 0:
        case["u"][:, 0] = 0  # a part of the gradient that is none
    if number % 4 == 1:
        case["u"] = (case["u"].astype(float) * 2.0 ** (-7 * (np.arange(rank) % 3))).astype("<f2")  # parts of unlike sizes
    if number % 4 == 2:
        case["eigenvalues"][0, :] = 0
    damping = float(10.0 ** generator.integers(-12, 2))
    got, _ = run(folder, case, damping, "--channels", 32 if number == 0 else 1 + number % 3)
    defined = np.array([float(v) for v in scores_defined(case, damping)]).astype("<f4")
    expect(f"case {number}, {k}, {n}, rank {rank}: {got} are the bits of the definition {defined}", got.tobytes() == defined.tobytes())
    errors = [abs(float(F(float(g)) - e)) for g, e in zip(got, scores_exact(case, damping))]
    return case, damping, got, max(e / b for e, b in zip(errors, error_bound(case, damping) + 1e-300))


def check_large(folder, generator, k, n):
    """One hash for every batch and processor, near the scores of NumPy in binary64."""
    case = make_case(generator, k, n, 4, np.append(generator.integers(1, 4, size=20), generator.integers(8, 14, size=20)))
    damping = 1e-4
    got, best = run(folder, case, damping, "--batch", 4)
    print("".join(best.splitlines(True)[-1:]), end="")
    expect("few tokens go to Logic-PIM, many to the xPU", {"Logic-PIM", "xPU"} <= who_ran(best))
    for processor, batch, channels in (("logic_pim", 40, 8), ("xpu", 1, 3), ("best", 7, 5)):
        other, lines = run(folder, case, damping, "--batch", batch, "--processor", processor, "--channels", channels)
        expect(f"the same bits with {processor}, batch {batch}, {channels} channels", other.tobytes() == got.tobytes())
        expect(f"{processor} ran all", processor == "best" or who_ran(lines) == {{"xpu": "xPU"}.get(processor, "Logic-PIM")})
    f = {name: case[name].astype(float) for name in MATRICES}
    m = (f["qs"].T @ f["u"]) @ (f["v"].T @ f["qa"]) / (f["eigenvalues"] + damping)
    terms = np.einsum("tn,nk,tk->t", f["gradients"] @ f["qs"], m, f["activations"] @ f["qa"], optimize=True)
    ideal = np.array(sum_up(list(terms), case["lengths"]), float)
    error = np.abs(got - ideal) / ideal.std()
    print(f"{k} x {n}, rank 4, 40 candidates: error over the deviation of the scores: median {np.median(error):.1e}, largest {error.max():.1e}")
    expect("the median of the error is at most 1e-3, the largest 4e-3", np.median(error) <= 1e-3 and error.max() <= 4e-3)
    expect("no error is beyond its bound", (np.abs(got - ideal) <= error_bound(case, damping)).all())


def who_ran(lines):
    return set(re.findall(r"^ +\d+  \S+ +[\d.]+  (\S+)", lines, re.M))


def check_times():
    """The crossover that is printed is where the times cross; the times of the xPU are the roofline of docs/xpu_time.md."""
    done = call("--times", "256,128", "--channels", 4)
    rows = re.findall(r"^ +(\d+)  query +([\d.]+)  (\S+) +([\d.]+) +([\d.]+)$", done.stdout, re.M)
    crossover = int(re.search(r"^query .*up to (\d+) tokens", done.stdout, re.M).group(1))
    expect("nine counts of tokens", [int(r[0]) for r in rows] == [2 ** i for i in range(9)])
    for tokens, intensity, ran, logic_pim, xpu in rows:
        t, operations = int(tokens), 2 * 256 * 128 * int(tokens)
        moved = 2 * 256 * 128 + t * (2 * 256 + 4 * 128)
        expect(f"{t} tokens: operations a byte", abs(float(intensity) - operations / moved) < 0.006)
        padded = operations / t * ((t + 7) // 8 * 8)
        roofline = 1e6 * max(padded / (0.95 * 989.4e12 * 4 / 160), moved / (0.986 * 3.352e12 * 4 / 160)) + 1
        expect(f"{t} tokens: {xpu} us of the xPU, {roofline}", abs(float(xpu) - roofline) < 0.0061)
        expect(f"{t} tokens: who is sooner", (float(logic_pim) <= float(xpu)) == (t <= crossover) == (ran == "Logic-PIM"))


def check_bad_input(folder, case):
    """One line, exit status 2, no file of scores."""
    def refused(what, text, *more, **arrays):
        (folder / "scores.npy").unlink(missing_ok=True)
        files = []
        for name in MATRICES:
            path = folder / f"bad_{name}.npy"
            content = arrays.get(name, case[name])
            path.write_bytes(content) if isinstance(content, bytes) else np.save(path, content)
            files += ["--" + name, path]
        if "--damping" not in more:
            files += ["--damping", "0.5"]
        if "--channels" not in more:
            files += ["--channels", "2"]
        done = call(*files, "--out", folder / "scores.npy", *more)
        expect(f"{what}: status {done.returncode}, {done.stderr!r} with {text!r}",
               done.returncode == 2 and done.stderr.count("\n") == 1 and text in done.stderr and not (folder / "scores.npy").exists())

    whole = (folder / "qa.npy").read_bytes()
    nan = case["u"].copy()
    nan[0, 0] = np.nan
    refused("a truncated file", "is truncated", qa=whole[:-1])
    refused("bytes behind", "bytes behind", qa=whole + b"x")
    refused("no .npy", "is not a .npy file", qa=b"\x93NUMPX" + whole[6:])
    refused("a damaged header", "header", qa=whole.replace(b"'descr'", b"'descx'"))
    refused("a header cut short", "header", qa=whole[:40])
    refused("a huge shape", "expected a shape", qa=re.sub(rb"\(\d+, \d+\)", b"(99999999999, 99999999999)", whole))
    refused("another type", "expected elements <f2", v=case["v"].astype("<f4"))
    refused("Fortran order", "expected C order", qa=np.asfortranarray(case["qa"]))
    refused("no square", "expected", qs=case["qs"][:-1].copy())
    refused("eigenvalues turned", "expected", eigenvalues=case["eigenvalues"].T.copy())
    refused("another rank", "expected", v=case["v"][:, :-1].copy())
    refused("too few gradients", "expected", gradients=case["gradients"][:-1].copy())
    refused("a vector", "dimensions", activations=case["activations"].ravel())
    refused("not a number", "element 0 is not finite", u=nan)
    refused("an empty file", "shape", lengths=np.zeros(0, "<i8"))
    refused("lengths too long", "tokens left", lengths=case["lengths"] + 1)
    refused("lengths too short", "add up to", lengths=np.array([1], "<i8"))
    refused("a candidate without tokens", "is 0", lengths=np.append(case["lengths"], 0))
    refused("eigenvalues below minus the damping", "expected more than", eigenvalues=-np.ones_like(case["eigenvalues"]))
    refused("beyond the exponents", "of the damped query matrix", "--damping", "1e-45", eigenvalues=np.zeros_like(case["eigenvalues"]))
    refused("a damping", "--damping", "--damping", "x")
    refused("a batch", "--batch 0", "--batch", "0")
    refused("channels", "--channels 33", "--channels", "33")
    refused("a back end", "expected cmodel or rtl", "--backend", "foo")
    refused("a processor", "expected best", "--processor", "foo")
    refused("twice", "given twice", "--out", "x")
    refused("an argument", "unknown argument", "x")
    refused("times and files", "takes no files", "--times", "4,4")
    missing = call("--qa", "x")
    expect("a missing option", missing.returncode == 2 and missing.stderr == "influence: --qs is missing: see --help\n")
    full = call(*[w for name in MATRICES for w in ("--" + name, folder / f"{name}.npy")], "--damping", "1", "--out", "/dev/full", "--channels", "2")
    expect("a full disk", full.returncode != 0 and full.stderr.count("\n") == 1 and pathlib.Path("/dev/full").is_char_device())


def main():
    generator = np.random.default_rng(SEED)
    print(f"seed {SEED}")
    worst = 0
    with tempfile.TemporaryDirectory() as name:
        folder = pathlib.Path(name)
        for number in range(400 if ALL else 8):
            case, damping, got, share = check_small(folder, generator, number)
            worst = max(worst, share)
            if ALL and number % 40 == 0:
                on_rtl, _ = run(folder, case, damping, "--backend", "rtl", "--channels", 2)
                expect(f"case {number}: the RTL has the same bits", on_rtl.tobytes() == got.tobytes())
        print(f"largest error of small layers: {worst:.2f} of its bound")
        expect("no error is beyond its bound", worst <= 1)
        fixed = make_case(generator, 6, 4, 2, [2, 3])
        run(folder, fixed, 0.5, "--channels", 2)
        check_bad_input(folder, fixed)
        for k, n in ((512, 512), (1024, 300), (700, 1536)) if ALL else ((512, 512),):
            check_large(folder, generator, k, n)
    check_times()
    sys.exit(1 if failures else 0)


main()
