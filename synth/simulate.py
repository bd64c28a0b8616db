# SPDX-License-Identifier: Apache-2.0
"""Simulates a mapped unit without feedback on many vectors at once: bit i of a net's integer is its value for vector i.

In a free-flowing pipeline a flip-flop is only a delay, so the values of all clocks come from one pass over the net list, and vector i + 1
is the clock after vector i. No glitches: every net changes at most once a clock.
"""
import collections

import design
import liberty


class Pipeline:
    """The net list of a unit whose flip-flops all stand in rows: every path to a net passes the same number of them."""

    def __init__(self, net, library, label):
        self.net, self.library, self.label = net, library, label
        self.code, self.depth, self.order = [], {}, []
        self.build()

    def drivers(self):
        found = {}
        for cell in self.net.cells.values():
            kind = self.library.cells[cell["type"]]
            for pin in kind.outputs():
                for bit in cell["connections"].get(pin, []):
                    found[bit] = cell
        return found

    def build(self):
        drivers = self.drivers()
        for entry in self.net.ports.values():
            if entry["direction"] == "input":
                self.depth.update({bit: 0 for bit in entry["bits"]})
        waiting = collections.Counter()
        readers = collections.defaultdict(list)
        ready = []
        for name, cell in self.net.cells.items():
            kind = self.library.cells[cell["type"]]
            inputs = {b for pin in kind.inputs() if not kind.pins[pin].clock for b in cell["connections"].get(pin, []) if b in drivers}
            waiting[name] = len(inputs)
            for bit in inputs:
                readers[bit].append(name)
            if not inputs:
                ready.append(name)
        while ready:
            name = ready.pop()
            for bit in self.place(self.net.cells[name]):
                for reader in readers[bit]:
                    waiting[reader] -= 1
                    if waiting[reader] == 0:
                        ready.append(reader)
        if len(self.order) != len(self.net.cells):
            raise design.FlowError(f"{self.label}: has feedback; expected a pipeline")

    def place(self, cell):
        """Adds a cell's statements to the code; returns its output nets."""
        kind = self.library.cells[cell["type"]]
        wires = {p: cell["connections"][p][0] for p in kind.inputs() if p in cell["connections"]}
        depths = {self.depth[b] for p, b in wires.items() if isinstance(b, int) and not kind.pins[p].clock}
        if len(depths) > 1:
            raise design.FlowError(f"{self.label}: paths of unequal length meet in a {kind.name}")
        depth = (depths.pop() if depths else 0) + bool(kind.flop)
        outputs = []
        for pin in kind.outputs():
            for bit in cell["connections"].get(pin, [])[:1]:
                self.code.append((bit, expression(kind, pin, wires)))
                self.depth[bit] = depth
                outputs.append(bit)
        self.order.append(cell)
        return outputs

    def latency(self):
        """Clocks from the inputs to the outputs."""
        depths = {self.depth[b] for e in self.net.ports.values() if e["direction"] == "output" for b in e["bits"] if isinstance(b, int)}
        if len(depths) != 1:
            raise design.FlowError(f"{self.label}: its outputs have latencies {sorted(depths)}; expected one")
        return depths.pop()

    def run(self, inputs, count):
        """Values of all nets: {net: integer of `count` bits}, from {port: [number of each vector]}."""
        mask = (1 << count) - 1
        nets = {}
        for port, entry in self.net.ports.items():
            for i, bit in enumerate(entry["bits"]):
                if entry["direction"] == "input":
                    nets[bit] = int("".join(str(v >> i & 1) for v in reversed(inputs[port])), 2) if port in inputs else 0
        evaluate(self.code, nets, mask, self.label)
        return nets

    def outputs(self, nets, count):
        """{port: [number of each vector]}"""
        found = {}
        for port, entry in self.net.ports.items():
            if entry["direction"] == "output":
                columns = [(f"{nets[b]:0{count}b}" if isinstance(b, int) else b * count)[::-1] for b in entry["bits"]]
                found[port] = [int("".join(bits), 2) for bits in zip(*reversed(columns))]
        return found


def expression(kind, pin, wires):
    """An output of a cell in terms of its nets; of a flip-flop, what it will give."""
    text = liberty.python_function(kind.pins[pin].function)
    if kind.flop:
        state, inverse = kind.flop["state"]
        text = {state: "({})", inverse: "~({})"}[text.strip("() ")].format(liberty.python_function(kind.flop["next_state"]))
    return liberty.NAME.sub(lambda m: value(wires[m[0]]), text)


def evaluate(code, nets, mask, label):
    """Runs statements (net, expression) in their order, in parts: one large text would take Python long."""
    scope = {"v": nets, "ONES": mask}
    for start in range(0, len(code), 2000):
        text = "\n".join(f"v[{bit}] = ({source}) & ONES" for bit, source in code[start:start + 2000])
        exec(compile(text, label, "exec"), scope)


def value(bit):
    return f"v[{bit}]" if isinstance(bit, int) else "ONES" if bit == "1" else "0"
