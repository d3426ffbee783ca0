"""The pace of a replay: how long to wait between the frames of a finished deploy."""

import re

_TS = re.compile(rb'^data: \{"seq":\d+,"ts":([0-9.]+),("status":"(queued|building)")?', re.MULTILINE)


class Pace:
    """Waits between events at `speed` times the recorded pace, none longer than `max_idle` seconds.

    The clock starts with `building`: how long the deploy was queued is not played.
    """

    def __init__(self, speed: float, max_idle: float | None = None) -> None:
        self._speed = speed
        self._max_idle = max_idle
        self._at: float | None = None

    def wait(self, frame: bytes) -> float:
        """How many seconds to wait before this frame. A backward `ts` counts as no wait."""
        match = _TS.search(frame)
        if match is None:
            return 0.0
        ts, before = float(match[1]), self._at
        if match[3]:
            self._at = ts
            return 0.0
        self._at = ts if before is None else max(before, ts)
        if before is None:
            return 0.0
        pause = max(0.0, ts - before) / self._speed
        return pause if self._max_idle is None else min(pause, self._max_idle)
