"""Deploys as a whole: create, list, find the unfinished ones. Procedures, see `producer.calls`.

The two indexes lie in other cluster slots than the deploy. They are written first, and an entry without a state is
passed over, and tidied once it is older than a creation can take.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from producer.calls import Argument, Procedure, cancel, create, reap
from producer.errors import DeployLogError, InvalidId, StoreCorrupt
from producer.keys import LIVE, Keys, app_index
from producer.state import State, parse_state
from producer.status import Status

_CREATION_SECONDS = 60
_TIDIED_AT_ONCE = 2


@dataclass(frozen=True, slots=True)
class Limits:
    """How much of a log is cached, and for how long after its end. The newest event always stays."""

    cap_events: int = 10_000
    cap_bytes: int = 8 * 1024 * 1024
    ttl: int = 7 * 24 * 3600  # seconds


@dataclass(frozen=True, slots=True)
class Request:
    """What was asked for. `job` is the id of its queue job, `simulate` a JSON object for the simulator.

    `start_within` is after how many seconds a deploy that still has no writer is ended.
    """

    environment: str | None = None
    message: str | None = None
    source: str | None = None
    queued_by: str | None = None
    job: str | None = None
    simulate: str | None = None
    start_within: int | None = None


def create_deploy(keys: Keys, token: str, ts: float, request: Request, limits: Limits) -> Procedure[None]:
    """Create a queued deploy and list it. Raises DeployExists."""
    index = app_index(keys.app)
    replies: list[Any] = yield [
        ("ZADD", index, "NX", f"{ts:.3f}", keys.deploy),
        ("ZADD", LIVE, "NX", f"{ts:.3f}", keys.member),
        ("ZRANGE", index, 0, _TIDIED_AT_ONCE - 1, "WITHSCORES"),
    ]
    for reply in replies[:2]:
        if isinstance(reply, StoreCorrupt):
            raise reply
    # Each creation looks at more of the oldest entries than it adds, so the index cannot grow for ever.
    yield from _listed(keys.app, replies[2], ts)
    fields: dict[str, Argument] = {
        "cap_events": limits.cap_events,
        "cap_bytes": limits.cap_bytes,
        "ttl": limits.ttl,
    }
    for name in Request.__slots__:
        value = getattr(request, name)
        if value is not None:
            fields[name] = value
    yield from create(keys, token, ts, fields)


def list_deploys(app: str, limit: int, now: float) -> Procedure[list[tuple[Keys, State]]]:
    """The newest deploys of an app, newest first; those that cannot be read are left out."""
    (found,) = yield [("ZREVRANGE", app_index(app), 0, limit - 1, "WITHSCORES")]
    return (yield from _listed(app, found, now))


def _listed(
    app: str, found: list[tuple[bytes, float]] | StoreCorrupt, now: float
) -> Procedure[list[tuple[Keys, State]]]:
    """Those of the index's entries that have a state; old ones without are removed from it."""
    if isinstance(found, StoreCorrupt):
        raise found
    named, gone = _named(found, lambda name: Keys(app, name))
    found_states, _ = yield from states([keys for keys, _ in named])
    gone += [keys.deploy for (keys, at), s in zip(named, found_states, strict=True) if s is None and _old(at, now)]
    if gone:
        yield [("ZREM", app_index(app), *gone)]
    return [(keys, state) for (keys, _), state in zip(named, found_states, strict=True) if state is not None]


def live_deploys(now: float) -> Procedure[tuple[list[tuple[Keys, State]], float]]:
    """All unfinished deploys, and the clock of Redis in seconds.

    Entries of deploys that ended or vanished are removed from the index.
    """
    (found,) = yield [("ZRANGE", LIVE, 0, -1, "WITHSCORES")]
    if isinstance(found, StoreCorrupt):
        raise found
    named, gone = _named(found, Keys.from_member)
    live = []
    found_states, redis_time = yield from states([keys for keys, _ in named])
    for (keys, at), state in zip(named, found_states, strict=True):
        if state is not None and not state.status.terminal:
            live.append((keys, state))
        elif state is not None or _old(at, now):
            gone.append(keys.member)
    if gone:
        yield [("ZREM", LIVE, *gone)]
    return live, redis_time


def states(all_keys: list[Keys]) -> Procedure[tuple[list[State | None], float]]:
    """The states of these deploys, None where there is none that can be read, and the clock of Redis in seconds."""
    (seconds, _), *replies = yield [("TIME",), *(("HGETALL", keys.state) for keys in all_keys)]
    return [_readable(reply) for reply in replies], float(seconds)


def end_deploy(
    keys: Keys, token: str, seen: State, status: Status, reason: str, detail: str | None, ts: float
) -> Procedure[None]:
    """End a deploy for its writer, unless it moved since it was `seen`, and unlist it.

    Raises UnknownDeploy, Finished, Moved.
    """
    yield from reap(keys, token, seen, status, reason, detail, ts)
    yield from leave_live(keys)


def cancel_deploy(keys: Keys, token: str, ts: float) -> Procedure[Status]:
    """Ask for a cancel; return the status after it. Raises UnknownDeploy, Finished."""
    status = yield from cancel(keys, token, ts)
    if status.terminal:
        yield from leave_live(keys)
    return status


def leave_live(keys: Keys) -> Procedure[None]:
    """Take a deploy that has ended off the index of unfinished ones."""
    yield [("ZREM", LIVE, keys.member)]


def _named(
    found: list[tuple[bytes, float]], keys_of: Callable[[str], Keys]
) -> tuple[list[tuple[Keys, float]], list[str | bytes]]:
    """The entries of an index with their scores, and those that are none of ours."""
    named: list[tuple[Keys, float]] = []
    foreign: list[str | bytes] = []
    for member, score in found:
        try:
            named.append((keys_of(member.decode("utf-8", "replace")), float(score)))
        except InvalidId:
            foreign.append(member)
    return named, foreign


def _readable(reply: dict[bytes, bytes] | StoreCorrupt) -> State | None:
    try:
        return parse_state(reply) if reply and not isinstance(reply, StoreCorrupt) else None
    except DeployLogError:
        return None


def _old(created: float, now: float) -> bool:
    return now - created > _CREATION_SECONDS
