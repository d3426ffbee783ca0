"""Tools of the tests: a fakeredis that takes our scripts, services as processes, and a plain reader of streams."""

import json
import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar

import fakeredis
import httpx2
from redis.exceptions import NoScriptError

from api.verify import Verifier
from worker.lifetime import die_with_parent

T = TypeVar("T")

ROOT = Path(__file__).parent.parent
WAIT_SECONDS = 20.0


class FakeClient(fakeredis.FakeRedis):
    """fakeredis does not know the `#!lua` line that real servers read a script's flags from: it is taken off."""

    def evalsha(self, sha: str, _numkeys: int, *_keys_and_args: Any) -> Any:
        """Never known by its sha: the caller falls back to `eval`."""
        raise NoScriptError(sha)

    def eval(self, script: str, numkeys: int, *keys_and_args: Any) -> Any:
        """Run a script, without its first line."""
        first, _, rest = script.partition("\n")
        return super().eval(rest if first.startswith("#!") else script, numkeys, *keys_and_args)


@dataclass
class Service:
    """A process and where it answers."""

    url: str
    process: "subprocess.Popen[bytes]"

    def stream_url(self, app: str, deploy: str) -> str:
        """The stream endpoint of a deploy."""
        return f"{self.url}/v1/apps/{app}/deploys/{deploy}/logs/stream"

    def enqueue(self, app: str = "shop", **body: Any) -> str:
        """Queue a deploy; return its id."""
        answer = httpx2.post(f"{self.url}/v1/apps/{app}/deploy", json=body)
        assert answer.status_code == 202, answer.text
        deploy: str = answer.json()["deploy_id"]
        return deploy


@contextmanager
def started(command: list[str], environment: dict[str, str], **options: Any) -> Iterator["subprocess.Popen[bytes]"]:
    """A process of the project, in the repo's root; it is stopped, by its id, at the end."""
    process = subprocess.Popen(
        command, cwd=ROOT, env=environment, stdin=subprocess.DEVNULL, preexec_fn=die_with_parent, **options
    )
    try:
        yield process
    finally:
        process.terminate()
        try:
            process.wait(15)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
        if process.stdout:
            process.stdout.close()


@contextmanager
def start_api(redis_url: str, *arguments: str) -> Iterator[Service]:
    """A real API on a free port, ready to serve unless its Redis is away."""
    environment = os.environ | {"DEPLOYTAIL_REDIS_URL": redis_url, "DEPLOYTAIL_LOG_LEVEL": "warning"}
    command = [sys.executable, "-m", "api", "--port", "0", *arguments]
    with started(command, environment, stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        line = process.stdout.readline().decode()
        url = next(word.rstrip(",") for word in line.split() if word.startswith("http"))
        wait_until(lambda: _answers(f"{url}/healthz"))
        yield Service(url, process)


@contextmanager
def start_worker(redis_url: str, *arguments: str) -> Iterator["subprocess.Popen[bytes]"]:
    """A real worker."""
    environment = os.environ | {"DEPLOYTAIL_REDIS_URL": redis_url, "DEPLOYTAIL_LOG_LEVEL": "warning"}
    command = [sys.executable, "-m", "worker", "--stop-timeout", "1", *arguments]
    with started(command, environment) as process:
        yield process


def _answers(url: str) -> bool:
    try:
        return httpx2.get(url).is_success
    except httpx2.TransportError:
        return False


def wait_until(condition: Callable[[], T], seconds: float = WAIT_SECONDS) -> T:
    """Wait until the condition holds; return its value. Fails after some seconds."""
    end = time.monotonic() + seconds
    while not (value := condition()):
        assert time.monotonic() < end, f"{condition} did not hold within {seconds} s"
        time.sleep(0.01)
    return value


@dataclass
class Log:
    """What one watcher got: its events in order, and the judgement over all its connections."""

    events: list[tuple[str, dict[str, Any], str]] = field(default_factory=list)
    verifier: Verifier = field(default_factory=Verifier)

    @property
    def lines(self) -> list[str]:
        """The text of the log lines."""
        return [data["line"] for kind, data, _ in self.events if kind == "message"]

    @property
    def done(self) -> bool:
        """Whether the end has come."""
        return bool(self.events) and self.events[-1][0] == "done"

    def add(self, event: httpx2.ServerSentEvent) -> None:
        """Take the next event."""
        data = json.loads(event.data)
        self.events.append((event.event, data, event.id))
        {"message": self.verifier.line, "status": self.verifier.changed, "gap": self.verifier.gap}.get(
            event.event, lambda _: None
        )(data)


def read_log(url: str, last_event_id: str | None = None, log: Log | None = None, **parameters: Any) -> Log:
    """Read one stream to its close, as a plain client; what it got is added to `log`."""
    log = log or Log()
    headers = {} if last_event_id is None else {"Last-Event-ID": last_event_id}
    with httpx2.stream("GET", url, headers=headers, params=parameters, timeout=30) as response:
        assert response.status_code == 200, response.read()
        for event in httpx2.EventSource(response):
            log.add(event)
    return log


def assert_whole(log: Log) -> None:
    """The log came whole: every event once and in order, checksum and count as the deploy wrote them, then `done`."""
    assert log.done
    assert log.verifier.flaw is None
    assert not log.verifier.missing
    assert log.verifier.whole


def every_cut(data: bytes) -> Iterator[tuple[bytes, bytes]]:
    """The data in two pieces, for each place to cut it at."""
    for at in range(len(data) + 1):
        yield data[:at], data[at:]
