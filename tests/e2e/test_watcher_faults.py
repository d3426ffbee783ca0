"""Slow, hostile and many watchers, a service that is replaced under load, and a real proxy in front of it."""

import asyncio
import json
import os
import re
import signal
import socket
import struct
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import httpx2
import pytest

from producer.deploys import Limits
from producer.keys import Keys
from producer.library import create_deploy, open_log
from producer.status import Status
from tests.api.support import until
from tests.e2e.clients import need
from tests.e2e.support import assert_promise, open_files, resident, stored_events, watchers, writing
from tests.faults import FaultProxy, Faults
from tests.helpers import Log, Service, read_log, start_api, started, wait_until

RESET = struct.pack("ii", 1, 0)  # linger for no time: a close is a reset
STALL_SECONDS = 3
LOG_BYTES = 16_000_000  # of the big log, which is kept for its next replay
SPARE_BYTES = 40_000_000  # 300 KB for each hostile one, and what the allocator does not give back
STORE_CONNECTIONS = 16

# The service, with less patience for a client that takes nothing: there is no setting for it, and 30 s are long.
IMPATIENT = f"""
import sys
import api.watcher
from api.__main__ import main
api.watcher.STALL_SECONDS = {STALL_SECONDS}
sys.exit(main())
"""


@contextmanager
def impatient_api(redis_url: str, *arguments: str) -> Iterator[Service]:
    """A real service that cuts off who takes nothing after a few seconds."""
    environment = os.environ | {"DEPLOYTAIL_REDIS_URL": redis_url, "DEPLOYTAIL_LOG_LEVEL": "warning"}
    command = [sys.executable, "-c", IMPATIENT, "--port", "0", *arguments]
    with started(command, environment, stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        line = process.stdout.readline().decode()
        url = next(word.rstrip(",") for word in line.split() if word.startswith("http"))
        wait_until(lambda: _serves(url))
        yield Service(url, process)


def _serves(url: str) -> bool:
    with suppress(httpx2.TransportError):
        return httpx2.get(f"{url}/healthz").is_success
    return False


def stream_of(url: str, keys: Keys) -> str:
    """The stream of a deploy at this address."""
    return f"{url}/v1/apps/{keys.app}/deploys/{keys.deploy}/logs/stream"


def request_to(service: Service, keys: Keys, last: int | None = None) -> bytes:
    """The bytes of a request for a stream."""
    parts = urlsplit(service.stream_url(keys.app, keys.deploy))
    resume = "" if last is None else f"Last-Event-ID: {last}\r\n"
    return f"GET {parts.path} HTTP/1.1\r\nHost: {parts.netloc}\r\n{resume}\r\n".encode()


def connect(service: Service, received: int | None = None) -> socket.socket:
    """A connection to the service; with `received`, one whose side takes no more than some so many bytes unread."""
    parts = urlsplit(service.url)
    assert parts.port
    made = socket.socket()
    if received is not None:
        made.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, received)
    made.settimeout(20)
    made.connect((parts.hostname, parts.port))
    return made


def stalled(service: Service, keys: Keys) -> socket.socket:
    """A watcher that sends its request and never reads."""
    connection = connect(service, 4096)
    connection.sendall(request_to(service, keys))
    return connection


def vanish(service: Service, keys: Keys) -> None:
    """A watcher that connects, asks, and is gone."""
    with connect(service) as connection:
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESET)
        connection.sendall(request_to(service, keys))


def finished_deploy(valkey: str, lines: int, text: str = "x") -> Keys:
    """A deploy of so many lines, which has ended."""
    keys = Keys("shop", create_deploy("shop", url=valkey, limits=Limits(cap_bytes=100_000_000)))
    with open_log(keys.app, keys.deploy, url=valkey) as log:
        for _ in range(lines):
            log.write(text)
    return keys


@pytest.fixture
def big(valkey: str) -> Keys:
    """A finished log that no socket's buffer holds."""
    return finished_deploy(valkey, 1_000, "x" * 16_000)


def test_hostile_watchers_cost_the_others_nothing_and_leave_nothing(valkey: str, big: Keys) -> None:
    """Stalled ones, vanishing ones, byte-wise ones, pestering ones: the others have all, and then all is let go of."""
    queued = Keys("shop", create_deploy("shop", url=valkey))
    with impatient_api(valkey, "--max-watchers", "300") as service, ExitStack() as stack:
        pid = service.process.pid
        # One has been there and gone: what is set up once, and kept, is set up.
        read_log(service.stream_url("shop", finished_deploy(valkey, 1).deploy))
        quiet_files, quiet_bytes = open_files(pid), resident(pid)
        job = stack.enter_context(writing(valkey, pace=0.01))
        seen = stack.enter_context(watchers())
        seen.watch(service, job.keys, 20)
        hostile = [stack.enter_context(stalled(service, big)) for _ in range(100)]
        dripping = stack.enter_context(connect(service))
        request = iter(request_to(service, job.keys))
        for number in range(500):
            vanish(service, job.keys if number % 2 else big)
            if (byte := next(request, None)) is not None:
                dripping.sendall(bytes([byte]))
        for _ in range(30):
            with connect(service) as again:
                again.sendall(request_to(service, job.keys, 2))
                assert b" 200 " in again.recv(64)
            job.more(2)
        assert b" 200 " in dripping.recv(64)
        seen.caught_up(job.keys, f"line {job.written} of {job.keys.deploy}", 1.0)
        assert resident(pid) - quiet_bytes < LOG_BYTES + SPARE_BYTES
        job.finish()
        for keys, log in seen.logs(10):
            assert_promise(log, keys, valkey)
        dripping.close()
        # Those who take nothing are cut off, though they never go by themselves.
        wait_until(lambda: open_files(pid) <= quiet_files + STORE_CONNECTIONS, STALL_SECONDS + 6)
        assert resident(pid) - quiet_bytes < LOG_BYTES + SPARE_BYTES
        # Each slot is free again.
        for _ in range(300):
            wait_until(lambda: _seated(stack, service, queued), STALL_SECONDS + 6)
        assert httpx2.get(service.stream_url("shop", queued.deploy)).status_code == 503
        del hostile


def _seated(stack: ExitStack, service: Service, keys: Keys) -> bool:
    """Whether one more watcher has got a slot; the last of the stalled ones may still have to be cut off."""
    one = stack.enter_context(connect(service))
    one.sendall(request_to(service, keys))
    return one.recv(64).startswith(b"HTTP/1.1 200 ")


def test_a_watcher_that_takes_little_is_slow_but_not_stalled(valkey: str, big: Keys) -> None:
    """It is not cut off while it takes something: as much in 3 s as 1 KiB/s is in the 30 s that clients really have."""
    with impatient_api(valkey) as service, connect(service, 4096) as connection:
        connection.sendall(request_to(service, big))
        assert connection.recv(1024)
        watched = open_files(service.process.pid)
        for _ in range(10 * (2 * STALL_SECONDS + 4)):
            time.sleep(0.1)  # its pace
            assert connection.recv(1024)
        assert open_files(service.process.pid) == watched


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGKILL])
async def test_a_service_that_is_replaced_under_load_loses_no_event_of_any_watcher(
    valkey: str, number: signal.Signals
) -> None:
    """With 400 watchers: each gets `retry:` and a clean end at once, or is cut, and the rest from another replica."""
    with start_api(valkey) as old, start_api(valkey) as new, writing(valkey, pace=0.005) as job:
        found = [Found() for _ in range(400)]
        first = [
            asyncio.ensure_future(_watch(old, job.keys, one, may_be_cut=number == signal.SIGKILL)) for one in found
        ]
        await until(lambda: all(one.body for one in found))
        await asyncio.to_thread(job.more, 50)
        at = time.monotonic()
        old.process.send_signal(number)
        before = await asyncio.gather(*first)
        ends = sorted(one.ended - at for one in before)
        assert ends[-1] < 2.0
        assert number == signal.SIGKILL or all(re.search(rb"\nretry: [1-3]\d{3}\n\Z", one.body) for one in before)
        again = [asyncio.ensure_future(_watch(new, job.keys, Found(), _last_id(one.body))) for one in before]
        await asyncio.to_thread(job.more, 50)
        job.finish()
        after = await asyncio.gather(*again)
        await asyncio.to_thread(old.process.wait, 5)
    expected = [(number, data) for _, number, data in stored_events(job.keys, valkey)]
    bodies = [_events(one.body) + _events(two.body) for one, two in zip(before, after, strict=True)]
    assert bodies == [expected] * len(found)


class Found:
    """What one connection brought, and when it was cleanly ended."""

    def __init__(self) -> None:
        self.body = b""
        self.ended = 0.0


async def _watch(
    service: Service, keys: Keys, found: Found, last: int | None = None, *, may_be_cut: bool = False
) -> Found:
    """Read one stream to its clean end; fails where it is cut, unless it may be."""
    parts = urlsplit(service.url)
    reader, writer = await asyncio.open_connection(parts.hostname, parts.port, limit=1 << 20)
    try:
        writer.write(request_to(service, keys, last))
        assert b" 200 " in await reader.readuntil(b"\r\n\r\n")
        while size := int(await reader.readline(), 16):
            found.body += await reader.readexactly(size)
            await reader.readline()
    except (OSError, asyncio.IncompleteReadError, ValueError):
        if not may_be_cut:
            raise
    finally:
        found.ended = time.monotonic()
        writer.close()
        with suppress(OSError):
            await writer.wait_closed()
    return found


def _events(body: bytes) -> list[tuple[str, Any]]:
    """The id and the data of each event that came whole."""
    found = re.findall(rb"^id: (\d+)\ndata: (.*)\n$", body, re.MULTILINE)
    return [(number.decode(), json.loads(data)) for number, data in found]


def _last_id(body: bytes) -> int:
    return int(_events(body)[-1][0])


# Behind nginx, with its defaults.

NGINX = """
daemon off;
master_process off;
error_log {folder}/error.log;
pid {folder}/nginx.pid;
events {{ worker_connections 512; }}
http {{
    access_log off;
    client_body_temp_path {folder}/body;
    proxy_temp_path {folder}/proxy;
    fastcgi_temp_path {folder}/fastcgi;
    uwsgi_temp_path {folder}/uwsgi;
    scgi_temp_path {folder}/scgi;
    gzip on;
    gzip_types text/event-stream;
    gzip_min_length 0;
    server {{
        listen 127.0.0.1:{port};
        location / {{ proxy_pass {target}; {extra} }}
    }}
}}
"""


@contextmanager
def nginx(folder: Path, target: str, extra: str = "") -> Iterator[str]:
    """A real nginx in front of `target`, with its defaults but for `extra`, and with gzip on. Its address."""
    program = need("nginx")
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    configuration = folder / "nginx.conf"
    configuration.write_text(NGINX.format(folder=folder, port=port, target=target, extra=extra))
    command = [program, "-c", str(configuration), "-p", str(folder), "-e", str(folder / "error.log")]
    with started(command, dict(os.environ)):
        url = f"http://127.0.0.1:{port}"
        wait_until(lambda: _serves(url))
        yield url


@pytest.mark.parametrize("extra", ["", "proxy_http_version 1.1;"], ids=["as it comes", "HTTP/1.1"])
@pytest.mark.parametrize("encoding", ["identity", "gzip"])
def test_behind_nginx_each_line_comes_at_once(
    valkey: str, api: Service, tmp_path: Path, extra: str, encoding: str
) -> None:
    """The first line within a second, the next ones as they are written, and the end; also when compressed."""
    keys = Keys("shop", create_deploy("shop", url=valkey))
    log = Log()
    with (
        nginx(tmp_path, api.url, extra) as url,
        open_log(keys.app, keys.deploy, url=valkey) as job,
        httpx2.stream("GET", stream_of(url, keys), headers={"Accept-Encoding": encoding}, timeout=10) as response,
    ):
        assert response.status_code == 200
        assert response.headers.get("content-encoding", "identity") == encoding
        events = iter(httpx2.EventSource(response))
        log.add(next(events))
        log.add(next(events))
        for number in range(5):
            at = time.monotonic()
            job.write(f"line {number}")
            log.add(next(events))
            assert time.monotonic() - at < 1.0
        job.finish(Status.COMPLETE)
        for event in events:
            log.add(event)
    assert_promise(log, keys, valkey)


def test_behind_nginx_a_cut_stream_is_resumed_and_the_end_is_the_end(valkey: str, api: Service, tmp_path: Path) -> None:
    """`Last-Event-ID` passes, 204 passes, and a client that has left is let go of by the service too."""
    log = Log()
    with nginx(tmp_path, api.url) as url, writing(valkey) as job, FaultProxy(url, Faults(cut_every=0.3)) as proxy:
        where = f"{proxy.url}/v1/apps/shop/deploys/{job.keys.deploy}/logs/stream"
        end = time.monotonic() + 20
        while not log.done:
            assert time.monotonic() < end
            if proxy.cuts >= 4:
                job.finish()
            with suppress(httpx2.TransportError):
                read_log(where, log.events[-1][2] if log.events else None, log)
        assert_promise(log, job.keys, valkey)
        again = httpx2.get(stream_of(url, job.keys), headers={"Last-Event-ID": log.events[-1][2]})
        assert (again.status_code, again.content) == (204, b"")
    files = open_files(api.process.pid)
    queued = Keys("shop", create_deploy("shop", url=valkey))
    with nginx(tmp_path, api.url) as url:
        for _ in range(20):
            with httpx2.stream("GET", stream_of(url, queued)) as response:
                assert next(response.iter_raw())
        wait_until(lambda: open_files(api.process.pid) <= files + 2, 5)


def test_behind_nginx_an_idle_stream_outlives_the_idle_limit(valkey: str, api: Service, tmp_path: Path) -> None:
    """Something passes at least every 15 s: a limit of 16 s, a quarter of the default, cuts nothing."""
    keys = Keys("shop", create_deploy("shop", url=valkey))
    with (
        nginx(tmp_path, api.url, "proxy_read_timeout 16s; send_timeout 16s; keepalive_timeout 5s;") as url,
        open_log(keys.app, keys.deploy, url=valkey) as job,
        watchers() as seen,
    ):
        seen.watch(Service(url, api.process), keys, 2)
        job.wait(18)
        job.finish(Status.COMPLETE)
        for _, log in seen.logs(5):
            assert_promise(log, keys, valkey)
