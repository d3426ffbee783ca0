"""Starts and stops the processes that are measured."""

import os
import socket
import subprocess
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path

from scripts.bench.errors import CannotMeasure
from worker.lifetime import die_with_parent

_START_SECONDS = 20.0
STOP_SECONDS = 10.0
_SHOWN_LINES = 3

Process = subprocess.Popen[bytes]


def start(command: Sequence[str], environment: Mapping[str, str], log: Path) -> Process:
    """Start a process; what it complains of goes to `log`."""
    with log.open("wb") as said:
        # In a session of its own: Ctrl-C ends the benchmark, which then ends its processes.
        return subprocess.Popen(
            list(command),
            env=dict(environment),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=said,
            start_new_session=True,
            preexec_fn=die_with_parent,
        )


def await_port(process: Process, port: int, log: Path) -> None:
    """Wait until the process listens on this loopback port. Raises CannotMeasure, with what it said last."""
    end = time.monotonic() + _START_SECONDS
    while time.monotonic() < end and process.poll() is None:
        with suppress(OSError), socket.create_connection(("127.0.0.1", port), timeout=1):
            return
        time.sleep(0.01)
    raise CannotMeasure(f"it does not start: {last_words(log)}")


def last_words(log: Path) -> str:
    """The end of a log, in one line."""
    lines = log.read_text(errors="replace").split("\n") if log.exists() else []
    return " / ".join(line.strip() for line in lines[-_SHOWN_LINES - 1 :] if line.strip()) or "it said nothing"


def clean_environment() -> dict[str, str]:
    """The environment without the developer's own settings of deploytail."""
    return {name: value for name, value in os.environ.items() if not name.startswith("DEPLOYTAIL_")}
