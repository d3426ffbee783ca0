"""The watchers of the soak: plain ones, and all the manners in which a client can be slow, hasty or rude."""

import asyncio
import socket
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from random import Random
from typing import NamedTuple
from urllib.parse import urlsplit

from producer.keys import Keys
from scripts.soak_course import Course
from scripts.soak_ledger import Ledger, Record
from scripts.soak_parts import Replica

_SILENCE_SECONDS = 20.0  # a comment is due every 15
_CONNECT_SECONDS = 10.0
_TRICKLE_SECONDS = 0.01
_PIECE = 64 * 1024


@dataclass(frozen=True)
class Manner:
    """How a watcher behaves. `leaves`: it goes after so many events of a connection, without a word, and comes back.

    `piece` and `pause`: it reads so many bytes, then waits. `stalls`: after so many events it stops reading for that
    many seconds. `trickles`: it sends its request byte by byte. `back`: seconds until it comes back. `for_good`: it
    does not. `proxied`: it comes through the fault proxy. A `hostile` one calms down when it is told to.
    """

    hostile: bool = False
    leaves: int = 0
    piece: int = _PIECE
    pause: float = 0.0
    stalls: int = 0
    stall_seconds: float = 0.0
    trickles: bool = False
    back: float = 1.0
    for_good: bool = False
    proxied: bool = False


MANNERS = {
    "plain": Manner(),
    "proxied": Manner(proxied=True),
    "hopping": Manner(leaves=40, back=0.5),
    "slow": Manner(hostile=True, piece=512, pause=0.5),
    "stalling": Manner(hostile=True, piece=2048, stalls=10, stall_seconds=40.0),
    "vanishing": Manner(hostile=True, leaves=5, for_good=True),
    "hammering": Manner(hostile=True, leaves=1, back=0.1),
    "trickling": Manner(hostile=True, trickles=True),
}


class Event(NamedTuple):
    """One event of a stream."""

    kind: str
    data: bytes
    id: str


class Decoder:
    """Takes the body of a response, chunked, in whatever pieces; gives its events. `ended`: the last chunk came."""

    def __init__(self) -> None:
        self._raw = b""
        self._left = 0
        self._text = b""
        self.ended = False

    def feed(self, data: bytes) -> list[Event]:
        """The events that are complete with this."""
        self._raw += data
        while self._raw and not self.ended:
            if self._left > 2:
                part = self._raw[: self._left - 2]
                self._text += part
                self._raw = self._raw[len(part) :]
                self._left -= len(part)
                continue
            if self._left:  # the line break behind a chunk
                dropped = min(self._left, len(self._raw))
                self._raw, self._left = self._raw[dropped:], self._left - dropped
                continue
            size, found, rest = self._raw.partition(b"\r\n")
            if not found:
                break
            self._raw, self._left = rest, int(size, 16) + 2
            self.ended = self._left == 2
        *blocks, self._text = self._text.split(b"\n\n")
        return [event for block in blocks if (event := _event(block))]


def _event(block: bytes) -> Event | None:
    fields = dict(line.partition(b": ")[::2] for line in block.split(b"\n") if not line.startswith(b":"))
    if b"data" not in fields:
        return None
    return Event(fields.get(b"event", b"message").decode(), fields[b"data"], fields.get(b"id", b"").decode())


class Watcher:
    """Follows one deploy to its end, over whichever replica, and records what it is told.

    It raises Wrong where the service does what it must never do.
    """

    def __init__(
        self,
        record: Record,
        replicas: list[Replica],
        ledger: Ledger,
        rng: Random,
        course: Course,
    ) -> None:
        self.record = record
        self._manner = MANNERS[record.manner]
        self._replicas = replicas
        self._ledger = ledger
        self._rng = rng
        self._course = course

    async def run(self) -> None:
        """Watch until the end of the log, or until it leaves for good."""
        record = self.record
        while not record.done:
            try:
                over = await self._connection()
            except (OSError, asyncio.IncompleteReadError):
                over = False
            if over or (self._manner.for_good and not self._behaves()):
                return
            if not record.done:
                self._ledger.reconnects += 1
                await asyncio.sleep(self._manner.back * self._rng.uniform(0.5, 1.5))
        if self._rng.random() < 0.2:
            await self._come_back()

    def _behaves(self) -> bool:
        return not self._manner.hostile or self._course.calm()

    async def _connection(self) -> bool:
        """One connection; whether there is nothing more to come."""
        async with self._request() as (reader, status):
            if status == 204:
                if not self.record.done:
                    self.record.flaws.append("204, though the end had not come")
                return True
            if status in (429, 503):
                self._ledger.refusals[str(status)] += 1
                return False
            if status != 200:
                raise Wrong(f"HTTP status {status}")
            await self._read(reader)
        return False

    async def _read(self, reader: asyncio.StreamReader) -> None:
        manner, decoder = self._manner, Decoder()
        taken, stalled = 0, False
        while not decoder.ended:
            piece = _PIECE if self._behaves() else manner.piece
            try:
                async with asyncio.timeout(_SILENCE_SECONDS):
                    data = await reader.read(piece)
            except TimeoutError:
                raise Wrong(f"no sign of life for {_SILENCE_SECONDS:g} s") from None
            if not data:
                return
            for event in decoder.feed(data):
                self.record.take(*event)
                self._ledger.events += 1
                taken += 1
                if manner.leaves and taken >= manner.leaves and not self._behaves_at_leaving():
                    return
            if not self._behaves():
                if manner.stalls and taken >= manner.stalls and not stalled:
                    stalled = True
                    await self._doze(manner.stall_seconds)
                else:
                    await self._doze(manner.pause)

    def _behaves_at_leaving(self) -> bool:
        return self._manner.hostile and self._course.calm()

    async def _doze(self, seconds: float) -> None:
        end = time.monotonic() + seconds
        while not self._course.calm() and (left := end - time.monotonic()) > 0:  # noqa: ASYNC110 - the course has no events
            await asyncio.sleep(min(left, 0.25))

    async def _come_back(self) -> None:
        """Who has the end as well is told to stay away, or nothing but the end again."""
        kinds: list[str] = []
        try:
            async with self._request() as (reader, status):
                if status not in (200, 204, 429, 503):
                    self.record.flaws.append(f"HTTP status {status} for one that has everything")
                decoder = Decoder()
                async with asyncio.timeout(_SILENCE_SECONDS):
                    while status == 200 and not decoder.ended and (data := await reader.read(_PIECE)):
                        events = decoder.feed(data)
                        kinds += [event.kind for event in events]
                        self.record.tail += [f"again: {event}" for event in events]
        except (OSError, asyncio.IncompleteReadError, Wrong):
            pass  # it is the faults' turn again; a time-out is an OSError, too
        if kinds not in ([], ["done"]):
            self.record.flaws.append(f"one that has everything was told: {', '.join(kinds[:5])}")

    @asynccontextmanager
    async def _request(self) -> AsyncIterator[tuple[asyncio.StreamReader, int]]:
        """Ask for the stream; the reader of its body, and the status of the answer."""
        replica, last = self._rng.choice(self._replicas), self.record.last_id
        proxied = self._manner.proxied and replica.proxy is not None
        url = replica.proxy.url if proxied and replica.proxy else replica.url
        path, header = _path(self.record.deploy.keys), ""
        if last and self._rng.random() < 0.5:
            header = f"Last-Event-ID: {last}\r\n"
        elif last:
            path += f"?last_event_id={last}"
        self.record.connections += 1
        self._ledger.connections += 1
        trickles = self._manner.trickles and not self._behaves()
        async with ask(url, path, header, piece=self._manner.piece, trickles=trickles) as answer:
            yield answer


class Wrong(Exception):
    """The service did what it must never do."""


@asynccontextmanager
async def ask(
    url: str, path: str, header: str = "", *, piece: int = _PIECE, trickles: bool = False
) -> AsyncIterator[tuple[asyncio.StreamReader, int]]:
    """Ask the API at `url` for a stream; the reader of the body, and the status of the answer.

    Takes little ahead of who reads small pieces. Raises Wrong where no answer comes.
    """
    parts = urlsplit(url)
    raw = socket.socket()
    raw.setblocking(False)
    if piece < _PIECE:
        raw.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    try:
        async with asyncio.timeout(_CONNECT_SECONDS):
            await asyncio.get_running_loop().sock_connect(raw, (parts.hostname, parts.port))
    except BaseException:
        raw.close()
        raise
    reader, writer = await asyncio.open_connection(sock=raw, limit=piece)
    try:
        request = f"GET {path} HTTP/1.1\r\nHost: soak\r\nAccept: text/event-stream\r\n{header}\r\n".encode()
        for part in [bytes([byte]) for byte in request] if trickles else [request]:
            writer.write(part)
            await writer.drain()
            await asyncio.sleep(_TRICKLE_SECONDS if trickles else 0)
        try:
            async with asyncio.timeout(_SILENCE_SECONDS):
                status = int((await reader.readuntil(b"\r\n")).split()[1])
                while await reader.readuntil(b"\r\n") != b"\r\n":
                    pass
        except TimeoutError:
            raise Wrong(f"no answer to a request within {_SILENCE_SECONDS:g} s") from None
        yield reader, status
    finally:
        writer.transport.abort()


async def vanish(replica: Replica, keys: Keys, seconds: float) -> None:
    """Ask for a stream, and be gone after so many seconds."""
    parts = urlsplit(replica.url)
    try:
        _, writer = await asyncio.open_connection(parts.hostname, parts.port)
    except OSError:
        return
    writer.write(f"GET {_path(keys)} HTTP/1.1\r\nHost: soak\r\n\r\n".encode())
    await asyncio.sleep(seconds)
    writer.transport.abort()


def _path(keys: Keys) -> str:
    return f"/v1/apps/{keys.app}/deploys/{keys.deploy}/logs/stream"
