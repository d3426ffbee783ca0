"""What a step prints, and when: the items of a scenario's `output`, played with seeded numbers."""

import re
from collections.abc import Callable, Iterator
from functools import partial
from heapq import merge
from random import Random
from typing import Any, NamedTuple, TypeAlias

from worker.clock import Clock
from worker.fields import MOST_TOTAL, Value
from worker.scenario import AnyItem, Each, OneOf, Parallel, Pause, Print, Progress, Repeat, Write
from worker.scope import Scope, TemplateError
from worker.template import Template
from worker.timing import Bursts, Pacer, Span

_STYLES = {
    "bold": "\x1b[1m", "dim": "\x1b[2m", "italic": "\x1b[3m", "underline": "\x1b[4m", "red": "\x1b[31m",
    "green": "\x1b[32m", "yellow": "\x1b[33m", "blue": "\x1b[34m", "magenta": "\x1b[35m", "cyan": "\x1b[36m",
    "gray": "\x1b[90m", "off": "\x1b[0m", "esc": "\x1b", "tab": "\t", "cr": "\r", "lf": "\n",
}  # fmt: skip
_MOST = 1_000_000
_MOST_ITEMS = 5_000_000
_MOST_CHARACTERS = 256 * 1024 * 1024


class Piece(NamedTuple):
    """What is printed at a time (milliseconds since the deploy began): a whole line, or a piece of one."""

    at: int
    text: str
    whole: bool
    stream: str
    level: str | None


Pieces: TypeAlias = Iterator[Piece]


class Place(NamedTuple):
    """Where an item is played: the values there, the pace, and the time."""

    scope: Scope
    pacer: Pacer
    clock: Clock


class Printer:
    """Plays items of a deploy of `app`. `look` is called again and again, also while nothing is printed.

    It raises TemplateError where a value is not what it is used as, and where the deploy becomes too large: a few
    lines of a file can ask for more than any machine has.
    """

    def __init__(self, rng: Random, app: str, look: Callable[[], None]) -> None:
        self.step = ""
        self._look = look
        self._rng = rng
        self._app = app
        self._pieces = self._items = self._characters = 0
        self._plays: dict[type, Callable[[Any, Place], Pieces]] = {
            Print: self._print,
            Write: self._write,
            Pause: self._pause,
            Progress: self._progress,
            Repeat: self._repeat,
            Each: self._each,
            Parallel: self._parallel,
            OneOf: self._one_of,
        }

    def scope(self, clock: Clock) -> Scope:
        """The values that every deploy has."""
        return Scope(self._rng, {}, partial(self._builtin, clock))

    def pacer(self, pace: Span | Bursts | None) -> Pacer | None:
        """What gives the times of this pace; None for none."""
        return Pacer(pace, self._rng) if pace else None

    def valued(self, scope: Scope, values: dict[str, Value]) -> Scope:
        """The scope with these values, drawn one after the other: each may use those before it."""
        for name, value in values.items():
            scope = scope.inner(**{name: value if isinstance(value, list) else self._render(value, scope)})
        return scope

    def output(self, items: list[AnyItem], place: Place) -> Pieces:
        """What the items print, from the time of the place's clock on, which goes on as they take time."""
        self._look()
        self._items = self._bounded(self._items + 1 + len(items), _MOST_ITEMS, "items")
        for item in items:
            if item.chance is None or self._rng.random() < item.chance:
                yield from self._plays[type(item)](item, place)

    def _print(self, item: Print, place: Place) -> Pieces:
        pacer = self.pacer(item.pace) or place.pacer
        for template in item.text:
            place.clock.now += pacer.next()
            yield self._piece(item, self._render(template, place.scope), place)

    def _write(self, item: Write, place: Place) -> Pieces:
        place.clock.now += (self.pacer(item.pace) or place.pacer).next()
        yield self._piece(item, self._render(item.write, place.scope), place, whole=False)

    def _pause(self, item: Pause, place: Place) -> Pieces:
        place.clock.now += item.pause.draw(self._rng)
        yield from ()

    def _progress(self, item: Progress, place: Place) -> Pieces:
        total = self._count(self._render(item.total, place.scope), MOST_TOTAL)
        updates = item.updates.draw(self._rng)
        start, length = place.clock.now, item.over.draw(self._rng)
        # Uneven, as real progress is: shares of the whole that are drawn, and put in order.
        shares = sorted(self._rng.random() for _ in range(updates - 1))
        for at, share in enumerate([*shares, 1.0], 1):
            place.clock.now = start + length * at // updates
            shown = {"done": str(int(share * total)), "total": str(total), "percent": str(int(share * 100))}
            text = self._render(item.progress, place.scope.inner(**shown))
            yield self._piece(item, text if at == 1 else f"\r{text}", place, whole=at == updates)

    def _repeat(self, item: Repeat, place: Place) -> Pieces:
        count = self._count(self._render(item.repeat, place.scope), _MOST)
        pacer = self.pacer(item.pace) or place.pacer
        for at in range(1, count + 1):
            inner = self.valued(place.scope.inner(**{item.name: str(at), "count": str(count)}), item.values)
            yield from self.output(item.output, Place(inner, pacer, place.clock))

    def _each(self, item: Each, place: Place) -> Pieces:
        kept = [one for one in place.scope.items(item.each) if item.keep == 1 or self._rng.random() < item.keep]
        pacer = self.pacer(item.pace) or place.pacer
        for at, one in enumerate(kept, 1):
            names = {item.name: self._render(one, place.scope), "i": str(at), "count": str(len(kept))}
            inner = self.valued(place.scope.inner(**names), item.values)
            yield from self.output(item.output, Place(inner, pacer, place.clock))

    def _parallel(self, item: Parallel, place: Place) -> Pieces:
        branches: list[list[Piece]] = []
        ends: list[int] = []
        for branch in item.parallel:
            clock = place.clock.fork()
            own = Scope(self._rng, place.scope.names, partial(self._builtin, clock))
            inner = Place(self.valued(own, branch.values), Pacer(branch.pace or place.pacer.pace, self._rng), clock)
            lines = _joined(self.output(branch.output, inner))
            branches.append(
                [line._replace(text=self._render(branch.prefix, inner.scope) + line.text) for line in lines]
            )
            ends.append(clock.now)
        for piece in merge(*branches, key=lambda piece: piece.at):
            place.clock.now = piece.at
            yield piece
        place.clock.now = max(ends)

    def _one_of(self, item: OneOf, place: Place) -> Pieces:
        drawn = int(self._rng.random() * sum(option.weight for option in item.one_of))
        for option in item.one_of:
            drawn -= option.weight
            if drawn < 0:
                yield from self.output(option.output, place)
                return

    def _piece(self, item: Print | Write | Progress, text: str, place: Place, *, whole: bool = True) -> Piece:
        self._pieces = self._bounded(self._pieces + 1, _MOST, "lines")
        return Piece(place.clock.now, text, whole, item.stream, item.level)

    def _render(self, template: Template, scope: Scope) -> str:
        text = template.render(scope)
        self._characters = self._bounded(self._characters + len(text), _MOST_CHARACTERS, "characters")
        return text

    def _bounded(self, count: int, most: int, what: str) -> int:
        if count > most:
            raise TemplateError(f"step {self.step!r}: more than {most:,} {what} in all")
        return count

    def _count(self, text: str, most: int) -> int:
        if not re.fullmatch("[0-9]{1,18}", text) or int(text) > most:
            raise TemplateError(f"step {self.step!r}: {text!r} is not a number up to {most:,}")
        return int(text)

    def _builtin(self, clock: Clock, name: str) -> str | None:
        if name == "app":
            return self._app
        if name == "step":
            return self.step
        return _STYLES.get(name) or clock.text(name)


def _joined(pieces: Pieces) -> Pieces:
    """Whole lines only: a task that draws over its line would draw over those of others."""
    begun: dict[str, Piece] = {}  # by stream
    at = 0
    for piece in pieces:
        at = piece.at
        before = begun.pop(piece.stream, None)
        joined = piece if before is None else before._replace(at=at, text=before.text + piece.text, whole=piece.whole)
        if joined.whole:
            yield joined
        else:
            begun[piece.stream] = joined
    for piece in begun.values():
        yield piece._replace(at=at, whole=True)
