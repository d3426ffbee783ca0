"""Raw output to lines: what a simulated deploy does, with each piece of output as the lines that it makes up."""

from collections.abc import Callable, Generator, Iterator, Sequence
from heapq import merge
from typing import TypeAlias

from producer.lines import Line as Cut
from producer.lines import LineSplitter
from worker.actions import Action, Cancel, Crash, End, Line, Part, Play, Returning, raw

UNFINISHED_MS = 1_000
"""After so long a line that is not finished is shown as far as it goes, as `deploytail run` does."""

Hold: TypeAlias = Callable[[str, tuple[str, str | None]], int]
Assembled: TypeAlias = Generator[Line | Cancel | Crash, None, End]


def assemble(play: Play, hold: Hold = lambda _text, _sequence: 0) -> Assembled:
    """The same with lines only, of valid Unicode.

    `hold` tells how much of an unfinished line, of this sequence of stream and step, may be the start of a secret. It
    may go by the lines before: each is handed out first.
    """
    streams: dict[str, _Stream] = {}
    now = told = 0
    actions = Returning(play)
    for action in actions:
        now += action.delay_ms
        for line in merge(*(stream.wait(now) for stream in streams.values()), key=lambda line: line.delay_ms):
            yield line._replace(delay_ms=line.delay_ms - told)
            told = line.delay_ms
        for made in _take(action, streams, now, hold):
            yield made._replace(delay_ms=now - told)
            told = now
    for line in _ends(streams, now):
        yield line._replace(delay_ms=now - told)
        told = now
    return actions.value._replace(delay_ms=actions.value.delay_ms + now - told)


def _take(action: Action, streams: dict[str, "_Stream"], now: int, hold: Hold) -> Sequence[Line | Cancel | Crash]:
    match action:
        case Part():
            return streams.setdefault(action.stream, _Stream(hold)).feed(action, action.data, now)
        case Line():
            stream = streams.get(action.stream)
            if stream is None or not stream.begun:
                return [action._replace(text=raw(action.text).decode("utf-8", "replace"))]
            return stream.feed(action, raw(action.text) + b"\n", now)
        case Cancel():  # nothing more comes, so that what is there is all there is
            return [*_ends(streams, now), action]
        case Crash():
            return [action]


def _ends(streams: dict[str, "_Stream"], now: int) -> Iterator[Line]:
    for stream in streams.values():
        yield from stream.end(now)


class _Stream:
    """Output of one stream that is not a whole line yet. The lines that it gives have their time as their delay."""

    def __init__(self, hold: Hold) -> None:
        self._splitter = LineSplitter(lambda text: hold(text, (self._like.stream, self._like.step)))
        self._like = Line(0, "")  # whose step and level a line has: those of its beginning
        self._due = 0

    @property
    def begun(self) -> bool:
        """Whether a line has begun and is not over; it may have been shown as far as it went."""
        return self._splitter.begun

    def feed(self, action: Line | Part, data: bytes, now: int) -> list[Line]:
        """Take what comes `now`."""
        like = Line(0, "", action.step, action.stream, action.level)
        begun = self._splitter.pending
        if not begun:
            self._like = like
        lines = [self._line(cut, now) for cut in self._splitter.feed(data)]
        # Only the first line can have begun before.
        lines[1:] = [like._replace(delay_ms=now, text=line.text, omitted=line.omitted) for line in lines[1:]]
        if lines:
            self._like = like
        if lines or not begun:
            self._due = now + UNFINISHED_MS
        return lines

    def wait(self, now: int) -> Iterator[Line]:
        """What is shown until `now` because its line goes unfinished for long."""
        while self._splitter.pending and self._due <= now:
            due, part = self._due, self._splitter.flush()
            # What is not shown now is not shown later either, before more comes.
            self._due += UNFINISHED_MS * (1 if part else (now - due) // UNFINISHED_MS + 1)
            if part:
                yield self._line(part, due)

    def end(self, now: int) -> list[Line]:
        """The rest, when nothing more comes."""
        rest = self._splitter.flush(final=True)
        return [] if rest is None else [self._line(rest, now)]

    def _line(self, cut: Cut, at: int) -> Line:
        return self._like._replace(delay_ms=at, text=cut.text, omitted=cut.omitted)
