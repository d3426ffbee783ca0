"""Secrets are masked before anything leaves the process."""

import re
from collections.abc import Iterable

MASK = "***"
# Shorter pieces of a secret of several lines would mask half of an ordinary log.
_SHORTEST_PIECE = 4


class Mask:
    """Replaces each given secret in a line by `***`; of a secret of several lines, each line of it too.

    Raises ValueError for an empty secret.
    """

    def __init__(self, secrets: Iterable[str] = ()) -> None:
        pieces: set[str] = set()
        for secret in secrets:
            if not secret.strip():
                raise ValueError("a secret to mask is empty: leave it out")
            pieces |= {secret, secret.strip("\r\n")}
            pieces.update(p for p in secret.splitlines() if len(p.strip()) >= _SHORTEST_PIECE)
        longest_first = sorted(pieces, key=len, reverse=True)
        # In a lookahead, so that a secret that begins inside another one is found too.
        any_piece = "|".join(map(re.escape, longest_first))
        self._pattern = re.compile(f"(?=({any_piece}))", re.DOTALL) if pieces else None
        self._pieces = longest_first

    @property
    def hides(self) -> bool:
        """Whether there is anything to mask."""
        return self._pattern is not None

    def open_end(self, text: str) -> int:
        """How many characters at the end of `text` may be the start of a secret whose rest is still to come."""
        longest = max(map(len, self._pieces), default=1) - 1
        for length in range(min(longest, len(text)), 0, -1):
            end = text[-length:]
            if any(piece.startswith(end) for piece in self._pieces):
                return length
        return 0

    def __call__(self, line: str) -> str:
        """The line with every secret masked; secrets that overlap become one mask."""
        if self._pattern is None:
            return line
        parts: list[str] = []
        shown, hidden = 0, -1  # up to where the line was copied, and where the last secret ends
        for match in self._pattern.finditer(line):
            start, end = match.span(1)
            if start >= hidden:
                parts += (line[shown:start], MASK)
            shown = hidden = max(hidden, end)
        return "".join((*parts, line[shown:]))
