"""Tools of the producer's tests: deploys in every status, looks at what lies in Redis, and a server to hurt."""

import signal
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TypeVar, cast

import redis

from producer import calls
from producer.calls import Procedure
from producer.connect import connect
from producer.deploys import Limits, Request, create_deploy
from producer.errors import StoreAway
from producer.event import encode_line, encode_status
from producer.keys import Keys
from producer.outbox import Batch, End
from producer.proof import Proof
from producer.state import State
from producer.status import Status, last_line
from producer.store import Store
from scripts.embedded import _binary
from scripts.process import free_port
from tests.helpers import wait_until
from worker.lifetime import die_with_parent

T = TypeVar("T")

TS = 1_700_000_000.0
WRITER = "writer"


def create(store: Store, keys: Keys, limits: Limits | None = None, by: str = "creator") -> None:
    """A queued deploy."""
    store.run(create_deploy(keys, by, TS, Request(), limits or Limits()))


def claim(store: Store, keys: Keys, token: str = WRITER, seq: int = 2, **options: Any) -> calls.Claimed:
    """Take the deploy for `token`."""
    return store.run(calls.claim(keys, token, encode_status(seq, TS, Status.BUILDING), seq, TS, **options))


def build(store: Store, keys: Keys, limits: Limits | None = None) -> None:
    """A building deploy of WRITER: events 1 and 2 are there, the first line is event 3."""
    create(store, keys, limits)
    claim(store, keys)


def lines(first: int, *texts: str, before: Proof = Proof(), hole: bool = False) -> Batch:  # noqa: B008 - a constant
    """A batch of log lines whose first has number `first`; `before` is the proof of what lies before them."""
    proof = before
    for text in texts:
        proof = proof.add(text)
    return Batch(first, [encode_line(first + at, TS, text) for at, text in enumerate(texts)], proof, hole)


def ending(
    first: int,
    status: Status = Status.COMPLETE,
    reason: str | None = None,
    before: Proof = Proof(),  # noqa: B008 - a constant
) -> Batch:
    """A batch of the last line and the terminal status."""
    line = last_line(status, reason)
    proof = before.add(line)
    events = [encode_line(first, TS, line, "system"), encode_status(first + 1, TS, status, reason, None, proof)]
    return Batch(first, events, proof, end=End(status, reason, None, TS))


def append(store: Store, keys: Keys, batch: Batch, token: str = WRITER) -> calls.Appended:
    """Append a batch."""
    return store.run(calls.append(keys, token, batch))


def reap(
    store: Store, keys: Keys, seen: State, status: Status = Status.FAILED, by: str = "reaper", reason: str = "lost"
) -> None:
    """End a deploy for its writer."""
    store.run(calls.reap(keys, by, seen, status, reason, "a detail", TS))


def bring_to(store: Store, keys: Keys, status: Status) -> None:
    """A deploy in this status, brought there in the ordinary way."""
    create(store, keys)
    if status is not Status.QUEUED:
        claim(store, keys)
    if status.terminal:
        append(store, keys, ending(3, status, "broken" if status is Status.FAILED else None))


def state_of(store: Store, keys: Keys) -> State:
    """The state, as it is read."""
    return store.run(calls.snapshot(keys)).state


def fields_of(store: Store, keys: Keys) -> dict[str, str]:
    """The raw state."""
    raw = cast(dict[bytes, bytes], store.client.hgetall(keys.state))
    return {name.decode(): value.decode() for name, value in raw.items()}


def entries_of(store: Store, keys: Keys) -> list[bytes]:
    """The cached events."""
    return cast(list[bytes], store.client.lrange(keys.log, 0, -1))


def everything(store: Store, keys: Keys) -> tuple[bytes | None, bytes | None]:
    """All that lies in Redis of a deploy, to see that nothing changed."""
    return tuple(_content(store.client, name) for name in (keys.state, keys.log))


def _content(client: redis.Redis, name: str) -> Any:
    kind = cast(bytes, client.type(name))
    if kind == b"hash":
        return client.hgetall(name)
    return client.lrange(name, 0, -1) if kind == b"list" else client.get(name)


@contextmanager
def listening(store: Store, keys: Keys) -> Iterator[list[bytes]]:
    """The messages published on the deploy's channel meanwhile; complete when the block is left."""
    heard: list[bytes] = []
    end = b"-- that is all --"
    with store.client.pubsub() as pubsub:  # type: ignore[no-untyped-call]
        pubsub.subscribe(keys.events)
        wait_until(lambda: pubsub.get_message(timeout=1))
        yield heard
        store.client.publish(keys.events, end)
        while (message := wait_until(lambda: pubsub.get_message(timeout=1)))["data"] != end:
            heard.append(message["data"])


class LossyStore(Store):
    """A store that does what it is asked and then loses as many replies as it was told to."""

    losses = 0

    def run(self, procedure: Procedure[T]) -> T:
        """As Store, but for the lost replies."""
        answer = super().run(procedure)
        if self.losses:
            self.losses -= 1
            raise StoreAway("the reply was lost")
        return answer


class Valkey:
    """A server of the test's own, to pause, to kill and to start again with its data."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._port = free_port()
        self.url = f"redis://127.0.0.1:{self._port}/0"
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """Start it, with what it had stored; returns when it answers."""
        self._process = subprocess.Popen(
            [
                *(_binary(), "--port", str(self._port), "--bind", "127.0.0.1", "--dir", str(self._folder)),
                *("--appendonly", "yes", "--appendfsync", "always", "--save", "", "--logfile", "valkey.log"),
                *("--maxmemory-policy", "noeviction"),
            ],
            stdin=subprocess.DEVNULL,
            preexec_fn=die_with_parent,
        )
        with connect(self.url, retries=0) as client:
            wait_until(lambda: _answers(client))

    @property
    def pid(self) -> int:
        """Its process id."""
        assert self._process
        return self._process.pid

    def kill(self) -> None:
        """Kill it, if it runs."""
        if self._process:
            self._process.kill()
            self._process.wait()
            self._process = None

    @contextmanager
    def paused(self) -> Iterator[None]:
        """It does not answer meanwhile."""
        assert self._process
        self._process.send_signal(signal.SIGSTOP)
        try:
            yield
        finally:
            self._process.send_signal(signal.SIGCONT)


def _answers(client: redis.Redis) -> bool:
    try:
        return bool(client.ping())
    except redis.RedisError:
        return False
