"""The feed of Nchan: POST over one keep-alive connection, which keeps the lines in order.

A live line is sent and its answer read. A burst is pipelined: up to _WINDOW requests are under way, so that nginx has
the next one at hand whenever it is done with one. Several connections (4, 16 and 64 were tried) would mix up the order,
and bring nothing: its worker is busy sending.
"""

import re
import selectors
import socket
import time
from collections.abc import Sequence

from scripts.bench import lines
from scripts.bench.errors import CannotMeasure

_WINDOW = 256
_SECONDS = 60.0
_READ_BYTES = 64 * 1024
_STATUS = re.compile(rb"HTTP/1\.1 (\d{3})")
_STATUS_BYTES = len(b"HTTP/1.1 201")


class PostFeed:
    """Publishes to one channel."""

    def __init__(self, port: int, path: str) -> None:
        self._socket = socket.create_connection(("127.0.0.1", port), timeout=_SECONDS)
        self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._head = f"POST {path} HTTP/1.1\r\nHost: bench\r\n".encode()
        self._n = 0
        self._sent = self._answered = 0
        self._seam = b""  # the end of the last read, in which an answer may begin

    def write(self, line: str) -> None:
        """Publish one line, and wait for the answer."""
        self._socket.sendall(self._request(line))
        self._sent += 1
        self._await_answers(0)

    def burst(self, texts: Sequence[str]) -> None:
        """Publish these lines."""
        for line in texts:
            self._socket.sendall(self._request(line))
            self._sent += 1
            self._await_answers(_WINDOW)
        self._await_answers(0)

    def end(self) -> None:
        """Publish the end."""
        self._socket.sendall(self._head + b"X-EventSource-Event: done\r\nContent-Length: 2\r\n\r\n{}")
        self._sent += 1
        self._await_answers(0)

    def close(self) -> None:
        """Close the connection."""
        self._socket.close()

    def _request(self, line: str) -> bytes:
        self._n += 1
        data = lines.event(self._n, line, time.time())
        return b"%sContent-Length: %d\r\n\r\n%s" % (self._head, len(data), data)

    def _await_answers(self, open_requests: int) -> None:
        """Read answers until no more than so many requests are without one."""
        with selectors.DefaultSelector() as selector:
            selector.register(self._socket, selectors.EVENT_READ)
            while self._sent - self._answered > open_requests:
                if not selector.select(_SECONDS):
                    raise CannotMeasure("Nchan does not answer")
                data = self._socket.recv(_READ_BYTES)
                if not data:
                    raise CannotMeasure("Nchan has closed the connection")
                data = self._seam + data
                statuses = _STATUS.findall(data)
                if refusals := [status.decode() for status in statuses if not status.startswith(b"2")]:
                    raise CannotMeasure(f"Nchan answers a line with {refusals[0]}")
                self._answered += len(statuses)
                self._seam = data[1 - _STATUS_BYTES :]
