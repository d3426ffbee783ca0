"""How the cost of deploytail grows: with lines, watchers, live deploys, and watchers against deploys."""

import time
from dataclasses import dataclass, replace
from functools import partial
from statistics import median

from scripts.bench import lines, load, measure
from scripts.bench.case import Case, Figures, Row, Sizes
from scripts.bench.live import pace
from scripts.bench.peers import registry
from scripts.bench.peers.peer import LivePeer
from scripts.bench.results import OURS
from scripts.bench.rig import Rig

_LIVE_ROWS = (
    Row("p50_ms", "delay, p50", "ms"),
    Row("p99_ms", "delay, p99", "ms"),
    Row("cpu_us", "server CPU a frame", "µs"),
    Row("redis_us", "Redis CPU a frame", "µs"),
    Row("memory_mb", "server memory", "MB"),
)
_LOG_ROWS = (
    Row("lines_s", "lines/s, written to seen", "", lower=False),
    Row("told", "of them told as a gap", "", lower=None),
    Row("cpu_us", "server CPU a frame", "µs"),
    Row("catch_up_ms", "to catch up afterwards", "ms"),
    Row("redis_mb", "Redis memory", "MB"),
    Row("memory_mb", "server memory", "MB"),
)
_PEERS = (OURS,)
_FRAMES = 2_000  # a second, in all, so that neither the writers nor the machine are what is measured
_LINES_PER_SECOND = 100  # of one deploy, at most
_TIMED_LINES = 10  # of each deploy, at least
_CATCH_UPS = 3


@dataclass(frozen=True)
class Series:
    """One table: a case for each size of one thing."""

    name: str
    title: str
    cases: tuple[Case, ...]

    def ends(self) -> "Series":
        """The smallest and the largest size only."""
        return replace(self, cases=(self.cases[0], self.cases[-1]))


def series() -> tuple[Series, ...]:
    """All tables."""
    return (
        Series(
            "lines",
            "Lines of one deploy, written as fast as it goes, to one watcher; 10,000 are cached",
            tuple(_case("lines", f"{count:,}", _LOG_ROWS, partial(_lines, count=count)) for count in _powers(3, 6)),
        ),
        Series(
            "watchers",
            "Watchers of one deploy",
            tuple(_live("watchers", f"{watchers:,}", watchers, 1) for watchers in _powers(0, 4)),
        ),
        Series(
            "deploys",
            "Deploys live at once, a watcher each",
            tuple(_live("deploys", f"{deploys:,}", 1, deploys) for deploys in _powers(0, 3)),
        ),
        Series(
            "product",
            "1,000 streams: watchers of each deploy x deploys",
            tuple(
                _live("product", f"{1_000 // deploys:,} x {deploys:,}", 1_000 // deploys, deploys)
                for deploys in _powers(0, 3)
            ),
        ),
    )


def _powers(first: int, last: int) -> list[int]:
    return [10**exponent for exponent in range(first, last + 1)]


def _case(name: str, size: str, rows: tuple[Row, ...], run: partial[Figures]) -> Case:
    return Case(f"scaling-{name}-{size.replace(',', '').replace(' ', '')}", size, rows, _PEERS, run)


def _live(name: str, size: str, watchers: int, deploys: int) -> Case:
    return _case(name, size, _LIVE_ROWS, partial(_paced, watchers=watchers, deploys=deploys))


def _paced(rig: Rig, name: str, sizes: Sizes, *, watchers: int, deploys: int) -> Figures:
    watchers, deploys = sizes.of(watchers, min(watchers, 5)), sizes.of(deploys, min(deploys, 5))
    rate = min(_FRAMES / watchers, _LINES_PER_SECOND * deploys)
    seconds = max(sizes.seconds / 2, sizes.of(_TIMED_LINES, 1) * deploys / rate)
    with registry.live(name, rig) as peer:
        return pace(peer, [peer.create() for _ in range(deploys)], watchers, rate, seconds)


def _lines(rig: Rig, name: str, sizes: Sizes, *, count: int) -> Figures:
    count = sizes.of(count, min(count, 2_000))
    texts = [lines.text(n) for n in range(1, count + 1)]
    with registry.live(name, rig) as peer:
        deploy = peer.create()
        memory = rig.redis_memory()
        with (
            peer.feed(deploy) as feed,
            load.watching(rig.binary, peer.port, [peer.path(deploy)], 1, lines=count) as watch,
        ):
            watch.await_word("ready")
            before, began = measure.cpu_ns(peer.pids), time.monotonic_ns()
            feed.burst(texts)
            watch.await_word("all")
            used = measure.cpu_ns(peer.pids) - before
            feed.end()
            seen = watch.result()
        # Lines that were dropped by the cap before they could be sent are allowed, where a gap says so.
        replace(seen, told=0).check(count - seen.told)
        return {
            "told": seen.told,
            "lines_s": count * 1e9 / (seen.last_ns - began),
            "cpu_us": used / 1000 / count,
            "redis_mb": (rig.redis_memory() - memory) / 2**20,
            "memory_mb": measure.resident(peer.pids) / 2**20,
            "catch_up_ms": median(_catch_up(peer, deploy, count) for _ in range(_CATCH_UPS)),
        }


def _catch_up(peer: LivePeer, deploy: str, count: int) -> float:
    """Milliseconds in which a new client gets all that is cached."""
    with load.watching(peer.rig.binary, peer.port, [peer.path(deploy)], 1, lines=count, first=0) as watch:
        seen = watch.result()
    seen.check(seen.frames)
    return (seen.last_ns - seen.began_ns) / 1e6
