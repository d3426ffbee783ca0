"""Durations as counts in buckets: as much memory for a million of them as for ten."""

from collections import Counter
from collections.abc import Mapping
from math import log2

# Each bucket is 2.2 % wider than the one before it, from a microsecond to more than an hour.
_STEPS = 32  # to each doubling
_SMALLEST = 1e-6
_BUCKETS = 32 * _STEPS


class Histogram:
    """Counts of durations in seconds. What it tells of them is within 1.1 % of what was added."""

    __slots__ = ("counts",)

    def __init__(self, counts: Mapping[int, int] | None = None) -> None:
        self.counts = Counter(counts or {})

    def add(self, seconds: float) -> None:
        """One more; less than a microsecond, or less than nothing, counts as a microsecond."""
        bucket = int(log2(seconds / _SMALLEST) * _STEPS) if seconds > _SMALLEST else 0
        self.counts[min(bucket, _BUCKETS - 1)] += 1

    def __len__(self) -> int:
        return self.counts.total()

    def __add__(self, other: "Histogram") -> "Histogram":
        return Histogram(self.counts + other.counts)

    def __sub__(self, earlier: "Histogram") -> "Histogram":
        """What has been added since it was as `earlier`."""
        return Histogram(self.counts - earlier.counts)

    def percentile(self, share: float) -> float | None:
        """The duration that this share of them, from 0 to 1, does not exceed, in seconds; None where there are none."""
        left = share * len(self)
        for bucket in sorted(self.counts):
            left -= self.counts[bucket]
            if left <= 0:
                return float(_SMALLEST * 2 ** ((bucket + 0.5) / _STEPS))
        return None
