"""Raw output to lines: only LF and CRLF end a line, a lone CR stays in it."""

from collections.abc import Callable
from typing import NamedTuple

from producer.event import MAX_LINE_BYTES

# Room behind the cut, so that a secret that lies across it is still seen whole by the mask.
KEPT_BYTES = MAX_LINE_BYTES + 8 * 1024


class Line(NamedTuple):
    """A line without its end, and how many of its bytes were left out at its end because it is over-long."""

    text: str
    omitted: int = 0


def _holds_nothing(_: str) -> int:
    return 0


class LineSplitter:
    """Cuts a stream of bytes into lines, the same lines however the stream is cut, in bounded memory.

    A line is UTF-8, each invalid sequence in it U+FFFD. Of an over-long line the first 24 KiB are held, the rest is
    counted. `hold` tells of an unfinished line how many characters at its end must wait for what follows them, since
    they may be the start of a secret.
    """

    def __init__(self, hold: Callable[[str], int] = _holds_nothing) -> None:
        self._hold_back = hold
        self._held = bytearray()
        self._dropped = 0
        self._carriage_return = False  # a CR at the end of the over-long part that is not held
        self._continued = False  # the start of this line was sent by flush

    @property
    def pending(self) -> bool:
        """Whether an unfinished line is held."""
        return bool(self._held)

    @property
    def begun(self) -> bool:
        """Whether a line has begun and is not over: one that is held, or whose start was given by a flush."""
        return bool(self._held) or self._continued

    def feed(self, data: bytes) -> list[Line]:
        """Take the next bytes; return the lines that they finish."""
        *ends, rest = data.split(b"\n")
        lines = []
        for end in ends:
            self._hold(end)
            line = self._finish()
            if line is not None:
                lines.append(line)
        self._hold(rest)
        return lines

    def flush(self, *, final: bool = False) -> Line | None:
        """The unfinished line so far, or None. What comes up to its line end is then a line of its own.

        Unless `final`, what may be half of something stays: a CR at the end, an incomplete character, the start of a
        secret, and the whole drawing of a line that is in, where the line draws over itself with CRs. An over-long
        line stays whole: what is not held of it may be the first half of a secret, whose second would then be shown.
        """
        whole = len(self._held)
        if not final:
            if self._dropped:
                return None
            whole -= _half_character(self._held)
            if whole and self._held[whole - 1 : whole] == b"\r":
                whole -= 1
            text = self._held[:whole].decode("utf-8", "replace")
            if back := self._hold_back(text):
                whole -= len(text[-back:].encode())
                # A line that draws over itself is cut before its last drawing, not inside.
                drawn = self._held.rfind(b"\r", 0, whole)
                whole = whole if drawn < 0 else drawn
        if whole <= 0:
            return None
        line = self._line(whole)
        self._continued = not final
        return line

    def _hold(self, data: bytes) -> None:
        if not data:
            return
        room = max(0, KEPT_BYTES - len(self._held))
        self._held += data[:room]
        self._dropped += len(data) - min(room, len(data))
        self._carriage_return = data.endswith(b"\r")

    def _finish(self) -> Line | None:
        if self._dropped:
            self._dropped -= self._carriage_return
        elif self._held.endswith(b"\r"):
            del self._held[-1:]
        continued, self._continued = self._continued, False
        if continued and not self._held:
            return None
        return self._line(len(self._held))

    def _line(self, size: int) -> Line:
        omitted, self._dropped = self._dropped, 0
        half = _half_character(self._held) if omitted else 0  # the bound may have cut a character
        text = self._held[: size - half].decode("utf-8", "replace")
        del self._held[:size]
        omitted += half
        self._carriage_return = False
        return Line(text, omitted)


def _half_character(data: bytearray) -> int:
    """How many bytes at the end may be the start of a UTF-8 character that is not complete yet."""
    for back in range(1, min(3, len(data)) + 1):
        byte = data[-back]
        if byte < 0x80:
            return 0
        if byte >= 0xC0:
            length = 2 if byte < 0xE0 else 3 if byte < 0xF0 else 4
            return back if back < length else 0
    return 0
