"""Which writers are dead, seen by one observer on its own monotonic clock.

A writer is dead when this observer has itself seen the same mark (writer, beat) for a whole lease, while Redis
answered throughout. An outage, a fail-over or a jumping wall clock is therefore never taken for a death.
"""

from collections.abc import Hashable, Iterable
from typing import Generic, TypeVar

Key = TypeVar("Key", bound=Hashable)
Mark = TypeVar("Mark", bound=Hashable)


class Watch(Generic[Key, Mark]):
    """Remembers since when each key has had the same mark. Times are seconds of one monotonic clock."""

    def __init__(self) -> None:
        self._seen: dict[Key, tuple[Mark, float]] = {}

    def unchanged(self, key: Key, mark: Mark, now: float) -> float:
        """For how many seconds `key` has been seen with this very mark; 0 when it is new or has changed."""
        seen = self._seen.get(key)
        if seen is None or seen[0] != mark:
            self._seen[key] = (mark, now)
            return 0.0
        return now - seen[1]

    def keep(self, keys: Iterable[Key]) -> None:
        """Forget every key but these."""
        wanted = set(keys)
        self._seen = {key: seen for key, seen in self._seen.items() if key in wanted}

    def reset(self) -> None:
        """Redis did not answer: what was seen before proves nothing."""
        self._seen.clear()
