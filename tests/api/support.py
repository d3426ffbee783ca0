"""What the tests of the API share: events as bytes, a log as the store would hold it, and streams taken apart."""

import json
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from producer import calls
from producer.calls import Procedure
from producer.deploys import Limits, Request, create_deploy
from producer.event import decode, encode_line, encode_status
from producer.keys import Keys
from producer.library import new_token
from producer.outbox import End, Outbox
from producer.proof import Proof
from producer.state import Snapshot, State
from producer.status import Status, last_line
from producer.store import Store

TS = 1_700_000_000.0


class Frame(NamedTuple):
    """One event of a stream; `kind` is "line", "status", "gap" or "done"."""

    kind: str
    id: int | None
    data: dict[str, Any]


def parse(stream: bytes) -> list[Frame]:
    """The events in a stream's bytes, which must be of our exact form; comments and `retry` are passed over."""
    assert b"\r" not in stream
    *blocks, tail = stream.split(b"\n\n")
    assert all(row.startswith((b":", b"retry: ")) for row in tail.splitlines()), tail
    return [_frame(block) for block in blocks]


def _frame(block: bytes) -> Frame:
    rows = [row for row in block.split(b"\n") if not row.startswith((b":", b"retry: "))]
    fields = dict(row.split(b": ", 1) for row in rows)
    assert len(fields) == len(rows), block
    assert fields.keys() <= {b"event", b"id", b"data"}, block
    return Frame(
        fields.get(b"event", b"line").decode(),
        int(fields[b"id"]) if b"id" in fields else None,
        json.loads(fields[b"data"]),
    )


def ids(stream: bytes) -> list[int | None]:
    """The id of each event in a stream."""
    return [frame.id for frame in parse(stream)]


def words(stream: bytes) -> list[str]:
    """A stream in short: `3` for event 3, `4:complete` for a status, `gap 1-2 trimmed`, `done`."""
    return [_word(frame) for frame in parse(stream)]


def _word(frame: Frame) -> str:
    data = frame.data
    if frame.kind == "gap":
        return f"gap {data['from']}-{data['to']} {data['reason']}"
    if frame.kind == "status":
        return f"{data['seq']}:{data['status']}"
    return "done" if frame.kind == "done" else str(data["seq"])


def line(seq: int, text: str = "a line", ts: float = TS) -> bytes:
    """A log line as it is stored."""
    return encode_line(seq, ts, text)


@dataclass
class Log:
    """A log as the store holds it; the tests change it as they like.

    `cached` are the list's entries, whose first has number `first_seq`.
    """

    status: Status = Status.QUEUED
    proof: Proof = field(default_factory=Proof)
    seq: int = 0
    first_seq: int = 1
    cached: list[bytes] = field(default_factory=list)
    created_by: str = "creator"
    error: str | None = None

    @classmethod
    def of(cls, lines: int, *, end: Status | None = None) -> "Log":
        """A log of a deploy that builds, with some lines, maybe ended: lines + 2 or + 4 events."""
        log = cls()
        log.change(Status.QUEUED)
        log.change(Status.BUILDING)
        log.write(*(f"line {number}" for number in range(lines)))
        if end is not None:
            log.finish(end)
        return log

    def change(self, status: Status) -> bytes:
        """Append a status change that is no end."""
        self.status = status
        return self._put(encode_status(self.seq + 1, TS, status))

    def write(self, *lines: str) -> list[bytes]:
        """Append lines."""
        return [self._line(text) for text in lines]

    def finish(self, status: Status = Status.COMPLETE, reason: str | None = None) -> list[bytes]:
        """Append the last line and the terminal status."""
        last = self._line(last_line(status, reason))
        self.status, self.error = status, reason
        return [last, self._put(encode_status(self.seq + 1, TS, status, reason, None, self.proof))]

    def trim(self, events: int) -> None:
        """Drop the oldest from the list; the newest stays."""
        events = min(events, len(self.cached) - 1)
        if events > 0:
            del self.cached[:events]
            self.first_seq += events

    def go_back(self, seq: int) -> None:
        """A fail-over: the store has events up to `seq` only, and whoever ended it has not."""
        kept = self.cached[: max(0, seq - self.first_seq + 1)]
        self.cached, self.seq, self.proof = [], self.first_seq - 1, Proof()
        self.status, self.error = Status.QUEUED, None
        self.resend(kept)

    def resend(self, entries: list[bytes]) -> None:
        """These very events are appended."""
        for event in map(decode, entries):
            assert event is not None
            if event.line is not None:
                self.proof = self.proof.add(event.line)
            self.status = event.status or self.status
            self._put(event.data)

    def state(self) -> State:
        """The state as it is read."""
        return State(
            status=self.status,
            seq=self.seq,
            first_seq=self.first_seq,
            proof=self.proof,
            created_by=self.created_by,
            queued_at=TS,
            finished_at=TS if self.status.terminal else None,
            error=self.error,
        )

    def snapshot(self, after: int = 0) -> Snapshot:
        """A read of the list after a seq, as `snapshot.lua` does it while the list has no holes."""
        return Snapshot(self.state(), self.cached[max(0, after - self.first_seq + 1) :], TS)

    def _line(self, text: str) -> bytes:
        self.proof = self.proof.add(text)
        return self._put(line(self.seq + 1, text))

    def _put(self, data: bytes) -> bytes:
        self.seq += 1
        if not self.cached:
            self.first_seq = self.seq  # a new list, or an evicted one
        self.cached.append(data)
        return data


class Deploy:
    """A deploy on a real store, written by the real calls: no thread, each step is done when it returns."""

    def __init__(self, store: Store, keys: Keys, limits: Limits | None = None, *, building: bool = True) -> None:
        self.keys = keys
        self.token = new_token()
        self._store = store
        store.run(create_deploy(keys, new_token(), time.time(), Request(), limits or Limits()))
        if building:
            self.claim()

    def claim(self) -> None:
        """Become its writer."""
        at = time.time()
        event = encode_status(2, at, Status.BUILDING)
        claimed = self._store.run(calls.claim(self.keys, self.token, event, 2, at))
        self._outbox = Outbox(claimed.seq, claimed.proof, 10_000, 2**30)

    def write(self, *lines: str, ts: Sequence[float] | None = None) -> None:
        """Append lines, in one call."""
        for number, text in enumerate(lines):
            self._outbox.accept(time.time() if ts is None else ts[number], text)
        self.send(calls.append(self.keys, self.token, self._outbox.batch()))

    def finish(self, status: Status = Status.COMPLETE, *lines: str, ts: Sequence[float] = (), at: float = 0.0) -> None:
        """Append lines, the last line and the terminal status, in one call."""
        at = at or time.time()
        for number, text in enumerate(lines):
            self._outbox.accept(ts[number] if ts else at, text)
        reason = "it broke" if status is Status.FAILED else None
        self._outbox.accept(at, last_line(status, reason), "system")
        self._outbox.finish(End(status, reason, None, at))
        self.send(calls.append(self.keys, self.token, self._outbox.batch()))

    def send(self, procedure: Procedure[calls.Appended]) -> None:
        """Run an append."""
        self._outbox.acknowledge(self._store.run(procedure).seq)
