"""Maps units onto a library with Yosys and abc, each once: what was mapped before under the same key is taken from the cache."""
import hashlib
import json
import pathlib
import re
import shutil
import subprocess

import design
import liberty

FLOWS = ("plain", "buffered", "adders")
NOT = [1, 0]
NAND = [1, 1, 1, 0]
CARRY = [0, 0, 0, 1, 0, 1, 1, 1]
SUM = [0, 1, 1, 0, 1, 0, 0, 1]


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
        self.gate_area = self.library.cells[self.values["gate"]].area

    def suggested(self):
        inverter, gate = self.library.cell_of(1, NOT), self.library.cell_of(2, NAND)
        if not inverter or not gate:
            raise design.FlowError(f"synth: {self.library.name}: expected an inverter and a NAND of two inputs")
        load = 4 * inverter.pins[inverter.inputs()[0]].capacitance * self.library.capacitance_ff
        return {"process": "unknown", "driver": inverter.name, "load": load, "target_ps": 1000, "gate": gate.name, "ram_access_ns": 0, "ram_setup_ns": 0}

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

    def constraints(self):
        return f"set_driving_cell {self.values['driver']}\nset_load {self.values['load']} [all_outputs]\n"

    def adder_files(self, folder):
        """Techmap of Yosys' $fa onto the library's full adder; bits with a constant stay gates."""
        cell, carry, carry_inverted, total, sum_inverted = self.adder
        ports = cell.inputs() + [carry, total]
        box = f"(* blackbox *) module {cell.name}(input {', '.join(cell.inputs())}, output {carry}, {total}); endmodule\n"
        pins = ", ".join(f".{pin}({wire})" for pin, wire in zip(ports, ("A[i]", "B[i]", "C[i]", "carry", "sum")))
        (folder / "adder_box.v").write_text(box)
        (folder / "adder_map.v").write_text(f"""(* techmap_celltype = "$fa" *)
module full_adders(A, B, C, X, Y);
  parameter WIDTH = 1;
  parameter _TECHMAP_CONSTMSK_A_ = 0;
  parameter _TECHMAP_CONSTMSK_B_ = 0;
  parameter _TECHMAP_CONSTMSK_C_ = 0;
  localparam [WIDTH-1:0] CONSTANT = _TECHMAP_CONSTMSK_A_ | _TECHMAP_CONSTMSK_B_ | _TECHMAP_CONSTMSK_C_;
  input [WIDTH-1:0] A, B, C;
  output [WIDTH-1:0] X, Y;
  genvar i;
  generate
    for (i = 0; i < WIDTH; i = i + 1) begin : b
      if (CONSTANT[i]) begin : g_gates
        assign X[i] = (A[i] & B[i]) | (C[i] & (A[i] ^ B[i]));
        assign Y[i] = A[i] ^ B[i] ^ C[i];
      end else begin : g_cell
        wire carry, sum;
        {cell.name} adder({pins});
        assign X[i] = {'~' * carry_inverted}carry;
        assign Y[i] = {'~' * sum_inverted}sum;
      end
    end
  endgenerate
endmodule
""")

    def script(self, unit, text, folder, result):
        """The Yosys script for one unit."""
        lines = [f"read_rtlil {text}", f"synth -run begin:fine -flatten -top {unit}"]
        if self.adder:
            self.adder_files(folder)
            lines += ["opt -fast -full", f"read_verilog -lib {folder}/adder_box.v", "maccmap", f"techmap -map {folder}/adder_map.v t:$fa"]
        lines += ["synth -run fine:check", "techmap", "opt", "rename -wire -suffix _reg t:$_*DFF*", f"dfflibmap -liberty {self.path}", "opt"]
        constrained = "" if self.flow == "plain" else f" -constr {folder}/constraints -D {self.values['target_ps']}"
        lines += [f"abc -liberty {self.path}{constrained}", "setundef -zero", "opt_clean -purge", f"write_json {result}"]
        (folder / "constraints").write_text(self.constraints())
        return "\n".join(lines) + "\n"

    def signature(self):
        """What decides the result besides the unit's text."""
        parts = [hashlib.sha256(self.text.encode()).hexdigest(), self.flow, json.dumps(self.values, sort_keys=True), tool_versions(),
                 pathlib.Path(__file__).read_text()]
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
        script = folder / "map.ys"
        script.write_text(self.target.script(name, text, folder, folder / "new.json"))
        design.run_yosys(script, folder / "map.log")
        (folder / "new.json").rename(result)
        return result
