#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""The line of progress: on a terminal, about work of more than two seconds, gone at the end; not with --quiet, not in a pipe.

usage: tests/cli/progress.py BUILD
"""
import os
import pathlib
import pty
import re
import select
import signal
import subprocess
import sys
import tempfile
import time

DUPLEX = pathlib.Path(sys.argv[1]).resolve() / "duplex"
LONG = ["random", "--shape", "4000000000", "--dist", "classes", "--out", "/dev/null"]  # minutes: it is interrupted


def on_terminal(arguments, until, seconds):
    """What the command writes to a terminal until that text comes, or so many seconds are over; and the time of the text."""
    ours, its = pty.openpty()
    begun = time.monotonic()
    process = subprocess.Popen([DUPLEX, *arguments], stderr=its, stdout=subprocess.DEVNULL)
    os.close(its)
    said = b""
    while time.monotonic() - begun < seconds and not re.search(until, said):
        if select.select([ours], [], [], 0.1)[0]:
            try:
                said += os.read(ours, 4096)
            except OSError:  # the command has ended
                break
    took = time.monotonic() - begun
    ended = process.poll() is not None
    process.send_signal(signal.SIGINT)
    process.wait()
    os.close(ours)
    return said, took, ended


said, took, _ = on_terminal(LONG, rb"drawing values: \d+ s, \d+%", 60)
assert re.search(rb"^\r\x1b\[Kdrawing values: [2-9]\d* s, \d+%", said), said
assert took >= 2, took
said, _, ended = on_terminal([*LONG, "--quiet"], rb".", 4)
assert not said and not ended, said
process = subprocess.Popen([DUPLEX, *LONG], stderr=subprocess.PIPE)
time.sleep(4)
process.send_signal(signal.SIGINT)
assert process.communicate()[1] == b""

# A search tells its runs, each of which may take less than two seconds.
SEARCH = ["serve", "--system", "duplex", "--model", "mixtral", "--batch", "8", "--find-rate", "0.5", "--limit-first", "100", "--measured", "60000"]
said, _, _ = on_terminal(SEARCH, rb"run \d+ of the search, at [\d.]+ requests a second: \d+ s", 60)
assert re.search(rb"run \d+ of the search", said), said

with tempfile.TemporaryDirectory() as name:
    # Short work says nothing.
    said, _, _ = on_terminal(["random", "--shape", "100", "--dist", "bits", "--out", f"{name}/x.npy"], rb"nothing", 30)
    assert said == b"", said
print("progress: a line after two seconds with its share, none with --quiet, in a pipe, or about short work")
