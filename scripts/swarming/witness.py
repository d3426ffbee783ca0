"""What one watcher is told, over all its connections, and whether the promise is kept to it."""

import zlib
from collections.abc import Sequence
from itertools import groupby
from operator import itemgetter
from typing import Any

import msgspec

from api.verify import Verifier
from producer.proof import Proof
from scripts.swarming.histogram import Histogram
from scripts.wire import Event

_SHOWN_EVENTS = 2  # on each side of the first that is not the next


class _Line(msgspec.Struct, gc=False):
    seq: int
    ts: float
    line: str


_LINES = msgspec.json.Decoder(_Line)
_kind = itemgetter(0)


class Witness:
    """Takes the events of one watcher. `done`: the end has come; `flaw` is the first thing that breaks the promise.

    `lines` counts those that came; `gaps` has the reason of each gap; `last_id` is where a new connection goes on.
    """

    def __init__(self) -> None:
        self.verifier = Verifier()
        self.done = False
        self.flaw: str | None = None
        self.lines = 0
        self.gaps: list[str] = []
        self.last_id = ""
        self._told = Proof()

    @property
    def told(self) -> Proof:
        """The proof that came with the end."""
        return self._told

    @property
    def verified(self) -> bool:
        """Whether the proof shows that every line came, and no other."""
        return self.verifier.whole and not self.verifier.missing and self.flaw is None

    def take(self, events: Sequence[Event], now: float, live_from: float, delays: Histogram) -> None:
        """The next events of a stream, which came at `now`.

        The delay of each line that was written after `live_from` is added to `delays`. Times are in Unix seconds.
        """
        for kind, run in groupby(events, _kind):
            before, some = self.verifier.last, list(run)
            try:
                self._take(kind, some, now, live_from, delays)
            except (msgspec.MsgspecError, ValueError, KeyError, TypeError) as error:
                self.flawed(f"an event cannot be read ({error!r}): {some[0]!r:.200}")
            self.last_id = some[-1].id or self.last_id
            if self.verifier.flaw is not None and self.flaw is None:
                self.flawed(f"{self.verifier.flaw} ({_came(some, before)})")

    def flawed(self, flaw: str) -> None:
        """Something broke the promise; only the first counts."""
        self.flaw = self.flaw or flaw

    def _take(self, kind: str, events: list[Event], now: float, live_from: float, delays: Histogram) -> None:
        if self.done:
            self.flawed(f"something came after the end: {events[0]!r:.200}")
        elif kind == "message":
            self._take_lines(events, now, live_from, delays)
        else:
            for event in events:
                self._take_other(event)

    def _take_lines(self, events: list[Event], now: float, live_from: float, delays: Histogram) -> None:
        lines = _LINES.decode_lines(b"\n".join([event.data for event in events]))
        verifier, last = self.verifier, self.verifier.last
        seqs = list(range(last + 1, last + 1 + len(events)))
        in_order = [line.seq for line in lines] == seqs
        if in_order and [event.id for event in events] == list(map(str, seqs)):
            # The verifier's own steps, taken all at once.
            text = "\n".join([line.line for line in lines]) + "\n"
            verifier.last = seqs[-1]
            verifier.proof = Proof(verifier.proof.lines + len(lines), zlib.crc32(text.encode(), verifier.proof.crc32))
        else:
            for line, event in zip(lines, events, strict=True):
                verifier.line({"seq": line.seq, "line": line.line})
                self._check_id(event, line.seq)
        self.lines += len(lines)
        for line in lines:
            if line.ts > live_from:
                delays.add(now - line.ts)

    def _take_other(self, event: Event) -> None:
        said: dict[str, Any] = msgspec.json.decode(event.data)
        verifier = self.verifier
        if event.kind == "status":
            verifier.changed(said)
            self._check_id(event, said["seq"])
            if verifier.status is not None:
                self._told = Proof(said.get("lines", -1), said.get("crc32", -1))
        elif event.kind == "gap":
            verifier.gap(said)
            self.gaps.append(said["reason"])
        elif event.kind == "done":
            self.done = True
            if verifier.status is None and not verifier.vanished:
                self.flawed("the stream ended without a terminal status")
        else:
            self.flawed(f"there is no event {event.kind!r}")

    def _check_id(self, event: Event, seq: int) -> None:
        if event.id != str(seq):
            self.flawed(f"event {seq:,} has id {event.id}")


def _came(events: list[Event], last: int) -> str:
    """Those around the first that does not follow on `last`, for a person."""
    names = [f"event {last}", *(f"{event.kind} {event.id}" for event in events)]
    odd = next((at for at, event in enumerate(events, 1) if event.id != str(last + at)), len(events))
    return f"came: {', '.join(names[max(0, odd - _SHOWN_EVENTS) : odd + _SHOWN_EVENTS + 1])}"
