"""uvicorn's HTTP protocol with what it lacks: bounds on a request's headers, and a way straight to the transport."""

import asyncio
from typing import Any

from starlette.types import ASGIApp, Message, Receive, Scope, Send
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol, RequestResponseCycle

from api.watcher import Listener

HEADER_SECONDS = 10.0
HEADER_BYTES = 128 * 1024
_BODY_HEADERS = {b"content-length", b"transfer-encoding"}


class Protocol(HttpToolsProtocol):
    """Closes a connection whose request headers take too long or too much room (HTTP 431).

    A GET in HTTP/1.1 without a body finds it in the scope's extensions as `deploytail.connection`: the body of its
    response, which is sent in chunks, may be written to the transport.
    """

    # In the instance's dictionary these would be the 31st key: with more than 30 Python no longer shares the keys
    # among instances, which costs 1.3 KB a connection.
    __slots__ = ("_header_bytes", "_header_timer", "listener")

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.listener: Listener | None = None
        self._header_timer: asyncio.TimerHandle | None = None
        self._header_bytes = 0

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """A client has connected: its request must follow."""
        super().connection_made(transport)
        self._expect_headers()

    def connection_lost(self, exc: Exception | None) -> None:
        """The client has gone."""
        self._headers_done()
        super().connection_lost(exc)
        if self.listener is not None:
            self.listener.lost()

    def pause_writing(self) -> None:
        """More is unsent than should be."""
        super().pause_writing()
        if self.listener is not None:
            self.listener.filled()

    def is_full(self) -> bool:
        """Whether the client is slow to take what it was sent."""
        return self.flow.write_paused

    async def drained(self) -> None:
        """Wait until it is not full, or has gone."""
        await self.flow.drain()

    def data_received(self, data: bytes) -> None:
        """Bytes of a request."""
        if self._header_timer is not None:
            self._header_bytes += len(data)
            if self._header_bytes > HEADER_BYTES:
                self._headers_done()
                self.transport.write(
                    b"HTTP/1.1 431 Request Header Fields Too Large\r\ncontent-length: 0\r\nconnection: close\r\n\r\n"
                )
                self.transport.close()
                return
        super().data_received(data)

    def on_message_begin(self) -> None:
        """A request begins."""
        super().on_message_begin()
        if self._header_timer is None:
            self._expect_headers()

    def on_headers_complete(self) -> None:
        """The request's headers are there."""
        self._headers_done()
        super().on_headers_complete()

    def _start_asgi_task(self, cycle: RequestResponseCycle, app: Any) -> None:
        scope = cycle.scope
        if scope["http_version"] == "1.0":
            app = _unchunked(cycle, app)
        elif scope["method"] == "GET" and not any(name in _BODY_HEADERS for name, _ in scope["headers"]):
            scope["extensions"] = {"deploytail.connection": self}  # type: ignore[dict-item]
        super()._start_asgi_task(cycle, app)

    def _expect_headers(self) -> None:
        self._header_bytes = 0
        self._header_timer = self.loop.call_later(HEADER_SECONDS, self.transport.close)

    def _headers_done(self) -> None:
        if self._header_timer is not None:
            self._header_timer.cancel()
            self._header_timer = None


def _unchunked(cycle: RequestResponseCycle, app: ASGIApp) -> ASGIApp:
    """HTTP/1.0 knows no chunks (RFC 9112, section 7.1): a body of unknown length ends with the connection."""

    async def bare(scope: Scope, receive: Receive, send: Send) -> None:
        announced = True

        async def put(message: Message) -> None:
            nonlocal announced
            if message["type"] == "http.response.start":
                announced = any(name == b"content-length" for name, _ in message.get("headers", ()))
                if not announced:
                    cycle.chunked_encoding = False
            elif not announced:
                cycle.expected_content_length = len(message.get("body", b""))
            await send(message)

        await app(scope, receive, put)

    return bare
