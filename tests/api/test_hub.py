"""The hub on a real Valkey: the seam from history to live, at each point at which it could tear."""

import asyncio

import pytest
import redis
from redis.exceptions import ResponseError

from api.hub import Statistics
from producer.deploys import Limits
from producer.errors import StoreCorrupt, UnknownDeploy
from producer.keys import Keys
from producer.status import Status
from producer.store import Store
from tests.api.support import Deploy, Watch, serving, until

QUEUED_BUILDING = ["1:queued", "2:building"]
IDLE = Statistics(topics=0, finished=0, watchers=0, channels=0, bytes=0, connected=True)


def listeners(client: redis.Redis, keys: Keys) -> int:
    """How many connections Redis has subscribed to this deploy."""
    ((_, count),) = client.pubsub_numsub(keys.events)
    found: int = count
    return found


def forget(client: redis.Redis, keys: Keys) -> None:
    """The deploy is gone from the store."""
    client.delete(keys.state, keys.log)


# The topic reads the list when it opens (1), and again when its subscription is confirmed (2).
@pytest.mark.parametrize("read", [1, 2])
@pytest.mark.parametrize("after", [False, True], ids=["before the read", "before its answer"])
@pytest.mark.parametrize("ends", [False, True], ids=["lines", "lines and the end"])
async def test_nothing_is_lost_or_doubled_at_the_seam(
    valkey: str, store: Store, client: redis.Redis, keys: Keys, read: int, after: bool, ends: bool
) -> None:
    """What is published right before or during either read of the list comes once, in order; the end too."""
    deploy = Deploy(store, keys)
    deploy.write("early")
    async with serving(valkey) as service:
        gate = service.store.hold("snapshot", read, after=after)
        watch = service.watch(keys)
        await gate.arrived.wait()
        deploy.write("in the", "seam")
        if ends:
            deploy.finish()
        if read == 2:  # subscribed: what is published is told ahead of the answer
            await until(lambda: "5" in watch.words)
        gate.open()
        if not ends:
            await watch.has(*QUEUED_BUILDING, "3", "4", "5")
            deploy.finish()
        assert await watch.read() == [*QUEUED_BUILDING, "3", "4", "5", "6", "7:complete", "done"]
        await service.empty()
        await until(lambda: listeners(client, keys) == 0)


@pytest.fixture(params=[True, False], ids=["direct", "asgi"], autouse=True)
def _way(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """On our own server, and on any other."""
    monkeypatch.setattr(Watch, "direct", request.param)


async def test_published_in_a_hole_behind_the_read_is_read_again(valkey: str, store: Store, keys: Keys) -> None:
    """A line that nobody heard, then one that was heard, both while the read is under way: both come, in order."""
    deploy = Deploy(store, keys)
    async with serving(valkey) as service:
        gate = service.store.hold("snapshot", 2, after=True)
        watch = service.watch(keys)
        await gate.arrived.wait()
        deploy.writing_unheard().write("unheard")
        deploy.write("heard")
        (topic,) = service.hub.live
        await until(lambda: topic.follow._held)
        gate.open()
        await watch.has(*QUEUED_BUILDING, "3", "4")
        deploy.finish()
        assert (await watch.read())[-2:] == ["6:complete", "done"]


async def test_a_read_that_brings_more_than_was_heard_meanwhile_tells_only_the_rest(
    valkey: str, store: Store, keys: Keys
) -> None:
    """A line heard while the read is under way, then one that nobody heard: the read has both, each comes once."""
    deploy = Deploy(store, keys)
    async with serving(valkey) as service:
        gate = service.store.hold("snapshot", 2)
        watch = service.watch(keys)
        await gate.arrived.wait()
        deploy.write("heard")
        await watch.has(*QUEUED_BUILDING, "3")
        deploy.writing_unheard().write("unheard")
        gate.open()
        await watch.has(*QUEUED_BUILDING, "3", "4")
        deploy.finish()
        assert await watch.read() == [*QUEUED_BUILDING, "3", "4", "5", "6:complete", "done"]


async def test_a_swallowed_message_is_read_from_the_list(valkey: str, store: Store, keys: Keys) -> None:
    """The next message shows the hole, and the list fills it."""
    deploy = Deploy(store, keys)
    async with serving(valkey) as service:
        watch = service.watch(keys)
        await until(lambda: service.store.count["snapshot"] >= 2)
        deploy.writing_unheard().write("unheard", "unheard")
        deploy.write("heard")
        await watch.has(*QUEUED_BUILDING, "3", "4", "5")
        await watch.leave()


async def test_what_is_not_the_deploys_own_on_its_channel_is_never_passed_on(
    valkey: str, store: Store, client: redis.Redis, keys: Keys
) -> None:
    """Garbage, another deploy's event, events doubled and out of order: the watcher has the list's log."""
    deploy = Deploy(store, keys)
    async with serving(valkey) as service:
        watch = service.watch(keys)
        await until(lambda: service.store.count["snapshot"] >= 2)
        deploy.writing_unheard().write("one", "two", "three")
        one, two, three = client.lrange(keys.log, 2, -1)
        foreign = b'{"seq":900,"ts":1.000,"line":"of another deploy"}'
        forged = b'{"seq":1,"ts":1.000,"line":"forged"}'
        for data in (b"\xff\0garbage", foreign, b"{}", three, one, forged, one, two, b"", three):
            client.publish(keys.events, data)
        deploy.finish()
        assert await watch.read() == [*QUEUED_BUILDING, "3", "4", "5", "6", "7:complete", "done"]
        assert b"another" not in watch.body
        assert b"forged" not in watch.body


async def test_a_killed_subscription_is_renewed_and_the_list_read_before_live_is_trusted(
    valkey: str, store: Store, client: redis.Redis, keys: Keys
) -> None:
    """Lines written while the connection was down are there before those that come after it."""
    deploy = Deploy(store, keys)
    async with serving(valkey) as service:
        watch = service.watch(keys)
        await until(lambda: service.store.count["snapshot"] >= 2)
        for number in range(3):
            client.client_kill_filter(_type="pubsub", skipme=True)
            deploy.write(f"while it is down {number}")
            await until(lambda: listeners(client, keys) == 1)
            deploy.write(f"back again {number}")
        deploy.finish()
        seqs = [str(seq) for seq in range(3, 10)]
        assert await watch.read() == [*QUEUED_BUILDING, *seqs, "10:complete", "done"]


async def test_two_hundred_watchers_at_once_share_one_subscription_and_its_reads(
    valkey: str, store: Store, client: redis.Redis, keys: Keys
) -> None:
    """However many open a deploy together: one topic, one subscription, the list read twice; all gone, all is back."""
    deploy = Deploy(store, keys)
    deploy.write("early")
    async with serving(valkey) as service:
        watches = [service.watch(keys) for _ in range(200)]
        for watch in watches:
            await watch.has(*QUEUED_BUILDING, "3")
        await until(lambda: listeners(client, keys) == 1)
        statistics = service.hub.statistics()
        assert (statistics.topics, statistics.watchers, statistics.channels) == (1, 200, 1)
        deploy.write("live")
        for watch in watches:
            await watch.has(*QUEUED_BUILDING, "3", "4")
        assert service.store.count["snapshot"] <= 2
        for watch in watches[:100]:
            await watch.leave()
        deploy.finish()
        for watch in watches[100:]:
            assert (await watch.read())[-2:] == ["6:complete", "done"]
        await service.empty()
        await until(lambda: listeners(client, keys) == 0)


async def test_when_all_watchers_of_a_live_deploy_leave_nothing_is_left(
    valkey: str, store: Store, client: redis.Redis, keys: Keys
) -> None:
    """The topic and its subscription go with the last watcher."""
    Deploy(store, keys)
    async with serving(valkey) as service:
        watches = [service.watch(keys) for _ in range(5)]
        await until(lambda: listeners(client, keys) == 1)
        for watch in watches:
            await watch.leave()
        assert service.hub.statistics() == IDLE
        await until(lambda: listeners(client, keys) == 0)


@pytest.mark.parametrize("read", [1, 2])
@pytest.mark.parametrize("after", [False, True])
async def test_who_joins_while_the_last_watcher_leaves_gets_all(
    valkey: str, store: Store, client: redis.Redis, keys: Keys, read: int, after: bool
) -> None:
    """The first watcher goes at any point of its topic's opening; the next, at that very time, has the whole log."""
    deploy = Deploy(store, keys)
    async with serving(valkey) as service:
        gate = service.store.hold("snapshot", read, after=after)
        first = service.watch(keys)
        await gate.arrived.wait()
        asyncio.get_running_loop().call_soon(gate.open)
        await first.leave()
        second = service.watch(keys)
        deploy.write("for the second")
        await second.has(*QUEUED_BUILDING, "3")
        deploy.write("live")
        deploy.finish()
        assert await second.read() == [*QUEUED_BUILDING, "3", "4", "5", "6:complete", "done"]
        await service.empty()
        await until(lambda: listeners(client, keys) == 0)


async def test_watchers_that_come_and_go_leave_nothing_behind(
    valkey: str, store: Store, client: redis.Redis, keys: Keys
) -> None:
    """Subscribing and unsubscribing in quick turns ends in the state that the last one wants."""
    deploy = Deploy(store, keys)
    async with serving(valkey) as service:
        for _ in range(20):
            watch = service.watch(keys)
            await until(lambda watch=watch: watch.status == 200)  # type: ignore[misc]
            await watch.leave()
        last = service.watch(keys)
        await last.has(*QUEUED_BUILDING)
        deploy.write("live")
        await last.has(*QUEUED_BUILDING, "3")
        await last.leave()
        await until(lambda: listeners(client, keys) == 0)
        assert service.hub.statistics() == IDLE


async def test_a_queued_deploy_is_waited_for(valkey: str, store: Store, keys: Keys) -> None:
    """A watcher that comes before the deploy starts gets its lines when they come."""
    deploy = Deploy(store, keys, building=False)
    async with serving(valkey) as service:
        watch = service.watch(keys)
        await watch.has("1:queued")
        deploy.claim()
        deploy.write("live")
        deploy.finish(Status.FAILED)
        assert await watch.read() == ["1:queued", "2:building", "3", "4", "5:failed", "done"]


async def test_an_unknown_deploy_leaves_no_topic(valkey: str, keys: Keys) -> None:
    """Who asks for a deploy that nobody created is told so, and nothing of it stays."""
    async with serving(valkey) as service:
        watches = [service.watch(keys) for _ in range(3)]
        for watch in watches:
            with pytest.raises(UnknownDeploy):
                await watch.finished()
        assert service.hub.statistics() == IDLE


async def test_a_finished_deploy_is_read_once_for_all_its_replays(
    valkey: str, store: Store, client: redis.Redis, keys: Keys
) -> None:
    """Its frames are kept for the next replay, without a subscription; the bytes count as held."""
    deploy = Deploy(store, keys)
    deploy.finish(Status.COMPLETE, "one")
    expected = [*QUEUED_BUILDING, "3", "4", "5:complete", "done"]
    async with serving(valkey) as service:
        assert [await service.replay(keys) for _ in range(3)] == [expected] * 3
        assert await service.replay(keys, 3) == expected[3:]
        assert service.store.count == {"snapshot": 1}
        statistics = service.hub.statistics()
        assert (statistics.topics, statistics.finished, statistics.channels) == (0, 1, 0)
        assert 600 < statistics.bytes < 1200  # what was joined for the replays, too
        await until(lambda: listeners(client, keys) == 0)


async def test_watchers_that_leave_at_once_have_a_log_read_once(valkey: str, store: Store, keys: Keys) -> None:
    """Whoever comes while a read is under way waits for that, also when those who began it have gone."""
    Deploy(store, keys).finish()
    async with serving(valkey) as service:
        gate = service.store.hold("snapshot", 1, after=True)
        for _ in range(5):
            watch = service.watch(keys)
            await gate.arrived.wait()
            await until(lambda: service.hub.statistics().watchers == 1)
            await watch.leave()
        last = service.watch(keys)
        await until(lambda: service.hub.statistics().watchers == 1)
        gate.open()
        assert (await last.read())[-1] == "done"
        assert service.store.count["snapshot"] == 1
        await service.empty()
        assert service.hub.statistics().finished == 1


@pytest.mark.parametrize("ended", [True, False], ids=["finished", "live"])
async def test_a_read_that_nobody_waits_for_any_more_leaves_nothing_open(
    valkey: str, store: Store, client: redis.Redis, keys: Keys, ended: bool
) -> None:
    """A finished log is kept for the next replay; a live one is let go of."""
    deploy = Deploy(store, keys)
    if ended:
        deploy.finish()
    async with serving(valkey) as service:
        gate = service.store.hold("snapshot", 1, after=True)
        watch = service.watch(keys)
        await gate.arrived.wait()
        await watch.leave()
        gate.open()
        await service.empty()
        assert service.hub.statistics().finished == int(ended)
        assert listeners(client, keys) == 0


async def test_finished_logs_are_kept_within_a_bound_of_bytes(valkey: str, store: Store, keys: Keys) -> None:
    """The oldest replay makes room, and what is counted as held is what is held."""
    memory = 1024 * 1024
    async with serving(valkey, memory) as service:
        for number in range(6):
            deploy = Deploy(store, Keys(keys.app, f"{keys.deploy}-{number}"))
            deploy.finish(Status.COMPLETE, *["x" * 1000] * 50)
            assert (await service.replay(deploy.keys))[-1] == "done"
            assert service.hub.statistics().bytes <= memory // 4
        assert service.hub.statistics().finished == 2


async def test_a_finished_deploy_that_is_gone_is_not_replayed_for_long(
    valkey: str, store: Store, client: redis.Redis, keys: Keys, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A kept log is looked up again after a while: one that was deleted is unknown."""
    monkeypatch.setattr("api.hub._VALID_SECONDS", -1.0)
    Deploy(store, keys).finish()
    async with serving(valkey) as service:
        first = await service.replay(keys)
        assert await service.replay(keys) == first
        assert service.store.count == {"snapshot": 1, "states": 1}
        forget(client, keys)
        with pytest.raises(UnknownDeploy):
            await service.replay(keys)
        assert service.hub.statistics() == IDLE


async def test_another_deploy_under_a_finished_ones_id_is_shown_to_all_who_come(
    valkey: str, store: Store, client: redis.Redis, keys: Keys, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Two come at once while the old log is looked up again: both follow the new deploy to its end."""
    monkeypatch.setattr("api.hub._VALID_SECONDS", 0.001)
    Deploy(store, keys).finish(Status.FAILED)
    async with serving(valkey) as service:
        assert (await service.replay(keys))[-1] == "done"
        forget(client, keys)
        deploy = Deploy(store, keys)
        await asyncio.sleep(0.002)
        watches = [service.watch(keys), service.watch(keys)]
        for watch in watches:
            await watch.has(*QUEUED_BUILDING)
        await until(lambda: listeners(client, keys) == 1)
        deploy.write("live")
        deploy.finish()
        for watch in watches:
            assert await watch.read() == [*QUEUED_BUILDING, "3", "4", "5:complete", "done"]
        await service.empty()


async def test_many_who_come_back_to_a_finished_deploy_share_one_look(
    valkey: str, store: Store, keys: Keys, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A kept log is looked up again once for all who come at the same time."""
    monkeypatch.setattr("api.hub._VALID_SECONDS", 0.05)
    Deploy(store, keys).finish()
    async with serving(valkey) as service:
        await service.replay(keys)
        await asyncio.sleep(0.06)
        watches = [service.watch(keys) for _ in range(50)]
        for watch in watches:
            assert (await watch.read())[-1] == "done"
        assert service.store.count["states"] == 1


async def test_a_watcher_that_fell_out_of_memory_is_served_from_the_list(valkey: str, store: Store, keys: Keys) -> None:
    """A slow watcher loses nothing while the list has it, and the fast one is not held up."""
    deploy = Deploy(store, keys)
    async with serving(valkey, memory=64 * 1024) as service:
        slow, fast = service.watch(keys), service.watch(keys)
        await slow.has(*QUEUED_BUILDING)
        # The read that follows the subscription has been answered, too: it would be the hub that lags.
        await until(lambda: service.store.count["snapshot"] >= 2 and not service.hub.live[0]._reading)
        slow.taking.clear()
        for _ in range(30):
            deploy.write(*["x" * 1000] * 40)
        await until(lambda: "1202" in fast.words)
        assert service.hub.statistics().bytes <= (64 + 16) * 1024 + 1100  # a quarter more for what is joined
        deploy.finish()
        expected = [*QUEUED_BUILDING, *map(str, range(3, 1204)), "1204:complete", "done"]
        assert await fast.read() == expected
        slow.taking.set()
        assert await slow.read() == expected


async def test_a_slow_watcher_misses_only_what_the_list_has_lost_too(valkey: str, store: Store, keys: Keys) -> None:
    """The cap has dropped what it did not take in time: a gap, `lagged`, names exactly that."""
    deploy = Deploy(store, keys, Limits(cap_events=100))
    async with serving(valkey, memory=64 * 1024) as service:
        slow = service.watch(keys)
        await slow.has(*QUEUED_BUILDING)
        # The read that follows the subscription has been answered, too: it would be the hub that lags.
        await until(lambda: service.store.count["snapshot"] >= 2 and not service.hub.live[0]._reading)
        slow.taking.clear()
        for _ in range(30):
            deploy.write(*["x" * 1000] * 40)
        await until(lambda: service.hub.live[0].follow.last == 1202)
        slow.taking.set()
        await until(lambda: "1202" in slow.words)
        got = slow.words
        gap = next(word for word in got if word.startswith("gap"))
        assert gap.endswith("-1102 lagged")
        first = int(gap.removeprefix("gap ").partition("-")[0])
        assert got == [*QUEUED_BUILDING, *map(str, range(3, first)), gap, *map(str, range(1103, 1203))]
        await slow.leave()


async def test_a_page_of_the_list_that_is_ahead_of_the_topic_doubles_nothing(
    valkey: str, store: Store, client: redis.Redis, keys: Keys
) -> None:
    """The list has an event before its message arrives: who reads it there does not get it from the topic again."""
    deploy = Deploy(store, keys)
    deploy.write(*["x" * 16_000] * 6)  # more than the topic may hold, and less than a page
    async with serving(valkey, memory=64 * 1024) as service:
        fast = service.watch(keys)
        await until(lambda: listeners(client, keys) == 1)
        deploy.write("heard")
        await until(lambda: "9" in fast.words and not service.hub.live[0]._reading)
        # The topic holds the last few events. Who starts at 0 reads the list, which has one more by then.
        deploy.writing_unheard().write("not heard yet")
        late = service.watch(keys)
        await until(lambda: "10" in late.words)
        assert "10" not in fast.words
        deploy.write("heard")
        await until(lambda: "11" in late.words)
        deploy.finish()
        expected = [*QUEUED_BUILDING, *map(str, range(3, 13)), "13:complete", "done"]
        assert await fast.read() == expected
        assert await late.read() == expected


async def test_a_corrupt_entry_is_a_gap_and_the_end_is_rebuilt(
    valkey: str, store: Store, client: redis.Redis, keys: Keys
) -> None:
    """Entries that nobody can read cost a watcher those events and nothing else."""
    deploy = Deploy(store, keys)
    deploy.finish(Status.FAILED, "one", "two")
    client.lset(keys.log, 2, "garbage")
    client.lset(keys.log, -1, "garbage")
    async with serving(valkey) as service:
        assert await service.replay(keys) == [*QUEUED_BUILDING, "gap 3-3 lost", "4", "5", "6:failed", "done"]


@pytest.mark.parametrize(("name", "value"), [("status", "nonsense"), ("lines", "many"), ("seq", "many")])
async def test_a_state_that_cannot_be_read_fails_that_deploy_and_no_other(
    valkey: str, store: Store, client: redis.Redis, keys: Keys, name: str, value: str
) -> None:
    """A state that cannot be read is an error of its deploy; the next deploy is fine."""
    other = Keys(keys.app, f"{keys.deploy}-2")
    for each in (keys, other):
        Deploy(store, each).finish()
    client.hset(keys.state, name, value)
    async with serving(valkey) as service:
        with pytest.raises(StoreCorrupt):
            await service.replay(keys)
        assert (await service.replay(other))[-1] == "done"


async def test_an_unforeseen_error_of_a_topic_reaches_all_who_wait_for_it(
    valkey: str, store: Store, keys: Keys
) -> None:
    """Nobody waits for ever on a topic whose task has died; the next who comes gets a new one."""
    deploy = Deploy(store, keys)
    async with serving(valkey) as service:
        watches = [service.watch(keys) for _ in range(3)]
        for watch in watches:
            await watch.has(*QUEUED_BUILDING)
        await until(lambda: service.store.count["snapshot"] >= 2)
        service.store.errors.append(ResponseError("something new"))
        deploy.writing_unheard().write("unheard")
        deploy.write("heard")
        for watch in watches:
            with pytest.raises(RuntimeError):
                await watch.finished()
        await service.empty()
        deploy.finish()
        assert (await service.replay(keys))[-1] == "done"
