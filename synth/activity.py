# SPDX-License-Identifier: Apache-2.0
"""Values of all nets of a mapped unit in every clock of a Verilated run.

The run gives the unit's inputs, its registers and the outputs of what it instantiates; the gates between them are evaluated here, for
all clocks at once (bit i of a net's integer is its value in clock i). What the gates give the registers and outputs must be what these
had in the run, so every evaluation also checks the net list.
"""
import collections
import re
import subprocess

import design
import simulate

HALF_CLOCK = 500  # of the waveform's time: clock n is n ns

class Wave:
    """Signals of a waveform file by full name, one value a clock: that before the rising edge."""

    def __init__(self, reader, path):
        self.reader, self.path = str(reader), str(path)
        self.widths = {}
        for line in self.read("list").splitlines():
            width, name = line.split(" ", 1)
            self.widths[name] = int(width)

    def read(self, what, names=""):
        result = subprocess.run([self.reader, self.path, what], input=names, capture_output=True, text=True)
        if result.returncode:
            raise design.FlowError(f"power: {result.stderr.strip()}")
        return result.stdout

    def load(self, names):
        """Takes these signals' changes; a signal changes at most once a clock, before its falling edge is written (whole clocks)."""
        names = list(names)
        self.changes, self.same = collections.defaultdict(list), {}
        first = clock = 0
        for line in self.read("values", "\n".join(names)).splitlines():
            kind, _, rest = line.partition(" ")
            if kind == "n":
                number, source, _ = rest.split()
                self.same[names[int(number)]] = source
            elif kind == "t":
                time = (int(rest) + HALF_CLOCK) // (2 * HALF_CLOCK)
                first = first or time
                clock = time - first
            else:
                self.changes[kind].append((clock, rest))
        self.clocks = clock

    def columns(self, name):
        """One integer for each bit, lowest first."""
        changes = self.changes[self.same[name]]
        if len(changes) == 1:
            return [-int(bit) & ((1 << self.clocks) - 1) for bit in reversed(changes[0][1])]
        texts, at = [], 0
        for (_, text), (until, _) in zip(changes, changes[1:] + [(self.clocks, "")]):
            until = min(until, self.clocks)
            texts += [text] * (until - at)
            at = max(at, until)
        return [int("".join(bits), 2) for bits in reversed(list(zip(*reversed(texts))))]


class Recorded:
    """A unit's net list and where its inputs and registers stand in the waveform: below `path`."""

    def __init__(self, net, library, label, path):
        self.net, self.library, self.label, self.path = net, library, label, path
        self.flops = {name: cell for name, cell in net.cells.items() if (kind := library.cells.get(cell["type"])) and kind.flop}
        self.boxes = {name: cell for name, cell in net.cells.items() if cell["type"] not in library.cells}

    def place(self, name, wave):
        """(signal, bit) of a register; None if it has no name in the RTL."""
        if not name.endswith("_reg"):
            return None
        text = self.path + "." + name.removesuffix("_reg")
        if text in wave.widths:
            return text, 0
        word, index = re.fullmatch(r"(.*)\[(\d+)\]", text).groups()
        if word not in wave.widths:
            raise design.FlowError(f"power: {self.label}: expected the signal {text} in {wave.path}")
        return word, int(index)

    def signals(self, wave):
        """Names of what is needed of the waveform."""
        found = {place[0] for name in self.flops if (place := self.place(name, wave))} | {f"{self.path}.{port}" for port in self.net.ports}
        for name, cell in self.boxes.items():
            found |= {f"{self.path}.{name}.{port}" for port in cell["connections"]}
        return {name for name in found if name in wave.widths}

    def known(self, wave):
        """Nets that the waveform gives, and the states of the flip-flops."""
        cache = {}

        def columns(name):
            if name not in cache:
                cache[name] = wave.columns(name)
            return cache[name]

        nets, states = {}, {}
        for port, entry in self.net.ports.items():
            if entry["direction"] == "input":
                nets.update(zip(entry["bits"], columns(f"{self.path}.{port}")))
        for name, cell in self.boxes.items():
            for port, bits in cell["connections"].items():
                if cell["port_directions"][port] == "output":
                    nets.update(zip(bits, columns(f"{self.path}.{name}.{port}")))
        for name, cell in self.flops.items():
            place = self.place(name, wave)
            if not place:
                continue
            states[name] = columns(place[0])[place[1]]
            kind = self.library.cells[cell["type"]]
            for pin in kind.outputs():
                for bit in cell["connections"].get(pin, []):
                    text = simulate.expression(kind, pin, collections.defaultdict(lambda: "1"))
                    nets[bit] = eval(text, {"ONES": states[name]}) & ((1 << wave.clocks) - 1)
        return nets, states

    def code(self, nets, states):
        """Statements for the gates, each after those of its inputs; a register without a name gives what its gates gave a clock before."""
        waiting, readers, ready, code = {}, collections.defaultdict(list), [], []
        gates = {name: cell for name, cell in self.net.cells.items() if name not in states and name not in self.boxes}
        for name, cell in gates.items():
            kind = self.library.cells[cell["type"]]
            bits = {b for pin in kind.inputs() if not kind.pins[pin].clock for b in cell["connections"].get(pin, []) if isinstance(b, int) and b not in nets}
            waiting[name] = len(bits)
            for bit in bits:
                readers[bit].append(name)
            if not bits:
                ready.append(name)
        while ready:
            cell = gates[ready.pop()]
            kind = self.library.cells[cell["type"]]
            wires = {pin: cell["connections"][pin][0] for pin in kind.inputs()}
            for pin in kind.outputs():
                for bit in cell["connections"].get(pin, [])[:1]:
                    text = simulate.expression(kind, pin, wires)
                    code.append((bit, f"({text}) << 1" if kind.flop else text))
                    for reader in readers[bit]:
                        waiting[reader] -= 1
                        if waiting[reader] == 0:
                            ready.append(reader)
        if any(waiting.values()):
            raise design.FlowError(f"power: {self.label}: gates without a driver or in a loop")
        return code

    def run(self, wave):
        """{net: integer}, checked against the run."""
        nets, states = self.known(wave)
        simulate.evaluate(self.code(nets, states), nets, (1 << wave.clocks) - 1, self.label)
        self.check(nets, states, wave)
        return nets

    def check(self, nets, states, wave):
        """The gates before a register give what it had one clock later, those before an output what it had."""
        mask = (1 << (wave.clocks - 1)) - 2  # not the first clock, before which registers without a name are unknown
        for name, state in states.items():
            cell = self.flops[name]
            kind = self.library.cells[cell["type"]]
            data, = (pin for pin in kind.inputs() if not kind.pins[pin].clock)
            bit = cell["connections"][data][0]
            if isinstance(bit, int) and (nets[bit] ^ state >> 1) & mask:
                raise design.FlowError(f"power: {self.label}: register {name} of the gates is not that of the run")
        for port, entry in self.net.ports.items():
            name = f"{self.path}.{port}"
            if entry["direction"] == "output" and name in wave.widths:
                for i, (bit, expected) in enumerate(zip(entry["bits"], wave.columns(name))):
                    if isinstance(bit, int) and (nets[bit] ^ expected) & mask:
                        raise design.FlowError(f"power: {self.label}: {port}[{i}] of the gates is not that of the run")

    def energy(self, nets, wave, voltage):
        """pJ a clock: (nets that switch, clock pins). A switch of a net costs C V^2 / 2 of the input pins on it, a clock pin C V^2 a clock."""
        scale = voltage ** 2 * self.library.capacitance_ff * 1e-3
        clocks = set(self.net.ports.get("clk_i", {"bits": []})["bits"])
        mask = (1 << (wave.clocks - 1)) - 1
        switched = clocked = 0.0
        for bit, pins in self.net.sinks(self.library, collections.defaultdict(dict)).items():
            load = sum(pin[2] for pin in pins) * scale
            if bit in clocks:
                clocked += load
            elif bit in nets:
                switched += load / 2 * ((nets[bit] ^ nets[bit] >> 1) & mask).bit_count() / (wave.clocks - 1)
        return switched, clocked
