"""The application: the only place that wires its parts."""

import asyncio
import gc
import signal
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from fastapi import FastAPI

from api import deploys, errors, health, logs
from api.hub import Hub
from api.limits import Slots
from api.openapi import publish_events
from api.queue import DeployQueue
from api.services import Services
from api.settings import ApiSettings
from api.sweep import sweep
from api.watcher import Watchers
from producer.connect import connect_async, redis_url
from producer.library import new_token
from producer.reap import Judge
from producer.store import AsyncStore

_STORE_CONNECTIONS = 16


def create_app(settings: ApiSettings | None = None) -> FastAPI:
    """The service with these settings, by default those of the environment.

    Raises InvalidAddress where no Redis is named.
    """
    settings = settings or ApiSettings()
    url = redis_url(settings.redis_url)
    store = AsyncStore(connect_async(url, retries=1, max_connections=_STORE_CONNECTIONS))
    services = Services(
        settings=settings,
        store=store,
        queue=DeployQueue(settings.queue_url or url, settings.queue, settings.job_timeout),
        hub=Hub(store, url, settings.memory),
        watchers=Watchers(),
        slots=Slots(settings.max_watchers, settings.max_watchers_per_caller),
    )

    @asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncIterator[None]:
        judge = Judge(settings.lease, settings.cancel_grace, settings.queue_timeout)
        async with services.hub.running(lambda: signal.raise_signal(signal.SIGTERM)):
            clock = asyncio.ensure_future(services.watchers.tick())
            sweeper = asyncio.ensure_future(sweep(services.hub, store, judge, new_token, services.queue.lost))
            # Thousands of long-lived streams would be walked again and again by a full collection.
            gc.freeze()
            gc.set_threshold(50_000, 20, 50)
            yield
            clock.cancel()
            sweeper.cancel()
            await asyncio.gather(clock, sweeper, return_exceptions=True)
        services.queue.close()
        await store.client.aclose()

    app = FastAPI(
        title="deploytail",
        version="0.1.0",
        summary="Streams the log of a deploy while it runs, and replays it when it is over.",
        lifespan=lifespan,
    )
    app.state.services = services
    app.include_router(logs.router)
    app.include_router(deploys.router)
    app.include_router(health.router)
    errors.install(app)
    publish_events(app)
    return app
