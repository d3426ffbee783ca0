"""The writer case: one writer, into the list and out on the channel, until the last line is acknowledged."""

import json
import time
from collections.abc import Callable, Sequence

from producer import create_deploy, open_log
from producer.connect import connect
from producer.deploys import Limits
from producer.keys import Keys
from producer.status import Status
from scripts.bench import lines
from scripts.bench.case import Case, Figures, Row, Sizes
from scripts.bench.errors import CannotMeasure
from scripts.bench.listener import listening
from scripts.bench.peers.peer import new_deploy
from scripts.bench.peers.registry import BARE
from scripts.bench.results import OURS
from scripts.bench.rig import APP, Rig

_ROWS = (Row("lines_s", "lines/s", "", lower=False),)
_CAP = 10_000
_KEPT_SECONDS = 600
BATCH_LINES = 400  # of the bare pipeline: the quickest of those tried, from 10 to 2,000


def cases() -> list[Case]:
    """The one."""
    return [Case("writer", "one writer", _ROWS, (OURS, BARE), _write)]


def _write(rig: Rig, name: str, sizes: Sizes) -> Figures:
    texts = [lines.text(n) for n in range(1, sizes.of(100_000, 2_000) + 1)]
    keys = Keys(APP, new_deploy())
    write = _WRITERS[name]
    with listening(rig.redis_url, keys.events) as listener:
        seconds = write(rig, keys, texts)
        came = listener.count()
    stored = int(rig.redis.llen(keys.log))
    if came < len(texts) or stored != min(_CAP, max(stored, len(texts))):
        raise CannotMeasure(f"{came:,} lines came out of {len(texts):,}, and {stored:,} events are stored")
    return {"lines_s": len(texts) / seconds}


def _by_log(rig: Rig, keys: Keys, texts: Sequence[str]) -> float:
    """deploytail's writer, with all its guarantees."""
    create_deploy(keys.app, keys.deploy, url=rig.redis_url, limits=Limits(_CAP, ttl=_KEPT_SECONDS))
    log = open_log(keys.app, keys.deploy, url=rig.redis_url)
    try:
        began = time.perf_counter()
        for text in texts:
            log.write(text, stream=lines.STREAM)
        log.flush()
        seconds = time.perf_counter() - began
        log.finish(Status.COMPLETE)
    finally:
        log.close()
    return seconds


def _by_pipeline(rig: Rig, keys: Keys, texts: Sequence[str]) -> float:
    """RPUSH, LTRIM and PUBLISH of each line, without any guarantee, in pipelines of the best size."""
    with connect(rig.redis_url) as client:
        began = time.perf_counter()
        for first in range(0, len(texts), BATCH_LINES):
            with client.pipeline(transaction=False) as pipeline:
                for n, text in enumerate(texts[first : first + BATCH_LINES], first + 1):
                    event = {"seq": n, "ts": round(time.time(), 3), "line": text, "stream": lines.STREAM}
                    data = json.dumps(event, separators=(",", ":"))
                    pipeline.rpush(keys.log, data)
                    pipeline.ltrim(keys.log, -_CAP, -1)
                    pipeline.publish(keys.events, data)
                pipeline.execute()
        seconds = time.perf_counter() - began
        client.expire(keys.log, _KEPT_SECONDS)
    return seconds


_WRITERS: dict[str, Callable[[Rig, Keys, Sequence[str]], float]] = {OURS: _by_log, BARE: _by_pipeline}
