"""Secrets are masked before anything leaves the process: those that were registered, and those of known shapes."""

from collections.abc import Hashable, Iterable

from producer import keyblock, shapes
from producer.encodings import forms, rows
from producer.keyblock import GATE, KeyBlocks
from producer.pieces import Pieces
from producer.shapes import Span

MASK = "***"
# Shorter pieces of a secret of several lines would mask half of an ordinary log.
_SHORTEST_PIECE = 4


class Mask:
    """Replaces secrets in lines by `***`: each of `secrets` in all its forms, and whatever has a known shape.

    Of a secret of several lines, each line of 4 characters or more is a secret of its own. A masked line stays as it
    is when it is masked again. Thread-safe, without a lock. Raises ValueError for an empty secret.
    """

    def __init__(self, secrets: Iterable[str] = ()) -> None:
        pieces: set[str] = set()
        for secret in secrets:
            if not secret.strip():
                raise ValueError("a secret to mask is empty: leave it out")
            pieces |= rows(secret)
            for text in {secret, secret.strip("\r\n"), *filter(_is_secret, map(str.strip, secret.splitlines()))}:
                pieces |= forms(text)
        self._pieces = Pieces(pieces) if pieces else None
        self._blocks = KeyBlocks()

    def __call__(self, line: str, sequence: Hashable = None) -> str:
        """The line with every secret masked; secrets that overlap become one mask.

        A private key goes on from line to line of a `sequence`, whatever names it; a line of none stands alone.
        """
        spans = shapes.spans(line)
        if self._pieces is not None and self._pieces.may_be_in(line):
            spans += self._pieces.spans(line)
        if self._blocks.inside or GATE in line:
            spans += self._blocks.spans(line, sequence)
        return _masked(line, spans) if spans else line

    def open_end(self, text: str, sequence: Hashable = None) -> int:
        """How many characters at the end of `text`, an unfinished line, may be part of a secret that goes on.

        Of one inside a private key that is all of it: until its end is there, it cannot be told from the key's.
        """
        if sequence in self._blocks.inside and len(text) <= shapes.MOST_HELD:
            return len(text)
        most = max(shapes.open_end(text), keyblock.open_end(text))
        if self._pieces is None:
            return most
        at = len(text) - max(most, self._pieces.open_end(text))
        # What is held back must not begin inside a secret, of which the first half would be shown.
        return len(text) - min((start for start, end in self._pieces.spans(text) if start < at < end), default=at)


def _is_secret(line: str) -> bool:
    """Whether a line of a secret is one by itself: it is not too short, and no marker such as the BEGIN of a key."""
    return len(line) >= _SHORTEST_PIECE and not line.startswith("-----")


def _masked(line: str, spans: list[Span]) -> str:
    parts: list[str] = []
    shown, hidden = 0, -1  # up to where the line was copied, and where the last secret ends
    for start, end in sorted(spans):
        if start >= hidden:
            parts += (line[shown:start], MASK)
        shown = hidden = max(hidden, end)
    return "".join((*parts, line[shown:]))
