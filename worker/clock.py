"""The time inside a simulated deploy, in milliseconds: it goes only as far as it is told."""

from collections.abc import Callable
from datetime import date
from random import Random

_DAY_S = 24 * 3600
_LAST_DAY = date.max.toordinal()


class Clock:
    """Time since the deploy began, the same as time of a day that is drawn, and time since the step began."""

    def __init__(self, rng: Random) -> None:
        self.now = 0
        self._day = date(2026, 3, 1).toordinal() + int(rng.random() * 28)
        self._begun_s = int(rng.random() * _DAY_S)
        self._step = 0
        self._stop_at, self._stop = 0, 0

    def begin_step(self) -> None:
        """A step begins now."""
        self._step = self.now

    def turn_back(self, now: int, *, stop_at: int, stop: int) -> None:
        """Show `now` again; from `stop_at` on, show that `stop` milliseconds went by there."""
        self.now, self._stop_at, self._stop = now, stop_at, stop

    def fork(self) -> "Clock":
        """A clock that shows the same, and goes on by itself."""
        clock = object.__new__(Clock)
        clock.__dict__ |= self.__dict__
        return clock

    def text(self, name: str) -> str | None:
        """What the built-in value `name` shows now; None where it is not one of the clock's."""
        now = self.now + (self._stop if self.now >= self._stop_at else 0)
        since = now - self._step
        seconds = self._begun_s + now // 1000
        shown: dict[str, Callable[[], str]] = {
            "clock": lambda: f"{seconds // 3600 % 24:02}:{seconds // 60 % 60:02}:{seconds % 60:02}",
            "date": lambda: date.fromordinal(min(self._day + seconds // _DAY_S, _LAST_DAY)).isoformat(),
            "elapsed": lambda: f"{since // 1000}.{since % 1000 // 10:02}",
            "elapsed_s": lambda: str(since // 1000),
            "elapsed_ms": lambda: str(since),
            "elapsed_go": lambda: _go(since // 1000),
            "total_s": lambda: str(now // 1000),
            "total_go": lambda: _go(now // 1000),
        }
        return shown[name]() if name in shown else None


def _go(seconds: int) -> str:
    """`1h2m3s`, `2m10s`, `7s`."""
    hours, minutes = seconds // 3600, seconds // 60 % 60
    shown = f"{hours}h" if hours else ""
    shown += f"{minutes}m" if hours or minutes else ""
    return f"{shown}{seconds % 60}s"
