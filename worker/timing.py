"""How long things take: spans of time that are drawn, in whole milliseconds, and the pace of lines.

A span is written `120` or `120ms`, `1.5s`, `2m`; `50..200ms` is drawn evenly between the two; `20..80..3000` mostly
lies between the first two, and has a slow tail that reaches the third. Only additions and multiplications are done on
drawn numbers: these are exact to the last bit on every machine.
"""

import re
from random import Random
from typing import Any

from pydantic import BaseModel, ConfigDict, GetCoreSchemaHandler
from pydantic_core import CoreSchema, core_schema

from worker.words import quoted

_UNITS = {"ms": 1, "s": 1_000, "m": 60_000, "h": 3_600_000}
_SPAN = re.compile(r"([0-9]{1,9})(?:\.([0-9]{1,3}))?(ms|s|m|h)?")
_LONGEST_MS = 24 * 3_600_000


class Span:
    """A span of time to be drawn."""

    def __init__(self, source: str) -> None:
        """Raises ValueError."""
        ends = source.replace(" ", "").split("..")
        found = [_SPAN.fullmatch(end) for end in ends]
        if not 1 <= len(ends) <= 3 or None in found:
            raise ValueError(f"{quoted(source)} is not a span of time: write 120, 50..200ms, 1.5s, 2m, or 20..80..3000")
        unit = ""
        values: list[int] = []
        for end in reversed([each for each in found if each]):
            unit = end[3] or unit or "ms"
            thousandths = int(end[1]) * 1000 + int((end[2] or "").ljust(3, "0"))
            values.insert(0, thousandths * _UNITS[unit] // 1000)
        if values != sorted(values):
            raise ValueError(
                f"{quoted(source)}: the shorter time comes first; without a unit a time has that of the next"
            )
        if values[-1] > _LONGEST_MS:
            raise ValueError(f"{quoted(source)}: no more than 24h")
        self._values = values

    def draw(self, rng: Random) -> int:
        """So many milliseconds."""
        if len(self._values) == 1:
            return self._values[0]
        if len(self._values) == 2:
            low, high = self._values
            return low + int(rng.random() * (high - low + 1))
        low, usual, high = self._values
        drawn = rng.random() * 2
        if drawn < 1:
            return low + int(drawn * (usual - low + 1))
        share = drawn - 1  # to its fourth power: half of these stay within a sixteenth of the way to the longest
        return usual + int(share * share * share * share * (high - usual + 1))

    @classmethod
    def __get_pydantic_core_schema__(cls, _source: Any, _handler: GetCoreSchemaHandler) -> CoreSchema:
        return core_schema.no_info_after_validator_function(cls, core_schema.str_schema())


class Count:
    """A number of things to be drawn: `12` or `3..9`."""

    def __init__(self, source: str) -> None:
        """Raises ValueError."""
        found = re.fullmatch(r"([0-9]{1,6})(?:\.\.([0-9]{1,6}))?", source.replace(" ", ""))
        if not found or int(found[1]) < 1 or int(found[2] or found[1]) < int(found[1]):
            raise ValueError(f"{quoted(source)} is not a count: write 12 or 3..9")
        self._low, self._high = int(found[1]), int(found[2] or found[1])

    def draw(self, rng: Random) -> int:
        """So many."""
        return self._low + int(rng.random() * (self._high - self._low + 1))

    @classmethod
    def __get_pydantic_core_schema__(cls, _source: Any, _handler: GetCoreSchemaHandler) -> CoreSchema:
        return core_schema.no_info_after_validator_function(cls, core_schema.str_schema())


class Bursts(BaseModel):
    """Lines that come in bursts: so many `burst`, `within` between them, then a pause of `gap`."""

    model_config = ConfigDict(extra="forbid", arbitrary_types_allowed=True)

    burst: Count
    gap: Span
    within: Span = Span("0")


class Pacer:
    """Gives the time before each next line."""

    def __init__(self, pace: Span | Bursts, rng: Random) -> None:
        self.pace = pace
        self._rng = rng
        self._left = 0

    def next(self) -> int:
        """Milliseconds before the next line."""
        if isinstance(self.pace, Span):
            return self.pace.draw(self._rng)
        if self._left == 0:
            self._left = self.pace.burst.draw(self._rng) - 1
            return self.pace.gap.draw(self._rng)
        self._left -= 1
        return self.pace.within.draw(self._rng)
