"""Runs the real command line."""

import json
import secrets
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

from producer.keys import Keys
from producer.library import read_log
from tests.helpers import started

PROGRAM = str(Path(sys.executable).parent / "deploytail")


class Ended(NamedTuple):
    """How a command ended, and what it said."""

    status: int
    out: str
    err: str


def deploytail(environment: dict[str, str], *arguments: str) -> Ended:
    """Run a command to its end."""
    with running(environment, *arguments) as process:
        return finish(process)


@contextmanager
def running(environment: dict[str, str], *arguments: str, **options: Any) -> Iterator["subprocess.Popen[bytes]"]:
    """A command that runs, its output in pipes; it is stopped at the end."""
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE} | options
    with started([PROGRAM, *arguments], environment, **pipes) as process:
        try:
            yield process
        finally:
            if process.stderr:
                process.stderr.close()


def finish(process: "subprocess.Popen[bytes]", seconds: float = 30) -> Ended:
    """Wait for its end."""
    out, err = process.communicate(timeout=seconds)
    return Ended(process.returncode, out.decode("utf-8", "replace"), err.decode("utf-8", "replace"))


def new_keys(app: str = "shop") -> Keys:
    """A deploy id that nobody has used."""
    return Keys(app, f"d{secrets.token_hex(6)}")


def stored_lines(keys: Keys, url: str) -> list[str]:
    """The lines of a log as they are stored."""
    events = [json.loads(event) for event in read_log(keys.app, keys.deploy, url=url).events]
    return [event["line"] for event in events if "line" in event]
