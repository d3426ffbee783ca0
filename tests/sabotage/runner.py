"""Runs tests in a copy of the tree, as it is or with a mutant in it."""

import asyncio
import json
import os
import shutil
import signal
import sys
import tempfile
import time
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from tests.helpers import ROOT
from tests.sabotage.catalogue import Mutant
from worker.lifetime import die_with_parent

_MOST_SECONDS = 100.0
_LEFT_OUT = shutil.ignore_patterns(".*", "__pycache__")
_FOREIGN = "DEPLOYTAIL_", "PYTEST_", "PYTHON"


@dataclass(frozen=True, slots=True)
class Result:
    """How each test came out ("passed", "failed", "broken"), what pytest said, and how long it all took."""

    outcomes: dict[str, str]
    output: str
    seconds: float

    def all(self, outcome: str) -> bool:
        """Whether every test came out so."""
        return set(self.outcomes.values()) == {outcome}


async def run(tests: Sequence[str], mutant: Mutant | None = None) -> Result:
    """Run tests in a copy of the tree, with the mutant in it where one is given. Raises StaleMutant."""
    began = time.monotonic()
    with tempfile.TemporaryDirectory(prefix="sabotage-", ignore_cleanup_errors=True) as folder:
        tree, report = Path(folder, "tree"), Path(folder, "report.json")
        shutil.copytree(ROOT, tree, ignore=_LEFT_OUT)
        if mutant is not None:
            mutant.apply(tree)
        output = await _python(tree, "-m", "tests.sabotage.inside", str(report), *tests)
        outcomes = _read(report) or dict.fromkeys(tests, "broken")
    return Result(outcomes, output, time.monotonic() - began)


def _read(report: Path) -> dict[str, str] | None:
    """What the run reported; None where it could not even start, or was stopped."""
    if not report.exists():
        return None
    outcomes: dict[str, str] = json.loads(report.read_text("utf-8"))
    return outcomes


async def _python(tree: Path, *arguments: str) -> str:
    """Run this Python in `tree`, whose packages go before the installed ones, in all that it starts too."""
    environment = {name: value for name, value in os.environ.items() if not name.startswith(_FOREIGN)}
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        *arguments,
        cwd=tree,
        env=environment | {"PYTHONPATH": str(tree), "PYTHONDONTWRITEBYTECODE": "1", "NO_COLOR": "1"},
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
        start_new_session=True,
        preexec_fn=die_with_parent,
    )
    try:
        async with asyncio.timeout(_MOST_SECONDS):
            output, _ = await process.communicate()
    except TimeoutError:
        return f"not done within {_MOST_SECONDS:g} s"
    finally:
        with suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)  # what a broken test has left behind
    return output.decode("utf-8", "replace")
