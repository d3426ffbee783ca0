"""The catalogue of mutants follows the code, and its runner tells caught from missed; the whole of it is a command."""

import asyncio
import re
from pathlib import Path

import pytest

from tests.helpers import ROOT
from tests.sabotage.catalogue import Mutant, StaleMutant, load
from tests.sabotage.runner import run

MUTANTS = load()


@pytest.mark.parametrize("name", MUTANTS)
def test_a_mutant_changes_its_file(name: str) -> None:
    """What it replaces stands exactly once in the product, and what comes of it is still a program."""
    mutant = MUTANTS[name]
    assert mutant.fault.endswith(".")
    assert mutant.file.partition("/")[0] in {"api", "producer", "scripts", "worker"}
    text = (ROOT / mutant.file).read_text("utf-8")
    changed = mutant.change(text)
    assert changed != text
    if mutant.file.endswith(".py"):
        compile(changed, mutant.file, "exec")


def test_each_test_that_a_mutant_names_is_there() -> None:
    """In the file that it names."""
    missing = []
    for test in sorted({test for mutant in MUTANTS.values() for test in mutant.caught_by}):
        file, _, name = test.partition("[")[0].partition("::")
        if not re.search(rf"^(async )?def {name}\(", (ROOT / file).read_text("utf-8"), re.MULTILINE):
            missing.append(test)
    assert missing == []


@pytest.mark.parametrize("times", [0, 2])
def test_a_mutant_that_the_code_has_left_behind_is_an_error(tmp_path: Path, times: int) -> None:
    """It is neither caught nor missed, and changes nothing."""
    source = tmp_path / "some.py"
    source.write_text("a line\n" * times, "utf-8")
    mutant = Mutant("stale", "A fault.", "some.py", "a line\n", "", ())
    with pytest.raises(StaleMutant, match=f"stale: its text stands {times} times in some.py, not once"):
        mutant.apply(tmp_path)
    assert source.read_text("utf-8") == "a line\n" * times


async def test_caught_missed_and_broken_are_told_apart() -> None:
    """A test fails under a mutant, passes under one that does no harm, and cannot run where the code is no program."""
    caught = MUTANTS["done-missing"]
    (test,) = caught.caught_by
    harmless = Mutant("harmless", "None.", caught.file, "class Follow:", "class Follow:  # harmless", (test,))
    broken = Mutant("broken", "Not Python.", caught.file, "class Follow:", "class Follow", (test,))
    results = await asyncio.gather(*(run([test], mutant) for mutant in (caught, harmless, broken)))
    assert [result.outcomes for result in results] == [{test: "failed"}, {test: "passed"}, {test: "broken"}]


async def test_processes_that_a_test_starts_have_the_mutant_too() -> None:
    """The service that this test watches from outside is the one with the fault in it."""
    test = "tests/api/test_server.py::test_on_a_signal_each_stream_says_goodbye_and_the_process_exits"
    mutant = MUTANTS["drain-forges-an-end"]
    assert test in mutant.caught_by
    assert (await run([test], mutant)).outcomes == {test: "failed"}
