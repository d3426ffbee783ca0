"""The periodic check of all topics: finds a lost last message, a vanished deploy, and a dead writer."""

import asyncio
import logging
import random
import time
from collections.abc import Awaitable, Callable
from typing import TypeAlias

from api.errors import QueueAway
from api.hub import Hub
from producer.deploys import end_deploy, states
from producer.errors import DeployLogError, Finished, Moved, UnknownDeploy
from producer.keys import Keys
from producer.reap import Judge, Verdict
from producer.state import State
from producer.status import Status
from producer.store import AsyncStore

log = logging.getLogger(__name__)

LEAST_SECONDS, MOST_SECONDS = 2.0, 5.0

# Of the jobs with these ids, those that the queue no longer has. Raises QueueAway.
LostJobs: TypeAlias = Callable[[list[str]], Awaitable[set[str]]]


async def sweep(hub: Hub, store: AsyncStore, judge: Judge, new_token: Callable[[], str], lost_jobs: LostJobs) -> None:
    """Check all live topics every 2 to 4 s, more often with a short lease, until cancelled."""
    while True:
        await asyncio.sleep(random.uniform(min(LEAST_SECONDS, judge.lease / 4), min(MOST_SECONDS, judge.lease / 2.5)))
        try:
            await sweep_once(hub, store, judge, new_token, lost_jobs)
        except DeployLogError as error:
            judge.reset()
            log.info("the periodic check has failed: %s", error)


async def sweep_once(
    hub: Hub, store: AsyncStore, judge: Judge, new_token: Callable[[], str], lost_jobs: LostJobs
) -> None:
    """One check: one pipeline for all topics. Raises StoreAway."""
    hub.trim()
    topics = hub.live
    judge.keep([topic.keys for topic in topics])
    if not topics:
        return
    known = [topic.follow.last for topic in topics]
    started = time.monotonic()
    found, redis_time = await store.run(states([topic.keys for topic in topics]))
    now = time.monotonic()
    judge.looked(started, now)
    for topic, last, state in zip(topics, known, found, strict=True):
        # A log that grows meanwhile is heard, and not read for what has not come yet.
        behind = state is not None and state.seq > topic.follow.last == last
        if state is None or state.status.terminal or state.seq < last or behind:
            hub.read(topic)
    queued = [state.job for state in found if state and state.status is Status.QUEUED and state.job]
    lost = await _lost(lost_jobs, queued)
    for topic, state in zip(topics, found, strict=True):
        if state is None:
            continue
        verdict = judge.judge(topic.keys, state, now, redis_time, job_known=state.job not in lost)
        if verdict is not None:
            await _end(store, topic.keys, state, verdict, new_token())


async def _lost(lost_jobs: LostJobs, queued: list[str]) -> set[str]:
    try:
        return await lost_jobs(queued) if queued else set()
    except QueueAway as error:
        log.info("the periodic check cannot ask the queue: %s", error)
        return set()


async def _end(store: AsyncStore, keys: Keys, state: State, verdict: Verdict, token: str) -> None:
    how = (verdict.status, verdict.reason, verdict.detail)
    try:
        await store.run(end_deploy(keys, token, state, *how, time.time()))
        log.warning("ended %s: %s", keys.member, verdict.detail)
    except (Moved, Finished, UnknownDeploy):
        pass  # somebody was quicker, or the writer lives
    except DeployLogError as error:
        log.warning("cannot end %s: %s", keys.member, error)
