"""Deploys as a whole: created, listed, found, ended."""

from typing import cast

import pytest

from producer.deploys import (
    Limits,
    Request,
    cancel_deploy,
    create_deploy,
    end_deploy,
    list_deploys,
    live_deploys,
    states,
)
from producer.errors import DeployExists, Finished, Moved
from producer.keys import LIVE, Keys, app_index
from producer.status import Status
from producer.store import Store
from tests.producer.support import TS, append, bring_to, build, create, everything, fields_of, lines, state_of

LATER = TS + 61  # a creation cannot take that long


@pytest.fixture
def app(keys: Keys) -> str:
    """An app of this test's own."""
    return f"app-{keys.deploy}"


def named(app: str, *deploys: str) -> list[Keys]:
    """Deploys of the app."""
    return [Keys(app, deploy) for deploy in deploys]


def listed(store: Store, app: str, limit: int = 50, now: float = TS) -> list[tuple[str, Status]]:
    """What the list of an app shows."""
    return [(keys.deploy, state.status) for keys, state in store.run(list_deploys(app, limit, now))]


def live(store: Store, app: str, now: float = TS) -> set[str]:
    """The unfinished deploys of the app."""
    return {keys.deploy for keys, _ in store.run(live_deploys(now))[0] if keys.app == app}


def members(store: Store, app: str) -> tuple[set[bytes], set[bytes]]:
    """What the two indexes hold of the app."""
    listed_there, live_there = (
        set(cast(list[bytes], store.client.zrange(name, 0, -1))) for name in (app_index(app), LIVE)
    )
    return listed_there, {member for member in live_there if member.startswith(app.encode())}


def test_a_deploy_is_created_with_what_was_asked_for(any_store: Store, keys: Keys) -> None:
    """What was not given is not there; it is listed and live at once."""
    request = Request("prod", "Fix it\nnow", "main", queued_by="me", job="j1", simulate="{}", start_within=30)
    any_store.run(create_deploy(keys, "creator", TS, request, Limits(5, 6_000, 7)))
    fields = fields_of(any_store, keys)
    assert {name: fields.get(name) for name in (*Request.__slots__, *Limits.__slots__)} == {
        "environment": "prod",
        "message": "Fix it\nnow",
        "source": "main",
        "queued_by": "me",
        "job": "j1",
        "simulate": "{}",
        "start_within": "30",
        "cap_events": "5",
        "cap_bytes": "6000",
        "ttl": "7",
    }
    bare = Keys(keys.app, f"{keys.deploy}-bare")
    any_store.run(create_deploy(bare, "creator", TS, Request(), Limits()))
    assert not set(Request.__slots__) & set(fields_of(any_store, bare))
    assert any_store.client.zscore(app_index(keys.app), keys.deploy) == TS
    assert any_store.client.zscore(LIVE, keys.member) == TS


def test_an_id_in_use_keeps_its_place_in_the_list(any_store: Store, app: str) -> None:
    """The refused creation moves nothing, and a finished deploy does not become live again."""
    (keys,) = named(app, "d1")
    bring_to(any_store, keys, Status.COMPLETE)
    before = everything(any_store, keys)
    with pytest.raises(DeployExists):
        any_store.run(create_deploy(keys, "another", TS + 100, Request(), Limits()))
    assert everything(any_store, keys) == before
    assert any_store.client.zscore(app_index(app), "d1") == TS
    assert live(any_store, app) == set()


def test_the_newest_deploys_are_listed_first(any_store: Store, app: str) -> None:
    """At most so many, and only those of the app."""
    for at, keys in enumerate(named(app, "d1", "d2", "d3")):
        any_store.run(create_deploy(keys, "creator", TS + at, Request(), Limits()))
    create(any_store, Keys(f"{app}-2", "d4"))
    append_to = named(app, "d2")[0]
    any_store.run(cancel_deploy(append_to, "canceller", TS))
    assert listed(any_store, app) == [("d3", Status.QUEUED), ("d2", Status.CANCELLED), ("d1", Status.QUEUED)]
    assert listed(any_store, app, limit=2) == [("d3", Status.QUEUED), ("d2", Status.CANCELLED)]
    assert listed(any_store, f"{app}-none") == []


def test_entries_without_a_state_are_passed_over_and_tidied(any_store: Store, app: str) -> None:
    """But not while the creation may still be under way."""
    for keys in named(app, "here", "gone"):
        create(any_store, keys)
    any_store.client.delete(named(app, "gone")[0].state)
    both = {b"here", b"gone"}, {f"{app}/here".encode(), f"{app}/gone".encode()}
    assert (listed(any_store, app), live(any_store, app)) == ([("here", Status.QUEUED)], {"here"})
    assert members(any_store, app) == both
    assert (listed(any_store, app, now=LATER), live(any_store, app, LATER)) == ([("here", Status.QUEUED)], {"here"})
    assert members(any_store, app) == ({b"here"}, {f"{app}/here".encode()})


def test_ended_deploys_are_taken_off_the_live_ones(any_store: Store, app: str) -> None:
    """A writer or reaper that died between the end and the tidying left them there."""
    for status in Status:
        bring_to(any_store, Keys(app, status), status)
    assert live(any_store, app) == {"queued", "building"}
    assert members(any_store, app)[1] == {f"{app}/queued".encode(), f"{app}/building".encode()}
    assert len(listed(any_store, app)) == 5


def test_what_is_no_deploy_is_taken_off_the_live_ones(any_store: Store, app: str) -> None:
    """Whatever somebody else put there."""
    create(any_store, named(app, "d1")[0])
    strange = [f"{app}{rest}".encode() for rest in ("", "/", "/a/b", "/ü")]
    any_store.client.zadd(LIVE, dict.fromkeys([*strange, app.encode() + b"/\xff"], TS))
    assert live(any_store, app) == {"d1"}
    assert members(any_store, app)[1] == {f"{app}/d1".encode()}


@pytest.mark.parametrize("strange", [b"a/b", b"\xff", b""])
def test_what_is_no_deploy_is_passed_over_in_a_list(any_store: Store, app: str, strange: bytes) -> None:
    """Its others are shown all the same."""
    create(any_store, named(app, "d1")[0])
    any_store.client.zadd(app_index(app), {strange: TS})
    assert listed(any_store, app) == [("d1", Status.QUEUED)]


def test_a_state_that_cannot_be_read_is_passed_over(any_store: Store, app: str) -> None:
    """A damaged hash hides its own deploy only."""
    for keys in named(app, "good", "bad"):
        create(any_store, keys)
    any_store.client.hset(named(app, "bad")[0].state, "status", "rubbish")
    found, _ = any_store.run(states(named(app, "bad", "good", "none")))
    assert [state and state.status for state in found] == [None, Status.QUEUED, None]
    assert (listed(any_store, app), live(any_store, app)) == ([("good", Status.QUEUED)], {"good"})


def test_a_state_of_the_wrong_type_is_passed_over(store: Store, fake_store: Store, app: str) -> None:
    """One key of a stranger must not blind every reaper and every list to all other deploys."""
    good, bad = named(app, "good", "bad")
    for each in (fake_store, store):
        for keys in (good, bad):
            create(each, keys)
        each.client.set(bad.state, "mine")
    try:
        for each in (fake_store, store):
            found, _ = each.run(states([bad, good]))
            assert [state and state.status for state in found] == [None, Status.QUEUED]
            assert (listed(each, app), live(each, app)) == ([("good", Status.QUEUED)], {"good"})
    finally:
        store.client.delete(bad.state)  # the other tests and the services of this session list it too


def test_the_clock_of_redis_comes_with_the_live_deploys(any_store: Store) -> None:
    """In whole seconds."""
    _, redis_time = any_store.run(live_deploys(TS))
    seconds, _ = any_store.client.time()
    assert seconds - 5 <= redis_time <= seconds


def test_a_deploy_is_ended_and_unlisted(any_store: Store, app: str) -> None:
    """It stays in the list of its app; one that moved is left alone, and listed."""
    (keys,) = named(app, "d1")
    build(any_store, keys)
    seen = state_of(any_store, keys)
    append(any_store, keys, lines(3))
    with pytest.raises(Moved):
        any_store.run(end_deploy(keys, "reaper", seen, Status.FAILED, "worker_lost", None, TS))
    assert live(any_store, app) == {"d1"}
    seen = state_of(any_store, keys)
    any_store.run(end_deploy(keys, "reaper", seen, Status.FAILED, "worker_lost", None, TS))
    assert members(any_store, app) == ({b"d1"}, set())
    assert state_of(any_store, keys).error == "worker_lost"


def test_a_cancelled_queued_deploy_is_unlisted(any_store: Store, app: str) -> None:
    """A building one only when its writer has ended it."""
    queued, building = named(app, "queued", "building")
    create(any_store, queued)
    build(any_store, building)
    assert any_store.run(cancel_deploy(queued, "canceller", TS)) is Status.CANCELLED
    assert any_store.run(cancel_deploy(building, "canceller", TS)) is Status.BUILDING
    assert members(any_store, app)[1] == {building.member.encode()}
    with pytest.raises(Finished):
        any_store.run(cancel_deploy(queued, "another", TS))
