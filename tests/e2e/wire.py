"""A proxy between Redis and its clients that knows where a reply begins and ends, and so can lose single ones."""

import asyncio
import socket
import threading
from collections.abc import Callable
from contextlib import suppress
from types import TracebackType
from typing import Self
from urllib.parse import urlsplit

_SMALL_BUFFER = 4096


class Wire:
    """Stands on a free loopback port in front of the Redis at `target`. Use it in a `with`; change it while it runs.

    `swallow`: no reply reaches anybody, though all commands are carried out. `hang`: nothing is read any more from
    subscriptions, and nothing said on them. `lose`: says of each published message whether it gets lost; `lost` counts.
    `cut_every`: in the place of each such reply, of those that are arrays, its connection is cut; `cuts` counts.
    """

    def __init__(self, target: str) -> None:
        parts = urlsplit(target)
        self._target = parts.hostname, parts.port
        self._path = parts.path
        self.swallow = False
        self.hang = False
        self.lose: Callable[[bytes], bool] = lambda _: False
        self.lost = 0
        self.cut_every: int | None = None
        self.cuts = 0
        self._replies = 0
        self._ready = threading.Event()
        self._tasks: set[asyncio.Task[None]] = set()
        self._thread = threading.Thread(target=lambda: asyncio.run(self._main()), name="wire")

    def __enter__(self) -> Self:
        self._thread.start()
        self._ready.wait()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._loop.call_soon_threadsafe(self._stop.set)
        self._thread.join()

    async def _main(self) -> None:
        self._loop = asyncio.get_running_loop()
        self._stop = asyncio.Event()
        server = await asyncio.start_server(self._serve, "127.0.0.1", 0)
        self.url = f"redis://127.0.0.1:{server.sockets[0].getsockname()[1]}{self._path}"
        self._ready.set()
        await self._stop.wait()
        server.close()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._tasks.add(task)
        raw = socket.socket()
        # So that a subscription that is not read from is soon felt by the server.
        raw.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, _SMALL_BUFFER)
        raw.setblocking(False)
        try:
            await self._loop.sock_connect(raw, self._target)
            server_reader, server = await asyncio.open_connection(sock=raw)
        except OSError:
            raw.close()
            writer.transport.abort()
            self._tasks.discard(task)
            return
        parts = [
            asyncio.ensure_future(self._up(reader, server)),
            asyncio.ensure_future(self._down(server_reader, writer)),
        ]
        try:
            await asyncio.wait(parts, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for part in parts:
                part.cancel()
            await asyncio.gather(*parts, return_exceptions=True)
            server.transport.abort()
            writer.transport.abort()
            self._tasks.discard(task)

    async def _up(self, reader: asyncio.StreamReader, server: asyncio.StreamWriter) -> None:
        while data := await reader.read(65536):
            server.write(data)
            await server.drain()

    async def _down(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        subscribed = False
        with suppress(asyncio.IncompleteReadError):
            while True:
                while subscribed and self.hang:  # noqa: ASYNC110 - set from another thread
                    await asyncio.sleep(0.01)
                reply = await _reply(reader)
                subscribed = subscribed or b"\r\nsubscribe\r\n" in reply[:30]
                self._replies += reply.startswith(b"*")
                if self.cut_every and reply.startswith(b"*") and self._replies % self.cut_every == 0:
                    self.cuts += 1
                    return
                if self.swallow:
                    continue
                if b"\r\nmessage\r\n" in reply[:30] and self.lose(reply):
                    self.lost += 1
                    continue
                writer.write(reply)
                await writer.drain()


async def _reply(reader: asyncio.StreamReader) -> bytes:
    """One reply, with all that is nested in it."""
    reply = await reader.readuntil(b"\r\n")
    kind, rest = reply[:1], reply[1:-2]
    if kind in b"$=!" and rest != b"-1":
        return reply + await reader.readexactly(int(rest) + 2)
    if kind in b"*~>%" and rest != b"-1":
        return reply + b"".join([await _reply(reader) for _ in range(int(rest) * (2 if kind == b"%" else 1))])
    return reply
