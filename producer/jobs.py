"""Whether the RQ jobs of deploys can still come to run."""

from collections.abc import Sequence

import redis
from rq import Queue
from rq.job import Job, JobStatus
from rq.serializers import JSONSerializer

_WAITS = {JobStatus.CREATED, JobStatus.QUEUED, JobStatus.STARTED, JobStatus.DEFERRED, JobStatus.SCHEDULED}


def lost_jobs(jobs: Sequence[str], client: redis.Redis) -> set[str]:
    """Those of the job ids that the queue no longer has, or that are over. Raises RedisError, OSError."""
    found = Job.fetch_many(jobs, connection=client, serializer=JSONSerializer)
    status = {job: job.get_status(refresh=False) for job in found if job is not None}
    kept = [job for job in status if status[job] in _WAITS]
    # A worker that dies right after it has taken a job leaves it as queued, but in no queue.
    origins = {job.origin for job in kept if status[job] is JobStatus.QUEUED}
    queues = [Queue(origin, connection=client, serializer=JSONSerializer) for origin in origins]
    queued = {job for queue in queues for job in queue.get_job_ids()}
    return set(jobs) - {job.id for job in kept if status[job] is not JobStatus.QUEUED or job.id in queued}
