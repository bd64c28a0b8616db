#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""The Python module against NumPy's exact integers and the command's own results, its errors, and its structures against the headers.

usage: tests/python/test_duplex.py BUILD
Operands are small integers, so that binary64 holds every sum exactly and NumPy gives the right answer.
"""
import concurrent.futures
import ctypes
import json
import os
import pathlib
import signal
import subprocess
import sys
import tempfile
import unittest

ROOT = pathlib.Path(__file__).resolve().parents[2]
BUILD = pathlib.Path(sys.argv[1]).resolve()
SEED = int(os.environ.get("DUPLEX_SEED", "1"))
sys.dont_write_bytecode = True
sys.path.insert(0, str(ROOT / "python"))
os.environ.setdefault("DUPLEX_LIBRARY", str(BUILD / "libduplex.so"))

import numpy as np  # noqa: E402

import duplex  # noqa: E402
from duplex import _arguments, _library  # noqa: E402


def integers(random, *shape):
    return random.integers(-8, 9, shape).astype("<f2")


class Numbers(unittest.TestCase):
    def setUp(self):
        self.random = np.random.default_rng(SEED)
        self.stack = duplex.Stack(channels=3)
        self.addCleanup(self.stack.close)

    def test_gemm(self):
        x, w = integers(self.random, 9, 130), integers(self.random, 70, 130)
        exact = x.astype("f8") @ w.astype("f8").T
        weights = self.stack.upload(w)
        np.testing.assert_array_equal(self.stack.gemm(weights, x), exact.astype("<f2"))
        np.testing.assert_array_equal(self.stack.gemm(weights, x, "f32"), exact.astype("<f4"))
        sums = self.stack.gemm(weights, x, "acc")
        low = int.from_bytes(sums[0, 0].tobytes(), "little") & ((1 << 125) - 1)
        self.assertEqual(low - (low >> 124 << 125), int(exact[0, 0]) << 48)

    def test_exponents(self):
        w, e = integers(self.random, 5, 64), np.arange(-2, 3, dtype="i1")
        weights = self.stack.upload(w, e)
        x = integers(self.random, 1, 64)
        np.testing.assert_array_equal(self.stack.gemm(weights, x, "f32"), (x.astype("f8") @ w.astype("f8").T * 2.0 ** e).astype("<f4"))

    def test_in_place(self):
        x, w, out = integers(self.random, 2, 64), integers(self.random, 3, 64), np.zeros((2, 3), "<f2")
        self.assertIs(self.stack.gemm(self.stack.upload(w), x, out=out), out)
        np.testing.assert_array_equal(out, (x.astype("f8") @ w.astype("f8").T).astype("<f2"))
        np.testing.assert_array_equal(self.stack.gemm(self.stack.upload(np.asfortranarray(w)), x), out)

    def test_what_is_in_place(self):
        """What has the layout already is not copied: the library reads it and writes to it where it lies."""
        x = integers(self.random, 4, 64)
        for given in (x, x[1:3], x.reshape(2, 2, 64)[1]):
            self.assertEqual(_arguments.array(given, "x", None, 64).ctypes.data, given.ctypes.data)
        odd = np.frombuffer(b"\0" + x.tobytes(), "u1")[1:].view("<f2").reshape(4, 64)
        w = self.stack.upload(integers(self.random, 3, 64))
        right = self.stack.gemm(w, x)
        for given in (odd, np.asfortranarray(x), np.repeat(x, 2, 0)[::2], x[::-1][::-1]):
            np.testing.assert_array_equal(self.stack.gemm(w, given), right)
        whole = np.zeros((6, 3), "<f2")
        self.stack.gemm(w, x, out=whole[1:5])  # a part of the caller's array
        np.testing.assert_array_equal(whole[1:5], right)
        self.assertFalse(whole[0].any() or whole[5].any())

    def test_uploaded_weights_are_a_copy(self):
        x, w = integers(self.random, 2, 64), integers(self.random, 3, 64)
        weights, right = self.stack.upload(w), (x.astype("f8") @ w.astype("f8").T).astype("<f2")
        w[:] = 0
        np.testing.assert_array_equal(self.stack.gemm(weights, x), right)

    def test_attention_is_exact(self):
        """Equal scores: o is the mean of V, a tie between two numbers, and goes to the even one."""
        cache = self.stack.kv_cache(heads=1, head_size=16, pages=1, page_positions=64)
        v = np.array([0x3C00, 0x3C01] * 16, "<u2").view("<f2").reshape(16, 2).T.reshape(1, 2, 16)
        sequence = cache.begin(2)
        sequence.append(np.ones_like(v), np.ascontiguousarray(v))
        o = cache.attention([sequence], np.zeros((1, 1, 16), "<f2"))
        np.testing.assert_array_equal(o.view("<u2"), 0x3C00)

    def test_riscv(self):
        w, x = integers(self.random, 40, 64), integers(self.random, 9, 64)
        right = self.stack.gemm(self.stack.upload(w), x)
        with duplex.Stack(channels=3, firmware="riscv", firmware_elf=BUILD / "firmware.elf") as stack:
            np.testing.assert_array_equal(stack.gemm(stack.upload(w), x), right)
            self.assertGreater(stack.stats()["firmware_instructions"], 100)

    def test_expert(self):
        x, up, down = integers(self.random, 4, 66), integers(self.random, 40, 66), integers(self.random, 66, 40)
        h = np.maximum(x.astype("f8") @ up.astype("f8").T, 0).astype("<f2").astype("f8")
        y = self.stack.expert(self.stack.upload(up), self.stack.upload(down), x, act="relu", format="f32")
        np.testing.assert_array_equal(y, (h @ down.astype("f8").T).astype("<f4"))
        gate = integers(self.random, 40, 66)
        g, u = x.astype("f8") @ gate.astype("f8").T, x.astype("f8") @ up.astype("f8").T
        h = (g * u).clip(-65504, 65504)
        y = self.stack.expert(self.stack.upload_gated(gate, up), self.stack.upload(down), x, act="identity", format="f32")
        e = np.arange(40, dtype="i1") % 5 - 4
        scaled = self.stack.expert(self.stack.upload_gated(gate, up, e, -e), self.stack.upload(down), x, act="identity", format="f32")
        np.testing.assert_array_equal(scaled, y)  # 2^e of gate and 2^-e of up, both exact
        with self.assertRaisesRegex(ValueError, "up_exponents"):
            self.stack.upload_gated(gate, up, up_exponents=[1])
        if np.abs(g * u).max() < 65504:
            np.testing.assert_array_equal(y, (h.astype("<f2").astype("f8") @ down.astype("f8").T).astype("<f4"))

    def test_attention(self):
        cache = self.stack.kv_cache(heads=2, head_size=32, pages=16, page_positions=64)
        k, v, q = integers(self.random, 2, 2, 70, 32), integers(self.random, 2, 2, 70, 32), integers(self.random, 2, 4, 32)
        sequences = [cache.begin(70), cache.begin(70)]
        for i, sequence in enumerate(sequences):
            sequence.append(k[i, :, :50], v[i, :, :50])
            sequence.append(k[i, :, 50:], v[i, :, 50:])
            self.assertEqual(sequence.length(), 70)
        o = cache.attention(sequences, q)
        with tempfile.TemporaryDirectory() as folder:
            for name, value in (("q", q), ("k", k), ("v", v)):
                np.save(f"{folder}/{name}.npy", value)
            subprocess.run([BUILD / "duplex", "attention", "--q", f"{folder}/q.npy", "--k", f"{folder}/k.npy", "--v", f"{folder}/v.npy",
                            "--out", f"{folder}/o.npy", "--channels", "5", "--weights", "p16"], check=True)
            np.testing.assert_array_equal(o, np.load(f"{folder}/o.npy"))
        shared = sequences[0].share(70)
        step = cache.attention_step([sequences[0], shared], k[:, :, 0], v[:, :, 0], q[:1].repeat(2, 0))
        self.assertEqual((sequences[0].length(), shared.length()), (71, 71))
        self.assertEqual(step.shape, (2, 4, 32))
        sequences[1].free()

    def test_statistics(self):
        self.stack.gemm(self.stack.upload(integers(self.random, 70, 130)), integers(self.random, 3, 130))
        stats = self.stack.stats()
        self.assertEqual(stats["macs"], 3 * 70 * 130)
        self.assertEqual(sum(c["rows"] for c in stats["channels"]), 70)
        self.assertEqual(stats["useful_bytes"], 70 * 130 * 2)
        self.assertGreater(stats["cycles"], 0)


class Devices(unittest.TestCase):
    """Layers on a device, small ones: measuring their table of time takes most of it."""

    def setUp(self):
        self.random = np.random.default_rng(SEED)

    def layer(self, experts, hidden, inner):
        return {"router": integers(self.random, experts, hidden), "gate": integers(self.random, experts, inner, hidden),
                "up": integers(self.random, experts, inner, hidden), "down": integers(self.random, experts, hidden, inner)}

    def test_exponents(self):
        """One expert has weight 1: NumPy gives every bit."""
        w, x = self.layer(1, 66, 40), integers(self.random, 5, 66)
        e = {"gate_exponents": self.random.integers(-8, -3, (1, 40)), "up_exponents": self.random.integers(-6, -2, (1, 40)),
             "down_exponents": self.random.integers(-9, -4, (1, 66)), "router_exponents": [3]}
        rows = x.astype("f8")
        g, u = (rows @ w[name][0].astype("f8").T * 2.0 ** e[f"{name}_exponents"][0] for name in ("gate", "up"))
        h = (np.maximum(g, 0) * u).astype("<f2").astype("f8")
        y = (h @ w["down"][0].astype("f8").T * 2.0 ** e["down_exponents"][0]).astype("<f4").astype("<f2")
        for policy, partials in (("best", "acc"), ("xpu", "auto"), ("best", "gathered")):
            with duplex.Device(stacks=2, channels=1, policy=policy, partials=partials, expected_pairs=3) as device:
                layer = device.load_moe(**w, act="relu", **e)
                np.testing.assert_array_equal(device.moe(layer, x, top_k=1), y)
                stats = device.stats()
                self.assertEqual(stats["partials"], "acc" if partials == "auto" else partials)
                self.assertEqual(len(stats["logic_pim"]), 4 if partials == "gathered" else 2)

    def test_command(self):
        """The bits of the command, its times, and those of a table from a file."""
        w, x = {name: value / np.float16(32) for name, value in self.layer(3, 66, 40).items()}, integers(self.random, 5, 66)
        with tempfile.TemporaryDirectory() as folder:
            table, arguments = f"{folder}/layer.tables", []
            for name, value in (("x", x), *w.items()):
                np.save(f"{folder}/{name}.npy", value)
                arguments += [f"--{name}", f"{folder}/{name}.npy"]
            subprocess.run([BUILD / "duplex", "moe", *arguments, "--out", f"{folder}/y.npy", "--channels", "2", "--stacks", "1", "--score",
                            "sigmoid", "--renormalise", "--tables", table, "--stats", f"{folder}/s.json"], check=True)
            with open(f"{folder}/s.json", encoding="ascii") as file:
                told = json.load(file)
            with duplex.Device(stacks=1, channels=2) as device:
                layer = device.load_moe(**w, tables=table)
                y = np.zeros_like(x)
                self.assertIs(device.moe(layer, x, score="sigmoid", renormalise=True, out=y), y)
                np.testing.assert_array_equal(y, np.load(f"{folder}/y.npy"))
                stats = device.stats()
                for ours, theirs in (("cycles", "cycles"), ("bound", "bound_cycles"), ("predicted", "predicted_cycles"), ("pairs", "pairs"),
                                     ("copies", "copies"), ("dram_bytes", "dram_bytes")):
                    self.assertEqual(stats[ours], told[theirs])
                self.assertEqual(stats["logic_pim"], [phase["logic_pim_cycles"] for phase in told["phases"]])
                self.assertEqual(stats["commands"]["rd"], told["dram_commands"]["rd"])
                layer.release()
                layer.release()
                with self.assertRaisesRegex(ValueError, "layer: expected one that is resident"):
                    device.moe(layer, x)
                again = device.load_moe(**w, tables=f"{folder}/made.tables")
                with open(table, "rb") as one, open(f"{folder}/made.tables", "rb") as other:
                    self.assertEqual(one.read(), other.read())
                with self.assertRaisesRegex(duplex.Error, "a table of another shape: gate one, expected none"):
                    device.load_moe(w["router"], w["up"], w["down"], tables=table)
                np.testing.assert_array_equal(device.moe(again, x, score="sigmoid", renormalise=True), y)
                self.assertTrue(np.isfinite(y).all() and y.any())
            device.close()
            with self.assertRaisesRegex(ValueError, "the device is closed"):
                device.stats()

    def test_copies(self):
        """One copy of each expert and two: the same bits, and more DRAM."""
        w, x, seen = self.layer(4, 64, 64), integers(self.random, 5, 64), {}
        for copies in 1, 2:
            with duplex.Device(stacks=2, channels=1, copies=copies, moe_layers=1, most_pairs=10) as device:
                y = device.moe(device.load_moe(**w, act="relu"), x)
                self.assertEqual(device.stats()["copies"], copies)
                seen[copies] = y.tobytes(), device.stats()["dram_bytes"]
        self.assertEqual(seen[1][0], seen[2][0])
        self.assertGreater(seen[2][1], 1.9 * seen[1][1])

    def test_idle(self):
        """From the same place a layer takes the same clocks again, and the bits do not depend on it."""
        w, x = self.layer(4, 256, 256), integers(self.random, 5, 256)
        with duplex.Device(stacks=1, channels=1, policy="pim") as device:
            layer, seen = device.load_moe(**w), set()
            device.moe(layer, x)
            for place in 0, 2, 0, 2:
                device.idle(place, 4)
                y = device.moe(layer, x)
                seen.add((place, device.stats()["cycles"], y.tobytes()))
            self.assertEqual(len(seen), 2)
            self.assertEqual(len({y for _, _, y in seen}), 1)
            for place, places, said in ((4, 4, "place: 4, expected 0 to 3"), (0, 0, "places: 0"), (True, 2, "place: True")):
                with self.subTest(place=place), self.assertRaisesRegex((ValueError, TypeError), said):
                    device.idle(place, places)

    def test_errors(self):
        w = self.layer(2, 64, 8)
        for given, said in (({"stacks": 0}, "stacks: 0, expected 1 to 8"), ({"stacks": 9}, "stacks: 9"), ({"policy": "fast"}, "policy: 'fast'"),
                            ({"partials": 1}, "partials: 1"), ({"copies": 3}, "copies: 3, expected 0 to 2"),
                            ({"copies": 2, "policy": "pim"}, "2 with the policy 'pim'"), ({"stacks": True}, "stacks: True"), ({"xpu_times": 5}, "xpu_times: 5"),
                            ({"xpu_times": "/nowhere/k.csv"}, "/nowhere/k.csv: cannot be read"),
                            ({"stacks": 2, "command_file": "/dev/null"}, "expected one stack")):
            with self.subTest(**given), self.assertRaisesRegex((ValueError, TypeError, duplex.Error), said):
                duplex.Device(**{"channels": 1, **given})
        with duplex.Device(stacks=1, channels=1) as device:
            for given, said in (({"router": w["router"][:1]}, r"router: has the shape \(1, 64\), expected \(2, 64\)"),
                                ({"down": w["up"]}, "down: has the shape"), ({"gate": w["down"]}, "gate: has the shape"), ({"act": "x"}, "act: 'x'"),
                                ({"act": b"x"}, "act: "), ({"up_exponents": [1]}, r"up_exponents: has the shape \(1,\), expected \(2, 8\)"),
                                ({"down_exponents": np.full((2, 64), 128)}, "down_exponents: expected integers"),
                                ({"gate": None, "gate_exponents": np.zeros((2, 8), "i1")}, "exponents of gate")):
                with self.subTest(**{name: "" for name in given}), self.assertRaisesRegex((ValueError, TypeError), said):
                    device.load_moe(**{**w, **given})


class ThreadsAndProcesses(unittest.TestCase):
    """Threads take turns; a child of fork is refused."""

    def setUp(self):
        self.x, self.w = integers(np.random.default_rng(SEED), 3, 130), integers(np.random.default_rng(SEED + 1), 70, 130)
        self.right = (self.x.astype("f8") @ self.w.astype("f8").T).astype("<f2")

    def test_threads_of_one_stack(self):
        for threads in (1, 2):
            with duplex.Stack(channels=2, threads=threads) as stack, concurrent.futures.ThreadPoolExecutor(4) as pool:
                weights = stack.upload(self.w)
                for y in pool.map(lambda _: stack.gemm(weights, self.x), range(40)):
                    np.testing.assert_array_equal(y, self.right)

    def test_child_of_fork(self):
        with duplex.Stack(channels=2, threads=2) as stack, duplex.Device(stacks=1, channels=2, threads=2) as device:
            weights, one = stack.upload(self.w), np.ones((1, 1, 64), "<f2")
            layer = device.load_moe(one[0], one.repeat(4, 1), np.ones((1, 64, 4), "<f2"))
            calls = {"gemm": lambda: stack.gemm(weights, self.x), "upload": lambda: stack.upload(self.w), "release": weights.release,
                     "reset": stack.reset, "moe": lambda: device.moe(layer, one[0], top_k=1), "idle": lambda: device.idle(0, 1), "layer": layer.release,
                     "device": device.close, "close": stack.close}
            for name in calls:
                stack.gemm(weights, self.x)
                device.moe(layer, one[0], top_k=1)
                child = os.fork()
                if not child:
                    signal.alarm(60)  # it does not hang
                    try:
                        calls[name]()
                    except duplex.Error as error:
                        os._exit("after fork" not in str(error))
                    finally:
                        os._exit(2)
                self.assertEqual(os.waitpid(child, 0)[1], 0, name)
            np.testing.assert_array_equal(stack.gemm(weights, self.x), self.right)


class Errors(unittest.TestCase):
    def test_texts(self):
        with self.assertRaisesRegex(duplex.Error, "back end 'foo': expected cmodel or rtl"):
            duplex.Stack("foo")
        with self.assertRaises(duplex.Error):
            duplex.Stack(channels=33)
        with duplex.Stack(channels=1) as stack, duplex.Stack(channels=1) as other:
            w, x = stack.upload(np.ones((3, 64), "<f2")), np.ones((1, 64), "<f2")
            for call, error, text in (
                    (lambda: stack.gemm(w, x.astype("f4")), TypeError, r"x: is <f4, expected <f2 .*astype"),
                    (lambda: stack.gemm(w, x[:, :5]), ValueError, "shape"),
                    (lambda: stack.gemm(w, x, out=np.ones((2, 2), "<f2")), ValueError, "out"),
                    (lambda: stack.gemm(w, x, out=[1]), ValueError, "out"),
                    (lambda: stack.upload(np.ones((3, 64), "<f2"), [300, 0, 0]), ValueError, "exponents"),
                    (lambda: stack.upload(np.ones((3, 64), "<f2"), [1.7, 0, 0]), ValueError, "exponents"),
                    (lambda: duplex.Stack(channels=2 ** 32 + 4), ValueError, "channels"),
                    (lambda: duplex.Stack(threads=-1), ValueError, "threads"),
                    (lambda: stack.gemm(w, x, "f64"), ValueError, "format: 'f64', expected f16, f32, acc"),
                    (lambda: duplex.Stack(firmware_elf="f.elf"), ValueError, "firmware_elf: needs firmware='riscv'"),
                    (lambda: duplex.Stack(dram_preset="ddr1"), duplex.Error, "DRAM preset 'ddr1': expected hbm3_5200"),
                    (lambda: duplex.Stack(bundles=16), duplex.Error, "bundles 0x10"),
                    (lambda: stack.set_stripe(0), duplex.Error, "stripe set 0x0"),
                    (lambda: stack.upload(np.ones((0, 64), "<f2")), duplex.Error, "0 x 64"),
                    (lambda: stack.upload(np.ones(64, "<f2")), ValueError, "shape"),
                    (lambda: stack.upload([[1.0]]), TypeError, "w: is <f8, expected <f2"),
                    (lambda: stack.expert(w, w, x, act=5), TypeError, "act: 5, expected silu"),
                    (lambda: other.gemm(w, x), ValueError, "this stack"),
                    (lambda: stack.expert(w, w, x, act="swish"), ValueError, "swish"),
                    (lambda: stack.expert(w, w, x, act=b"no table"), ValueError, "act"),
                    (lambda: stack.expert(w, w, x), duplex.Error, "down"),
                    (lambda: stack.gemm(w, np.ones((5000, 64), "<f2")), duplex.Error, "4096"),
                    (lambda: stack.kv_cache(1, 17, 1), duplex.Error, ""),
                    (lambda: stack.kv_cache(1, 16, 0), duplex.Error, "0 pages, and 0 to prefill in")):
                with self.assertRaisesRegex(error, text):
                    call()
            w.release()
            with self.assertRaisesRegex(ValueError, "resident"):
                stack.gemm(w, x)
        with self.assertRaisesRegex(ValueError, "closed"):
            stack.stats()

    def test_what_was_given_back(self):
        with duplex.Stack(channels=2) as stack:
            weights, cache = stack.upload(np.ones((3, 64), "<f2")), stack.kv_cache(1, 16, 4, page_positions=64)
            other = stack.kv_cache(1, 16, 4, page_positions=64)
            sequence, foreign = cache.begin(), other.begin()
            one = np.ones((1, 1, 16), "<f2")
            sequence.append(one, one)
            for thing in (lambda: cache.attention([foreign], one), lambda: cache.attention([None], one)):
                with self.assertRaisesRegex(ValueError, "this cache"):
                    thing()
            with self.assertRaisesRegex(duplex.Error, "layer: 1, expected 0"):
                sequence.append(one, one, layer=1)
            with self.assertRaisesRegex(duplex.Error, "0 sequences"):
                cache.attention([], np.ones((0, 1, 16), "<f2"))
            for call in (sequence.free, sequence.free, weights.release, weights.release, cache.close, cache.close):
                call()  # a second time is nothing
            for thing in (lambda: sequence.length(), lambda: cache.begin(), lambda: stack.gemm(weights, np.ones((1, 64), "<f2"))):
                with self.assertRaises(ValueError):
                    thing()
        stack.close()
        weights.release()

    def test_arguments(self):
        """Every argument with what is no number, beyond its range, and beyond the type of C: its name, the value, what was expected."""
        with duplex.Stack(channels=4) as stack:
            w, one = stack.upload(np.ones((3, 64), "<f2")), np.ones((1, 1, 16), "<f2")
            x = np.ones((1, 64), "<f2")
            cache = stack.kv_cache(1, 16, 4, layers=2, page_positions=64)
            sequence = cache.begin()
            sequence.append(one, one)
            integers = {
                "channels": (duplex.Stack, 1, 32), "threads": (duplex.Stack, 0, 1024), "rank_switch": (duplex.Stack, 0, 2),
                "watchdog_clocks": (duplex.Stack, 0, 2 ** 64 - 1), "layer": (lambda layer: sequence.length(layer), 0, 1),
                "positions": (sequence.share, 0, 131072), "expected": (cache.begin, 0, 2 ** 64 - 1), "spread": (cache.begin, 0, 4)}
            for name, least, most in (("heads", 1, 256), ("head_size", 16, 256), ("layers", 0, 1024), ("page_positions", 0, 131072),
                                      ("pages", 0, 65535), ("prefill_pages", 0, 65535)):
                integers[name] = lambda _kv=name, **given: stack.kv_cache(**{"heads": 1, "head_size": 16, "pages": 1, **given}), least, most
            for call in (lambda layer: sequence.append(one, one, layer), lambda layer: cache.attention([sequence], one, layer),
                         lambda layer: cache.attention_step([sequence], one, one, one, layer)):
                self.refuses_integers(call, "layer", 0, 1)
            for name, (call, least, most) in integers.items():
                self.refuses_integers(call, name, least, most)
            kv = {"heads": 1, "head_size": 16, "pages": 1}
            for call, name in ((duplex.Stack, "bundles"), (stack.set_stripe, "bundles"), (lambda **given: stack.kv_cache(**kv, **given), "bundles"),
                               (lambda **given: stack.kv_cache(**kv, **given), "prefill_bundles")):
                self.refuses(call, name, "expected a mask of bundles 0 to 3", ((v, f"{name} {v:#x}") for v in (-1, 16, 2 ** 32 + 1)))
                self.refuses(call, name, "expected an integer, a mask", ((v, f"{name}: {v!r}") for v in (None, "3", 1.0, [1])))
            for call, name in ((duplex.Stack, "strict"), (duplex.Stack, "xpu_traffic"), (cache.begin, "prefill"), (cache.use_p32, "on")):
                self.refuses(call, name, "expected True or False", ((v, f"{name}: {v!r}") for v in (None, "no", 2, -1, 0.5, [])))
            for call in (lambda scale: cache.attention([sequence], one, scale=scale),
                         lambda scale: cache.attention_step([sequence], one, one, one, scale=scale)):
                self.refuses(call, "scale", "expected a positive number, or 0",
                             ((v, f"scale: {v!r}") for v in (None, "1", True, 1j, [1.0], -1, -0.5, float("nan"), float("inf"), 10 ** 400)))
            for name in ("backend", "firmware"):
                self.refuses(duplex.Stack, name, "expected", ((v, f"{name}: {v!r}") for v in (None, 5, b"cmodel", [], ("cmodel",))))
            for name in ("trace_file", "command_file", "firmware_elf"):
                self.refuses(duplex.Stack, name, "expected a path or None", ((v, f"{name}: {v!r}") for v in (5, 1.5, [], object)))
            self.refuses(duplex.Stack, "dram_preset", "expected the name of a preset", ((v, f"dram_preset: {v!r}") for v in (5, b"x", [])))
            for name in ("backend", "dram_preset", "trace_file", "command_file", "firmware_elf"):
                self.refuses(duplex.Stack, name, "expected no NUL character", [("cmodel\0rtl", f"{name}: b'cmodel")])
            self.refuses(lambda act: stack.expert(w, w, x, act), "act", "expected silu", ((v, f"act: {v!r}") for v in (None, 5, [])))
            self.refuses(lambda act: stack.expert(w, w, x, act), "act", "no NUL", [("relu\0", "act")])
            self.refuses(lambda format: stack.gemm(w, x, format), "format", "expected f16", ((v, f"format: {v!r}") for v in (None, 0, [])))
            for call in (lambda sequences: cache.attention(sequences, one), lambda sequences: cache.attention_step(sequences, one, one, one)):
                self.refuses(call, "sequences", "expected", ((v, "sequences: ") for v in (None, 5, sequence, "s", [None], [w])))
            for call in (lambda weights: stack.gemm(weights, x), lambda up: stack.expert(up, w, x), lambda down: stack.expert(w, down, x)):
                name = call.__code__.co_varnames[0]
                self.refuses(call, name, "expected weights", ((v, f"{name}: ") for v in (None, 5, x, sequence)))
            two = np.ones((2, 64), "<f2")
            self.refuses(lambda exponents: stack.upload(two, exponents), "exponents", "expected",
                         ((v, "exponents: ") for v in ("ab", [1], [128, 0], [0, -129], [2 ** 70, 0], [None, 1], [[1], [1, 2]], [True, False], 0)))
            for call, name in ((lambda w: stack.upload(w), "w"), (lambda gate: stack.upload_gated(gate, two), "gate"),
                               (lambda up: stack.upload_gated(two, up), "up"), (lambda x: stack.gemm(w, x), "x"),
                               (lambda k: sequence.append(k, one), "k"), (lambda v: sequence.append(one, v), "v"),
                               (lambda q: cache.attention([sequence], q), "q")):
                self.refuses(call, name, "expected", ((v, f"{name}: ") for v in (None, 5, "x", [[1.0], [1.0, 2.0]], one.astype("f4"), one[0, 0])))
            self.assertEqual(sequence.length(), 1)  # nothing was appended
            self.assertEqual(sequence.length(np.int64(1)), 0)
            cache.attention([sequence], one, layer=np.uint8(0), scale=np.float32(0.5))
        duplex.Stack(channels=np.int32(1), strict=np.bool_(True), threads=1024, bundles=15, rank_switch=2).close()

    def refuses(self, call, name, text, values):
        """call(name=value) is a TypeError or ValueError with that text, and how it begins."""
        for value, begin in values:
            with self.subTest(name=name, value=repr(value)), self.assertRaises((TypeError, ValueError)) as caught:
                call(**{name: value})
            self.assertTrue(str(caught.exception).startswith(begin), f"{caught.exception}: expected {begin}")
            self.assertIn(text, str(caught.exception))

    def refuses_integers(self, call, name, least, most):
        text = f"{least} to {most}"
        self.refuses(call, name, text, ((v, f"{name}: {v!r}, expected an integer") for v in (None, "1", 1.0, float("nan"), [1], True, b"1")))
        self.refuses(call, name, text, ((v, f"{name}: {v}, expected {least}") for v in (least - 1, -2 ** 31, most + 1, 2 ** 64 + least, 10 ** 30)))

    def test_ranges_are_those_of_the_library(self):
        """What the module refuses the library refuses too, with the same limits, and takes the last number within."""
        lib, given, text = duplex._lib, {"channels": 1}, ctypes.create_string_buffer(512)

        def open_stack(name, value):
            handle = ctypes.c_void_p()
            options = _library.StackOptions(backend=_library.BackendOptions(**{**given, name: value}))
            code = lib.duplex_stack_open(b"cmodel", ctypes.byref(options), ctypes.byref(handle), text, len(text))
            lib.duplex_stack_close(handle)
            return code, text.value.decode()

        def open_cache(name, value):
            handle = ctypes.c_void_p()
            options = _library.KvOptions(**{"heads": 1, "head_size": 16, "pages": 1, name: value})
            code = lib.duplex_kv_open(stack._handle, ctypes.byref(options), ctypes.byref(handle))
            lib.duplex_kv_close(handle)
            return code, lib.duplex_stack_last_error(stack._handle).decode()

        with duplex.Stack(channels=1) as stack:
            for call, names in ((open_stack, ("channels", "threads", "rank_switch")), (open_cache, ("heads", "head_size", "layers", "page_positions"))):
                for name in names:
                    least, most = _arguments.RANGES[name]
                    self.assertEqual([call(name, least)[0], call(name, most)[0]], [0, 0], name)
                    for value in (most + 1, *([least - 1] if least else ())):
                        code, said = call(name, value)
                        self.assertEqual(code, -1, name)
                        self.assertRegex(said, rf"{value}\b.*expected .*\b{most}\b")
            for name in ("bundles", "prefill_bundles"):
                self.assertEqual([open_cache(name, 15)[0], open_cache(name, 16)[0]], [0, -1])
            for name in ("pages", "prefill_pages"):
                self.assertNotEqual(open_cache(name, _arguments.RANGES[name][1] + 1)[0], 0)
            sequence = stack.kv_cache(1, 16, 1, page_positions=64).begin()
            with self.assertRaisesRegex(duplex.ArgumentError, "a prefix of 131072 positions"):
                sequence.share(_arguments.RANGES["positions"][1])

    def test_code(self):
        with self.assertRaises(duplex.Error) as caught:
            duplex.Stack(channels=99)
        self.assertEqual(caught.exception.code, -1)


class Structures(unittest.TestCase):
    """Offsets of the C compiler are those of ctypes."""

    def test_layout(self):
        named = {"duplex_backend_options": _library.BackendOptions, "duplex_riscv_options": _library.RiscvOptions,
                 "duplex_stack_options": _library.StackOptions, "duplex_dram_commands": _library.DramCommands,
                 "duplex_channel_stats": _library.ChannelStats, "duplex_stack_stats": _library.StackStats, "duplex_kv_options": _library.KvOptions,
                 "duplex_device_options": _library.DeviceOptions, "duplex_moe_shape": _library.MoeShape, "duplex_moe_weights": _library.MoeWeights,
                 "duplex_moe_form": _library.MoeForm, "duplex_moe_routing": _library.MoeRouting, "duplex_moe_stats": _library.MoeStats}
        lines = [f'printf("{n}.{f} %zu\\n", offsetof(struct {n}, {f}));' for n, s in named.items() for f, *_ in s._fields_]
        lines += [f'printf("{n} %zu\\n", sizeof(struct {n}));' for n in named if n != "duplex_stack_stats"]
        source = '#include <stddef.h>\n#include <stdio.h>\n#include "duplex/device_tables.h"\n'
        source += '#include "duplex/kv_cache.h"\nint main(void) {' + "\n".join(lines) + "}"
        with tempfile.TemporaryDirectory() as folder:
            program = f"{folder}/layout"
            subprocess.run([os.environ.get("CC", "cc"), "-x", "c", "-", "-I", ROOT / "include", "-o", program], input=source.encode(), check=True)
            printed = dict(line.split() for line in subprocess.run([program], capture_output=True, text=True, check=True).stdout.splitlines())
        for name, structure in named.items():
            for field, *_ in structure._fields_:
                self.assertEqual(int(printed[f"{name}.{field}"]), getattr(structure, field).offset, f"{name}.{field}")
            if name in printed:
                self.assertEqual(int(printed[name]), ctypes.sizeof(structure), name)


if __name__ == "__main__":
    print(f"seed {SEED}")
    unittest.main(argv=sys.argv[:1])
