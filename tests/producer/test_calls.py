"""The transitions in Redis, each on the real Valkey and on fakeredis."""

import json
from collections.abc import Callable
from contextlib import suppress
from itertools import pairwise

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from producer import calls
from producer.deploys import Limits, Request, create_deploy
from producer.errors import (
    AlreadyClaimed,
    DeployExists,
    DeployLogError,
    Fenced,
    Finished,
    Moved,
    NotClaimed,
    StoreCorrupt,
    UnknownDeploy,
)
from producer.event import encode_line, encode_status
from producer.keys import Keys
from producer.proof import Proof
from producer.state import State
from producer.status import Status
from producer.store import Store
from tests.producer.support import (
    TS,
    WRITER,
    append,
    build,
    claim,
    create,
    ending,
    entries_of,
    everything,
    fields_of,
    lines,
    listening,
    reap,
    state_of,
)

QUEUED = encode_status(1, TS, Status.QUEUED)
BUILDING = encode_status(2, TS, Status.BUILDING)
NO_LIMITS = {"cap_events": "10000", "cap_bytes": "8388608", "ttl": "604800"}
WEEK = 7 * 24 * 3600


def event(seq: int, line: str) -> bytes:
    """The bytes of a plain line."""
    return encode_line(seq, TS, line)


def proof_of(*texts: str) -> Proof:
    """The proof of these lines."""
    proof = Proof()
    for text in texts:
        proof = proof.add(text)
    return proof


def seqs_of(store: Store, keys: Keys) -> list[int]:
    """The numbers of the cached events."""
    return [json.loads(entry)["seq"] for entry in entries_of(store, keys)]


def cancel(store: Store, keys: Keys, token: str = "canceller", ts: float = TS) -> Status:  # noqa: S107 - no password
    """Ask for a cancel."""
    return store.run(calls.cancel(keys, token, ts))


# create


def test_create_writes_the_state_and_event_one(any_store: Store, keys: Keys) -> None:
    """Nothing else, and nothing that expires."""
    with listening(any_store, keys) as heard:
        any_store.run(calls.create(keys, "creator", TS, {"environment": "prod", "ttl": 60}))
    assert heard == entries_of(any_store, keys) == [QUEUED]
    assert fields_of(any_store, keys) == {
        "status": "queued",
        "created_by": "creator",
        "environment": "prod",
        "ttl": "60",
        "queued_at": f"{TS:.3f}",
        "lines": "0",
        "crc32": "0",
        "seq": "1",
        "first_seq": "1",
        "bytes": str(len(QUEUED)),
    }
    assert (any_store.client.ttl(keys.state), any_store.client.ttl(keys.log)) == (-1, -1)


def test_create_is_idempotent_under_its_token(any_store: Store, keys: Keys) -> None:
    """Repeated after a lost reply it changes and publishes nothing, even when the deploy has gone on."""
    create(any_store, keys)
    claim(any_store, keys)
    before = everything(any_store, keys)
    with listening(any_store, keys) as heard:
        create(any_store, keys)
    assert (heard, everything(any_store, keys)) == ([], before)


def test_an_id_in_use_is_refused(any_store: Store, keys: Keys) -> None:
    """Whatever the status of the deploy that has it."""
    create(any_store, keys)
    before = everything(any_store, keys)
    with pytest.raises(DeployExists, match=f"'{keys.deploy}' of app 'shop' exists already"):
        create(any_store, keys, by="another")
    assert everything(any_store, keys) == before


def test_an_orphan_log_is_no_place_for_a_new_deploy(any_store: Store, keys: Keys) -> None:
    """Its events would be taken for those of the new deploy."""
    any_store.client.rpush(keys.log, event(1, "old"))
    before = everything(any_store, keys)
    with pytest.raises(DeployExists):
        create(any_store, keys)
    assert everything(any_store, keys) == before


# claim


def test_a_claim_makes_a_queued_deploy_building(any_store: Store, keys: Keys) -> None:
    """It answers where the log stands; a time limit becomes a deadline on the clock of Redis."""
    create(any_store, keys)
    with listening(any_store, keys) as heard:
        assert claim(any_store, keys, time_limit=60) == (2, Proof(), False)
    found = any_store.run(calls.snapshot(keys))
    assert (heard, found.events) == ([BUILDING], [QUEUED, BUILDING])
    state = found.state
    assert (state.status, state.writer, state.started_at) == (Status.BUILDING, WRITER, TS)
    assert state.deadline is not None
    assert found.time + 58 <= state.deadline <= found.time + 60


def test_a_claim_without_a_time_limit_sets_no_deadline(any_store: Store, keys: Keys) -> None:
    """Such a deploy may take as long as it likes."""
    build(any_store, keys)
    assert state_of(any_store, keys).deadline is None


def test_the_deadline_to_start_ends_with_the_claim(any_store: Store, keys: Keys) -> None:
    """A created deploy may have to start in time; once it has, only its own time limit counts."""
    any_store.run(create_deploy(keys, "creator", TS, Request(start_within=30), Limits()))
    found = any_store.run(calls.snapshot(keys))
    assert found.state.deadline is not None
    assert found.time + 28 <= found.state.deadline <= found.time + 30
    claim(any_store, keys)
    assert state_of(any_store, keys).deadline is None


def test_claim_is_idempotent_under_its_token(any_store: Store, keys: Keys) -> None:
    """Repeated it answers where the log stands now, and changes nothing."""
    build(any_store, keys)
    append(any_store, keys, lines(3, "a"))
    cancel(any_store, keys)
    before = everything(any_store, keys)
    assert claim(any_store, keys) == (3, proof_of("a"), True)
    assert everything(any_store, keys) == before


@pytest.mark.parametrize("seen", [("", ""), (WRITER, "0"), ("another", "1")])
def test_a_second_claim_is_refused(any_store: Store, keys: Keys, seen: tuple[str, str]) -> None:
    """The same job delivered twice, or a writer that was thought dead and has moved."""
    build(any_store, keys)
    before = everything(any_store, keys)
    with pytest.raises(AlreadyClaimed, match="has a writer already"):
        claim(any_store, keys, "second", seq=3, seen=seen)
    assert everything(any_store, keys) == before


def test_a_dead_writer_is_replaced_and_fenced(any_store: Store, keys: Keys) -> None:
    """The new one goes on behind the old one's last event; the old one writes and publishes nothing more."""
    build(any_store, keys)
    append(any_store, keys, lines(3, "a"))
    dead = state_of(any_store, keys)
    assert claim(any_store, keys, "second", seq=4, seen=(dead.writer, dead.beat)) == (4, proof_of("a"), False)
    before = everything(any_store, keys)
    with listening(any_store, keys) as heard:
        for batch in (lines(4, "b"), lines(5, "b"), lines(5), ending(5), lines(3, "a")):
            with pytest.raises(Fenced, match="another writer has taken"):
                append(any_store, keys, batch)
        with pytest.raises(AlreadyClaimed):
            claim(any_store, keys, WRITER, seq=5)
    assert (heard, everything(any_store, keys)) == ([], before)
    assert append(any_store, keys, lines(5, "b", before=proof_of("a")), "second") == (5, False)
    assert seqs_of(any_store, keys) == [1, 2, 3, 4, 5]


@pytest.mark.parametrize("seq", [1, 3, 99])
def test_a_claim_with_the_wrong_number_is_refused(any_store: Store, keys: Keys, seq: int) -> None:
    """Its event was made for another place in the log."""
    create(any_store, keys)
    before = everything(any_store, keys)
    with pytest.raises(Moved):
        claim(any_store, keys, seq=seq)
    assert everything(any_store, keys) == before


# append


def test_an_append_stores_numbers_and_publishes(any_store: Store, keys: Keys) -> None:
    """Each event once and in order, with the proof, and a sign of life."""
    build(any_store, keys)
    beat = int(state_of(any_store, keys).beat)
    with listening(any_store, keys) as heard:
        assert append(any_store, keys, lines(3, "a", "b")) == (4, False)
        assert append(any_store, keys, lines(5, "c", before=proof_of("a", "b"))) == (5, False)
    expected = [event(3, "a"), event(4, "b"), event(5, "c")]
    assert (heard, entries_of(any_store, keys)) == (expected, [QUEUED, BUILDING, *expected])
    state = state_of(any_store, keys)
    assert (state.seq, state.first_seq, state.proof, int(state.beat)) == (5, 1, proof_of("a", "b", "c"), beat + 2)


def test_an_append_repeated_after_a_lost_reply_is_there_once(any_store: Store, keys: Keys) -> None:
    """The whole batch, or an earlier one, or all of it with more behind it."""
    build(any_store, keys)
    append(any_store, keys, lines(3, "a", "b"))
    before = everything(any_store, keys)
    with listening(any_store, keys) as heard:
        assert append(any_store, keys, lines(3, "a", "b")) == (4, False)
        assert append(any_store, keys, lines(3, "a")) == (4, False)
        assert everything(any_store, keys) == before
        assert append(any_store, keys, lines(3, "a", "b", "c", "d")) == (6, False)
    assert heard == [event(5, "c"), event(6, "d")]
    state = state_of(any_store, keys)
    assert (seqs_of(any_store, keys), state.seq, state.proof) == ([1, 2, 3, 4, 5, 6], 6, proof_of(*"abcd"))


def test_an_append_behind_a_loss_writes_nothing(any_store: Store, keys: Keys) -> None:
    """The answer says where the store stands, so that the writer goes back there."""
    build(any_store, keys)
    before = everything(any_store, keys)
    with listening(any_store, keys) as heard:
        assert append(any_store, keys, lines(5, "c")) == (2, False)
        assert append(any_store, keys, ending(4)) == (2, False)
        assert append(any_store, keys, lines(4)) == (2, False)
    assert (heard, everything(any_store, keys)) == ([], before)


def test_a_declared_hole_is_passed(any_store: Store, keys: Keys) -> None:
    """The events behind it keep their numbers; repeated they are there once."""
    build(any_store, keys)
    batch = lines(7, "e", "f", before=proof_of(*"abcd"), hole=True)
    for _ in range(2):
        assert append(any_store, keys, batch) == (8, False)
    state = state_of(any_store, keys)
    assert (seqs_of(any_store, keys), state.seq, state.first_seq) == ([1, 2, 7, 8], 8, 1)
    assert state.proof == proof_of(*"abcdef")


def test_a_sign_of_life_raises_only_the_beat(any_store: Store, keys: Keys) -> None:
    """It stores and publishes no event, and answers whether a cancel was asked for."""
    build(any_store, keys)
    before = fields_of(any_store, keys)
    with listening(any_store, keys) as heard:
        assert append(any_store, keys, lines(3)) == (2, False)
    assert heard == []
    assert fields_of(any_store, keys) == before | {"beat": str(int(before["beat"]) + 1)}
    cancel(any_store, keys)
    assert append(any_store, keys, lines(3)) == (2, True)
    assert append(any_store, keys, lines(3, "a")) == (3, True)


def test_an_append_may_end_the_deploy(any_store: Store, keys: Keys) -> None:
    """With lines before the end; state and log then expire together."""
    create(any_store, keys, Limits(ttl=1000))
    claim(any_store, keys)
    append(any_store, keys, lines(3, "a"))
    batch = ending(4, Status.FAILED, "broken", before=proof_of("a"))
    with listening(any_store, keys) as heard:
        assert append(any_store, keys, batch) == (5, False)
    assert heard == batch.events
    state = state_of(any_store, keys)
    assert (state.status, state.error, state.detail, state.finished_at) == (Status.FAILED, "broken", None, TS)
    assert state.proof == proof_of("a", "Deploy failed: broken")
    assert [995 <= any_store.client.ttl(name) <= 1000 for name in (keys.state, keys.log)] == [True, True]


def test_nothing_follows_the_end(any_store: Store, keys: Keys) -> None:
    """Not even from the writer that wrote it."""
    build(any_store, keys)
    append(any_store, keys, ending(3))
    before = everything(any_store, keys)
    with listening(any_store, keys) as heard:
        for batch in (lines(5, "more"), lines(5), ending(5), lines(4, "x", "y")):
            with pytest.raises(Finished, match="has ended: complete"):
                append(any_store, keys, batch)
    assert (heard, everything(any_store, keys)) == ([], before)


def test_stored_lines_are_not_taken_for_the_end(any_store: Store, keys: Keys) -> None:
    """An end whose numbers the store has given to lines is refused or written behind them, and never half done."""
    build(any_store, keys)
    append(any_store, keys, lines(3, *"abcd"))
    before = everything(any_store, keys)
    with suppress(DeployLogError):
        append(any_store, keys, ending(3))
    if everything(any_store, keys) != before:
        state, last = state_of(any_store, keys), json.loads(entries_of(any_store, keys)[-1])
        assert (last["seq"], last.get("status"), state.status) == (state.seq, Status.COMPLETE, Status.COMPLETE)


def test_a_batch_at_its_bound_is_taken_whole(any_store: Store, keys: Keys) -> None:
    """10,000 events in one call: more than Lua can unpack at once."""
    build(any_store, keys, Limits(cap_events=100_000))
    batch = lines(3, *map(str, range(10_000)))
    assert append(any_store, keys, batch) == (10_002, False)
    assert entries_of(any_store, keys)[2:] == batch.events


# cancel


def test_a_queued_deploy_is_cancelled_at_once(any_store: Store, keys: Keys) -> None:
    """With its last line, its terminal status, and its time to live."""
    create(any_store, keys)
    line = "Deploy failed: cancelled"
    expected = [
        encode_line(2, TS, line, "system"),
        encode_status(3, TS, Status.CANCELLED, "cancelled", None, proof_of(line)),
    ]
    with listening(any_store, keys) as heard:
        assert cancel(any_store, keys) is Status.CANCELLED
    assert (heard, entries_of(any_store, keys)) == (expected, [QUEUED, *expected])
    state = state_of(any_store, keys)
    assert (state.status, state.seq, state.error, state.proof) == (Status.CANCELLED, 3, "cancelled", proof_of(line))
    assert [WEEK - 5 <= any_store.client.ttl(name) <= WEEK for name in (keys.state, keys.log)] == [True, True]


def test_the_writer_of_a_building_deploy_is_asked_to_stop(any_store: Store, keys: Keys) -> None:
    """The time of the first request stays: the grace is not made longer by a second one."""
    build(any_store, keys)
    before = fields_of(any_store, keys)
    assert cancel(any_store, keys) is Status.BUILDING
    assert cancel(any_store, keys, "another", TS + 60) is Status.BUILDING
    assert fields_of(any_store, keys) == before | {"cancel": f"{TS:.3f}"}
    assert seqs_of(any_store, keys) == [1, 2]


def test_cancel_is_idempotent_under_its_token(any_store: Store, keys: Keys) -> None:
    """Repeated after a lost reply it answers the same; another's is told that the deploy has ended."""
    create(any_store, keys)
    cancel(any_store, keys)
    before = everything(any_store, keys)
    assert cancel(any_store, keys) is Status.CANCELLED
    with pytest.raises(Finished, match="cancelled"):
        cancel(any_store, keys, "another")
    assert everything(any_store, keys) == before


def test_a_cancel_that_races_a_success_ends_the_deploy_once(any_store: Store, keys: Keys) -> None:
    """Asked for before the end: the writer's end stands, and there is one."""
    build(any_store, keys)
    cancel(any_store, keys)
    append(any_store, keys, ending(3))
    with pytest.raises(Finished, match="complete"):
        cancel(any_store, keys, "another")
    assert seqs_of(any_store, keys) == [1, 2, 3, 4]


# reap


@pytest.mark.parametrize("queued", [True, False])
def test_a_deploy_is_reaped(any_store: Store, keys: Keys, queued: bool) -> None:
    """It gets its last line and its terminal status, behind what it has."""
    (create if queued else build)(any_store, keys)
    seen = state_of(any_store, keys)
    line = "Deploy failed: worker_lost"
    expected = [
        encode_line(seen.seq + 1, TS, line, "system"),
        encode_status(seen.seq + 2, TS, Status.FAILED, "worker_lost", "a detail", proof_of(line)),
    ]
    with listening(any_store, keys) as heard:
        reap(any_store, keys, seen, reason="worker_lost")
    assert (heard, entries_of(any_store, keys)[seen.seq :]) == (expected, expected)
    state = state_of(any_store, keys)
    assert (state.status, state.error, state.detail) == (Status.FAILED, "worker_lost", "a detail")
    assert state.proof == proof_of(line)
    assert [WEEK - 5 <= any_store.client.ttl(name) <= WEEK for name in (keys.state, keys.log)] == [True, True]


MOVES: dict[str, Callable[[Store, Keys, State], object]] = {
    "a line": lambda store, keys, _: append(store, keys, lines(3, "a")),
    "a sign of life": lambda store, keys, _: append(store, keys, lines(3)),
    "a new writer": lambda store, keys, seen: claim(store, keys, "second", seq=3, seen=(seen.writer, seen.beat)),
}


@pytest.mark.parametrize("move", MOVES)
def test_a_deploy_that_moved_is_not_reaped(any_store: Store, keys: Keys, move: str) -> None:
    """Any sign of life since the reaper looked."""
    build(any_store, keys)
    seen = state_of(any_store, keys)
    MOVES[move](any_store, keys, seen)
    before = everything(any_store, keys)
    with pytest.raises(Moved, match="has changed since"):
        reap(any_store, keys, seen)
    assert everything(any_store, keys) == before


def test_two_reapers_write_one_end(any_store: Store, keys: Keys) -> None:
    """The second is told so; the first may repeat itself after a lost reply."""
    build(any_store, keys)
    seen = state_of(any_store, keys)
    reap(any_store, keys, seen)
    before = everything(any_store, keys)
    with listening(any_store, keys) as heard:
        reap(any_store, keys, seen)
        with pytest.raises(Finished, match="failed"):
            reap(any_store, keys, seen, by="second")
    assert (heard, everything(any_store, keys)) == ([], before)
    assert seqs_of(any_store, keys) == [1, 2, 3, 4]


def test_a_reaped_writer_writes_nothing_more(any_store: Store, keys: Keys) -> None:
    """Neither a line nor another end, nor what it believes to have been its own."""
    build(any_store, keys)
    reap(any_store, keys, state_of(any_store, keys))
    before = everything(any_store, keys)
    with listening(any_store, keys) as heard:
        for batch in (lines(3, "a"), lines(3), ending(3), lines(5, "a")):
            with pytest.raises(Finished, match="failed"):
                append(any_store, keys, batch)
    assert (heard, everything(any_store, keys)) == ([], before)


# snapshot


@pytest.mark.parametrize("after", [-5, 0, 1, 4, 9, 10, 11, 10**6, 2**63])
def test_a_snapshot_has_the_events_after_a_number(any_store: Store, keys: Keys, after: int) -> None:
    """In order, with the state of the same instant and the clock of Redis."""
    build(any_store, keys)
    append(any_store, keys, lines(3, *"abcdefgh"))
    found = any_store.run(calls.snapshot(keys, after))
    assert found.events == [data for seq, data in enumerate(entries_of(any_store, keys), 1) if seq > after]
    assert (found.state.seq, found.state.proof) == (10, proof_of(*"abcdefgh"))
    seconds, _ = any_store.client.time()
    assert seconds - 5 <= found.time <= seconds


@pytest.mark.parametrize("after", [0, 1, 50, 101, 102])
@pytest.mark.parametrize("count", [1, 2, 31, 32, 33, 64, 65, 200])
@pytest.mark.parametrize("more", [0, 1])
def test_a_snapshot_stops_after_so_many_bytes(any_store: Store, keys: Keys, after: int, count: int, more: int) -> None:
    """Behind the event with which they are reached: one at least, and never one too many."""
    build(any_store, keys)
    append(any_store, keys, lines(3, *(["x" * 50] * 100)))
    wanted = entries_of(any_store, keys)[after:]
    most = sum(map(len, wanted[:count])) + more
    expected = wanted[: count + more] if len(wanted) > count else wanted
    assert any_store.run(calls.snapshot(keys, after, most or 1)).events == expected


def test_a_snapshot_finds_its_place_in_a_log_with_holes(any_store: Store, keys: Keys) -> None:
    """Whatever number it is asked for, also one inside a hole."""
    build(any_store, keys)
    for first in (6, 9, 20):
        append(any_store, keys, lines(first, "x", "y", hole=True))
    seqs = [1, 2, 6, 7, 9, 10, 20, 21]
    assert seqs_of(any_store, keys) == seqs
    for after in range(23):
        events = any_store.run(calls.snapshot(keys, after)).events
        assert [json.loads(data)["seq"] for data in events] == [seq for seq in seqs if seq > after]


def test_a_snapshot_finds_its_place_in_a_trimmed_log(any_store: Store, keys: Keys) -> None:
    """A number that was trimmed away stands for the first that is there."""
    build(any_store, keys, Limits(cap_events=4))
    append(any_store, keys, lines(3, *"abcdefgh"))
    for after in range(12):
        events = any_store.run(calls.snapshot(keys, after)).events
        assert [json.loads(data)["seq"] for data in events] == [seq for seq in (7, 8, 9, 10) if seq > after]


def test_an_evicted_log_reads_as_empty_and_starts_anew(any_store: Store, keys: Keys) -> None:
    """The state still tells how far it was; what comes then keeps its numbers."""
    build(any_store, keys)
    append(any_store, keys, lines(3, "a", "b"))
    any_store.client.delete(keys.log)
    found = any_store.run(calls.snapshot(keys))
    assert (found.events, found.state.seq) == ([], 4)
    append(any_store, keys, lines(5, "c", "d", before=proof_of("a", "b")))
    state = state_of(any_store, keys)
    assert (seqs_of(any_store, keys), state.first_seq, state.seq) == ([5, 6], 5, 6)
    assert int(fields_of(any_store, keys)["bytes"]) == sum(map(len, entries_of(any_store, keys)))
    assert any_store.run(calls.snapshot(keys, 5)).events == [event(6, "d")]


# trimming


def test_the_log_is_trimmed_to_its_number_of_events(any_store: Store, keys: Keys) -> None:
    """The newest stay, the state says which is the first and how many bytes there are; all were published."""
    build(any_store, keys, Limits(cap_events=5))
    with listening(any_store, keys) as heard:
        append(any_store, keys, lines(3, *"abc"))
        assert seqs_of(any_store, keys) == [1, 2, 3, 4, 5]
        append(any_store, keys, lines(6, *"defghijk", before=proof_of(*"abc")))
    assert heard == [event(seq, text) for seq, text in enumerate("abcdefghijk", 3)]
    state = state_of(any_store, keys)
    assert (seqs_of(any_store, keys), state.first_seq, state.seq) == ([9, 10, 11, 12, 13], 9, 13)
    assert int(fields_of(any_store, keys)["bytes"]) == sum(map(len, entries_of(any_store, keys)))


def test_the_log_is_trimmed_to_its_bytes(any_store: Store, keys: Keys) -> None:
    """As few of the oldest are dropped as have to be."""
    size = len(event(10, "x" * 100))
    build(any_store, keys, Limits(cap_bytes=3 * size))
    append(any_store, keys, lines(10, *["x" * 100] * 3, hole=True))
    assert seqs_of(any_store, keys) == [10, 11, 12]
    append(any_store, keys, lines(13, "x" * 101))
    state = state_of(any_store, keys)
    assert (seqs_of(any_store, keys), state.first_seq, state.seq) == ([12, 13], 12, 13)
    assert int(fields_of(any_store, keys)["bytes"]) == 2 * size + 1


def test_the_newest_event_always_stays(any_store: Store, keys: Keys) -> None:
    """However large it is."""
    build(any_store, keys, Limits(cap_events=2, cap_bytes=1024))
    append(any_store, keys, lines(3, "a", "x" * 10_000))
    assert (seqs_of(any_store, keys), state_of(any_store, keys).first_seq) == ([4], 4)
    append(any_store, keys, lines(5, "b"))
    assert (seqs_of(any_store, keys), state_of(any_store, keys).first_seq) == ([5], 5)


def test_trimming_a_log_with_holes_keeps_the_first_number_right(any_store: Store, keys: Keys) -> None:
    """It is read from the list, not counted."""
    build(any_store, keys, Limits(cap_events=3))
    append(any_store, keys, lines(10, "a", hole=True))
    append(any_store, keys, lines(20, "b", hole=True))
    assert (seqs_of(any_store, keys), state_of(any_store, keys).first_seq) == ([2, 10, 20], 2)
    append(any_store, keys, lines(21, "c"))
    assert (seqs_of(any_store, keys), state_of(any_store, keys).first_seq) == ([10, 20, 21], 10)


@settings(max_examples=30, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    cap_events=st.integers(2, 6),
    cap_bytes=st.integers(60, 400),
    batches=st.lists(st.lists(st.integers(0, 150), min_size=1, max_size=5), max_size=5),
)
def test_the_state_always_agrees_with_the_list(
    fake_store: Store, cap_events: int, cap_bytes: int, batches: list[list[int]]
) -> None:
    """Whatever the caps and the sizes: numbers without holes up to the last, and the bytes that are there."""
    keys = Keys("shop", "d1")
    fake_store.client.flushall()
    build(fake_store, keys, Limits(cap_events, cap_bytes))
    seq = 2
    for batch in batches:
        append(fake_store, keys, lines(seq + 1, *("x" * size for size in batch)))
        seq += len(batch)
        state, entries = fields_of(fake_store, keys), entries_of(fake_store, keys)
        seqs = seqs_of(fake_store, keys)
        assert seqs == list(range(int(state["first_seq"]), seq + 1))
        assert int(state["bytes"]) == sum(map(len, entries))
        assert len(entries) == 1 or (len(entries) <= cap_events and int(state["bytes"]) <= cap_bytes)


# what must not be there


def _claim(store: Store, keys: Keys) -> None:
    claim(store, keys)


def _append(store: Store, keys: Keys) -> None:
    append(store, keys, lines(3, "a"))


def _end(store: Store, keys: Keys) -> None:
    append(store, keys, ending(3))


def _keep_alive(store: Store, keys: Keys) -> None:
    append(store, keys, lines(3))


def _cancel(store: Store, keys: Keys) -> None:
    cancel(store, keys)


def _reap(store: Store, keys: Keys) -> None:
    reap(store, keys, State(Status.BUILDING, 2, 1, Proof(), "creator", TS, WRITER, "1"))


def _snapshot(store: Store, keys: Keys) -> None:
    store.run(calls.snapshot(keys))


WRITING = [create, _claim, _append, _end, _keep_alive, _cancel, _reap]


@pytest.mark.parametrize("act", [*WRITING[1:], _snapshot])
def test_a_deploy_that_nobody_created_is_unknown(any_store: Store, keys: Keys, act: Callable[..., None]) -> None:
    """It is never a new start at 1."""
    with pytest.raises(UnknownDeploy, match=f"no deploy '{keys.deploy}' of app 'shop'"):
        act(any_store, keys)
    assert any_store.client.exists(keys.state, keys.log) == 0


@pytest.mark.parametrize("wrong", ["state", "log", "both"])
@pytest.mark.parametrize("act", WRITING)
def test_a_key_of_the_wrong_type_is_refused(any_store: Store, keys: Keys, act: Callable[..., None], wrong: str) -> None:
    """The error names the keys, and nothing is half done."""
    if act is not create:
        build(any_store, keys)
    for name in ("state", "log") if wrong == "both" else (wrong,):
        any_store.client.set(getattr(keys, name), "mine")
    before = everything(any_store, keys)
    with listening(any_store, keys) as heard, pytest.raises(StoreCorrupt, match=rf"delete .*{keys.deploy}}}:state"):
        act(any_store, keys)
    assert (heard, everything(any_store, keys)) == ([], before)


def test_a_snapshot_of_keys_of_the_wrong_type(any_store: Store, keys: Keys) -> None:
    """A log that is no list reads as empty; a state that is no hash is no deploy."""
    build(any_store, keys)
    any_store.client.set(keys.log, "mine")
    found = any_store.run(calls.snapshot(keys))
    assert (found.events, found.state.seq) == ([], 2)
    any_store.client.set(keys.state, "mine")
    with pytest.raises(DeployLogError):
        any_store.run(calls.snapshot(keys))


@pytest.mark.parametrize("name", ["status", "seq", "first_seq", "lines"])
@pytest.mark.parametrize("value", [None, "rubbish"])
def test_a_snapshot_of_a_damaged_state_is_refused(any_store: Store, keys: Keys, name: str, value: str | None) -> None:
    """By a name of ours, not by an error of the script."""
    build(any_store, keys)
    _damage(any_store, keys, name, value)
    with pytest.raises(StoreCorrupt):
        any_store.run(calls.snapshot(keys))


@pytest.mark.parametrize(("name", "value"), [("seq", None), ("seq", "rubbish")])
@pytest.mark.parametrize("act", [_append, _end, _reap])
def test_a_write_to_a_damaged_state_is_refused(
    any_store: Store, keys: Keys, act: Callable[..., None], name: str, value: str | None
) -> None:
    """By a name of ours, and nothing is half done."""
    build(any_store, keys)
    _damage(any_store, keys, name, value)
    before = everything(any_store, keys)
    with pytest.raises(DeployLogError):
        act(any_store, keys)
    assert everything(any_store, keys) == before


def _damage(store: Store, keys: Keys, name: str, value: str | None) -> None:
    if value is None:
        store.client.hdel(keys.state, name)
    else:
        store.client.hset(keys.state, name, value)


def test_without_a_writer_an_append_is_not_claimed(any_store: Store, keys: Keys) -> None:
    """A fail-over took the claim: the writer is to claim again, then to send again."""
    create(any_store, keys)
    before = everything(any_store, keys)
    for batch in (lines(3, "a"), lines(2), ending(3)):
        with pytest.raises(NotClaimed, match="has no writer"):
            append(any_store, keys, batch)
    assert everything(any_store, keys) == before


def test_a_whole_deploy_is_published_as_it_is_stored(any_store: Store, keys: Keys) -> None:
    """Every entry of the list is one message, the same bytes in the same order, numbered from 1 without a hole."""
    with listening(any_store, keys) as heard:
        build(any_store, keys)
        append(any_store, keys, lines(3, "a", "é\u2028\n"))
        append(any_store, keys, ending(5, before=proof_of("a", "é\u2028\n")))
    assert heard == entries_of(any_store, keys)
    assert all(after == before + 1 for before, after in pairwise(seqs_of(any_store, keys)))
    assert seqs_of(any_store, keys)[0] == 1
    last = json.loads(heard[-1])
    state = state_of(any_store, keys)
    assert (last["status"], last["lines"], last["crc32"]) == (state.status, *state.proof)
