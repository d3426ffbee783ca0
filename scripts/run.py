"""`deploytail run`: a real command's output as the log of a deploy."""

import getpass
import os
import shlex
import shutil
import signal
import time
from collections.abc import Sequence
from types import FrameType
from typing import Any, Self

from producer.deploys import Request
from producer.errors import DeployLogError, Fenced, Finished
from producer.library import create_deploy, open_log, read_log
from producer.mask import Mask
from producer.status import Status
from producer.writer import Writer
from scripts.command import Command, why
from scripts.echo import Echo
from scripts.exits import EXIT, EXIT_AWAY, EXIT_INTERRUPTED
from scripts.program import NAME
from scripts.streams import say

UNFINISHED_SECONDS = 1.0
# How long the command has to obey, from the gentlest way of asking to the last; together less than a cancel's grace.
_ESCALATION = ((signal.SIGINT, 3.0), (signal.SIGTERM, 3.0), (signal.SIGKILL, 3.0))
_HURRY_SECONDS = 5.0
_STOPPING = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
# A `run` that dies before it writes leaves a deploy that nobody else will start.
_START_SECONDS = 60


class UsageError(Exception):
    """The command line asks for what cannot be."""


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

    Returns the exit status of the design. Raises InvalidId, InvalidAddress, DeployExists, StoreAway, StoreFull, and
    UsageError for what cannot be run or masked.
    """
    if shutil.which(command[0]) is None:
        raise UsageError(f"no such command: {command[0]}")
    secrets = [secret(name) for name in mask]
    hide = Mask(secrets)
    request = Request(
        message=hide(message or shlex.join(command)), source="run", queued_by=_user(), start_within=_START_SECONDS
    )
    deploy = create_deploy(app, deploy_id, url=redis_url, request=request)
    say(f"deploy {deploy}: {NAME} watch {app} {deploy}")
    try:
        with open_log(app, deploy, url=redis_url, secrets=secrets, cancel_raises=False) as log:
            status, reason = run(command, log, hide, tty=tty)
            ended = log.ended
    except (Finished, Fenced):
        # Ended from outside: by a cancel whose grace was over, or because this process was taken for dead.
        state = read_log(app, deploy, url=redis_url).state
        ended, reason = state.status, state.error
        status = EXIT.get(ended, EXIT_AWAY)
    except OSError as error:
        say(f"deploytail: cannot run {command[0]}: {error.strerror}")
        ended, status, reason = Status.FAILED, EXIT[Status.FAILED], "crashed"
    say(f"deploy {deploy}: {ended}{f' ({reason})' if reason else ''}")
    return status


def run(command: Sequence[str], writer: Writer, hide: Mask, *, tty: bool) -> tuple[int, str | None]:
    """Run the command and write its output to `writer`, and to our stdout.

    Returns the exit status of the design, and why the deploy failed.

    The deploy ends as the command does; Ctrl-C, or a cancel, ends both: open `writer` with `cancel_raises` off, so that
    what the command says while it stops is still logged. Raises OSError where the command cannot be started, and what
    stops the log: StoreAway, StoreFull, Finished, Fenced.
    """
    child = Command(command, tty=tty)
    try:
        with _Stop(child, writer) as stop:
            _copy(child, writer, hide, stop)
            status = child.wait()
    except DeployLogError:
        child.signal(signal.SIGTERM)
        raise
    finally:
        child.close()
    if stop.asked:
        writer.finish(Status.CANCELLED)
        return EXIT[Status.CANCELLED] if stop.by_cancel else EXIT_INTERRUPTED, None
    if status:
        reason = why(status)
        writer.finish(Status.FAILED, reason)
        return EXIT[Status.FAILED], reason
    writer.finish(Status.COMPLETE)
    return EXIT[Status.COMPLETE], None


class _Stop:
    """Asks the command to stop, on Ctrl-C, SIGTERM, a hang-up or a cancel; more firmly each time, and with time."""

    def __init__(self, child: Command, writer: Writer) -> None:
        self._child = child
        self._writer = writer
        self._before: dict[int, Any] = {}
        self._next_at = 0.0
        self.asked = 0
        self.by_cancel = False

    def __enter__(self) -> Self:
        self._before = {number: signal.signal(number, self._signalled) for number in _STOPPING}
        return self

    def __exit__(self, *_: object) -> None:
        for number, handler in self._before.items():
            signal.signal(number, handler)

    def look(self) -> None:
        """Ask because of a cancel, or again because the command did not obey in time."""
        if self.asked == 0 and self._writer.cancelled:
            self.by_cancel = True
            self._ask()
        elif 0 < self.asked < len(_ESCALATION) and time.monotonic() >= self._next_at:
            self._ask()

    def _signalled(self, _number: int, _frame: FrameType | None) -> None:
        # In the handler, since the main thread may be waiting for a Redis that is away.
        if self.asked >= len(_ESCALATION):
            raise KeyboardInterrupt
        self._writer.hurry(_HURRY_SECONDS)
        self._ask()

    def _ask(self) -> None:
        number, patience = _ESCALATION[self.asked]
        self.asked += 1
        self._next_at = time.monotonic() + patience
        self._child.signal(number)


def _copy(child: Command, writer: Writer, hide: Mask, stop: _Stop) -> None:
    """Copy the command's output until the command is over."""
    echo = Echo(hide)
    output = writer.output(stream=None)
    unfinished_at = 0.0
    while (data := child.read(0.1)) is not None:
        now = time.monotonic()
        if data:
            echo.write(data)
            if b"\n" in data or not output.pending:
                unfinished_at = now + UNFINISHED_SECONDS
            output.write(data)
        if output.pending and now >= unfinished_at:
            unfinished_at = now + UNFINISHED_SECONDS
            output.flush()
        stop.look()
    echo.write(b"", final=True)
    output.close()


def secret(name: str) -> str:
    """The value of an environment variable, to be masked. Raises UsageError where there is none."""
    value = os.environ.get(name, "")
    if not value.strip():
        raise UsageError(f"--mask {name}: this environment variable is not set, or empty")
    return value


def _user() -> str | None:
    try:
        return getpass.getuser()
    except (OSError, KeyError):  # no entry in the user database, as in a container
        return None
