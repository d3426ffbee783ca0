"""What enters and leaves the HTTP API, as pydantic models."""

import json
from datetime import UTC, datetime
from enum import StrEnum
from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field

from producer.deploys import Request
from producer.keys import ID_PATTERN, Keys
from producer.simulate import ScenarioName
from producer.state import State
from producer.status import Status

Identifier = Annotated[str, Field(pattern=ID_PATTERN)]


class ErrorDetail(BaseModel):
    """Error detail model."""

    message: str = Field(description="Human-readable error message")
    type: str = Field(description="Stable error type identifier (machine-readable)")
    code: str | None = Field(None, description="Optional error code")
    details: dict[str, Any] | None = Field(None, description="Optional structured details (IDs, limits, etc.)")


class ErrorResponse(BaseModel):
    """The shape of every error but 422."""

    success: bool = False
    status: int = Field(description="HTTP status code")
    error: ErrorDetail


class Environment(StrEnum):
    """Where a deploy goes to."""

    STAGING = "staging"
    PRODUCTION = "production"


class Simulate(BaseModel):
    """What the simulator plays. The same seed gives the same lines and delays; speed 0 waits for nothing."""

    model_config = ConfigDict(extra="forbid")

    scenario: ScenarioName = "succeeds"
    seed: int = Field(0, ge=0, lt=2**63)
    speed: float = Field(1.0, ge=0, le=1_000_000, allow_inf_nan=False)


class DeployRequest(BaseModel):
    """A deploy to be queued. What a client of the service that this one stands in for sends besides is ignored."""

    environment: Environment = Environment.PRODUCTION
    message: str | None = Field(None, max_length=1_000)
    deploy_id: Identifier | None = Field(None, description="A random one unless given.")
    simulate: Simulate = Field(default_factory=Simulate)


class DeployQueued(BaseModel):
    """A deploy that was queued."""

    app_id: str
    deploy_id: str
    status: Status
    environment: Environment
    message: str | None


class Deploy(BaseModel):
    """A deploy. Times are ISO 8601, in UTC."""

    app_id: str
    deploy_id: str
    status: Status
    environment: str | None
    source: str | None
    message: str | None
    queued_at: datetime
    queued_by: str | None
    started_at: datetime | None
    finished_at: datetime | None
    error: str | None
    detail: str | None
    lines: int
    crc32: int
    last_seq: int
    first_seq: int
    simulate: Simulate | None


class DeployList(BaseModel):
    """An app's deploys, newest first."""

    deploys: list[Deploy]


class Cancelled(BaseModel):
    """A cancel that was taken on: a queued deploy has ended, a building one is asked to stop."""

    app_id: str
    deploy_id: str
    status: Status


def deploy(keys: Keys, state: State) -> Deploy:
    """A deploy as the API shows it."""
    return Deploy(
        app_id=keys.app,
        deploy_id=keys.deploy,
        status=state.status,
        environment=state.environment,
        source=state.source,
        message=state.message,
        queued_at=_time(state.queued_at),
        queued_by=state.queued_by,
        started_at=None if state.started_at is None else _time(state.started_at),
        finished_at=None if state.finished_at is None else _time(state.finished_at),
        error=state.error,
        detail=state.detail,
        lines=state.proof.lines,
        crc32=state.proof.crc32,
        last_seq=state.seq,
        first_seq=state.first_seq,
        simulate=_simulate(state.simulate),
    )


def request(body: DeployRequest, job: str, queued_by: str | None) -> Request:
    """What is stored of a request."""
    return Request(
        environment=body.environment,
        message=body.message,
        source="api",
        queued_by=queued_by,
        job=job,
        simulate=body.simulate.model_dump_json(),
    )


def _time(seconds: float) -> datetime:
    return datetime.fromtimestamp(seconds, UTC)


def _simulate(stored: str | None) -> Simulate | None:
    try:
        return None if stored is None else Simulate.model_validate(json.loads(stored))
    except ValueError:
        return None  # another version's scenario: show the deploy all the same
