"""Real clients of the stream. Each is a context manager that gives a function: from a stream's URL to what it saw.

Those that know Server-Sent Events give [event, id, data] of each event; the documented ones, which do not, the lines.
"""

import json
import os
import shutil
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from typing import Any, TypeAlias
from urllib.parse import urlsplit

import httpx
import httpx2
import httpx_sse
import pytest

from tests.e2e.browser import chromium

Seen: TypeAlias = list[Any]
Watch: TypeAlias = Callable[[str], Seen]

_HERE = Path(__file__).parent
_EVENT_SOURCE = (_HERE / "eventsource.js").read_text()
_PACKAGE = "eventsource@3.0.7"  # the newest that runs on Node 18
_SECONDS = 50
_AGAIN_SECONDS = 0.05


def need(program: str) -> str:
    """The path of a program that a user need not have; without it the test is skipped, in CI it fails."""
    path = shutil.which(program)
    if path is None:
        unavailable(f"{program} is not installed")
    return str(path)


def unavailable(reason: str) -> None:
    """Skip the test; in CI, where nothing may be skipped, fail it."""
    if os.environ.get("CI"):
        pytest.fail(reason)
    pytest.skip(reason)


@contextmanager
def browser() -> Iterator[Watch]:
    """EventSource of Chromium."""
    with chromium(need("chromium")) as running:

        def watch(url: str) -> Seen:
            parts = urlsplit(url)
            seen: Seen = running.run(f"{parts.scheme}://{parts.netloc}", _EVENT_SOURCE, url)
            return seen

        yield watch


@contextmanager
def npm_eventsource(modules: Path) -> Iterator[Watch]:
    """EventSource of the npm package, in Node. `modules` is an empty folder to install it in."""
    node, npm = need("node"), need("npm")
    quiet = ("--no-audit", "--no-fund", "--ignore-scripts", "--prefer-offline", "--fetch-retries=0")
    install = [npm, "install", *quiet, "--prefix", str(modules), _PACKAGE]
    installed = subprocess.run(install, capture_output=True, text=True, timeout=_SECONDS, check=False)
    if installed.returncode:
        unavailable(f"npm cannot install {_PACKAGE}: {installed.stderr.strip()[-300:]}")
    script = (
        "const { EventSource } = require('eventsource');"
        f"const watch = eval({json.dumps(_EVENT_SOURCE)});"
        "watch(process.argv[1]).then((seen) => console.log(JSON.stringify(seen)))"
    )
    yield lambda url: _node([node, "-e", script, url], modules)


@contextmanager
def documented_javascript() -> Iterator[Watch]:
    """The JavaScript of the public documentation, in Node. It does not resume: cut off, it starts again."""
    node = need("node")
    yield lambda url: _node([node, str(_HERE / "documented.mjs"), url], _HERE)


@contextmanager
def documented_python() -> Iterator[Watch]:
    """The same in Python."""

    def read(url: str) -> Seen:
        lines = []
        rest = b""
        with httpx2.stream("GET", url, headers={"Authorization": "Bearer sk_test"}, timeout=_SECONDS) as response:
            for data in response.iter_bytes():
                *whole, rest = (rest + data).split(b"\n")
                lines += [json.loads(line[6:]) for line in whole if line.startswith(b"data: ")]
        return [entry["line"] for entry in lines if "line" in entry]

    def watch(url: str) -> Seen:
        while True:
            try:
                return read(url)
            except httpx2.TransportError:
                time.sleep(_AGAIN_SECONDS)

    yield watch


@contextmanager
def curl() -> Iterator[Watch]:
    """`curl -N`, started again behind the last whole event until it ends with status 0."""
    program = need("curl")

    def watch(url: str) -> Seen:
        seen: Seen = []
        while True:
            resume = ["-H", f"Last-Event-ID: {seen[-1][1]}"] if seen else []
            ended = subprocess.run([program, "-sN", *resume, url], capture_output=True, timeout=_SECONDS, check=False)
            *events, _ = ended.stdout.decode("utf-8", "replace").split("\n\n")
            for event in events:
                fields = dict(line.split(": ", 1) for line in event.split("\n"))
                seen.append([fields.get("event", "message"), fields["id"], fields["data"]])
            if ended.returncode == 0:
                return seen
            assert ended.returncode in (18, 52, 56), f"curl ended with {ended.returncode}"
            time.sleep(_AGAIN_SECONDS)

    yield watch


@contextmanager
def httpx_sse_client() -> Iterator[Watch]:
    """httpx with httpx-sse, in a loop that comes back."""

    def connect(url: str, headers: dict[str, str]) -> Iterator[list[str]]:
        with (
            httpx.Client(timeout=_SECONDS) as client,
            httpx_sse.connect_sse(client, "GET", url, headers=headers) as source,
        ):
            for event in source.iter_sse():
                yield [event.event, event.id, event.data]

    yield _resuming(connect, httpx.TransportError)


@contextmanager
def httpx2_client() -> Iterator[Watch]:
    """httpx2 with its own EventSource, in a loop that comes back."""

    def connect(url: str, headers: dict[str, str]) -> Iterator[list[str]]:
        with httpx2.stream("GET", url, headers=headers, timeout=_SECONDS) as response:
            for event in httpx2.EventSource(response):
                yield [event.event, event.id, event.data]

    yield _resuming(connect, httpx2.TransportError)


Clients: TypeAlias = dict[str, Callable[[], AbstractContextManager[Watch]]]
RESUMING: Clients = {
    "curl": curl,
    "httpx-sse": httpx_sse_client,
    "httpx2": httpx2_client,
}
DOCUMENTED: Clients = {
    "documented-javascript": documented_javascript,
    "documented-python": documented_python,
}


def _node(command: list[str], folder: Path) -> Seen:
    ended = subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=_SECONDS, check=False)
    assert ended.returncode == 0, ended.stderr
    seen: Seen = json.loads(ended.stdout)
    return seen


def _resuming(connect: Callable[[str, dict[str, str]], Iterator[list[str]]], cut: type[Exception]) -> Watch:
    def watch(url: str) -> Seen:
        seen: Seen = []
        while True:
            try:
                seen.extend(connect(url, {"Last-Event-ID": seen[-1][1]} if seen else {}))
                return seen
            except cut:
                time.sleep(_AGAIN_SECONDS)

    return watch
