"""`deploytail run`: a real command's output as the log of a deploy."""

import getpass
import os
import shlex
import shutil
import signal
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from types import FrameType

from producer.deploys import Request
from producer.errors import DeployLogError
from producer.library import create_deploy, open_log
from producer.lines import LineSplitter
from producer.status import Status
from producer.writer import Writer
from scripts.command import Command, why
from scripts.watch import EXIT, EXIT_INTERRUPTED

UNFINISHED_SECONDS = 1.0
# How long the command has to obey, from the gentlest way of asking to the last.
_ESCALATION = ((signal.SIGINT, 5.0), (signal.SIGTERM, 5.0), (signal.SIGKILL, 5.0))


class UsageError(Exception):
    """The command line asks for what cannot be."""


class _Stop:
    """Whether the user asked to stop, how often, and when."""

    def __init__(self) -> None:
        self.asked = 0

    def __call__(self, _number: int, _frame: FrameType | None) -> None:
        self.asked += 1
        if self.asked > len(_ESCALATION):
            raise KeyboardInterrupt


def run_as_deploy(
    app: str,
    command: Sequence[str],
    *,
    deploy_id: str | None,
    message: str | None,
    mask: Sequence[str],
    tty: bool,
    redis_url: str | None,
) -> int:
    """Create a deploy of `app` and run the command as it; `mask` names environment variables whose values are secret.

    Raises InvalidId, InvalidAddress, DeployExists, StoreAway, and UsageError for what cannot be run or masked.
    """
    if shutil.which(command[0]) is None:
        raise UsageError(f"no such command: {command[0]}")
    unset = [name for name in mask if not os.environ.get(name)]
    if unset:
        raise UsageError(f"--mask {unset[0]}: this environment variable is not set")
    words = shlex.join(command)
    request = Request(message=message or words, source="run", queued_by=_user())
    deploy = create_deploy(app, deploy_id, url=redis_url, request=request)
    print(f"deploy {deploy}: deploytail watch {app} {deploy}", file=sys.stderr)
    secrets = [os.environ[name] for name in mask]
    with open_log(app, deploy, url=redis_url, secrets=secrets, cancel_raises=False) as log:
        status = run(command, log, tty=tty)
    print(f"deploy {deploy}: {log.ended}", file=sys.stderr)
    return status


def run(command: Sequence[str], writer: Writer, *, tty: bool) -> int:
    """Run the command and write its output to `writer`, and to our stdout; return the exit status of the design.

    The deploy ends as the command does; Ctrl-C, or a cancel, ends both: open `writer` with `cancel_raises` off, so that
    what the command says while it stops is still logged. Raises OSError where the command cannot be
    started, and what stops the log: StoreAway, StoreFull, Fenced.
    """
    with _stoppable() as stop:
        child = Command(command, tty=tty)
        try:
            cancelled = _copy(child, writer, stop)
        except DeployLogError:
            child.signal(signal.SIGTERM)
            raise
        finally:
            child.close()
        status = child.wait()
        if cancelled:
            writer.finish(Status.CANCELLED)
            return EXIT_INTERRUPTED if stop.asked else EXIT[Status.CANCELLED]
        if status:
            writer.finish(Status.FAILED, why(status))
            return EXIT[Status.FAILED]
        writer.finish(Status.COMPLETE)
        return EXIT[Status.COMPLETE]


def _copy(child: Command, writer: Writer, stop: _Stop) -> bool:
    """Copy until the command's output is over; return whether it was told to stop."""
    splitter = LineSplitter()
    escalation = _escalate(child)
    asked, next_at, unfinished_at = 0, 0.0, 0.0
    stopping = False
    while True:
        data = child.read(0.1)
        now = time.monotonic()
        if data:
            sys.stdout.buffer.write(data)
            sys.stdout.buffer.flush()
            had = splitter.pending
            lines = splitter.feed(data)
            if lines or not had:
                unfinished_at = now + UNFINISHED_SECONDS
            for line in lines:
                writer.write(line)
        over = data is None
        if splitter.pending and (over or now >= unfinished_at):
            rest = splitter.flush(final=over)
            if rest is not None:
                writer.write(rest)
            unfinished_at = now + UNFINISHED_SECONDS
        if over:
            return stopping
        if stop.asked > asked or (writer.cancelled and not stopping) or (stopping and now >= next_at):
            asked, stopping = stop.asked, True
            next_at = now + next(escalation, 5.0)


def _escalate(child: Command) -> Iterator[float]:
    for number, patience in _ESCALATION:
        child.signal(number)
        yield patience


@contextmanager
def _stoppable() -> Iterator[_Stop]:
    stop = _Stop()
    before = {number: signal.signal(number, stop) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield stop
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _user() -> str | None:
    try:
        return getpass.getuser()
    except (OSError, KeyError):  # no entry in the user database, as in a container
        return None
