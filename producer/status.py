"""The statuses of a deploy and the only transitions between them.

    queued ──▶ building ──▶ complete | failed | cancelled
       └─────────────────────────────▶ failed | cancelled

No lines while queued, progress while building; the last line of a finished deploy is "Deploy complete!" or
"Deploy failed: <reason>". A terminal status is never left.
"""

from enum import StrEnum


class Status(StrEnum):
    """Where a deploy stands; the value is the word on the wire and in Redis."""

    QUEUED = "queued"
    BUILDING = "building"
    COMPLETE = "complete"
    FAILED = "failed"
    CANCELLED = "cancelled"

    @property
    def terminal(self) -> bool:
        """Whether nothing can follow."""
        return not TRANSITIONS[self]


TRANSITIONS: dict[Status, frozenset[Status]] = {
    Status.QUEUED: frozenset({Status.BUILDING, Status.FAILED, Status.CANCELLED}),
    Status.BUILDING: frozenset({Status.COMPLETE, Status.FAILED, Status.CANCELLED}),
    Status.COMPLETE: frozenset(),
    Status.FAILED: frozenset(),
    Status.CANCELLED: frozenset(),
}


def last_line(status: Status, reason: str | None = None) -> str:
    """The documented last line of a deploy that ends as `status`.

    Raises ValueError for a status that is not terminal.
    """
    if status is Status.COMPLETE:
        return "Deploy complete!"
    if status is Status.CANCELLED:
        return "Deploy failed: cancelled"
    if status is Status.FAILED:
        return f"Deploy failed: {reason or 'unknown reason'}"
    raise ValueError(f"{status} is not the end of a deploy")
