"""Every real client, whenever it comes and however often it is cut off, gets each event once and in order."""

import json
import socket
import time
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import ExitStack
from pathlib import Path
from urllib.parse import urlsplit

import httpx2
import pytest

from producer.library import create_deploy, open_log, read_log
from producer.status import Status
from producer.writer import Writer
from tests.e2e import clients
from tests.e2e.clients import Seen, Watch
from tests.faults import FaultProxy, Faults
from tests.helpers import Service
from worker.job import run_deploy

NASTY = (
    "Downloading bundle from S3...", "", "\r", "tab\tand\x1b[32mcolour\x1b[0m", "a\n\ndata: {}\n\nevent: done",
    ": comment", "id: 9", "data: x", "\u2028\u2029\x85", "\ufeffé 🚀 \x00", "half \ud83d", "x" * 20_000,
)  # fmt: skip
EVENT_SOURCES = ("browser", "npm-eventsource")
ALL = (*EVENT_SOURCES, *clients.RESUMING, *clients.DOCUMENTED)
PACE_SECONDS = 0.01


@pytest.fixture
def watch(request: pytest.FixtureRequest) -> Iterator[Watch]:
    """The watching function of the client that the test names."""
    name = request.param
    with ExitStack() as stack:
        if name == "browser":
            yield stack.enter_context(clients.browser())
        elif name == "npm-eventsource":
            modules: Path = request.getfixturevalue("tmp_path")
            yield stack.enter_context(clients.npm_eventsource(modules))
        else:
            yield stack.enter_context((clients.RESUMING | clients.DOCUMENTED)[name]())


@pytest.mark.parametrize(("watch", "name"), [(name, name) for name in ALL], indirect=["watch"], ids=ALL)
def test_each_client_gets_the_whole_log_at_any_time(watch: Watch, name: str, api: Service, valkey: str) -> None:
    """Started before, during and after a deploy, and cut off every second: always the log as it is stored."""
    deploy = create_deploy("shop", url=valkey)
    with (
        FaultProxy(api.url) as before,
        FaultProxy(api.url) as during,
        FaultProxy(api.url) as after,
        FaultProxy(api.url, Faults(cut_every=1.0)) as cutting,
        ThreadPoolExecutor() as pool,
    ):
        start = {
            phase: lambda proxy=proxy: pool.submit(watch, _stream(proxy, deploy))
            for phase, proxy in {"before": before, "during": during, "after": after, "cut off": cutting}.items()
        }
        running = {phase: start[phase]() for phase in ("before", "cut off")}
        with open_log("shop", deploy, url=valkey) as log:
            _write_until(lambda: _opened(before) and cutting.cuts >= 1, log, running)
            running["during"] = start["during"]()
            _write_until(lambda: _opened(during) and cutting.cuts >= 2, log, running)
        running["after"] = start["after"]()
        seen = {phase: running[phase].result() for phase in start}
    stored = _as_seen(deploy, valkey, lines_only=name in clients.DOCUMENTED)
    assert {phase: _differs(stored, events) for phase, events in seen.items()} == dict.fromkeys(start)


@pytest.mark.parametrize(("watch", "name"), [(name, name) for name in ALL], indirect=["watch"], ids=ALL)
def test_each_client_gets_every_awkward_line(
    watch: Watch, name: str, api: Service, valkey: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Of the torture scenario, whatever a line holds."""
    monkeypatch.setenv("DEPLOYTAIL_REDIS_URL", valkey)
    deploy = create_deploy("shop", url=valkey)
    assert run_deploy("shop", deploy, "torture", speed=0) == "complete"
    stored = _as_seen(deploy, valkey, lines_only=name in clients.DOCUMENTED)
    assert len(stored) > 600
    assert _differs(stored, watch(api.stream_url("shop", deploy))) is None


@pytest.mark.parametrize("watch", EVENT_SOURCES, indirect=True)
def test_an_event_source_comes_back_once_after_the_end(watch: Watch, api: Service, valkey: str) -> None:
    """EventSource comes back after every close: behind `done` it is told, by a 204, to stop for good."""
    deploy = create_deploy("shop", url=valkey)
    with open_log("shop", deploy, url=valkey) as log:
        log.write("one")
    with FaultProxy(api.url) as proxy:
        seen = watch(_stream(proxy, deploy))
        requests = [request for request in proxy.requests if b"/logs/stream" in request.partition(b"\r\n")[0]]
    assert seen == _as_seen(deploy, valkey)
    assert [_last_event_id(request) for request in requests] == [None, seen[-1][1]]


@pytest.mark.parametrize("status", ["queued", "building", "complete"])
def test_the_first_bytes_come_at_once(api: Service, valkey: str, status: str) -> None:
    """Whatever state the deploy is in, a watcher that is alone does not wait; of three one may meet a busy machine."""
    deploy = create_deploy("shop", url=valkey)
    log = None if status == "queued" else open_log("shop", deploy, url=valkey)
    if log and status == "complete":
        log.finish(Status.COMPLETE)
    took = []
    for _ in range(3):
        start = time.monotonic()
        with httpx2.stream("GET", api.stream_url("shop", deploy)) as response:
            assert next(response.iter_bytes()).startswith(b"retry: ")
        took.append(time.monotonic() - start)
    if log:
        log.close()
    assert sorted(took)[1] < 0.3


def test_a_client_of_http_1_0_gets_the_bare_body(api: Service, valkey: str) -> None:
    """HTTP/1.0 knows no chunks (RFC 9112, 6.1): nginx asks so by default, and its end is the connection's."""
    deploy = create_deploy("shop", url=valkey)
    with open_log("shop", deploy, url=valkey) as log:
        log.write("one")
    parts = urlsplit(api.stream_url("shop", deploy))
    with socket.create_connection((parts.hostname, parts.port), timeout=10) as connection:
        connection.sendall(f"GET {parts.path} HTTP/1.0\r\nHost: {parts.netloc}\r\n\r\n".encode())
        head, _, body = b"".join(iter(lambda: connection.recv(65536), b"")).partition(b"\r\n\r\n")
    assert b"chunked" not in head
    assert body.startswith(b"retry: ")
    assert body.endswith(b"event: done\nid: 6\ndata: {}\n\n")


def _stream(proxy: FaultProxy, deploy: str) -> str:
    return f"{proxy.url}/v1/apps/shop/deploys/{deploy}/logs/stream"


def _opened(proxy: FaultProxy) -> bool:
    return any(b"/logs/stream" in request for request in proxy.requests)


def _write_until(enough: Callable[[], bool], log: Writer, running: dict[str, Future[Seen]]) -> None:
    written = 0
    while not enough():
        for client in running.values():
            assert not client.done(), client.result()
        log.write(f"{written} {NASTY[written % len(NASTY)]}")
        log.wait(PACE_SECONDS)
        written += 1
        assert written < 3_000, "the clients did not come in time"


def _as_seen(deploy: str, valkey: str, *, lines_only: bool = False) -> list[object]:
    """The stored log as a client should see it."""
    events = [event.decode() for event in read_log("shop", deploy, url=valkey).events]
    decoded = [json.loads(event) for event in events]
    if lines_only:
        return [event["line"] for event in decoded if "line" in event]
    named = ["message" if "line" in event else "status" for event in decoded]
    log = [[name, str(seq), data] for seq, (name, data) in enumerate(zip(named, events, strict=True), 1)]
    return [*log, ["done", str(len(log) + 1), "{}"]]


def _differs(stored: list[object], seen: list[object]) -> str | None:
    """Where what was seen first differs from what is stored; None where it does not."""
    for at, (expected, event) in enumerate(zip(stored, seen, strict=False)):
        if expected != event:
            return f"event {at}: {event!r} instead of {expected!r}"
    return None if len(stored) == len(seen) else f"{len(seen)} events instead of {len(stored)}"


def _last_event_id(request: bytes) -> str | None:
    for line in request.decode().split("\r\n"):
        name, _, value = line.partition(": ")
        if name.lower() == "last-event-id":
            return value
    return None
