#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Checks the RTL against docs/rtl_style.md, as far as a program can.

usage: scripts/rtl_style.py [FILE...]
Without files: all of rtl, and the list of handshakes in the page. One line for each place that breaks a rule; the exit status is 1 if there is any.
"""
import pathlib
import re
import sys

ROOT = pathlib.Path(__file__).resolve().parent.parent
COLUMNS = 110
UNGROUPED = 4  # ports besides clock and reset that need no group
GROUPED = 12  # ports of a group
NUMBER = r"\d*'[sS]?[bodhBODH][0-9a-fA-F_xzXZ]+|\d+"
SIGNAL_OF = {"RESULT_FORMAT": "format", "BUS_WORD": "kind", "PASS": "kind", "ROW_COMMAND": "command"}


def selectors():
    """What a signal is called whose values have names: those of params/enumerations.params, and states."""
    text = (ROOT / "params/enumerations.params").read_text()
    names = {SIGNAL_OF.get(name, name.lower()) for name in re.findall(r"^\[(\w+) \d+\]", text, re.M)}
    # The name ends with it, but for _i, _o, _q, _d and a number: write_mode_i, kind_q, head.kind, format2_q.
    return rf"\b(?:\w+\.)*(?:\w*_)?(?:\w*state|{'|'.join(sorted(names))})\d*(?:_n?[ioqd])?\b(?:\[[^\]]*:[^\]]*\])?"


SELECTOR = selectors()
BY_NUMBER = re.compile(rf"{SELECTOR}\)?\s*(?:[=!]==?|<=|(?<![<>=!])=)\s*(?:{NUMBER})(?![\w'])|"
                       rf"(?<![\w'])(?:{NUMBER})\s*[=!]==?\s*\(?{SELECTOR}")

# What one of Verilator 5.006, Icarus 11 and Yosys 0.23 does not read, or reads wrongly.
UNREAD = [
    (r"\$bits\s*\(", "$bits"),
    (r"\w'\((?!\s*\d+\s*\))", "a cast T'(x)"),
    (r"\bparameter\s+type\b", "parameter type"),
    (r"\bassert\s*\([^;]*\)\s*else\b", "assert ... else"),
    (r"'\{", "an assignment pattern"),
    (r"\bimport\s+\w", "import"),
    (r"\blogic\s*\[[^\]]*\]\s*\[", "a packed array of more than one dimension"),
    (r"^\s*(?:wire|reg|logic)?\s*\w+_t\s+\w+\s*\[", "an array of records"),
]


# Reserved where the RTL may be read, too: SystemVerilog (IEEE 1800-2017, beyond Verilog-2005), Verilog-AMS 2.4.
KEYWORDS = set("""
accept_on alias always_comb always_ff always_latch assert assume before bind bins binsof bit break byte chandle checker class clocking
const constraint context continue cover covergroup coverpoint cross dist do endchecker endclass endclocking endgroup endinterface
endpackage endprogram endproperty endsequence enum eventually expect export extends extern final first_match foreach forkjoin global
iff ignore_bins illegal_bins implements implies import inside int interconnect interface intersect join_any join_none let local logic
longint matches modport nettype new nexttime null package packed priority program property protected pure rand randc randcase
randsequence ref reject_on restrict return s_always s_eventually s_nexttime s_until s_until_with sequence shortint shortreal soft
solve static string strong struct super sync_accept_on sync_reject_on tagged this throughout timeprecision timeunit type typedef union
unique unique0 until until_with untyped var virtual void wait_order weak wildcard with within
above abs absdelay absdelta ac_stim access acos acosh aliasparam analog analysis asin asinh atan atan2 atanh branch ceil connect
connectmodule connectrules continuous cos cosh ddt ddt_nature ddx discipline discrete domain driver_update endconnectrules
enddiscipline endnature endparamset exclude exp final_step flicker_noise floor flow from ground hypot idt idt_nature idtmod inf
initial_step laplace_nd laplace_np laplace_zd laplace_zp last_crossing limexp ln log max merged min nature net_resolution noise_table
noise_table_log paramset potential pow resolveto sin sinh slew split sqrt tan tanh timer transition units white_noise wreal zi_nd zi_np
zi_zd zi_zp
""".split())
# Names that others see (modules, parameters, ports) are no words of VHDL-2008 either, in which case does not count.
VHDL = set("""
abs access after alias all and architecture array assert assume attribute begin block body buffer bus case component configuration
constant context cover default disconnect downto else elsif end entity exit fairness file for force function generate generic group
guarded if impure in inertial inout is label library linkage literal loop map mod nand new next nor not null of on open or others out
package parameter port postponed procedure process property protected pure range record register reject release rem report restrict
return rol ror select sequence severity shared signal sla sll sra srl strong subtype then to transport type unaffected units until use
variable vmode vprop vunit wait when while with xnor xor
""".split())
DECLARES = {"wire", "reg", "logic", "integer", "real", "genvar", "event", "localparam", "parameter", "input", "output", "inout"}
QUALIFIES = DECLARES | {"signed", "unsigned", "automatic"}
STATEMENTS = {"assert", "assign", "begin", "case", "casez", "else", "end", "for", "if", "repeat", "while"}


def code_of(line):
    return line.split("//")[0]


def line_rules(number, line):
    """Rules that one line shows."""
    code = code_of(line)
    if len(line) > COLUMNS:
        yield number, f"{len(line)} columns, at most {COLUMNS}"
    if "\t" in line:
        yield number, "a tab"
    if line != line.rstrip():
        yield number, "blanks at the end of the line"
    if (len(line) - len(line.lstrip(" "))) % 2:
        yield number, "indentation that is not a multiple of 2"
    if len(re.findall(r"(?<![\w\]).])\.\w+\s*\(", code)) > 1:
        yield number, "more than one connection"
    if re.match(r"\s*(?:input|output|inout)\b", code) and re.search(r",\s*\S", re.sub(r"\[[^\]]*\]", "", code)):
        yield number, "more than one port"
    # One bit is a flag, whatever its name: the enumerations have more.
    found = [use[0] for use in BY_NUMBER.finditer(code) if "state" in use[0] or not re.search(r"(?<!\d)1'", use[0])]
    if found and not re.match(r"\s*localparam\b", code):
        yield number, "a state or a selector by number"
    for pattern, what in UNREAD:
        if re.search(pattern, code):
            yield number, f"{what}: not read by all tools"


def opening_rules(lines):
    """The file opens with a sentence; a module stands between the two `default_nettype."""
    if not re.match(r"// [A-Z0-9].*", lines[0]):
        yield 1, "no opening sentence"
    else:
        block = " ".join(line[2:] for line in lines[:next(i for i, l in enumerate(lines) if not l.startswith("//"))])
        if "." not in block and ":" not in block:
            yield 1, "no opening sentence"


def port_rules(header, first):
    """Ports are named by their direction: _i, _o, active low _ni."""
    for number, line in enumerate(header, first):
        port = re.match(r"\s*(input|output)\b.*?(\w+)\s*,?\s*$", code_of(line))
        if port and not re.search(r"_n?i$" if port[1] == "input" else r"_n?o$", port[2]):
            yield number, f"port {port[2]}: its name does not say that it is an {port[1]}"


def group_rules(header, first):
    """Ports stand in named groups, above each of them a comment that begins with a capital letter."""
    groups = [[]]  # the first one has no name; lines of each group's ports
    for number, line in enumerate(header, first):
        if re.match(r"\s*// [A-Z]", line):
            groups.append([])
        elif re.match(r"\s*(?:input|output|inout)\b", line) and not re.search(r"\b(?:clk_i|rst_ni)\b", code_of(line)):
            groups[-1].append(number)
    if groups[0] and sum(map(len, groups)) > UNGROUPED:
        yield groups[0][0], f"more than {UNGROUPED} ports: a comment above each group names it"
    for group in groups:
        if len(group) > GROUPED:
            yield group[GROUPED], f"more than {GROUPED} ports in a group"


def module_rules(text, lines):
    if not re.search(r"^`default_nettype none$", text, re.M) or lines[-1] != "`default_nettype wire":
        yield len(lines), "not between `default_nettype none and `default_nettype wire"
    first = next((i for i, line in enumerate(lines) if line.startswith("module ")), 0)
    last = next(i for i, line in enumerate(lines) if i >= first and line.startswith(");"))
    yield from port_rules(lines[first:last], first + 1)
    yield from group_rules(lines[first:last], first + 1)


def label_rules(lines):
    """The labels of a `case` over a state or a selector are names, each one of an item that has several."""
    for number, line in enumerate(lines, 1):
        if not re.search(rf"\bcase[zx]?\s*\(\s*{SELECTOR}\s*\)", code_of(line)):
            continue
        indent = len(line) - len(line.lstrip())
        goes_on = False  # the line before ended in the middle of an item's labels
        for later, other in enumerate(lines[number:], number + 1):
            inner = len(other) - len(other.lstrip())
            if inner == indent and re.match(r"\s*endcase", other):
                break
            labels = re.match(r"\s*([\w'`]+(?:\s*,\s*[\w'`]+)*)\s*(:|,\s*$)", code_of(other))
            if not labels or not (goes_on or inner == indent + 2):
                goes_on = False
                continue
            goes_on = labels[2] != ":"
            if any(re.fullmatch(NUMBER, label.strip()) for label in labels[1].split(",")):
                yield later, "a state or a selector by number"


def instance_rules(text, modules):
    """Instances connect by name; a FIFO's width has a name."""
    plain = re.sub(r"//[^\n]*", "", text)
    for found in re.finditer(r"^[ ]*(\w+)\s+(?:#\s*\((?:[^()]|\((?:[^()]|\([^()]*\))*\))*\)\s*)?(\w+)\s*\(\s*(\S)", plain, re.M):
        if found[1] in modules and found[3] != ".":
            yield plain.count("\n", 0, found.start(2)) + 1, f"{found[2]}: connected by position"
    for found in re.finditer(r"\b(?:ram_)?fifo\s*#\s*\(\s*\.WIDTH\(\s*\d+\s*\)", plain):
        yield plain.count("\n", 0, found.start()) + 1, "the width of a FIFO by number: give it a record or a parameter"


def tokens_of(text):
    """The words and signs of a file without comments, strings and directives: (line, token)."""
    text = re.sub(r"/\*.*?\*/", lambda m: "\n" * m[0].count("\n"), text, flags=re.S)
    for number, line in enumerate(text.split("\n"), 1):
        if re.match(r"\s*`(?:include|define|ifn?def|undef|timescale|default_nettype)", line):
            continue
        for token in re.findall(r"[A-Za-z_$`][\w$]*|\d*'[sS]?[bodhBODH][\w?]+|\d[\w.]*|\S", re.sub(r'"[^"]*"', '""', code_of(line))):
            yield number, token


def behind_group(tokens, i):
    """The place behind the bracket that opens at i."""
    depth = 0
    while i < len(tokens):
        depth += (tokens[i][1] in "([{") - (tokens[i][1] in ")]}")
        i += 1
        if depth == 0:
            break
    return i


def declarators(tokens, i):
    """Places of the names that the declaration at i declares."""
    while i < len(tokens):
        if tokens[i][1] in QUALIFIES or re.fullmatch(r"\w+_t", tokens[i][1]):
            i += 1
        elif tokens[i][1] == "[":
            i = behind_group(tokens, i)
        else:
            break
    while i < len(tokens) and re.match(r"[A-Za-z_]", tokens[i][1]):
        yield i
        while i < len(tokens) and tokens[i][1] not in (",", ";", ")"):
            i = behind_group(tokens, i) if tokens[i][1] in ("(", "[", "{") else i + 1
        i += 1  # behind the comma; another declaration may begin there
        if i >= len(tokens) or tokens[i - 1][1] != "," or tokens[i][1] in DECLARES:
            return


def named_places(tokens):
    """Places of names of functions, tasks, modules, instances, labels and types."""
    for i in range(len(tokens) - 2):
        here, after = tokens[i][1], tokens[i + 1][1]
        if here == "module" or (here == ":" and tokens[i - 1][1] == "begin"):
            yield i + 1
        elif here in ("function", "task"):
            end = next(j for j in range(i, len(tokens)) if tokens[j][1] in ("(", ";"))
            yield end - 1
        elif here == "}" and re.fullmatch(r"\w+_t", after):
            yield i + 1
        elif (here == ")" or re.match(r"[a-z]", here)) and re.match(r"[a-z]", after) and tokens[i + 2][1] == "(":
            if here not in QUALIFIES and after not in STATEMENTS:
                yield i + 1


def name_rules(text):
    """Every name is declared before it is used, and is no keyword of a language that may read it."""
    tokens = list(tokens_of(text))
    first, seen = {}, set()
    for i, (number, token) in enumerate(tokens):
        if i and tokens[i - 1][1] == "module" and token.lower() in VHDL:
            yield number, f"{token}: a keyword of VHDL"
        if token not in DECLARES or (i and tokens[i - 1][1] in QUALIFIES):
            continue
        for place in declarators(tokens, i):
            name = tokens[place][1]
            first.setdefault(name, place)
            if token in ("input", "output", "inout", "parameter") and name.lower() in VHDL:
                yield tokens[place][0], f"{name}: a keyword of VHDL"
    for place in sorted({*first.values(), *named_places(tokens)}):
        if tokens[place][1] in KEYWORDS:
            yield tokens[place][0], f"{tokens[place][1]}: a keyword of SystemVerilog or Verilog-AMS"
    for i, (number, token) in enumerate(tokens):
        if token in first and i < first[token] and token not in seen and tokens[i - 1][1] != ".":
            seen.add(token)
            yield number, f"{token}: used before its declaration in line {tokens[first[token]][0]}"


def assertion_rules(lines):
    """Assertions are for benches: between `ifdef DUPLEX_ASSERT and `endif."""
    depth, inside = 0, 0
    for number, line in enumerate(lines, 1):
        if re.match(r"\s*`if", line):
            depth += 1
            if "DUPLEX_ASSERT" in line:
                inside = depth
        elif re.match(r"\s*`endif", line):
            if inside == depth:
                inside = 0
            depth -= 1
        elif re.search(r"\bassert\s*\(", code_of(line)) and not inside:
            yield number, "an assertion outside of `ifdef DUPLEX_ASSERT"


def check(path, modules):
    text = path.read_text()
    lines = text.rstrip("\n").split("\n")
    for number, line in enumerate(lines, 1):
        yield from line_rules(number, line)
    yield from opening_rules(lines)
    yield from label_rules(lines)
    yield from instance_rules(text, modules)
    yield from assertion_rules(lines)
    yield from name_rules(text)
    if path.suffix == ".v":
        yield from module_rules(text, lines)


def handshake_rules():
    """The instances of handshake_check are those that the page lists as `unit.instance`."""
    page = set(re.findall(r"`(\w+\.\w+_check)`", (ROOT / "docs/rtl_style.md").read_text()))
    there = {f"{path.stem}.{name}" for path in (ROOT / "rtl").glob("*/*.v")
             for name in re.findall(r"^ *handshake_check\b[^;]*?\)?\s(\w+) \($", path.read_text(), re.M)}
    for name in sorted(page ^ there):
        yield f"docs/rtl_style.md: {name}: " + ("rtl has no such handshake_check" if name in page else "is not in the page")


def main(names):
    paths = [pathlib.Path(n) for n in names] or sorted((ROOT / "rtl").glob("*/*.v")) + sorted((ROOT / "rtl").glob("*/*.vh"))
    modules = {path.stem for path in (ROOT / "rtl").glob("*/*.v")}
    bad = 0
    for path in paths:
        for number, what in sorted(check(path, modules)):
            print(f"{path.relative_to(ROOT) if path.is_relative_to(ROOT) else path}:{number}: {what}")
            bad += 1
    faults = [] if names else list(handshake_rules())
    for fault in faults:
        print(fault)
    return 1 if bad or faults else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
