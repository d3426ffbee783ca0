"""What the fault tests share: deploys that go on by themselves, watchers that never reconnect, and the promise."""

import json
import threading
import time
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from itertools import count
from pathlib import Path
from typing import Any, TypeAlias

import httpx2
import redis

from producer.deploys import Limits
from producer.errors import DeployLogError
from producer.keys import Keys
from producer.library import create_deploy, new_token
from producer.library import read_log as read_stored
from producer.store import Store
from producer.writer import GIVE_UP_SECONDS, Writer
from tests.helpers import WAIT_SECONDS, Log, Service, assert_whole, read_log, wait_until

Event: TypeAlias = tuple[str, str, dict[str, Any]]


@dataclass
class Writing:
    """A deploy whose job writes a line every `pace` seconds until told to `finish`; `error` is what stopped it."""

    keys: Keys
    log: Writer
    pace: float
    written: int = 0
    error: DeployLogError | None = None
    _enough: threading.Event = field(default_factory=threading.Event)

    def run(self) -> None:
        """Write."""
        try:
            with self.log:
                for number in count(1):
                    self.log.write(f"line {number} of {self.keys.deploy}")
                    self.written = number
                    if self._enough.wait(self.pace):
                        return
        except DeployLogError as error:
            self.error = error

    def more(self, lines: int = 5) -> None:
        """Wait until so many more lines were accepted."""
        at = self.written + lines
        wait_until(lambda: self.written >= at or self.error)

    def finish(self) -> None:
        """Let the job come to its end."""
        self._enough.set()


@contextmanager
def writing(
    url: str, pace: float = 0.02, give_up: float = GIVE_UP_SECONDS, limits: Limits | None = None
) -> Iterator[Writing]:
    """A deploy that is written to by a thread of this process, with a client of its own."""
    keys = Keys("shop", create_deploy("shop", url=url, limits=limits or Limits()))
    with redis.Redis.from_url(url, socket_timeout=1, socket_connect_timeout=1) as client:
        job = Writing(keys, Writer(Store(client), keys, token=new_token(), give_up=give_up), pace)
        thread = threading.Thread(target=job.run)
        thread.start()
        try:
            yield job
        finally:
            job.finish()
            thread.join(20)
            assert not thread.is_alive()


class Watchers:
    """Plain clients, each of which opens its stream once and never again; a stream that breaks fails its test."""

    def __init__(self, pool: ThreadPoolExecutor) -> None:
        self._pool = pool
        self._open: list[tuple[Keys, Log, Future[Log]]] = []

    def watch(self, api: Service, keys: Keys, count: int = 1) -> None:
        """Open so many streams of a deploy; returns when each has its first event."""
        for _ in range(count):
            log = Log()
            found = self._pool.submit(read_log, api.stream_url(keys.app, keys.deploy), None, log)
            self._open.append((keys, log, found))
            wait_until(lambda log=log, found=found: log.events or found.done())  # type: ignore[misc]

    def caught_up(self, keys: Keys, line: str, seconds: float = WAIT_SECONDS) -> None:
        """Wait until each watcher of the deploy has this line."""
        logs = [(log, found) for of, log, found in self._open if of == keys]
        wait_until(lambda: all(line in log.lines or found.done() for log, found in logs), seconds)

    def logs(self, seconds: float = 20) -> list[tuple[Keys, Log]]:
        """What each got, once its stream was closed by the server. Fails where one is not within so many seconds."""
        end = time.monotonic() + seconds
        return [(keys, found.result(max(0.01, end - time.monotonic()))) for keys, _, found in self._open]


@contextmanager
def watchers() -> Iterator[Watchers]:
    """Up to 64 watchers."""
    pool = ThreadPoolExecutor(64)
    try:
        yield Watchers(pool)
    finally:
        pool.shutdown(wait=False)  # where a test fails, a stream may stay open until its service stops


def stored_events(keys: Keys, url: str) -> list[Event]:
    """The stored log, and `done`, as a watcher should see them: the event's name, its id, its data."""
    events = [json.loads(event) for event in read_stored(keys.app, keys.deploy, url=url).events]
    seen = [("status" if "status" in event else "message", str(event["seq"]), event) for event in events]
    return [*seen, ("done", str(events[-1]["seq"] + 1), {})]


def as_seen(log: Log) -> list[Event]:
    """What a watcher saw, in the same form."""
    return [(kind, number, data) for kind, data, number in log.events]


def assert_promise(log: Log, keys: Keys, url: str) -> None:
    """The watcher got every event once and in order, with its numbers and text, proven by the checksum; then `done`."""
    assert_whole(log)
    assert as_seen(log) == stored_events(keys, url)


def statuses(log: Log) -> list[str]:
    """The statuses that a watcher was told, the last with its reason."""
    told = [data for kind, data, _ in log.events if kind == "status"]
    return [" ".join(filter(None, (data["status"], data.get("reason")))) for data in told]


def open_files(pid: int) -> int:
    """How many files a process has open."""
    return sum(1 for _ in Path(f"/proc/{pid}/fd").iterdir())


def resident(pid: int) -> int:
    """The bytes of memory that a process holds."""
    pages = int(Path(f"/proc/{pid}/statm").read_text().split()[1])
    return pages * 4096


def cancel(api: Service, keys: Keys) -> None:
    """Ask the service for a cancel."""
    httpx2.post(f"{api.url}/v1/apps/{keys.app}/deploys/{keys.deploy}/cancel").raise_for_status()
