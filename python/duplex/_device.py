# SPDX-License-Identifier: Apache-2.0
"""A device of several stacks and an xPU: whole mixture-of-experts layers."""
import ctypes
import os

from . import _arguments, _errors, _library, _options
from ._turns import Turns, in_turns

# In the order of the enumerations of duplex/device.h.
POLICIES = ("best", "paper", "pim", "xpu")
PARTIALS = ("acc", "f32", "gathered", "auto")
SCORES = ("topk-softmax", "softmax", "sigmoid")
_lib = _library.load()


def _pointer(array):
    return None if array is None else array.ctypes.data


@in_turns
class Moe:
    """A layer whose weights are resident on a device; it is released with `release` or with the device."""

    def __init__(self, device, handle, shape, activation):
        self.device, self.experts, self.hidden, self.inner = device, *shape
        self._handle, self._activation, self._turns = handle, activation, device._turns

    def release(self):
        if self._handle and self.device._handle:
            self.device._check(_lib.duplex_device_release_moe(self.device._handle, self._handle))
            self.device._layers.remove(self)
        self._handle = None
        self._activation.free()


@in_turns
class Device:
    """An xPU and its stacks. `policy` says who runs which expert: "best", "paper", "pim" or "xpu"; the bits are the same. `partials` are
    "acc", exact, or "f32", rounded; "gathered": h is gathered over the stacks instead; "auto": "acc" or "gathered", whichever the tables
    of time predict to be faster with `expected_pairs` of token and expert in a layer (0: one of each expert). `copies` of each
    expert with the policy "best": 1, 2, or 0: two where they are predicted to be faster and find room, with `moe_layers` layers (0: one) and
    x and sums of `most_pairs` (0: `expected_pairs`). `always_decide`: 1 if "best" decides about every layer, 0 if one side has those alone
    that it is predicted to do sooner. `xpu_times`: a file of measured products. The other options are those of each stack."""

    def __init__(self, stacks=5, policy="best", partials="acc", backend="cmodel", channels=32, threads=0, strict=False, firmware="native",
                 firmware_elf=None, dram_preset=None, rank_switch=0, watchdog_clocks=0, trace_file=None, command_file=None, xpu_times=None,
                 expected_pairs=0, copies=0, moe_layers=0, most_pairs=0, always_decide=0):
        self._handle, self._turns = None, Turns()
        backend = _arguments.text(backend, "backend", "the name of a back end")
        if policy != "best" and copies == 2:
            raise _arguments.ArgumentError(f"copies: 2 with the policy {policy!r}, expected 0 or 1, or the policy 'best'")
        stack = _options.stack_options(channels, threads, strict, firmware, firmware_elf, dram_preset, rank_switch, watchdog_clocks,
                                       trace_file, command_file)
        options = _library.DeviceOptions(
            stacks=_arguments.integer(stacks, "stacks"), stack=stack, threads=stack.backend.threads,
            policy=POLICIES.index(_arguments.choice(policy, "policy", POLICIES)),
            partials=PARTIALS.index(_arguments.choice(partials, "partials", PARTIALS)), xpu_times=_arguments.path(xpu_times, "xpu_times"),
            expected_pairs=_arguments.integer(expected_pairs, "expected_pairs"), copies=_arguments.integer(copies, "copies"),
            moe_layers=_arguments.integer(moe_layers, "moe_layers"), most_pairs=_arguments.integer(most_pairs, "most_pairs"),
            always_decide=_arguments.integer(always_decide, "always_decide"))
        handle, text = ctypes.c_void_p(), ctypes.create_string_buffer(512)
        code = _lib.duplex_device_open(backend, ctypes.byref(options), ctypes.byref(handle), text, len(text))
        if code:
            raise _errors.of(code, text.value.decode() or _lib.duplex_error_text(code).decode())
        self._handle, self._layers = handle, []

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()

    def close(self):
        """Releases the layers that are left, and the device. A second call does nothing.

        Error: a trace could not be written whole; the device is closed all the same."""
        if not self._handle:
            return
        try:
            for layer in list(self._layers):
                layer.release()
            self._check(_lib.duplex_device_end_files(self._handle))
        finally:
            _lib.duplex_device_close(self._handle)
            self._handle = None

    def _open(self):
        if not self._handle:
            raise ValueError("the device is closed")
        return self._handle

    def _check(self, code):
        if code:
            raise _errors.of(code, _lib.duplex_device_last_error(self._handle).decode() or _lib.duplex_error_text(code).decode())

    def load_moe(self, router, up, down, gate=None, act="silu", router_exponents=None, gate_exponents=None, up_exponents=None,
                 down_exponents=None, tables=None):
        """Makes a layer resident: router[E, H], gate and up[E, F, H], down[E, H, F], and exponents of their rows. act: a name, or the bytes
        of a table. tables: a file with the table of time; if it is not there the table is measured and written."""
        router, up = _arguments.array(router, "router", None, None), _arguments.array(up, "up", None, None, None)
        experts, inner, hidden = up.shape
        router = _arguments.array(router, "router", experts, hidden)
        down = _arguments.array(down, "down", experts, hidden, inner)
        gate = None if gate is None else _arguments.array(gate, "gate", *up.shape)
        exponents = {name: None if value is None else _arguments.exponents(value, shape, name) for name, value, shape in (
            ("router_exponents", router_exponents, (experts,)), ("gate_exponents", gate_exponents, (experts, inner)),
            ("up_exponents", up_exponents, (experts, inner)), ("down_exponents", down_exponents, (experts, hidden)))}
        tables, activation = _arguments.path(tables, "tables"), _options.Activation(act)
        shape = _library.MoeShape(experts, hidden, inner)
        weights = _library.MoeWeights(router=_pointer(router), gate=_pointer(gate), up=_pointer(up), down=_pointer(down),
                                      **{name: _pointer(value) for name, value in exponents.items()})
        handle = ctypes.c_void_p()
        try:
            self._use_tables(tables, shape, weights)
            self._check(_lib.duplex_device_load_moe(self._open(), ctypes.byref(shape), ctypes.byref(weights), activation.table,
                                                    ctypes.byref(handle)))
        except Exception:
            activation.free()
            raise
        self._layers.append(Moe(self, handle, (experts, hidden, inner), activation))
        return self._layers[-1]

    def _use_tables(self, path, shape, weights):
        if path is None:
            return
        form = _lib.duplex_moe_form(ctypes.byref(shape), ctypes.byref(weights))
        call = _lib.duplex_device_load_table if os.path.lexists(path) else _lib.duplex_device_save_table
        self._check(call(self._open(), ctypes.byref(form), path))

    def moe(self, layer, x, top_k=2, score="topk-softmax", renormalise=False, out=None):
        """y[tokens, H] of x: router, top_k experts a token, their weighted sum."""
        if not isinstance(layer, Moe) or layer.device is not self or not layer._handle:
            raise ValueError("layer: expected one that is resident on this device")
        x = _arguments.array(x, "x", None, layer.hidden)
        routing = _library.MoeRouting(top_k=_arguments.integer(top_k, "top_k", 1, layer.experts),
                                      score=SCORES.index(_arguments.choice(score, "score", SCORES)),
                                      renormalise=_arguments.flag(renormalise, "renormalise"))
        out = _arguments.result(out, x.shape, x.dtype)
        self._check(_lib.duplex_device_moe(self._open(), layer._handle, ctypes.byref(routing), x.ctypes.data, x.shape[0], out.ctypes.data))
        return out

    def idle(self, place=0, places=1):
        """Nothing to do until no refresh is owed, and from there up to place / places of the time to the next one: a layer's clocks depend
        on where it begins."""
        places = _arguments.integer(places, "places")
        self._check(_lib.duplex_device_idle(self._open(), _arguments.integer(place, "place", 0, places - 1), places))

    def stats(self):
        """Statistics of the last layer, as a dictionary (struct duplex_moe_stats); phases are lists: of four where h is gathered, else of
        two. "partials" is the name of what the layer has."""
        raw = _library.MoeStats()
        _lib.duplex_device_last_stats(self._open(), ctypes.byref(raw))
        plain = {name: getattr(raw, name) for name, _ in raw._fields_}
        plain["commands"] = {name: getattr(raw.commands, name) for name, _ in raw.commands._fields_}
        plain["partials"] = PARTIALS[raw.partials]
        phases = _library.PHASES if plain["partials"] == "gathered" else _library.PHASES // 2
        lists = {name: value[:phases] if len(value) == _library.PHASES else value[:] for name, value in plain.items()
                 if isinstance(value, ctypes.Array)}
        return {**plain, **lists}

