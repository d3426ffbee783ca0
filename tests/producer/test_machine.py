"""The append family as a machine: no order of calls, on Valkey or on fakeredis, differs from a small model of it."""

import secrets
from collections.abc import Callable
from copy import deepcopy
from dataclasses import dataclass, field
from typing import Any, ClassVar

import fakeredis
import pytest
import redis
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)

from producer import calls
from producer.calls import Procedure
from producer.errors import (
    AlreadyClaimed,
    DeployExists,
    DeployLogError,
    Fenced,
    Finished,
    Moved,
    NotClaimed,
    UnknownDeploy,
)
from producer.event import decode, encode_line, encode_status
from producer.keys import Keys
from producer.outbox import Batch, End, Outbox
from producer.proof import Proof
from producer.state import State
from producer.status import Status, last_line
from producer.store import Store
from tests.helpers import FakeClient
from tests.producer.support import TS, entries_of, fields_of, lines, state_of

TTL = 1_000
AT = f"{TS:.3f}"
END = b"-- that is all --"
TOKENS = st.sampled_from(["one", "two"])
TEXTS = st.lists(st.sampled_from(["", "a", "b" * 40, "ü\n"]), min_size=1, max_size=4)


def seq_of(event: bytes) -> int:
    """The number of an event."""
    decoded = decode(event)
    assert decoded is not None
    return decoded.seq


@dataclass
class Model:
    """What the store should hold of one deploy: the state's `fields`, absent where there is no deploy, and the list.

    Each method answers or raises as the call of its name; `published` are all messages so far.
    """

    fields: dict[str, str] = field(default_factory=dict)
    cached: list[bytes] = field(default_factory=list)
    published: list[bytes] = field(default_factory=list)

    @property
    def seq(self) -> int:
        """The last number."""
        return int(self.fields.get("seq", 0))

    @property
    def terminal(self) -> bool:
        """Whether the deploy has ended."""
        return bool(self.fields) and Status(self.fields["status"]).terminal

    def create(self, token: str, cap_events: int, cap_bytes: int) -> None:
        """See `calls.create`."""
        if self.fields.get("created_by") == token:
            return
        if self.fields or self.cached:
            raise DeployExists
        limits = {"cap_events": cap_events, "cap_bytes": cap_bytes, "ttl": TTL}
        self.fields = {name: str(value) for name, value in limits.items()}
        self._set(status="queued", created_by=token, queued_at=AT, lines=0, crc32=0)
        self._put([encode_status(1, TS, Status.QUEUED)])

    def claim(self, token: str, seq: int, seen: tuple[str, str], time_limit: int | None) -> calls.Claimed:
        """See `calls.claim`."""
        self._known()
        found = self.fields
        claimed = calls.Claimed(self.seq, Proof(int(found["lines"]), int(found["crc32"])), "cancel" in found)
        if found.get("writer") == token:
            return claimed
        self._unfinished()
        if found["status"] == "building" and seen != (found["writer"], found["beat"]):
            raise AlreadyClaimed
        if seq != self.seq + 1:
            raise Moved
        self._set(status="building", writer=token)
        self._beat()
        found.setdefault("started_at", AT)
        found.pop("deadline", None)
        if time_limit is not None:
            found["deadline"] = "some time"
        self._put([encode_status(seq, TS, Status.BUILDING)])
        return claimed._replace(seq=seq)

    def append(self, token: str, batch: Batch) -> calls.Appended:
        """See `calls.append`."""
        self._known()
        mine = self.fields.get("writer") == token
        last = batch.first + len(batch.events) - 1
        ended = batch.end is None or self.fields.get("ended_by") == token
        if not (batch.events and mine and self.seq >= last and ended):
            self._unfinished()
            if "writer" not in self.fields:
                raise NotClaimed
            if not mine:
                raise Fenced
            if self.seq >= batch.first - 1 or batch.hole:
                if batch.events and self.seq >= last:
                    raise Moved
                self._beat()
                if batch.events:
                    self._set(lines=batch.proof.lines, crc32=batch.proof.crc32)
                    self._put(batch.events[max(0, self.seq - batch.first + 1) :])
                if batch.end is not None:
                    self._finish(token, batch.end)
        return calls.Appended(self.seq, "cancel" in self.fields)

    def cancel(self, token: str, ts: float) -> Status:
        """See `calls.cancel`."""
        self._known()
        if self.fields.get("ended_by") != token:
            self._unfinished()
            if self.fields["status"] == "building":
                self.fields.setdefault("cancel", f"{ts:.3f}")
            else:
                self._end(token, Proof(), Status.CANCELLED, "cancelled", None, ts)
        return Status(self.fields["status"])

    def reap(self, token: str, seen: State, status: Status) -> None:
        """See `calls.reap`."""
        self._known()
        if self.fields.get("ended_by") == token:
            return
        self._unfinished()
        if (self.fields.get("writer", ""), self.fields.get("beat", ""), self.seq) != (
            seen.writer,
            seen.beat,
            seen.seq,
        ):
            raise Moved
        self._end(token, seen.proof, status, "lost", "a detail", TS)

    def snapshot(self, after: int, most_bytes: int) -> list[bytes]:
        """The events of `calls.snapshot`."""
        self._known()
        found: list[bytes] = []
        for event in self.cached:
            if seq_of(event) > after and (most_bytes == 0 or sum(map(len, found)) < most_bytes):
                found.append(event)
        return found

    def vanish(self) -> None:
        """Log and state have expired."""
        self.fields.clear()
        self.cached.clear()

    def _set(self, **fields: object) -> None:
        self.fields.update({name: str(value) for name, value in fields.items()})

    def _known(self) -> None:
        if not self.fields:
            raise UnknownDeploy

    def _unfinished(self) -> None:
        if self.terminal:
            raise Finished

    def _beat(self) -> None:
        self._set(beat=int(self.fields.get("beat", 0)) + 1)

    def _put(self, events: list[bytes]) -> None:
        self.cached += events
        self.published += events
        while len(self.cached) > 1 and (
            len(self.cached) > int(self.fields["cap_events"])
            or sum(map(len, self.cached)) > int(self.fields["cap_bytes"])
        ):
            del self.cached[0]
        self._set(seq=seq_of(events[-1]), first_seq=seq_of(self.cached[0]), bytes=sum(map(len, self.cached)))

    def _end(self, token: str, proof: Proof, status: Status, reason: str, detail: str | None, ts: float) -> None:
        line = last_line(status, reason)
        proof = proof.add(line)
        self._set(writer=token, lines=proof.lines, crc32=proof.crc32)
        self._put(
            [
                encode_line(self.seq + 1, ts, line, "system"),
                encode_status(self.seq + 2, ts, status, reason, detail, proof),
            ]
        )
        self._finish(token, End(status, reason, detail, ts))

    def _finish(self, token: str, end: End) -> None:
        self._set(status=end.status, finished_at=f"{end.ts:.3f}", ended_by=token)
        self._set(**{name: text for name, text in (("error", end.reason), ("detail", end.detail)) if text})


@dataclass
class Server:
    """One real store, and what was heard on the deploy's channel so far."""

    store: Store
    keys: Keys
    heard: list[bytes] = field(default_factory=list)

    def __post_init__(self) -> None:
        self._pubsub = self.store.client.pubsub(ignore_subscribe_messages=True)  # type: ignore[no-untyped-call]
        self._pubsub.subscribe(self.keys.events)
        self._listen()

    def look(self) -> tuple[dict[str, str], list[bytes], list[bytes], bool]:
        """The state's fields, the list, all that was published, and whether all that there is will expire."""
        self._listen()
        fields = fields_of(self.store, self.keys)
        if "deadline" in fields:
            fields["deadline"] = "some time"
        there = [name for name in (self.keys.state, self.keys.log) if self.store.client.exists(name)]
        expire = [0 < int(str(self.store.client.ttl(name))) <= TTL for name in there]
        assert len(set(expire)) <= 1, "state and log expire together"
        return fields, entries_of(self.store, self.keys), self.heard, any(expire)

    def go_back(self, model: Model) -> None:
        """Hold what the model held once."""
        self.vanish()
        fields: dict[Any, Any] = {name: "0" if name == "deadline" else value for name, value in model.fields.items()}
        if fields:
            self.store.client.hset(self.keys.state, mapping=fields)
        if model.cached:
            self.store.client.rpush(self.keys.log, *model.cached)

    def vanish(self) -> None:
        """Let log and state expire now."""
        for name in (self.keys.state, self.keys.log):
            self.store.client.pexpireat(name, 1)

    def close(self) -> None:
        """Hang up, and leave nothing."""
        self._pubsub.close()
        self.store.client.delete(self.keys.state, self.keys.log)

    def _listen(self) -> None:
        self.store.client.publish(self.keys.events, END)
        while True:
            message = self._pubsub.get_message(timeout=5)
            if message is None:
                continue
            if message["data"] == END:
                return
            self.heard.append(message["data"])


class Machine(RuleBasedStateMachine):
    """Two writers, a creator, a canceller and a reaper make their calls in any order, and again, on both servers."""

    clients: ClassVar[list[redis.Redis]]

    def __init__(self) -> None:
        super().__init__()
        keys = Keys("shop", f"d{secrets.token_hex(6)}")
        self.keys = keys
        self.model = Model()
        self.servers = [Server(Store(client), keys) for client in self.clients]
        self.outboxes: dict[str, Outbox] = {}
        self.seen: State | None = None
        self.backup: Model | None = None
        self.caps = 100, 10_000

    def call(self, procedure: Callable[[], Procedure[Any]], answer: Callable[[], Any]) -> Any:
        """Make a call on both servers; the answer, or None for an error. Both are as the model's."""
        expected = _outcome(answer)
        for server in self.servers:
            store = server.store
            assert _outcome(lambda store=store: store.run(procedure())) == expected  # type: ignore[misc]
        return None if isinstance(expected, type) else expected

    @initialize(
        cap_events=st.sampled_from([2, 5, 100, 100]),
        cap_bytes=st.sampled_from([1, 300, 10_000, 10_000]),
        claimed=st.sampled_from([False, True, True]),
    )
    def create_first(self, cap_events: int, cap_bytes: int, claimed: bool) -> None:
        """There is a deploy, with these bounds, which may have a writer."""
        self.caps = cap_events, cap_bytes
        self.create("creator")
        if claimed:
            self.claim("one", False, False, None)

    @rule(token=st.sampled_from(["creator", "another"]))
    def create(self, token: str) -> None:
        """Create it, maybe again."""
        fields: dict[str, calls.Argument] = {"cap_events": self.caps[0], "cap_bytes": self.caps[1], "ttl": TTL}
        self.call(lambda: calls.create(self.keys, token, TS, fields), lambda: self.model.create(token, *self.caps))

    @rule(token=TOKENS, behind=st.booleans(), takes_over=st.booleans(), limit=st.sampled_from([None, 60]))
    def claim(self, token: str, behind: bool, takes_over: bool, limit: int | None) -> None:
        """Claim it; `takes_over` knows the writer to be dead, and may have known it for too long."""
        seq = self.model.seq + 1 if behind else 2
        seen = ("", "")
        if takes_over:
            found = self.model.fields
            seen = found.get("writer", ""), found.get("beat", "")
        event = encode_status(seq, TS, Status.BUILDING)
        claimed = self.call(
            lambda: calls.claim(self.keys, token, event, seq, TS, seen, limit),
            lambda: self.model.claim(token, seq, seen, limit),
        )
        if claimed is not None:
            self.outboxes[token] = Outbox(claimed.seq, claimed.proof)

    @precondition(lambda self: self.outboxes)
    @rule(token=TOKENS, texts=TEXTS, ends=st.sampled_from([None, None, None, Status.COMPLETE, Status.FAILED]))
    def write(self, token: str, texts: list[str], ends: Status | None) -> None:
        """A writer accepts lines, and maybe the end; nothing is sent yet."""
        outbox = self.outboxes.get(token)
        if outbox is None or outbox.ending:
            return
        for text in texts:
            outbox.accept(TS, text)
        if ends is not None:
            reason = "it broke" if ends is Status.FAILED else None
            outbox.accept(TS, last_line(ends, reason), "system")
            outbox.finish(End(ends, reason, None, TS))

    @precondition(lambda self: self.outboxes)
    @rule(token=TOKENS, reply_lost=st.booleans())
    def append(self, token: str, reply_lost: bool) -> None:
        """A writer sends what waits, or a sign of life. With its reply lost, it will send that again, with more."""
        outbox = self.outboxes.get(token)
        if outbox is None:
            return
        reply = self._append(token, outbox.batch())
        if reply is not None and not reply_lost:
            outbox.acknowledge(reply.seq)

    @precondition(lambda self: self.model.fields.get("status") == "building")
    @rule(
        fenced=st.sampled_from([False, False, False, True]),
        texts=TEXTS,
        offset=st.sampled_from([-5, -3, -1, 0, 1, 4]),
        hole=st.booleans(),
        ends=st.booleans(),
    )
    def append_anywhere(self, fenced: bool, texts: list[str], offset: int, hole: bool, ends: bool) -> None:
        """A batch that begins before, at or behind the next number: whatever a writer in error may send."""
        token = "nobody" if fenced else self.model.fields["writer"]
        batch = lines(max(1, self.model.seq + 1 + offset), *texts, hole=hole)
        if ends:
            last = batch.first + len(texts)
            end = encode_status(last, TS, Status.COMPLETE, proof=batch.proof)
            batch = batch._replace(events=[*batch.events, end], end=End(Status.COMPLETE, None, None, TS))
        self._append(token, batch)

    def _append(self, token: str, batch: Batch) -> Any:
        return self.call(lambda: calls.append(self.keys, token, batch), lambda: self.model.append(token, batch))

    @rule(token=st.sampled_from(["canceller", "another"]), ts=st.sampled_from([TS, TS + 1]))
    def cancel(self, token: str, ts: float) -> None:
        """Ask for a cancel, maybe again and later."""
        self.call(lambda: calls.cancel(self.keys, token, ts), lambda: self.model.cancel(token, ts))

    @precondition(lambda self: self.model.fields)
    @rule()
    def look(self) -> None:
        """A reaper looks."""
        self.seen = state_of(self.servers[0].store, self.keys)

    @precondition(lambda self: self.seen is not None)
    @rule(token=st.sampled_from(["reaper", "another"]), status=st.sampled_from([Status.FAILED, Status.CANCELLED]))
    def reap(self, token: str, status: Status) -> None:
        """A reaper ends what it has looked at, however long ago."""
        seen = self.seen
        assert seen is not None
        self.call(
            lambda: calls.reap(self.keys, token, seen, status, "lost", "a detail", TS),
            lambda: self.model.reap(token, seen, status),
        )

    @precondition(lambda self: self.model.terminal)
    @rule()
    def expire(self) -> None:
        """Its time is over."""
        self.model.vanish()
        for server in self.servers:
            server.vanish()

    @rule()
    def evict(self) -> None:
        """Redis, short of memory, evicts the list and not the state."""
        self.model.cached.clear()
        for server in self.servers:
            server.store.client.delete(self.keys.log)

    @precondition(lambda self: not self.model.terminal)
    @rule()
    def replicate(self) -> None:
        """A replica has all that there is."""
        self.backup = deepcopy(self.model)

    @precondition(lambda self: self.backup is not None)
    @rule()
    def fail_over(self) -> None:
        """The replica takes over: what came after is gone."""
        assert self.backup is not None
        self.model.fields, self.model.cached = dict(self.backup.fields), list(self.backup.cached)
        for server in self.servers:
            server.go_back(self.model)

    @rule(behind=st.integers(-1, 12), most_bytes=st.sampled_from([0, 1, 100, 1_000]))
    def read(self, behind: int, most_bytes: int) -> None:
        """Somebody reads what is behind a number that is not far from the end."""
        self._read(self.model.seq - behind, most_bytes)

    def _read(self, after: int, most_bytes: int) -> None:
        self.call(
            lambda: _events(calls.snapshot(self.keys, after, most_bytes)),
            lambda: self.model.snapshot(after, most_bytes),
        )

    @invariant()
    def both_hold_what_the_model_holds(self) -> None:
        """State, list, messages and expiry are as the model's; so is what is read from the middle of the log."""
        expected = (self.model.fields, self.model.cached, self.model.published, self.model.terminal)
        for server in self.servers:
            assert server.look() == expected
        if self.model.fields and self.model.cached:
            self._read(seq_of(self.model.cached[len(self.model.cached) // 2]), 0)

    def teardown(self) -> None:
        """Leave nothing behind."""
        for server in self.servers:
            server.close()


def _outcome(act: Callable[[], Any]) -> Any:
    """What it returns, or the kind of error that it raises."""
    try:
        return act()
    except DeployLogError as error:
        return type(error)


def _events(procedure: Procedure[Any]) -> Procedure[list[bytes]]:
    found = yield from procedure
    events: list[bytes] = found.events
    # What the state is sure of is so.
    assert not [event for event in events if b',"status":' in event and seq_of(event) in found.state.sure_lines]
    return events


@pytest.mark.timeout(120)
def test_no_order_of_calls_differs_from_the_model(client: redis.Redis) -> None:
    """State, list, messages and answers agree after each step, on Valkey and on fakeredis."""
    with FakeClient(server=fakeredis.FakeServer()) as fake:

        class OnBoth(Machine):
            """On these two."""

            clients: ClassVar[list[redis.Redis]] = [client, fake]

        bounds = settings(
            max_examples=70, stateful_step_count=25, deadline=None, suppress_health_check=list(HealthCheck)
        )
        run_state_machine_as_test(OnBoth, settings=bounds)
