# SPDX-License-Identifier: Apache-2.0
"""A stack of one channel from Python: registers over AXI4-Lite, then a small GEMM without driver or firmware."""
import random
import struct

import cocotb
from cocotb.clock import Clock
from cocotb.triggers import ClockCycles, FallingEdge

from stack_model import DESCRIPTOR, PARAMS, REGISTERS, AxiLite, Dram

ROWS, K_TILES = 5, 2
LANES, WIDTH, ROW_SET = PARAMS["LANES"], PARAMS["WIDTH"], PARAMS["ROW_SET_BYTES"]
W_BASE, X_BASE, Y_BASE = 0, 10, 20  # row sets of bundle 0
JOB_CLOCKS = 5000  # more than the job takes


def reg(name):
    return REGISTERS[f"REG_{name}"]


async def started(dut):
    """Clock, DRAM and reset; then the port."""
    axi, dram = AxiLite(dut), Dram(dut)
    dut.xpu_row_request_i.value = 0
    dut.xpu_ref_i.value = 0
    dut.dram_read_data_i.value = 0
    dut.rst_ni.value = 0
    cocotb.start_soon(Clock(dut.clk_i, 2, units="ns").start())
    cocotb.start_soon(dram.run())
    await ClockCycles(dut.clk_i, 4)
    await FallingEdge(dut.clk_i)
    dut.rst_ni.value = 1
    return axi, dram


@cocotb.test()
async def registers(dut):
    """What a register holds, what it refuses."""
    axi, _ = await started(dut)
    assert await axi.read(reg("ID")) == REGISTERS["ID_VALUE_RESET"]
    assert await axi.read(reg("VERSION")) == REGISTERS["VERSION_VALUE_RESET"]
    geometry = await axi.read(reg("GEOMETRY"))
    assert geometry == PARAMS["ROWS"] << 24 | WIDTH << 16 | LANES << 8 | 1, hex(geometry)
    for value in range(4):
        await axi.write(reg("INTERRUPT_ENABLE"), value)
        assert await axi.read(reg("INTERRUPT_ENABLE")) == value
    for access in (axi.read(0x800), axi.write(0x800, 1), axi.write(reg("ID") + 2, 1)):
        try:
            await access
        except OSError:
            continue
        raise AssertionError("an access to no register was answered")


def descriptor(**fields):
    """The 16 words of a descriptor (docs/descriptors.md)."""
    words = [0] * PARAMS["DESCRIPTOR_WORDS"]
    for name, value in fields.items():
        words[DESCRIPTOR[f"DESC_{name}_WORD"]] |= value << DESCRIPTOR[f"DESC_{name}_LSB"]
    return words


async def own(axi, bundles):
    """The bundles of the mask are Logic-PIM's, the others the xPU's, as soon as their rows are closed."""
    await axi.write(reg("BUNDLE_OWNER"), bundles)
    while await axi.read(reg("BUNDLE_OWNER")) >> REGISTERS["BUNDLE_OWNER_OPEN_LSB"] & ~bundles & 15:
        pass


@cocotb.test()
async def gemm(dut):
    """Eight tokens times a matrix of small integers, whose sums are exact in binary32."""
    axi, dram = await started(dut)
    draw = random.Random(1)
    x = [[draw.randint(-64, 64) for _ in range(K_TILES * WIDTH)] for _ in range(LANES)]
    w = [[draw.randint(-64, 64) for _ in range(K_TILES * WIDTH)] for _ in range(ROWS)]
    await own(axi, 0)
    for tile in range(K_TILES):
        ks = range(tile * WIDTH, (tile + 1) * WIDTH)
        words = b"".join(struct.pack(f"<{LANES}e", *(x[lane][k] for lane in range(LANES))) for k in ks)
        dram.write(X_BASE * ROW_SET + tile * len(words), words)
        for row in range(ROWS):
            beat = struct.pack(f"<{WIDTH}e", *(w[row][k] for k in ks))
            dram.write(W_BASE * ROW_SET + (tile * ROWS + row) * len(beat), beat)
    await own(axi, 15)
    jobs = [descriptor(OPCODE=1, SRC_BASE=X_BASE, SRC_STRIPE=1, DESTINATION=1, TILES=K_TILES),
            descriptor(OPCODE=2, INTERRUPT=1, SRC_BASE=W_BASE, SRC_STRIPE=1, SRC_STRIDE=1, K_TILES=K_TILES, BLOCKS=1,
                       GROUPS=1, BLOCK_ROWS=ROWS, FORMAT=1, ROWS=ROWS, CHANNEL_ROWS=ROWS, DST_BASE=Y_BASE, DST_STRIPE=1,
                       DST_STRIDE=1)]
    await axi.write(reg("INTERRUPT_ENABLE"), 3)
    await axi.write(reg("CONTROL"), 1)
    for i, word in enumerate(jobs[0] + jobs[1]):
        await axi.write(reg("RING") + 4 * i, word)
    await axi.write(reg("DOORBELL"), len(jobs))
    for _ in range(JOB_CLOCKS):
        await FallingEdge(dut.clk_i)
        if dut.interrupt_o.value == 1:
            break
    assert dut.interrupt_o.value == 1, f"no interrupt in {JOB_CLOCKS} clocks"
    assert await axi.read(reg("ERROR_CODE")) == 0
    assert await axi.read(reg("COMPLETED")) == len(jobs)
    await own(axi, 0)
    for row in range(ROWS):
        y = struct.unpack(f"<{LANES}f", dram.read(Y_BASE * ROW_SET + row * 4 * LANES, 4 * LANES))
        for lane in range(LANES):
            expected = sum(a * b for a, b in zip(x[lane], w[row]))
            assert y[lane] == expected, f"row {row} lane {lane}: {y[lane]}, expected {expected}"
