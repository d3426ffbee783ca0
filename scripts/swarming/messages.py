"""What the swarm and its processes say to each other: one JSON object a line."""

from typing import TypeAlias

import msgspec

from producer.status import Status


class Watch(msgspec.Struct, tag=True):
    """Let a watcher follow a deploy from now on. `deploy` and `watcher` are their numbers, `app` and `id` its ids."""

    deploy: int
    app: str
    id: str
    watcher: int
    joined: str  # in words: when that is in the life of the deploy


class Feed(msgspec.Struct, tag=True):
    """Write the log of a queued deploy."""

    app: str
    id: str
    scenario: str
    seed: int
    fault: str | None
    speed: float


class Leave(msgspec.Struct, tag=True):
    """Come to an end now. `judged`: a stream that is still open has had its time."""

    judged: bool


Order: TypeAlias = Watch | Feed | Leave


class Told(msgspec.Struct):
    """A watcher is through. It got `lines` lines, and was told an end with `told_lines` and `told_crc32`.

    `flaw` is what breaks the promise. `verified`: by the proof. `left`: it had to go before the end.
    """

    deploy: int
    watcher: int
    joined: str
    lines: int
    status: Status | None
    told_lines: int
    told_crc32: int
    verified: bool
    left: bool
    flaw: str | None


class Report(msgspec.Struct):
    """How a process fares, since it began; `finished` and `complaints` are those since the last report.

    `delays` and `lag` are the counts of a Histogram; `cpu` is in seconds.
    """

    open: int = 0
    delivered: int = 0
    reconnects: int = 0
    gaps: dict[str, int] = msgspec.field(default_factory=dict)
    errors: dict[str, int] = msgspec.field(default_factory=dict)
    delays: dict[int, int] = msgspec.field(default_factory=dict)
    lag: dict[int, int] = msgspec.field(default_factory=dict)
    cpu: float = 0.0
    finished: list[Told] = msgspec.field(default_factory=list)
    complaints: list[str] = msgspec.field(default_factory=list)
