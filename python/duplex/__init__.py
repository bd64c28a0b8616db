# SPDX-License-Identifier: Apache-2.0
"""Duplex in Python: one stack with resident weights, exact GEMM, gated experts, decode attention; MoE layers on a whole device.

    import duplex, numpy as np
    with duplex.Stack(channels=32) as stack:
        w = stack.upload(np.ones((70, 130), np.float16))
        y = stack.gemm(w, np.ones((3, 130), np.float16))
        print(y, stack.stats()["cycles"])

Arrays are NumPy, binary16 in C order; those that are so already are handed to the library in place. Every error of the library is an
`Error` with the library's text and code; arguments are checked before: a TypeError, or a ValueError.
"""
import ctypes

import numpy

from . import _arguments, _errors, _library, _options
from ._device import Device, Moe
from ._errors import ArgumentError, Error
from ._turns import Turns, in_turns

__all__ = ["ArgumentError", "Device", "Error", "KvCache", "Moe", "Sequence", "Stack", "Weights"]
_FORMATS = {"f16": (0, numpy.dtype("<f2")), "f32": (1, numpy.dtype("<f4")), "acc": (2, numpy.dtype("V16"))}
_lib = _library.load()


@in_turns
class Weights:
    """A matrix that is resident on a stack; it is released with `release` or with the stack."""

    def __init__(self, stack, handle, n, k, gated):
        self.stack, self.n, self.k, self.gated = stack, n, k, gated
        self._handle, self._turns = handle, stack._turns

    def release(self):
        if self._handle and self.stack._handle:
            self.stack._check(_lib.duplex_stack_release(self.stack._handle, self._handle))
            self.stack._weights.remove(self)
        self._handle = None


@in_turns
class Stack:
    """One stack. `bundles` is a mask of those that Logic-PIM owns, 0 all; `firmware` is "native" or "riscv"."""

    def __init__(self, backend="cmodel", channels=32, threads=0, bundles=0, strict=False, firmware="native", firmware_elf=None,
                 dram_preset=None, rank_switch=0, xpu_traffic=False, watchdog_clocks=0, trace_file=None, command_file=None):
        self._handle, self._channels, self._turns = None, _arguments.integer(channels, "channels"), Turns()
        backend = _arguments.text(backend, "backend", "the name of a back end")
        options = _options.stack_options(channels, threads, strict, firmware, firmware_elf, dram_preset, rank_switch, watchdog_clocks,
                                         trace_file, command_file, bundles, xpu_traffic)
        handle, text = ctypes.c_void_p(), ctypes.create_string_buffer(512)
        code = _lib.duplex_stack_open(backend, ctypes.byref(options), ctypes.byref(handle), text, len(text))
        if code:
            raise _errors.of(code, text.value.decode() or _lib.duplex_error_text(code).decode())
        self._handle, self._weights, self._caches = handle, [], []

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()

    def close(self):
        """Releases the weights and caches that are left, and the stack. A second call does nothing.

        Error: a trace could not be written whole; the stack is closed all the same."""
        if not self._handle:
            return
        try:
            for thing in list(self._caches):
                thing.close()
            for thing in list(self._weights):
                thing.release()
            self._check(_lib.duplex_stack_end_files(self._handle))
        finally:
            _lib.duplex_stack_close(self._handle)
            self._handle = None

    def _open(self):
        if not self._handle:
            raise ValueError("the stack is closed")
        return self._handle

    def _check(self, code):
        if code:
            raise _errors.of(code, _lib.duplex_stack_last_error(self._handle).decode() or _lib.duplex_error_text(code).decode())

    def _own(self, weights, name):
        if not isinstance(weights, Weights) or weights.stack is not self or not weights._handle:
            raise ValueError(f"{name}: expected weights that are resident on this stack")
        return weights._handle

    def set_stripe(self, bundles):
        """Weights that are uploaded from now on lie in these bundles, a mask."""
        self._check(_lib.duplex_stack_set_stripe(self._open(), _arguments.mask(bundles, "bundles")))

    def upload(self, w, exponents=None):
        """Makes w[n, k] resident. exponents: a signed 8-bit exponent for each row."""
        w, handle = _arguments.array(w, "w", None, None), ctypes.c_void_p()
        if exponents is not None:
            exponents = _arguments.exponents(exponents, w.shape[:1])
        self._check(_lib.duplex_stack_upload(self._open(), w.ctypes.data, *w.shape, exponents is not None and exponents.ctypes.data or None,
                                             ctypes.byref(handle)))
        self._weights.append(Weights(self, handle, *w.shape, False))
        return self._weights[-1]

    def upload_gated(self, gate, up, gate_exponents=None, up_exponents=None):
        """Makes gate[n, k] and up[n, k] resident as pairs, for `expert`. Exponents: as of `upload`, of each."""
        gate, handle = _arguments.array(gate, "gate", None, None), ctypes.c_void_p()
        up = _arguments.array(up, "up", *gate.shape)
        given = [e if e is None else _arguments.exponents(e, gate.shape[:1], name)
                 for e, name in ((gate_exponents, "gate_exponents"), (up_exponents, "up_exponents"))]
        self._check(_lib.duplex_stack_upload_gated(self._open(), gate.ctypes.data, up.ctypes.data, *gate.shape,
                                                   *(e is not None and e.ctypes.data or None for e in given), ctypes.byref(handle)))
        self._weights.append(Weights(self, handle, *gate.shape, True))
        return self._weights[-1]

    def gemm(self, weights, x, format="f16", out=None):
        """y[m, n] = x[m, k] w^T, every sum exact and rounded once."""
        handle, x = self._own(weights, "weights"), _arguments.array(x, "x", None, weights.k)
        number, dtype = _FORMATS[_arguments.choice(format, "format", _FORMATS)]
        out = _arguments.result(out, (x.shape[0], weights.n), dtype)
        self._check(_lib.duplex_stack_gemm(self._open(), handle, x.ctypes.data, x.shape[0], number, out.ctypes.data))
        return out

    def expert(self, up, down, x, act="silu", format="f16", out=None):
        """y = h down^T with h = act(x gate^T) * (x up^T), or act(x up^T) without a gate. act: a name, or the bytes of a table."""
        handles, x = (self._own(up, "up"), self._own(down, "down")), _arguments.array(x, "x", None, up.k)
        number, dtype = _FORMATS[_arguments.choice(format, "format", _FORMATS)]
        out, activation = _arguments.result(out, (x.shape[0], down.n), dtype), _options.Activation(act)
        try:
            self._check(_lib.duplex_stack_expert(self._open(), *handles, activation.table, x.ctypes.data, x.shape[0], number, out.ctypes.data))
        finally:
            activation.free()
        return out

    def kv_cache(self, heads, head_size, pages, layers=1, page_positions=0, prefill_pages=0, bundles=0, prefill_bundles=0):
        """Room for K and V of many sequences, in pages."""
        sizes = {"heads": heads, "head_size": head_size, "layers": layers, "page_positions": page_positions, "pages": pages,
                 "prefill_pages": prefill_pages}
        masks = {"bundles": bundles, "prefill_bundles": prefill_bundles}
        options = _library.KvOptions(**{name: _arguments.integer(value, name) for name, value in sizes.items()},
                                     **{name: _arguments.mask(value, name) for name, value in masks.items()})
        handle = ctypes.c_void_p()
        self._check(_lib.duplex_kv_open(self._open(), ctypes.byref(options), ctypes.byref(handle)))
        self._caches.append(KvCache(self, handle, options.heads, options.head_size, options.layers or 1))
        return self._caches[-1]

    def reset(self):
        """The controller is reset; jobs in flight are lost."""
        self._check(_lib.duplex_stack_reset(self._open()))

    def stats(self):
        """Statistics of the last job, as a dictionary (struct duplex_stack_stats)."""
        raw = _library.StackStats()
        _lib.duplex_stack_last_stats(self._open(), ctypes.byref(raw))
        plain = {name: getattr(raw, name) for name, kind in raw._fields_ if kind is ctypes.c_uint64}
        plain["commands"] = {name: getattr(raw.commands, name) for name, _ in raw.commands._fields_}
        plain["channels"] = [{name: getattr(raw.channel[i], name) for name, _ in raw.channel[i]._fields_} for i in range(raw.channels)]
        return plain


@in_turns
class Sequence:
    """K and V of one sequence, in all layers."""

    def __init__(self, cache, handle):
        self.cache, self._handle, self._turns = cache, handle, cache._turns

    def _open(self):
        if not self._handle or not self.cache._handle:
            raise ValueError("the sequence is freed")
        return self._handle

    def append(self, k, v, layer=0):
        """Appends k and v[heads, positions, head_size] to a layer."""
        k = _arguments.array(k, "k", self.cache.heads, None, self.cache.head_size)
        v = _arguments.array(v, "v", *k.shape)
        self.cache.stack._check(_lib.duplex_kv_append(self._open(), self.cache._layer(layer), k.ctypes.data, v.ctypes.data, k.shape[1], 0))

    def length(self, layer=0):
        return _lib.duplex_kv_length(self._open(), self.cache._layer(layer))

    def share(self, positions):
        """A sequence that begins with the first positions of this one, without a copy."""
        handle = ctypes.c_void_p()
        self.cache.stack._check(_lib.duplex_kv_share(self._open(), _arguments.integer(positions, "positions"), ctypes.byref(handle)))
        return self.cache._keep(handle)

    def move(self):
        """From the prefill space to the KV spaces."""
        self.cache.stack._check(_lib.duplex_kv_move(self._open()))

    def free(self):
        if self._handle and self.cache._handle:
            self.cache.stack._check(_lib.duplex_kv_free(self._handle))
            self.cache._sequences.remove(self)
        self._handle = None


@in_turns
class KvCache:
    """K and V in pages on one stack, and decode attention over them."""

    def __init__(self, stack, handle, heads, head_size, layers):
        self.stack, self.heads, self.head_size, self.layers = stack, heads, head_size, layers
        self._handle, self._sequences, self._turns = handle, [], stack._turns

    def close(self):
        if self._handle:
            self.stack._check(_lib.duplex_kv_close(self._handle))
            self.stack._caches.remove(self)
        self._handle = None

    def _open(self):
        if not self._handle:
            raise ValueError("the cache is closed")
        return self._handle

    def _layer(self, layer):
        return _arguments.integer(layer, "layer", 0, self.layers - 1)

    def _keep(self, handle):
        self._sequences.append(Sequence(self, handle))
        return self._sequences[-1]

    def begin(self, expected=0, spread=0, prefill=False):
        """A sequence without positions; expected: how long it will become; spread: channels of a KV head, 0 as few as fit."""
        handle, prefill = ctypes.c_void_p(), _arguments.flag(prefill, "prefill")
        expected, spread = _arguments.integer(expected, "expected"), _arguments.integer(spread, "spread", 0, self.stack._channels)
        self.stack._check(_lib.duplex_kv_begin_spread(self._open(), prefill, expected, spread, ctypes.byref(handle)))
        return self._keep(handle)

    def use_p32(self, on=True):
        """Weights of softmax in two parts, as good as binary32."""
        self.stack._check(_lib.duplex_kv_use_p32(self._open(), _arguments.flag(on, "on")))

    def _batch(self, sequences, q):
        sequences = _arguments.items(sequences, "sequences", "a list of sequences of this cache")
        if any(not isinstance(s, Sequence) or s.cache is not self for s in sequences):
            raise ValueError("sequences: expected sequences of this cache")
        q = _arguments.array(q, "q", len(sequences), None, self.head_size)
        return (ctypes.c_void_p * len(sequences))(*[s._open().value for s in sequences]), q

    def attention(self, sequences, q, layer=0, scale=0.0, out=None):
        """o[batch, q_heads, head_size] of q, as softmax(scale q k^T) v; scale 0: 1 / sqrt(head_size)."""
        handles, q = self._batch(sequences, q)
        layer, scale = self._layer(layer), _arguments.scale(scale)
        out = _arguments.result(out, q.shape, q.dtype)
        self.stack._check(_lib.duplex_stack_attention(self._open(), layer, handles, len(sequences), q.ctypes.data, q.shape[1], scale,
                                                      out.ctypes.data))
        return out

    def attention_step(self, sequences, k, v, q, layer=0, scale=0.0, out=None):
        """Appends a position k and v[batch, heads, head_size] to each sequence, and attends."""
        handles, q = self._batch(sequences, q)
        layer, scale = self._layer(layer), _arguments.scale(scale)
        k = _arguments.array(k, "k", len(sequences), self.heads, self.head_size)
        v = _arguments.array(v, "v", *k.shape)
        out = _arguments.result(out, q.shape, q.dtype)
        self.stack._check(_lib.duplex_stack_attention_step(self._open(), layer, handles, len(sequences), k.ctypes.data, v.ctypes.data,
                                                           q.ctypes.data, q.shape[1], scale, out.ctypes.data))
        return out
