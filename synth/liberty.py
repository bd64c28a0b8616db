# SPDX-License-Identifier: Apache-2.0
"""Reads what the flow needs from a Liberty file: units, and of each cell its area, pins, functions and whether it stores."""
import gzip
import itertools
import pathlib
import re

TOKEN = re.compile(r'/\*.*?\*/|"(?:[^"\\]|\\.)*"|\\\n|[^\s(){};:,"]+|[(){};:,]', re.S)
NAME = re.compile(r"[A-Za-z_]\w*")
UNFINISHED = re.compile(r"^(\s*\w+\s*:\s*[^;{}\n\\]+)$", re.M)  # an attribute without its semicolon, as some libraries have it


def text_of(path):
    """The text of a .lib or .lib.gz."""
    data = pathlib.Path(path).read_bytes()
    return (gzip.decompress(data) if data[:2] == b"\x1f\x8b" else data).decode("latin-1")


class Pin:
    def __init__(self):
        self.direction, self.capacitance, self.function, self.clock = "", 0.0, "", False


class Cell:
    """One cell. `flop` and `latch` hold the attributes of its ff or latch group, or None."""

    def __init__(self, name):
        self.name, self.area, self.pins, self.flop, self.latch = name, 0.0, {}, None, None

    def inputs(self):
        return [n for n, p in self.pins.items() if p.direction == "input"]

    def outputs(self):
        return [n for n, p in self.pins.items() if p.direction == "output"]

    def table(self, pin):
        """Truth table of an output: one bit for each combination of inputs(), the first input counting least; None if it has no function."""
        python = python_function(self.pins[pin].function)
        if not python or self.flop or self.latch:
            return None
        names = self.inputs()
        rows = (dict(zip(names, reversed(bits))) for bits in itertools.product((0, 1), repeat=len(names)))
        try:
            return [eval(python, {}, row) & 1 for row in rows]
        except NameError:  # a function of something that is no input
            return None


def python_function(text):
    """A Liberty function as a Python expression."""
    spaced = re.sub(r"([A-Za-z_]\w*)\s*'", r"!\1", text)
    if "'" in spaced:
        return ""
    spaced = re.sub(r"(?<=[\w)])\s+(?=[\w(!])", "*", spaced)
    return spaced.replace("!", "~").replace("*", "&").replace("+", "|").strip()


class Reader:
    def __init__(self, text):
        text = UNFINISHED.sub(r"\1;", text)
        self.tokens = [t for t in TOKEN.findall(text) if not t.startswith("/*") and t != "\\\n"]
        self.at = 0

    def next(self):
        self.at += 1
        return self.tokens[self.at - 1]

    def arguments(self):
        """What stands in parentheses; the opening one was read."""
        values = []
        while (token := self.next()) != ")":
            if token != ",":
                values.append(token.strip('"'))
        return values

    def skip_group(self):
        depth = 1
        while depth:
            token = self.next()
            depth += (token == "{") - (token == "}")

    def statements(self):
        """Yields (name, arguments, is_group) up to the end of the group; the user reads or skips what a group holds."""
        while (name := self.next()) != "}":
            if name == ";":
                continue
            mark = self.next()
            if mark == ":":
                value = []
                while (token := self.next()) != ";" and token != "}":
                    value.append(token.strip('"'))
                yield name, value, False
                if token == "}":
                    return
            elif mark == "(":
                arguments = self.arguments()
                group = self.at < len(self.tokens) and self.tokens[self.at] == "{"
                self.at += group
                yield name, arguments, group

    def pin(self):
        pin = Pin()
        for name, value, group in self.statements():
            if group:
                self.skip_group()
            elif name == "direction":
                pin.direction = value[0]
            elif name == "capacitance":
                pin.capacitance = float(value[0])
            elif name == "function":
                pin.function = value[0]
            elif name == "clock":
                pin.clock = value[0] == "true"
        return pin

    def attributes(self):
        found = {}
        for name, value, group in self.statements():
            if group:
                self.skip_group()
            else:
                found[name] = value[0]
        return found

    def cell(self, cell_name):
        cell = Cell(cell_name)
        for name, value, group in self.statements():
            if group and name == "pin":
                pin = self.pin()
                cell.pins.update({n: pin for n in value})
            elif group and name == "ff":
                cell.flop = dict(self.attributes(), state=value)
            elif group and name == "latch":
                cell.latch = dict(self.attributes(), state=value)
            elif group:
                self.skip_group()
            elif name == "area":
                cell.area = float(value[0])
        return cell


class Library:
    """All cells of a file. `time_ns` and `capacitance_ff` are the file's units."""

    def __init__(self, path):
        reader = Reader(text_of(path))
        if reader.next() != "library":
            raise ValueError(f"{path}: a Liberty file starts with 'library', this one does not")
        reader.next()
        self.name, self.cells, self.voltage = reader.arguments()[0], {}, 1.0
        reader.next()
        for name, value, group in reader.statements():
            if group and name == "cell":
                self.cells[value[0]] = reader.cell(value[0])
            elif group:
                reader.skip_group()
            elif name == "time_unit":
                self.time_ns = quantity(value[0], {"ps": 1e-3, "ns": 1.0})
            elif name == "capacitive_load_unit":
                self.capacitance_ff = float(value[0]) * {"ff": 1.0, "pf": 1000.0}[value[1].lower()]
            elif name == "nom_voltage":
                self.voltage = float(value[0])

    def cell_of(self, inputs, *tables):
        """Smallest cell with that number of inputs and outputs of these truth tables, in any order; or None."""
        fitting = [c for c in self.cells.values() if len(c.inputs()) == inputs and len(c.outputs()) == len(tables) and not c.flop and not c.latch
                   and sorted(map(str, (c.table(o) for o in c.outputs()))) == sorted(map(str, tables))]
        return min(fitting, key=lambda c: c.area, default=None)


def quantity(text, units):
    number, unit = re.fullmatch(r"([\d.]+)\s*(\w+)", text).groups()
    return float(number) * units[unit]
