# SPDX-License-Identifier: Apache-2.0
"""Calls of several threads on one stack or device, one after the other: the library takes one at a time."""
import functools
import os
import threading


class Turns:
    """A lock that a thread may take again. In a child of fork, where the library refuses every call, it waits for nobody: the thread that
    held the lock is not there."""

    def __init__(self):
        self._lock, self._process = threading.RLock(), os.getpid()

    def __enter__(self):
        if self._process == os.getpid():
            self._lock.acquire()

    def __exit__(self, *_):
        if self._process == os.getpid():
            self._lock.release()


def _in_turn(method):
    @functools.wraps(method)
    def call(self, *arguments, **named):
        with self._turns:
            return method(self, *arguments, **named)

    return call


def in_turns(kind):
    """Decorator of a class: its public methods take `_turns`."""
    for name, method in list(vars(kind).items()):
        if callable(method) and not name.startswith("_"):
            setattr(kind, name, _in_turn(method))
    return kind
