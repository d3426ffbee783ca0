"""Where deploys stand, as the store has it, or, where its address is not known, as the service tells."""

import asyncio
from collections.abc import Sequence
from typing import Protocol

import httpx2

from producer.connect import connect_async
from producer.deploys import states
from producer.errors import DeployLogError
from producer.keys import Keys
from producer.proof import Proof
from producer.status import Status
from producer.store import AsyncStore
from scripts.swarming.ledger import Standing

_REQUESTS_AT_ONCE = 8


class Books(Protocol):
    """Tells where deploys stand; None for one that cannot be told now."""

    async def look(self, deploys: Sequence[Keys]) -> list[Standing | None]:
        """Where each of these stands."""

    async def close(self) -> None:
        """Let go of its connections."""


class StoreBooks:
    """Asks the Redis at `url`: one round trip, which the service does not feel."""

    def __init__(self, url: str) -> None:
        self.store = AsyncStore(connect_async(url, connections=16))

    async def look(self, deploys: Sequence[Keys]) -> list[Standing | None]:
        """Where each of these stands."""
        try:
            found, _ = await self.store.run(states(list(deploys)))
        except DeployLogError:
            return [None] * len(deploys)
        return [None if state is None else Standing(state.status, state.error, state.proof) for state in found]

    async def close(self) -> None:
        """Let go of its connections."""
        await self.store.client.aclose()


class ServiceBooks:
    """Asks the service, over `http`, a few requests at a time: the only way without the address of Redis."""

    def __init__(self, http: httpx2.AsyncClient) -> None:
        self._http = http
        self._turn = asyncio.Semaphore(_REQUESTS_AT_ONCE)

    async def look(self, deploys: Sequence[Keys]) -> list[Standing | None]:
        """Where each of these stands."""
        return list(await asyncio.gather(*map(self._ask, deploys)))

    async def close(self) -> None:
        """The client is not ours."""

    async def _ask(self, keys: Keys) -> Standing | None:
        async with self._turn:
            try:
                answer = await self._http.get(f"/v1/apps/{keys.app}/deploys/{keys.deploy}")
            except httpx2.HTTPError:
                return None
        if not answer.is_success:
            return None
        said = answer.json()
        return Standing(Status(said["status"]), said["error"], Proof(said["lines"], said["crc32"]))
