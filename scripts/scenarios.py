"""Scenarios for a person: those that come along, those of a folder of their own, and what each is like."""

import errno
import os
import stat
import time
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import NamedTuple, TypeVar

from producer.simulate import MAX_DEFINITION_CHARACTERS, MAX_RECORDING_CHARACTERS, FaultKind, ScenarioName
from worker.actions import Cancel, Crash
from worker.assemble import assemble
from worker.catalogue import NAMES, builtin, faults, recordings, source
from worker.generate import play
from worker.reading import ScenarioError, doubts, read_scenario
from worker.recording import RecordingError, decode
from worker.recording import check as check_recording
from worker.scenario import Scenario
from worker.scope import TemplateError
from worker.words import listed, meant, quoted

T = TypeVar("T")

SUFFIXES = (".yaml", ".yml")
_SEEDS = 20
_FAULT_SEEDS = 3
_ENOUGH_SECONDS = 5.0  # of a scenario that takes very long to play, a few seeds have to do
_BYTES = 4  # of a character, at most


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
    """Where a user's own scenarios lie: `DEPLOYTAIL_SCENARIOS`, else a folder of this user for settings.

    Raises ScenarioError where it is in a home that there is not.
    """
    if given := os.environ.get("DEPLOYTAIL_SCENARIOS"):
        return _at_home(given)
    settings = os.environ.get("XDG_CONFIG_HOME")
    return (Path(settings) if settings else _at_home("~/.config")) / "deploytail" / "scenarios"


def own() -> dict[str, Path]:
    """The files in that folder, by the names that find them. Raises ScenarioError."""
    found: dict[str, Path] = {}
    for path in _files():
        found.setdefault(path.stem, path)
    return found


def hidden() -> list[str]:
    """What to say of the files in that folder that no name finds. Raises ScenarioError."""
    return [said for path in _files() for said in _hidden(path)]


def find(name: str) -> Found:
    """The scenario that is asked for: a file where `name` is a path, else one that comes along or one of the folder.

    Raises ScenarioError.
    """
    if "/" in name or name.endswith(SUFFIXES):
        return _read(_at_home(name))
    if name in NAMES:
        return Found(builtin(name), source(name), name)
    there = own()
    if path := there.get(name):
        return _read(path)
    names = [*NAMES, *there]
    raise ScenarioError(
        f"there is no scenario {quoted(name)}: there are {listed(names)}{meant(name, names)}; "
        f"a file of yours is named as a path, ./{name}"
    )


def read_recording(name: str) -> str:
    """The text of a recording: the file of that path, or one that comes along. Raises RecordingError."""
    along = recordings()
    try:
        data = along[name] if name in along else _content(Path(name).expanduser(), MAX_RECORDING_CHARACTERS)
    except (OSError, RuntimeError) as error:
        said = error.strerror if isinstance(error, OSError) else "there is no such home directory"
        raise RecordingError(f"{name}: {said}; those that come along: {', '.join(along)}") from None
    try:
        text = decode(data)
        check_recording(text)
    except RecordingError as error:
        raise RecordingError(f"{name}: {error}") from None
    return text


def likely(scenario: Scenario) -> Likely:
    """What to expect, from some seeds. Raises TemplateError."""
    lines, times = zip(*(_size(scenario, seed) for seed in _for_a_while(range(_SEEDS))), strict=True)
    return Likely((min(lines), max(lines)), (min(times), max(times)))


def check(path: Path) -> tuple[Scenario, Likely]:
    """Read a file, or what goes by this name, and play it with some seeds and with each of its own faults.

    Raises ScenarioError.
    """
    scenario = _named(path).scenario
    try:
        expected = likely(scenario)
    except TemplateError as error:
        raise ScenarioError(f"{path}: {error}") from None
    for step, kind, seed in _for_a_while(
        (*fault, seed) for fault in own_faults(scenario) for seed in range(_FAULT_SEEDS)
    ):
        try:
            _size(scenario, seed, step, kind)
        except TemplateError as error:
            raise ScenarioError(f"{path}: step {step!r} with its fault {kind!r}: {error}") from None
    return scenario, expected


def remarks(path: Path) -> list[str]:
    """What may be a mistake in a file that is in order, or in its name. Raises ScenarioError."""
    found = _named(path)
    if found.builtin:
        return []
    file = path if path.is_file() else own()[str(path)]
    return [*doubts(found.text, str(path)), *_misnamed(file, found.scenario), *_hidden(file)]


def misnamed(name: str, scenario: Scenario) -> str | None:
    """What to say of a file of the folder that calls itself otherwise than the name that finds it."""
    if scenario.scenario == name:
        return None
    return f"its 'scenario' is {scenario.scenario!r}, but {name!r} finds it, the file's name: give both the same"


def own_faults(scenario: Scenario) -> Iterator[tuple[str, FaultKind]]:
    """The steps and kinds of fault for which the scenario has words of its own."""
    for step in scenario.steps:
        for kind in step.faults:
            yield step.step, kind


def _named(path: Path) -> Found:
    """What a file, or a name, stands for; a path has lost its `./`."""
    if path.is_file() or "/" in str(path) or path.suffix in SUFFIXES:
        return _read(_at_home(str(path)))
    return find(str(path))


def _read(path: Path) -> Found:
    try:
        text = _content(path, MAX_DEFINITION_CHARACTERS).decode("utf-8")
    except OSError as error:
        raise ScenarioError(f"{path}: {error.strerror}") from None
    except UnicodeDecodeError as error:
        raise ScenarioError(f"{path}: is not UTF-8 at byte {error.start}") from None
    return Found(read_scenario(text, str(path)), text, None)


def _content(path: Path, characters: int) -> bytes:
    """What is in a file, up to a little more than so many characters can be. Raises OSError."""
    if not stat.S_ISREG(path.stat().st_mode):
        raise OSError(errno.EINVAL, "is not a regular file")
    with path.open("rb") as file:
        return file.read(characters * _BYTES + 1)


def _at_home(name: str) -> Path:
    try:
        return Path(name).expanduser()
    except RuntimeError:
        raise ScenarioError(f"{name}: there is no such home directory") from None


def _files() -> list[Path]:
    return sorted(path for path in folder().glob("*") if path.suffix in SUFFIXES)


def _misnamed(path: Path, scenario: Scenario) -> Iterator[str]:
    if said := misnamed(path.stem, scenario):
        yield f"{path}: {said}"


def _hidden(path: Path) -> Iterator[str]:
    """Why no name finds a file of the folder."""
    if path.resolve().parent != folder().resolve():
        return
    if path.stem in NAMES:
        yield f"{path}: is hidden by the scenario {path.stem!r} that comes along: give it another name"
    elif (other := own().get(path.stem, path)).name != path.name:
        yield f"{path}: is hidden by {other.name}: give it another name"


def _for_a_while(those: Iterable[T]) -> Iterator[T]:
    """The first of them, and the others while there is time."""
    begun = time.monotonic()
    for each in those:
        yield each
        if time.monotonic() - begun > _ENOUGH_SECONDS:
            return


def _size(scenario: Scenario, seed: int, fail_at: str | None = None, fault: FaultKind | None = None) -> tuple[int, int]:
    lines = passed = 0
    for action in assemble(play(scenario, faults(), seed, fail_at=fail_at, fault=fault)):
        lines += not isinstance(action, Cancel | Crash)
        passed += action.delay_ms
    return lines, passed
