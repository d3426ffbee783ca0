"""The settings of the worker."""

from typing import Literal

from pydantic import Field

from producer.reap import CANCEL_GRACE_SECONDS, LEASE_SECONDS, QUEUE_TIMEOUT_SECONDS
from producer.settings import Settings


class WorkerSettings(Settings):
    """The worker that runs simulated deploys, and ends deploys whose worker is dead."""

    workers: int = Field(1, ge=1, le=256, description="deploys that run at the same time, each in a process")
    burst: bool = Field(False, description="stop when the queue is empty")
    stop_timeout: float = Field(
        10.0, ge=0, description="seconds a running deploy has to finish when the worker is stopped"
    )
    lease: float = Field(LEASE_SECONDS, gt=0, description="seconds of silence after which a writer is dead")
    cancel_grace: float = Field(CANCEL_GRACE_SECONDS, ge=0, description="seconds a job has to stop after a cancel")
    queue_timeout: float = Field(QUEUE_TIMEOUT_SECONDS, ge=0, description="seconds a deploy may be queued; 0: for ever")
    log_level: Literal["debug", "info", "warning", "error"] = Field("info", description="debug, info, warning or error")
