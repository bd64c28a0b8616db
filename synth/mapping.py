# SPDX-License-Identifier: Apache-2.0
"""Maps units onto a library with Yosys and abc, each once: what was mapped before under the same key is taken from the cache."""
import hashlib
import json
import pathlib
import re
import shutil
import subprocess

import compress
import design
import liberty
import netlist
import timing

FLOWS = ("plain", "buffered", "adders")
NOT = [1, 0]
BUFFER = [0, 1]
NAND = [1, 1, 1, 0]
CARRY = [0, 0, 0, 1, 0, 1, 1, 1]
SUM = [0, 1, 1, 0, 1, 0, 0, 1]


# For sums of full-adder cells. Not abc's usual dc2 and &nf: these turn prefix adders into chains, since abc does not see the full adders before them.
ABC_SCRIPT = """strash
&get -n
&fraig -x
&put
scorr
dretime
strash
dch -f
amap -m
topo
buffer -c -N 16
upsize -D TARGET
dnsize -D TARGET
stime -p
"""
OUTSIDE = 0.1, 0.6  # shares of the clock before a unit's inputs and behind its outputs


class Target:
    """A library and what the flow assumes with it: libraries.json, or for another library the options and what its cells suggest."""

    def __init__(self, path, flow, options, folder):
        if flow not in FLOWS:
            raise design.FlowError(f"synth: FLOW={flow}: expected one of {', '.join(FLOWS)}")
        if not pathlib.Path(path).is_file():
            raise design.FlowError(f"synth: LIBERTY={path}: expected a .lib or .lib.gz file")
        self.text = liberty.text_of(path)
        try:
            self.library = liberty.Library(path)
        except (ValueError, IndexError) as cause:
            raise design.FlowError(f"synth: LIBERTY={path}: expected a Liberty file: {cause}")
        self.flow = flow
        self.path = folder / f"{self.library.name}.lib"
        self.path.write_text(self.text)
        known = json.loads((pathlib.Path(__file__).parent / "libraries.json").read_text())
        self.values = {**self.suggested(), **known.get(self.library.name, {}), **options}
        self.adder = self.full_adder() if flow == "adders" else None
        inverter = self.library.cells[self.values["driver"]]
        self.values["box_load"] = 12 * inverter.pins[inverter.inputs()[0]].capacitance
        self.gate_area = self.library.cells[self.values["gate"]].area

    def suggested(self):
        inverter, buffer, gate = self.library.cell_of(1, NOT), self.library.cell_of(1, BUFFER), self.library.cell_of(2, NAND)
        if not inverter or not buffer or not gate:
            raise design.FlowError(f"synth: {self.library.name}: expected an inverter, a buffer and a NAND of two inputs")
        load = 4 * inverter.pins[inverter.inputs()[0]].capacitance * self.library.capacitance_ff
        return {"process": "unknown", "driver": inverter.name, "buffer": buffer.name, "load": load, "target_ps": 1000, "gate": gate.name, "ram_access_ns": 0, "ram_setup_ns": 0,
                "ripple_bits": 24}

    def full_adder(self):
        """(cell, carry pin, carry inverted, sum pin, sum inverted) of the smallest full adder, or None."""
        choices = []
        for carry_inverted in (0, 1):
            for sum_inverted in (0, 1):
                wanted = [bit ^ carry_inverted for bit in CARRY], [bit ^ sum_inverted for bit in SUM]
                if cell := self.library.cell_of(3, *wanted):
                    pin = {str(cell.table(o)): o for o in cell.outputs()}
                    choices.append((cell, pin[str(wanted[0])], carry_inverted, pin[str(wanted[1])], sum_inverted))
        return min(choices, key=lambda choice: choice[0].area, default=None)

    def constraint_files(self, folder):
        """What abc assumes of a unit's ports, and the full adder as a box."""
        (folder / "constraints").write_text(f"set_driving_cell {self.values['driver']}\nset_load {self.values['load']} [all_outputs]\n")
        if self.adder:
            cell, carry, _, total, _ = self.adder
            (folder / "adder.v").write_text(f"module {cell.name}(input {', '.join(cell.inputs())}, output {carry}, {total}); endmodule\n")

    def first_script(self, unit, text, result):
        """Yosys up to words: operators, sums of many numbers ($macc), flip-flops."""
        return f"read_rtlil {text}\nsynth -nofsm -run begin:fine -flatten -top {unit}\nopt -fast -full\nwrite_json {result}\n"

    def second_script(self, unit, text, folder, result, adder_cells):
        """Yosys from words to cells."""
        adder = f"{folder}/adder.v"
        lines = [f"read_verilog -lib {adder}"] * adder_cells + [f"read_json {text}", f"hierarchy -top {unit}", "maccmap"]
        lines += ["synth -run fine:check", "techmap", "opt", "rename -wire -suffix _reg t:$_*DFF*", f"dfflibmap -liberty {self.path}", "opt"]
        constrained = "" if self.flow == "plain" else f" -constr {folder}/constraints -D {self.values['target_ps']}"
        if adder_cells:
            (folder / "abc.script").write_text(ABC_SCRIPT.replace("TARGET", str(self.values["target_ps"])))
            constrained += f" -script {folder}/abc.script"
        lines += [f"abc -liberty {self.path}{constrained}", "setundef -zero", "opt_clean -purge", f"write_json {result}"]
        return "\n".join(lines) + "\n"

    def signature(self):
        """What decides the result besides the unit's text."""
        parts = [hashlib.sha256(self.text.encode()).hexdigest(), self.flow, json.dumps(self.values, sort_keys=True), tool_versions(),
                 pathlib.Path(__file__).read_text(), pathlib.Path(compress.__file__).read_text()]
        return "\n".join(parts)


def tool_versions():
    def first_line(*command):
        result = subprocess.run(command, capture_output=True, text=True)
        return result.stdout.strip().split("\n")[0]
    return f"{' '.join(first_line('yosys', '-V').split()[:2])}, OpenSTA {first_line('sta', '-version')}"


class Mapper:
    """`folder` holds the cache; `log` is told what is synthesized."""

    def __init__(self, elaborated, target, folder, log):
        self.design, self.target, self.folder, self.log = elaborated, target, folder, log
        self.signature = target.signature()

    def key(self, name):
        """Hash of the unit, of what is flattened into it, of the boxes it sees, of library and flow."""
        unit = self.design.modules[name]
        parts = [unit.without_places()] + [self.design.modules[m].without_places() for m in sorted(self.design.flattened(unit))]
        parts += [self.design.modules[m].interface() for m in sorted(self.design.children(unit))] + [self.signature]
        return hashlib.sha256("\n".join(parts).encode()).hexdigest()[:24]

    def netlist(self, name):
        """Path of the unit's mapped net list (Yosys JSON)."""
        unit = self.design.modules[name]
        folder = self.folder / "cache" / f"{unit.base}_{self.key(name)}"
        result = folder / "net.json"
        if result.exists():
            return result
        self.log(f"{unit.label()}: synthesis")
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir(parents=True)
        text = folder / "unit.il"
        boxes = [self.design.modules[m].interface() for m in sorted(self.design.children(unit))]
        parts = [self.design.modules[m].text for m in sorted(self.design.flattened(unit))]
        text.write_text("".join(boxes + parts) + re.sub(r"^attribute \\top 1\n", "", unit.text, flags=re.M))
        (folder / "words.ys").write_text(self.target.first_script(name, text, folder / "words.json"))
        design.run_yosys(folder / "words.ys", folder / "words.log")
        self.target.constraint_files(folder)
        limit = self.target.values.get("limit_ns")
        chosen, other = folder / "chosen.json", folder / "other.json"
        length = self.map(name, folder, chosen, bool(self.target.adder))
        if self.target.adder and limit and length > limit:
            self.log(f"{unit.label()}: {length:.3f} ns, once more for delay")
            if self.map(name, folder, other, False) < length:
                other.rename(chosen)
        chosen.rename(result)
        return result

    def map(self, name, folder, result, adder_cells):
        """Maps a unit's words, with the library's full adders or without; returns the longest path of the unit alone in ns, with a share
        of the limit for what lies before its inputs and behind its outputs."""
        sums, new = folder / "sums.json", folder / "new.json"
        compress.compress(folder / "words.json", sums, name, self.target.adder if adder_cells else None, self.target.values["ripple_bits"])
        (folder / "map.ys").write_text(self.target.second_script(name, sums, folder, new, adder_cells))
        design.run_yosys(folder / "map.ys", folder / "map.log")
        boxes = {child.removeprefix("\\"): f"box_{i}" for i, child in enumerate(self.design.children(self.design.modules[name]))}
        file = folder / "alone.v"
        file.write_text(netlist.Netlist(new, name).verilog("unit", boxes))
        limit = self.target.values.get("limit_ns", 0)
        paths = timing.run_sta(self.target, folder, "unit", [file], None, *(share * limit for share in OUTSIDE))
        file.unlink()
        new.rename(result)
        return max((path["ns"] for path in paths), default=0.0)
