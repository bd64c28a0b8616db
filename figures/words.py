# SPDX-License-Identifier: Apache-2.0
"""The words of figures/paper.py: read, and refused in one line, with exit status 2, where they are wrong."""
import os
import pathlib
import shutil
import sys


def refuse(text):
    print(f"figures/paper.py: {text}", file=sys.stderr)
    sys.exit(2)


MOST = {"--measured": 1 << 30, "--jobs": 1024}


def read_value(option, text, page_begin):
    """The number of an option that takes one, or the page of --compare."""
    if option == "--compare":
        wrong = "another text"
        try:
            page = pathlib.Path(text).read_text()
            if page.startswith(page_begin):
                return page
        except (OSError, ValueError) as error:
            wrong = getattr(error, "strerror", "no text")
        refuse(f"--compare {text}: {wrong}, expected a page that this command wrote")
    if not (text.isascii() and text.isdigit() and 1 <= int(text) <= MOST[option]):
        refuse(f"{option} is '{text}': expected a whole number from 1 to {MOST[option]}")
    return int(text)


def read_words(usage, page_begin):
    """Words, values of options, and whether --check is there."""
    words, options, check, rest = [], {"--measured": 10000, "--jobs": 2, "--compare": None}, False, iter(sys.argv[1:])
    for word in rest:
        if word in ("-h", "--help"):
            print(usage.strip())
            sys.exit(0)
        if word in options:
            given = next(rest, "")
            if not given:
                refuse(f"{word} needs a value: see --help")
            options[word] = read_value(word, given, page_begin)
        elif word == "--check":
            check = True
        elif word.startswith("-"):
            refuse(f"unknown option '{word}': expected --check, {', '.join(options)} or --help")
        else:
            words.append(word)
    return words, options, check


def check_words(words, options, check, figures):
    """Refuses what would fail behind the runs."""
    if not words:
        refuse("BUILD is missing: expected the folder that has duplex, see --help")
    if not os.access(pathlib.Path(words[0]) / "duplex", os.X_OK):
        refuse(f"{words[0]}: has no duplex that runs, expected the folder of a build")
    for word in words[1:]:
        if word not in figures:
            refuse(f"unknown figure '{word}': expected {', '.join(figures)}")
    if check and options["--compare"] is not None:
        refuse("--check with --compare: expected one of them")
    if not check and not shutil.which("gnuplot"):
        refuse("gnuplot is not there: expected it for the pictures, or --check")
