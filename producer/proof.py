"""The proof that a reader has the whole log: its number of lines and their checksum."""

import zlib
from typing import NamedTuple


class Proof(NamedTuple):
    """A count and a CRC-32 that run with the log.

    `crc32` is the unsigned CRC-32 (ISO 3309, as zlib computes it) of each line's UTF-8 text and a newline, in order.
    """

    lines: int = 0
    crc32: int = 0

    def add(self, line: str) -> "Proof":
        """The proof after one more line."""
        return Proof(self.lines + 1, zlib.crc32(line.encode() + b"\n", self.crc32))
