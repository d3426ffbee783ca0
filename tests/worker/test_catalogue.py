"""The scenarios that come along: each takes each failure at each step, and none takes real time."""

from itertools import product
from typing import get_args

import pytest

from producer.event import MAX_LINE_BYTES
from producer.simulate import STEPS, FaultKind, ScenarioName
from scripts.simulate import tell
from tests.worker.support import every
from worker.actions import Returning
from worker.catalogue import NAMES, builtin, faults, recordings, source
from worker.faults import ENDS, Then
from worker.generate import play
from worker.reading import ScenarioError
from worker.recording import check
from worker.scenario import BUILTIN

_OF_FAILURES = {Then.GOES_ON, Then.AGAIN}


def test_the_contract_names_the_scenarios_and_steps_that_there_are() -> None:
    """By it a request is refused before there is a deploy."""
    assert {name: tuple(step.step for step in builtin(name).steps) for name in NAMES} == STEPS


def test_every_kind_of_fault_has_words() -> None:
    """For steps that have none of their own."""
    assert set(faults().faults) == set(get_args(FaultKind)) == set(ENDS)


def test_general_reasons_use_nothing_that_only_general_output_has() -> None:
    """A step may have output of its own and no reason, and then has no values of the general words."""
    words = [text for fault in faults().faults.values() for text in (fault.reason, fault.detail) if text]
    assert {name for text in words for name in text.used | text.lists} <= BUILTIN


def test_a_scenario_of_another_version_is_a_sentence() -> None:
    """A job may have been enqueued by another version."""
    with pytest.raises(ScenarioError, match=r"there is no scenario '\.\./x': there are static, "):
        builtin("../x")


@pytest.mark.parametrize("name", NAMES)
def test_every_scenario_takes_every_fault_at_every_step(name: ScenarioName) -> None:
    """It ends as the kind of fault says, and where the deploy fails there is a reason."""
    scenario = builtin(name)
    usual = every(play(scenario, faults(), 1)).end
    for step, kind in product(STEPS[name], get_args(FaultKind)):
        lines = Returning(tell(play(scenario, faults(), 1, fail_at=step, fault=kind)))
        steps = {line.step for line in lines}
        ended = lines.value
        assert step in steps
        if ENDS[kind] in _OF_FAILURES:
            assert ended.reason == usual.reason
            assert steps == {*STEPS[name], None}
        elif ENDS[kind] is Then.CANCEL:
            assert (ended.status, ended.reason) == ("cancelled", "cancelled")
        else:
            assert ended.status == "failed"
            assert ended.reason


@pytest.mark.parametrize("name", [name for name in NAMES if name != "torture"])
def test_a_scenario_is_of_a_size_that_is_real(name: ScenarioName) -> None:
    """Its lines fit, it takes a credible time, and seeds differ in more than their numbers."""
    shapes = set()
    for seed in range(20):
        lines = Returning(tell(play(builtin(name), faults(), seed)))
        told = list(lines)
        shapes.add((len(told), len({line.step for line in told})))
        assert all(len(line.text.encode()) < MAX_LINE_BYTES for line in told)
        assert all(line.delay_ms >= 0 for line in told)
        assert 20 <= len(told) <= 3_000
        assert 4_000 <= lines.value.at_ms <= 30 * 60_000
    assert len(shapes) > 3


@pytest.mark.parametrize("name", NAMES)
def test_no_registry_is_named(name: ScenarioName) -> None:
    """What a simulated deploy prints must send nobody to a real one."""
    hosts = (
        "npmjs org",
        "pypi org",
        "python" + "hosted org",
        "docker io",
        "ghcr io",
        "crates io",
        "proxy golang org",
        "quay io",
    )
    registries = [host.replace(" ", ".") for host in hosts]
    assert [host for host in registries if host in source(name)] == []


@pytest.mark.parametrize("name", recordings())
def test_every_recording_that_comes_along_plays(name: str) -> None:
    """It is one of a real build, with its times."""
    recording = check(recordings()[name].decode())
    assert recording.timed
    assert len(recording.actions) > 10
