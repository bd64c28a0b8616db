# SPDX-License-Identifier: Apache-2.0
"""Duplex in Python: one stack with resident weights, exact GEMM, gated experts, decode attention.

    import duplex, numpy as np
    with duplex.Stack(channels=32) as stack:
        w = stack.upload(np.ones((70, 130), np.float16))
        y = stack.gemm(w, np.ones((3, 130), np.float16))
        print(y, stack.stats()["cycles"])

Arrays are NumPy, binary16 in C order; those that are so already are handed to the library in place. Every error of the library is an
`Error` with the library's text and code.
"""
import ctypes

import numpy

from . import _library

__all__ = ["Error", "Stack", "Weights", "KvCache", "Sequence"]
_FORMATS = {"f16": (0, numpy.dtype("<f2")), "f32": (1, numpy.dtype("<f4")), "acc": (2, numpy.dtype("V16"))}
_lib = _library.load()


class Error(RuntimeError):
    """An error of the library: `code` is that of duplex/error.h."""

    def __init__(self, code, text):
        super().__init__(text)
        self.code = code


def _array(value, name, *shape):
    """A binary16 array in C order with that many dimensions; None in `shape` stands for any length."""
    array = numpy.asarray(value)
    if array.dtype != numpy.dtype("<f2"):
        raise TypeError(f"{name}: is {array.dtype.str}, expected <f2 (convert with {name}.astype('<f2'))")
    if array.ndim != len(shape) or any(want is not None and want != have for want, have in zip(shape, array.shape)):
        wanted = ", ".join("any" if n is None else str(n) for n in shape)
        raise ValueError(f"{name}: has the shape {array.shape}, expected ({wanted})")
    return numpy.require(array, requirements="CA")


def _result(out, shape, dtype):
    if out is None:
        return numpy.empty(shape, dtype)
    if not isinstance(out, numpy.ndarray) or out.shape != shape or out.dtype != dtype or not out.flags.c_contiguous or not out.flags.writeable:
        raise ValueError(f"out: expected a writeable {dtype.str} array in C order of the shape {shape}")
    return out


def _format(name):
    if name not in _FORMATS:
        raise ValueError(f"format: {name!r}, expected {', '.join(_FORMATS)}")
    return _FORMATS[name]


def _bytes(text):
    return None if text is None else str(text).encode()


class Weights:
    """A matrix that is resident on a stack; it is released with `release` or with the stack."""

    def __init__(self, stack, handle, n, k, gated):
        self.stack, self.n, self.k, self.gated = stack, n, k, gated
        self._handle = handle

    def release(self):
        if self._handle and self.stack._handle:
            self.stack._check(_lib.duplex_stack_release(self.stack._handle, self._handle))
            self.stack._weights.remove(self)
        self._handle = None


class Stack:
    """One stack. `bundles` is a mask of those that Logic-PIM owns, 0 all; `firmware` is "native" or "riscv"."""

    def __init__(self, backend="cmodel", channels=32, threads=0, bundles=0, strict=False, firmware="native", firmware_elf=None,
                 dram_preset=None, rank_switch=0, xpu_traffic=False, watchdog_clocks=0, trace_file=None, command_file=None):
        if firmware not in ("native", "riscv"):
            raise ValueError(f"firmware: '{firmware}', expected native or riscv")
        self._handle = None
        for name, value in (("channels", channels), ("threads", threads), ("bundles", bundles), ("rank_switch", rank_switch)):
            if not 0 <= value < 1 << 32:
                raise ValueError(f"{name}: {value}, expected 0 to 4294967295")
        options = _library.StackOptions(watchdog_clocks=watchdog_clocks, bundles=bundles, strict=bool(strict))
        options.backend = _library.BackendOptions(
            channels=channels, threads=threads, trace_file=_bytes(trace_file), command_file=_bytes(command_file),
            dram_preset=_bytes(dram_preset), rank_switch=rank_switch, xpu_traffic=bool(xpu_traffic))
        if firmware == "riscv":
            options.riscv = ctypes.pointer(_library.RiscvOptions(elf=_bytes(firmware_elf)))
        handle, text = ctypes.c_void_p(), ctypes.create_string_buffer(512)
        code = _lib.duplex_stack_open(backend.encode(), ctypes.byref(options), ctypes.byref(handle), text, len(text))
        if code:
            raise Error(code, text.value.decode() or _lib.duplex_error_text(code).decode())
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
        for thing in list(self._caches):
            thing.close()
        for thing in list(self._weights):
            thing.release()
        try:
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
            raise Error(code, _lib.duplex_stack_last_error(self._handle).decode() or _lib.duplex_error_text(code).decode())

    def _own(self, weights, name):
        if not isinstance(weights, Weights) or weights.stack is not self or not weights._handle:
            raise ValueError(f"{name}: expected weights that are resident on this stack")
        return weights._handle

    def set_stripe(self, bundles):
        """Weights that are uploaded from now on lie in these bundles, a mask."""
        self._check(_lib.duplex_stack_set_stripe(self._open(), bundles))

    def upload(self, w, exponents=None):
        """Makes w[n, k] resident. exponents: a signed 8-bit exponent for each row."""
        w, handle = _array(w, "w", None, None), ctypes.c_void_p()
        if exponents is not None:
            given = numpy.asarray(exponents)
            exponents = numpy.ascontiguousarray(given, numpy.int8)
            if given.dtype.kind not in "iu" or (exponents != given).any():
                raise ValueError("exponents: expected integers from -128 to 127")
            if exponents.shape != (w.shape[0],):
                raise ValueError(f"exponents: has the shape {exponents.shape}, expected ({w.shape[0]})")
        self._check(_lib.duplex_stack_upload(self._open(), w.ctypes.data, *w.shape, exponents is not None and exponents.ctypes.data or None,
                                             ctypes.byref(handle)))
        self._weights.append(Weights(self, handle, *w.shape, False))
        return self._weights[-1]

    def upload_gated(self, gate, up):
        """Makes gate[n, k] and up[n, k] resident as pairs, for `expert`."""
        gate, handle = _array(gate, "gate", None, None), ctypes.c_void_p()
        up = _array(up, "up", *gate.shape)
        self._check(_lib.duplex_stack_upload_gated(self._open(), gate.ctypes.data, up.ctypes.data, *gate.shape, ctypes.byref(handle)))
        self._weights.append(Weights(self, handle, *gate.shape, True))
        return self._weights[-1]

    def gemm(self, weights, x, format="f16", out=None):
        """y[m, n] = x[m, k] w^T, every sum exact and rounded once."""
        handle, x = self._own(weights, "weights"), _array(x, "x", None, weights.k)
        number, dtype = _format(format)
        out = _result(out, (x.shape[0], weights.n), dtype)
        self._check(_lib.duplex_stack_gemm(self._open(), handle, x.ctypes.data, x.shape[0], number, out.ctypes.data))
        return out

    def expert(self, up, down, x, act="silu", format="f16", out=None):
        """y = h down^T with h = act(x gate^T) * (x up^T), or act(x up^T) without a gate. act: a name, or the bytes of a table."""
        handles, x = (self._own(up, "up"), self._own(down, "down")), _array(x, "x", None, up.k)
        number, dtype = _format(format)
        out, table, loaded = _result(out, (x.shape[0], down.n), dtype), None, None
        if isinstance(act, bytes):
            why = ctypes.c_char_p()
            table = loaded = _lib.duplex_activation_load(act, len(act), ctypes.byref(why))
            if not table:
                raise ValueError(f"act: {why.value.decode()}")
        else:
            table = _lib.duplex_activation_builtin(str(act).encode())
            if not table:
                raise ValueError(f"act: '{act}', expected silu, gelu, gelu_tanh, relu, identity or the bytes of a table")
        try:
            self._check(_lib.duplex_stack_expert(self._open(), *handles, table, x.ctypes.data, x.shape[0], number, out.ctypes.data))
        finally:
            if loaded:
                _lib.duplex_activation_free(loaded)
        return out

    def kv_cache(self, heads, head_size, pages, layers=1, page_positions=0, prefill_pages=0, bundles=0, prefill_bundles=0):
        """Room for K and V of many sequences, in pages."""
        options = _library.KvOptions(heads=heads, head_size=head_size, layers=layers, page_positions=page_positions, pages=pages,
                                     prefill_pages=prefill_pages, bundles=bundles, prefill_bundles=prefill_bundles)
        handle = ctypes.c_void_p()
        self._check(_lib.duplex_kv_open(self._open(), ctypes.byref(options), ctypes.byref(handle)))
        self._caches.append(KvCache(self, handle, heads, head_size))
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


class Sequence:
    """K and V of one sequence, in all layers."""

    def __init__(self, cache, handle):
        self.cache, self._handle = cache, handle

    def _open(self):
        if not self._handle or not self.cache._handle:
            raise ValueError("the sequence is freed")
        return self._handle

    def append(self, k, v, layer=0):
        """Appends k and v[heads, positions, head_size] to a layer."""
        k = _array(k, "k", self.cache.heads, None, self.cache.head_size)
        v = _array(v, "v", *k.shape)
        self.cache.stack._check(_lib.duplex_kv_append(self._open(), layer, k.ctypes.data, v.ctypes.data, k.shape[1], 0))

    def length(self, layer=0):
        return _lib.duplex_kv_length(self._open(), layer)

    def share(self, positions):
        """A sequence that begins with the first positions of this one, without a copy."""
        handle = ctypes.c_void_p()
        self.cache.stack._check(_lib.duplex_kv_share(self._open(), positions, ctypes.byref(handle)))
        return self.cache._keep(handle)

    def move(self):
        """From the prefill space to the KV spaces."""
        self.cache.stack._check(_lib.duplex_kv_move(self._open()))

    def free(self):
        if self._handle and self.cache._handle:
            self.cache.stack._check(_lib.duplex_kv_free(self._handle))
            self.cache._sequences.remove(self)
        self._handle = None


class KvCache:
    """K and V in pages on one stack, and decode attention over them."""

    def __init__(self, stack, handle, heads, head_size):
        self.stack, self.heads, self.head_size = stack, heads, head_size
        self._handle, self._sequences = handle, []

    def close(self):
        if self._handle:
            self.stack._check(_lib.duplex_kv_close(self._handle))
            self.stack._caches.remove(self)
        self._handle = None

    def _open(self):
        if not self._handle:
            raise ValueError("the cache is closed")
        return self._handle

    def _keep(self, handle):
        self._sequences.append(Sequence(self, handle))
        return self._sequences[-1]

    def begin(self, expected=0, spread=0, prefill=False):
        """A sequence without positions; expected: how long it will become; spread: channels of a KV head, 0 as few as fit."""
        handle = ctypes.c_void_p()
        self.stack._check(_lib.duplex_kv_begin_spread(self._open(), int(prefill), expected, spread, ctypes.byref(handle)))
        return self._keep(handle)

    def use_p32(self, on=True):
        """Weights of softmax in two parts, as good as binary32."""
        self.stack._check(_lib.duplex_kv_use_p32(self._open(), on))

    def _batch(self, sequences, q):
        if any(not isinstance(s, Sequence) or s.cache is not self for s in sequences):
            raise ValueError("sequences: expected sequences of this cache")
        q = _array(q, "q", len(sequences), None, self.head_size)
        return (ctypes.c_void_p * len(sequences))(*[s._open().value for s in sequences]), q

    def attention(self, sequences, q, layer=0, scale=0.0, out=None):
        """o[batch, q_heads, head_size] of q, as softmax(scale q k^T) v; scale 0: 1 / sqrt(head_size)."""
        handles, q = self._batch(sequences, q)
        out = _result(out, q.shape, q.dtype)
        self.stack._check(_lib.duplex_stack_attention(self._open(), layer, handles, len(sequences), q.ctypes.data, q.shape[1], scale,
                                                      out.ctypes.data))
        return out

    def attention_step(self, sequences, k, v, q, layer=0, scale=0.0, out=None):
        """Appends a position k and v[batch, heads, head_size] to each sequence, and attends."""
        handles, q = self._batch(sequences, q)
        k = _array(k, "k", len(sequences), self.heads, self.head_size)
        v = _array(v, "v", *k.shape)
        out = _result(out, q.shape, q.dtype)
        self.stack._check(_lib.duplex_stack_attention_step(self._open(), layer, handles, len(sequences), k.ctypes.data, v.ctypes.data,
                                                           q.ctypes.data, q.shape[1], scale, out.ctypes.data))
        return out
