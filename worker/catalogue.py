"""The scenarios and recordings that come along."""

from functools import cache
from importlib.resources import files
from typing import get_args

from producer.simulate import ScenarioName
from worker.reading import ScenarioError, read_faults, read_scenario
from worker.scenario import Faults, Scenario

NAMES: tuple[ScenarioName, ...] = get_args(ScenarioName)
_FOLDER = files("worker") / "scenarios"


@cache
def builtin(name: ScenarioName) -> Scenario:
    """The scenario of that name that comes along. Raises ScenarioError where there is none."""
    if name not in NAMES:  # a job of another version
        raise ScenarioError(f"there is no scenario {name!r}: there are {', '.join(NAMES)}")
    return read_scenario(source(name), f"{name}.yaml")


def source(name: ScenarioName) -> str:
    """The file of a scenario that comes along."""
    return (_FOLDER / f"{name}.yaml").read_text("utf-8")


def recordings() -> dict[str, bytes]:
    """The files of the recordings that come along, by name."""
    found = (file for file in (files("worker") / "recordings").iterdir() if file.name.endswith(".cast"))
    return {file.name.removesuffix(".cast"): file.read_bytes() for file in sorted(found, key=lambda file: file.name)}


def load() -> None:
    """Read all of them now, so that no process that is forked afterwards has to."""
    faults()
    for name in NAMES:
        builtin(name)


@cache
def faults() -> Faults:
    """What each kind of fault says where a step has no words of its own."""
    return read_faults((files("worker") / "faults.yaml").read_text("utf-8"), "faults.yaml")
