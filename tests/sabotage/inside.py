"""Runs named tests in a copy of the tree: `python -m tests.sabotage.inside REPORT TEST…`, with the copy as the folder.

REPORT becomes a JSON object: how each named test came out, "passed", "failed", or "broken" where it could not be run.
A test with parameters has failed when one case has; its other cases are then left out.
"""

import importlib
import json
import sys
from pathlib import Path

import pytest

OURS = "api", "producer", "scripts", "tests", "worker"
# A stream that is left hanging is seen by its time; none of the tests takes so long when it passes.
TEST_SECONDS = 6


class Report:
    """A plugin of pytest that notes how each named test comes out."""

    def __init__(self, named: list[str]) -> None:
        self.outcomes = dict.fromkeys(named, "broken")

    @pytest.hookimpl(tryfirst=True)
    def pytest_runtest_setup(self, item: pytest.Item) -> None:
        """Leave out a case whose test has failed already."""
        if self.outcomes[self._named(item.nodeid)] == "failed":
            pytest.skip("another case has failed")

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        """Note the outcome of a test's own code; what fails around it is no proof of anything."""
        name = self._named(report.nodeid)
        if report.when == "call" and report.outcome != "skipped":
            self.outcomes[name] = report.outcome
        elif report.failed and self.outcomes[name] == "passed":
            self.outcomes[name] = "broken"

    def _named(self, nodeid: str) -> str:
        return nodeid if nodeid in self.outcomes else nodeid.partition("[")[0]


def main(report: str, named: list[str]) -> None:
    """Run the tests and write the report."""
    here = Path.cwd()
    for name in OURS:
        module = importlib.import_module(name)
        assert module.__file__
        assert Path(module.__file__).is_relative_to(here), f"{name} is not that of {here}: {module.__file__}"
    plugin = Report(named)
    options = [
        *("-q", "-p", "no:cacheprovider", "-p", "no:xdist", "--continue-on-collection-errors"),
        *("--hypothesis-seed=0", f"--timeout={TEST_SECONDS}", f"--basetemp={report}.scratch"),
    ]
    try:
        pytest.main([*options, *named], plugins=[plugin])
    finally:  # a test that failed may have left behind what makes pytest itself fail
        Path(report).write_text(json.dumps(plugin.outcomes), "utf-8")


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2:])
