"""Our standard streams: whole to begin with, and no reason to fall over when they break."""

import io
import os
import sys
from typing import TextIO

from scripts.terminal import safe


def make_whole() -> None:
    """Open what the caller has closed (`>&-`), and let no character be one too many for an encoding."""
    # Else the next file that is opened would take its number, and be written to as standard output.
    while (number := os.open(os.devnull, os.O_RDWR)) <= 2:
        os.set_inheritable(number, True)
    os.close(number)
    sys.stdout = sys.stdout or os.fdopen(1, "w")
    sys.stderr = sys.stderr or os.fdopen(2, "w")
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")


def say(text: str, before: str = "", after: str = "") -> None:
    """Say something on standard error, where that takes anything; what would steer a terminal is made visible.

    But for what is `before` and `after` it.
    """
    shown = "\n".join(safe(line, colour=False) for line in text.split("\n"))
    try:
        print(f"{before}{shown}{after}", file=sys.stderr, flush=True)
    except OSError:
        silence(sys.stderr)


def silence(stream: TextIO) -> None:
    """This standard stream is broken: what is still to be written to it goes nowhere, and nothing complains."""
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, stream.fileno())
    os.close(nowhere)
