"""`python -m worker` as a process: killed, stopped, cut off from Redis. Every deploy gets its end, and only one."""

import os
import re
import secrets
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest
import redis
from rq import Queue
from rq.job import Job
from rq.serializers import JSONSerializer

from producer.deploys import Request, cancel_deploy
from producer.keys import Keys
from producer.library import create_deploy, new_token, read_log
from producer.state import State
from producer.store import Store
from scripts.embedded import _binary
from scripts.simulate import tell
from tests.faults import alive, descendants
from tests.helpers import assert_whole, start_api, start_worker, started, wait_until
from tests.helpers import read_log as watch
from tests.worker.test_job import outcome
from worker.catalogue import builtin, faults
from worker.generate import play

SLOW = 0.1
OUTAGE_SECONDS = 3.0


class Deploys:
    """Puts deploys into a queue of this test's own, on the Redis at `url`."""

    def __init__(self, url: str) -> None:
        self.url = url
        self.name = f"queue-{secrets.token_hex(4)}"
        self.redis = redis.Redis.from_url(url)
        self._jobs: list[str] = []
        self._queue = Queue(self.name, connection=self.redis, serializer=JSONSerializer)

    def add(self, *, times: int = 1, timeout: int = 60, **simulate: object) -> Keys:
        """A queued deploy whose job is in the queue."""
        keys = Keys("shop", f"d{secrets.token_hex(6)}")
        jobs = [new_token() for _ in range(times)]
        create_deploy(keys.app, keys.deploy, url=self.url, request=Request(job=jobs[0]))
        arguments = {"app_id": keys.app, "deploy_id": keys.deploy, **simulate}
        self._jobs += jobs
        for job in jobs:
            self._queue.enqueue_call(
                "worker.job.run_deploy", kwargs=arguments, job_id=job, timeout=timeout, result_ttl=60
            )
        return keys

    def state(self, keys: Keys) -> State:
        """The state of a deploy."""
        return read_log(keys.app, keys.deploy, url=self.url).state

    def jobs(self) -> list[Job]:
        """The jobs that were added."""
        found = Job.fetch_many(self._jobs, connection=self.redis, serializer=JSONSerializer)
        return [job for job in found if job is not None]


@pytest.fixture
def deploys(valkey: str) -> Iterator[Deploys]:
    """A queue on the shared Valkey."""
    made = Deploys(valkey)
    yield made
    made.redis.close()


@contextmanager
def working(deploys: Deploys, *arguments: str) -> Iterator["subprocess.Popen[bytes]"]:
    """A worker on the queue, with a short lease."""
    with start_worker(deploys.url, "--queue", deploys.name, *(arguments or ("--lease", "1"))) as process:
        try:
            yield process
        finally:
            # A horse whose worker was killed would go on alone.
            left = descendants(process.pid)
            process.terminate()
            process.wait()
            for pid in alive(left):
                os.kill(pid, signal.SIGKILL)


def horse(worker: "subprocess.Popen[bytes]") -> int:
    """The process that runs the job: a child of a child of the worker."""
    (pid,) = wait_until(lambda: {horse for child in descendants(worker.pid) for horse in descendants(child)})
    return pid


def await_end(deploys: Deploys, keys: Keys, seconds: float) -> State:
    """The state of the deploy, once it has ended."""
    wait_until(lambda: deploys.state(keys).status.terminal, seconds)
    return deploys.state(keys)


def await_line(deploys: Deploys, keys: Keys) -> None:
    """Wait until the deploy has a line."""
    wait_until(lambda: deploys.state(keys).proof.lines)


def test_a_burst_ends_when_the_queue_is_empty(deploys: Deploys) -> None:
    """All that is queued is run, then the worker exits with status 0."""
    keys = [deploys.add(speed=0), deploys.add(fault="error", fail_at="validate", speed=0)]
    with working(deploys, "--burst", "--workers", "2") as worker:
        assert worker.wait(20) == 0
    assert [outcome(k, deploys.url)[:2] for k in keys] == [
        ("complete", None),
        ("failed", "invalid bundle"),
    ]


def test_a_job_that_is_queued_twice_is_run_once(deploys: Deploys) -> None:
    """The second delivery is refused, and adds nothing to the log."""
    keys = deploys.add(times=2, speed=0)
    with working(deploys, "--burst") as worker:
        assert worker.wait(20) == 0
    assert outcome(keys, deploys.url)[:2] == ("complete", None)
    assert sorted(str(job.return_value()) for job in deploys.jobs()) == ["complete", "refused"]


def test_a_killed_work_horse_fails_its_deploy(deploys: Deploys) -> None:
    """The process that ran the job is gone: the reaper of its own worker ends the deploy, within lease and some."""
    keys = deploys.add(speed=SLOW)
    with working(deploys) as worker:
        await_line(deploys, keys)
        lines = deploys.state(keys).proof.lines
        os.kill(horse(worker), signal.SIGKILL)
        await_end(deploys, keys, 8)
    status, reason, stored = outcome(keys, deploys.url)
    assert (status, reason, stored[-1]) == ("failed", "worker_lost", "Deploy failed: worker_lost")
    assert len(stored) >= lines + 1


def test_a_killed_worker_is_noticed_by_the_api(deploys: Deploys) -> None:
    """With every worker gone, the API that has a watcher ends the deploy: one terminal event, and the stream closes."""
    keys = deploys.add(speed=SLOW)
    with start_api(deploys.url, "--lease", "1") as api, working(deploys) as worker, ThreadPoolExecutor() as pool:
        await_line(deploys, keys)
        watching = pool.submit(watch, api.stream_url(keys.app, keys.deploy))
        # The children first: they would end their deploy if they saw their parent die.
        for pid in (horse(worker), *descendants(worker.pid), worker.pid):
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        log = watching.result(20)
    assert_whole(log)
    assert [data["status"] for kind, data, _ in log.events if kind == "status"] == ["queued", "building", "failed"]
    assert outcome(keys, deploys.url)[:2] == ("failed", "worker_lost")


def test_a_worker_that_is_told_to_stop_ends_its_deploy(deploys: Deploys) -> None:
    """A deploy that does not finish in the time that it is given ends as interrupted; the worker exits with 0."""
    keys = deploys.add(speed=SLOW)
    with working(deploys) as worker:
        await_line(deploys, keys)
        everyone = descendants(worker.pid)
        worker.terminate()
        assert worker.wait(15) == 0
    assert outcome(keys, deploys.url)[:2] == ("failed", "interrupted")
    assert not alive(everyone)


def test_a_worker_whose_parent_was_killed_ends_its_deploy(deploys: Deploys) -> None:
    """The process that watches over the workers is gone: they stop as if told to, and nothing runs on unwatched."""
    keys = deploys.add(speed=SLOW)
    with working(deploys) as worker:
        await_line(deploys, keys)
        everyone = descendants(worker.pid)
        worker.kill()
        try:
            wait_until(lambda: not alive(everyone), 10)
        finally:
            for pid in alive(everyone):
                os.kill(pid, signal.SIGKILL)
    assert outcome(keys, deploys.url)[:2] == ("failed", "interrupted")


def test_a_worker_that_is_told_to_stop_lets_a_short_deploy_finish(deploys: Deploys) -> None:
    """A stop is no reason to break what is about to end."""
    keys = deploys.add(fault="error", fail_at="validate", speed=4)
    with working(deploys, "--stop-timeout", "20") as worker:
        await_line(deploys, keys)
        worker.terminate()
        assert worker.wait(20) == 0
    assert outcome(keys, deploys.url)[:2] == ("failed", "invalid bundle")


def test_a_fault_can_kill_the_worker_in_the_middle_of_a_line(deploys: Deploys) -> None:
    """The half of the line that had been written is there; the reaper ends the deploy."""
    keys = deploys.add(fault="crash", fail_at="validate", seed=4, speed=20)
    with working(deploys, "--lease", "1.5") as worker:
        status, reason, lines = (await_end(deploys, keys, 20), outcome(keys, deploys.url))[1]
        assert worker.poll() is None
    whole = [line.text for line in tell(play(builtin("static"), faults(), 4, app="shop"))]
    *before, half, last = lines
    assert (status, reason, last) == ("failed", "worker_lost", "Deploy failed: worker_lost")
    assert whole[: len(before)] == before
    assert whole[len(before)].startswith(half)
    assert whole[len(before)] != half


def test_a_deploy_whose_job_is_lost_never_starts(deploys: Deploys) -> None:
    """The queue no longer has its job: the reaper ends the deploy."""
    keys = deploys.add(speed=SLOW)
    (job,) = deploys.jobs()
    job.delete()
    with working(deploys):
        state = await_end(deploys, keys, 8)
    assert (state.status, state.error) == ("failed", "never_started")


def test_a_deploy_that_is_cancelled_stops(deploys: Deploys) -> None:
    """The job hears of the cancel within a second, and ends the deploy."""
    keys = deploys.add(speed=SLOW)
    with working(deploys):
        await_line(deploys, keys)
        Store(deploys.redis).run(cancel_deploy(keys, new_token(), time.time()))
        await_end(deploys, keys, 8)
    status, _, lines = outcome(keys, deploys.url)
    assert (status, lines[-1]) == ("cancelled", "Deploy failed: cancelled")


def test_a_deploy_that_runs_past_its_time_limit_fails(deploys: Deploys) -> None:
    """RQ ends the job after the time that it was enqueued with."""
    keys = deploys.add(timeout=1, speed=SLOW)
    with working(deploys):
        await_end(deploys, keys, 8)
    assert outcome(keys, deploys.url)[:2] == ("failed", "timeout")


@pytest.mark.parametrize("variable", ["DEPLOYTAIL_REDIS_URL", "DEPLOYTAIL_QUEUE_URL"])
def test_without_redis_it_does_not_start(valkey: str, variable: str) -> None:
    """One sentence with the address, its password masked, and status 69."""
    environment = os.environ | {"DEPLOYTAIL_REDIS_URL": valkey, variable: "redis://user:sesame@127.0.0.1:1/0"}
    with started([sys.executable, "-m", "worker"], environment, stderr=subprocess.PIPE) as process:
        _, err = process.communicate(timeout=20)
    assert process.returncode == 69
    assert re.fullmatch(rb"deploytail: no Redis answers at redis://user:\*\*\*@127\.0\.0\.1:1/0: [^\n]+\n", err), err


class Outage:
    """A Valkey of the test's own that can be stopped, or killed and started again on its port and folder."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            self._port = probe.getsockname()[1]
        self.url = f"redis://127.0.0.1:{self._port}/0"
        self._start()

    def _start(self) -> None:
        words = [_binary(), "--port", str(self._port), "--bind", "127.0.0.1", "--dir", str(self._folder)]
        self._process = subprocess.Popen([*words, "--appendonly", "yes", "--save", ""], stdout=subprocess.DEVNULL)

    def stopped(self) -> None:
        """It hangs, and goes on."""
        self._process.send_signal(signal.SIGSTOP)
        time.sleep(OUTAGE_SECONDS)
        self._process.send_signal(signal.SIGCONT)

    def killed(self) -> None:
        """It is gone, and comes back with its data."""
        self.close()
        time.sleep(OUTAGE_SECONDS)
        self._start()

    def close(self) -> None:
        """End it."""
        self._process.kill()
        self._process.wait()


@pytest.fixture
def outage(tmp_path: Path) -> Iterator[Outage]:
    """A Valkey that will be away."""
    made = Outage(tmp_path)
    with redis.Redis.from_url(made.url) as client:
        wait_until(lambda: _answers(client))
    yield made
    made.close()


@pytest.mark.parametrize("how", ["stopped", "killed"])
def test_an_outage_longer_than_the_lease_is_no_death(outage: Outage, how: str) -> None:
    """Redis is away in mid-deploy: the deploy completes, and its watcher gets every line."""
    deploys = Deploys(outage.url)
    keys = deploys.add(speed=3)
    lease = ("--lease", "2")
    with (
        start_api(outage.url, *lease) as api,
        working(deploys, *lease),
        ThreadPoolExecutor() as pool,
    ):
        watching = pool.submit(watch, api.stream_url(keys.app, keys.deploy))
        await_line(deploys, keys)
        getattr(outage, how)()
        log = watching.result(30)
    assert_whole(log)
    assert outcome(keys, deploys.url)[:2] == ("complete", None)
    deploys.redis.close()


def _answers(client: redis.Redis) -> bool:
    try:
        return bool(client.ping())
    except redis.ConnectionError:
        return False
