"""Running procedures against Redis, and naming what goes wrong."""

import asyncio
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import replace

import pytest
from redis.exceptions import RedisError

from producer import calls
from producer.connect import connect, connect_async
from producer.deploys import Limits, Request, create_deploy, leave_live
from producer.errors import DeployExists, StoreAway, StoreCorrupt, StoreFull, UnknownDeploy
from producer.keys import Keys
from producer.proof import Proof
from producer.status import Status
from producer.store import AsyncStore, Store
from tests.helpers import wait_until
from tests.producer.support import (
    TS,
    WRITER,
    Valkey,
    append,
    build,
    claim,
    create,
    ending,
    everything,
    lines,
    listening,
    reap,
    state_of,
)


def forget_scripts(store: Store) -> None:
    """As after a restart, or on another node."""
    store.client.script_flush()


def test_forgotten_scripts_are_sent_again(store: Store, keys: Keys) -> None:
    """SCRIPT FLUSH before every call of a whole deploy: nothing is lost, nothing is there twice."""
    forget_scripts(store)
    create(store, keys)
    forget_scripts(store)
    claim(store, keys)
    for seq in (3, 4):
        forget_scripts(store)
        append(store, keys, lines(seq, "a", before=Proof().add("a") if seq == 4 else Proof()))
    forget_scripts(store)
    assert store.run(calls.cancel(keys, "canceller", TS)) is Status.BUILDING
    forget_scripts(store)
    reap(store, keys, state_of(store, keys))
    forget_scripts(store)
    found = store.run(calls.snapshot(keys))
    assert (found.state.status, found.state.seq, len(found.events)) == (Status.FAILED, 6, 6)


@pytest.fixture
def full_store(own_store: Store, keys: Keys) -> Iterator[Store]:
    """A real Valkey that has no memory left and evicts nothing; a deploy is building on it."""
    build(own_store, keys)
    own_store.client.config_set("maxmemory", 1)
    yield own_store
    own_store.client.config_set("maxmemory", 0)


def test_a_full_redis_takes_no_line(full_store: Store, keys: Keys) -> None:
    """StoreFull, and nothing is written or published; when there is room again it goes on."""
    before = everything(full_store, keys)
    with listening(full_store, keys) as heard, pytest.raises(StoreFull, match="out of memory"):
        append(full_store, keys, lines(3, "a"))
    assert (heard, everything(full_store, keys)) == ([], before)
    full_store.client.config_set("maxmemory", 0)
    assert append(full_store, keys, lines(3, "a")) == (3, False)


def test_a_full_redis_takes_no_new_deploy(full_store: Store) -> None:
    """StoreFull, and neither a state nor a log is left behind."""
    keys = Keys("shop", "new")
    with pytest.raises(StoreFull):
        create(full_store, keys)
    assert full_store.client.exists(keys.state, keys.log) == 0


def test_a_full_redis_takes_the_end_from_the_writer(full_store: Store, keys: Keys) -> None:
    """The last line and the terminal status."""
    assert append(full_store, keys, ending(3, Status.FAILED, "log_store_full")) == (4, False)
    assert state_of(full_store, keys).status is Status.FAILED


def test_a_full_redis_takes_a_cancel(full_store: Store, keys: Keys) -> None:
    """The request to a writer, and the end of a queued deploy."""
    assert full_store.run(calls.cancel(keys, "canceller", TS)) is Status.BUILDING
    queued = Keys("shop", "queued")
    full_store.client.config_set("maxmemory", 0)
    create(full_store, queued)
    full_store.client.config_set("maxmemory", 1)
    assert full_store.run(calls.cancel(queued, "canceller", TS)) is Status.CANCELLED


def test_a_full_redis_lets_a_deploy_be_reaped_and_read(full_store: Store, keys: Keys) -> None:
    """So a deploy ends even then."""
    reap(full_store, keys, state_of(full_store, keys))
    found = full_store.run(calls.snapshot(keys))
    assert (found.state.status, len(found.events)) == (Status.FAILED, 4)


def test_a_server_that_is_gone_is_away(own_valkey: Valkey, own_store: Store, keys: Keys) -> None:
    """Connection refused; and once it is back with its data, it goes on."""
    build(own_store, keys)
    own_valkey.kill()
    with pytest.raises(StoreAway, match="does not answer"):
        state_of(own_store, keys)
    own_valkey.start()
    assert append(own_store, keys, lines(3, "a")) == (3, False)


def test_a_server_that_hangs_is_away(own_valkey: Valkey, own_store: Store, keys: Keys) -> None:
    """The time limit of the client; what it was asked may have been done, and repeated it is there once."""
    build(own_store, keys)
    append(own_store, keys, lines(3, "a"))
    with own_valkey.paused(), pytest.raises(StoreAway, match="does not answer"):
        append(own_store, keys, lines(4, "b", before=Proof().add("a")))
    wait_until(lambda: state_of(own_store, keys).seq == 4)
    assert append(own_store, keys, lines(4, "b", before=Proof().add("a"))) == (4, False)


def test_a_server_that_loads_its_data_or_only_reads_is_away(own_store: Store, keys: Keys) -> None:
    """A replica that was a master takes no write: the same as if it did not answer, until there is a master again."""
    build(own_store, keys)
    own_store.client.replicaof("127.0.0.1", "1")
    try:
        with pytest.raises(StoreAway):
            append(own_store, keys, lines(3, "a"))
    finally:
        own_store.client.replicaof("NO", "ONE")
    assert append(own_store, keys, lines(3, "a")) == (3, False)


def test_a_server_that_refuses_writes_for_a_while_is_away(own_store: Store, keys: Keys) -> None:
    """Too few replicas (as with a full disk, MISCONF) is a state that passes: NOREPLICAS is no error of ours."""
    build(own_store, keys)
    own_store.client.config_set("min-replicas-to-write", 1)
    with pytest.raises(StoreAway):
        append(own_store, keys, lines(3, "a"))
    own_store.client.config_set("min-replicas-to-write", 0)
    assert append(own_store, keys, lines(3, "a")) == (3, False)


def test_a_plain_command_on_a_key_of_the_wrong_type_is_corrupt(any_store: Store, keys: Keys) -> None:
    """The error has a name of ours."""
    any_store.client.set(f"app:{keys.deploy}:deploys", "mine")
    with pytest.raises(StoreCorrupt, match="wrong type"):
        any_store.run(create_deploy(Keys(keys.deploy, "d1"), "creator", TS, Request(), Limits()))


async def test_the_same_procedures_run_on_asyncio(valkey: str, store: Store, keys: Keys) -> None:
    """With scripts that the server has forgotten, with a pipeline, and with the same errors."""
    forget_scripts(store)
    async with connect_async(valkey, connections=5) as client:
        there = AsyncStore(client)
        await there.ping()
        await there.run(create_deploy(keys, "creator", TS, Request(), Limits()))
        with pytest.raises(DeployExists):
            await there.run(create_deploy(keys, "another", TS, Request(), Limits()))
        claimed, _ = await asyncio.gather(
            there.run(calls.claim(keys, WRITER, b'{"seq":2,"ts":1,"status":"building"}', 2, TS)),
            there.run(calls.snapshot(keys)),
        )
        assert claimed.seq == 2
        with pytest.raises(UnknownDeploy):
            await there.run(calls.snapshot(Keys("shop", "nobody")))
        found = await there.run(calls.snapshot(keys))
    again = store.run(calls.snapshot(keys))
    assert replace(found, time=0) == replace(again, time=0)


@pytest.mark.parametrize("broken", [False, True], ids=["sent", "the connection broke"])
async def test_a_cancel_that_comes_as_a_command_is_sent_is_not_lost(broken: bool) -> None:
    """Before Python 3.12 `wait_for`, with which redis-py sends, drops it: who waits for the task waits for ever."""
    sent: asyncio.Future[list[object]] = asyncio.get_running_loop().create_future()
    over = asyncio.Event()

    class Sending(AsyncStore):
        """A store whose client sends as redis-py's does."""

        async def _ask(self, request: calls.Request) -> object:  # noqa: ARG002 - whatever it is
            return await asyncio.wait_for(sent, 5)

    async def keep_asking() -> None:
        while not over.is_set():
            with suppress(StoreAway):
                await store.run(leave_live(Keys("shop", "d1")))
            await asyncio.sleep(0)

    async with connect_async("redis://127.0.0.1:1/0", connections=1) as client:
        store = Sending(client)
        asking = asyncio.ensure_future(keep_asking())
        await asyncio.sleep(0)
        await asyncio.sleep(0)
        if broken:
            sent.set_exception(OSError("gone"))
        else:
            sent.set_result([1])
        asking.cancel()
        await asyncio.wait([asking], timeout=1)
        lost = not asking.done()
        over.set()
        await asyncio.wait([asking])
    assert not lost


async def test_asyncio_names_a_server_that_is_gone(own_valkey: Valkey, keys: Keys) -> None:
    """Both for a call and for a ping."""
    async with connect_async(own_valkey.url, connections=1, retries=0) as client:
        there = AsyncStore(client)
        own_valkey.kill()
        with pytest.raises(StoreAway):
            await there.ping()
        with pytest.raises(StoreAway):
            await there.run(calls.snapshot(keys))


def test_an_error_of_the_store_keeps_its_cause(own_valkey: Valkey) -> None:
    """For whoever looks into it."""
    own_valkey.kill()
    with connect(own_valkey.url, retries=0) as client, pytest.raises(StoreAway) as caught:
        Store(client).run(calls.snapshot(Keys("shop", "d1")))
    assert isinstance(caught.value.__cause__, RedisError)
