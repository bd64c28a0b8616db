#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""What ends the command early leaves no file behind: each signal, exit() of a library, a debugger that goes away.

usage: tests/cli/signals.py BUILD
"""
import os
import pathlib
import resource
import signal
import socket
import struct
import subprocess
import sys
import tempfile
import time

BUILD = pathlib.Path(sys.argv[1]).resolve()
DUPLEX = str(BUILD / "duplex")
# Those that do not end a program unless it asks, and those that the command turns into errors of a write.
STAYING = {"SIGCHLD", "SIGCONT", "SIGURG", "SIGWINCH", "SIGTSTP", "SIGTTIN", "SIGTTOU", "SIGPIPE", "SIGXFSZ"}
FAILURES = []


def check(what, good, detail=""):
    if not good:
        FAILURES.append(what)
        print(f"FAIL {what} {detail}")


def random(shape, seed, name):
    subprocess.run([DUPLEX, "random", "--shape", shape, "--seed", str(seed), "--dist", "normal:1", "--out", name], check=True)


def start(*arguments, **options):
    """The command, once its temporary files are there."""
    before = set(os.listdir("."))
    run = subprocess.Popen([DUPLEX, *arguments], stderr=subprocess.PIPE, text=True, **options)
    end = time.monotonic() + 60
    while set(os.listdir(".")) == before and run.poll() is None and time.monotonic() < end:
        time.sleep(0.01)
    check("the job has begun", run.poll() is None, run.stderr.read() if run.poll() is not None else "")
    return run


def signals():
    """A job that waits for GDB ends by the signal, and the folder is as before."""
    files = sorted(os.listdir("."))
    job = ["gemm", "--x", "x.npy", "--w", "w.npy", "--out", "y.npy", "--stats", "s.json", "--firmware", "riscv",
           "--firmware-trace", "t.txt", "--firmware-profile", "p.txt", "--gdb", str(20000 + os.getpid() % 20000)]
    for number in sorted(signal.valid_signals()):
        name = signal.Signals(number).name if number in list(signal.Signals) else f"signal {number}"
        if name in STAYING | {"SIGKILL", "SIGSTOP"} or 36 < number < 63:
            continue
        run = start(*job)  # waits for GDB
        run.send_signal(number)
        run.communicate(timeout=60)
        check(f"{name}: ends the command", run.returncode == -number, f"status {run.returncode}")
        check(f"{name}: nothing is left", sorted(os.listdir(".")) == files, os.listdir("."))
    run = start(*job)
    for name in sorted(STAYING - {"SIGTSTP", "SIGTTIN", "SIGTTOU"}):
        run.send_signal(getattr(signal, name))
        time.sleep(0.05)
        check(f"{name}: does not end the command", run.poll() is None)
    run.send_signal(signal.SIGTERM)
    run.communicate(timeout=60)
    check("nothing is left", sorted(os.listdir(".")) == files, os.listdir("."))
    # As under nohup: what is ignored stays so.
    run = start(*job, preexec_fn=lambda: signal.signal(signal.SIGHUP, signal.SIG_IGN))
    run.send_signal(signal.SIGHUP)
    time.sleep(0.1)
    check("an ignored SIGHUP stays ignored", run.poll() is None)
    run.terminate()
    run.communicate(timeout=60)


def waveform():
    """Ctrl-C in the middle of a waveform."""
    files = sorted(os.listdir("."))
    for number in (signal.SIGINT, signal.SIGQUIT):
        run = start("gemm", "--x", "x.npy", "--w", "long.npy", "--out", "y.npy", "--backend", "rtl", "--channels", "1", "--trace", "w.fst")
        end = time.monotonic() + 400  # the library may have to be built
        while not any(os.path.getsize(f) for f in os.listdir(".") if f.startswith(".duplex")) and time.monotonic() < end:
            time.sleep(0.05)
        run.send_signal(number)
        run.communicate(timeout=60)
        check("waveform: the signal ends it", run.returncode == -number, run.returncode)
        check("waveform: nothing is left", sorted(os.listdir(".")) == files, os.listdir("."))


def too_little_memory():
    """Unicorn calls exit() when it gets too little memory: no output is left, whatever the limit."""
    files = sorted(os.listdir("."))
    seen = set()
    for limit in range(60, 1300, 60):
        run = subprocess.run([DUPLEX, "gemm", "--x", "x.npy", "--w", "w.npy", "--out", "y.npy", "--threads", "1", "--firmware", "riscv",
                              "--firmware-trace", "t.txt"], capture_output=True, check=False,
                             preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_AS, (limit << 20, limit << 20)))
        seen.add(run.returncode)
        if run.returncode == 0:
            os.unlink("y.npy"), os.unlink("t.txt")
        check(f"{limit} MB: nothing is left", sorted(os.listdir(".")) == files, os.listdir("."))
    check("some limits are too low, some are not", 0 in seen and len(seen) > 1, seen)


def packet(text):
    return f"${text}#{sum(text.encode()) & 255:02x}".encode()


def debugger():
    """A debugger that goes away, at any point, ends no batch."""
    lines = 40
    with open("jobs.jsonl", "w", encoding="utf-8") as file:
        for i in range(lines):
            file.write(f'{{"command": "gemm", "x": "x.npy", "w": "w.npy", "out": "y{i % 2}.npy"}}\n')
    for words in ([], ["?"], ["?", "c"], ["?", "g", "m80000000,400", "g"], ["?", "s"]):
        port = 20000 + (os.getpid() + 7 * len(words)) % 20000
        run = subprocess.Popen([DUPLEX, "batch", "jobs.jsonl", "--channels", "2", "--firmware", "riscv", "--gdb", str(port)],
                               stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        check("it waits for GDB", "waiting for GDB" in run.stderr.readline())
        peer = socket.create_connection(("127.0.0.1", port))
        for word in words:
            peer.sendall(packet(word))
        peer.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        time.sleep(0.05)
        peer.close()  # a reset, as of a process that was killed
        out, err = run.communicate(timeout=120)
        check(f"batch after {words}: status 0", run.returncode == 0, (run.returncode, err))
        check(f"batch after {words}: all lines", out.count('"line"') == lines, out.count('"line"'))
    for name in ("jobs.jsonl", "y0.npy", "y1.npy"):
        os.unlink(name)


def main():
    with tempfile.TemporaryDirectory() as folder:
        os.chdir(folder)
        random("3,130", 1, "x.npy")
        random("70,130", 2, "w.npy")
        random("60000,130", 3, "long.npy")
        signals()
        too_little_memory()
        debugger()
        waveform()
        os.chdir("/")
    print(f"signals: {len(FAILURES)} failures")
    sys.exit(bool(FAILURES))


if __name__ == "__main__":
    main()
