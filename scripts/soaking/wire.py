"""What the soak's watchers speak: a request, on a socket that may be slow."""

import asyncio
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from urllib.parse import urlsplit

from producer.keys import Keys
from scripts.wire import stream_path

PIECE = 64 * 1024
SILENCE_SECONDS = 20.0  # a comment is due every 15
_CONNECT_SECONDS = 10.0
_TRICKLE_SECONDS = 0.01
_SMALL_BUFFER = 16 * 1024  # less, and Linux drops what it has taken already


class Wrong(Exception):
    """The service did what it must never do."""


@asynccontextmanager
async def ask(
    url: str, path: str, header: str = "", *, piece: int = PIECE, trickles: bool = False
) -> AsyncIterator[tuple[asyncio.StreamReader, int]]:
    """Ask the API at `url` for a stream; the reader of the body, and the status of the answer.

    Takes little ahead of who reads small pieces. Raises Wrong where no answer comes.
    """
    parts = urlsplit(url)
    raw = socket.socket()
    raw.setblocking(False)
    if piece < PIECE:
        raw.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, _SMALL_BUFFER)
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
            async with asyncio.timeout(SILENCE_SECONDS):
                status = int((await reader.readuntil(b"\r\n")).split()[1])
                while await reader.readuntil(b"\r\n") != b"\r\n":
                    pass
        except TimeoutError:
            raise Wrong(f"no answer to a request within {SILENCE_SECONDS:g} s") from None
        yield reader, status
    finally:
        writer.transport.abort()


async def vanish(url: str, keys: Keys, seconds: float) -> None:
    """Ask for a stream, and be gone after so many seconds."""
    parts = urlsplit(url)
    try:
        _, writer = await asyncio.open_connection(parts.hostname, parts.port)
    except OSError:
        return
    writer.write(f"GET {stream_path(keys)} HTTP/1.1\r\nHost: soak\r\n\r\n".encode())
    await asyncio.sleep(seconds)
    writer.transport.abort()
