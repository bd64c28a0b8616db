# SPDX-License-Identifier: Apache-2.0
"""Writes generated files: each is whole or as it was, and none changes before all of them could be written."""
import os
import pathlib


def write_all(texts):
    """`texts`: {path: text}. A file that is right already keeps its time."""
    new = {}
    try:
        for name, text in texts.items():
            path = pathlib.Path(name)
            if path.exists() and path.read_text() == text:
                continue
            path.parent.mkdir(parents=True, exist_ok=True)
            new[path] = path.with_name(f".{path.name}.{os.getpid()}")
            new[path].write_text(text)
        for path, written in new.items():
            os.replace(written, path)
    finally:
        for written in new.values():
            written.unlink(missing_ok=True)
    return len(new)
