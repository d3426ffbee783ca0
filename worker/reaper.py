"""The reaper: ends deploys whose writer is dead, whose time is up, or whose job is lost."""

import logging
import time

import redis
from redis.exceptions import RedisError

from producer.deploys import end_deploy, live_deploys
from producer.errors import DeployLogError, Finished, Moved, UnknownDeploy
from producer.jobs import lost_jobs
from producer.keys import Keys
from producer.library import new_token
from producer.reap import Judge, Verdict
from producer.state import State
from producer.status import Status
from producer.store import Store

log = logging.getLogger(__name__)


class Reaper:
    """Looks at all unfinished deploys, each time `step` is called. `queue` is the Redis of their jobs."""

    def __init__(self, store: Store, queue: redis.Redis, judge: Judge) -> None:
        self._store = store
        self._queue = queue
        self._judge = judge
        self._complained: set[Keys] = set()

    def step(self) -> None:
        """One look. Where Redis does not answer throughout, nothing seen so far counts."""
        started = time.monotonic()
        try:
            live, redis_time = self._store.run(live_deploys(time.time()))
        except DeployLogError as error:
            self._judge.reset()
            log.warning("the reaper cannot look: %s", error)
            return
        now = time.monotonic()
        self._judge.looked(started, now)
        self._judge.keep([keys for keys, _ in live])
        self._complained.intersection_update(keys for keys, _ in live)
        lost = self._jobs_lost([state for _, state in live])
        for keys, state in live:
            verdict = self._judge.judge(keys, state, now, redis_time, job_known=state.job not in lost)
            if verdict is not None:
                self._end(keys, state, verdict)

    def _end(self, keys: Keys, state: State, verdict: Verdict) -> None:
        how = (verdict.status, verdict.reason, verdict.detail)
        try:
            self._store.run(end_deploy(keys, new_token(), state, *how, time.time()))
            log.warning("ended %s as %s: %s", keys.member, verdict.status, verdict.detail)
        except (Moved, Finished, UnknownDeploy):
            pass  # somebody was quicker, or the writer lives
        except DeployLogError as error:
            if keys not in self._complained:
                self._complained.add(keys)
                log.warning("cannot end %s: %s", keys.member, error)

    def _jobs_lost(self, states: list[State]) -> set[str]:
        """The jobs of queued deploys that the queue no longer has, or that are over; none while it is away."""
        jobs = [state.job for state in states if state.status is Status.QUEUED and state.job]
        if not jobs:
            return set()
        try:
            return lost_jobs(jobs, self._queue)
        except (RedisError, OSError) as error:
            log.warning("the reaper cannot ask the queue: %s", error)
            return set()
