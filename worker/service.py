"""The RQ worker: N processes that run jobs, and the reaper beside them."""

import logging
import os
import signal
import threading
from collections.abc import Callable
from types import FrameType
from typing import Any

import redis
from rq import Worker
from rq.serializers import JSONSerializer
from rq.utils import import_attribute
from rq.worker_pool import WorkerPool

from producer.connect import connect
from producer.reap import Judge
from producer.simulate import RUN_DEPLOY
from producer.store import Store
from worker import catalogue
from worker.lifetime import die_with_parent
from worker.reaper import Reaper
from worker.settings import WorkerSettings

# An outage of some seconds, a restart or a fail-over, must not end a worker.
_RETRIES = 20
_WORKER_TTL_SECONDS = 30
_END_SECONDS = 7.0


class DeployWorker(Worker):
    """An RQ worker that goes with its pool, and on a stop gives its running deploy some time, then ends it."""

    stop_timeout = 10.0

    def __init__(self, *args: Any, **options: Any) -> None:
        # RQ waits up to this long for a reply that got lost; by default that is seven minutes.
        super().__init__(*args, **(options | {"worker_ttl": _WORKER_TTL_SECONDS}))

    def work(self, *args: Any, **options: Any) -> bool:
        """Work until stopped; there is nothing to schedule."""
        die_with_parent()
        return super().work(*args, **(options | {"with_scheduler": False}))

    def request_stop(self, signum: int, frame: FrameType | None) -> None:
        """Take no more jobs. A deploy that still runs after `stop_timeout` is ended as interrupted."""
        self._later(self.stop_timeout, self._end_horse, signal.SIGTERM)
        self._later(self.stop_timeout + _END_SECONDS, self._end_horse, signal.SIGKILL)
        # RQ would go on trying to tell a Redis that is gone.
        self._later(self.stop_timeout + 2 * _END_SECONDS, os._exit, 1)
        super().request_stop(signum, frame)  # type: ignore[no-untyped-call]

    def _later(self, seconds: float, act: Callable[[Any], None], argument: Any) -> None:
        timer = threading.Timer(seconds, act, [argument])
        timer.daemon = True
        timer.start()

    def _end_horse(self, number: signal.Signals) -> None:
        if self.horse_pid:
            self.kill_horse(number)  # on the first signal the job writes the deploy's end


class Pool(WorkerPool):
    """RQ's pool of worker processes, with the reaper in the process that watches over them."""

    def __init__(self, settings: WorkerSettings, queue: redis.Redis, reaper: Reaper) -> None:
        DeployWorker.stop_timeout = settings.stop_timeout
        super().__init__(
            [settings.queue],
            connection=queue,
            num_workers=settings.workers,
            worker_class=DeployWorker,
            serializer=JSONSerializer,
        )
        self._reaper = reaper

    def reap_workers(self) -> None:
        """Forget dead workers, without RQ's wait of a tenth of a second for each that lives: the reaper is next."""
        for worker in list(self.worker_dict.values()):
            if not worker.process.is_alive():
                self.handle_dead_worker(worker)

    def check_workers(self, respawn: bool = True) -> None:
        """Once a second: see to the workers, and to deploys whose worker is dead."""
        super().check_workers(respawn)
        self._reaper.step()


def run(settings: WorkerSettings, url: str) -> None:
    """Run workers until a signal comes, or with `burst` until the queue is empty. `url` is where the logs are."""
    # RQ sets its workers' level only once they work, and says a lot before.
    logging.getLogger("rq.worker").setLevel(settings.log_level.upper())
    queue = connect(settings.queue_url or url, retries=_RETRIES)
    store = Store(connect(url))
    judge = Judge(settings.lease, settings.cancel_grace, settings.queue_timeout)
    # Before the fork of each job: to import and read it all takes a job a tenth of a second.
    import_attribute(RUN_DEPLOY)
    catalogue.load()
    pool = Pool(settings, queue, Reaper(store, queue, judge))
    pool.start(burst=settings.burst, logging_level=settings.log_level.upper())
