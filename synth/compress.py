# SPDX-License-Identifier: Apache-2.0
"""Sums of many numbers and products ($macc of Yosys) as columns of the library's full adders.

Yosys' own reduction works on whole words and knows no full-adder cell. Here each column of bits is reduced by full adders, the earliest
bits first, in as few stages as possible (Dadda), until two rows are left; these are added by a chain of full adders, or if they are long by a prefix adder. A full adder may give inverted outputs, and with all inputs
inverted it gives the inverse of what it gave before: so bits carry their polarity along, and an inverter is only spent where three
bits of one polarity cannot be found.
"""
import json

LATER = 0.5  # full-adder delays that a bit of the right polarity may be later than the earliest


def operands(cell):
    """The summands of a $macc: (signed, subtract, bits of a, bits of b), and its single bits."""
    config = [bit == "1" for bit in reversed(cell["parameters"]["CONFIG"])]
    a, at = cell["connections"]["A"], 0
    cursor = 4

    def number(width):
        nonlocal cursor
        cursor += width
        return sum(config[cursor - width + i] << i for i in range(width))

    size = sum(config[i] << i for i in range(4))
    terms = []
    while at < len(a):
        signed, subtract = config[cursor], config[cursor + 1]
        cursor += 2
        lengths = number(size), number(size)
        terms.append((signed, subtract, a[at:at + lengths[0]], a[at + lengths[0]:at + sum(lengths)]))
        at += sum(lengths)
    return terms, cell["connections"]["B"]


class Sum:
    """The columns of one sum, modulo 2^width. A bit is (arrival, net, inverted)."""

    def __init__(self, module, adder, name, width):
        self.module, self.adder, self.name, self.width = module, adder, name, width
        self.columns = [[] for _ in range(width)]
        self.constant = 0

    def net(self):
        self.module.last += 1
        return self.module.last

    def cell(self, kind, **connections):
        self.module.last += 1
        directions = {pin: "output" if pin in ("Y", self.adder[1], self.adder[3]) else "input" for pin in connections}
        self.module.cells[f"$compress${self.name}${self.module.last}"] = {
            "hide_name": 1, "type": kind, "parameters": {}, "attributes": {}, "port_directions": directions, "connections": connections}

    def add_bit(self, place, bit, inverted=False, arrival=0.0, columns=None):
        """Adds one bit; `inverted`: its complement."""
        if bit in ("0", "1", "x", "z"):
            self.constant += ((bit == "1") ^ inverted) << place
        elif place < self.width:
            (columns or self.columns)[place].append((arrival, bit, inverted))

    def add_word(self, bits, signed, subtract):
        """A summand; equal bits at its top count once: -s 2^k = (not s) 2^k - 2^k."""
        bits = list(bits[:self.width])
        if signed:
            bits += bits[-1:] * (self.width - len(bits))
        if subtract:
            self.constant += 1
            bits += ["0"] * (self.width - len(bits))
        top = len(bits)
        while top > 1 and len(bits) == self.width and bits[top - 2] == bits[-1]:
            top -= 1
        if top < len(bits):
            self.add_bit(top - 1, bits[-1], not subtract)
            self.constant -= 1 << (top - 1)
            bits = bits[:top - 1]
        for place, bit in enumerate(bits):
            self.add_bit(place, bit, subtract)

    def add_product(self, a, b):
        for i, x in enumerate(a):
            for j, y in enumerate(b):
                if "0" in (x, y) or i + j >= self.width:
                    continue
                net = self.net()
                self.cell("$_NAND_", A=[x], B=[y], Y=[net])
                self.add_bit(i + j, net, True)

    def take(self, column, count):
        """Takes bits to add: the earliest, and early ones of the most frequent polarity among them."""
        column.sort()
        early = column[:count + 2]
        limit = early[count - 1][0] + LATER
        inverted = sum(bit[2] for bit in early if bit[0] <= limit) * 2 > sum(bit[0] <= limit for bit in early)
        early.sort(key=lambda bit: (bit[0] > limit, bit[2] != inverted, bit[0]))
        for bit in early[:count]:
            column.remove(bit)
        return early[:count], sum(bit[2] for bit in early[:count]) * 2 > count

    def inverse(self, net):
        """An inverter's output, one for each net."""
        if net not in self.module.inverses:
            self.module.inverses[net] = self.net()
            self.cell("$_NOT_", A=[net], Y=[self.module.inverses[net]])
        return self.module.inverses[net]

    def plain(self, bit):
        return self.inverse(bit[1]) if bit[2] else bit[1]

    def full_adder(self, place, after):
        """Three bits of a column become one of it and one of the next."""
        bits, polarity = self.take(self.columns[place], 3)
        nets = [bit[1] if bit[2] == polarity else self.inverse(bit[1]) for bit in bits]
        cell, carry_pin, carry_inverted, sum_pin, sum_inverted = self.adder
        carry, total = self.net(), self.net()
        pins = {pin: [net] for pin, net in zip(cell.inputs(), nets)}
        self.cell(cell.name, **pins, **{carry_pin: [carry], sum_pin: [total]})
        arrival = max(bit[0] for bit in bits)
        self.add_bit(place, total, polarity ^ bool(sum_inverted), arrival + 1.0, after)
        self.add_bit(place + 1, carry, polarity ^ bool(carry_inverted), arrival + 0.7, after)

    def two_bits(self, place, after, one=0):
        """Two bits, and a constant one: sum a xor b and carry a and b, or a xnor b and a or b. Gates, in which inversions are free."""
        bits, _ = self.take(self.columns[place], 2)
        a, b = (self.plain(bit) for bit in bits)
        total, carry = self.net(), self.net()
        self.cell("$_XOR_", A=[a], B=[b], Y=[total])
        self.cell("$_NOR_" if one else "$_NAND_", A=[a], B=[b], Y=[carry])
        arrival = max(bit[0] for bit in bits)
        self.add_bit(place, total, bool(one), arrival + 0.7, after)
        self.add_bit(place + 1, carry, True, arrival + 0.4, after)

    def take_constant(self):
        """The constant's ones join the bits of their columns: 1 + a + b as gates, 1 + a = 2 a + not a."""
        after = [[] for _ in self.columns]
        for place, column in enumerate(self.columns):
            if not self.constant >> place & 1:
                continue
            if len(column) > 1:
                self.two_bits(place, after, 1)
            elif column:
                arrival, bit, inverted = column.pop()
                self.add_bit(place, bit, not inverted, arrival, after)
                self.add_bit(place + 1, bit, inverted, arrival, after)
            else:
                after[place].append((0.0, "1", False))
        for column, new in zip(self.columns, after):
            column += new

    def stage(self, height):
        """No column higher than `height` after it (Dadda); adders only take bits from before the stage."""
        after = [[] for _ in self.columns]
        for place, column in enumerate(self.columns):
            while len(column) + len(after[place]) > height:
                if len(column) + len(after[place]) == height + 1:
                    self.two_bits(place, after)
                else:
                    self.full_adder(place, after)
        self.columns = [column + new for column, new in zip(self.columns, after)]

    def ripple(self, result):
        """The last addition as a chain of full adders: least area."""
        for place, column in enumerate(self.columns):
            if len(column) > 1:
                (self.full_adder if len(column) == 3 else self.two_bits)(place, self.columns)
        for column, net in zip(self.columns, result):
            (_, bit, inverted), = column or [(0.0, "0", False)]
            self.cell("$_NOT_" if inverted else "$_BUF_", A=[bit], Y=[net])

    def prefix(self, result):
        """The last addition as an operator, for which Yosys takes a prefix adder."""
        rows = [[], []]
        for column in self.columns:
            texts = [self.plain(bit) for bit in column] + ["0", "0"]
            rows[0].append(texts[0])
            rows[1].append(texts[1])
        self.cell("$add", A=rows[0], B=rows[1], Y=result)
        added = self.module.cells[f"$compress${self.name}${self.module.last}"]
        added["parameters"] = {"A_SIGNED": "0", "B_SIGNED": "0", **{f"{pin}_WIDTH": f"{self.width:032b}" for pin in "ABY"}}

    def finish(self, result, ripple_bits):
        """Reduces to two rows, the ones of the constant among them, and adds these."""
        self.constant &= (1 << self.width) - 1
        self.take_constant()
        heights = [2]
        while heights[-1] < max(map(len, self.columns)):
            heights.append(heights[-1] * 3 // 2)
        for height in reversed(heights):
            self.stage(height)
        if sum(len(column) == 2 for column in self.columns) <= ripple_bits:
            self.ripple(result)
        else:
            self.prefix(result)


class Module:
    """A module of Yosys' JSON, with fresh net numbers."""

    def __init__(self, data):
        self.cells, self.inverses = data["cells"], {}
        lists = [e["bits"] for e in data["netnames"].values()] + [b for c in data["cells"].values() for b in c["connections"].values()]
        self.last = max((bit for bits in lists for bit in bits if isinstance(bit, int)), default=1)


def own_names(data):
    """Gives Yosys' automatic names a prefix: its next run counts from one again."""
    for kind in ("cells", "netnames"):
        data[kind] = {("$words" + key if key.startswith("$") else key): value for key, value in data[kind].items()}


def compress(path, result_path, name, adder, ripple_bits):
    """Replaces the $macc of a module of a JSON file, but those with signed or subtracted products. Sums of more than `ripple_bits` bits
    end in a prefix adder. Without an adder cell the sums stay as they are."""
    text = json.loads(path.read_text())
    data = text["modules"][name.removeprefix("\\")]
    own_names(data)
    module = Module(data)
    for cell_name, cell in list(module.cells.items()):
        if cell["type"] != "$macc" or not adder:
            continue
        terms, single = operands(cell)
        if any(b and (signed or subtract) for signed, subtract, _, b in terms):
            continue
        result = cell["connections"]["Y"]
        total = Sum(module, adder, cell_name.replace("$", "_"), len(result))
        for signed, subtract, a, b in terms:
            if b:
                total.add_product(a, b)
            else:
                total.add_word(a, signed, subtract)
        for bit in single:
            total.add_bit(0, bit)
        del module.cells[cell_name]
        total.finish(result, ripple_bits)
    result_path.write_text(json.dumps(text))
