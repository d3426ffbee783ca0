"""The service as a process: Redis away, signals, bounds on watchers, and clients that misbehave."""

import re
import signal
import socket
import struct
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from urllib.parse import urlsplit

import httpx2
import pytest

from producer.keys import Keys
from producer.status import Status
from producer.store import Store
from tests.api.support import Deploy, parse, words
from tests.faults import FaultProxy
from tests.helpers import ROOT, Service, start_api, wait_until

AWAY = {
    "success": False,
    "status": 503,
    "error": {
        "message": "The log store does not answer; try again soon",
        "type": "ServiceUnavailableError",
        "code": "store_away",
        "details": None,
    },
}
RESET = struct.pack("ii", 1, 0)  # linger for no time: a close is a reset


@contextmanager
def streams(service: Service, keys: Keys, count: int) -> Iterator[list[httpx2.Response]]:
    """So many open streams of a deploy."""
    with ExitStack() as stack:
        yield [
            stack.enter_context(httpx2.stream("GET", service.stream_url(keys.app, keys.deploy), timeout=20))
            for _ in range(count)
        ]


@pytest.fixture(scope="module")
def proxy(valkey: str) -> Iterator[FaultProxy]:
    """A proxy in front of the real Valkey."""
    with FaultProxy(valkey) as standing:
        yield standing


@pytest.fixture(scope="module")
def behind(proxy: FaultProxy) -> Iterator[Service]:
    """An API behind the proxy, which was started while its Redis was away."""
    proxy.faults.refuse = True
    with start_api(proxy.url) as service:
        yield service


@pytest.fixture
def away(proxy: FaultProxy, behind: Service) -> Iterator[Service]:
    """An API whose Redis is away."""
    proxy.faults.refuse = True
    proxy.cut()
    wait_until(lambda: httpx2.get(f"{behind.url}/readyz").status_code == 503)
    yield behind
    proxy.faults.refuse = False


def test_while_redis_is_away_nothing_is_promised(away: Service, keys: Keys) -> None:
    """Alive, not ready; each request that needs Redis gets 503 with `Retry-After`, in the documented shape."""
    assert httpx2.get(f"{away.url}/healthz").json() == {"status": "ok"}
    ready = httpx2.get(f"{away.url}/readyz")
    assert (ready.status_code, ready.json()["error"]["code"]) == (503, "store_away")
    app = f"{away.url}/v1/apps/{keys.app}"
    for response in (
        httpx2.get(away.stream_url(keys.app, keys.deploy)),
        httpx2.get(f"{app}/deploys"),
        httpx2.get(f"{app}/deploys/{keys.deploy}"),
        httpx2.post(f"{app}/deploys/{keys.deploy}/cancel"),
        httpx2.post(f"{app}/deploy", json={}),
    ):
        assert (response.url, response.status_code, response.json()) == (response.url, 503, AWAY)
        assert int(response.headers["retry-after"]) > 0


def test_when_redis_comes_the_service_is_ready_by_itself(
    away: Service, proxy: FaultProxy, store: Store, keys: Keys
) -> None:
    """Nobody has to start it again: streams are served, live ones too."""
    deploy = Deploy(store, keys)
    proxy.faults.refuse = False
    wait_until(lambda: httpx2.get(f"{away.url}/readyz").status_code == 200)
    with streams(away, keys, 1) as (response,):
        deploy.write("live")
        deploy.finish()
        assert words(response.read()) == ["1:queued", "2:building", "3", "4", "5:complete", "done"]


def test_a_come_back_is_held_until_redis_answers(away: Service, proxy: FaultProxy, store: Store, keys: Keys) -> None:
    """200 and `retry:` at once, since a browser gives up on anything else; then the rest, in the same response."""
    Deploy(store, keys).finish(Status.COMPLETE, "one")
    url = away.stream_url(keys.app, keys.deploy)
    with httpx2.stream("GET", url, headers={"Last-Event-ID": "3"}, timeout=20) as response:
        chunks = response.iter_raw()
        assert response.status_code == 200
        assert re.fullmatch(rb"retry: \d+\n", next(chunks))
        tried = proxy.connections
        wait_until(lambda: proxy.connections >= tried + 8)  # asked again, more than once
        proxy.faults.refuse = False
        assert words(b"".join(chunks)) == ["4", "5:complete", "done"]


def test_an_outage_in_the_middle_of_a_stream_loses_nothing(
    away: Service, proxy: FaultProxy, store: Store, keys: Keys
) -> None:
    """The stream stays open; what was written meanwhile comes when Redis is back."""
    proxy.faults.refuse = False
    wait_until(lambda: httpx2.get(f"{away.url}/readyz").status_code == 200)
    deploy = Deploy(store, keys)
    with streams(away, keys, 1) as (response,):
        chunks = response.iter_raw()
        body = next(chunks)
        while b'"building"' not in body:
            body += next(chunks)
        proxy.faults.refuse = True
        proxy.cut()
        deploy.write("while it is away")
        wait_until(lambda: httpx2.get(f"{away.url}/readyz").status_code == 503)
        deploy.write("still away")
        proxy.faults.refuse = False
        deploy.finish()
        body += b"".join(chunks)
    assert words(body) == ["1:queued", "2:building", "3", "4", "5", "6:complete", "done"]


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_on_a_signal_each_stream_says_goodbye_and_the_process_exits(
    valkey: str, store: Store, keys: Keys, number: int
) -> None:
    """Within seconds: `retry:` and a clean end of the body, without `done`; then the process is gone."""
    Deploy(store, keys)
    with start_api(valkey) as service, streams(service, keys, 3) as open_streams:
        bodies = [response.iter_raw() for response in open_streams]
        firsts = [next(body) for body in bodies]
        start = time.monotonic()
        service.process.send_signal(number)
        for first, body in zip(firsts, bodies, strict=True):
            whole = first + b"".join(body)  # raises where the body has no clean end
            assert [frame.kind for frame in parse(whole)] == ["status", "status"]
            assert re.search(rb"\n\nretry: [1-3]\d{3}\n\Z", whole)
        service.process.wait(10)
        assert time.monotonic() - start < 5


def test_a_caller_and_a_process_have_their_bounds(valkey: str, store: Store, keys: Keys) -> None:
    """429 for one caller's too many, 503 for the process's, with `Retry-After`; each slot is free again afterwards."""
    Deploy(store, keys)
    bounds = [
        (["--max-watchers-per-caller", "2"], 429, "TooManyRequestsError", "from your address"),
        (["--max-watchers", "2"], 503, "ServiceUnavailableError", "on this server"),
    ]
    for arguments, status, kind, whose in bounds:
        with start_api(valkey, *arguments) as service:
            url = service.stream_url(keys.app, keys.deploy)
            for _ in range(2):
                with streams(service, keys, 2):
                    refused = httpx2.get(url)
                    assert (refused.status_code, refused.json()) == (
                        status,
                        {
                            "success": False,
                            "status": status,
                            "error": {
                                "message": f"too many streams are open {whose}: try again later",
                                "type": kind,
                                "code": "too_many_streams",
                                "details": None,
                            },
                        },
                    )
                    assert int(refused.headers["retry-after"]) > 0
                wait_until(lambda: _serves(service, keys))


def _serves(service: Service, keys: Keys) -> bool:
    with streams(service, keys, 2) as (one, two):
        return one.status_code == two.status_code == 200


def test_clients_that_reset_leave_no_slot_taken(valkey: str, store: Store, keys: Keys) -> None:
    """500 connections reset before their response starts, and some in its middle: all 5 slots are free afterwards."""
    Deploy(store, keys)
    with start_api(valkey, "--max-watchers", "5") as service:
        parts = urlsplit(service.stream_url(keys.app, keys.deploy))
        request = f"GET {parts.path} HTTP/1.1\r\nHost: x\r\n\r\n".encode()
        for number in range(500):
            with socket.create_connection((parts.hostname, parts.port), timeout=10) as connection:
                connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESET)
                connection.sendall(request if number % 2 else request * 3)
                if number % 50 == 0:
                    connection.recv(1)

        def all_are_free() -> bool:
            with streams(service, keys, 5) as found:
                return all(response.status_code == 200 for response in found)

        wait_until(all_are_free)
        assert httpx2.get(f"{service.url}/readyz").status_code == 200


def test_the_address_to_listen_on_is_taken(valkey: str, api: Service) -> None:
    """A second one on the same port says so and exits with 69; the first goes on."""
    port = str(urlsplit(api.url).port)
    command = [sys.executable, "-m", "api", "--redis-url", valkey, "--port", port]
    second = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=20, check=False)
    assert (second.returncode, second.stdout) == (69, "")
    assert second.stderr == (
        f"deploytail: cannot listen on 127.0.0.1:{port} (Address already in use): "
        "choose another with --host and --port\n"
    )
    assert httpx2.get(f"{api.url}/healthz").status_code == 200
