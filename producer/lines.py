"""Raw output to lines: only LF and CRLF end a line, a lone CR stays in it."""

from producer.event import MAX_LINE_BYTES, cut

# Room behind the cut, so that a secret that lies across it is still seen whole by the mask.
KEPT_BYTES = MAX_LINE_BYTES + 8 * 1024


class LineSplitter:
    """Cuts a stream of bytes into lines, the same lines however the stream is cut, in bounded memory.

    A line is UTF-8, each invalid sequence in it U+FFFD. Of an over-long line only the first 24 KiB are held; the
    rest is counted and named in the mark that `cut` leaves.
    """

    def __init__(self) -> None:
        self._held = bytearray()
        self._dropped = 0
        self._carriage_return = False  # a CR at the end of the over-long part that is not held
        self._continued = False  # the start of this line was sent by flush

    @property
    def pending(self) -> bool:
        """Whether an unfinished line is held."""
        return bool(self._held)

    def feed(self, data: bytes) -> list[str]:
        """Take the next bytes; return the lines that they finish, without their line ends."""
        *ends, rest = data.split(b"\n")
        lines = []
        for end in ends:
            self._hold(end)
            line = self._finish()
            if line is not None:
                lines.append(line)
        self._hold(rest)
        return lines

    def flush(self, *, final: bool = False) -> str | None:
        """The unfinished line so far, or None. What comes up to its line end is then a line of its own.

        Unless `final`, what may be half of something stays: a CR at the end, an incomplete character.
        """
        if final:
            text = bytes(self._held)
            self._held.clear()
        else:
            whole = len(self._held) - _half_character(self._held)
            if whole and self._held[whole - 1 : whole] == b"\r":
                whole -= 1
            text = bytes(self._held[:whole])
            del self._held[:whole]
        if not text:
            return None
        line = self._text(text)
        self._continued = not final
        return line

    def _hold(self, data: bytes) -> None:
        if not data:
            return
        room = max(0, KEPT_BYTES - len(self._held))
        self._held += data[:room]
        self._dropped += len(data) - min(room, len(data))
        self._carriage_return = data.endswith(b"\r")

    def _finish(self) -> str | None:
        if self._dropped:
            self._dropped -= self._carriage_return
        elif self._held.endswith(b"\r"):
            del self._held[-1:]
        text = bytes(self._held)
        self._held.clear()
        continued, self._continued = self._continued, False
        if continued and not text:
            return None
        return self._text(text)

    def _text(self, data: bytes) -> str:
        dropped, self._dropped = self._dropped, 0
        self._carriage_return = False
        if dropped:
            text = data.decode("utf-8", "replace").encode()
            return cut(text, len(text) + dropped)
        return data.decode("utf-8", "replace")


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
