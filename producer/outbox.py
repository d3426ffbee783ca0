"""The writer's buffer: what waits, what is under way, and what was acknowledged and may have to be sent again.

Sequence numbers and the running proof are given out here, when a line is accepted, so that an event that is sent
again has the same bytes.
"""

from collections import deque
from typing import NamedTuple

from producer.event import encode_line, encode_status
from producer.proof import Proof
from producer.status import Status

BATCH_EVENTS = 1_000
BATCH_BYTES = 1024 * 1024
RESEND_EVENTS = 10_000  # W, the re-send window
RESEND_BYTES = 16 * 1024 * 1024


class Entry(NamedTuple):
    """An event with the proof of the log up to and with it."""

    seq: int
    data: bytes
    proof: Proof


class End(NamedTuple):
    """The terminal status that a batch ends with."""

    status: Status
    reason: str | None
    detail: str | None
    ts: float


class Batch(NamedTuple):
    """What one append sends. Without events it only keeps the writer alive.

    `hole`: the events before it are lost for good, and the append is to go on behind them.
    """

    first: int
    events: list[bytes]
    proof: Proof
    hole: bool = False
    end: End | None = None


class Outbox:
    """The events of one writer, from `seq` (the last in the log when it starts) and its `proof` on."""

    def __init__(self, seq: int, proof: Proof) -> None:
        self._base = Entry(seq, b"", proof)  # the last acknowledged event that is not held
        self._acknowledged_seq = seq
        self._acknowledged_proof = proof
        self._last = seq
        self._proof = proof
        self._waiting: deque[Entry] = deque()
        self._sent: deque[Entry] = deque()
        self._sent_bytes = 0
        self._end: End | None = None

    @property
    def waiting(self) -> int:
        """How many events are not acknowledged yet."""
        return len(self._waiting)

    @property
    def ending(self) -> bool:
        """Whether the terminal status was accepted."""
        return self._end is not None

    @property
    def empty(self) -> bool:
        """Whether everything accepted was acknowledged."""
        return not self._waiting

    @property
    def proof(self) -> Proof:
        """The proof of all that was accepted."""
        return self._proof

    def accept(
        self,
        ts: float,
        line: str,
        stream: str | None = None,
        level: str | None = None,
        step: str | None = None,
    ) -> int:
        """Number and encode a log line; return its seq."""
        data = encode_line(self._last + 1, ts, line, stream, level, step)
        self._proof = self._proof.add(line)
        return self._put(data)

    def finish(self, end: End) -> int:
        """Accept the terminal status; return its seq."""
        self._end = end
        return self._put(encode_status(self._last + 1, end.ts, end.status, end.reason, end.detail, self._proof))

    def batch(self) -> Batch:
        """The next events to send, in order, within the bounds of one append. They stay until acknowledged."""
        events: list[bytes] = []
        size = 0
        proof = self._acknowledged_proof
        seq = self._acknowledged_seq
        for entry in self._waiting:
            if events and (size + len(entry.data) > BATCH_BYTES or len(events) == BATCH_EVENTS):
                break
            events.append(entry.data)
            size += len(entry.data)
            seq, _, proof = entry
        first = self._waiting[0].seq if events else self._acknowledged_seq + 1
        end = self._end if events and seq == self._last else None
        return Batch(first, events, proof, first > self._acknowledged_seq + 1, end)

    def acknowledge(self, seq: int) -> None:
        """The store's last seq is `seq`: forget what it has, and go back to what it has lost.

        A store that has gone back (a fail-over) gets the newest acknowledged events again, with the same bytes. Where
        it went back further than those reach, the next batch declares a hole.
        """
        if seq < self._acknowledged_seq:
            self._go_back(seq)
            return
        while self._waiting and self._waiting[0].seq <= seq:
            entry = self._waiting.popleft()
            self._acknowledged_seq, _, self._acknowledged_proof = entry
            self._sent.append(entry)
            self._sent_bytes += len(entry.data)
        while len(self._sent) > RESEND_EVENTS or self._sent_bytes > RESEND_BYTES:
            self._base = self._sent.popleft()
            self._sent_bytes -= len(self._base.data)

    def abandon(self) -> None:
        """Drop all that waits, as if it had never been accepted: the store has no room for it."""
        self._waiting.clear()
        self._last = self._acknowledged_seq
        self._proof = self._acknowledged_proof
        self._end = None

    def _put(self, data: bytes) -> int:
        self._last += 1
        self._waiting.append(Entry(self._last, data, self._proof))
        return self._last

    def _go_back(self, seq: int) -> None:
        while self._sent and self._sent[-1].seq > seq:
            entry = self._sent.pop()
            self._sent_bytes -= len(entry.data)
            self._waiting.appendleft(entry)
        self._acknowledged_seq = seq
        self._acknowledged_proof = (self._sent[-1] if self._sent else self._base).proof
