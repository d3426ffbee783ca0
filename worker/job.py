"""The deploy job: plays a scenario into the log of a deploy."""

import logging
import os
import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from random import Random
from types import FrameType

from rq import get_current_job
from rq.timeouts import BaseTimeoutException

from producer.errors import AlreadyClaimed, DeployCancelled, Finished
from producer.library import open_log
from producer.mask import Mask
from producer.simulate import FaultKind, ScenarioName
from producer.status import Status
from producer.writer import Writer
from worker import generate
from worker.actions import End, Line, Play
from worker.assemble import Assembled, assemble
from worker.catalogue import builtin, faults
from worker.perform import perform
from worker.reading import read_scenario
from worker.recording import RecordingError
from worker.recording import play as play_recording
from worker.scope import TemplateError

log = logging.getLogger(__name__)

_LIMIT_GRACE_SECONDS = 30
_HURRY_SECONDS = 5.0


class _Look:
    """Whether the play may go on, for what makes it up, which is there before the log is open."""

    def __init__(self) -> None:
        self.writer: Writer | None = None

    def __call__(self) -> None:
        if self.writer:
            self.writer.wait(0)  # raises where it may not


class Interrupted(BaseException):
    """The worker has to stop now. Not an Exception: a job must not take it for one of its own."""


def run_deploy(
    app_id: str,
    deploy_id: str,
    scenario: ScenarioName = "static",
    seed: int = 0,
    speed: float = 1.0,
    max_idle: float | None = None,
    fail_at: str | None = None,
    fault: FaultKind | None = None,
    definition: str | None = None,
    recording: str | None = None,
) -> str:
    """Take a queued deploy to its end; return the status that it then has.

    It plays the scenario of that name, or the one whose file is `definition`, under `seed`, with `fault` at the step
    `fail_at`; or else a `recording`. The log is written to `DEPLOYTAIL_REDIS_URL`. `speed` scales the time; 0 waits
    for nothing, and no pause is longer than `max_idle` seconds. What cannot be played ends the deploy as failed,
    `invalid_scenario` or `invalid_recording`, and whatever else goes wrong while it is prepared ends it, too. A deploy
    that has a writer, or an end, already is left alone: a queue may deliver a job twice.
    """
    look = _Look()
    try:
        mask, play = _prepare(app_id, scenario, seed, fail_at, fault, definition, recording, look)
    except Exception as error:  # noqa: BLE001 - it is told, and the deploy ended, by the log that is opened now
        mask, play = Mask(), _refuse(error)
    try:
        with interruptible(), open_log(app_id, deploy_id, secrets=mask, time_limit=_time_limit()) as writer:
            look.writer = writer
            return _play(assemble(play, mask.open_end), writer, partial(_pause, writer, speed, max_idle))
    except (AlreadyClaimed, Finished) as error:
        log.warning("refused: %s", error)
        return "refused"
    except DeployCancelled:
        return Status.CANCELLED


def _prepare(
    app: str,
    scenario: ScenarioName,
    seed: int,
    fail_at: str | None,
    fault: FaultKind | None,
    definition: str | None,
    recording: str | None,
    look: _Look,
) -> tuple[Mask, Play]:
    """The mask of what is to be played, and it. Raises ValueError where that is wrong, RecordingError."""
    if recording is not None:
        return Mask(), play_recording(recording, Random(seed))
    chosen = builtin(scenario) if definition is None else read_scenario(definition, "scenario")
    return Mask(chosen.secrets), generate.play(chosen, faults(), seed, app=app, fail_at=fail_at, fault=fault, look=look)


def _refuse(error: Exception) -> Play:
    """The deploy fails, and its log says why. What nobody foresaw is raised, as if it had come while it played."""
    if not isinstance(error, ValueError | RecordingError):
        raise error
    for line in str(error).splitlines():
        yield Line(0, line, None, "system", "error")
    reason = "invalid_recording" if isinstance(error, RecordingError) else "invalid_scenario"
    return End(reason, str(error).partition("\n")[0])


def _time_limit() -> int | None:
    """After how many seconds the deploy is ended from outside, should the job not end at its own limit."""
    job = get_current_job()
    return None if job is None or not job.timeout else int(job.timeout) + _LIMIT_GRACE_SECONDS


def _pause(writer: Writer, speed: float, max_idle: float | None, delay_ms: int) -> None:
    if speed and delay_ms:
        pause = delay_ms / 1000 / speed
        writer.wait(pause if max_idle is None else min(pause, max_idle))


def _play(actions: Assembled, writer: Writer, pause: Callable[[int], None]) -> str:
    try:
        end = perform(actions, writer, pause, _die)
    except BaseTimeoutException:
        writer.finish(Status.FAILED, "timeout", "the job ran past its time limit")
        return Status.FAILED
    except Interrupted:
        writer.hurry(_HURRY_SECONDS)  # when everything is stopped, Redis may be gone already
        writer.finish(Status.FAILED, "interrupted", "the worker was stopped")
        return Status.FAILED
    except TemplateError as error:
        end = End("invalid_scenario", str(error))
        writer.write(str(error), stream="system", level="error")
    writer.finish(end.status, end.reason, end.detail)
    return end.status


def _die() -> None:
    os.kill(os.getpid(), signal.SIGKILL)


@contextmanager
def interruptible() -> Iterator[None]:
    """Let SIGTERM end the job with Interrupted, so that the deploy gets its end."""

    def interrupt(_signum: int, _frame: FrameType | None) -> None:
        signal.signal(signal.SIGTERM, signal.SIG_IGN)  # once is enough, and the end must get written
        raise Interrupted

    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = signal.signal(signal.SIGTERM, interrupt)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)
