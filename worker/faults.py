"""The ways in which a deploy goes wrong: how each kind ends, and where it strikes."""

from enum import Enum
from random import Random
from typing import NamedTuple

from producer.simulate import FaultKind
from worker.scenario import Scenario, Step


class FaultError(ValueError):
    """A fault is asked for that the scenario cannot have."""


class Then(Enum):
    """What comes of a fault, once it has said what it says."""

    FAILS = "the deploy fails"
    GOES_ON = "the step goes on where it was"
    AGAIN = "the step is run again, and works"
    CANCEL = "somebody cancels the deploy"
    CRASH = "the worker dies, in the middle of a line"


ENDS: dict[FaultKind, Then] = {
    "error": Then.FAILS,
    "compile-error": Then.FAILS,
    "test-failure": Then.FAILS,
    "out-of-memory": Then.FAILS,
    "disk-full": Then.FAILS,
    "registry-timeout": Then.FAILS,
    "registry-retry": Then.GOES_ON,
    "health-check": Then.FAILS,
    "flaky": Then.AGAIN,
    "hang": Then.GOES_ON,
    "timeout": Then.FAILS,
    "crash": Then.CRASH,
    "cancel": Then.CANCEL,
}


class Target(NamedTuple):
    """The step that goes wrong, and how."""

    step: str
    kind: FaultKind


def check_step(scenario: Scenario, name: str) -> None:
    """Raises FaultError where the scenario has no step of that name."""
    names = [step.step for step in scenario.steps]
    if name not in names:
        raise FaultError(f"scenario {scenario.scenario!r} has no step {name!r}: it has {', '.join(names)}")


def choose(scenario: Scenario, rng: Random, fail_at: str | None, fault: FaultKind | None) -> Target | None:
    """Which step goes wrong and how; None where all goes well.

    A fault without a step strikes one of the steps that have words for it, or any where none has. A step without a
    fault fails in one of the ways that it has words for. With neither, the scenario's own chances decide.
    """
    if fault is not None:
        able = [step for step in scenario.steps if fault in step.faults] or scenario.steps
        return Target(fail_at or able[int(rng.random() * len(able))].step, fault)
    if fail_at is not None:
        step = next(step for step in scenario.steps if step.step == fail_at)
        kinds = [kind for kind in step.faults if ENDS[kind] is Then.FAILS] or ["error"]
        return Target(fail_at, kinds[int(rng.random() * len(kinds))])
    return _by_chance(scenario.steps, rng)


def _by_chance(steps: list[Step], rng: Random) -> Target | None:
    for step in steps:
        for kind, words in step.faults.items():
            if words.chance is not None and rng.random() < words.chance:
                return Target(step.step, kind)
    return None
