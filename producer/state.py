"""What Redis knows of a deploy besides its events."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from producer.errors import StoreCorrupt
from producer.proof import Proof
from producer.status import Status

BUILDING_SEQ = 2  # right after `queued`


@dataclass(frozen=True, slots=True)
class State:
    """The state hash of a deploy. Times are Unix seconds.

    `seq` is the last event's, `first_seq` that of the oldest cached one. `writer` and `beat` are what a dead writer is
    known by; `cancel` is when somebody asked for a cancel; `deadline` is when a queued deploy has to have started,
    or a building one to be over, by the clock of Redis.
    """

    status: Status
    seq: int
    first_seq: int
    proof: Proof
    created_by: str
    queued_at: float
    writer: str = ""
    beat: str = ""
    cancel: float | None = None
    deadline: float | None = None
    started_at: float | None = None
    finished_at: float | None = None
    error: str | None = None
    detail: str | None = None
    environment: str | None = None
    message: str | None = None
    source: str | None = None
    queued_by: str | None = None
    job: str | None = None
    simulate: str | None = None

    @property
    def sure_lines(self) -> range:
        """The seqs of events that can be nothing but log lines, as far as the number of all lines tells.

        That is all between `queued`, `building` and the end of a deploy that has had no other status change.
        """
        end = int(self.status.terminal)
        changes = self.seq - self.proof.lines
        return range(BUILDING_SEQ + 1, self.seq - end + 1) if changes == BUILDING_SEQ + end else range(0)


@dataclass(frozen=True, slots=True)
class Snapshot:
    """One atomic read: the state and the raw events after some seq. `time` is the clock of Redis, in seconds."""

    state: State
    events: list[bytes] = field(default_factory=list)
    time: float = 0.0


def parse_state(raw: Mapping[bytes, bytes]) -> State:
    """The state in a hash as Redis returns it. Raises StoreCorrupt."""
    fields = {key.decode("utf-8", "replace"): value.decode("utf-8", "replace") for key, value in raw.items()}

    def number(name: str) -> float | None:
        return float(fields[name]) if name in fields else None

    try:
        return State(
            status=Status(fields["status"]),
            seq=int(fields["seq"]),
            first_seq=int(fields["first_seq"]),
            proof=Proof(int(fields["lines"]), int(fields["crc32"])),
            created_by=fields["created_by"],
            queued_at=float(fields["queued_at"]),
            writer=fields.get("writer", ""),
            beat=fields.get("beat", ""),
            cancel=number("cancel"),
            deadline=number("deadline"),
            started_at=number("started_at"),
            finished_at=number("finished_at"),
            **{name: fields.get(name) for name in _TEXTS},
        )
    except (KeyError, ValueError) as error:
        raise StoreCorrupt(f"the state of the deploy cannot be read: {error!r}") from error


_TEXTS = ("error", "detail", "environment", "message", "source", "queued_by", "job", "simulate")
