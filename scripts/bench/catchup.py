"""The catch-up cases: a finished log, to clients that come all at once."""

import time
from functools import partial
from statistics import median

from scripts.bench import load
from scripts.bench.case import Case, Figures, Row, Sizes
from scripts.bench.load import Seen
from scripts.bench.peers import registry
from scripts.bench.peers.peer import Peer
from scripts.bench.rig import Rig

_LINES = 10_000
_TIMES = 3
_PATIENCE_SECONDS = 5.0  # a slow peer is not measured again for longer than this

_MANY_ROWS = (
    Row("cold_frames_s", "frames/s, cold", "", lower=False),
    Row("warm_frames_s", "frames/s, warm", "", lower=False),
)
_ONE_ROWS = (Row("cold_ms", "cold", "ms"), Row("warm_ms", "warm", "ms"))


def cases() -> list[Case]:
    """All of them. Cold: a log that this process has never streamed; warm: the same again."""
    title = f"{_LINES:,} cached lines to"
    return [
        Case("catchup-50", f"{title} 50 clients", _MANY_ROWS, registry.CATCH_UP, partial(_catch_up, clients=50)),
        Case("catchup-1", f"{title} 1 client", _ONE_ROWS, registry.CATCH_UP, partial(_catch_up, clients=1)),
    ]


def _catch_up(rig: Rig, name: str, sizes: Sizes, *, clients: int) -> Figures:
    count, times = sizes.of(_LINES, 300), sizes.of(_TIMES, 1)
    clients = sizes.of(clients, min(clients, 5))
    cold: list[float] = []
    warm: list[float] = []
    with registry.peer(name, rig) as peer:
        patient_until = time.monotonic() + _PATIENCE_SECONDS
        deploy = ""
        while not cold or (len(cold) < times and time.monotonic() < patient_until):
            deploy = peer.filled(count)
            peer.forget()
            cold.append(_seconds(_stream(peer, deploy, clients, count)))
        patient_until = time.monotonic() + _PATIENCE_SECONDS
        while not warm or (len(warm) < times and time.monotonic() < patient_until):
            warm.append(_seconds(_stream(peer, deploy, clients, count)))
    frames = clients * count
    return {
        "cold_frames_s": frames / median(cold),
        "warm_frames_s": frames / median(warm),
        "cold_ms": median(cold) * 1000,
        "warm_ms": median(warm) * 1000,
    }


def _stream(peer: Peer, deploy: str, clients: int, count: int) -> Seen:
    with load.watching(peer.rig.binary, peer.port, [peer.path(deploy)], clients, lines=count) as watch:
        seen = watch.result()
    seen.check(clients * count)
    return seen


def _seconds(seen: Seen) -> float:
    """From the first connect to the last line."""
    return (seen.last_ns - seen.began_ns) / 1e9
