"""What is drawn for a swarm: when each deploy comes, what it plays, and who watches it. All of it from the seed.

Only `Random.random()` gives the same numbers on every version of Python, so everything is drawn from it.
"""

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from random import Random
from typing import NamedTuple, TypeVar, get_args

from producer.simulate import MAX_SEED, MAX_SPEED, FaultKind, ScenarioName

T = TypeVar("T")

START, MIDDLE, END = "from the start", "in the middle", "after the end"

SCENARIOS: tuple[ScenarioName, ...] = get_args(ScenarioName)
FAULTS: tuple[FaultKind, ...] = get_args(FaultKind)
DEFAULT_SECONDS = 20.0

_NOT_UNLESS_ASKED = ("torture",)  # a test of clients, not of load
_SEEDS = 20  # of each scenario: few enough to know how long each takes without playing it every time
_JOINS = ((0.6, START), (0.85, MIDDLE), (1.0, END))


class UsageError(Exception):
    """An option is wrong; the message says which, and what to give."""


class Join(NamedTuple):
    """When a watcher comes; in the MIDDLE, after which share of the time that the deploy takes."""

    when: str
    share: float = 0.0


class Planned(NamedTuple):
    """A deploy that is to come, `at` seconds after the start."""

    number: int
    at: float
    app: int
    scenario: ScenarioName
    seed: int
    fault: FaultKind | None
    joins: tuple[Join, ...]


@dataclass(frozen=True)
class Plan:
    """What was asked for. `lines_rate` is None for the scenarios' own pace at `speed`. Raises UsageError."""

    rate: float
    deploys: int | None
    seconds: float | None
    mix: tuple[tuple[ScenarioName, float], ...]
    faults: float
    lines_rate: float | None
    speed: float
    watchers: float
    apps: int
    seed: int

    def __post_init__(self) -> None:
        """Check everything at once, before anything is started."""
        _above("--rate", self.rate, 0)
        if self.deploys is not None:
            _above("--deploys", self.deploys, 0)
        if self.seconds is not None:
            _above("--seconds", self.seconds, 0)
        if self.lines_rate is not None:
            _above("--lines-rate", self.lines_rate, 0)
        _within("--faults", self.faults, 0, 1)
        _within("--speed", self.speed, 0, MAX_SPEED)
        _within("--watchers", self.watchers, 0, math.inf)
        _within("--apps", self.apps, 1, 1_000)
        _within("--seed", self.seed, 0, MAX_SEED)

    def deploys_to_come(self) -> Iterator[Planned]:
        """The deploys in the order in which they come: the first at once, then with exponential gaps, as people do."""
        arrivals = Random(f"{self.seed} arrivals")
        number, at = 0, 0.0
        while self.deploys is None or number < self.deploys:
            number += 1
            yield self._deploy(number, at)
            at -= math.log(1.0 - arrivals.random()) / self.rate
            if self.seconds is not None and at > self.seconds:
                return

    def _deploy(self, number: int, at: float) -> Planned:
        # Each deploy has a generator of its own, so that another number of watchers does not change what is played.
        rng = Random(f"{self.seed} deploy {number}")
        app = int(rng.random() * self.apps) + 1
        scenario = _weighted(rng, self.mix)
        seed = int(rng.random() * _SEEDS)
        struck, kind = rng.random() < self.faults, FAULTS[int(rng.random() * len(FAULTS))]
        count = int(self.watchers) + (rng.random() < self.watchers % 1)
        joins = tuple(_join(rng) for _ in range(count))
        return Planned(number, at, app, scenario, seed, kind if struck else None, joins)


def parse_mix(text: str | None) -> tuple[tuple[ScenarioName, float], ...]:
    """The weight of each scenario in "node:3,static:1"; without a number it is 1. None: all, but for torture, evenly.

    Raises UsageError.
    """
    if text is None:
        return tuple((name, 1.0) for name in SCENARIOS if name not in _NOT_UNLESS_ASKED)
    mix: dict[ScenarioName, float] = {}
    for part in text.split(","):
        given, colon, weight = part.strip().partition(":")
        name = next((name for name in SCENARIOS if name == given), None)
        if name is None:
            raise UsageError(f"--mix: there is no scenario {given!r}: there are {', '.join(SCENARIOS)}")
        if name in mix:
            raise UsageError(f"--mix: {name} comes twice")
        try:
            mix[name] = float(weight) if colon else 1.0
        except ValueError:
            raise UsageError(f"--mix: {weight!r} is not a weight: write {name}:3") from None
        if not 0 <= mix[name] < math.inf:
            raise UsageError(f"--mix: {part.strip()}: give a weight of 0 or more")
    if not sum(mix.values()):
        raise UsageError("--mix: give some scenario a weight above 0")
    return tuple(mix.items())


def _join(rng: Random) -> Join:
    drawn, share = rng.random(), 0.1 + 0.8 * rng.random()
    when = next(when for limit, when in _JOINS if drawn < limit)
    return Join(when, share if when == MIDDLE else 0.0)


def _weighted(rng: Random, weights: Sequence[tuple[T, float]]) -> T:
    left = rng.random() * sum(weight for _, weight in weights)
    for item, weight in weights:
        left -= weight
        if left < 0:
            return item
    return weights[-1][0]


def _above(option: str, value: float, least: float) -> None:
    if not least < value < math.inf:
        raise UsageError(f"{option} {value:g}: give a number above {least:g}")


def _within(option: str, value: float, least: float, most: float) -> None:
    if not least <= value <= most or math.isinf(value):
        span = f"of {least:g} or more" if math.isinf(most) else f"from {least:g} to {most:g}"
        raise UsageError(f"{option} {value:g}: give a number {span}")
