"""Scenario, seed and fault give the bytes that they always gave, on every machine and Python."""

import pytest

from tests.worker.golden import FOLDER, Case, cases, text


@pytest.mark.parametrize("case", list(cases()), ids=lambda case: case.file.stem)
def test_a_scenario_prints_what_it_always_printed(case: Case) -> None:
    """Who changes a scenario changes every deploy that somebody has seeded: look at the difference, then write them
    afresh with `.venv/bin/python -m tests.worker.golden`."""
    assert text(case) == case.file.read_bytes().decode()


def test_every_golden_file_is_one_of_a_case() -> None:
    """A scenario that is gone takes its files with it."""
    assert set(FOLDER.glob("*")) == {case.file for case in cases()}
