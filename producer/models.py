"""The events as models, for what is published in a schema. The per-line path does not use them."""

from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field

from producer.status import Status

Seq = Annotated[int, Field(ge=1, description="Sequence number in the deploy's log, from 1, without holes.")]
Ts = Annotated[float, Field(description="Unix seconds at which the writer accepted the event.")]


class LogEvent(BaseModel):
    """An unnamed event: one line of the log."""

    seq: Seq
    ts: Ts
    line: str
    stream: Literal["stdout", "stderr", "system"] | None = None
    level: str | None = None
    step: str | None = None


class StatusEvent(BaseModel):
    """`event: status`: a change of status. The terminal one carries the proof of the whole log."""

    seq: Seq
    ts: Ts
    status: Status
    reason: str | None = None
    detail: str | None = None
    lines: int | None = Field(None, ge=0, description="Number of log lines of the deploy.")
    crc32: int | None = Field(
        None, ge=0, lt=2**32, description="CRC-32 over each line's UTF-8 text and a newline, in order."
    )


class GapEvent(BaseModel):
    """`event: gap`: events that this watcher will not get."""

    model_config = ConfigDict(populate_by_name=True)

    first: int = Field(alias="from", description="First seq that is missing.")
    to: int | None = Field(description="Last seq that is missing; null where the end is unknown.")
    reason: Literal["trimmed", "lagged", "lost"]
