"""What a simulated deploy prints: the same for the same seed, everywhere and for ever."""

import hashlib
from collections.abc import Callable
from random import Random
from typing import cast

import pytest

from producer.event import clean
from producer.simulate import ScenarioName
from worker.scenarios import SCENARIOS, Step

REASONS: dict[ScenarioName, str | None] = {"succeeds": None, "fails": "npm run build exited with status 2"}


class OnlyRandom:
    """Of `random.Random` only the method that gives the same numbers on every version and platform."""

    def __init__(self, seed: int) -> None:
        self.random: Callable[[], float] = Random(seed).random


def play(scenario: ScenarioName, seed: int) -> tuple[list[Step], str | None]:
    """All steps of a scenario, and the reason that it returns."""
    steps = SCENARIOS[scenario](cast("Random", OnlyRandom(seed)))
    played: list[Step] = []
    while True:
        try:
            played.append(next(steps))
        except StopIteration as end:
            return played, end.value


@pytest.mark.parametrize(
    ("scenario", "seed", "digest"),
    [
        ("succeeds", 0, "996bcdac96c80450"),
        ("succeeds", 7, "524af7c3aff81a82"),
        ("fails", 0, "c0a978cd51ff96e5"),
        ("fails", 7, "fbef518f0f21080c"),
    ],
)
def test_a_seed_gives_the_lines_and_delays_that_it_always_gave(scenario: ScenarioName, seed: int, digest: str) -> None:
    """Who changes these changes every deploy that somebody has seeded: do it knowingly."""
    steps, _ = play(scenario, seed)
    assert hashlib.sha256(repr([tuple(step) for step in steps]).encode()).hexdigest()[:16] == digest


@pytest.mark.parametrize("scenario", SCENARIOS)
def test_different_seeds_give_different_deploys(scenario: ScenarioName) -> None:
    """Of fifty seeds no two play the same."""
    assert len({repr(play(scenario, seed)) for seed in range(50)}) == 50


@pytest.mark.parametrize("scenario", SCENARIOS)
def test_every_step_is_one_that_a_log_takes_as_it_is(scenario: ScenarioName) -> None:
    """Delays are whole milliseconds, lines are single and unchanged by the writer, and the end is the scenario's."""
    for seed in range(50):
        steps, reason = play(scenario, seed)
        assert reason == REASONS[scenario]
        for step in steps:
            assert type(step.delay_ms) is int
            assert 0 <= step.delay_ms <= 5_000
            assert (clean(step.line), step.line.splitlines()) == (step.line, [step.line] if step.line else [])
            assert step.step in {"fetch", "install", "build", "upload", "release"}
            assert step.stream in {"stdout", "stderr"}
            assert step.level in {None, "warn", "error"}
