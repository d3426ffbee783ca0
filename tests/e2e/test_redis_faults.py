"""Redis hurt in every way while deploys run: watchers that never reconnect get every line, and every stream ends."""

import re
import shutil
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, suppress
from pathlib import Path
from typing import Any

import httpx2
import pytest
import redis

from producer.deploys import Limits
from producer.errors import StoreAway, StoreFull, UnknownDeploy
from producer.keys import Keys
from producer.library import create_deploy, open_log
from producer.reap import Judge, Verdict
from producer.state import parse_state
from tests.e2e.support import as_seen, assert_promise, statuses, stored_events, watchers, writing
from tests.e2e.wire import Wire
from tests.faults import FaultProxy, Faults
from tests.helpers import ROOT, Log, Service, assert_whole, read_log, start_api, start_worker, wait_until
from tests.producer.support import Valkey

LEASE = 2.0
OUTAGE_SECONDS = 3.25 * LEASE
SHORT_LEASE = ("--lease", str(LEASE))


@pytest.fixture
def server(tmp_path: Path) -> Iterator[Valkey]:
    """A Valkey that this test may pause, kill, empty and fill."""
    made = Valkey(tmp_path)
    made.start()
    try:
        yield made
    finally:
        made.kill()


@pytest.fixture
def owner(server: Valkey) -> Iterator[redis.Redis]:
    """A client of that server, not through any proxy."""
    with redis.Redis.from_url(server.url) as client:
        yield client


@pytest.fixture
def wire(server: Valkey) -> Iterator[Wire]:
    """A proxy in front of that server, through which the service and the writers of a test may go."""
    with Wire(server.url) as standing:
        yield standing


@pytest.fixture
def service(wire: Wire) -> Iterator[Service]:
    """A service behind the proxy."""
    with start_api(wire.url, *SHORT_LEASE) as running:
        yield running


# An outage, however long, is no death.


def _stop(server: Valkey, _: Wire) -> None:
    with server.paused():
        time.sleep(OUTAGE_SECONDS)


def _restart(server: Valkey, _: Wire) -> None:
    server.kill()
    time.sleep(OUTAGE_SECONDS)
    server.start()


def _swallow(_: Valkey, wire: Wire) -> None:
    wire.swallow = True
    time.sleep(OUTAGE_SECONDS)
    wire.swallow = False


@pytest.mark.parametrize("outage", [_stop, _restart, _swallow])
def test_an_outage_of_three_leases_ends_no_deploy_and_loses_no_line(
    server: Valkey, wire: Wire, service: Service, outage: Callable[[Valkey, Wire], None]
) -> None:
    """Stopped, killed and started again, or its replies lost: of several deploys all complete, before all watchers."""
    with start_worker(wire.url, "--workers", "3", *SHORT_LEASE), watchers() as seen:
        deploys = [Keys("shop", service.enqueue(simulate={"seed": n})) for n in range(4)]
        for keys in deploys:
            seen.watch(service, keys, 2)
        for keys in deploys[:3]:
            seen.caught_up(keys, "Downloading bundle from S3...")
        outage(server, wire)
        logs = seen.logs(45)
    assert [statuses(log) for _, log in logs] == [["queued", "building", "complete"]] * 8
    for keys, log in logs:
        assert_promise(log, keys, server.url)


def test_an_outage_between_two_looks_is_no_death() -> None:
    """The sweep of an API looks every 2 to 5 s: with a short lease that was no look at "a whole lease" of silence."""
    judge = Judge(lease=1.0)
    keys = Keys("shop", "d1")
    building = parse_state(
        {
            name.encode(): value.encode()
            for name, value in (
                *(("status", "building"), ("seq", "2"), ("first_seq", "1"), ("lines", "0"), ("crc32", "0")),
                *(("created_by", "c"), ("queued_at", "0"), ("writer", "w"), ("beat", "7")),
            )
        }
    )
    verdicts: list[Verdict | None] = []
    for now in (0.0, 4.0):  # Redis was away from 0.1 to 3.9
        judge.looked(now, now)
        verdicts.append(judge.judge(keys, building, now, 0))
    assert verdicts == [None, None]


# Replies lost, events lost, lines lost.


@pytest.mark.parametrize("every", [3, 4])
def test_replies_that_are_lost_write_nothing_twice_and_nothing_once_too_few(
    server: Valkey, wire: Wire, every: int
) -> None:
    """Create, claim, lines, the end: each was carried out, and its connection was cut in the place of the answer."""
    with start_api(server.url) as service, watchers() as seen:
        wire.cut_every = every
        deploys = [Keys("shop", _persistent(lambda: create_deploy("shop", url=wire.url))) for _ in range(5)]
        for keys in deploys:
            seen.watch(service, keys)
            with open_log(keys.app, keys.deploy, url=wire.url) as job:
                for number in range(100):
                    job.write(f"line {number}")
                    if number % 10 == 0:
                        job.flush(20)
        logs = seen.logs()
        assert wire.cuts >= 20
        for keys, log in logs:
            assert log.lines == [*(f"line {number}" for number in range(100)), "Deploy complete!"]
            assert_promise(log, keys, server.url)


def _persistent(create: Callable[[], str]) -> str:
    """What a caller does whom Redis has not answered: ask again."""
    while True:
        with suppress(StoreAway):
            return create()


def test_a_redis_that_comes_back_with_older_data_gets_the_rest_again(
    server: Valkey, wire: Wire, service: Service, tmp_path: Path
) -> None:
    """A fail-over to a replica that was behind: the writer sends again what was acknowledged; no watcher sees it."""
    with watchers() as seen, writing(wire.url) as job:
        seen.watch(service, job.keys, 3)
        job.more(20)
        shutil.copytree(tmp_path / "appendonlydir", tmp_path / "replica")
        job.more(50)
        job.log.flush(10)
        server.kill()
        shutil.rmtree(tmp_path / "appendonlydir")
        shutil.move(tmp_path / "replica", tmp_path / "appendonlydir")
        server.start()
        seen.watch(service, job.keys)
        job.more(20)
        job.finish()
        for keys, log in seen.logs(10):
            assert_promise(log, keys, server.url)


def test_a_log_of_ten_times_its_cap_is_whole_for_who_was_there_and_exact_for_who_comes_late(
    api: Service, valkey: str
) -> None:
    """The late one first gets the gap of all that was trimmed, in one piece."""
    with watchers() as seen, writing(valkey, limits=Limits(cap_events=100)) as job:
        seen.watch(api, job.keys)
        job.more()
        seen.caught_up(job.keys, f"line {job.written - 1} of {job.keys.deploy}")
        for number in range(1_000):
            job.log.write(f"in a flood {number}")
        job.finish()
        ((keys, there),) = seen.logs(10)
    # From another service: this one has it all in its memory still.
    with start_api(valkey) as other:
        late = read_log(other.stream_url("shop", keys.deploy))
    assert_whole(there)
    assert not there.verifier.missing
    first = int(late.events[1][2])
    assert late.events[0][:2] == ("gap", {"from": 1, "to": first - 1, "reason": "trimmed"})
    assert len(late.events) == 1 + 100 + 1
    assert late.events[1:] == there.events[-101:]


def test_a_list_that_was_evicted_is_a_gap_and_not_an_empty_log(api: Service, valkey: str, client: redis.Redis) -> None:
    """The state is there, the list is not: who comes gets a gap, then what is written, and the end."""
    with watchers() as seen, writing(valkey) as job:
        job.more(20)
        client.delete(job.keys.log)
        job.more(5)
        seen.watch(api, job.keys)
        job.finish()
        ((keys, log),) = seen.logs(10)
    kind, gap, _ = log.events[0]
    assert (kind, gap["from"], gap["reason"] in {"lost", "trimmed"}) == ("gap", 1, True)
    assert gap["to"] >= 20
    assert as_seen(log)[1:] == stored_events(keys, valkey)
    assert log.verifier.whole


# Given up.

WRITE_ON = """
import sys, redis
from producer.keys import Keys
from producer.store import Store
from producer.writer import Writer
client = redis.Redis.from_url(sys.argv[1], socket_timeout=1)
with Writer(Store(client), Keys("shop", sys.argv[2]), token="token", give_up=1) as log:
    while True:
        log.write("a line")
        log.wait(0.05)
"""


def test_a_writer_that_has_given_up_says_so_and_its_deploy_is_reaped_once_redis_answers(
    server: Valkey, service: Service
) -> None:
    """Redis was away for longer than the writer's limit: the job fails with a clear error, its watchers get the end."""
    deploy = create_deploy("shop", url=server.url)
    keys = Keys("shop", deploy)
    command = [sys.executable, "-c", WRITE_ON, server.url, deploy]
    with (
        subprocess.Popen(command, cwd=ROOT, stderr=subprocess.PIPE, text=True) as job,
        watchers() as seen,
    ):
        seen.watch(service, keys, 2)
        seen.caught_up(keys, "a line")
        server.kill()
        _, said = job.communicate(timeout=20)
        assert re.match(r"producer\.errors\.StoreAway: gave up after [01]\.\d s: Redis does not", said.splitlines()[-1])
        server.start()
        logs = seen.logs(20)
    for _, log in logs:
        assert statuses(log) == ["queued", "building", "failed worker_lost"]
        assert log.lines[-1] == "Deploy failed: worker_lost"
        assert_promise(log, keys, server.url)


# The hub heals.


def _cut(owner: redis.Redis, _: Wire) -> None:
    """Its subscription is killed."""
    assert owner.client_kill_filter(_type="pubsub", skipme=True)


def _flush(owner: redis.Redis, _: Wire) -> None:
    """Its scripts are forgotten."""
    owner.script_flush()


def _lose(_: redis.Redis, wire: Wire) -> None:
    """Published messages get lost, the last of each deploy among them."""
    wire.lose = lambda message: b'"lines":' in message or b"0 of" in message


def _hang(_: redis.Redis, wire: Wire) -> None:
    """Its subscription hangs, and nothing else does."""
    wire.hang = True


@pytest.mark.parametrize("fault", [_cut, _flush, _lose, _hang])
def test_the_hub_heals_and_no_stream_knows_of_it(
    wire: Wire, owner: redis.Redis, service: Service, server: Valkey, fault: Callable[[redis.Redis, Wire], None]
) -> None:
    """In the middle of three deploys, again and again: all watchers have every line within the periodic check."""
    with ExitStack() as stack:
        seen = stack.enter_context(watchers())
        jobs = [stack.enter_context(writing(server.url)) for _ in range(3)]
        for job in jobs:
            seen.watch(service, job.keys, 3)
        for _ in range(3):
            fault(owner, wire)
            for job in jobs:
                job.more(20)
        for job in jobs:
            job.finish()
        logs = seen.logs(8)
        for keys, log in logs:
            assert_promise(log, keys, server.url)
    if fault is _lose:
        assert wire.lost >= 3 * 3


def test_a_subscription_that_is_dropped_for_its_slowness_is_renewed(
    wire: Wire, owner: redis.Redis, service: Service, server: Valkey
) -> None:
    """Redis cuts it off as its output buffer overflows: what it did not get comes from the list."""
    owner.config_set("client-output-buffer-limit", "pubsub 32kb 16kb 1")
    with watchers() as seen, writing(server.url, limits=Limits(cap_bytes=100_000_000)) as job:
        seen.watch(service, job.keys, 3)
        wire.hang = True

        def is_dropped() -> bool:
            for _ in range(50):
                job.log.write("x" * 16_000)
            job.log.flush(10)
            found: dict[str, Any] = owner.info("stats")
            return bool(found["client_output_buffer_limit_disconnections"])

        wait_until(is_dropped)
        wire.hang = False
        job.more()
        job.finish()
        for keys, log in seen.logs(15):
            assert_promise(log, keys, server.url)


def test_a_redis_that_comes_back_without_its_data_ends_every_stream_honestly(
    server: Valkey, service: Service, tmp_path: Path
) -> None:
    """A gap `lost` without an end, then `done`; never a silent new start at 1. The job is told, too."""
    with watchers() as seen, writing(server.url) as job:
        seen.watch(service, job.keys, 3)
        job.more()
        server.kill()
        shutil.rmtree(tmp_path / "appendonlydir")
        server.start()
        logs = seen.logs(15)
        wait_until(lambda: job.error)
    assert isinstance(job.error, UnknownDeploy)
    for _, log in logs:
        *told, gap, done = log.events
        last = int(told[-1][2])
        assert [number for _, _, number in told] == [str(number) for number in range(1, last + 1)]
        assert gap[:2] == ("gap", {"from": last + 1, "to": None, "reason": "lost"})
        assert done[:2] == ("done", {})
    answer = httpx2.get(service.stream_url("shop", job.keys.deploy))
    assert answer.status_code == 404


def test_a_redis_that_is_full_fails_the_deploys_and_ends_their_streams(
    server: Valkey, owner: redis.Redis, service: Service
) -> None:
    """Out of memory, with nothing to evict: each job is told, each watcher gets the end, and late ones the log."""
    with ExitStack() as stack:
        seen = stack.enter_context(watchers())
        jobs = [stack.enter_context(writing(server.url)) for _ in range(3)]
        for job in jobs:
            seen.watch(service, job.keys, 2)
            job.more()
        owner.config_set("maxmemory", 1)
        for job in jobs:
            wait_until(lambda job=job: job.error)  # type: ignore[misc]
            seen.watch(service, job.keys)
        logs = seen.logs(10)
    assert [type(job.error) for job in jobs] == [StoreFull] * 3
    for keys, log in logs:
        assert statuses(log) == ["queued", "building", "failed log_store_full"]
        assert log.lines[-1] == "Deploy failed: log_store_full"
        assert_promise(log, keys, server.url)


def test_a_worker_lives_through_a_full_redis(server: Valkey, owner: redis.Redis, service: Service) -> None:
    """Its running deploy fails as log_store_full; with room again it takes the next deploy."""
    with start_worker(server.url, *SHORT_LEASE) as worker, watchers() as seen:
        first = Keys("shop", service.enqueue(simulate={}))
        seen.watch(service, first)
        seen.caught_up(first, "Downloading bundle from S3...")
        owner.config_set("maxmemory", 1)
        ((_, log),) = seen.logs(15)
        assert statuses(log) == ["queued", "building", "failed log_store_full"]
        assert_promise(log, first, server.url)
        owner.config_set("maxmemory", 0)
        second = Keys("shop", service.enqueue(simulate={"speed": 0}))
        seen.watch(service, second)
        assert statuses(seen.logs(15)[1][1]) == ["queued", "building", "complete"]
        assert worker.poll() is None


# The way to Redis, and the way to the client.

BAD_WAYS = [Faults(single_bytes=True), Faults(delay=0.05), Faults(cut_every=0.4)]


@pytest.mark.parametrize("faults", BAD_WAYS, ids=["single bytes", "delay", "resets"])
def test_a_bad_way_between_the_service_and_redis_costs_no_line(server: Valkey, faults: Faults) -> None:
    """Cut into single bytes, late, or reset again and again: watchers that never reconnect get the whole log."""
    with FaultProxy(server.url) as proxy, start_api(proxy.url) as service, watchers() as seen:
        proxy.faults = faults
        with writing(server.url) as job:
            wait_until(lambda: httpx2.get(service.stream_url("shop", "nobody")).status_code == 404)
            seen.watch(service, job.keys)
            job.more(50)
            job.finish()
            for keys, log in seen.logs(20):
                assert_promise(log, keys, server.url)


@pytest.mark.parametrize("faults", BAD_WAYS, ids=["single bytes", "delay", "resets"])
def test_a_bad_way_between_the_client_and_the_service_costs_no_line(valkey: str, api: Service, faults: Faults) -> None:
    """A client that comes back with the last id that it has gets every event once, over all its connections."""
    with FaultProxy(api.url, faults) as proxy, writing(valkey) as job:
        url = f"{proxy.url}/v1/apps/shop/deploys/{job.keys.deploy}/logs/stream"
        log = Log()
        finishing = threading.Timer(2, job.finish)
        finishing.start()
        end = time.monotonic() + 20
        while not log.done:
            assert time.monotonic() < end
            with suppress(httpx2.TransportError):
                read_log(url, log.events[-1][2] if log.events else None, log)
        finishing.join()
        assert_promise(log, job.keys, valkey)
    assert proxy.cuts >= (2 if faults.cut_every else 0)


def test_a_bad_way_between_the_writer_and_redis_costs_no_line(valkey: str, api: Service) -> None:
    """Replies late, in single bytes, connections reset: the deploy completes, each line once."""
    for faults in BAD_WAYS:
        with FaultProxy(valkey, faults) as proxy, watchers() as seen:
            proxy.faults = Faults()
            with writing(proxy.url) as job:
                seen.watch(api, job.keys)
                proxy.faults = faults
                if faults.cut_every:
                    for _ in range(5):
                        proxy.cut()
                        job.more()
                job.more(30)
                job.finish()
                for keys, log in seen.logs(20):
                    assert_promise(log, keys, valkey)
