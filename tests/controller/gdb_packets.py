#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""The remote protocol of GDB packet by packet: each that a debugger sends is answered, Ctrl-C stops once, debuggers come and go.

usage: tests/controller/gdb_packets.py BUILD
"""
import pathlib
import re
import select
import socket
import subprocess
import sys
import tempfile
import time

BUILD = pathlib.Path(sys.argv[1]).resolve()
failures = 0


def check(name, have, want):
    global failures
    right = re.fullmatch(want, have) if isinstance(want, str) else want(have)
    if not right:
        failures += 1
    print(f"{'ok  ' if right else 'FAIL'} {name}" + ("" if right else f": {have[:100]!r}, expected {want}"))


class Debugger:
    def __init__(self, port):
        self.socket = socket.create_connection(("127.0.0.1", port), 10)
        self.socket.settimeout(60)
        self.bytes = b""

    def raw(self, data):
        self.socket.sendall(data)

    def byte(self):
        if not self.bytes:
            self.bytes = self.socket.recv(4096)
            if not self.bytes:
                raise EOFError
        first, self.bytes = self.bytes[:1], self.bytes[1:]
        return first

    def answer(self):
        while (byte := self.byte()) != b"$":
            assert byte == b"+", byte
        text = b""
        while (byte := self.byte()) != b"#":
            text += byte
        digits = self.byte() + self.byte()
        assert int(digits, 16) == sum(text) % 256
        self.raw(b"+")
        return text.decode()

    def send(self, text):
        self.raw(b"$%s#%02x" % (text.encode(), sum(text.encode()) % 256))

    def ask(self, text):
        self.send(text)
        return self.answer()

    def is_quiet(self, seconds=0.3):
        return not self.bytes and not select.select([self.socket], [], [], seconds)[0]

    def close(self):
        self.socket.close()


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


class Job:
    """A gemm on the RV32 controller that waits for a debugger."""

    def __init__(self, folder, name, m):
        self.port, self.said = free_port(), open(f"{folder}/{name}.txt", "w+")
        self.process = subprocess.Popen(
            [BUILD / "duplex", "gemm", "--x", f"x{m}.npy", "--w", "w.npy", "--channels", "2", "--out", f"{name}.npy",
             "--firmware", "riscv", "--gdb", str(self.port)], cwd=folder, stdout=self.said, stderr=subprocess.STDOUT)
        for _ in range(300):
            if "waiting for GDB" in pathlib.Path(self.said.name).read_text():
                return
            time.sleep(0.05)
        raise RuntimeError("the job does not wait for GDB")

    def end(self):
        return str(self.process.wait(120))


def symbol(name):
    for line in subprocess.run(["riscv64-unknown-elf-nm", BUILD / "firmware.elf"], capture_output=True, text=True, check=True).stdout.splitlines():
        address, _, found = line.split()[:3]
        if found == name:
            return int(address, 16)
    raise KeyError(name)


def packets(folder):
    job = Job(folder, "packets", 20)
    gdb = Debugger(job.port)
    check("qSupported", gdb.ask("qSupported:multiprocess+;swbreak+;hwbreak+;vContSupported+"), r"PacketSize=[0-9a-f]+;.*vContSupported\+.*")
    check("a wrong sum is asked for again", (gdb.raw(b"$?#00"), gdb.byte().decode())[1], "-")
    for packet, want in (
            ("?", "S05"), ("vMustReplyEmpty", ""), ("!", ""), ("Hg0", "OK"), ("Hc-1", "OK"), ("Hgp1.1", "OK"), ("T1", "OK"), ("qC", "QC1"),
            ("qfThreadInfo", "m1"), ("qsThreadInfo", "l"), ("qAttached", "1"), ("qAttached:1", "1"), ("qSymbol::", "OK"), ("qOffsets", ""),
            ("qTStatus", ""), ("QStartNoAckMode", ""), ("vCont?", "vCont;c;C;s;S"), ("vCont;x", "E01"), ("vCtrlC", ""),
            ("qXfer:features:read:target.xml:0,40", "m<\\?xml.*"), ("qXfer:features:read:target.xml:ffff,40", "l"),
            ("qXfer:features:read:other.xml:0,40", ""), ("g", "[0-9a-f]{264}"), ("p20", "00000080"), ("p0", "00000000"), ("p21", "E01"),
            ("P5=78563412", "OK"), ("p5", "78563412"), ("P5=12", "E01"), ("P5", "E01"), ("P21=00000000", "E01"),
            ("m80000000,4", "[0-9a-f]{8}"), ("m10,4", "E01"), ("m40000000,4", "E01"), ("m80000000", "E01"), ("m80000000,0", "E01"),
            ("m80000000,ffffffff", "E01"), ("mfffffffe,8", "E01"), ("M80010000,2:1234", "OK"), ("m80010000,2", "1234"), ("M80010000,4:12", "E01"),
            ("M10,1:00", "E01"), ("Z0,80000000,2", "OK"), ("z0,80000000,2", "OK"), ("z0,80000000,2", "OK"), ("Z1,80000000,2", "OK"),
            ("z1,80000000,2", "OK"), ("Z2,80010000,4", ""), ("Z0", "E01"), ("X80010000,0:", ""), ("R00", ""), ("i", ""), ("y" * 5000, "")):
        check(packet[:40], gdb.ask(packet), want)
    finish = symbol("ring_finish")
    before = gdb.ask("p20")
    check("vCont;s steps", gdb.ask("vCont;s:1;c"), "S05")
    check("by an instruction", gdb.ask("p20"), lambda pc: pc != before)
    check("s steps", gdb.ask("s"), "S05")
    check("S05 steps", gdb.ask("S05"), "S05")
    gdb.ask(f"Z0,{finish:x},2")
    check("vCont;c runs to a breakpoint", gdb.ask("vCont;c:1"), "S05")
    check("at its place", gdb.ask("p20"), finish.to_bytes(4, "little").hex())
    check("and tells again why it stands", gdb.ask("?"), "S05")
    gdb.ask(f"z0,{finish:x},2")
    check("the end is told", gdb.ask("c"), "W00")
    check("exit status", job.end(), "0")


def interrupts(folder):
    job = Job(folder, "interrupts", 4096)
    gdb = Debugger(job.port)
    check("Ctrl-C while it stands waits", (gdb.raw(b"\x03"), str(gdb.is_quiet()))[1], "True")
    check("until it is resumed", gdb.ask("c"), "S02")
    for i in range(3):
        gdb.send("c")
        time.sleep(0.05)
        gdb.raw(b"\x03")
        check(f"Ctrl-C {i}", gdb.answer(), "S02")
        check("one stop reply", str(gdb.is_quiet()), "True")
        check("and the reason is kept", gdb.ask("?"), "S02")
    check("detach", gdb.ask("D"), "OK")
    gdb.close()
    gdb = Debugger(job.port)
    check("a second debugger", gdb.ask("?"), "S05")
    check("sees registers", gdb.ask("g"), "[0-9a-f]{264}")
    gdb.send("c")
    time.sleep(0.05)
    gdb.raw(b"\x03")
    check("stops it too", gdb.answer(), "S02")
    gdb.raw(b"$k#6b")
    check("kill ends the connection", (gdb.byte().decode(), gdb.socket.recv(10))[1].decode(), "")
    gdb = Debugger(job.port)
    check("a third one", gdb.ask("vKill;1"), "OK")
    gdb = Debugger(job.port)
    gdb.ask("Z0,80000000,2")
    gdb.send("c")
    gdb.close()  # as one that is killed
    check("the job runs to its end", job.end(), "0")


with tempfile.TemporaryDirectory() as folder:
    for name, shape in (("x20", "20,200"), ("x4096", "4096,200"), ("w", "600,200")):
        subprocess.run([BUILD / "duplex", "random", "--shape", shape, "--seed", "1", "--dist", "normal:1", "--out", f"{folder}/{name}.npy"], check=True)
    packets(folder)
    interrupts(folder)
    for name, m in (("packets", 20), ("interrupts", 4096)):
        subprocess.run([BUILD / "duplex", "gemm", "--x", f"x{m}.npy", "--w", "w.npy", "--channels", "2", "--out", "right.npy"], cwd=folder, check=True)
        same = pathlib.Path(f"{folder}/right.npy").read_bytes() == pathlib.Path(f"{folder}/{name}.npy").read_bytes()
        check(f"{name}: the same bytes under a debugger", str(same), "True")
sys.exit(failures > 0)
