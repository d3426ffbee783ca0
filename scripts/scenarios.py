"""Scenarios for a person: those that come along, those of a folder of their own, and what each is like."""

import os
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from producer.simulate import FaultKind, ScenarioName
from worker.actions import Cancel, Crash
from worker.assemble import assemble
from worker.catalogue import NAMES, builtin, faults, recordings, source
from worker.generate import play
from worker.reading import ScenarioError, read_scenario
from worker.recording import RecordingError, decode
from worker.recording import check as check_recording
from worker.scenario import Scenario
from worker.template import TemplateError

SUFFIXES = (".yaml", ".yml")
_SEEDS = 20
_FAULT_SEEDS = 3


class Found(NamedTuple):
    """A scenario, the text of its file, and its name where it is one that comes along."""

    scenario: Scenario
    text: str
    builtin: ScenarioName | None


class Likely(NamedTuple):
    """What to expect of a scenario: the fewest and most lines, the shortest and longest time, at speed 1."""

    lines: tuple[int, int]
    milliseconds: tuple[int, int]


def folder() -> Path:
    """Where a user's own scenarios lie: `DEPLOYTAIL_SCENARIOS`, else a folder of this user for settings."""
    if given := os.environ.get("DEPLOYTAIL_SCENARIOS"):
        return Path(given).expanduser()
    settings = os.environ.get("XDG_CONFIG_HOME")
    return (Path(settings) if settings else Path("~/.config").expanduser()) / "deploytail" / "scenarios"


def own() -> dict[str, Path]:
    """The files in that folder, by the names that find them."""
    files = sorted(path for path in folder().glob("*") if path.suffix in SUFFIXES)
    return {path.stem: path for path in files}


def find(name: str) -> Found:
    """The scenario that is asked for: a file where `name` is a path, else one that comes along or one of the folder.

    Raises ScenarioError.
    """
    if "/" in name or name.endswith(SUFFIXES):
        return _read(Path(name).expanduser())
    if name in NAMES:
        return Found(builtin(name), source(name), name)
    if path := own().get(name):
        return _read(path)
    there = ", ".join([*NAMES, *own()])
    raise ScenarioError(
        f"there is no scenario {name!r}: there are {there}; a file of yours is named as a path, ./{name}"
    )


def _read(path: Path) -> Found:
    try:
        text = path.read_text("utf-8")
    except OSError as error:
        raise ScenarioError(f"{path}: {error.strerror}") from None
    except UnicodeDecodeError as error:
        raise ScenarioError(f"{path}: is not UTF-8 at byte {error.start}") from None
    return Found(read_scenario(text, str(path)), text, None)


def read_recording(name: str) -> str:
    """The text of a recording: the file of that path, or one that comes along. Raises RecordingError."""
    along = recordings()
    try:
        data = along[name] if name in along else Path(name).expanduser().read_bytes()
    except OSError as error:
        raise RecordingError(f"{name}: {error.strerror}; those that come along: {', '.join(along)}") from None
    try:
        text = decode(data)
        check_recording(text)
    except RecordingError as error:
        raise RecordingError(f"{name}: {error}") from None
    return text


def likely(scenario: Scenario) -> Likely:
    """What to expect, from some seeds. Raises TemplateError."""
    lines, times = zip(*(_size(scenario, seed) for seed in range(_SEEDS)), strict=True)
    return Likely((min(lines), max(lines)), (min(times), max(times)))


def check(path: Path) -> tuple[Scenario, Likely]:
    """Read a file, and play it with some seeds and with each of its own faults. Raises ScenarioError."""
    scenario = _read(path).scenario
    try:
        expected = likely(scenario)
        for step, kind in own_faults(scenario):
            for seed in range(_FAULT_SEEDS):
                _size(scenario, seed, step, kind)
    except TemplateError as error:
        raise ScenarioError(f"{path}: {error}") from None
    return scenario, expected


def own_faults(scenario: Scenario) -> Iterator[tuple[str, FaultKind]]:
    """The steps and kinds of fault for which the scenario has words of its own."""
    for step in scenario.steps:
        for kind in step.faults:
            yield step.step, kind


def _size(scenario: Scenario, seed: int, fail_at: str | None = None, fault: FaultKind | None = None) -> tuple[int, int]:
    lines = passed = 0
    for action in assemble(play(scenario, faults(), seed, fail_at=fail_at, fault=fault)):
        lines += not isinstance(action, Cancel | Crash)
        passed += action.delay_ms
    return lines, passed
