"""The idle cases: what a watcher costs of whom nothing is asked."""

import time
from contextlib import ExitStack
from functools import partial

from scripts.bench import load, measure
from scripts.bench.case import Case, Figures, Row, Sizes
from scripts.bench.errors import CannotMeasure
from scripts.bench.peers import registry
from scripts.bench.peers.peer import need_process
from scripts.bench.results import OURS
from scripts.bench.rig import Rig

_OURS = (OURS, "deploytail-2")
_ROWS = (
    Row("kb", "server memory each", "KB"),
    Row("seconds", "to open all", "s"),
    Row("connections", "Redis connections", "", lower=None),
)


def cases() -> list[Case]:
    """All of them. The deploys are unfinished, and silent."""
    return [
        Case("idle", "4,000 idle watchers", _ROWS, registry.LIVE, partial(_idle, watchers=4_000)),
        Case("idle-10000", "10,000 idle watchers", _ROWS, _OURS, partial(_idle, watchers=10_000)),
        Case(
            "idle-deploys",
            "1,000 idle watchers on 1,000 deploys",
            _ROWS,
            _OURS,
            partial(_idle, watchers=1_000, deploys=1_000),
        ),
    ]


def _idle(rig: Rig, name: str, sizes: Sizes, *, watchers: int, deploys: int = 1) -> Figures:
    watchers, deploys = sizes.of(watchers, 20), sizes.of(deploys, min(deploys, 20))
    others = rig.redis_connections()
    with registry.live(name, rig) as peer, ExitStack() as feeds:
        paths = []
        for _ in range(deploys):
            deploy = peer.create()
            paths.append(peer.path(deploy))
            if deploys == 1:  # a thousand writers in this process would be a load of their own
                feeds.enter_context(peer.feed(deploy))
                others += peer.feed_connections
        # What the first watcher of all has to pay for is not each one's.
        with load.watching(rig.binary, peer.port, paths[:1], 1) as watch:
            watch.await_word("ready")
            time.sleep(sizes.settle)
            before = measure.resident(peer.pids)
        with load.watching(rig.binary, peer.port, paths, watchers) as watch:
            watch.await_word("ready")
            time.sleep(sizes.settle)
            need_process(peer)
            after, connections = measure.resident(peer.pids), rig.redis_connections() - others
            watch.stop()
            seen = watch.result()
    if seen.errors:
        raise CannotMeasure(f"{seen.errors} connections failed ({seen.error})")
    return {
        "kb": (after - before) / watchers / 1024,
        "seconds": (seen.ready_ns - seen.began_ns) / 1e9,
        "connections": connections,
    }
