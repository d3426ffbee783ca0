"""A process full of watchers: `python -m scripts.swarming.watching API_URL`, with orders on its standard input.

Each watcher is a raw connection with a callback, so that thousands of lines a second cost little: what it measures late
would be taken for the service's delay.
"""

import asyncio
import random
import resource
import sys
import time
from collections import Counter
from contextlib import suppress
from typing import cast
from urllib.parse import urlsplit

import uvloop

from producer.keys import Keys
from scripts.swarming.histogram import Histogram
from scripts.swarming.messages import Order, Report, Told, Watch
from scripts.swarming.process import serve
from scripts.swarming.witness import Witness
from scripts.wire import Decoder, stream_path

_SILENCE_SECONDS = 30.0  # a comment is due every 15
_CONNECT_SECONDS = 10.0
_BACK_SECONDS = 1.0
_FAR_FUTURE = float("inf")


class Stream(asyncio.Protocol):
    """One connection of a watcher. `closed` is done at its end; `status` is that of the answer, 0 where none came."""

    def __init__(self, witness: Witness, request: bytes, delays: Histogram) -> None:
        self.closed = asyncio.get_running_loop().create_future()
        self.status = 0
        self.heard = time.monotonic()
        self._witness = witness
        self._request = request
        self._delays = delays
        self._decoder = Decoder()
        self._head = b""
        self._live_from = _FAR_FUTURE
        self._transport: asyncio.Transport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Ask for the stream."""
        self._transport = cast(asyncio.Transport, transport)  # uvloop's are none by name
        self._transport.write(self._request)

    def data_received(self, data: bytes) -> None:
        """Take what has come."""
        now = time.time()
        self.heard = time.monotonic()
        if not self.status:
            self._head += data
            head, found, data = self._head.partition(b"\r\n\r\n")
            if not found:
                return
            self.status = int(head.split(None, 2)[1])
            self._live_from = now
        if self.status != 200:
            self.close()
            return
        try:
            events = self._decoder.feed(data)
        except ValueError:
            self._witness.flawed(f"the answer is not well-formed HTTP: {data!r:.200}")
            self.close()
            return
        if events:
            self._witness.take(events, now, self._live_from, self._delays)
        if self._decoder.ended:
            self.close()

    def connection_lost(self, exc: Exception | None) -> None:  # noqa: ARG002 - asyncio names it
        """It is over."""
        if not self.closed.done():
            self.closed.set_result(None)

    def close(self) -> None:
        """Be gone."""
        if self._transport is not None:
            self._transport.abort()


class Watcher:
    """One watcher, over all its connections. `stream` is its connection, while there is one."""

    def __init__(self, order: Watch) -> None:
        self.order = order
        self.path = stream_path(Keys(order.app, order.id))
        self.witness = Witness()
        self.stream: Stream | None = None


class Crowd:
    """All watchers of this process, on the service at `url`."""

    def __init__(self, url: str) -> None:
        parts = urlsplit(url)
        self._host, self._path = parts.hostname or "", parts.path.rstrip("/")
        self._tls = parts.scheme == "https"
        self._port = parts.port or (443 if self._tls else 80)
        self._watching: dict[Watcher, asyncio.Task[None]] = {}
        self._finished: list[Told] = []
        self._delivered = 0
        self._reconnects = 0
        self._gaps: Counter[str] = Counter()
        self._errors: Counter[str] = Counter()
        self._delays = Histogram()

    def take(self, order: Order) -> None:
        """Let a watcher come."""
        if isinstance(order, Watch):
            watcher = Watcher(order)
            self._watching[watcher] = asyncio.ensure_future(self._watch(watcher))

    def report(self) -> Report:
        """How they fare."""
        finished, self._finished = self._finished, []
        return Report(
            open=sum(watcher.stream is not None for watcher in self._watching),
            delivered=self._delivered + sum(watcher.witness.lines for watcher in self._watching),
            reconnects=self._reconnects,
            gaps=dict(self._gaps),
            errors=dict(self._errors),
            delays=dict(self._delays.counts),
            finished=finished,
        )

    async def leave(self, *, judged: bool) -> None:
        """Send everybody away; where that is `judged`, a stream that is still open is one that does not end."""
        for watcher, task in list(self._watching.items()):
            witness = watcher.witness
            if judged:
                where = f"the last that came was event {witness.verifier.last:,}"
                witness.flawed(f"its stream has not ended though its deploy has; {where}")
            task.cancel()
            self._through(watcher, left=not judged)

    async def keep_an_ear(self) -> None:
        """A stream that shows no sign of life for long is broken."""
        while True:
            await asyncio.sleep(1)
            now = time.monotonic()
            for watcher in self._watching:
                if watcher.stream is not None and now - watcher.stream.heard > _SILENCE_SECONDS:
                    watcher.witness.flawed(f"no sign of life for {_SILENCE_SECONDS:g} s")
                    watcher.stream.close()

    async def _watch(self, watcher: Watcher) -> None:
        witness = watcher.witness
        while True:
            try:
                status = await self._connection(watcher)
            except OSError as error:  # a time-out is one, too
                self._errors[f"a watcher could not connect: {type(error).__name__}"] += 1
                status = None
            if status == 0:
                self._errors["a watcher got no answer"] += 1
            elif status == 204 and not witness.done:
                witness.flawed("it was told that there is nothing more (204), but the end had not come")
            elif status in (429, 503):
                self._errors[f"a watcher got HTTP {status}"] += 1
            elif status not in (None, 0, 200, 204):
                witness.flawed(f"its request was answered with HTTP status {status}")
            if witness.done or witness.flaw is not None:
                break
            self._reconnects += 1
            await asyncio.sleep(_BACK_SECONDS * random.uniform(0.5, 1.5))
        self._through(watcher, left=False)

    async def _connection(self, watcher: Watcher) -> int:
        """One connection, to its end; the status of the answer."""
        last = watcher.witness.last_id
        resume = f"Last-Event-ID: {last}\r\n" if last else ""
        path = self._path + watcher.path
        request = f"GET {path} HTTP/1.1\r\nHost: {self._host}\r\nAccept: text/event-stream\r\n{resume}\r\n".encode()
        loop = asyncio.get_running_loop()
        async with asyncio.timeout(_CONNECT_SECONDS):
            _, stream = await loop.create_connection(
                lambda: Stream(watcher.witness, request, self._delays),
                self._host,
                self._port,
                ssl=True if self._tls else None,
            )
        watcher.stream = stream
        try:
            await stream.closed
        finally:
            watcher.stream = None
            stream.close()
        return stream.status

    def _through(self, watcher: Watcher, *, left: bool) -> None:
        del self._watching[watcher]
        witness = watcher.witness
        self._delivered += witness.lines
        self._gaps.update(witness.gaps)
        self._finished.append(
            Told(
                deploy=watcher.order.deploy,
                watcher=watcher.order.watcher,
                joined=watcher.order.joined,
                lines=witness.lines,
                status=witness.verifier.status,
                told_lines=witness.told.lines,
                told_crc32=witness.told.crc32,
                verified=witness.verified,
                left=left,
                flaw=witness.flaw,
            )
        )


async def _main(url: str) -> None:
    crowd = Crowd(url)
    listening = asyncio.ensure_future(crowd.keep_an_ear())
    await serve(crowd)
    listening.cancel()


if __name__ == "__main__":
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    with suppress(ValueError, OSError):
        resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))
    uvloop.run(_main(sys.argv[1]))
