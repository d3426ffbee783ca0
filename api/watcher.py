"""One open response: sends, waits, keeps the connection alive, and notices when its client has gone or stalls.

Under our own server (`api.protocol`) the body goes straight to the transport; under any other, through ASGI's `send`.
"""

import asyncio
import fcntl
import struct
import sys
import termios
from collections.abc import Sequence
from typing import Any, Protocol

from starlette.types import Receive, Scope, Send

from api import frames
from api.live import Live
from api.run import Run

HEARTBEAT_SECONDS = 14.0  # a check each second keeps the promise of 15
STALL_SECONDS = 30.0
_TICKED = 200
HEARTBEAT = frames.comment("still here")
_HEARTBEAT_WIRE = frames.http_chunk([HEARTBEAT])

HEADERS = [
    (b"content-type", b"text/event-stream; charset=utf-8"),
    (b"cache-control", b"no-store, no-transform"),
    (b"x-accel-buffering", b"no"),
    (b"x-content-type-options", b"nosniff"),
]


class Watchers:
    """All open responses of the process, and the clock that ticks for them."""

    def __init__(self) -> None:
        self._open: set[Watcher] = set()
        self.draining = False

    def add(self, watcher: "Watcher") -> None:
        """It is open from now on."""
        self._open.add(watcher)

    def remove(self, watcher: "Watcher") -> None:
        """It is closed."""
        self._open.discard(watcher)

    def drain(self) -> None:
        """The process is to stop: each stream says when to come back, and closes."""
        self.draining = True
        for watcher in self._open:
            watcher.wake()

    async def tick(self) -> None:
        """Wake who needs a heartbeat and cut off who takes nothing, until cancelled."""
        loop = asyncio.get_running_loop()
        while True:
            await asyncio.sleep(1.0)
            now = loop.time()
            for count, watcher in enumerate(list(self._open), 1):
                watcher.tick(now)
                if count % _TICKED == 0:
                    await asyncio.sleep(0)  # heartbeats to thousands at once would keep live lines waiting


class Listener(Protocol):
    """Who writes to a connection."""

    def lost(self) -> None:
        """The client has gone."""

    def filled(self) -> None:
        """More is unsent than should be."""


class Connection(Protocol):
    """What a server may offer as the scope's extension `deploytail.connection`, for a response in HTTP/1.1 chunks."""

    transport: asyncio.Transport
    listener: Listener | None

    def is_full(self) -> bool:
        """Whether more is unsent than should be."""

    async def drained(self) -> None:
        """Wait until it is not full."""


class Watcher:
    """The response to one request; `retry_ms` goes out first. A client that takes nothing for 30 s is cut off."""

    __slots__ = (
        "_connection",
        "_finished",
        "_gone",
        "_head",
        "_listener",
        "_live",
        "_loop",
        "_retry_ms",
        "_send",
        "_sending",
        "_sent_at",
        "_stalled_at",
        "_started",
        "_unsent",
        "_waiter",
        "_watchers",
        "cursor",
        "seq",
        "transport",
    )

    def __init__(self, watchers: Watchers, scope: Scope, receive: Receive, send: Send, retry_ms: int) -> None:
        self._watchers = watchers
        self._send = send
        self._retry_ms = retry_ms
        self._loop = asyncio.get_running_loop()
        self._started = False
        self._finished = False
        self._head = b""
        self._gone = False
        self._waiter: asyncio.Future[None] | None = None
        self._sent_at = self._loop.time()
        self._sending = False
        self._unsent = 0
        self._stalled_at: float | None = None
        self._live: Live | None = None
        self.cursor = self.seq = 0
        self._connection: Connection | None = scope.get("extensions", {}).get("deploytail.connection")
        self._listener: asyncio.Task[None] | None = None
        if self._connection is None:
            self._listener = asyncio.ensure_future(_disconnected(receive))
            self._listener.add_done_callback(lambda _: self.lost())
        else:
            self.transport = self._connection.transport
            self._connection.listener = self
        watchers.add(self)

    def close(self) -> None:
        """Let go of everything; call it in a `finally`."""
        self._watchers.remove(self)
        if self._listener is not None:
            self._listener.cancel()
        if self._connection is not None:
            self._connection.listener = None

    def is_open(self) -> bool:
        """Whether it is any use to send more."""
        return not self._gone and not self._watchers.draining

    @property
    def started(self) -> bool:
        """Whether the status line has been decided on."""
        return self._started

    async def start(self) -> None:
        """Send the headers and the first line at once, ahead of any event."""
        await self.send(b"")

    async def send(self, data: bytes) -> None:
        """Send frames; the first time headers and `retry` go ahead of them."""
        if not self._started:
            await self._begin()
        if self._head:
            data, self._head = self._head + data, b""
        if data:
            await self._put_body(data)

    async def send_chunk(self, wire: Sequence[bytes]) -> None:
        """Send frames that are one HTTP/1.1 chunk already, whose pieces may be shared."""
        if self._connection is None:
            await self.send(frames.http_chunk_data(b"".join(wire)))
            return
        if not self._started:
            await self._begin()
        if self._head:
            # In one write with the frames: a tenth of what it takes to open a stream.
            wire, self._head = [*frames.http_chunk_pieces([self._head]), *wire], b""
        await self._write(self._connection, wire)

    async def ride(self, live: Live, run: Run, cursor: int, seq: int) -> tuple[int, int]:
        """Get what comes behind `cursor`, the end of `run`, until woken; return the cursor and the seq then reached.

        Only where `can_ride`.
        """
        self.cursor, self.seq = cursor, seq
        if self.is_open():
            live.join(self, run, self._loop.time())
            self._live = live
            try:
                await self._woken()
            finally:
                self._live = None
                live.leave(self)
                self._sent_at = max(self._sent_at, live.sent_at)
        return self.cursor, self.seq

    @property
    def can_ride(self) -> bool:
        """Whether the body may go straight to the transport."""
        return self._connection is not None

    def lost(self) -> None:
        """The client has gone."""
        self._gone = True
        if self._live is not None:
            self._live.leave(self)  # at once: uvloop raises where a closed transport is written to
        self.wake()

    def filled(self) -> None:
        """The client is slow to take what it was sent."""
        if self._live is not None:
            self._live.filled(self)

    def is_full(self) -> bool:
        """Whether the client is slow to take what it was sent."""
        return self._connection is not None and self._connection.is_full()

    async def nothing(self) -> None:
        """Answer 204: the client has everything."""
        self._started = self._finished = True
        await self._put({"type": "http.response.start", "status": 204, "headers": [HEADERS[1]]})
        await self._put({"type": "http.response.body", "body": b""})

    async def finish(self) -> None:
        """End the response; one that is cut short by a drain says when to come back."""
        if self._gone or self._finished:
            return
        self._finished = True
        if self._watchers.draining:
            await self.send(frames.retry(self._retry_ms))
        else:
            await self.send(b"")
        await self._put({"type": "http.response.body", "body": b""})

    def wake(self) -> None:
        """Something may have changed for this watcher."""
        if self._waiter is not None and not self._waiter.done():
            self._waiter.set_result(None)

    async def wait(self, timeout: float | None = None) -> bool:  # noqa: ASYNC109 - a wake by itself is no error
        """Wait until woken, or for at most `timeout` seconds; return whether it is any use to go on.

        Sends a heartbeat when one is due.
        """
        timer = None if timeout is None else self._loop.call_later(timeout, self.wake)
        if self.is_open():
            try:
                await self._woken()
            finally:
                if timer is not None:
                    timer.cancel()
        if self.is_open() and self._loop.time() - self._sent_at >= HEARTBEAT_SECONDS:
            await self.send(HEARTBEAT)
        return self.is_open()

    async def sleep(self, seconds: float) -> bool:
        """Wait for so long, whatever wakes it, with heartbeats; return whether it is any use to go on."""
        end = self._loop.time() + seconds
        while (left := end - self._loop.time()) > 0:
            if not await self.wait(left):
                return False
        return self.is_open()

    def tick(self, now: float) -> None:
        """Look at the clock: a heartbeat may be due, or the client may have taken nothing for too long."""
        if self._gone:
            return
        if self._sending or self.is_full():
            self._look_for_stall(now)
            return
        self._stalled_at = None
        if self._live is not None:
            self._sent_at = max(self._sent_at, self._live.sent_at)
            if now - self._sent_at >= HEARTBEAT_SECONDS:
                self.transport.write(_HEARTBEAT_WIRE)
                self._sent_at = now
        elif now - self._sent_at >= HEARTBEAT_SECONDS:
            self.wake()

    def _look_for_stall(self, now: float) -> None:
        if self._connection is None:
            return
        unsent = _unsent(self._connection.transport)
        if self._stalled_at is None or unsent < self._unsent:
            self._unsent, self._stalled_at = unsent, now  # slow, but it takes something
        elif now - self._stalled_at >= STALL_SECONDS:
            self._connection.transport.abort()

    async def _woken(self) -> None:
        self._waiter = self._loop.create_future()
        try:
            await self._waiter
        finally:
            self._waiter = None

    async def _begin(self) -> None:
        self._started = True
        self._head = frames.retry(self._retry_ms)
        await self._put({"type": "http.response.start", "status": 200, "headers": HEADERS})

    async def _put(self, message: dict[str, Any]) -> None:
        if self._gone:
            return
        self._sending = True
        try:
            await self._send(message)
        except OSError:
            self._gone = True
        finally:
            self._sending = False
            self._sent_at = self._loop.time()

    async def _put_body(self, data: bytes) -> None:
        if self._connection is None:
            await self._put({"type": "http.response.body", "body": data, "more_body": True})
        else:
            await self._write(self._connection, frames.http_chunk_pieces([data]))

    async def _write(self, connection: Connection, wire: Sequence[bytes]) -> None:
        await self._drained(connection)
        if not self._gone:
            connection.transport.writelines(wire)
            self._sent_at = self._loop.time()
            await self._drained(connection)

    async def _drained(self, connection: Connection) -> None:
        if not connection.is_full():
            return
        self._sending = True
        try:
            await connection.drained()
        finally:
            self._sending = False
            self._sent_at = self._loop.time()


async def _disconnected(receive: Receive) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass


def _unsent(transport: asyncio.Transport) -> int:
    """How many bytes the client has not taken yet, of what we hold and, where the system tells, of what it holds."""
    held = transport.get_write_buffer_size()
    connection = transport.get_extra_info("socket")
    if connection is None or sys.platform != "linux":
        return held
    try:
        (queued,) = struct.unpack("i", fcntl.ioctl(connection.fileno(), termios.TIOCOUTQ, b"\0" * 4))
    except OSError:
        return held
    return held + int(queued)
