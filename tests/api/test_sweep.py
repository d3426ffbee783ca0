"""The periodic check: finds what no message told, and ends a deploy whose writer is dead, never one that lives."""

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress

import pytest
import redis
from redis.exceptions import ResponseError

from api import sweep
from api.errors import QueueAway
from producer import calls
from producer.errors import StoreAway
from producer.keys import Keys
from producer.library import new_token
from producer.reap import Judge
from producer.status import Status
from producer.store import Store
from tests.api.support import Deploy, Service, serving, until

QUEUED_BUILDING = ["1:queued", "2:building"]


class Clock:
    """A monotonic clock that a test moves."""

    def __init__(self) -> None:
        self.now = 1_000.0

    def monotonic(self) -> float:
        """The time."""
        return self.now

    def time(self) -> float:
        """The wall clock stays the real one."""
        return time.time()


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    """The clock of the sweep."""
    clock = Clock()
    monkeypatch.setattr(sweep, "time", clock)
    return clock


async def no_job_lost(_: list[str]) -> set[str]:
    """The queue has every job."""
    return set()


async def check(service: Service, judge: Judge, lost_jobs: sweep.LostJobs = no_job_lost) -> None:
    """One check."""
    await sweep.sweep_once(service.hub, service.store, judge, new_token, lost_jobs)


async def settled(service: Service) -> None:
    """The topics are open and subscribed."""
    await until(lambda: service.store.count["snapshot"] >= 2 * len(service.hub.live) > 0)
    await until(lambda: all(topic.follow.state for topic in service.hub.live))


@asynccontextmanager
async def sweeping(service: Service, judge: Judge) -> AsyncIterator["asyncio.Task[None]"]:
    """The check, again and again."""
    task = asyncio.ensure_future(sweep.sweep(service.hub, service.store, judge, new_token, no_job_lost))
    try:
        yield task
    finally:
        task.cancel()
        with suppress(asyncio.CancelledError, Exception):
            await task


async def test_a_last_message_that_was_swallowed_is_found(valkey: str, store: Store, keys: Keys) -> None:
    """Nothing follows it that could show the hole, so the check compares the last seq."""
    deploy = Deploy(store, keys)
    async with serving(valkey) as service:
        watch = service.watch(keys)
        await settled(service)
        deploy.writing_unheard().write("unheard")
        await check(service, Judge())
        await watch.has(*QUEUED_BUILDING, "3")
        deploy.writing_unheard().finish()
        await check(service, Judge())
        assert await watch.read() == [*QUEUED_BUILDING, "3", "4", "5:complete", "done"]


async def test_a_deploy_that_vanished_ends_with_an_honest_gap(
    valkey: str, store: Store, client: redis.Redis, keys: Keys
) -> None:
    """Deleted, expired, or Redis came back empty: a gap without an end, `done`, and no status that nobody wrote."""
    Deploy(store, keys)
    async with serving(valkey) as service:
        watch = service.watch(keys)
        await settled(service)
        client.delete(keys.state, keys.log)
        await check(service, Judge())
        assert await watch.read() == [*QUEUED_BUILDING, "gap 3-None lost", "done"]
        await service.empty()


async def test_a_dead_writers_deploy_is_ended_for_its_watchers(
    valkey: str, store: Store, client: redis.Redis, keys: Keys, clock: Clock
) -> None:
    """Silent for a whole lease: failed, `worker_lost`, with the last line, and off the list of live ones."""
    deploy = Deploy(store, keys)
    deploy.write("its last words")
    async with serving(valkey) as service:
        watch = service.watch(keys)
        await settled(service)
        judge = Judge(lease=10)
        for passed in (0, 4.9, 5):
            clock.now += passed
            await check(service, judge)
        assert client.hget(keys.state, "status") == b"building"
        clock.now += 0.1
        await check(service, judge)
        assert await watch.read() == [*QUEUED_BUILDING, "3", "4", "5:failed", "done"]
        assert b'"line":"Deploy failed: worker_lost"' in watch.body
        assert b'"reason":"worker_lost"' in watch.body
        assert client.zscore("deploys:live", keys.member) is None


async def test_a_live_writer_is_never_reaped(valkey: str, store: Store, keys: Keys, clock: Clock) -> None:
    """Each append is a sign of life, however long the deploy takes."""
    deploy = Deploy(store, keys)
    async with serving(valkey) as service:
        watch = service.watch(keys)
        await settled(service)
        judge = Judge(lease=10)
        for number in range(20):
            await check(service, judge)
            deploy.write(f"still here {number}")
            clock.now += 9.9
        await check(service, judge)
        deploy.finish()
        assert (await watch.read())[-2:] == ["24:complete", "done"]


async def test_a_queued_deploy_may_wait(valkey: str, store: Store, client: redis.Redis, keys: Keys) -> None:
    """It has no writer whose silence would mean anything."""
    Deploy(store, keys, building=False)
    async with serving(valkey) as service:
        watch = service.watch(keys)
        await settled(service)
        for _ in range(3):
            await check(service, Judge(lease=0))
        assert client.hget(keys.state, "status") == b"queued"
        await watch.leave()


async def test_a_queued_deploy_whose_job_is_lost_never_started(
    valkey: str, store: Store, client: redis.Redis, keys: Keys, clock: Clock
) -> None:
    """The queue has not known its job for a whole lease, so nobody will start it; a deploy without a job may wait."""
    other = Keys(keys.app, f"{keys.deploy}-2")
    Deploy(store, keys, building=False, job="job-1")
    Deploy(store, other, building=False)
    asked: list[list[str]] = []

    async def lost_jobs(jobs: list[str]) -> set[str]:
        asked.append(jobs)
        return set(jobs)

    async with serving(valkey) as service:
        watch, waiting = service.watch(keys), service.watch(other)
        await settled(service)
        judge = Judge(lease=10)
        await check(service, judge, lost_jobs)
        for _ in range(2):
            clock.now += 5
            await check(service, judge, lost_jobs)
        assert await watch.read() == ["1:queued", "2", "3:failed", "done"]
        assert b"never_started" in watch.body
        assert asked == [["job-1"]] * 3
        assert client.hget(other.state, "status") == b"queued"
        await waiting.leave()


async def test_a_queue_that_is_away_costs_no_log_its_check(valkey: str, store: Store, keys: Keys, clock: Clock) -> None:
    """The queue may have a Redis of its own: while that is down, lost messages are still found, and no job is lost."""
    other = Keys(keys.app, f"{keys.deploy}-2")
    deploy = Deploy(store, keys)
    Deploy(store, other, building=False, job="job-1")

    async def lost_jobs(_: list[str]) -> set[str]:
        raise QueueAway("the queue is away")

    async with serving(valkey) as service:
        watch, waiting = service.watch(keys), service.watch(other)
        await settled(service)
        deploy.writing_unheard().finish()
        judge = Judge(lease=10)
        await check(service, judge, lost_jobs)
        assert await watch.read() == [*QUEUED_BUILDING, "3", "4:complete", "done"]
        for _ in range(4):  # close together, since a rare look proves nothing
            clock.now += 4
            await check(service, judge, lost_jobs)
        assert store.run(calls.snapshot(other)).state.status is Status.QUEUED
        await waiting.leave()


async def test_two_sweeps_at_once_write_one_end(valkey: str, store: Store, client: redis.Redis, keys: Keys) -> None:
    """Two replicas find the same dead writer at the same time: whoever is first ends it, once."""
    Deploy(store, keys)
    async with serving(valkey) as one, serving(valkey) as two:
        watches = [one.watch(keys), two.watch(keys)]
        await settled(one)
        await settled(two)
        gates = [service.store.hold("end_deploy", 1) for service in (one, two)]
        checks = [asyncio.ensure_future(check(service, Judge(lease=0))) for service in (one, two)]
        for gate in gates:
            await gate.arrived.wait()
        for gate in gates:
            gate.open()
        await asyncio.gather(*checks)
        for watch in watches:
            assert await watch.read() == [*QUEUED_BUILDING, "3", "4:failed", "done"]
        assert client.llen(keys.log) == 4


async def test_a_writer_that_was_only_slow_is_not_ended(valkey: str, store: Store, keys: Keys) -> None:
    """It writes between the look and the end: the end is refused, and the deploy goes on."""
    deploy = Deploy(store, keys)
    async with serving(valkey) as service:
        watch = service.watch(keys)
        await settled(service)
        gate = service.store.hold("end_deploy", 1)
        checking = asyncio.ensure_future(check(service, Judge(lease=0)))
        await gate.arrived.wait()
        deploy.write("not dead")
        gate.open()
        await checking
        deploy.finish()
        assert await watch.read() == [*QUEUED_BUILDING, "3", "4", "5:complete", "done"]


async def test_an_outage_is_not_a_death(
    valkey: str, store: Store, client: redis.Redis, keys: Keys, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Redis was away for three times the lease: what was seen before proves nothing, the lease starts anew."""
    monkeypatch.setattr(sweep, "LEAST_SECONDS", 0.001)
    monkeypatch.setattr(sweep, "MOST_SECONDS", 0.002)
    deploy = Deploy(store, keys)
    async with serving(valkey) as service:
        watch = service.watch(keys)
        await settled(service)
        async with sweeping(service, Judge(lease=10)):
            await until(lambda: service.store.count["states"] >= 2)
            service.store.errors += [StoreAway("away")] * 3
            clock.now += 30
            await until(lambda: not service.store.errors)
            seen = service.store.count["states"]
            await until(lambda: service.store.count["states"] >= seen + 3)
            assert client.hget(keys.state, "status") == b"building"
            deploy.finish()
            assert (await watch.read())[-2:] == ["4:complete", "done"]


async def test_a_refusal_that_nobody_foresaw_does_not_end_the_check(
    valkey: str, store: Store, keys: Keys, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A Redis that takes no writes (NOREPLICAS, MISCONF) has the next check try again, not the last one be the last."""
    monkeypatch.setattr(sweep, "LEAST_SECONDS", 0.001)
    monkeypatch.setattr(sweep, "MOST_SECONDS", 0.002)
    deploy = Deploy(store, keys)
    async with serving(valkey) as service:
        watch = service.watch(keys)
        await settled(service)
        service.store.errors.append(ResponseError("NOREPLICAS Not enough good replicas to write."))
        async with sweeping(service, Judge()) as task:
            await until(lambda: not service.store.errors)
            deploy.writing_unheard().finish()
            await until(lambda: task.done() or watch.task.done())
            assert not task.done(), "the check has died, and nobody knows"
            assert (await watch.read())[-1] == "done"


@pytest.mark.parametrize("broken", ["log", "state"])
@pytest.mark.parametrize("first", [True, False])
async def test_a_key_of_the_wrong_type_costs_no_other_deploy_its_check(
    valkey: str, store: Store, client: redis.Redis, keys: Keys, broken: str, first: bool
) -> None:
    """One deploy whose keys somebody overwrote: the others that are watched are still checked, and ended."""
    other = Keys(keys.app, f"{keys.deploy}-2")
    order = [keys, other] if first else [other, keys]
    for each in order:
        Deploy(store, each)
    async with serving(valkey) as service:
        watches = {}
        for each in order:  # one by one, since the check goes by the order in which they were opened
            watches[each] = service.watch(each)
            await watches[each].has(*QUEUED_BUILDING)
        await settled(service)
        name = keys.log if broken == "log" else keys.state
        client.delete(name)
        client.set(name, "what is this?")
        with suppress(Exception):  # what it says of the broken one is its own affair
            await check(service, Judge(lease=0))
        assert client.hget(other.state, "status") == b"failed"
        assert (await watches[other].read())[-2:] == ["4:failed", "done"]
        await watches[keys].leave()


async def test_without_watchers_there_is_nothing_to_check(valkey: str) -> None:
    """No topic, no call."""
    async with serving(valkey) as service:
        await check(service, Judge(lease=0))
        assert service.store.count == {}
