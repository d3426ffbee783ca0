"""What the tests of the API share: events as bytes, a log as the store would hold it, and streams taken apart."""

import asyncio
import copy
import json
import time
from collections import Counter
from collections.abc import AsyncIterator, Callable, MutableMapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from types import GeneratorType
from typing import Any, NamedTuple, TypeVar, cast

import redis.asyncio

from api.hub import Hub
from api.limits import Slots
from api.pace import Pace
from api.stream import LogStream
from api.watcher import Listener, Watchers
from producer import calls
from producer.calls import Procedure
from producer.connect import connect_async
from producer.deploys import Limits, Request, create_deploy
from producer.event import decode, encode_line, encode_status
from producer.keys import Keys
from producer.library import new_token
from producer.outbox import End, Outbox
from producer.proof import Proof
from producer.state import Snapshot, State
from producer.status import Status, last_line
from producer.store import AsyncStore, Store

T = TypeVar("T")

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
    writer: str = "writer"
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
            writer=self.writer,
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

    def __init__(
        self,
        store: Store,
        keys: Keys,
        limits: Limits | None = None,
        *,
        building: bool = True,
        job: str | None = None,
    ) -> None:
        self.keys = keys
        self.token = new_token()
        self._store = store
        self._unheard = False
        store.run(create_deploy(keys, new_token(), time.time(), Request(job=job), limits or Limits()))
        if building:
            self.claim()

    def claim(self) -> None:
        """Become its writer."""
        at = time.time()
        event = encode_status(2, at, Status.BUILDING)
        claimed = self._store.run(calls.claim(self.keys, self.token, event, 2, at))
        self._outbox = Outbox(claimed.seq, claimed.proof)

    def write(self, *lines: str, ts: Sequence[float] | None = None) -> None:
        """Append lines, in one call."""
        for number, text in enumerate(lines):
            self._outbox.accept(time.time() if ts is None else ts[number], text)
        self._append()

    def finish(self, status: Status = Status.COMPLETE, *lines: str, ts: Sequence[float] = (), at: float = 0.0) -> None:
        """Append lines, the last line and the terminal status, in one call."""
        at = at or time.time()
        for number, text in enumerate(lines):
            self._outbox.accept(ts[number] if ts else at, text)
        reason = "it broke" if status is Status.FAILED else None
        self._outbox.accept(at, last_line(status, reason), "system")
        self._outbox.finish(End(status, reason, None, at))
        self._append()

    def _append(self) -> None:
        while not self._outbox.empty:
            append = calls.append(self.keys, self.token, self._outbox.batch())
            self._outbox.acknowledge(self._store.run(_unpublished(append) if self._unheard else append).seq)

    def writing_unheard(self) -> "Deploy":
        """The same deploy, whose events get into the list and are not published: the messages are swallowed."""
        unheard = copy.copy(self)
        unheard._unheard = True
        return unheard


def _unpublished(procedure: Procedure[calls.Appended]) -> Procedure[calls.Appended]:
    """The call, with a channel that nobody listens to."""
    request = next(procedure)
    assert isinstance(request, calls.Call)
    state, log, _ = request.keys
    try:
        procedure.send((yield replace(request, keys=(state, log, f"{state}:nobody"))))
    except StopIteration as stop:
        answer: calls.Appended = stop.value
        return answer
    raise AssertionError("an append is one call")


class Gate:
    """A point at which a call of the store waits: `arrived` tells that it is there, `open` lets it go on."""

    def __init__(self, procedure: str, count: int, *, after: bool) -> None:
        self.matches = procedure, count, after
        self.arrived = asyncio.Event()
        self._open = asyncio.Event()

    def open(self) -> None:
        """Let it go on."""
        self._open.set()

    async def wait(self) -> None:
        """Be there."""
        self.arrived.set()
        await self._open.wait()


class GatedStore(AsyncStore):
    """A real store whose calls are counted, by the name of their procedure, and held or broken where a test says."""

    def __init__(self, client: "redis.asyncio.Redis") -> None:
        super().__init__(client)
        self.count: Counter[str] = Counter()
        self.errors: list[Exception] = []
        self._gates: list[Gate] = []

    def hold(self, procedure: str, count: int, *, after: bool = False) -> Gate:
        """Hold the count-th call of `procedure`, before Redis gets it or after it has answered."""
        gate = Gate(procedure, count, after=after)
        self._gates.append(gate)
        return gate

    async def run(self, procedure: Procedure[T]) -> T:
        """Run a procedure, through the gates that it meets."""
        name = cast("GeneratorType[Any, Any, Any]", procedure).__name__
        self.count[name] += 1
        count = self.count[name]
        await self._pass(name, count, after=False)
        answer = await super().run(procedure)
        await self._pass(name, count, after=True)
        return answer

    async def _ask(self, request: calls.Request) -> Any:
        if self.errors:
            raise self.errors.pop(0)
        return await super()._ask(request)

    async def _pass(self, name: str, count: int, *, after: bool) -> None:
        for gate in self._gates:
            if gate.matches == (name, count, after):
                await gate.wait()


@dataclass
class Service:
    """The parts of one API process, in this one."""

    hub: Hub
    store: GatedStore
    watchers: Watchers = field(default_factory=Watchers)
    slots: Slots = field(default_factory=lambda: Slots(1_000, 1_000))

    def watch(self, keys: Keys, n: int | None = None, pace: Pace | None = None) -> "Watch":
        """Open a stream."""
        return Watch(LogStream(self.hub, self.watchers, self.slots, keys, n, pace))

    async def replay(self, keys: Keys, n: int | None = None, pace: Pace | None = None) -> list[str]:
        """Read a stream to its end, in short."""
        return await self.watch(keys, n, pace).read()

    async def empty(self) -> None:
        """Wait until nobody watches and nothing is held but finished logs."""
        await until(lambda: self.slots.taken == 0 and self.hub.statistics().topics == 0)
        statistics = self.hub.statistics()
        assert (statistics.watchers, statistics.channels) == (0, 0)


@asynccontextmanager
async def serving(url: str, memory: int = 64 * 1024 * 1024) -> AsyncIterator[Service]:
    """A hub on a real Redis, connected."""
    store = GatedStore(connect_async(url, connections=16, retries=0))
    service = Service(Hub(store, url, memory), store)
    subscription = asyncio.ensure_future(service.hub.run())
    try:
        await until(lambda: service.hub.statistics().connected)
        yield service
        assert not subscription.done(), "the subscription has ended"
    finally:
        subscription.cancel()
        await asyncio.gather(subscription, return_exceptions=True)
        await service.hub.close()
        await store.client.aclose()


class Direct:
    """A server's connection that a watcher writes to by itself: see `api.watcher.Connection`."""

    def __init__(self, watch: "Watch") -> None:
        self._watch = watch
        self.listener: Listener | None = None

    @property
    def transport(self) -> "Direct":
        """It is its own transport."""
        return self

    def write(self, wire: bytes) -> None:
        """Whole chunks of a body in HTTP/1.1."""
        taken = b""
        while wire:
            head, _, wire = wire.partition(b"\r\n")
            size = int(head, 16)
            data, end, wire = wire[:size], wire[size : size + 2], wire[size + 2 :]
            assert (len(data), end) == (size, b"\r\n")
            taken += data
        self._watch.take(taken)

    def writelines(self, pieces: Sequence[bytes]) -> None:
        """The same, in pieces."""
        self.write(b"".join(pieces))

    def is_full(self) -> bool:
        """Whether the client is slow."""
        return not self._watch.taking.is_set()

    async def drained(self) -> None:
        """Wait until it is not."""
        await self._watch.taking.wait()


class Watch:
    """A client of a stream, without HTTP. While `taking` is clear, what is sent has to wait.

    `direct`: on a server whose connection may be written to.
    """

    direct = True

    def __init__(self, stream: LogStream, *, stalled: bool = False) -> None:
        self.status: int | None = None
        self.headers: dict[bytes, bytes] = {}
        self.body = b""
        self.closed = False
        self.taking = asyncio.Event()
        if not stalled:
            self.taking.set()
        self._gone = asyncio.Event()
        self._connection = Direct(self)
        extensions = {"deploytail.connection": self._connection} if self.direct else {}
        scope = {"type": "http", "client": ("127.0.0.1", 1), "extensions": extensions}
        self.task = asyncio.ensure_future(stream(scope, self._receive, self._send))

    @classmethod
    def stalled(cls, service: Service, keys: Keys, n: int | None = None) -> "Watch":
        """One that takes nothing yet, not even the headers."""
        return cls(LogStream(service.hub, service.watchers, service.slots, keys, n, None), stalled=True)

    @property
    def words(self) -> list[str]:
        """What has come so far, in short."""
        return words(self.body)

    async def has(self, *expected: str) -> None:
        """Wait until exactly this has come."""
        await until(lambda: len(self.words) >= len(expected) or self.task.done())
        assert self.words == list(expected)

    async def finished(self) -> None:
        """Wait until the response has ended. Raises what the stream raised."""
        async with asyncio.timeout(10):
            await asyncio.shield(self.task)

    async def read(self) -> list[str]:
        """Read to the end; what has come, in short."""
        await self.finished()
        assert self.closed
        return self.words

    async def leave(self) -> None:
        """Go away."""
        self._gone.set()
        self.taking.set()
        if self._connection.listener is not None:
            self._connection.listener.lost()
        await self.finished()

    def take(self, data: bytes) -> None:
        """A part of the body has come."""
        assert self.status is not None, "a body needs a start"
        assert not self.closed, "nothing follows the end"
        self.body += data

    async def _receive(self) -> dict[str, Any]:
        await self._gone.wait()
        return {"type": "http.disconnect"}

    async def _send(self, message: MutableMapping[str, Any]) -> None:
        await self.taking.wait()
        if self._gone.is_set():
            raise OSError("the client has gone")
        if message["type"] == "http.response.start":
            assert self.status is None, "a response starts once"
            self.status, self.headers = message["status"], dict(message["headers"])
            return
        self.take(message["body"])
        self.closed = not message.get("more_body", False)


async def until(condition: Callable[[], object], seconds: float = 10) -> None:
    """Wait until the condition holds."""
    async with asyncio.timeout(seconds):
        while not condition():  # noqa: ASYNC110 - a condition on Redis or on a stream has no event
            await asyncio.sleep(0.002)
