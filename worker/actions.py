"""What a simulated deploy does, one action after the other, in its own time."""

from collections.abc import Generator
from typing import NamedTuple, TypeAlias


class Line(NamedTuple):
    """A line, and how many milliseconds pass before it, at speed 1.

    Bytes that are not UTF-8 stand in `text` as lone surrogates (PEP 383); a line break in it is data.
    """

    delay_ms: int
    text: str
    step: str | None = None
    stream: str = "stdout"
    level: str | None = None


class Part(NamedTuple):
    """A piece of raw output, which may hold any number of line ends, and may end in the middle of a line."""

    delay_ms: int
    data: bytes
    step: str | None = None
    stream: str = "stdout"
    level: str | None = None


class Cancel(NamedTuple):
    """Somebody cancels the deploy."""

    delay_ms: int


class Crash(NamedTuple):
    """The worker dies, as a process that is killed does."""

    delay_ms: int


class End(NamedTuple):
    """How the deploy ends by itself: complete where there is no `reason`, failed with one. `detail` says more."""

    reason: str | None = None
    detail: str | None = None


Action: TypeAlias = Line | Part | Cancel | Crash
Play: TypeAlias = Generator[Action, None, End]
