"""Our stdout as the mirror of a command's output: as it comes, but masked."""

import sys
from codecs import getincrementaldecoder
from functools import partial
from typing import BinaryIO

from producer.mask import Mask
from scripts.streams import say, silence


class Echo:
    """Shows output in whatever pieces it comes; only what may be part of a secret waits for the rest.

    Half of a character waits too. What is no UTF-8 passes through as it is. When stdout breaks, or whoever reads
    it leaves, it is shown no more, and that is all.
    """

    def __init__(self, hide: Mask) -> None:
        self._hide = partial(hide, sequence=self)
        self._open_end = partial(hide.open_end, sequence=self)
        self._decode = getincrementaldecoder("utf-8")("surrogateescape").decode
        self._held = ""
        self._out: BinaryIO | None = sys.stdout.buffer

    def write(self, data: bytes, *, final: bool = False) -> str:
        """Show what can be shown now; all of it where it is the end. Returns what was shown (PEP 383)."""
        *lines, rest = (self._held + self._decode(data, final)).split("\n")
        shown = len(rest) - (0 if final else self._open_end(rest))
        self._held = rest[shown:]
        text = "".join(f"{self._hide(line)}\n" for line in lines)
        if shown:
            text += self._hide(rest[:shown])
        self._put(text.encode("utf-8", "surrogateescape"))
        return text

    def _put(self, data: bytes) -> None:
        if self._out is None:
            return
        try:
            self._out.write(data)
            self._out.flush()
        except OSError as error:
            silence(sys.stdout)
            self._out = None
            if not isinstance(error, BrokenPipeError):  # who leaves has what they wanted (`| head`)
                say(f"deploytail: showing no more ({error.strerror}); the command goes on")
