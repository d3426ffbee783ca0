"""When a deploy has to be ended for its writer. Anybody may: each worker's reaper, each API's sweep."""

from dataclasses import dataclass

from producer.keys import Keys
from producer.lease import Deadlines, Watch
from producer.state import State
from producer.status import Status

LEASE_SECONDS = 10.0
CANCEL_GRACE_SECONDS = 10.0
QUEUE_TIMEOUT_SECONDS = 3600.0
SLOW_LOOK_SECONDS = 1.0
RARE_LOOK_SECONDS = 2.5


@dataclass(frozen=True, slots=True)
class Verdict:
    """How a deploy is to end."""

    status: Status
    reason: str
    detail: str


class Judge:
    """Decides which unfinished deploys are over, from what this one observer has seen of them.

    A queued deploy may rightly wait; it is over when the queue has not known its job for a whole lease, or after
    `queue_timeout` seconds where that is not 0.

    A building deploy is over when its writer has shown no sign of life for a whole `lease` (seconds), when its deadline
    has passed, or when the grace after a cancel is over. How long is measured on the observer's monotonic clock, so
    that a jump of the wall clock ends no deploy.
    """

    def __init__(
        self,
        lease: float = LEASE_SECONDS,
        grace: float = CANCEL_GRACE_SECONDS,
        queue_timeout: float = QUEUE_TIMEOUT_SECONDS,
    ) -> None:
        self.lease = lease
        self._grace = grace
        self._queue_timeout = queue_timeout
        self._jobs: Watch[Keys, bool] = Watch()
        self._looked_at = float("-inf")
        self._writers: Watch[Keys, tuple[str, str]] = Watch()
        self._cancels: Watch[Keys, float] = Watch()
        self._deadlines: Deadlines[Keys] = Deadlines()
        self._queue_deadlines: Deadlines[Keys] = Deadlines()

    def judge(
        self, keys: Keys, state: State, now: float, redis_time: float, *, job_known: bool = True
    ) -> Verdict | None:
        """The verdict on a deploy as it was just read; `now` is monotonic, `redis_time` the clock of Redis.

        `job_known`: whether the queue still has a job that will start it.
        """
        if state.status is Status.QUEUED:
            return self._judge_queued(keys, state, now, redis_time, job_known)
        if state.status is not Status.BUILDING:
            return None
        silent = self._writers.unchanged(keys, (state.writer, state.beat), now)
        if state.cancel is not None and self._cancels.unchanged(keys, state.cancel, now) >= self._grace:
            detail = f"the job did not stop within {self._grace:g} s of the cancel"
            return Verdict(Status.CANCELLED, "cancelled", detail)
        if self._late(keys, state, now, redis_time):
            return Verdict(Status.FAILED, "timeout", "the deploy ran past its time limit")
        if silent >= self.lease:
            detail = f"its worker has shown no sign of life for {self.lease:g} s"
            return Verdict(Status.FAILED, "worker_lost", detail)
        return None

    def looked(self, started: float, ended: float) -> None:
        """A look at the deploys began and ended at these monotonic times; call it before judging them.

        A look that took long, or comes long after the last one, may hide an outage: what was seen before it does not
        count.
        """
        if ended - started > SLOW_LOOK_SECONDS or started - self._looked_at > max(self.lease / 2, RARE_LOOK_SECONDS):
            self.reset()
        self._looked_at = ended

    def _judge_queued(self, keys: Keys, state: State, now: float, redis_time: float, job_known: bool) -> Verdict | None:
        if self._jobs.unchanged(keys, job_known, now) >= self.lease and not job_known:
            return Verdict(Status.FAILED, "never_started", "the queue has no job for it")
        if self._late(keys, state, now, redis_time):
            return Verdict(Status.FAILED, "never_started", "nobody has started it in time")
        limit = self._queue_timeout
        if limit and self._queue_deadlines.passed(keys, state.queued_at + limit, now, redis_time):
            detail = f"no worker took it within {limit:g} s"
            return Verdict(Status.FAILED, "queue_timeout", detail)
        return None

    def _late(self, keys: Keys, state: State, now: float, redis_time: float) -> bool:
        return state.deadline is not None and self._deadlines.passed(keys, state.deadline, now, redis_time)

    def reset(self) -> None:
        """Redis did not answer throughout: nothing seen so far counts."""
        self._writers.reset()
        self._jobs.reset()
        self._cancels.reset()

    def keep(self, keys: list[Keys]) -> None:
        """Forget all deploys but these."""
        self._writers.keep(keys)
        self._jobs.keep(keys)
        self._cancels.keep(keys)
        self._deadlines.keep(keys)
        self._queue_deadlines.keep(keys)
