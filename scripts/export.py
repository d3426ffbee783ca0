"""`deploytail logs --format asciicast`: a deploy's log as a recording."""

import sys
from collections.abc import Iterable
from datetime import datetime
from typing import Any

from api.client import DONE, GAP, LINE, STATUS, Message
from api.verify import Verifier
from producer.status import Status
from scripts.exits import EXIT as EXIT_STATUS
from scripts.exits import EXIT_INTERRUPTED, EXIT_NOT_WHOLE
from scripts.streams import say
from scripts.terminal import one_line
from scripts.watch import gap_words, note
from worker.asciicast import EXIT, MARKER, OUTPUT, EventWriter, write_header

_COLUMNS, _ROWS = 120, 40
_ENDED = {Status.COMPLETE: 0, Status.FAILED: 1, Status.CANCELLED: EXIT_INTERRUPTED}


def export(messages: Iterable[Message], deploy: dict[str, Any], until: int | None = None) -> int:
    """Print the log as an asciicast, all else to stderr; return the exit status of the design.

    `deploy` is what the API says of the deploy. Time starts when it was started. Each line is an output event, a change
    of the step a marker, a gap a line that names what is missing, and the end an exit event with 0, 1, or 130 where
    the deploy was cancelled. With `until`, the seq of an event, it stops there: 0 for a deploy that has not ended by
    then, whose recording has no exit event.
    """
    verifier = Verifier()
    cast = _Cast(deploy)
    for message in messages:
        data = message.data
        if message.kind == LINE:
            verifier.line(data)
            cast.line(data)
        elif message.kind == STATUS:
            verifier.changed(data)
            cast.status(data)
        elif message.kind == GAP:
            verifier.gap(data)
            cast.gap(data)
        elif message.kind == DONE:
            break
        if until is not None and verifier.last >= until and verifier.status is None:
            note("not over yet")
            return 0
    say(verifier.summary())
    if not verifier.whole or verifier.status is None:
        return EXIT_NOT_WHOLE
    return EXIT_STATUS[verifier.status]


class _Cast:
    """A recording on standard output."""

    def __init__(self, deploy: dict[str, Any]) -> None:
        self._started = datetime.fromisoformat(deploy["started_at"] or deploy["queued_at"]).timestamp()
        self._events = EventWriter()
        self._step: str | None = None
        message = deploy["message"]
        _put(
            write_header(
                _COLUMNS,
                _ROWS,
                timestamp=int(self._started),
                command=message if deploy["source"] == "run" else None,
                title=": ".join(filter(None, [f"{deploy['app_id']}/{deploy['deploy_id']}", message])),
            )
        )

    def line(self, line: dict[str, Any]) -> None:
        if line.get("step") != self._step:
            self._step = line.get("step")
            self._event(line["ts"], MARKER, self._step or "")
        self._event(line["ts"], OUTPUT, one_line(line["line"]) + "\r\n")

    def status(self, change: dict[str, Any]) -> None:
        status = Status(change["status"])
        if status.terminal:
            self._event(change["ts"], EXIT, str(_ENDED[status]))

    def gap(self, gap: dict[str, Any]) -> None:
        self._event(self._started, OUTPUT, f"── {gap_words(gap)}\r\n")

    def _event(self, ts: float, code: str, data: str) -> None:
        _put(self._events.write(ts - self._started, code, data))


def _put(line: str) -> None:
    sys.stdout.buffer.write(line.encode("utf-8", "replace"))
    sys.stdout.buffer.flush()
