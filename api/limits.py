"""Bounds on how many watch at once, per process and per caller."""

from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager


class TooManyWatchers(Exception):
    """A bound on watchers is reached. `of_caller`: the caller's own, not the whole process's."""

    def __init__(self, *, of_caller: bool) -> None:
        self.of_caller = of_caller
        whose = "from your address" if of_caller else "on this server"
        super().__init__(f"too many streams are open {whose}: try again later")


class Slots:
    """Counts who watches. `caller` is whatever tells callers apart, say an address."""

    def __init__(self, total: int, per_caller: int) -> None:
        self._total = total
        self._per_caller = per_caller
        self._callers: Counter[str] = Counter()
        self.taken = 0

    @contextmanager
    def slot(self, caller: str) -> Iterator[None]:
        """Hold one slot. Raises TooManyWatchers."""
        if self.taken >= self._total:
            raise TooManyWatchers(of_caller=False)
        if self._callers[caller] >= self._per_caller:
            raise TooManyWatchers(of_caller=True)
        self.taken += 1
        self._callers[caller] += 1
        try:
            yield
        finally:
            self.taken -= 1
            self._callers[caller] -= 1
            if not self._callers[caller]:
                del self._callers[caller]
