"""The live cases: lines at a steady pace, and a burst."""

import time
from collections.abc import Sequence
from contextlib import ExitStack
from functools import partial

from scripts.bench import lines, load, measure
from scripts.bench.case import Case, Figures, Row, Sizes
from scripts.bench.peers import registry
from scripts.bench.peers.peer import Feed, LivePeer, need_process
from scripts.bench.rig import Rig

_WARM_UP_SECONDS = 0.5
_SETTLE_SECONDS = 0.3

_PACED_ROWS = (
    Row("p50_ms", "delay, p50", "ms"),
    Row("p99_ms", "delay, p99", "ms"),
    Row("cpu_us", "server CPU a frame", "µs"),
    Row("redis_us", "Redis CPU a frame", "µs"),
)
_BURST_ROWS = (Row("frames_s", "frames/s", "", lower=False),)


def cases() -> list[Case]:
    """All of them."""
    paced = [
        Case(
            f"paced-{watchers}",
            f"{watchers:,} watcher{'s' * (watchers > 1)}, {rate} lines/s",
            _PACED_ROWS,
            registry.LIVE,
            partial(_paced, watchers=watchers, rate=rate),
        )
        for watchers, rate in ((1, 500), (100, 100), (1_000, 20))
    ]
    return [*paced, Case("burst", "burst of 5,000 lines to 100 watchers", _BURST_ROWS, registry.LIVE, _burst)]


def _paced(rig: Rig, name: str, sizes: Sizes, *, watchers: int, rate: int) -> Figures:
    with registry.live(name, rig) as peer:
        return pace(peer, [peer.create()], sizes.of(watchers, min(watchers, 10)), rate, sizes.seconds)


def pace(peer: LivePeer, deploys: Sequence[str], watchers: int, rate: float, seconds: float) -> Figures:
    """Write these deploys in turn, `rate` lines a second in all, for so many seconds; each has so many watchers.

    Every line is timed, from just before it is written to its arrival at a watcher.
    """
    rig = peer.rig
    warm, timed = (max(1, round(rate * span / len(deploys))) for span in (_WARM_UP_SECONDS, seconds))
    paths = [peer.path(deploy) for deploy in deploys]
    connections = watchers * len(deploys)
    with ExitStack() as open_feeds:
        feeds = [open_feeds.enter_context(peer.feed(deploy)) for deploy in deploys]
        with load.watching(rig.binary, peer.port, paths, connections, lines=warm + timed, delays=True) as watch:
            watch.await_word("ready")
            time.sleep(_SETTLE_SECONDS)
            _write(feeds, 1, warm, rate, timed=False)
            need_process(peer)
            before, redis_before = measure.cpu_ns(peer.pids), rig.redis_cpu_ns()
            _write(feeds, warm + 1, timed, rate, timed=True)
            watch.await_word("all")
            used, redis_used = measure.cpu_ns(peer.pids) - before, rig.redis_cpu_ns() - redis_before
            memory = measure.resident(peer.pids)
            for feed in feeds:
                feed.end()
            seen = watch.result()
    seen.check(connections * (warm + timed))
    frames = connections * timed
    return {
        "p50_ms": seen.p50_us / 1000,
        "p99_ms": seen.p99_us / 1000,
        "max_ms": seen.max_us / 1000,
        "cpu_us": used / 1000 / frames,
        "redis_us": redis_used / 1000 / frames,
        "memory_mb": memory / 2**20,
        "client_us": seen.cpu_us / seen.frames,
    }


def _write(feeds: Sequence[Feed], first: int, rounds: int, rate: float, *, timed: bool) -> None:
    """Line `first` to each feed in turn, then the next, at a steady pace."""
    start = time.monotonic()
    for i in range(rounds * len(feeds)):
        while (left := start + i / rate - time.monotonic()) > 0:
            time.sleep(left)
        n = first + i // len(feeds)
        feeds[i % len(feeds)].write(lines.text(n, time.time_ns() // 1000 if timed else 0))


def _burst(rig: Rig, name: str, sizes: Sizes) -> Figures:
    watchers, count = sizes.of(100, 5), sizes.of(5_000, 300)
    texts = [lines.text(n) for n in range(1, count + 1)]
    with registry.live(name, rig) as peer:
        deploy = peer.create()
        with (
            peer.feed(deploy) as feed,
            load.watching(rig.binary, peer.port, [peer.path(deploy)], watchers, lines=count) as watch,
        ):
            watch.await_word("ready")
            time.sleep(sizes.settle)
            began = time.monotonic_ns()
            feed.burst(texts)
            watch.await_word("all")
            feed.end()
            seen = watch.result()
        seen.check(watchers * count)
    return {"frames_s": seen.frames * 1e9 / (seen.last_ns - began)}
