"""Faults: a TCP proxy that cuts, delays and refuses connections, and the processes that there are to be killed."""

import asyncio
import socket
import struct
import threading
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Self
from urllib.parse import urlsplit

_PIECE = 64 * 1024
_RESET = struct.pack("ii", 1, 0)  # linger for no time: a close is a reset


@dataclass
class Faults:
    """What befalls each connection. May be changed while the proxy runs: it is looked at for every piece.

    `cut_every`: seconds that a connection lives. `cut_after`: bytes that reach the client before it ends.
    `single_bytes`: each byte to the client goes on its own. `delay`: seconds before each piece to the client.
    `refuse`: reset as soon as it is opened.
    """

    cut_every: float | None = None
    cut_after: int | None = None
    single_bytes: bool = False
    delay: float = 0.0
    refuse: bool = False


class FaultProxy:
    """Stands on a free loopback port in front of `target`, a URL. Use it in a `with`.

    `requests` are the bytes that clients have sent, unless it does not `remember` them; `connections` and `cuts` are
    counted.
    """

    def __init__(self, target: str, faults: Faults | None = None, *, remember: bool = True) -> None:
        self.aim(target)
        self.faults = faults or Faults()
        self._remember = remember
        self.requests: list[bytes] = []
        self.connections = 0
        self.cuts = 0
        self.port = 0
        self._open: dict[asyncio.StreamWriter, asyncio.Task[None] | None] = {}
        self._ready = threading.Event()
        self._thread = threading.Thread(target=lambda: asyncio.run(self._main()), name="fault proxy")

    def __enter__(self) -> Self:
        self._thread.start()
        self._ready.wait()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._loop.call_soon_threadsafe(self._stop.set)
        self._thread.join()

    @property
    def url(self) -> str:
        """The target's address, with the proxy in its place."""
        return f"{self._scheme}://127.0.0.1:{self.port}{self._path}"

    def aim(self, target: str) -> None:
        """Lead connections to this URL from now on. Raises ValueError for one without host and port."""
        parts = urlsplit(target)
        if not parts.hostname or not parts.port:
            raise ValueError(f"{target!r} names no host and port")
        self._target = parts.hostname, parts.port
        self._scheme, self._path = parts.scheme, parts.path

    def cut(self) -> None:
        """Cut every open connection now."""
        self._loop.call_soon_threadsafe(self._cut_all)

    async def _main(self) -> None:
        self._loop = asyncio.get_running_loop()
        self._stop = asyncio.Event()
        server = await asyncio.start_server(self._serve, "127.0.0.1", 0)
        self.port = server.sockets[0].getsockname()[1]
        self._ready.set()
        await self._stop.wait()
        server.close()
        serving = [task for task in self._open.values() if task is not None]
        for writer in self._open:
            writer.transport.abort()
        await asyncio.gather(*serving)

    def _cut_all(self) -> None:
        for writer in self._open:
            self.cuts += 1
            writer.transport.abort()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        self._open[writer] = asyncio.current_task()
        try:
            if self.faults.refuse:
                _reset(writer)
                return
            async with asyncio.timeout(self.faults.cut_every):
                await self._join(reader, writer)
        except TimeoutError:
            self.cuts += 1
        except OSError:
            pass  # one of the two went away
        finally:
            del self._open[writer]
            writer.transport.abort()

    async def _join(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        server_reader, server = await asyncio.open_connection(*self._target)
        try:
            up = asyncio.ensure_future(self._up(reader, server))
            down = asyncio.ensure_future(self._down(server_reader, writer))
            try:
                await asyncio.wait({up, down}, return_when=asyncio.FIRST_COMPLETED)
            finally:
                up.cancel()
                down.cancel()
                await asyncio.gather(up, down, return_exceptions=True)
        finally:
            server.transport.abort()

    async def _up(self, reader: asyncio.StreamReader, server: asyncio.StreamWriter) -> None:
        while data := await reader.read(_PIECE):
            if self._remember:
                self.requests.append(data)
            server.write(data)
            await server.drain()

    async def _down(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        passed = 0
        while data := await reader.read(1 if self.faults.single_bytes else _PIECE):
            await asyncio.sleep(self.faults.delay)
            left = None if self.faults.cut_after is None else self.faults.cut_after - passed
            writer.write(data[:left])
            await writer.drain()
            passed += len(data)
            if left is not None and len(data) >= left:
                self.cuts += 1
                break
        # What was passed on must arrive before the end does.
        writer.close()
        with suppress(OSError):
            await writer.wait_closed()


def _reset(writer: asyncio.StreamWriter) -> None:
    raw = writer.get_extra_info("socket")
    raw.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET)


def descendants(pid: int) -> set[int]:
    """The process ids of all that the process has started, and of what those have."""
    children: dict[int, list[int]] = {}
    for stat in Path("/proc").glob("[0-9]*/stat"):
        with suppress(OSError):
            # The name, in parentheses, may hold anything; behind it come the state and the parent.
            parent = int(stat.read_text().rpartition(")")[2].split()[1])
            children.setdefault(parent, []).append(int(stat.parent.name))
    found: set[int] = set()
    waiting = [pid]
    while waiting:
        new = children.get(waiting.pop(), [])
        found.update(new)
        waiting.extend(new)
    return found


def alive(pids: set[int]) -> set[int]:
    """Those of the processes that have not ended."""
    left = set()
    for pid in pids:
        with suppress(OSError):
            state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
            if state not in "ZX":
                left.add(pid)
    return left
