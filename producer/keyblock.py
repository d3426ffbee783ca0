"""Private keys as text, a block over several lines: what is between its BEGIN and its END is secret."""

import re
from collections.abc import Hashable

from producer.shapes import Span

GATE = "-----BEGIN"
# A block is given up after this many lines without a part of a key: more than the headers in one, and its last line.
PATIENCE = 8

_NAME = "(?:[A-Z0-9]{1,20} ){0,4}PRIVATE KEY(?: BLOCK)?"
# A BEGIN that is no mere mention of one is followed by the key, or by no more on this line; quotes and colours aside.
_BEGIN = re.compile(rf"""-----BEGIN {_NAME}-----(?:\\+[nr]|\s|\x1b\[[\d;]*[A-Za-z]|["'|>\\])*+""")
_FOLLOWED = re.compile(r"[A-Za-z0-9+/=]{16}|\Z")
_END = re.compile(f"-----END {_NAME}-----")
_KEY = re.compile("[A-Za-z0-9+/]{40}")
# The start of a marker, or a BEGIN with too little behind it to tell.
_OPEN = re.compile(rf"(?<!-)-{{1,5}}(?:[BE][A-Z0-9 ]{{0,60}}-{{0,5}}|BEGIN {_NAME}-----\S{{0,40}})?\Z")
_OPEN_MOST = 160


class KeyBlocks:
    """Finds what is secret of the lines of private keys, in any number of sequences of lines at once.

    Several threads may ask. There is no lock, for the reason that the writer has none.
    """

    def __init__(self) -> None:
        self.inside: dict[Hashable, int] = {}  # the sequences that are inside a block, each with what patience is left

    def spans(self, line: str, sequence: Hashable = None) -> list[Span]:
        """Where in this line, the next of its sequence, keys are. A line of no sequence (None) stands alone.

        Without `GATE` in the line nothing is found while no sequence is `inside` a block.
        """
        found: list[Span] = []
        left = self.inside.pop(sequence, 0)
        at = 0
        end = _END.search(line)
        while True:
            if not left:
                begin = _BEGIN.search(line, at)
                if begin is None:
                    return found
                at = begin.end()
            if end is not None and end.start() < at:
                end = _END.search(line, at)
            if not left:
                if end is None and not _FOLLOWED.match(line, at):
                    continue
                left = PATIENCE + 1
            stop = len(line) if end is None else end.start()
            if line[at:stop].strip():
                found.append((at, stop))
            if end is None:
                left = PATIENCE if _KEY.search(line, at) else left - 1
                if left and sequence is not None:
                    self.inside[sequence] = left
                return found
            at, left = end.end(), 0


def open_end(text: str) -> int:
    """How many characters at the end of `text` may be part of a marker whose rest is still to come."""
    match = _OPEN.search(text, max(0, len(text) - _OPEN_MOST))
    return len(text) - match.start() if match else 0
