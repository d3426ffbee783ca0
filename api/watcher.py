"""One open response: sends, waits, keeps the connection alive, and notices when its client has gone or stalls."""

import asyncio
import fcntl
import struct
import sys
import termios
from typing import Any

from starlette.types import Receive, Scope, Send

from api import frames

HEARTBEAT_SECONDS = 14.0  # a check each second keeps the promise of 15
STALL_SECONDS = 30.0
HEARTBEAT = frames.comment("still here")

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
            for watcher in list(self._open):
                watcher.tick(now)


class Watcher:
    """The response to one request; `retry_ms` goes out first. A client that takes nothing for 30 s is cut off."""

    def __init__(self, watchers: Watchers, scope: Scope, receive: Receive, send: Send, retry_ms: int) -> None:
        self._watchers = watchers
        self._receive = receive
        self._send = send
        self._retry_ms = retry_ms
        self._transport: asyncio.Transport | None = scope.get("extensions", {}).get("deploytail.transport")
        self._unsent = 0
        self._stalled_at: float | None = None
        self._loop = asyncio.get_running_loop()
        self._started = False
        self._finished = False
        self._head = b""
        self._gone = False
        self._waiter: asyncio.Future[None] | None = None
        self._sent_at = self._loop.time()
        self._sending = False
        self._listener = asyncio.ensure_future(self._listen())
        self._listener.add_done_callback(self._left)
        watchers.add(self)

    def close(self) -> None:
        """Let go of everything; call it in a `finally`."""
        self._watchers.remove(self)
        self._listener.cancel()

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
            await self._put({"type": "http.response.body", "body": data, "more_body": True})

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
            self._waiter = self._loop.create_future()
            try:
                await self._waiter
            finally:
                self._waiter = None
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
        if not self._sending:
            self._stalled_at = None
            if now - self._sent_at >= HEARTBEAT_SECONDS:
                self.wake()
        elif self._transport is not None:
            unsent = _unsent(self._transport)
            if self._stalled_at is None or unsent < self._unsent:
                self._unsent, self._stalled_at = unsent, now  # slow, but it takes something
            elif now - self._stalled_at >= STALL_SECONDS:
                self._transport.abort()

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

    async def _listen(self) -> None:
        while (await self._receive())["type"] != "http.disconnect":
            pass

    def _left(self, _: "asyncio.Task[None]") -> None:
        self._gone = True
        self.wake()


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
