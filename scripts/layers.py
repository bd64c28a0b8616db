#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Holds the code against layers.txt, the table of what each room may include and link.

usage: scripts/layers.py [BUILD] [--list] [--write]
  BUILD    build folder; the objects of C and SystemC in it are checked too: links, circles, writable state; one that is missing
           is a violation. backend/rtl/harness.cpp is compiled into each stack: only its includes are looked at
  --list   also prints the calls that are exempt because they go through tables of function pointers,
           and the thread-local variables
  --write  brings the line of each room's README.md up to date instead
Exit status 1 if anything is not as the table says.
"""
import pathlib
import posixpath
import re
import subprocess
import sys
import textwrap

ROOT = pathlib.Path(__file__).resolve().parent.parent
TABLE = ROOT / "layers.txt"
SOURCES = (".c", ".h", ".cpp", ".hpp", ".inc", ".S")
LIBRARY = ("cmodel", "xpu", "schedule", "firmware", "driver", "backend", "device", "model", "serving")  # no mutable state at file scope
ACYCLIC = LIBRARY + ("cli",)
CROSS_COMPILED = "firmware/port/rv32/"  # its objects are no part of the library
PROGRAM = "backend/systemc/platform/"  # has the one list of open outputs that a handler of signals needs


def read_table():
    """{room: (includes, links)} in the order of the table."""
    rows = {}
    for number, line in enumerate(TABLE.read_text().splitlines(), 1):
        if not line.strip() or line.startswith("#"):
            continue
        cells = [cell.strip() for cell in line.split("|")]
        if len(cells) != 4:
            sys.exit(f"layers.txt:{number}: expected ROOM | INCLUDES | LINKS | what it is for")
        rows[cells[0]] = (cells[1].split(), cells[2].split())
    return rows


def check_table(rows, complain):
    """A row is of a folder, and names rooms of the table that stand above it, its own, or one that it lies in."""
    above = set()
    for room, row in rows.items():
        if not (ROOT / room).is_dir():
            complain(f"layers.txt: {room}: there is no such folder")
        for other in sorted({*row[0], *row[1]}):
            if other not in rows:
                complain(f"layers.txt: {room} names {other}: there is no such room")
            elif other not in above and not (room + "/").startswith(other + "/"):
                complain(f"layers.txt: {room} names {other}, which does not stand above it")
        above.add(room)


def room_of(path, rows):
    """The row of the longest folder name that holds the path, or None."""
    fitting = [room for room in rows if path == room or path.startswith(room + "/")]
    return max(fitting, key=len) if fitting else None


def allowed(room, other, rows, column):
    """A room that a row names stands for the rooms inside it too, as far as they stand above the row."""
    rooms = list(rows)
    named = any(other == name or other.startswith(name + "/") for name in rows[room][column])
    return other == room or (named and rooms.index(other) < rooms.index(room))


def source_files():
    listed = subprocess.run(["git", "ls-files", "-co", "--exclude-standard"], cwd=ROOT, capture_output=True, text=True)
    names = listed.stdout.splitlines() if listed.returncode == 0 else [str(p.relative_to(ROOT)) for p in ROOT.rglob("*")]
    return sorted(n for n in names if n.endswith(SOURCES) and (ROOT / n).exists())


def includes_of(name):
    """The project's own files that a file includes."""
    for header in re.findall(r'^\s*#\s*include\s*["<]([^">]+)[">]', (ROOT / name).read_text(errors="replace"), re.M):
        beside = posixpath.normpath(posixpath.join(posixpath.dirname(name), header))
        for candidate in (header, "include/" + header, beside):
            if (ROOT / candidate).exists():
                yield candidate
                break


def check_includes(rows, complain):
    graph = {}
    for name in source_files():
        room = room_of(name, rows)
        if room is None:
            complain(f"{name}: no room of layers.txt holds it")
            continue
        graph[name] = list(includes_of(name))
        for word in re.findall(r"^\s*#\s*include\s+(\w+)", (ROOT / name).read_text(errors="replace"), re.M):
            complain(f"{name} includes what {word} stands for: a name in quotes is expected")
        for header in graph[name]:
            other = room_of(header, rows)
            if not allowed(room, other, rows, 0):
                complain(f"{name} includes {header}: {room} may not include {other}")
    return graph


def circles(graph):
    """Strongly connected components of more than one node (Tarjan, without recursion)."""
    index, low, on_stack, stack, found = {}, {}, set(), [], []
    for start in graph:
        if start in index:
            continue
        work = [(start, iter(graph.get(start, ())))]
        index[start] = low[start] = len(index)
        stack.append(start)
        on_stack.add(start)
        while work:
            node, following = work[-1]
            step = next((n for n in following if n in graph and (n not in index or n in on_stack)), None)
            if step is None:
                work.pop()
                if work:
                    low[work[-1][0]] = min(low[work[-1][0]], low[node])
                if low[node] == index[node]:
                    component = [stack.pop()]
                    while component[-1] != node:
                        component.append(stack.pop())
                    on_stack.difference_update(component)
                    if len(component) > 1:
                        found.append(sorted(component))
            elif step in index:
                low[node] = min(low[node], index[step])
            else:
                index[step] = low[step] = len(index)
                stack.append(step)
                on_stack.add(step)
                work.append((step, iter(graph.get(step, ()))))
    return found


def objects_of(build, complain):
    """{source: object} of what is compiled for the machine that builds."""
    objects = {}
    for name in source_files():
        path = build / "obj" / pathlib.Path(name).with_suffix(".o")
        if name.startswith("backend/systemc/"):
            path = build / "systemc/obj" / pathlib.Path(name).relative_to("backend/systemc").with_suffix(".o")
        elif not name.endswith(".c") and not name.startswith("tests/systemc/"):
            continue
        if path.exists() and name.endswith((".c", ".cpp")):
            objects[name] = path
        elif name.split("/")[0] in ACYCLIC and name.endswith((".c", ".cpp")) and not name.startswith(CROSS_COMPILED):
            complain(f"{name}: no object in {build}: make lint builds it")
    return objects


def listings(objects, *options):
    """{object: what objdump prints of it with these options}, by one call for all: a call each takes ten times as long."""
    if not objects:
        return {}
    names = {str(path): name for name, path in objects.items()}
    text = subprocess.run(["objdump", *options, *names], capture_output=True, text=True).stdout
    parts = re.split(r"^(.+\.o): +file format .*$", text, flags=re.MULTILINE)
    return {names[path]: part for path, part in zip(parts[1::2], parts[2::2])}


SYMBOL = re.compile(r"^[0-9a-f]+ (.{7}) (\S+)\s+[0-9a-f]+\s+(?:\.hidden )?(\S+)$")


def symbols(tables):
    """{object: (defined, undefined)} of global symbols."""
    result = {}
    for name, text in tables.items():
        defined, undefined = set(), set()
        for found in filter(None, map(SYMBOL.match, text.splitlines())):
            if found[2] == "*UND*":
                undefined.add(found[3])
            elif found[1][0] in "gu!" or "w" in found[1]:
                defined.add(found[3])
        result[name] = (defined, undefined)
    return result


def check_links(rows, tables, complain):
    table = symbols(tables)
    home = {}
    for name, (defined, _) in table.items():
        for symbol in defined:
            home.setdefault(symbol, name)
    graph = {name: set() for name in tables}
    for name, (_, undefined) in table.items():
        room = room_of(name, rows)
        for symbol in sorted(undefined & home.keys()):
            other = home[symbol]
            graph[name].add(other)
            if not allowed(room, room_of(other, rows), rows, 1):
                complain(f"{name} uses {symbol} of {other}: {room} may not link {room_of(other, rows)}")
    return graph


WRITABLE = re.compile(r"^[0-9a-f]+ .{7} (\.data|\.bss|COMMON|\.tdata|\.tbss)(\S*)\s+[0-9a-f]+\s+(?:\.hidden )?(\S+)$")


# What headers of C++ and SystemC bring into each object: std::, tlm::, sc_core::, the compiler's guards and references.
FOREIGN = re.compile(r"_ZS|_ZG?V?N(?:3tlm|7sc_core|9tlm_utils)|_ZGV|DW\.ref\.")


def is_constant(name, symbol):
    """C++ fills a constant of a class when it is first used, so that it lies among the variables; its declaration tells."""
    last = re.search(r"(?:^_Z.*\d|^)([A-Za-z_]\w*?)E?$", symbol)
    return re.search(rf"\bconst\b[^;=(]*\b{last[1]}\b", (ROOT / name).read_text())


def check_state(tables, complain):
    """Writable variables of the library; returns the thread-local ones."""
    local = []
    for name, text in tables.items():
        if name.split("/")[0] not in LIBRARY or name.startswith(PROGRAM):
            continue
        for line in text.splitlines():
            match = WRITABLE.match(line)
            if not match or match.group(3).startswith(".") or match.group(2).startswith(".rel.ro"):
                continue
            if name.endswith(".cpp") and (FOREIGN.match(match.group(3)) or is_constant(name, match.group(3))):
                continue
            if match.group(1) in (".tdata", ".tbss"):
                local.append(f"{name}: {match.group(3)}")
            else:
                complain(f"{name}: {match.group(3)} is mutable state at file scope")
    return local


def pointer_tables(symbol_tables, relocations):
    """Constant tables with addresses of functions: calls through them are exempt from links and circles."""
    for name, text in symbol_tables.items():
        tables = re.findall(r"\sO \.data\.rel\.ro\S*\s+[0-9a-f]+\s+(?:\.hidden )?(\S+)", text)
        functions = set(re.findall(r"\sF \S+\s+[0-9a-f]+\s+(?:\.hidden )?(\S+)", text))
        targets = {t.split("+")[0] for t in re.findall(r"R_\S+\s+(\S+)", relocations.get(name, ""))}
        if tables and (".text" in targets or targets & functions or any(t.startswith("duplex_") for t in targets)):
            yield f"{name}: {', '.join(sorted(tables))}"


def readme_line(room, row):
    def names(cells):
        return ", ".join(f"`{c}`" for c in cells) if cells else "nothing else of the project"
    lines = (f"**May include:** {names(row[0])}.", f"**May link:** {names(row[1])}.")
    return "\n".join(textwrap.fill(line, 110) for line in lines)


def check_readmes(rows, write, complain):
    for room, row in rows.items():
        path = ROOT / room / "README.md"
        if not path.exists():
            if "/" not in room or not (ROOT / room.rsplit("/", 1)[0] / "README.md").exists():
                complain(f"{room}/README.md is missing")
            continue
        line, text = readme_line(room, row), path.read_text()
        if not re.search(r"\bStart\s+with\s+\[", text):
            complain(f"{room}/README.md does not say where to start reading: 'Start with' and a link")
        if line in text:
            continue
        if write:
            path.write_text(re.sub(r"\*\*May include:\*\*[^.]*\.(\s*\*\*May link:\*\*[^.]*\.)?", lambda _: line, text) if "**May include:**" in text
                            else text.rstrip() + "\n\n" + line + "\n")
        else:
            complain(f"{room}/README.md does not show its row of layers.txt: run scripts/layers.py --write")


def main():
    words = [w for w in sys.argv[1:] if not w.startswith("--")]
    flags = {w for w in sys.argv[1:] if w.startswith("--")}
    if len(words) > 1 or flags - {"--list", "--write"}:
        sys.exit(__doc__)
    rows, found = read_table(), []
    check_table(rows, found.append)
    check_readmes(rows, "--write" in flags, found.append)
    for component in circles(check_includes(rows, found.append)):
        found.append("circle of includes: " + " ".join(component))
    objects = objects_of(pathlib.Path(words[0]), found.append) if words else {}
    tables = listings(objects, "-t")
    local = check_state(tables, found.append)
    graph = check_links(rows, tables, found.append)
    for component in circles({n: g for n, g in graph.items() if n.split("/")[0] in ACYCLIC}):
        found.append("circle of calls: " + " ".join(component))
    if "--list" in flags:
        relocations = listings(objects, "-r", "-j", ".data.rel.ro", "-j", ".data.rel.ro.local")
        print("calls through tables of function pointers (exempt):", *pointer_tables(tables, relocations), sep="\n  ")
        print("thread-local variables:", *local, sep="\n  ")
    for text in found:
        print("layers:", text)
    print(f"layers: {len(rows)} rooms, {len(objects)} objects, {len(found)} violations")
    sys.exit(1 if found else 0)


if __name__ == "__main__":
    main()
