#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Names that a user types or reads are the same in the command, its help, man pages, completion for bash, and the pages of docs:
options, environment variables, make targets, keys of the statistics.

usage: tests/cli/words.py BUILD    one line for each difference, and exit status 1
"""
import json
import pathlib
import re
import subprocess
import sys
import tempfile

ROOT = pathlib.Path(__file__).resolve().parent.parent.parent
BUILD = pathlib.Path(sys.argv[1]).resolve()
DUPLEX = BUILD / "duplex"
PAGE = (ROOT / "docs/command_line.md").read_text()
differences = []


def differ(what, left, right):
    """Sets of names that must be the same."""
    for name in sorted(left ^ right):
        differences.append(f"{what}: {name} is {'too much' if name in right else 'missing'}")


def run(*arguments):
    return subprocess.run([DUPLEX, *arguments], check=True, capture_output=True, text=True).stdout


def options_of_help(text):
    """{option: what stands for its value} of the entries of a help."""
    return dict(re.findall(r"^  (--[a-z-]+)(?: (\S+))?(?:  .*)?$", text, re.MULTILINE))


def options_of_page(text):
    """The same of a page: `--name VALUE` in the first column of a table."""
    cells = re.findall(r"^\| ((?:[^|\\]|\\.)*) \|", text, re.MULTILINE)
    return dict(re.findall(r"`(--[a-z-]+)(?: ([^`]+))?`", "\n".join(cells).replace("\\|", "|")))


def options_of_manual(text):
    return {name.replace("\\-", "-"): argument.replace("\\-", "-")
            for name, argument in re.findall(r"^\.TP\n\\fB(\\-\\-[^\n ]*?)\\fR(?: \\fI([^\n]*)\\fR)?$", text, re.MULTILINE)}


def check_troff(what, text):
    """Only the macros of man(7), and each backslash begins an escape that is meant."""
    for line in text.splitlines():
        macro = re.match(r"\.(\S*)", line)
        if macro and macro[1] not in ("TH", "SH", "TP", "PP", "B", "BR", "br", "nf", "fi", '\\"') or re.search(r"\\(?![-&e\\\"]|f[BRI])", line):
            differences.append(f"{what}: {line}")


def section(title):
    return re.search(rf"^## {title}\n(.*?)(?=^## |\Z)", PAGE, re.MULTILINE | re.DOTALL).group(1)


def completions(*words):
    """What bash offers for the last of these words."""
    given = " ".join(repr(word) for word in ("duplex", *words))
    script = run("help", "--bash") + f'COMP_WORDS=({given}); COMP_CWORD={len(words)}; _duplex; printf "%s\\n" "${{COMPREPLY[@]}}"'
    done = subprocess.run(["bash", "-c", script], check=True, capture_output=True, text=True)
    assert not done.stderr, done.stderr
    return set(done.stdout.split())


def takes(command, operands, option, argument):
    """The command itself knows the option, and whether it has a value: it is refused only for what is given twice."""
    one = [option, "1"] if argument else [option]
    done = subprocess.run([DUPLEX, command, *operands, *one, *one], capture_output=True, text=True)
    return f"{option} is given twice" in done.stderr


def check_command(name):
    text = run("help", name)
    assert run(name, "--help") == text
    shown = options_of_help(text)
    on_stack = "Options of all jobs on a stack" in text
    own = {o: a for o, a in shown.items() if not on_stack or o in options_of_help(text.split("Options of all jobs")[0])}
    words = text.split("\n")[0].split()[3:] if name in ("batch", "convert", "sweep", "validate") else []
    operands = [w for w in words if ("." in w or w == "FOLDER") and not w.startswith("-")]
    if name != "help":
        for option, argument in shown.items():
            if not takes(name, operands, option, argument):
                differences.append(f"duplex {name} does not take {option}, which its help has")
    check_troff(f"man page of duplex {name}", run("help", "--man", name))
    differ(f"man page of duplex {name}", set(shown.items()), set(options_of_manual(run("help", "--man", name)).items()))
    if shown:
        names = {w for w in completions(name, "--") if w.startswith("-")}
        differ(f"completion of duplex {name}", set(shown), names)
    if "batch" == name and ("--stats" in shown or "--stats" in completions(name, "--")):
        differences.append("duplex batch refuses --stats, which its help has")
    for option, argument in shown.items():
        choices = {c for c in (argument or "").split("|") if c and not re.search("[A-Z]", c)}
        if choices and choices - completions(name, option, ""):
            differences.append(f"completion of duplex {name} {option}: {choices - completions(name, option, '')} is missing")
    if own and name not in ("help", "batch"):
        page = options_of_page(section(name))
        differ(f"docs/command_line.md, {name}", {(o, a) for o, a in own.items() if o != "--quiet"}, set(page.items()))
    return text


def check_commands():
    names = run("help", "--words").split()
    overview = run("--help")
    differ("commands of the help", set(names), set(re.findall(r"^  ([a-z]+) ", overview, re.MULTILINE)))
    differ("commands of docs/command_line.md", set(names), set(re.findall(r"^\| `duplex ([a-z]+)", PAGE, re.MULTILINE)))
    differ("completion of the commands", set(names) | {"--help", "--version"}, completions(""))
    texts = {name: check_command(name) for name in names}
    common = options_of_help(texts["gemm"].split("Options of all jobs")[1])
    page = options_of_page(section("Common options"))
    differ("docs/command_line.md, common options", set(common.items()), {(o, a) for o, a in page.items() if a or o == "--quiet"})
    presets = re.findall(r"^DRAM preset +(\w+),", run("info"), re.MULTILINE)
    differ("presets of --dram-preset", set(presets), set(common["--dram-preset"].split("|")))
    manual = options_of_manual(run("help", "--man"))
    check_troff("man page of duplex", run("help", "--man"))
    differ("man page of duplex", {o for text in texts.values() for o in options_of_help(text)}, set(manual))
    return overview


SOURCES = [path for path in ROOT.rglob("*") if path.suffix in (".c", ".h", ".cpp", ".py", ".sh", ".mk")
           and path.relative_to(ROOT).parts[0] != "build" and path.is_file()]
READS = [r'getenv\("(DUPLEX_\w+)"\)', r'environ(?:\.get\(|\[)"(DUPLEX_\w+)"', r"\$\{(DUPLEX_\w+):?[-+]",
         r'environment_(?:number|count)\("(DUPLEX_\w+)"']


def check_environment(overview):
    """What the sources read of the environment is on a page, and what the command reads also in its help and man page."""
    read = {}
    for path in SOURCES:
        for pattern in READS:
            for name in re.findall(pattern, path.read_text(errors="replace")):
                read.setdefault(name, set()).add(path.relative_to(ROOT).parts[0])
    testing = (ROOT / "docs/testing.md").read_text()
    documented = set(re.findall(r"`(DUPLEX_[A-Z_]+)", section("Environment"))) | set(re.findall(r"^\| `(DUPLEX_[A-Z_]+)", testing, re.MULTILINE))
    differ("variables of docs/command_line.md and docs/testing.md", set(read), documented)
    of_command = {name for name, rooms in read.items() if rooms & {"cli", "cmodel", "backend", "driver", "firmware"}}
    differ("variables of the help", of_command, set(re.findall(r"^  (DUPLEX_\w+)", overview, re.MULTILINE)))
    for name in of_command:
        if f"\\fB{name}\\fR" not in run("help", "--man", "gemm"):
            differences.append(f"man page: {name} is missing")


def check_targets():
    """Targets with a text are listed by make help, in even columns, and named by a page; those of .PHONY have a text or a dash in them."""
    makefiles = [ROOT / "Makefile", *ROOT.glob("mk/*.mk"), *ROOT.glob("*/room.mk"), *ROOT.glob("*/*/room.mk"), *ROOT.glob("*/*/*/room.mk")]
    told, phony = set(), set()
    for path in makefiles:
        told |= set(re.findall(r"^([A-Za-z0-9_-]+):.*## ", path.read_text(), re.MULTILINE))
        for names in re.findall(r"^\.PHONY:(.*)$", path.read_text(), re.MULTILINE):
            phony |= set(names.split())
    shown = subprocess.run(["make", "-s", "help"], cwd=ROOT, check=True, capture_output=True, text=True).stdout
    differ("make help", told, set(re.findall(r"^  make (\S+)", shown, re.MULTILINE)))
    if len({re.match(r"  make \S+ +", line).end() for line in shown.splitlines()}) != 1:
        differences.append("make help: the columns are not even")
    pages = "\n".join(p.read_text() for p in [ROOT / "README.md", *ROOT.glob("docs/*.md")])
    named = set(re.findall(r"make (?:-\S+ )*(?:[A-Z_]+=\S* )*([a-z0-9-]+)", pages))
    differences.extend(f"make {name}: no page names it" for name in sorted(told - named))
    for setting in sorted(set(re.findall(r"\b([A-Z][A-Z_]+)=", shown)) | {"JOBS", "GROUPS", "RESUME", "TEST_LIMIT", "V"}):
        if not re.search(rf"\b{setting}=", pages):
            differences.append(f"make: no page has the setting {setting}=")
    inner = re.compile(r"(-run|-build|-check|-script)$|^check-generated$|^FORCE$")
    differences.extend(f"make {name}: has no text for make help" for name in sorted(phony - told) if not inner.search(name))


def keys_of(value, before=""):
    """The keys of an object, those inside others with a point between."""
    for key, inner in value.items():
        if isinstance(inner, dict):
            yield from keys_of(inner, f"{before}{key}.")
        elif isinstance(inner, list):
            yield from keys_of(inner[0], f"{before}{key}[].")
        else:
            yield before + key


def keys_of_page(title):
    """The keys in the table of a section; each has a unit and an origin."""
    rows = re.findall(r"^\| (`[^|]*) \|([^|]*)\|([^|]*)\|[^|]*\|$", section(title), re.MULTILINE)
    differences.extend(f"statistics: {row[0]} has no unit or origin" for row in rows
                       if not row[2].strip() or (not row[1].strip() and row[0] != "`schema_version`"))
    return {key for row in rows for key in re.findall(r"`([^`]+)`", row[0])}


def check_statistics():
    with tempfile.TemporaryDirectory() as name:
        folder = pathlib.Path(name)
        for file, shape in (("x", "3,70"), ("w", "5,70"), ("d", "70,5"), ("q", "1,1,16"), ("k", "1,1,3,16")):
            run("random", "--shape", shape, "--dist", "normal:1", "--out", folder / f"{file}.npy")
        at = {file: folder / f"{file}.npy" for file in "xwdqk"}
        jobs = {"gemm": ["--x", at["x"], "--w", at["w"]], "expert": ["--x", at["x"], "--up", at["w"], "--down", at["d"]],
                "attention": ["--q", at["q"], "--k", at["k"], "--v", at["k"]]}
        documented = keys_of_page("Statistics")
        for command, arguments in jobs.items():
            run(command, *arguments, "--out", folder / "y.npy", "--stats", folder / "s.json", "--channels", "2")
            differ(f"statistics of {command} against docs/command_line.md", set(keys_of(json.loads((folder / "s.json").read_text()))), documented)
        for file, shape in (("r", "2,70"), ("u", "2,5,70"), ("e", "2,70,5")):
            run("random", "--shape", shape, "--dist", "normal:1", "--out", folder / f"{file}.npy")
        run("moe", "--x", at["x"], "--router", folder / "r.npy", "--up", folder / "u.npy", "--down", folder / "e.npy", "--stacks", "2",
            "--out", folder / "y.npy", "--stats", folder / "s.json", "--channels", "2", "--places", "2")
        differ("statistics of moe against docs/command_line.md", set(keys_of(json.loads((folder / "s.json").read_text()))),
               keys_of_page("Statistics of a layer"))


def check_watchdog():
    """The same number of instructions in the header, on the page and in the controller."""
    header = re.search(r"instructions that the firmware executes without sleeping; 0 = 2\^(\d+)", (ROOT / "include/duplex/controller.h").read_text())
    page = re.search(r"executes 2\^(\d+) instructions without sleeping", (ROOT / "docs/firmware.md").read_text())
    source = re.search(r"QUIET_INSTRUCTIONS \(UINT64_C\(1\) << (\d+)\)", (ROOT / "backend/rv32/riscv.c").read_text())
    if not (header and page and source) or not header[1] == page[1] == source[1]:
        differences.append("the controller's watchdog: include/duplex/controller.h, docs/firmware.md and backend/rv32/riscv.c differ")


check_environment(check_commands())
check_targets()
check_statistics()
check_watchdog()
print("\n".join(differences) if differences else "words: options, variables, targets and statistics are the same everywhere")
sys.exit(bool(differences))
