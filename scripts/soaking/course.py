"""The course of a soak: quiet at first, then with hostile watchers, then with faults as well; and so on, to its end."""

import time

QUIET, HOSTILE, FAULTS, ENDING = "quiet", "hostile watchers", "faults", "ending"

_CYCLE_SECONDS = 60.0
_PHASES = ((QUIET, 0.2), (HOSTILE, 0.4), (FAULTS, 1.0))  # and the share of a cycle after which each is over
_NO_NEW_SECONDS = 4.0


class Course:
    """Tells what runs now. A run of less than a cycle is one short cycle."""

    def __init__(self, seconds: float) -> None:
        self._seconds = seconds
        self._began = time.monotonic()
        self.stopping = False

    @property
    def elapsed(self) -> float:
        """Seconds since it began."""
        return time.monotonic() - self._began

    @property
    def phase(self) -> str:
        """What runs now."""
        return ENDING if self.stopping or self.elapsed >= self._seconds else self._now()[0]

    @property
    def left(self) -> float:
        """Seconds until another phase."""
        return self._now()[1]

    def calm(self) -> bool:
        """Whether hostile watchers have to behave."""
        return self.stopping or self.phase == QUIET

    @property
    def closing(self) -> bool:
        """Whether nothing new is to be begun, so that all can come to its end."""
        return self.elapsed > self._seconds - _NO_NEW_SECONDS

    def _now(self) -> tuple[str, float]:
        cycle = min(_CYCLE_SECONDS, self._seconds)
        at = self.elapsed % cycle
        return next((name, end * cycle - at) for name, end in _PHASES if at < end * cycle)
