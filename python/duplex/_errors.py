# SPDX-License-Identifier: Apache-2.0
"""Exceptions of the module, by the codes of duplex/error.h."""

ARGUMENT = -1  # DUPLEX_ERROR_ARGUMENT


class Error(RuntimeError):
    """An error of the library: `code` is that of duplex/error.h."""

    def __init__(self, code, text):
        super().__init__(text)
        self.code = code


class ArgumentError(Error, ValueError):
    """An argument out of its range, whoever notices: this module or the library."""

    def __init__(self, text):
        super().__init__(ARGUMENT, text)


def of(code, text):
    """The exception for an error of the library."""
    return ArgumentError(text) if code == ARGUMENT else Error(code, text)
