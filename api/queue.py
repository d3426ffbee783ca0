"""Hands a deploy to the workers. RQ blocks, so it runs in a thread; the job is named by a string, not imported."""

import asyncio
from typing import Any

import redis
from redis.exceptions import RedisError
from rq import Queue
from rq.serializers import JSONSerializer

from api.errors import QueueAway
from producer.connect import connect, shown
from producer.jobs import lost_jobs
from producer.simulate import RUN_DEPLOY


class DeployQueue:
    """The queue at `url`. `timeout` is how many seconds a deploy may take."""

    def __init__(self, url: str, name: str, timeout: int) -> None:
        self._client: redis.Redis = connect(url, retries=1)
        self._where = shown(url)
        self._queue = Queue(name, connection=self._client, serializer=JSONSerializer)
        self._timeout = timeout

    async def enqueue(self, job: str, arguments: dict[str, Any]) -> None:
        """Enqueue the deploy as job id `job`. Raises QueueAway."""
        await asyncio.to_thread(self._enqueue, job, arguments)

    async def lost(self, jobs: list[str]) -> set[str]:
        """Those of the jobs that the queue no longer has, or that are over. Raises QueueAway."""
        return await asyncio.to_thread(self._lost, jobs)

    def close(self) -> None:
        """Close its connections."""
        self._client.close()

    def _lost(self, jobs: list[str]) -> set[str]:
        try:
            return lost_jobs(jobs, self._client)
        except (RedisError, OSError) as error:
            raise QueueAway(f"The job queue does not answer: {self._where} is away") from error

    def _enqueue(self, job: str, arguments: dict[str, Any]) -> None:
        try:
            self._queue.enqueue_call(
                RUN_DEPLOY,
                kwargs=arguments,
                job_id=job,
                timeout=self._timeout,
                result_ttl=0,
                failure_ttl=24 * 3600,
                description=f"{arguments['app_id']}/{arguments['deploy_id']}",
            )
        except (RedisError, OSError) as error:
            raise QueueAway(f"The job queue does not take the deploy: {self._where} is away") from error
