"""Every deploy ends: whatever befalls its job, each watcher gets the reason, the last line, `done` and the close."""

import json
import os
import secrets
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import httpx2
import pytest
import redis
from rq import Queue
from rq.job import Job
from rq.serializers import JSONSerializer

from producer.deploys import Request
from producer.keys import Keys
from producer.library import create_deploy, new_token
from producer.library import read_log as read_stored
from producer.state import State
from tests.e2e.support import Watchers, assert_promise, cancel, statuses, watchers, writing
from tests.faults import alive, descendants
from tests.helpers import Log, Service, start_api, started, wait_until

LEASE = 2.0
GRACE = 1.0
WITHIN = LEASE + 6.0
SETTINGS = ("--lease", str(LEASE), "--cancel-grace", str(GRACE))


@pytest.fixture(scope="module")
def service(valkey: str) -> Iterator[Service]:
    """A service with a short lease and grace."""
    with start_api(valkey, *SETTINGS) as running:
        yield running


class Works:
    """A queue of this test's own, and the worker on it."""

    def __init__(self, valkey: str, folder: Path) -> None:
        self.valkey = valkey
        self.queue = f"queue-{secrets.token_hex(4)}"
        self.said = folder / "worker.log"
        self.process: subprocess.Popen[bytes] | None = None
        self._redis = redis.Redis.from_url(valkey)
        self._queue = Queue(self.queue, connection=self._redis, serializer=JSONSerializer)

    def add(self, function: str = "worker.job.run_deploy", timeout: int = 60, **arguments: object) -> Keys:
        """A queued deploy whose job is in the queue."""
        job = new_token()
        keys = Keys("shop", create_deploy("shop", url=self.valkey, request=Request(job=job)))
        kwargs = {"app_id": keys.app, "deploy_id": keys.deploy, **arguments}
        self._queue.enqueue_call(function, kwargs=kwargs, job_id=job, timeout=timeout)
        return keys

    def lose_job(self, keys: Keys) -> None:
        """The queue no longer knows the deploy's job."""
        job = self.state(keys).job
        assert job
        Job.fetch(job, connection=self._redis, serializer=JSONSerializer).delete()

    def state(self, keys: Keys) -> State:
        """The state of a deploy."""
        return read_stored(keys.app, keys.deploy, url=self.valkey).state

    @contextmanager
    def working(self, *arguments: str) -> Iterator["subprocess.Popen[bytes]"]:
        """A worker; nothing of it is left at the end."""
        environment = os.environ | {"DEPLOYTAIL_REDIS_URL": self.valkey, "DEPLOYTAIL_LOG_LEVEL": "warning"}
        command = [sys.executable, "-m", "worker", "--queue", self.queue, "--stop-timeout", "0", *SETTINGS, *arguments]
        with self.said.open("wb") as said, started(command, environment, stderr=said) as process:
            self.process = process
            try:
                yield process
            finally:
                # A horse whose worker was killed would go on alone, and one that is stuck hears nothing.
                for pid in alive(descendants(process.pid)):
                    os.kill(pid, signal.SIGKILL)

    @property
    def horse(self) -> int:
        """The process that runs the job."""
        return self._pids[1]

    @property
    def worker(self) -> int:
        """The process that watches over the job."""
        return self._pids[0]

    @property
    def _pids(self) -> tuple[int, int]:
        assert self.process is not None
        top = self.process.pid
        (pair,) = wait_until(lambda: {(worker, horse) for worker in descendants(top) for horse in descendants(worker)})
        return pair

    def close(self) -> None:
        """Hang up."""
        self._redis.close()


@pytest.fixture
def works(valkey: str, tmp_path: Path) -> Iterator[Works]:
    """A queue and its worker, which a test starts."""
    made = Works(valkey, tmp_path)
    yield made
    made.close()


@pytest.fixture
def seen() -> Iterator[Watchers]:
    """The watchers of a test."""
    with watchers() as watching:
        yield watching


def await_line(works: Works, keys: Keys) -> None:
    """Wait until the deploy has a line."""
    wait_until(lambda: works.state(keys).proof.lines)


def assert_ended(logs: list[tuple[Keys, Log]], valkey: str, end: str, *last: str) -> None:
    """Each watcher got the whole log with these last lines, and one terminal status, `end`."""
    for keys, log in logs:
        assert [end] == [told for told in statuses(log) if told.split()[0] not in {"queued", "building"}]
        assert log.lines[-len(last) :] == list(last)
        assert_promise(log, keys, valkey)


LOST = ("failed worker_lost", "Deploy failed: worker_lost")


def test_a_killed_work_horse_ends_its_deploy(works: Works, service: Service, seen: Watchers, valkey: str) -> None:
    """In mid-line: what is stored stays; the worker takes the next deploy."""
    keys = works.add(speed=0.2)
    with works.working():
        await_line(works, keys)
        seen.watch(service, keys, 3)
        os.kill(works.horse, signal.SIGKILL)
        assert_ended(seen.logs(WITHIN), valkey, *LOST)
        after = works.add(speed=0)
        wait_until(lambda: works.state(after).status == "complete")


def test_a_killed_worker_leaves_its_deploy_to_go_on(
    works: Works, service: Service, seen: Watchers, valkey: str
) -> None:
    """The process between the pool and the job is killed: the deploy ends all the same, once."""
    keys = works.add(fault="error", fail_at="release", speed=3)
    with works.working():
        await_line(works, keys)
        seen.watch(service, keys, 3)
        os.kill(works.worker, signal.SIGKILL)
        logs = seen.logs(15)
        for _, log in logs:
            assert statuses(log)[:-1] == ["queued", "building"]
            assert_promise(log, keys, valkey)
        after = works.add(speed=0)
        wait_until(lambda: works.state(after).status == "complete")


def test_a_worker_and_its_horse_killed_at_once_end_their_deploy(
    works: Works, service: Service, seen: Watchers, valkey: str
) -> None:
    """The pool is left: its reaper ends the deploy, and a new worker takes the next."""
    keys = works.add(speed=0.2)
    with works.working():
        await_line(works, keys)
        seen.watch(service, keys, 3)
        for pid in (works.worker, works.horse):
            os.kill(pid, signal.SIGSTOP)
        for pid in reversed((works.worker, works.horse)):
            os.kill(pid, signal.SIGKILL)
        assert_ended(seen.logs(WITHIN), valkey, *LOST)
        after = works.add(speed=0)
        wait_until(lambda: works.state(after).status == "complete")


def test_with_every_worker_gone_the_service_alone_ends_their_deploys(
    works: Works, service: Service, seen: Watchers, valkey: str
) -> None:
    """A running one as worker_lost; a queued one, whose job is gone with the queue, as never_started."""
    running = works.add(speed=0.2)
    with works.working() as pool:
        await_line(works, running)
        queued = works.add()
        seen.watch(service, running, 2)
        everyone = [pool.pid, *descendants(pool.pid)]
        for number in (signal.SIGSTOP, signal.SIGKILL):
            for pid in everyone:
                with suppress(ProcessLookupError):
                    os.kill(pid, number)
        pool.wait()
    assert_ended(seen.logs(WITHIN + 3), valkey, *LOST)
    with watchers() as others:
        others.watch(service, queued, 2)
        works.lose_job(queued)
        assert_ended(others.logs(WITHIN + 3), valkey, "failed never_started", "Deploy failed: never_started")


def test_a_queued_deploy_waits_for_a_worker_but_not_for_ever(works: Works, seen: Watchers, valkey: str) -> None:
    """Its job is in the queue and nobody takes it: longer than any lease it waits, up to the limit."""
    with start_api(valkey, "--lease", "1", "--queue-timeout", "7") as service:
        keys = works.add()
        seen.watch(service, keys, 2)
        logs = seen.logs(16)
    state = works.state(keys)
    assert state.finished_at is not None
    assert state.finished_at - state.queued_at >= 7
    assert_ended(logs, valkey, "failed queue_timeout", "Deploy failed: queue_timeout")


def test_a_job_that_its_worker_took_and_never_started_ends_its_deploy(
    works: Works, service: Service, seen: Watchers, valkey: str, client: redis.Redis
) -> None:
    """A worker dies, or Redis's answer to it gets lost, between the queue and the job: nobody will ever start it."""
    keys = works.add()
    queue = Queue(works.queue, connection=client, serializer=JSONSerializer)
    # As a worker takes it: one atomic move, which has its effect whether or not the worker lives to see the answer.
    assert client.lmove(queue.key, queue.intermediate_queue_key, "RIGHT", "LEFT")
    seen.watch(service, keys, 2)
    with works.working():
        logs = seen.logs(30)
    assert_ended(logs, valkey, "failed never_started", "Deploy failed: never_started")


def test_a_job_that_raises_ends_its_deploy(works: Works, service: Service, seen: Watchers, valkey: str) -> None:
    """The log tells what it was."""
    keys = works.add("tests.e2e.jobs.raises")
    seen.watch(service, keys, 2)
    with works.working():
        logs = seen.logs(10)
    assert_ended(logs, valkey, "failed crashed", "about to break", "ValueError: broken", "Deploy failed: crashed")


def test_a_job_over_its_time_limit_ends_its_deploy(works: Works, service: Service, seen: Watchers, valkey: str) -> None:
    """The queue's own limit, raised in the job."""
    keys = works.add(timeout=1, speed=0.1)
    seen.watch(service, keys, 2)
    with works.working():
        assert_ended(seen.logs(10), valkey, "failed timeout", "Deploy failed: timeout")


def test_a_job_that_is_stuck_while_its_writer_lives_is_ended_at_its_deadline(
    works: Works, service: Service, seen: Watchers, valkey: str
) -> None:
    """It blocks its alarm, and its writer keeps the beat: the deadline in the store ends the deploy."""
    keys = works.add("tests.e2e.jobs.stuck")
    seen.watch(service, keys, 2)
    with works.working():
        logs = seen.logs(10)
    assert_ended(logs, valkey, "failed timeout", "stuck", "Deploy failed: timeout")


def test_a_job_that_keeps_the_interpreters_lock_is_taken_for_dead(
    works: Works, service: Service, seen: Watchers, valkey: str
) -> None:
    """Its writer's thread cannot run, so it is silent."""
    keys = works.add("tests.e2e.jobs.selfish")
    seen.watch(service, keys, 2)
    with works.working():
        logs = seen.logs(WITHIN + 3)
    assert_ended(logs, valkey, LOST[0], "selfish", LOST[1])


@pytest.mark.parametrize("whole_tree", [False, True], ids=["the horse", "the whole worker"])
def test_a_writer_that_was_only_paused_and_wakes_up_writes_not_one_more_event(
    works: Works, service: Service, seen: Watchers, valkey: str, client: redis.Redis, whole_tree: bool
) -> None:
    """Stopped past its lease, it is reaped; continued, it is fenced, and says what has happened."""
    keys = works.add(speed=2)
    with works.working() as pool:
        await_line(works, keys)
        seen.watch(service, keys, 2)
        horse = works.horse
        stopped = [pool.pid, *descendants(pool.pid)] if whole_tree else [horse]
        for pid in stopped:
            os.kill(pid, signal.SIGSTOP)
        try:
            assert_ended(seen.logs(WITHIN + 3), valkey, *LOST)
            before = client.hgetall(keys.state), client.lrange(keys.log, 0, -1)
        finally:
            for pid in stopped:
                os.kill(pid, signal.SIGCONT)
        wait_until(lambda: not alive({horse}))
        after = works.add(speed=0)
        wait_until(lambda: works.state(after).status == "complete")
        assert (client.hgetall(keys.state), client.lrange(keys.log, 0, -1)) == before
    assert f"refused: deploy {keys.deploy!r} of app 'shop' has ended: failed" in works.said.read_text()


CANCELLED = ("cancelled cancelled", "Deploy failed: cancelled")


def test_a_queued_deploy_is_cancelled_at_once(works: Works, service: Service, seen: Watchers, valkey: str) -> None:
    """The answer to the cancel has its end already, and its job does nothing when it comes up."""
    keys = works.add()
    seen.watch(service, keys, 2)
    answer = httpx2.post(f"{service.url}/v1/apps/{keys.app}/deploys/{keys.deploy}/cancel")
    assert answer.json()["status"] == "cancelled"
    logs = seen.logs(3)
    with works.working("--burst") as worker:
        assert worker.wait(20) == 0
    assert_ended(logs, valkey, *CANCELLED)


def test_a_running_deploy_is_cancelled_within_a_second(
    works: Works, service: Service, seen: Watchers, valkey: str
) -> None:
    """Although its job waits for long before its next line."""
    keys = works.add(speed=0.05)
    seen.watch(service, keys, 2)
    with works.working():
        seen.caught_up(keys, "Downloading bundle from S3...")
        cancel(service, keys)
        logs = seen.logs(5)
    state = works.state(keys)
    assert state.cancel is not None
    assert state.finished_at is not None
    assert state.finished_at - state.cancel <= 1.0
    assert_ended(logs, valkey, *CANCELLED)


@pytest.mark.parametrize("with_worker", [True, False], ids=["by the worker", "by the service"])
def test_a_deploy_that_is_deaf_to_its_cancel_is_ended_within_its_grace(
    works: Works, service: Service, seen: Watchers, valkey: str, with_worker: bool
) -> None:
    """Whoever looks ends it; its job, which goes on writing, is refused."""
    if with_worker:
        keys = works.add("tests.e2e.jobs.deaf")
        seen.watch(service, keys, 2)
        with works.working():
            seen.caught_up(keys, "deaf")
            cancel(service, keys)
            logs = seen.logs(GRACE + 6)
    else:
        with writing(valkey) as job:
            keys = job.keys
            job.log._cancel_raises = False
            seen.watch(service, keys, 2)
            cancel(service, keys)
            logs = seen.logs(GRACE + 11)
            wait_until(lambda: job.error)
        assert str(job.error) == f"deploy {keys.deploy!r} of app 'shop' has ended: cancelled"
    assert_ended(logs, valkey, *CANCELLED)


WRITE_ON = """
import sys
from producer import open_log
with open_log("shop", sys.argv[1]) as log:
    while True:
        log.write("on")
        log.wait(0.1)
"""


def test_an_end_is_told_once_by_however_many_see_it(service: Service, valkey: str, tmp_path: Path) -> None:
    """Two workers' reapers and two services look at one dead writer: one terminal event."""
    one, two = Works(valkey, tmp_path), Works(valkey, tmp_path / "two")
    (tmp_path / "two").mkdir()
    with (
        start_api(valkey, *SETTINGS) as other,
        one.working(),
        two.working(),
        watchers() as seen,
    ):
        keys = Keys("shop", create_deploy("shop", url=valkey))
        with started(
            [sys.executable, "-c", WRITE_ON, keys.deploy], os.environ | {"DEPLOYTAIL_REDIS_URL": valkey}
        ) as writer:
            seen.watch(service, keys)
            seen.watch(other, keys)
            seen.caught_up(keys, "on")
            writer.kill()
            assert_ended(seen.logs(WITHIN), valkey, LOST[0], "on", LOST[1])
    ends = [event for event in map(json.loads, read_stored("shop", keys.deploy, url=valkey).events) if "crc32" in event]
    assert len(ends) == 1
    one.close()
    two.close()
