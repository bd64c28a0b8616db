# SPDX-License-Identifier: Apache-2.0
"""The design as Yosys elaborates it: modules with their parameters, what each instantiates, and which of them are units."""
import hashlib
import pathlib
import re
import shutil
import subprocess
import sys

ROOT = pathlib.Path(__file__).resolve().parent.parent


def place(folder):
    """The real path of an output folder. Yosys and its tools cannot work below a path with blanks: there the folder becomes a link out of it."""
    path = pathlib.Path(folder).resolve()
    if re.search(r"\s", str(path)):
        subprocess.run([ROOT / "scripts/place_verilated.sh", folder], check=True)
    return path if not re.search(r"\s", str(path)) else pathlib.Path(folder).resolve()
COMMON = "rtl/common/"  # building blocks: they count with the unit that uses them
MEMORIES = "ram_"       # modules of COMMON that a macro replaces


class FlowError(Exception):
    """What stops a run: tool, place, cause."""


def sources():
    """The files of the simulation: those of rtl/files.f and the generated headers."""
    lines = (ROOT / "rtl/files.f").read_text().split("\n")
    return [line for line in lines if line and not line.startswith("#")]


def include_folder(overlay, folder):
    """The folder of the generated headers; with `overlay`, a copy in which its lines replace those of params/hardware.params."""
    if not overlay:
        return "params/generated"
    sys.path.insert(0, str(ROOT / "params"))
    import generate
    try:
        made = [(pathlib.Path(name).name, text) for name, text in generate.point_outputs(overlay) if name.endswith(".vh")]
    except (generate.Refused, OSError) as cause:
        raise FlowError(f"synth: {cause}")
    copy = folder / f"params_{hashlib.sha256(repr(made).encode()).hexdigest()[:12]}"
    shutil.copytree(ROOT / "params/generated", copy, dirs_exist_ok=True)
    for name, text in made:
        (copy / name).write_text(text)
    return str(copy)


def hash_of_files(names):
    """SHA-256 over names and contents."""
    listing = "".join(f"{hashlib.sha256((ROOT / n).read_bytes()).hexdigest()}  {n}\n" for n in sorted(names))
    return hashlib.sha256(listing.encode()).hexdigest()


def run_yosys(script, log):
    """Runs a script file; its log stays beside it."""
    try:
        result = subprocess.run(["yosys", "-q", "-l", str(log), "-s", str(script)], cwd=ROOT, capture_output=True, text=True)
    except FileNotFoundError:
        raise FlowError("yosys: not found; `make doctor` lists what to install")
    if result.returncode:
        raise FlowError(f"yosys: {script}: {(result.stderr or result.stdout).strip().splitlines()[-1]} (log {log})")


class Module:
    def __init__(self, name, text):
        self.name, self.text = name, text
        self.base = name.split("\\")[1]
        self.parameters = {k: parameter_value(v) for k, v in re.findall(r"^  parameter \\(\S+) (.*)$", text, re.M)}
        self.cells = re.findall(r"^  cell ((?:\\|\$paramod)\S+) (\S+)$", text, re.M)  # (module, instance)

    def interface(self):
        """The module as a box: its ports only."""
        ports = re.findall(r"^  wire .*\b(?:input|output|inout) \d+ .*$", self.text, re.M)
        return "attribute \\blackbox 1\nmodule " + self.name + "\n" + "\n".join(ports) + "\nend\n"

    def without_places(self):
        """The text without source lines and running numbers, so that a comment does not change it."""
        text = re.sub(r"^\s*attribute \\(src|top) .*\n", "", self.text, flags=re.M)
        return re.sub(r"\.v:[\d.-]+|\$\d+", "", text)

    def label(self):
        values = ", ".join(f"{k}={v}" for k, v in self.parameters.items() if not k.endswith("_BITS"))
        return f"{self.base} {values}" if "$paramod" in self.name and values else self.base


def parameter_value(text):
    bits = re.fullmatch(r"(?:s?\d+)?'?([01]+)", text)
    return int(bits.group(1), 2) if bits and "'" in text else int(text) if re.fullmatch(r"-?\d+", text) else text.strip('"')


class Design:
    """All modules below `top`; `folder` takes the elaborated text, `overlay` replaces hardware parameters."""

    def __init__(self, top, parameters, folder, overlay=None):
        self.files = sources()
        self.includes = include_folder(overlay, folder)
        self.headers = sorted(str(pathlib.Path(self.includes) / p.name) for p in (ROOT / self.includes).glob("*.vh"))
        self.headers += sorted(str(p.relative_to(ROOT)) for p in (ROOT / COMMON).glob("*.vh"))
        self.place = {pathlib.Path(f).stem: f for f in self.files}
        if top not in self.place:
            raise FlowError(f"synth: TOP={top}: expected a module of rtl/files.f")
        folder.mkdir(parents=True, exist_ok=True)
        script, text = folder / "elaborate.ys", folder / "design.il"
        values = "".join(f" -chparam {k} {v}" for k, v in parameters.items())
        script.write_text(f"read_verilog -sv -I{self.includes} -I{COMMON} {' '.join(self.files)}\nhierarchy -check -top {top}{values}\nwrite_rtlil {text}\n")
        run_yosys(script, folder / "elaborate.log")
        modules = re.findall(r"^((?:attribute [^\n]*\n)*module (\S+)\n.*?^end\n)", text.read_text(), re.M | re.S)
        self.modules = {name: Module(name, block) for block, name in modules}
        self.top = next(n for n, m in self.modules.items() if m.base == top and '\\top 1' in m.text.split("\nmodule ", 1)[0])

    def is_memory(self, module):
        return module.base.startswith(MEMORIES) and self.place[module.base].startswith(COMMON) and "memory width" in module.text

    def is_unit(self, module):
        return module.name == self.top or not self.place[module.base].startswith(COMMON)

    def children(self, module):
        """Instances that stay boxes in a unit: {module name: number}, through the building blocks that are flattened into it."""
        found = {}
        for name, _ in module.cells:
            child = self.modules[name]
            if self.is_unit(child) or self.is_memory(child):
                found[name] = found.get(name, 0) + 1
            else:
                for inner, count in self.children(child).items():
                    found[inner] = found.get(inner, 0) + count
        return found

    def flattened(self, module):
        """Building blocks below a unit that become part of it."""
        found = set()
        for name, _ in module.cells:
            child = self.modules[name]
            if not self.is_unit(child) and not self.is_memory(child):
                found |= {name} | self.flattened(child)
        return found

    def counts(self):
        """How often each unit and memory stands in the top: {name: number}, parents before children."""
        order = self.order()
        total = {name: 0 for name in reversed(order)}
        total[self.top] = 1
        for name in reversed(order):
            if not self.is_memory(self.modules[name]):
                for child, count in self.children(self.modules[name]).items():
                    total[child] += count * total[name]
        return total

    def order(self):
        """Units and memories below the top, children before parents."""
        seen = []

        def visit(name):
            if name not in seen:
                if not self.is_memory(self.modules[name]):
                    for child in self.children(self.modules[name]):
                        visit(child)
                seen.append(name)

        visit(self.top)
        return seen
