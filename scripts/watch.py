"""Shows a log as it comes, proves at its end that it is whole, and mirrors the deploy's status."""

import os
import sys
from collections.abc import Iterable

from api.client import DONE, GAP, LINE, STATUS, Message
from api.verify import Verifier
from scripts.exits import EXIT, EXIT_NOT_WHOLE
from scripts.streams import say
from scripts.terminal import as_drawn, one_line, safe


def note(text: str) -> None:
    """Say something that is not the log."""
    Screen().note(text)


def show(messages: Iterable[Message], until: int | None = None) -> int:
    """Print the lines to stdout, all else to stderr; return the exit status of the design.

    With `until`, the seq of an event, it stops there: 0 for a deploy that has not ended by then.
    """
    verifier = Verifier()
    screen = Screen()
    for message in messages:
        if message.kind == LINE:
            verifier.line(message.data)
            screen.line(message.data["line"])
        elif message.kind == STATUS:
            verifier.changed(message.data)
            screen.note(message.data["status"])
        elif message.kind == GAP:
            verifier.gap(message.data)
            screen.note(gap_words(message.data))
        elif message.kind == DONE:
            break
        if until is not None and verifier.last >= until and verifier.status is None:
            screen.note("not over yet")
            return 0
    sys.stdout.flush()
    screen.verdict(verifier)
    if not verifier.whole or verifier.status is None:
        return EXIT_NOT_WHOLE
    return EXIT[verifier.status]


class Screen:
    """Standard output and error, each a terminal or not."""

    def __init__(self) -> None:
        self._terminal = sys.stdout.isatty()
        plain = bool(os.environ.get("NO_COLOR"))
        self._colour = self._terminal and not plain
        self._dim = ("\x1b[2m", "\x1b[0m") if sys.stderr.isatty() and not plain else ("", "")

    def line(self, line: str, before: str = "") -> None:
        """A line of the log, with something of ours `before` it."""
        shown = safe(as_drawn(line), colour=self._colour) if self._terminal else one_line(line)
        sys.stdout.write(f"{before}{shown}\n")
        sys.stdout.flush()

    def note(self, text: str) -> None:
        """Something that is not the log."""
        before, after = self._dim
        say(f"── {text}", before, after)

    def verdict(self, verifier: Verifier) -> None:
        """Whether the log is whole."""
        say(verifier.summary())


def gap_words(gap: dict[str, object]) -> str:
    """What a gap says is missing."""
    if gap["to"] is None:
        return f"events from {gap['from']} on are lost: the deploy is no longer in the store"
    return f"events {gap['from']} to {gap['to']} are missing: {gap['reason']}"
