# SPDX-License-Identifier: Apache-2.0
"""The C library as ctypes sees it: where it lies, its structures (duplex/backend.h, controller.h, duplex.h, kv_cache.h,
device.h, device_tables.h), its functions."""
import ctypes
import functools
import os
import pathlib
from ctypes import POINTER, c_bool, c_char_p, c_double, c_int, c_size_t, c_uint, c_uint16, c_uint64, c_void_p

MAJOR = 0
CHANNELS_MOST = 256  # room for the statistics of any library: it fills in as many as it has


class BackendOptions(ctypes.Structure):
    """struct duplex_backend_options"""
    _fields_ = [("channels", c_uint), ("threads", c_uint), ("trace_file", c_char_p), ("trace_from", c_uint64), ("trace_to", c_uint64),
                ("command_file", c_char_p), ("dram_preset", c_char_p), ("rank_switch", c_uint), ("xpu_traffic", c_int)]


class RiscvOptions(ctypes.Structure):
    """struct duplex_riscv_options"""
    _fields_ = [("elf", c_char_p), ("instructions_per_clock", c_double), ("trace_file", c_char_p), ("profile_file", c_char_p),
                ("gdb_port", c_uint), ("quiet_instructions", c_uint64)]


class StackOptions(ctypes.Structure):
    """struct duplex_stack_options"""
    _fields_ = [("backend", BackendOptions), ("watchdog_clocks", c_uint64), ("bundles", c_uint), ("strict", c_int),
                ("riscv", POINTER(RiscvOptions)), ("measure_overhead", c_int)]


class DramCommands(ctypes.Structure):
    """struct duplex_dram_commands"""
    _fields_ = [(name, c_uint64) for name in ("act", "rd", "wr", "pre", "ref", "xpu_rd", "xpu_wr")]


class ChannelStats(ctypes.Structure):
    """struct duplex_channel_stats"""
    _fields_ = [(name, c_uint64) for name in ("rows", "read_bytes", "macs")]


class StackStats(ctypes.Structure):
    """struct duplex_stack_stats"""
    _fields_ = [(name, c_uint64) for name in (
        "cycles", "append_cycles", "native_cycles", "firmware_instructions", "stream_cycles", "starved", "no_tile", "no_room",
        "useful_bytes", "read_bytes", "write_bytes", "macs", "descriptors")] + [
            ("commands", DramCommands), ("channels", c_uint), ("channel", ChannelStats * CHANNELS_MOST)]


class KvOptions(ctypes.Structure):
    """struct duplex_kv_options"""
    _fields_ = [("heads", c_uint), ("head_size", c_uint), ("layers", c_uint), ("page_positions", c_uint), ("pages", c_size_t),
                ("prefill_pages", c_size_t), ("bundles", c_uint), ("prefill_bundles", c_uint),
                ("windows", c_void_p), ("pinned", c_uint)]


class DeviceOptions(ctypes.Structure):
    """struct duplex_device_options"""
    _fields_ = [("stacks", c_uint), ("stack", StackOptions), ("policy", c_int), ("partials", c_int), ("threads", c_uint), ("xpu", c_void_p),
                ("xpu_times", c_char_p), ("expected_pairs", c_size_t), ("copies", c_uint), ("moe_layers", c_size_t), ("most_pairs", c_size_t),
                ("always_decide", c_uint)]


class MoeShape(ctypes.Structure):
    """struct duplex_moe_shape"""
    _fields_ = [(name, c_size_t) for name in ("experts", "hidden", "inner")]


class MoeWeights(ctypes.Structure):
    """struct duplex_moe_weights"""
    _fields_ = [(name, c_void_p) for name in ("router", "gate", "up", "down", "router_exponents", "gate_exponents", "up_exponents",
                                              "down_exponents")]


class MoeForm(ctypes.Structure):
    """struct duplex_moe_form"""
    _fields_ = [("shape", MoeShape), ("gated", c_bool), ("up_exponents", c_bool), ("down_exponents", c_bool)]


class MoeRouting(ctypes.Structure):
    """struct duplex_moe_routing"""
    _fields_ = [("top_k", c_uint), ("score", c_int), ("renormalise", c_bool), ("choice", c_void_p)]  # NULL: by the logits


PHASES = 4  # DUPLEX_PHASES


class MoeStats(ctypes.Structure):
    """struct duplex_moe_stats"""
    _fields_ = [(name, c_uint64) for name in ("cycles", "bound", "predicted")] + [
        (name, c_uint64 * PHASES) for name in ("predicted_logic_pim", "predicted_xpu")] + [("sides", c_uint64)] + [
            (name, c_uint64 * PHASES) for name in ("logic_pim", "xpu_reads", "xpu_estimate")] + [
                (name, c_uint64) for name in ("route", "decide", "distribute", "launch", "hand_over", "reduce", "combine")] + [
                    ("partials", c_int)] + [(name, c_uint64) for name in ("copies", "dram_bytes", "pairs", "logic_pim_experts",
                                                                          "xpu_experts", "shared_experts")] + [("tokens", c_uint16 * 256)] + [
                        (name, c_uint64) for name in ("logic_pim_macs", "xpu_macs", "logic_pim_bytes", "xpu_bytes", "other_macs",
                                                      "other_bytes", "firmware_instructions")] + [("commands", DramCommands)]


FUNCTIONS = {  # name: (result, arguments)
    "duplex_error_text": (c_char_p, [c_int]),
    "duplex_stack_open": (c_int, [c_char_p, POINTER(StackOptions), POINTER(c_void_p), c_char_p, c_size_t]),
    "duplex_stack_end_files": (c_int, [c_void_p]),
    "duplex_stack_close": (None, [c_void_p]),
    "duplex_stack_last_error": (c_char_p, [c_void_p]),
    "duplex_stack_set_stripe": (c_int, [c_void_p, c_uint]),
    "duplex_stack_upload": (c_int, [c_void_p, c_void_p, c_size_t, c_size_t, c_void_p, POINTER(c_void_p)]),
    "duplex_stack_upload_gated": (c_int, [c_void_p, c_void_p, c_void_p, c_size_t, c_size_t, c_void_p, c_void_p, POINTER(c_void_p)]),
    "duplex_stack_release": (c_int, [c_void_p, c_void_p]),
    "duplex_stack_gemm": (c_int, [c_void_p, c_void_p, c_void_p, c_size_t, c_int, c_void_p]),
    "duplex_stack_expert": (c_int, [c_void_p, c_void_p, c_void_p, c_void_p, c_void_p, c_size_t, c_int, c_void_p]),
    "duplex_stack_reset": (c_int, [c_void_p]),
    "duplex_stack_last_stats": (None, [c_void_p, POINTER(StackStats)]),
    "duplex_activation_builtin": (c_void_p, [c_char_p]),
    "duplex_activation_load": (c_void_p, [c_char_p, c_size_t, POINTER(c_char_p)]),
    "duplex_activation_free": (None, [c_void_p]),
    "duplex_kv_open": (c_int, [c_void_p, POINTER(KvOptions), POINTER(c_void_p)]),
    "duplex_kv_close": (c_int, [c_void_p]),
    "duplex_kv_begin_spread": (c_int, [c_void_p, c_int, c_size_t, c_uint, POINTER(c_void_p)]),
    "duplex_kv_free": (c_int, [c_void_p]),
    "duplex_kv_append": (c_int, [c_void_p, c_uint, c_void_p, c_void_p, c_size_t, c_size_t]),
    "duplex_kv_length": (c_size_t, [c_void_p, c_uint]),
    "duplex_kv_share": (c_int, [c_void_p, c_size_t, POINTER(c_void_p)]),
    "duplex_kv_move": (c_int, [c_void_p]),
    "duplex_kv_use_p32": (c_int, [c_void_p, c_bool]),
    "duplex_device_open": (c_int, [c_char_p, POINTER(DeviceOptions), POINTER(c_void_p), c_char_p, c_size_t]),
    "duplex_device_end_files": (c_int, [c_void_p]),
    "duplex_device_close": (None, [c_void_p]),
    "duplex_device_last_error": (c_char_p, [c_void_p]),
    "duplex_device_load_moe": (c_int, [c_void_p, POINTER(MoeShape), POINTER(MoeWeights), c_void_p, POINTER(c_void_p)]),
    "duplex_device_release_moe": (c_int, [c_void_p, c_void_p]),
    "duplex_device_moe": (c_int, [c_void_p, c_void_p, POINTER(MoeRouting), c_void_p, c_size_t, c_void_p]),
    "duplex_device_idle": (c_int, [c_void_p, c_uint, c_uint]),
    "duplex_device_last_stats": (None, [c_void_p, POINTER(MoeStats)]),
    "duplex_moe_form": (MoeForm, [POINTER(MoeShape), POINTER(MoeWeights)]),
    "duplex_device_load_table": (c_int, [c_void_p, POINTER(MoeForm), c_char_p]),
    "duplex_device_save_table": (c_int, [c_void_p, POINTER(MoeForm), c_char_p]),
    "duplex_stack_attention": (c_int, [c_void_p, c_uint, POINTER(c_void_p), c_size_t, c_void_p, c_size_t, c_double, c_void_p]),
    "duplex_stack_attention_step": (
        c_int, [c_void_p, c_uint, POINTER(c_void_p), c_size_t, c_void_p, c_void_p, c_void_p, c_size_t, c_double, c_void_p]),
}


def find():
    """The library: $DUPLEX_LIBRARY; below the installation that this module lies in; beside it in a build; the system's."""
    name = f"libduplex.so.{MAJOR}"
    if os.environ.get("DUPLEX_LIBRARY"):
        return os.environ["DUPLEX_LIBRARY"]
    for folder in pathlib.Path(__file__).resolve().parents:
        for place in (folder / "lib" / name, folder / name, folder / "build" / name):
            if place.exists():
                return str(place)
    return name


@functools.lru_cache(maxsize=None)
def load():
    """The one library of the process."""
    library = ctypes.CDLL(find())
    for name, (result, arguments) in FUNCTIONS.items():
        function = getattr(library, name)
        function.restype, function.argtypes = result, arguments
    return library
