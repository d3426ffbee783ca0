"""What the simulator's tests share: scenarios from text, and all that a deploy does."""

from collections.abc import Callable
from random import Random
from textwrap import dedent
from typing import NamedTuple, cast

from producer.simulate import FaultKind
from worker.actions import Action, End, Play, Returning
from worker.catalogue import faults
from worker.generate import play
from worker.reading import read_scenario
from worker.scenario import Scenario


class Played(NamedTuple):
    """All that a deploy did, and how it ended."""

    actions: list[Action]
    end: End


class OnlyRandom:
    """Of `random.Random` only the method that gives the same numbers on every version and platform."""

    def __init__(self, seed: int = 0) -> None:
        source = Random(seed)
        self.random: Callable[[], float] = source.random
        self.getstate, self.setstate = source.getstate, source.setstate


class Fixed:
    """Draws these numbers, one after the other, and then the last again and again."""

    def __init__(self, *numbers: float) -> None:
        self._numbers = list(numbers)

    def random(self) -> float:
        """The next number."""
        return self._numbers.pop(0) if len(self._numbers) > 1 else self._numbers[0]


def fixed(*numbers: float) -> Random:
    """A source of these numbers, as what draws from it wants it."""
    return cast("Random", Fixed(*numbers))


def scenario(text: str) -> Scenario:
    """The scenario of this text; where it names none, it is called `t`."""
    text = dedent(text)
    head = "" if text.lstrip().startswith("scenario:") else "scenario: t\nabout: a test\npace: '10'\n"
    return read_scenario(head + text, "t.yaml")


def played(text: str | Scenario, seed: int = 0, fail_at: str | None = None, fault: FaultKind | None = None) -> Played:
    """All that a deploy of this scenario does."""
    chosen = scenario(text) if isinstance(text, str) else text
    return every(play(chosen, faults(), seed, fail_at=fail_at, fault=fault))


def every(actions: Play) -> Played:
    """All of it."""
    returning = Returning(actions)
    return Played(list(returning), returning.value)
