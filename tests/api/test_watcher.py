"""The watcher: one response's sends, waits and heartbeats, on a fake ASGI connection and with a clock that is told."""

import asyncio
from collections.abc import MutableMapping, Sequence
from typing import Any

import pytest

from api.frames import http_chunk, http_chunk_pieces
from api.live import Live
from api.run import Run
from api.watcher import HEADERS, HEARTBEAT, HEARTBEAT_SECONDS, STALL_SECONDS, Listener, Watcher, Watchers
from tests.api.support import until

START: dict[str, Any] = {"type": "http.response.start", "status": 200, "headers": HEADERS}
RETRY = b"retry: 1500\n"
END: dict[str, Any] = {"type": "http.response.body", "body": b""}


def body(data: bytes) -> dict[str, Any]:
    """A part of a response."""
    return {"type": "http.response.body", "body": data, "more_body": True}


class Connection:
    """What a server is to a watcher: notes what is sent; `blocked` lets no send end; `broken` fails each."""

    def __init__(self, *, direct: bool = False) -> None:
        self.watchers = Watchers()
        self.sent: list[MutableMapping[str, Any]] = []
        self.aborted = 0
        self.broken = False
        self.free = asyncio.Event()
        self.free.set()
        self.gone = asyncio.Event()
        self.unsent = 0
        self.written: list[bytes] = []
        self.pieces: list[bytes] = []
        self.listener: Listener | None = None
        scope = {"type": "http", "extensions": {"deploytail.connection": self} if direct else {}}
        self.watcher = Watcher(self.watchers, scope, self._receive, self._send, 1500)

    @property
    def transport(self) -> "Connection":
        """It is its own transport."""
        return self

    def write(self, wire: bytes) -> None:
        """As of a transport: bytes that go over the wire as they are."""
        self.written.append(wire)

    def writelines(self, pieces: Sequence[bytes]) -> None:
        """The same, in pieces."""
        self.pieces.extend(pieces)
        self.write(b"".join(pieces))

    def is_full(self) -> bool:
        """As of our server's connection."""
        return not self.free.is_set()

    async def drained(self) -> None:
        """As of our server's connection."""
        await self.free.wait()

    def get_write_buffer_size(self) -> int:
        """As of a transport: how many bytes the client has not taken yet."""
        return self.unsent

    def get_extra_info(self, _: str) -> None:
        """As of a transport: there is no socket."""

    def abort(self) -> None:
        """As of a transport: cut the connection."""
        self.aborted += 1
        self.gone.set()
        self.broken = True
        self.free.set()
        if self.listener is not None:
            self.listener.lost()

    async def _receive(self) -> dict[str, Any]:
        await self.gone.wait()
        return {"type": "http.disconnect"}

    async def _send(self, message: MutableMapping[str, Any]) -> None:
        await self.free.wait()
        if self.broken:
            raise OSError("gone")
        self.sent.append(message)


@pytest.fixture
async def connection() -> Connection:
    """A connection of a server that knows ASGI alone."""
    return Connection()


@pytest.fixture
async def direct() -> Connection:
    """A connection of our server."""
    return Connection(direct=True)


def later(seconds: float) -> float:
    """The loop's clock, so many seconds from now."""
    return asyncio.get_running_loop().time() + seconds


def test_the_headers_are_those_of_an_event_stream() -> None:
    """Exact type; not stored, not changed, not buffered, not sniffed; and no length."""
    assert dict(HEADERS) == {
        b"content-type": b"text/event-stream; charset=utf-8",
        b"cache-control": b"no-store, no-transform",
        b"x-accel-buffering": b"no",
        b"x-content-type-options": b"nosniff",
    }


async def test_headers_and_retry_go_ahead_of_the_first_frames(connection: Connection) -> None:
    """They are sent once, in one piece with the first frames; nothing more for an empty send."""
    watcher = connection.watcher
    started = [watcher.started]
    for data in (b"a", b"", b"b"):
        await watcher.send(data)
    await watcher.finish()
    await watcher.finish()
    assert [*started, watcher.started] == [False, True]
    assert connection.sent == [START, body(RETRY + b"a"), body(b"b"), END]
    watcher.close()


async def test_a_response_can_be_started_before_there_is_anything_to_send(connection: Connection) -> None:
    """First bytes at once; to start again changes nothing."""
    for _ in range(3):
        await connection.watcher.start()
    await connection.watcher.send(b"a")
    assert connection.sent == [START, body(RETRY), body(b"a")]
    connection.watcher.close()


async def test_nothing_to_say_is_204(connection: Connection) -> None:
    """A client that has everything is told not to come back; that is the whole response."""
    await connection.watcher.nothing()
    await connection.watcher.finish()
    assert connection.sent == [{"type": "http.response.start", "status": 204, "headers": [HEADERS[1]]}, END]
    connection.watcher.close()


async def test_an_idle_stream_gets_a_heartbeat_within_15_seconds(connection: Connection) -> None:
    """The clock wakes it, and it sends a comment of one line."""
    assert HEARTBEAT_SECONDS + 1 <= 15  # the clock ticks each second
    assert HEARTBEAT == b": still here\n"
    watcher = connection.watcher
    await watcher.send(b"a")
    waiting = asyncio.ensure_future(watcher.wait())
    await asyncio.sleep(0)
    watcher.tick(later(HEARTBEAT_SECONDS - 1))
    await asyncio.sleep(0)
    assert len(connection.sent) == 2
    watcher._sent_at -= HEARTBEAT_SECONDS
    watcher.tick(later(0))
    await until(lambda: len(connection.sent) == 3)
    assert connection.sent[2] == body(HEARTBEAT)
    assert await waiting is True
    watcher.close()


async def test_a_wait_ends_when_woken_or_after_its_time(connection: Connection) -> None:
    """Woken by news it goes on; a time limit ends it too."""
    watcher = connection.watcher
    waiting = asyncio.ensure_future(watcher.wait())
    await asyncio.sleep(0)
    watcher.wake()
    watcher.wake()
    assert await waiting is True
    assert await watcher.wait(0.001) is True
    watcher.close()


async def test_a_paced_wait_is_not_cut_short_by_news(connection: Connection) -> None:
    """A pause of a replay lasts its time, whoever wakes it."""
    watcher = connection.watcher
    waiting = asyncio.ensure_future(watcher.sleep(30))
    await asyncio.sleep(0)
    watcher.wake()
    for _ in range(5):
        await asyncio.sleep(0)
    assert not waiting.done()
    connection.gone.set()
    assert await waiting is False
    watcher.close()


async def test_a_client_that_takes_nothing_for_30_seconds_is_cut_off(direct: Connection) -> None:
    """Only one that has something to take; one that is idle is not."""
    connection, watcher = direct, direct.watcher
    await watcher.send(b"a")
    watcher.tick(later(STALL_SECONDS + 1))
    assert connection.aborted == 0
    connection.free.clear()
    connection.unsent = 1000
    sending = asyncio.ensure_future(watcher.send(b"b"))
    await asyncio.sleep(0)
    start = later(HEARTBEAT_SECONDS)
    for passed in (0, STALL_SECONDS - 1):
        watcher.tick(start + passed)
    connection.unsent = 999
    for passed in (STALL_SECONDS - 1, 2 * STALL_SECONDS - 2):
        watcher.tick(start + passed)
    assert connection.aborted == 0, "slow, but it took a byte"
    watcher.tick(start + 2 * STALL_SECONDS)
    await sending
    assert connection.aborted == 1
    assert not watcher.is_open()
    watcher.close()


async def test_a_client_that_has_gone_is_noticed_without_sending(connection: Connection) -> None:
    """A wait ends; what is sent afterwards goes nowhere, and nothing is raised."""
    watcher = connection.watcher
    waiting = asyncio.ensure_future(watcher.wait())
    connection.gone.set()
    assert await waiting is False
    await watcher.send(b"a")
    await watcher.finish()
    assert connection.sent == []
    watcher.close()


async def test_a_send_that_fails_ends_the_stream(connection: Connection) -> None:
    """A connection reset is not an error of ours."""
    connection.broken = True
    await connection.watcher.send(b"a")
    assert not connection.watcher.is_open()
    assert await connection.watcher.wait() is False
    connection.watcher.close()


async def test_a_drain_wakes_all_who_wait_and_each_says_when_to_come_back(connection: Connection) -> None:
    """The process stops: a wait ends, the response closes with `retry:`."""
    watcher = connection.watcher
    await watcher.send(b"a")
    waiting = asyncio.ensure_future(watcher.wait())
    await asyncio.sleep(0)
    connection.watchers.drain()
    assert await waiting is False
    await watcher.finish()
    assert connection.sent == [START, body(RETRY + b"a"), body(RETRY), END]
    watcher.close()


async def test_the_clock_ticks_for_all_that_are_open(monkeypatch: pytest.MonkeyPatch) -> None:
    """Each second every open response is looked at, and none that is closed."""
    ticks: list[Watcher] = []
    monkeypatch.setattr(Watcher, "tick", lambda watcher, _: ticks.append(watcher))
    one, two = Connection(), Connection()
    one.watchers.add(two.watcher)
    clock = asyncio.ensure_future(one.watchers.tick())
    await until(lambda: len(ticks) == 2)
    assert set(ticks) == {one.watcher, two.watcher}
    one.watchers.remove(two.watcher)
    await until(lambda: len(ticks) == 3)
    assert ticks[2] is one.watcher
    clock.cancel()
    for each in (one, two):
        each.watcher.close()


async def test_on_our_server_the_body_goes_straight_to_the_transport(direct: Connection) -> None:
    """As chunks of HTTP/1.1, shared ones as they are and the first in one write; start and end stay the server's."""
    watcher = direct.watcher
    shared = http_chunk_pieces([b"shared"])
    await watcher.send_chunk(shared)
    await watcher.send(b"own")
    await watcher.finish()
    assert direct.sent == [START, END]
    assert direct.written == [http_chunk([RETRY]) + b"".join(shared), http_chunk([b"own"])]
    assert shared[1] is next(piece for piece in direct.pieces if piece == b"shared")
    watcher.close()


async def test_on_any_server_a_chunk_is_sent_without_its_framing(connection: Connection) -> None:
    """The server frames it by itself."""
    await connection.watcher.send_chunk([http_chunk([b"shared"])])
    assert connection.sent == [START, body(RETRY + b"shared")]
    connection.watcher.close()


async def test_who_rides_along_is_sent_what_comes_and_goes_on_when_woken(direct: Connection) -> None:
    """Its place is that of the last delivery."""
    watcher, live, run = direct.watcher, Live(), Run()
    riding = asyncio.ensure_future(watcher.ride(live, run, 0, 0))
    await asyncio.sleep(0)
    run.append(b"one", 1)
    live.deliver(run, 0.0)
    watcher.wake()
    assert await riding == (1, 1)
    assert direct.written == [http_chunk([b"one"])]
    watcher.close()


async def test_who_has_gone_is_written_to_no_more(direct: Connection) -> None:
    """From the moment on at which the server says so, not from when the task gets its turn: uvloop would raise."""
    watcher, live, run = direct.watcher, Live(), Run()
    riding = asyncio.ensure_future(watcher.ride(live, run, 0, 0))
    await asyncio.sleep(0)
    watcher.lost()
    run.append(b"one", 1)
    live.deliver(run, 0.0)
    watcher.tick(later(HEARTBEAT_SECONDS + 1))
    assert direct.written == []
    assert await riding == (0, 0)
    watcher.close()


async def test_who_rides_along_gets_heartbeats_between_deliveries(direct: Connection) -> None:
    """Straight from the clock, and only when nothing was delivered for so long."""
    watcher, live, run = direct.watcher, Live(), Run()
    riding = asyncio.ensure_future(watcher.ride(live, run, 0, 0))
    await asyncio.sleep(0)
    run.append(b"one", 1)
    live.deliver(run, later(HEARTBEAT_SECONDS))
    watcher.tick(later(2 * HEARTBEAT_SECONDS - 1))
    assert direct.written == [http_chunk([b"one"])]
    for passed in (2 * HEARTBEAT_SECONDS + 1, 2 * HEARTBEAT_SECONDS + 2):
        watcher.tick(later(passed))
    assert direct.written == [http_chunk([b"one"]), http_chunk([HEARTBEAT])]
    watcher.wake()
    await riding
    watcher.close()


async def test_a_full_client_is_waited_for_before_more_is_written(direct: Connection) -> None:
    """So that it holds one chunk at most."""
    watcher = direct.watcher
    await watcher.send(b"a")
    direct.free.clear()
    sending = asyncio.ensure_future(watcher.send(b"b"))
    await asyncio.sleep(0)
    assert len(direct.written) == 1
    direct.free.set()
    await sending
    assert direct.written[1:] == [http_chunk([b"b"])]
    watcher.close()
