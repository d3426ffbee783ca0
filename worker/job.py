"""The deploy job: plays a scenario into the log of a deploy."""

import logging
import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from random import Random
from types import FrameType

from rq import get_current_job
from rq.timeouts import BaseTimeoutException

from producer.errors import AlreadyClaimed, DeployCancelled, Finished
from producer.library import open_log
from producer.simulate import ScenarioName
from producer.status import Status
from producer.writer import Writer
from worker.scenarios import SCENARIOS, Scenario

log = logging.getLogger(__name__)

_LIMIT_GRACE_SECONDS = 30
_HURRY_SECONDS = 5.0


class Interrupted(BaseException):
    """The worker has to stop now. Not an Exception: a job must not take it for one of its own."""


def run_deploy(
    app_id: str,
    deploy_id: str,
    scenario: ScenarioName = "succeeds",
    seed: int = 0,
    speed: float = 1.0,
) -> str:
    """Take a queued deploy to its end; return the status that it then has.

    The log is written to `DEPLOYTAIL_REDIS_URL`. `speed` scales the scenario's time; 0 waits for nothing. A deploy
    that has a writer, or an end, already is left alone: a queue may deliver a job twice.
    """
    steps = SCENARIOS[scenario](Random(seed))
    try:
        with interruptible(), open_log(app_id, deploy_id, time_limit=_time_limit()) as writer:
            return _play(steps, writer, speed)
    except (AlreadyClaimed, Finished) as error:
        log.warning("refused: %s", error)
        return "refused"
    except DeployCancelled:
        return Status.CANCELLED


def _time_limit() -> int | None:
    """After how many seconds the deploy is ended from outside, should the job not end at its own limit."""
    job = get_current_job()
    return None if job is None or not job.timeout else int(job.timeout) + _LIMIT_GRACE_SECONDS


def _play(steps: Scenario, writer: Writer, speed: float) -> str:
    try:
        reason = _write(steps, writer, speed)
    except BaseTimeoutException:
        writer.finish(Status.FAILED, "timeout", "the job ran past its time limit")
        return Status.FAILED
    except Interrupted:
        writer.hurry(_HURRY_SECONDS)  # when everything is stopped, Redis may be gone already
        writer.finish(Status.FAILED, "interrupted", "the worker was stopped")
        return Status.FAILED
    status = Status.COMPLETE if reason is None else Status.FAILED
    writer.finish(status, reason)
    return status


def _write(steps: Scenario, writer: Writer, speed: float) -> str | None:
    while True:
        try:
            step = next(steps)
        except StopIteration as end:
            reason: str | None = end.value
            return reason
        if speed and step.delay_ms:
            writer.wait(step.delay_ms / 1000 / speed)
        writer.write(step.line, stream=step.stream, level=step.level, step=step.step)


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
