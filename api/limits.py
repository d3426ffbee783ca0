"""Bounds on how many watch at once, per process and per caller."""

from collections import Counter


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

    def slot(self, caller: str) -> "Slot":
        """A slot to hold, as a context. To enter it raises TooManyWatchers."""
        return Slot(self, caller)

    def take(self, caller: str) -> None:
        """Take a slot. Raises TooManyWatchers."""
        if self.taken >= self._total:
            raise TooManyWatchers(of_caller=False)
        if self._callers[caller] >= self._per_caller:
            raise TooManyWatchers(of_caller=True)
        self.taken += 1
        self._callers[caller] += 1

    def free(self, caller: str) -> None:
        """Give a slot back."""
        self.taken -= 1
        self._callers[caller] -= 1
        if not self._callers[caller]:
            del self._callers[caller]


class Slot:
    """Held while its context is open. A class, since a generator's frame would cost each open stream half a KB."""

    __slots__ = ("_caller", "_slots")

    def __init__(self, slots: Slots, caller: str) -> None:
        self._slots = slots
        self._caller = caller

    def __enter__(self) -> None:
        self._slots.take(self._caller)

    def __exit__(self, *_: object) -> None:
        self._slots.free(self._caller)
