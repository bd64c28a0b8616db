# SPDX-License-Identifier: Apache-2.0
"""What stands around a stack in a cocotb bench: names from the generated headers, AXI4-Lite master, DRAM of one channel."""
import collections
import pathlib
import re

from cocotb.triggers import FallingEdge, ReadOnly, RisingEdge

ROOT = pathlib.Path(__file__).resolve().parents[2]
ROW_COMMANDS = ("ACT", "PRE", "REF")


def constants(header):
    """The numbers that a generated header of include/duplex defines, by name without DUPLEX_."""
    text = (ROOT / "include/duplex" / header).read_text()
    found = re.findall(r"^#define DUPLEX_(\w+) (0x[0-9a-f]+|\d+)u?\b", text, re.M)
    found += re.findall(r"^\s*DUPLEX_(\w+) = (0x[0-9a-f]+|\d+)\b", text, re.M)
    return {name: int(value, 0) for name, value in found}


def preset_of(name):
    """A DRAM timing preset: numbers of tCK by name."""
    text = (ROOT / f"params/generated/dram_{name}.vh").read_text()
    return {key: int(value) for key, value in re.findall(r"^`define DRAM_(\w+) (\d+)", text, re.M)}


PARAMS, REGISTERS, DESCRIPTOR = constants("params.h"), constants("registers.h"), constants("descriptor.h")


class AxiLite:
    """One access at a time; the answer is the data, and an access that the stack refuses raises OSError."""

    def __init__(self, dut):
        self.dut = dut
        for name in ("awvalid", "wvalid", "bready", "arvalid", "rready", "awaddr", "araddr", "wdata"):
            getattr(dut, f"axi_{name}_i").value = 0
        dut.axi_wstrb_i.value = 15

    async def transfer(self, **pending):
        """Keeps each of the signals high until its partner is, `pending` is {input: output}; looks before each rising edge."""
        seen = {}
        for ours in pending:
            getattr(self.dut, f"axi_{ours}_i").value = 1
        while pending:
            await ReadOnly()
            for ours, theirs in list(pending.items()):
                if getattr(self.dut, f"axi_{theirs}_o").value == 1:
                    seen[ours] = [int(getattr(self.dut, f"axi_{field}_o").value) for field in ("bresp", "rresp", "rdata")]
                    del pending[ours]
            await FallingEdge(self.dut.clk_i)
            for ours in seen:
                getattr(self.dut, f"axi_{ours}_i").value = 0
        return seen

    async def write(self, address, value):
        self.dut.axi_awaddr_i.value = address
        self.dut.axi_wdata_i.value = value
        seen = await self.transfer(awvalid="awready", wvalid="wready", bready="bvalid")
        if seen["bready"][0]:
            raise OSError(f"write to 0x{address:x}: refused")

    async def read(self, address):
        self.dut.axi_araddr_i.value = address
        seen = await self.transfer(arvalid="arready", rready="rvalid")
        if seen["rready"][1]:
            raise OSError(f"read of 0x{address:x}: refused")
        return seen["rready"][2]


class Dram:
    """The DRAM of a stack of one channel: cells by physical address (docs/architecture.md), commands at the pins."""

    def __init__(self, dut, preset="hbm3_5200"):
        timing = preset_of(preset)
        self.dut = dut
        self.cells = collections.defaultdict(lambda: bytes(PARAMS["COLUMN_BYTES"]))  # by address of the column
        self.rows = {}  # open row by bundle
        self.reads = {}  # beats by the clock in which they are on the pins
        self.writes = {}  # (column, half) by clock
        self.read_latency = (timing["NCL"] + timing["NBL"] + 1) // 2
        self.write_latency = (timing["NCWL"] + 1) // 2

    def write(self, address, data):
        for offset, byte in enumerate(data):
            column, place = divmod(address + offset, PARAMS["COLUMN_BYTES"])
            cells = bytearray(self.cells[column])
            cells[place] = byte
            self.cells[column] = bytes(cells)

    def read(self, address, size):
        places = (divmod(a, PARAMS["COLUMN_BYTES"]) for a in range(address, address + size))
        return bytes(self.cells[column][place] for column, place in places)

    def row_command(self):
        command = ROW_COMMANDS[int(self.dut.dram_row_command_o.value)]
        bundle = int(self.dut.dram_row_bundle_o.value)
        if command == "ACT":
            assert bundle not in self.rows, f"ACT of bundle {bundle}, whose row {self.rows[bundle]} is open"
            self.rows[bundle] = int(self.dut.dram_row_address_o.value)
        elif command == "PRE":
            self.rows.pop(bundle, None)
        else:
            assert bundle not in self.rows, f"REF of bundle {bundle}, whose row {self.rows[bundle]} is open"

    def column_command(self, clock):
        bundle, beat = int(self.dut.dram_column_bundle_o.value), PARAMS["BEAT_BYTES"]
        assert bundle in self.rows, f"a column command to bundle {bundle}, which has no open row"
        address = bundle << PARAMS["BUNDLE_LSB"] | self.rows[bundle] << PARAMS["ROW_LSB"]
        column = (address >> PARAMS["COLUMN_LSB"]) + int(self.dut.dram_column_address_o.value)
        for half in range(2):
            if self.dut.dram_column_write_o.value == 1:
                self.writes[clock + self.write_latency + half] = (column, half)
            else:
                self.reads[clock + self.read_latency + half] = self.cells[column][half * beat:(half + 1) * beat]

    async def run(self):
        """For ever: read data while the clock is low, commands and write data just before it rises."""
        clock, beat = 0, PARAMS["BEAT_BYTES"]
        while True:
            await FallingEdge(self.dut.clk_i)
            if clock in self.reads:
                self.dut.dram_read_data_i.value = int.from_bytes(self.reads.pop(clock), "little")
            await ReadOnly()
            if self.dut.rst_ni.value == 1:
                if self.dut.dram_row_valid_o.value == 1:
                    self.row_command()
                if self.dut.dram_column_valid_o.value == 1:
                    self.column_command(clock)
                if clock in self.writes:
                    column, half = self.writes.pop(clock)
                    data = int(self.dut.dram_write_data_o.value).to_bytes(beat, "little")
                    old = self.cells[column]
                    self.cells[column] = data + old[beat:] if half == 0 else old[:beat] + data
            await RisingEdge(self.dut.clk_i)
            clock += 1
