"""Has deploys queued, or only created, and cancelled."""

import asyncio
import time
from collections.abc import Iterable

import httpx2

from producer.deploys import Limits, Request, create_deploy
from producer.errors import DeployLogError
from producer.keys import Keys
from producer.library import new_token
from producer.store import AsyncStore
from scripts.swarming.plan import Planned

_CANCEL_SECONDS = 5.0
_LIMITS = Limits()


class NotTaken(Exception):
    """A deploy was not taken; the message says why, the same for the same cause."""


class Asking:
    """Asks the service, over `http`. With a `store` a deploy is only created there, without a job: others write it."""

    def __init__(self, http: httpx2.AsyncClient, store: AsyncStore | None) -> None:
        self._http = http
        self._store = store

    async def ask(self, planned: Planned, keys: Keys, speed: float) -> None:
        """Have it queued, to be played at this speed. Raises NotTaken."""
        if self._store is not None:
            await self._create(self._store, keys)
        else:
            await self._post(planned, keys, speed)

    async def cancel(self, deploys: Iterable[Keys]) -> None:
        """Cancel these, as far as that can be done within some seconds."""
        paths = [f"/v1/apps/{keys.app}/deploys/{keys.deploy}/cancel" for keys in deploys]
        try:
            async with asyncio.timeout(_CANCEL_SECONDS):
                await asyncio.gather(*map(self._http.post, paths), return_exceptions=True)
        except TimeoutError:
            pass

    async def _create(self, store: AsyncStore, keys: Keys) -> None:
        request = Request(message="a deploy of the swarm", source="swarm")
        try:
            await store.run(create_deploy(keys, new_token(), time.time(), request, _LIMITS))
        except DeployLogError as error:
            raise NotTaken(f"a deploy could not be created: {type(error).__name__}") from error

    async def _post(self, planned: Planned, keys: Keys, speed: float) -> None:
        simulate: dict[str, str | int | float] = {"scenario": planned.scenario, "seed": planned.seed, "speed": speed}
        if planned.fault is not None:
            simulate["fault"] = planned.fault
        body = {"deploy_id": keys.deploy, "message": "a deploy of the swarm", "simulate": simulate}
        try:
            answer = await self._http.post(f"/v1/apps/{keys.app}/deploy", json=body)
        except httpx2.HTTPError as error:
            raise NotTaken(f"asking for a deploy met {type(error).__name__}") from error
        if answer.status_code != 202:
            raise NotTaken(f"asking for a deploy was answered with HTTP {answer.status_code}")
