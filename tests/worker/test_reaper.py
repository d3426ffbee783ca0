"""The reaper: ends what is dead, once, and nothing that may live."""

import threading
import time

import pytest
import redis
from rq import Queue
from rq.serializers import JSONSerializer

from producer.calls import snapshot
from producer.deploys import Limits, Request
from producer.deploys import create_deploy as create
from producer.errors import StoreAway
from producer.keys import LIVE, Keys
from producer.library import create_deploy, new_token, open_log, read_log
from producer.reap import SLOW_LOOK_SECONDS, Judge
from producer.state import State
from producer.store import Store
from tests.faults import FaultProxy
from worker.reaper import Reaper

LEASE = 0.3


def state(store: Store, keys: Keys) -> State:
    """The state of a deploy."""
    return store.run(snapshot(keys, 0)).state


def queued(store: Store, keys: Keys, job: str | None) -> None:
    """A queued deploy that belongs to a job."""
    store.run(create(keys, new_token(), time.time(), Request(job=job), Limits()))


@pytest.mark.parametrize(
    ("job", "status"), [("known", "queued"), ("unknown", "failed"), ("over", "failed"), (None, "queued")]
)
def test_a_queued_deploy_ends_when_its_job_is_lost(fake_store: Store, keys: Keys, job: str | None, status: str) -> None:
    """One whose job waits in the queue may wait too; one that has no job, such as that of `run`, is left alone."""
    client = fake_store.client
    queue = Queue("deploys", connection=client, serializer=JSONSerializer)
    queue.enqueue_call("worker.job.run_deploy", job_id="known")
    queue.enqueue_call("worker.job.run_deploy", job_id="over").cancel()
    queued(fake_store, keys, job)
    reaper = Reaper(fake_store, client, Judge(LEASE))
    reaper.step()
    assert state(fake_store, keys).status == "queued"
    time.sleep(LEASE)
    reaper.step()
    ended = state(fake_store, keys)
    assert (ended.status, ended.error) == (status, "never_started" if status == "failed" else None)


def test_many_reapers_end_a_deploy_once(valkey: str, keys: Keys) -> None:
    """Whoever is first ends it; the others see that it has moved."""
    create_deploy(keys.app, keys.deploy, url=valkey)
    open_log(keys.app, keys.deploy, url=valkey).close()
    clients = [redis.Redis.from_url(valkey) for _ in range(8)]
    reapers = [Reaper(Store(client), client, Judge(LEASE)) for client in clients]
    for reaper in reapers:
        reaper.step()
    time.sleep(LEASE)
    threads = [threading.Thread(target=reaper.step) for reaper in reapers]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    found = read_log(keys.app, keys.deploy, url=valkey)
    assert (found.state.status, found.state.error, len(found.events)) == ("failed", "worker_lost", 4)
    for client in clients:
        client.close()


def test_what_is_no_deploy_in_the_index_is_tidied(fake_store: Store, keys: Keys) -> None:
    """An entry without a state stays for a minute, as its creation may be under way; nonsense goes at once."""
    now = time.time()
    young = Keys("shop", "young")
    fake_store.client.zadd(LIVE, {"no deploy": now, keys.member: now - 61, young.member: now})
    Reaper(fake_store, fake_store.client, Judge(LEASE)).step()
    assert fake_store.client.zrange(LIVE, 0, -1) == [young.member.encode()]


def test_a_deploy_that_cannot_be_ended_is_complained_of_once(
    fake_store: Store, keys: Keys, caplog: pytest.LogCaptureFixture
) -> None:
    """It is looked at every second, for as long as nobody mends it."""
    queued(fake_store, keys, "unknown")
    fake_store.client.set(keys.log, "not a list")
    reaper = Reaper(fake_store, fake_store.client, Judge(LEASE))
    for _ in range(3):
        reaper.step()
        time.sleep(LEASE)
    assert [record.message.partition(":")[0] for record in caplog.records] == [f"cannot end {keys.member}"]


class Away(Store):
    """A store that does not answer while it is `away`."""

    away = False

    def run(self, procedure):  # type: ignore[no-untyped-def]
        """Run it, or not."""
        if self.away:
            raise StoreAway("away")
        return super().run(procedure)


def test_what_was_seen_before_an_outage_does_not_count(fake_store: Store, keys: Keys) -> None:
    """Silence counts only while Redis answers: after an outage the lease starts anew."""
    queued(fake_store, keys, "unknown")
    store = Away(fake_store.client)
    reaper = Reaper(store, store.client, Judge(LEASE))
    reaper.step()
    time.sleep(LEASE)
    store.away = True
    reaper.step()
    store.away = False
    reaper.step()
    assert state(fake_store, keys).status == "queued"


def test_an_answer_that_takes_long_proves_nothing(valkey: str, keys: Keys) -> None:
    """Redis, or the way to it, is slow: its writer could not show that it lives either. The lease starts anew."""
    create_deploy(keys.app, keys.deploy, url=valkey)
    open_log(keys.app, keys.deploy, url=valkey).close()
    with FaultProxy(valkey) as proxy, redis.Redis.from_url(proxy.url) as client:
        reaper = Reaper(Store(client), client, Judge(LEASE))
        reaper.step()
        proxy.faults.delay = SLOW_LOOK_SECONDS
        reaper.step()
        assert read_log(keys.app, keys.deploy, url=valkey).state.status == "building"
