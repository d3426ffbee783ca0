"""What a simulated deploy does, one action after the other, in its own time."""

import re
from collections.abc import Generator, Iterator
from typing import Generic, NamedTuple, TypeAlias, TypeVar

from producer.status import Status

T = TypeVar("T")
R = TypeVar("R")


class Line(NamedTuple):
    """A line, and how many milliseconds pass before it, at speed 1.

    Bytes that are not UTF-8 stand in `text` as lone surrogates (PEP 383); a line break in it is data. `omitted` is how
    many bytes were left out at the end of an over-long line.
    """

    delay_ms: int
    text: str
    step: str | None = None
    stream: str = "stdout"
    level: str | None = None
    omitted: int = 0


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
    """How the deploy ends by itself: complete where there is no `reason`, failed with one. `detail` says more.

    It ends so many milliseconds after the last action.
    """

    reason: str | None = None
    detail: str | None = None
    delay_ms: int = 0

    @property
    def status(self) -> Status:
        """The status that the deploy then has."""
        return Status.COMPLETE if self.reason is None else Status.FAILED


Action: TypeAlias = Line | Part | Cancel | Crash
Play: TypeAlias = Generator[Action, None, End]

_NO_BYTE = re.compile("[\ud800-\udc7f\udd00-\udfff]")


def raw(text: str) -> bytes:
    """The bytes of a line's text: lone surrogates that stand for a byte are that byte, others are U+FFFD."""
    return _NO_BYTE.sub("\ufffd", text).encode("utf-8", "surrogateescape")


class Returning(Generic[T, R]):
    """Goes through a generator, and has afterwards what it returned as `value`."""

    def __init__(self, generator: Generator[T, None, R]) -> None:
        self._generator = generator
        self.value: R

    def __iter__(self) -> Iterator[T]:
        self.value = yield from self._generator
