"""Which writers are dead, and which deadlines over, seen by one observer on its own monotonic clock.

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


class Deadlines(Generic[Key]):
    """Deadlines on a wall clock, each carried over to one observer's monotonic clock when it is first seen.

    So a wall clock that jumps afterwards ends nothing early, and puts nothing off.
    """

    def __init__(self) -> None:
        self._seen: dict[Key, tuple[float, float]] = {}

    def passed(self, key: Key, deadline: float, now: float, wall: float) -> bool:
        """Whether `deadline` is over, `now` being the monotonic and `wall` the wall clock; all in seconds."""
        seen = self._seen.get(key)
        if seen is None or seen[0] != deadline:
            seen = self._seen[key] = (deadline, now + deadline - wall)
        return now > seen[1]

    def keep(self, keys: Iterable[Key]) -> None:
        """Forget every key but these."""
        wanted = set(keys)
        self._seen = {key: seen for key, seen in self._seen.items() if key in wanted}
