# SPDX-License-Identifier: Apache-2.0
"""Options of a stack, alone or of a device, and activation functions: from Python's arguments to the structures of C."""
import ctypes

from . import _arguments, _library

_lib = _library.load()


def stack_options(channels, threads, strict, firmware, firmware_elf, dram_preset, rank_switch, watchdog_clocks, trace_file, command_file,
                  bundles=0, xpu_traffic=False):
    """struct duplex_stack_options."""
    options = _library.StackOptions(watchdog_clocks=_arguments.integer(watchdog_clocks, "watchdog_clocks"),
                                    bundles=_arguments.mask(bundles, "bundles"), strict=_arguments.flag(strict, "strict"))
    options.backend = _library.BackendOptions(
        channels=_arguments.integer(channels, "channels"), threads=_arguments.integer(threads, "threads"),
        trace_file=_arguments.path(trace_file, "trace_file"), command_file=_arguments.path(command_file, "command_file"),
        dram_preset=None if dram_preset is None else _arguments.text(dram_preset, "dram_preset", "the name of a preset or None"),
        rank_switch=_arguments.integer(rank_switch, "rank_switch"), xpu_traffic=_arguments.flag(xpu_traffic, "xpu_traffic"))
    elf = _arguments.path(firmware_elf, "firmware_elf")
    if _arguments.choice(firmware, "firmware", ("native", "riscv")) == "riscv":
        options.riscv = ctypes.pointer(_library.RiscvOptions(elf=elf))
    elif elf is not None:
        raise ValueError("firmware_elf: needs firmware='riscv'")
    return options


class Activation:
    """The table of an activation function: `table` for the library, until `free`."""

    def __init__(self, act):
        self._loaded = None
        if isinstance(act, bytes):
            why = ctypes.c_char_p()
            self.table = self._loaded = _lib.duplex_activation_load(act, len(act), ctypes.byref(why))
            if not self.table:
                raise ValueError(f"act: {why.value.decode()}")
            return
        wanted = "silu, gelu, gelu_tanh, relu, identity or the bytes of a table"
        self.table = _lib.duplex_activation_builtin(_arguments.text(act, "act", wanted))
        if not self.table:
            raise ValueError(f"act: '{act}', expected {wanted}")

    def free(self):
        if self._loaded:
            _lib.duplex_activation_free(self._loaded)
        self._loaded = self.table = None
