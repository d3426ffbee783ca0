"""The stream: what one response sends, from its first bytes to its end, whatever its client or Redis does."""

import asyncio
import re

import pytest
import redis

from api.limits import TooManyWatchers
from api.pace import Pace
from api.watcher import HEADERS
from producer.errors import StoreAway, UnknownDeploy
from producer.keys import Keys
from producer.outbox import RESEND_EVENTS
from producer.status import Status
from producer.store import Store
from tests.api.support import Deploy, Frame, Watch, parse, serving, until

QUEUED_BUILDING = ["1:queued", "2:building"]
WHOLE = [*QUEUED_BUILDING, "3", "4", "5:complete", "done"]
LAST = 5
BROKEN = "unable to perform operation on <TCPTransport closed=True reading=False 0x5602e207f3c0>; the handler is closed"


def finished(store: Store, keys: Keys) -> None:
    """A finished deploy of 5 events."""
    Deploy(store, keys).finish(Status.COMPLETE, "one")


@pytest.fixture(params=[True, False], ids=["direct", "asgi"], autouse=True)
def _way(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """On our own server, and on any other."""
    monkeypatch.setattr(Watch, "direct", request.param)


@pytest.mark.parametrize(
    ("n", "expected"),
    [
        (None, WHOLE),
        (0, WHOLE),
        (1, WHOLE[1:]),
        (LAST - 1, ["5:complete", "done"]),
        (LAST, ["done"]),
        (LAST + 2, ["gap 6-7 lost", "5:complete", "done"]),
        (LAST + RESEND_EVENTS, [f"gap 6-{LAST + RESEND_EVENTS} lost", "5:complete", "done"]),
        (LAST + RESEND_EVENTS + 1, WHOLE),
    ],
)
async def test_a_finished_deploy_is_resumed_by_the_table(
    valkey: str, store: Store, keys: Keys, n: int | None, expected: list[str]
) -> None:
    """Each row for a finished deploy: what is above N, the end, or what the watcher knows and the log has not."""
    finished(store, keys)
    async with serving(valkey) as service:
        watch = service.watch(keys, n)
        assert await watch.read() == expected
        assert (watch.status, list(watch.headers.items())) == (200, HEADERS)


async def test_who_has_the_end_too_is_told_not_to_come_back(valkey: str, store: Store, keys: Keys) -> None:
    """204, and no stream."""
    finished(store, keys)
    async with serving(valkey) as service:
        watch = service.watch(keys, LAST + 1)
        assert await watch.read() == []
        assert (watch.status, watch.body) == (204, b"")
        assert b"content-type" not in watch.headers


@pytest.mark.parametrize(
    ("n", "at_once", "later"),
    [
        (None, ["1:queued", "2:building", "3"], ["4", "5", "6", "7:complete", "done"]),
        (1, ["2:building", "3"], ["4", "5", "6", "7:complete", "done"]),
        (3, [], ["4", "5", "6", "7:complete", "done"]),
        (4, [], ["5", "6", "7:complete", "done"]),
        (5, [], ["6", "7:complete", "done"]),
        (3 + RESEND_EVENTS + 1, ["1:queued", "2:building", "3"], ["4", "5", "6", "7:complete", "done"]),
    ],
)
async def test_an_unfinished_deploy_is_resumed_by_the_table(
    valkey: str, store: Store, keys: Keys, n: int | None, at_once: list[str], later: list[str]
) -> None:
    """Each row for an unfinished deploy; who is ahead of the log is told so in a comment, and gets what is above N."""
    deploy = Deploy(store, keys)
    deploy.write("one")
    async with serving(valkey) as service:
        watch = service.watch(keys, n)
        await until(lambda: watch.body)
        await watch.has(*at_once)
        ahead = n in {4, 5}
        assert (f"\n: waiting for the log to pass event {n} again\n".encode() in watch.body) == ahead
        await until(lambda: service.store.count["snapshot"] >= 2)
        deploy.write("two")
        deploy.write("three")
        deploy.finish()
        assert await watch.read() == at_once + later


async def test_who_is_ahead_of_a_log_that_ends_below_is_told_what_it_cannot_have(
    valkey: str, store: Store, keys: Keys
) -> None:
    """It waits for the log to pass N again; the log ends first: a gap for what is lost, the status, `done`."""
    deploy = Deploy(store, keys)
    async with serving(valkey) as service:
        watch = service.watch(keys, 9)
        await until(lambda: watch.body)
        await until(lambda: service.store.count["snapshot"] >= 2)
        deploy.finish(Status.FAILED)
        assert await watch.read() == ["gap 5-9 lost", "4:failed", "done"]


async def test_who_is_ahead_of_a_log_that_vanishes_gets_an_end(
    valkey: str, store: Store, client: redis.Redis, keys: Keys
) -> None:
    """It waits for the log to pass N again; the deploy vanishes: a gap without an end, and `done`. It waits no more."""
    Deploy(store, keys)
    async with serving(valkey) as service:
        watch = service.watch(keys, 9)
        await until(lambda: watch.body and service.store.count["snapshot"] >= 2)
        client.delete(keys.state, keys.log)
        service.hub.read(service.hub.live[0])
        assert await watch.read() == ["gap 10-None lost", "done"]


async def test_the_first_bytes_are_a_jittered_retry_and_come_at_once(valkey: str, store: Store, keys: Keys) -> None:
    """`retry:` is the first line, of 1,000 to 3,000 ms, drawn for each connection; no blank line follows it."""
    Deploy(store, keys, building=False)
    async with serving(valkey) as service:
        drawn = set()
        watches = [service.watch(keys, 1) for _ in range(20)]  # nothing to show yet
        for watch in watches:
            await until(lambda watch=watch: watch.body)  # type: ignore[misc]
            match = re.fullmatch(rb"retry: (\d+)\n", watch.body)
            assert match
            drawn.add(int(match[1]))
            await watch.leave()
        assert all(1_000 <= milliseconds <= 3_000 for milliseconds in drawn)
        assert len(drawn) > 10


@pytest.mark.parametrize("n", [None, 1])
async def test_a_stream_goes_on_as_soon_as_its_log_was_read(
    valkey: str, store: Store, keys: Keys, n: int | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The first bytes do not wait for the time after which an outage is looked at again."""
    monkeypatch.setattr("api.stream._HOLD_SECONDS", 60.0)
    Deploy(store, keys)
    async with serving(valkey) as service:
        watch = service.watch(keys, n)
        await watch.has(*QUEUED_BUILDING[n or 0 :])
        await watch.leave()


async def test_nothing_follows_a_retry_or_a_comment_but_the_next_line(valkey: str, store: Store, keys: Keys) -> None:
    """A blank line only ever ends an event, on the whole stream."""
    finished(store, keys)
    async with serving(valkey) as service:
        watch = service.watch(keys, LAST + 2)
        await watch.finished()
        assert re.fullmatch(rb"retry: \d+\n(event: \w+\n(id: \d+\n)?data: .*\n\n)+", watch.body)


async def test_an_unknown_deploy_and_redis_away_are_said_before_the_response_starts(valkey: str, keys: Keys) -> None:
    """A new stream has no 200 that could not be kept; the slot is free again."""
    async with serving(valkey) as service:
        service.store.errors.append(StoreAway("away"))
        for expected in (StoreAway, UnknownDeploy):
            watch = service.watch(keys)
            with pytest.raises(expected):
                await watch.finished()
            assert watch.status is None
        assert service.slots.taken == 0


async def test_a_connection_that_breaks_while_it_is_written_to_is_redis_away(
    valkey: str, store: Store, keys: Keys
) -> None:
    """uvloop says so in an error of its own kind, which no Redis client foresees."""
    finished(store, keys)
    async with serving(valkey) as service:
        service.store.errors.append(RuntimeError(BROKEN))
        with pytest.raises(StoreAway):
            await service.replay(keys)
        assert await service.replay(keys) == WHOLE


async def test_a_come_back_is_held_open_while_redis_is_away(
    valkey: str, store: Store, keys: Keys, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Redis away for a while, asked again and again: one response, which says `retry:` and then goes on behind N."""
    monkeypatch.setattr("api.stream._HOLD_SECONDS", 0.01)
    finished(store, keys)
    async with serving(valkey) as service:
        service.store.errors += [StoreAway("away")] * 3
        watch = service.watch(keys, 3)
        await until(lambda: watch.body or watch.task.done())
        assert re.fullmatch(rb"retry: \d+\n", watch.body)
        assert await watch.read() == WHOLE[3:]
        assert not service.store.errors


async def test_a_come_back_whose_deploy_is_gone_when_redis_is_back_ends_honestly(
    valkey: str, keys: Keys, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Redis came back empty: the events after N are lost, without an end, and `done`."""
    monkeypatch.setattr("api.stream._HOLD_SECONDS", 0.01)
    async with serving(valkey) as service:
        service.store.errors.append(StoreAway("away"))
        assert await service.replay(keys, 3) == ["gap 4-None lost", "done"]


async def test_a_stream_that_loses_redis_while_it_pages_goes_on_when_it_is_back(
    valkey: str, store: Store, keys: Keys, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A watcher is in the middle of the list when Redis goes away: the same response goes on, each event once."""
    monkeypatch.setattr("api.stream._HOLD_SECONDS", 0.01)
    deploy = Deploy(store, keys)
    deploy.finish(Status.COMPLETE, *["x" * 1000] * 1200)
    expected = [*QUEUED_BUILDING, *map(str, range(3, 1204)), "1204:complete", "done"]
    async with serving(valkey, memory=64 * 1024) as service:
        assert await service.replay(keys) == expected
        gate = service.store.hold("snapshot", service.store.count["snapshot"] + 1, after=True)
        watch = service.watch(keys)
        await gate.arrived.wait()
        service.store.errors += [StoreAway("away")] * 3
        gate.open()
        assert await watch.read() == expected


async def test_what_comes_while_a_client_is_slow_to_take_the_first_bytes_is_not_slept_through(
    valkey: str, store: Store, keys: Keys
) -> None:
    """The log ends while the response is only starting: the watcher that then waits must not wait for more."""
    deploy = Deploy(store, keys)
    async with serving(valkey) as service:
        other = service.watch(keys)
        await other.has(*QUEUED_BUILDING)
        await until(lambda: service.store.count["snapshot"] >= 2)
        slow = Watch.stalled(service, keys, 2)
        await until(lambda: service.hub.statistics().watchers == 2)
        deploy.finish()
        assert (await other.read())[-1] == "done"
        slow.taking.set()
        assert await slow.read() == ["3", "4:complete", "done"]


async def test_what_comes_while_a_client_that_is_ahead_is_slow_is_not_slept_through(
    valkey: str, store: Store, keys: Keys
) -> None:
    """The same for one that knows more than the log: the log passes N while the comment is being sent."""
    deploy = Deploy(store, keys)
    async with serving(valkey) as service:
        other = service.watch(keys)
        await other.has(*QUEUED_BUILDING)
        await until(lambda: service.store.count["snapshot"] >= 2)
        slow = Watch.stalled(service, keys, 3)
        await until(lambda: service.hub.statistics().watchers == 2)
        deploy.finish()
        assert (await other.read())[-1] == "done"
        slow.taking.set()
        assert await slow.read() == ["4:complete", "done"]


async def test_who_got_the_end_from_another_replica_is_not_told_of_a_loss(
    valkey: str, store: Store, keys: Keys
) -> None:
    """It comes back with the id of `done` before this one knows of the end: it has everything, and lacks nothing."""
    deploy = Deploy(store, keys)
    async with serving(valkey) as service:
        other = service.watch(keys)
        await other.has(*QUEUED_BUILDING)
        await until(lambda: service.store.count["snapshot"] >= 2)
        knowing = service.watch(keys, 5)  # two more events, and `done`
        await until(lambda: b"waiting" in knowing.body)
        deploy.finish()
        assert await knowing.read() == ["done"]


async def test_who_rides_along_when_the_log_ends_is_closed(valkey: str, store: Store, keys: Keys) -> None:
    """Live lines, then the end, for all who have been there long."""
    deploy = Deploy(store, keys)
    async with serving(valkey) as service:
        watches = [service.watch(keys) for _ in range(3)]
        for watch in watches:
            await watch.has(*QUEUED_BUILDING)
        deploy.write("live")
        for watch in watches:
            await watch.has(*QUEUED_BUILDING, "3")
        deploy.finish()
        assert [await watch.read() for watch in watches] == [[*QUEUED_BUILDING, "3", "4", "5:complete", "done"]] * 3
        await service.empty()


async def test_a_drain_ends_each_stream_with_a_retry_and_no_done(valkey: str, store: Store, keys: Keys) -> None:
    """The process stops: clients come back to another, so nothing may look like the end of the deploy."""
    deploy = Deploy(store, keys)
    async with serving(valkey) as service:
        watches = [service.watch(keys), service.watch(keys, 2)]
        for watch in watches:
            await until(lambda watch=watch: watch.body)  # type: ignore[misc]
        service.watchers.drain()
        for watch, expected in zip(watches, (QUEUED_BUILDING, []), strict=True):
            assert await watch.read() == expected
            assert re.search(rb"(^|\n)retry: \d+\n\Z", watch.body)
        deploy.write("never mind")
        assert service.slots.taken == 0


async def test_a_client_that_leaves_frees_its_slot_at_any_point(valkey: str, store: Store, keys: Keys) -> None:
    """Before the first read, in the middle of it, while it waits, while it takes nothing."""
    Deploy(store, keys)
    async with serving(valkey) as service:
        for count, point in enumerate(("opening", "reading", "waiting", "stalled")):
            watch = Watch.stalled(service, keys) if point == "stalled" else service.watch(keys)
            if point == "reading":
                gate = service.store.hold("snapshot", service.store.count["snapshot"] + 1)
                await gate.arrived.wait()
                gate.open()
            elif point == "waiting":
                await watch.has(*QUEUED_BUILDING)
            elif point == "stalled":
                await until(lambda: service.hub.statistics().watchers == 1)
            await watch.leave()
            assert (count, service.slots.taken, service.hub.statistics().watchers) == (count, 0, 0)


async def test_clients_that_come_and_go_on_an_idle_deploy_are_forgotten(valkey: str, store: Store, keys: Keys) -> None:
    """Nothing is written that would wake anybody: who has left is held by nobody while others stay."""
    Deploy(store, keys)
    async with serving(valkey) as service:
        staying = service.watch(keys)
        await staying.has(*QUEUED_BUILDING)
        await until(lambda: service.store.count["snapshot"] >= 2)
        for _ in range(20):
            watch = service.watch(keys)
            await watch.has(*QUEUED_BUILDING)
            await asyncio.sleep(0)
            await watch.leave()
        (topic,) = service.hub.live
        assert len(topic.waiting) <= 1
        await staying.leave()


async def test_a_stream_that_is_cancelled_leaves_nothing(valkey: str, store: Store, keys: Keys) -> None:
    """The server may cancel a request: slot, topic and subscription are free again."""
    Deploy(store, keys)
    async with serving(valkey) as service:
        watch = service.watch(keys)
        await watch.has(*QUEUED_BUILDING)
        watch.task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await watch.task
        await service.empty()


async def test_the_bound_on_watchers_is_told_before_the_response_starts(valkey: str, store: Store, keys: Keys) -> None:
    """One too many is refused, and the next is served when one has left."""
    Deploy(store, keys)
    async with serving(valkey) as service:
        service.slots._per_caller = 2
        watches = [service.watch(keys) for _ in range(3)]
        with pytest.raises(TooManyWatchers):
            await watches[2].finished()
        assert watches[2].status is None
        await watches[0].leave()
        await service.watch(keys).has(*QUEUED_BUILDING)


class Pauses:
    """A pace that a test reads: each event but the first waits a moment."""

    def __init__(self, pace: Pace) -> None:
        self.pace = pace
        self.waits: list[float] = []

    def wait(self, frame: bytes) -> float:
        """The wait of the real pace, cut to a moment."""
        self.waits.append(round(self.pace.wait(frame), 3))
        return min(self.waits[-1], 0.001)


@pytest.mark.parametrize(("n", "skipped"), [(None, 0), (3, 3)])
async def test_a_paced_replay_has_the_same_events_with_pauses(
    valkey: str, store: Store, keys: Keys, n: int | None, skipped: int
) -> None:
    """At its recorded pace a finished deploy has the same frames; a resume goes on from where it was."""
    Deploy(store, keys).finish(
        Status.COMPLETE, "a", "b", "c", ts=[10_000_000_000, 10_000_000_008, 10_000_000_010], at=1e10 + 10
    )
    async with serving(valkey) as service:
        plain = service.watch(keys, n)
        pauses = Pauses(Pace(2))
        paced = service.watch(keys, n, pauses)  # type: ignore[arg-type]
        assert await paced.read() == await plain.read()
        assert parse(paced.body) == parse(plain.body)
        assert pauses.waits[-4:] == [1, 0, 0, 0]
        assert len(pauses.waits) == 8 - skipped


async def test_the_pace_is_ignored_on_an_unfinished_deploy(valkey: str, store: Store, keys: Keys) -> None:
    """A slow replay was asked for while the deploy still ran: it is followed live, to its very end."""
    deploy = Deploy(store, keys)
    async with serving(valkey) as service:
        watch = service.watch(keys, pace=Pace(0.001))
        await watch.has(*QUEUED_BUILDING)
        await until(lambda: service.store.count["snapshot"] >= 2)
        deploy.finish(Status.COMPLETE, "a", "b", ts=[1e10, 1e10 + 5], at=1e10 + 10)
        async with asyncio.timeout(2):
            assert await watch.read() == [*QUEUED_BUILDING, "3", "4", "5", "6:complete", "done"]


async def test_who_knows_more_than_a_finished_log_gets_ids_that_end_it(valkey: str, store: Store, keys: Keys) -> None:
    """The gap of who knows more than the log has the id of its last seq, the terminal status its own."""
    finished(store, keys)
    async with serving(valkey) as service:
        watch = service.watch(keys, LAST + 2)
        await watch.finished()
        assert [frame.id for frame in parse(watch.body)] == [7, 5, 6]
        assert parse(watch.body)[0] == Frame("gap", 7, {"from": 6, "to": 7, "reason": "lost"})
