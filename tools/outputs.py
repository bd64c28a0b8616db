# SPDX-License-Identifier: Apache-2.0
"""Files that the tools in Python write: whole, or not at all; a failure is one line and exit status 2."""
import contextlib
import os
import stat
import sys
import tempfile


@contextlib.contextmanager
def output(path):
    """A file for text that gets its name when all of it is written. A device or pipe is written as it is."""
    temporary = None
    try:
        there = os.stat(path) if os.path.exists(path) else None
        if there and not stat.S_ISREG(there.st_mode):
            with open(path, "w", encoding="utf-8") as file:
                yield file
            return
        if there and not there.st_mode & 0o222:
            raise PermissionError(13, "Permission denied", path)
        target = os.path.realpath(path)
        descriptor, temporary = tempfile.mkstemp(prefix=".duplex-", dir=os.path.dirname(target))
        mask = os.umask(0)
        os.umask(mask)
        os.chmod(temporary, stat.S_IMODE(there.st_mode) if there else 0o666 & ~mask)
        with open(descriptor, "w", encoding="utf-8") as file:
            yield file
        os.replace(temporary, target)
        temporary = None
    except OSError as error:
        own = error.filename is None or ".duplex-" in str(error.filename)
        name = path if own else error.filename
        sys.stderr.write(f"{os.path.basename(sys.argv[0])}: {name}: {error.strerror}\n")
        sys.exit(2)
    finally:
        if temporary:
            os.unlink(temporary)
