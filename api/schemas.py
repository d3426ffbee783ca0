"""What enters and leaves the HTTP API, as pydantic models."""

import json
from datetime import UTC, datetime
from enum import StrEnum
from typing import Annotated, Any, Literal, Self

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, ValidationError, model_validator
from pydantic_core import InitErrorDetails, PydanticCustomError

from producer.deploys import Request
from producer.keys import ID_PATTERN, Keys
from producer.simulate import (
    MAX_DEFINITION_CHARACTERS,
    MAX_RECORDING_CHARACTERS,
    MAX_SEED,
    MAX_SPEED,
    MIN_SPEED,
    STEPS,
    FaultKind,
    ScenarioName,
)
from producer.state import State
from producer.status import Status


def _speed(value: float) -> float:
    if 0 < value < MIN_SPEED:
        raise PydanticCustomError("speed", "Input should be 0, or at least {least}", {"least": MIN_SPEED})
    return value


Identifier = Annotated[str, Field(pattern=ID_PATTERN)]
Speed = Annotated[float, Field(ge=0, le=MAX_SPEED, allow_inf_nan=False), AfterValidator(_speed)]


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


class Pace(BaseModel):
    """How it is played. The same seed gives the same lines and delays; speed 0 waits for nothing."""

    model_config = ConfigDict(extra="forbid")

    seed: int = Field(0, ge=0, le=MAX_SEED)
    speed: Speed = 1.0
    max_idle: float | None = Field(
        None, ge=0, le=86_400, allow_inf_nan=False, description="No pause is longer, in seconds."
    )
    fail_at: Identifier | None = Field(None, description="The step that goes wrong; by default one that can.")
    fault: FaultKind | None = Field(None, description="How it goes wrong; by default as the step `fail_at` can.")


class Simulate(Pace):
    """What the simulator plays: a scenario by its name, or the text of a scenario file or of a recording."""

    scenario: ScenarioName | None = Field(None, description="By default `static`.")
    definition: str | None = Field(
        None,
        min_length=1,
        max_length=MAX_DEFINITION_CHARACTERS,
        description="A scenario file of your own (YAML). "
        "It is read when the deploy starts: one with a mistake fails as `invalid_scenario`, and its log says why.",
    )
    recording: str | None = Field(
        None,
        min_length=1,
        max_length=MAX_RECORDING_CHARACTERS,
        description="An asciicast, or a log with or without time stamps. "
        "It is read when the deploy starts: one that cannot be played fails as `invalid_recording`.",
    )

    @model_validator(mode="after")
    def _one(self) -> Self:
        given = [name for name in ("scenario", "definition", "recording") if getattr(self, name) is not None]
        if len(given) > 1:
            raise PydanticCustomError("too_many", "give one of {names}", {"names": " and ".join(given)})
        if self.recording is not None and (self.fail_at or self.fault):
            raise PydanticCustomError("recording", "a recording goes as it went: leave out fail_at and fault")
        if not given:
            self.scenario = "static"
        if self.scenario and self.fail_at and self.fail_at not in STEPS[self.scenario]:
            raise _no_step(self.scenario, self.fail_at)
        return self


class Simulated(Pace):
    """What a deploy plays. A scenario file or recording of its caller's own is not shown."""

    plays: Literal["scenario", "definition", "recording"]
    scenario: ScenarioName | None = None


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
    simulate: Simulated | None


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
        simulate=_shown(state.simulate),
    )


def request(body: DeployRequest, job: str, queued_by: str | None) -> Request:
    """What is stored of a request."""
    return Request(
        environment=body.environment,
        message=body.message,
        source="api",
        queued_by=queued_by,
        job=job,
        simulate=_simulated(body.simulate).model_dump_json(),
    )


def _no_step(scenario: ScenarioName, step: str) -> ValidationError:
    """An error of the field, which a validator of the whole model cannot raise otherwise."""
    said = PydanticCustomError(
        "no_such_step",
        "scenario {scenario} has no step '{step}', but {steps}",
        {"scenario": scenario, "step": step, "steps": ", ".join(STEPS[scenario])},
    )
    return ValidationError.from_exception_data("Simulate", [InitErrorDetails(type=said, loc=("fail_at",), input=step)])


def _time(seconds: float) -> datetime:
    return datetime.fromtimestamp(seconds, UTC)


def _simulated(wanted: Simulate) -> Simulated:
    plays: Literal["scenario", "definition", "recording"] = (
        "definition" if wanted.definition is not None else "recording" if wanted.recording is not None else "scenario"
    )
    return Simulated(plays=plays, **wanted.model_dump(exclude={"definition", "recording"}))


def _shown(stored: str | None) -> Simulated | None:
    try:
        return None if stored is None else Simulated.model_validate(json.loads(stored))
    except ValueError:
        return None  # another version's scenario: show the deploy all the same
