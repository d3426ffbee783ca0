"""The HTTP protocol's own bounds: headers that take too long or too much room."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import suppress

import pytest
import uvicorn
from uvicorn.server import ServerState

from api import protocol
from api.protocol import HEADER_BYTES, Protocol

SECONDS = 0.2


async def app(scope: object, receive: object, send: object) -> None:
    """Answers at once, straight to the transport where the server offers it."""
    assert isinstance(scope, dict)
    assert callable(receive)
    assert callable(send)
    while (await receive())["more_body"]:
        pass
    connection = scope.get("extensions", {}).get("deploytail.connection")
    if connection is None:
        await send({"type": "http.response.start", "status": 200, "headers": [(b"content-length", b"4")]})
        await send({"type": "http.response.body", "body": b"asgi"})
    else:
        await send({"type": "http.response.start", "status": 200, "headers": []})
        connection.transport.write(b"6\r\ndirect\r\n")
        await send({"type": "http.response.body", "body": b""})


@pytest.fixture
async def port(monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[int]:
    """A server with this protocol, in this process, that is less patient."""
    monkeypatch.setattr(protocol, "HEADER_SECONDS", SECONDS)
    config = uvicorn.Config(app, lifespan="off", log_config=None, server_header=False, date_header=False)
    config.load()
    state = ServerState()
    loop = asyncio.get_running_loop()
    server = await loop.create_server(lambda: Protocol(config, state, {}), "127.0.0.1", 0)
    yield server.sockets[0].getsockname()[1]
    server.close()
    await server.wait_closed()


REQUEST = b"GET / HTTP/1.1\r\nHost: x\r\n"
ANSWER = b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n6\r\ndirect\r\n0\r\n\r\n"

WITH_BODY = b"HTTP/1.1 200 OK\r\ncontent-length: 4\r\n\r\nasgi"


async def closed(reader: asyncio.StreamReader) -> bytes:
    """What still comes until the server closes."""
    async with asyncio.timeout(10):
        return await reader.read()


async def test_a_client_that_sends_nothing_is_closed(port: int) -> None:
    """An open connection must be followed by a request."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    start = asyncio.get_running_loop().time()
    assert await closed(reader) == b""
    assert asyncio.get_running_loop().time() - start > SECONDS / 2
    writer.close()


async def test_headers_that_drip_do_not_keep_a_connection(port: int) -> None:
    """The time is for all headers together: a byte now and then does not extend it."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(REQUEST)
    closing = asyncio.ensure_future(closed(reader))
    while not closing.done():
        writer.write(b"a")
        await asyncio.sleep(SECONDS / 20)
    # A byte that crosses with the close may be answered by a reset.
    with suppress(ConnectionResetError):
        assert await closing == b""
    writer.close()


async def test_a_second_request_on_a_connection_has_the_same_time(port: int) -> None:
    """Its first line starts the clock again; an idle connection in between is the server's keep-alive."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    for _ in range(2):
        writer.write(REQUEST + b"\r\n")
        assert await reader.readexactly(len(ANSWER)) == ANSWER
        await asyncio.sleep(SECONDS * 1.5)
    writer.write(REQUEST)
    assert await closed(reader) == b""
    writer.close()


async def test_a_slow_body_is_not_cut_with_the_headers(port: int) -> None:
    """The bound is on the headers alone."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(REQUEST + b"Content-Length: 2\r\n\r\n")
    await asyncio.sleep(SECONDS * 1.5)
    writer.write(b"ok")
    assert await reader.readexactly(len(WITH_BODY)) == WITH_BODY
    writer.close()


async def test_headers_beyond_their_room_are_431(port: int) -> None:
    """Refused as soon as they are too many, before they have ended, and the connection closes."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(REQUEST + b"a: " + b"x" * HEADER_BYTES)
    answer = await closed(reader)
    assert answer.startswith(b"HTTP/1.1 431 ")
    assert b"connection: close" in answer
    writer.close()


async def test_headers_within_their_room_are_served(port: int) -> None:
    """Also where each is long, and where they come in pieces."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    data = REQUEST + b"a: " + b"x" * (HEADER_BYTES - 100) + b"\r\n\r\n"
    for at in range(0, len(data), 30_000):
        writer.write(data[at : at + 30_000])
        await writer.drain()
        await asyncio.sleep(0)
    assert await reader.readexactly(len(ANSWER)) == ANSWER
    writer.close()


async def test_a_body_is_not_counted_as_headers(port: int) -> None:
    """However much of it comes in one piece with them."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    body = b"x" * (HEADER_BYTES * 2)
    writer.write(REQUEST + b"Content-Length: %d\r\n\r\n" % len(body) + body)
    assert await reader.readexactly(len(WITH_BODY)) == WITH_BODY
    writer.close()


async def test_http_1_0_is_answered_without_chunks(port: int) -> None:
    """So its body cannot be written to the transport as chunks."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(b"GET / HTTP/1.0\r\n\r\n")
    assert (await closed(reader)).endswith(b"\r\n\r\nasgi")
    writer.close()


async def test_what_is_not_http_is_refused(port: int) -> None:
    """Defined, and closed."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(b"\x16\x03\x01\x02\x00 hello\r\n\r\n")
    assert (await closed(reader)).startswith(b"HTTP/1.1 400 ")
    writer.close()
