"""Keeps a crowd of watchers on the deploys, and judges each of them when it has its end."""

import asyncio
from collections.abc import Coroutine
from random import Random
from typing import Any

from scripts.soaking.course import QUIET, Course
from scripts.soaking.ledger import Deploy, Ledger, Record
from scripts.soaking.parts import Parts
from scripts.soaking.watchers import Watcher
from scripts.soaking.wire import Wrong, vanish

_PLAIN = ("plain", "plain", "plain", "hopping", "hopping", "proxied")
_ROUGH = ("slow", "stalling", "vanishing", "hammering", "trickling")
_NEW_AT_ONCE = 2
_VANISHING_PER_SECOND = 30
_STAYS = 0.0, 0.01, 0.2  # for so many seconds


class Crowd:
    """About `size` watchers at a time, on deploys that run or have ended lately."""

    def __init__(self, size: int, parts: Parts, ledger: Ledger, course: Course, rng: Random) -> None:
        self._size = size
        self._parts = parts
        self._ledger = ledger
        self._course = course
        self._rng = rng
        self._watching: dict[asyncio.Task[None], Record] = {}
        self._vanishing: set[asyncio.Task[None]] = set()

    @property
    def size(self) -> int:
        """How many watch now."""
        return len(self._watching)

    @property
    def records(self) -> list[Record]:
        """What those who watch now were told."""
        return list(self._watching.values())

    async def gather(self) -> None:
        """Have new watchers come, until the run stops."""
        rng = self._rng
        while not self._course.stopping:
            manners = _PLAIN if self._course.phase == QUIET else _PLAIN + _ROUGH
            deploys = self._watchable()
            for _ in range(_NEW_AT_ONCE):
                if deploys and self.size < self._size:
                    self._start(rng.choice(manners), rng.choice(deploys))
            await asyncio.sleep(0.05)

    async def storm(self) -> None:
        """Have some come and vanish, many a second, until the run stops."""
        rng = self._rng
        while not self._course.stopping:
            await asyncio.sleep(rng.uniform(0, 2 / _VANISHING_PER_SECOND))
            deploys = self._watchable()
            if self._course.calm() or not deploys:
                continue
            self._ledger.manners["vanished at once"] += 1
            url, keys, seconds = rng.choice(self._parts.replicas).url, rng.choice(deploys).keys, rng.choice(_STAYS)
            task = asyncio.ensure_future(vanish(url, keys, seconds))
            self._vanishing.add(task)
            task.add_done_callback(self._vanishing.discard)

    async def close(self) -> None:
        """Send everybody away."""
        tasks: list[asyncio.Task[None]] = [*self._watching, *self._vanishing]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    def _watchable(self) -> list[Deploy]:
        recent = self._ledger.deploys[-40:]
        live = [deploy for deploy in recent if deploy.final is None]
        ended = [deploy for deploy in recent if deploy.final is not None]
        return live * 4 + ended[-6:]

    def _start(self, manner: str, deploy: Deploy) -> None:
        self._ledger.manners[manner] += 1
        record = Record(sum(self._ledger.manners.values()), manner, deploy)
        rng = Random(self._rng.random())
        watcher = Watcher(record, self._parts.replicas, self._ledger, rng, self._course)
        task = asyncio.ensure_future(self._follow(watcher.run(), record))
        self._watching[task] = record
        task.add_done_callback(self._watching.pop)

    async def _follow(self, watching: Coroutine[Any, Any, None], record: Record) -> None:
        try:
            await watching
        except Wrong as wrong:
            record.flaws.append(str(wrong))
        except Exception as error:  # noqa: BLE001 - what a watcher cannot read is a violation, not the soak's end
            record.flaws.append(f"it could not read on: {error!r}")
        await record.deploy.over.wait()
        self._ledger.finished(record)
