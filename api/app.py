"""The application: the only place that wires its parts."""

import asyncio
import gc
import logging
import signal
from collections.abc import AsyncIterator, Coroutine
from contextlib import asynccontextmanager

from fastapi import FastAPI

from api import deploys, errors, health, logs
from api.front import Application
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

log = logging.getLogger(__name__)

_STORE_CONNECTIONS = 16


def create_app(settings: ApiSettings | None = None) -> FastAPI:
    """The service with these settings, by default those of the environment.

    Raises InvalidAddress, and NoAddress where no Redis is named.
    """
    settings = settings or ApiSettings()
    url = redis_url(settings.redis_url)
    store = AsyncStore(connect_async(url, connections=_STORE_CONNECTIONS, retries=1))
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
        background = (
            services.hub.run(),
            services.watchers.tick(),
            sweep(services.hub, store, judge, new_token, services.queue.lost),
        )
        async with running(*background):
            # Thousands of long-lived streams would be walked again and again by a full collection.
            gc.freeze()
            gc.set_threshold(50_000, 20, 50)
            yield
        await services.hub.close()
        services.queue.close()
        await store.client.aclose()

    app = Application(
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


@asynccontextmanager
async def running(*background: Coroutine[None, None, None]) -> AsyncIterator[None]:
    """Run these for as long as the context is open. Should one fail, the process is stopped: it cannot serve."""

    def ended(task: asyncio.Task[None]) -> None:
        if not task.cancelled() and task.exception() is not None:
            log.critical("a part of the service has crashed", exc_info=task.exception())
            signal.raise_signal(signal.SIGTERM)

    tasks = [asyncio.ensure_future(part) for part in background]
    for task in tasks:
        task.add_done_callback(ended)
    try:
        yield
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
