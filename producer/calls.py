"""What is asked of Redis, as data: the scripts, their arguments, and what their answers mean.

A `Procedure` is a generator that yields a call (or a pipeline of commands) and is sent its reply. `Store` and
`AsyncStore` run the same procedures, so each exists once, and none does I/O of its own.
"""

import hashlib
from collections.abc import Generator, Sequence
from dataclasses import dataclass
from importlib import resources
from typing import Any, NamedTuple, NoReturn, TypeAlias, TypeVar

from producer.errors import (
    AlreadyClaimed,
    DeployExists,
    Fenced,
    Finished,
    Moved,
    NotClaimed,
    StoreCorrupt,
    UnknownDeploy,
)
from producer.event import encode_line, encode_status
from producer.keys import Keys
from producer.outbox import Batch
from producer.proof import Proof
from producer.state import Snapshot, State, parse_state
from producer.status import TRANSITIONS, Status, last_line

Argument: TypeAlias = str | bytes | int | float
Command: TypeAlias = tuple[Argument, ...]


@dataclass(frozen=True, slots=True)
class Script:
    """A Lua script; `sha` is what EVALSHA takes."""

    text: str
    sha: str


@dataclass(frozen=True, slots=True)
class Call:
    """One run of a script."""

    script: Script
    keys: tuple[str, ...]
    arguments: Sequence[Argument]


@dataclass(frozen=True, slots=True)
class Transaction:
    """Commands that are run as one, with nothing in between."""

    commands: Sequence[Command]


T = TypeVar("T")
Request: TypeAlias = Call | Transaction | list[Command]
Procedure: TypeAlias = Generator[Request, Any, T]


def _load(name: str, *, flags: str = "", prelude: bool = True) -> Script:
    folder = resources.files("producer") / "lua"
    parts = [f"#!lua {flags}".rstrip()]
    if prelude:
        parts.append((folder / "prelude.lua").read_text("utf-8"))
    parts.append((folder / f"{name}.lua").read_text("utf-8"))
    text = "\n".join(parts)
    return Script(text, hashlib.sha1(text.encode(), usedforsecurity=False).hexdigest())


CREATE = _load("create")
CLAIM = _load("claim")
APPEND = _load("append")
# The end of a deploy must pass even when Redis is full: a few events, a bounded amount.
APPEND_END = _load("append", flags="flags=allow-oom")
CANCEL = _load("cancel", flags="flags=allow-oom")
REAP = _load("reap", flags="flags=allow-oom")
SNAPSHOT = _load("snapshot", flags="flags=no-writes", prelude=False)


class Claimed(NamedTuple):
    """What a writer starts from: the last seq and the proof so far; whether a cancel was asked for."""

    seq: int
    proof: Proof
    cancel: bool


class Appended(NamedTuple):
    """The store's last seq after an append, and whether a cancel was asked for."""

    seq: int
    cancel: bool


def create(keys: Keys, token: str, ts: float, fields: dict[str, Argument]) -> Procedure[None]:
    """The state and event 1, `queued`. Raises DeployExists, StoreCorrupt."""
    flat: list[Argument] = [part for pair in fields.items() for part in pair]
    flat += ["queued_at", f"{ts:.3f}", "lines", 0, "crc32", 0]
    event = encode_status(1, ts, Status.QUEUED)
    yield from _call(CREATE, keys, [token, len(flat), *flat, event])


def claim(
    keys: Keys,
    token: str,
    event: bytes,
    seq: int,
    ts: float,
    seen: tuple[str, str] = ("", ""),
    time_limit: int | None = None,
) -> Procedure[Claimed]:
    """Take the deploy for the writer `token`; `event` is the `building` event, with number `seq`.

    `seen` is the (writer, beat) of a writer that is known to be dead. `time_limit` is in seconds.
    Raises UnknownDeploy, Finished, AlreadyClaimed, Moved.
    """
    limit = "" if time_limit is None else time_limit
    reply = yield from _call(CLAIM, keys, [token, seq, *seen, f"{ts:.3f}", limit, event])
    last, lines, crc32, cancel = reply
    return Claimed(int(last), Proof(int(lines), int(crc32)), bool(cancel))


def append(keys: Keys, token: str, batch: Batch) -> Procedure[Appended]:
    """Append a batch. Raises UnknownDeploy, Finished, NotClaimed, Fenced."""
    end = batch.end
    terminal = ("", "", "", "") if end is None else (end.status, end.reason or "", end.detail or "", f"{end.ts:.3f}")
    arguments: list[Argument] = [token, batch.first, "1" if batch.hole else "", *batch.proof, *terminal, *batch.events]
    reply = yield from _call(APPEND if end is None else APPEND_END, keys, arguments)
    return Appended(int(reply[0]), bool(reply[1]))


def cancel(keys: Keys, token: str, ts: float) -> Procedure[Status]:
    """Ask for a cancel. A queued deploy ends at once; a building one gets a time of grace.

    Returns the status after the call. Raises UnknownDeploy, Finished.
    """
    line = last_line(Status.CANCELLED)
    proof = Proof().add(line)
    events = [
        encode_line(2, ts, line, "system"),
        encode_status(3, ts, Status.CANCELLED, "cancelled", None, proof),
    ]
    reply = yield from _call(CANCEL, keys, [token, f"{ts:.3f}", *proof, "cancelled", *events])
    return Status(reply[0].decode())


def reap(
    keys: Keys,
    token: str,
    seen: State,
    status: Status,
    reason: str,
    detail: str | None,
    ts: float,
) -> Procedure[None]:
    """End a deploy for its writer, unless it moved since it was `seen`.

    Raises UnknownDeploy, Finished, Moved; ValueError for a status that cannot follow.
    """
    if status not in TRANSITIONS[seen.status] and not seen.status.terminal:
        raise ValueError(f"a deploy does not go from {seen.status} to {status}")
    line = last_line(status, reason)
    proof = seen.proof.add(line)
    events = [
        encode_line(seen.seq + 1, ts, line, "system"),
        encode_status(seen.seq + 2, ts, status, reason, detail, proof),
    ]
    arguments: list[Argument] = [
        token,
        seen.writer,
        seen.beat,
        seen.seq,
        status,
        reason,
        detail or "",
        f"{ts:.3f}",
        *proof,
        *events,
    ]
    yield from _call(REAP, keys, arguments)


def snapshot(keys: Keys, after: int = 0, most_bytes: int = 0) -> Procedure[Snapshot]:
    """The state and the events after seq `after`, in one atomic read.

    With `most_bytes` it stops behind the event with which that many bytes are reached; 0 reads all.

    Raises UnknownDeploy, StoreCorrupt.
    """
    if after == 0 and most_bytes == 0:
        # Redis answers a command in a seventh of the time that it takes to carry a long list through Lua.
        read = [("HGETALL", keys.state), ("LRANGE", keys.log, 0, -1), ("TIME",)]
        fields, events, (time, _) = yield Transaction(read)
        fields = {} if isinstance(fields, StoreCorrupt) else fields
        events = [] if isinstance(events, StoreCorrupt) else events
    else:
        flat, events, time = yield Call(SNAPSHOT, (keys.state, keys.log), [after, most_bytes])
        fields = dict(zip(flat[::2], flat[1::2], strict=True))
    if not fields:
        raise UnknownDeploy(f"no deploy {keys.deploy!r} of app {keys.app!r}")
    return Snapshot(parse_state(fields), events, float(time))


def _call(script: Script, keys: Keys, arguments: Sequence[Argument]) -> Procedure[list[bytes]]:
    reply: list[bytes] = yield Call(script, (keys.state, keys.log, keys.events), arguments)
    code, *rest = reply
    if code != b"OK":
        _refuse(code.decode(), rest, keys)
    return rest


def _refuse(code: str, rest: list[bytes], keys: Keys) -> NoReturn:
    name = f"deploy {keys.deploy!r} of app {keys.app!r}"
    if code == "EXISTS":
        raise DeployExists(f"{name} exists already: choose another id")
    if code == "UNKNOWN":
        raise UnknownDeploy(f"no {name}: it was never created, or it has expired")
    if code == "FINISHED":
        raise Finished(f"{name} has ended: {rest[0].decode()}")
    if code == "CLAIMED":
        raise AlreadyClaimed(f"{name} has a writer already")
    if code == "NOTCLAIMED":
        raise NotClaimed(f"{name} has no writer")
    if code == "FENCED":
        raise Fenced(f"another writer has taken {name} over")
    if code == "MOVED":
        raise Moved(f"{name} has changed since it was looked at")
    raise StoreCorrupt(f"a key of {name} has the wrong type: delete {keys.state} and {keys.log}")
