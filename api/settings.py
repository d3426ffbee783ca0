"""The settings of the service."""

from pydantic import Field

from producer.reap import CANCEL_GRACE_SECONDS, LEASE_SECONDS, QUEUE_TIMEOUT_SECONDS
from producer.settings import Settings


class ApiSettings(Settings):
    """The service that streams the logs."""

    host: str = Field("127.0.0.1", description="address to listen on")
    port: int = Field(8400, ge=0, le=65535, description="port to listen on; 0 takes a free one")
    processes: int = Field(1, ge=1, le=64, description="how many processes serve the port")
    max_watchers: int = Field(10_000, ge=1, description="open streams of this process")
    max_watchers_per_caller: int = Field(2_000, ge=1, description="open streams of one address")
    memory: int = Field(256 * 1024 * 1024, ge=1024 * 1024, description="bytes of log held in memory")
    lease: float = Field(LEASE_SECONDS, gt=0, description="seconds of silence after which a writer is dead")
    cancel_grace: float = Field(CANCEL_GRACE_SECONDS, ge=0, description="seconds a job has to stop after a cancel")
    queue_timeout: float = Field(QUEUE_TIMEOUT_SECONDS, ge=0, description="seconds a deploy may be queued; 0: for ever")
    job_timeout: int = Field(3600, ge=1, description="seconds a deploy may take")
    log_level: str = Field("info", description="debug, info, warning or error")
