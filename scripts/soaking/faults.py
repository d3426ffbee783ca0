"""The faults of the soak, drawn at random: what kills, pauses, cuts and delays, and heals by itself after a while."""

import asyncio
import os
import signal
from collections.abc import Awaitable, Callable
from contextlib import suppress
from random import Random

import redis.asyncio
from redis.exceptions import RedisError

from producer.connect import connect_async
from scripts.faults import Faults, descendants
from scripts.soaking.ledger import Ledger
from scripts.soaking.parts import Parts

_PAUSE_SECONDS = 0.3, 4.0
_AT_ONCE = 3


class Injector:
    """Breaks the parts. Of those that exclude each other one at a time: Valkey is not killed while it is paused.

    `cancel` asks for the cancel of some deploy.
    """

    def __init__(self, parts: Parts, ledger: Ledger, rng: Random, cancel: Callable[[], Awaitable[bool]]) -> None:
        self._parts = parts
        self._ledger = ledger
        self._rng = rng
        self._valkey, self._workers, self._api = asyncio.Lock(), asyncio.Lock(), asyncio.Lock()
        self._client: redis.asyncio.Redis = connect_async(parts.redis_url, connections=4, retries=0)
        self._under_way: set[asyncio.Task[None]] = set()
        # How often, how it is called, what it does; it returns whether it found something to do it to.
        self._kinds: list[tuple[int, str, Callable[[], Awaitable[bool]]]] = [
            (4, "pub/sub connections killed", lambda: self._command("CLIENT", "KILL", "TYPE", "pubsub")),
            (3, "all connections killed", self._kill_connections),
            (3, "Valkey paused", self._pause),
            (2, "Valkey killed and restarted", self._restart),
            (3, "work horse killed", self._kill_horse),
            (1, "worker pool killed", self._kill_pool),
            (1, "worker pool and its jobs killed", self._kill_all_workers),
            (2, "API replica terminated", lambda: self._replace(signal.SIGTERM)),
            (2, "API replica killed", lambda: self._replace(signal.SIGKILL)),
            (4, "connections cut by a proxy", self._cut),
            (2, "connections delayed by a proxy", self._delay),
            (1, "bytes sent one by one by a proxy", self._break_up),
            (2, "connections refused by a proxy", self._refuse),
            (2, "scripts flushed", lambda: self._command("SCRIPT", "FLUSH")),
            (4, "deploys cancelled", cancel),
        ]

    async def run(self, allowed: Callable[[], bool]) -> None:
        """Inject faults while they are `allowed`, until cancelled."""
        weights = [often for often, _, _ in self._kinds]
        while True:
            await asyncio.sleep(self._rng.uniform(0.1, 1.0))
            if not allowed() or len(self._under_way) >= _AT_ONCE:
                continue
            _, name, act = self._rng.choices(self._kinds, weights)[0]
            task = asyncio.ensure_future(self._one(name, act))
            self._under_way.add(task)
            task.add_done_callback(self._under_way.discard)

    async def healed(self) -> None:
        """Wait until all that is under way has healed."""
        await asyncio.gather(*self._under_way)

    async def close(self) -> None:
        """Let go of what the faults were made with."""
        for task in self._under_way:
            task.cancel()
        await asyncio.gather(*self._under_way, return_exceptions=True)
        await self._client.aclose()

    async def _one(self, name: str, act: Callable[[], Awaitable[bool]]) -> None:
        if await act():
            self._ledger.faults[name] += 1

    async def _command(self, *command: str) -> bool:
        try:
            async with asyncio.timeout(1):
                await self._client.execute_command(*command)  # type: ignore[no-untyped-call]
        except (RedisError, OSError, TimeoutError):
            return False
        return True

    async def _kill_connections(self) -> bool:
        killed = await self._command("CLIENT", "KILL", "TYPE", "pubsub")
        return await self._command("CLIENT", "KILL", "TYPE", "normal", "SKIPME", "yes") and killed

    async def _pause(self) -> bool:
        async with self._valkey:
            self._parts.valkey.signal(signal.SIGSTOP)
            try:
                await asyncio.sleep(self._rng.uniform(*_PAUSE_SECONDS))
            finally:
                self._parts.valkey.signal(signal.SIGCONT)
        return True

    async def _restart(self) -> bool:
        async with self._valkey:
            self._parts.valkey.signal(signal.SIGKILL)
            await self._parts.valkey.ended()
            await asyncio.sleep(self._rng.choice((0.0, self._rng.uniform(0, 3))))
            await self._parts.start_valkey()
        return True

    async def _kill_horse(self) -> bool:
        horses = self._parts.horses()
        if horses:
            _kill(self._rng.choice(sorted(horses)))
        return bool(horses)

    async def _kill_pool(self) -> bool:
        async with self._workers:
            self._parts.worker.signal(signal.SIGKILL)
            await self._parts.worker.ended()
            await asyncio.sleep(self._rng.uniform(0, 2))
            self._parts.start_worker()
        return True

    async def _kill_all_workers(self) -> bool:
        async with self._workers:
            below = descendants(self._parts.worker.process.pid)
            self._parts.worker.signal(signal.SIGKILL)
            for pid in below:
                _kill(pid)
            await self._parts.worker.ended()
            self._parts.start_worker()
        return True

    async def _replace(self, number: signal.Signals) -> bool:
        async with self._api:
            replica = self._rng.choice(self._parts.replicas)
            if replica.part is not None:
                replica.part.signal(number)
                await replica.part.ended()
                replica.part.close()
            await self._parts.start_replica(replica)
        return True

    async def _cut(self) -> bool:
        self._rng.choice(self._parts.proxies).cut()
        return True

    async def _delay(self) -> bool:
        return await self._through_proxy(Faults(delay=self._rng.uniform(0.05, 0.4)))

    async def _break_up(self) -> bool:
        return await self._through_proxy(Faults(single_bytes=True))

    async def _refuse(self) -> bool:
        return await self._through_proxy(Faults(refuse=True), cut=True)

    async def _through_proxy(self, faults: Faults, *, cut: bool = False) -> bool:
        proxy = self._rng.choice(self._parts.proxies)
        proxy.faults = faults
        if cut:
            proxy.cut()
        try:
            await asyncio.sleep(self._rng.uniform(0.5, 3))
        finally:
            proxy.faults = Faults()
        return True


def _kill(pid: int) -> None:
    with suppress(ProcessLookupError):
        os.kill(pid, signal.SIGKILL)
