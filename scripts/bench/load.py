"""Builds and drives the compiled load client, `load.c`."""

import json
import os
import selectors
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from scripts.bench.errors import CannotMeasure, CannotStart
from worker.lifetime import die_with_parent

SECONDS = 150.0  # after which a stream counts as hanging

_SOURCE = Path(__file__).with_name("load.c")
_GRACE_SECONDS = 10.0
_CONNECTIONS_PER_ADDRESS = 5_000
_READ_BYTES = 64 * 1024
_CEILING_CONNECTIONS, _CEILING_LINES = 50, 10_000


@dataclass(frozen=True)
class Seen:
    """What all connections of a load client got. Times are of the monotonic clock, in nanoseconds."""

    connections: int
    frames: int  # with a log line in them
    bytes: int
    others: int  # messages that are no lines of the benchmark
    lost: int
    doubled: int
    told: int  # lines that did not come, as a gap said
    unfinished: int  # streams that ended without `done`, or not at all
    errors: int
    error: str  # the first of them
    began_ns: int  # the first connect
    ready_ns: int  # all have had their first body bytes
    last_ns: int  # the last line
    delays: int  # lines whose delay counted
    p50_us: int
    p99_us: int
    max_us: int
    cpu_us: int  # of the load client itself

    def check(self, frames: int) -> None:
        """Raise CannotMeasure unless exactly so many lines came, in order, and every stream ended."""
        wrong = [f"{self.errors} connections failed ({self.error})"] if self.errors else []
        counts = (
            ("lost", self.lost),
            ("doubled", self.doubled),
            ("told of as a gap", self.told),
            ("unfinished streams", self.unfinished),
        )
        wrong += [f"{count:,} {what}" for what, count in counts if count]
        if not wrong and self.frames != frames:
            wrong.append(f"{self.frames:,} lines came of {frames:,}")
        if wrong:
            raise CannotMeasure(", ".join(wrong))


class Watch:
    """A running load client."""

    def __init__(self, process: "subprocess.Popen[bytes]") -> None:
        self._process = process
        self._said = b""
        self._words: set[str] = set()

    def await_word(self, word: str, seconds: float = SECONDS) -> None:
        """Wait until the client has said it: open, ready or all. Raises CannotMeasure."""
        end = time.monotonic() + seconds
        while word not in self._words:
            line = self._line(end)
            if line.startswith("{"):
                seen = Seen(**json.loads(line))
                seen.check(seen.frames)
                raise CannotMeasure(f"the streams ended before they were {word}")
            self._words.add(line)

    def stop(self) -> None:
        """Have it close all connections."""
        if self._process.stdin:
            self._process.stdin.close()

    def result(self, seconds: float = SECONDS) -> Seen:
        """What it saw, once every stream has ended. Raises CannotMeasure."""
        end = time.monotonic() + seconds + _GRACE_SECONDS
        while not (line := self._line(end)).startswith("{"):
            self._words.add(line)
        return Seen(**json.loads(line))

    def _line(self, end: float) -> str:
        out = self._process.stdout
        if out is None:
            raise CannotMeasure("the load client has no output")
        with selectors.DefaultSelector() as selector:
            selector.register(out, selectors.EVENT_READ)
            while b"\n" not in self._said:
                if not selector.select(max(0.0, end - time.monotonic())):
                    raise CannotMeasure("the load client waits in vain")
                data = os.read(out.fileno(), _READ_BYTES)
                if not data:
                    raise CannotMeasure("the load client has ended by itself")
                self._said += data
        line, _, self._said = self._said.partition(b"\n")
        return line.decode()


@contextmanager
def watching(
    binary: Path,
    port: int,
    paths: Sequence[str],
    connections: int,
    *,
    lines: int = 0,
    first: int = 1,
    delays: bool = False,
    seconds: float = SECONDS,
    extra: Sequence[str] = (),
) -> Iterator[Watch]:
    """A load client whose connections are spread over `paths`; it is ended with the context.

    Each is to get the lines `first` to `lines` (`first` 0: from any). With `delays` it times each line.
    """
    addresses = 1 + connections // _CONNECTIONS_PER_ADDRESS
    command = [str(binary), "watch", "--port", f"{port}", "--connections", f"{connections}", "--lines", f"{lines}"]
    command += ["--first", f"{first}", "--seconds", f"{seconds}", "--addresses", f"{addresses}"]
    command += [] if delays else ["--count-only"]
    with _running([*command, *extra, *paths]) as process:
        yield Watch(process)


def ceiling(binary: Path, times: int) -> float:
    """How many frames a second the client itself takes, at best, from a server that does nothing but send."""
    with _running([str(binary), "serve", "--lines", f"{_CEILING_LINES}"]) as server:
        if server.stdout is None:
            raise CannotStart("the load client has no output")
        port = int(server.stdout.readline().split()[1])
        rates = []
        for _ in range(times):
            with watching(binary, port, ["/"], _CEILING_CONNECTIONS, lines=_CEILING_LINES) as watch:
                seen = watch.result()
            seen.check(_CEILING_CONNECTIONS * _CEILING_LINES)
            rates.append(seen.frames * 1e9 / (seen.last_ns - seen.began_ns))
    return max(rates)


def build() -> Path:
    """The client's binary, compiled unless there is one newer than its source. Raises CannotStart."""
    if sys.platform != "linux":
        raise CannotStart("the benchmark runs on Linux only: it needs epoll and /proc")
    binary = Path(sys.prefix) / "bench" / "load"
    if binary.exists() and binary.stat().st_mtime > _SOURCE.stat().st_mtime:
        return binary
    compiler = shutil.which("cc") or shutil.which("gcc")
    if compiler is None:
        raise CannotStart("the load client is written in C: install a C compiler (on Debian and Ubuntu: gcc libc6-dev)")
    binary.parent.mkdir(exist_ok=True)
    with tempfile.TemporaryDirectory(dir=binary.parent) as folder:
        made = Path(folder) / "load"
        done = subprocess.run([compiler, "-O2", "-o", made, _SOURCE], capture_output=True, text=True, check=False)
        if done.returncode:
            raise CannotStart(f"the load client does not compile: {done.stderr.strip()}")
        made.replace(binary)  # at once, as another run may be building it, too
    return binary


@contextmanager
def _running(command: list[str]) -> Iterator["subprocess.Popen[bytes]"]:
    options: dict[str, Any] = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE}
    process = subprocess.Popen(command, start_new_session=True, preexec_fn=die_with_parent, **options)
    try:
        yield process
    finally:
        if process.stdin:
            process.stdin.close()
        try:
            process.wait(_GRACE_SECONDS)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
        if process.stdout:
            process.stdout.close()
