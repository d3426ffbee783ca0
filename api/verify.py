"""What a reader can prove of the log that it has got: every event once and in order, or an honest gap in its place."""

from dataclasses import dataclass, field
from typing import Any

from producer.proof import Proof
from producer.status import Status


@dataclass(slots=True)
class Verifier:
    """Takes the events of one log as they come, over all reconnects, and judges them at the end.

    `status` is the terminal one, None until it has come. `missing` counts the events of each gap, by its reason;
    `vanished` says that a gap without an end was told. `flaw` names the first thing that breaks the promise.
    """

    status: Status | None = None
    reason: str | None = None
    proof: Proof = field(default_factory=Proof)
    last: int = 0
    missing: dict[str, int] = field(default_factory=dict)
    vanished: bool = False
    flaw: str | None = None
    _taken_back: bool = False

    def line(self, event: dict[str, Any]) -> None:
        """A log line has come."""
        self._next(event["seq"])
        self.proof = self.proof.add(event["line"])

    def changed(self, event: dict[str, Any]) -> None:
        """A status change has come."""
        status = Status(event["status"])
        # Who knew more than the log that has ended is told its end again, in its place.
        if not (status.terminal and self._taken_back and event["seq"] == self.last):
            self._next(event["seq"])
        if not status.terminal:
            return
        self.status, self.reason = status, event.get("reason")
        told = Proof(event.get("lines", -1), event.get("crc32", -1))
        if not self.missing and told != self.proof:
            self._flawed(
                f"got {self.proof.lines:,} lines with checksum {self.proof.crc32}, "
                f"but the deploy wrote {told.lines:,} with {told.crc32}"
            )

    def gap(self, event: dict[str, Any]) -> None:
        """A gap has come."""
        first, to, reason = event["from"], event["to"], event["reason"]
        if to is None:
            self.vanished = True
            self.missing.setdefault(reason, 0)
            return
        if first > self.last + 1:
            self._flawed(f"events {self.last + 1:,} to {first - 1:,} are missing without a word")
        self.missing[reason] = self.missing.get(reason, 0) + to - first + 1
        # After a fail-over the gap takes back what was sent, and the log goes on behind its start.
        self._taken_back = first <= self.last
        self.last = first - 1 if self._taken_back else to

    @property
    def whole(self) -> bool:
        """Whether the log is proven to be whole, or says honestly what it lacks."""
        return self.flaw is None and self.status is not None

    def summary(self) -> str:
        """One line for a person: "complete: 1,204 lines, verified", or what is missing."""
        if self.status is None:
            how = "vanished from the store" if self.vanished else "has no end"
            return f"the deploy {how}: how it ended is not known"
        text = f"{self.status}: {self.proof.lines:,} line{'' if self.proof.lines == 1 else 's'}"
        if self.flaw is not None:
            return f"{text}, NOT WHOLE: {self.flaw}"
        if self.missing:
            named = ", ".join(
                f"{count:,} event{'' if count == 1 else 's'} {reason}" for reason, count in self.missing.items()
            )
            return f"{text}; {named}, not verifiable"
        return f"{text}, verified"

    def _next(self, seq: int) -> None:
        if seq <= self.last:
            self._flawed(f"event {seq:,} came twice or out of order")
        elif seq > self.last + 1:
            self._flawed(f"events {self.last + 1:,} to {seq - 1:,} are missing without a word")
        self.last = seq

    def _flawed(self, flaw: str) -> None:
        self.flaw = self.flaw or flaw
