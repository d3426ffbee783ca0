"""Golden files: what each scenario prints, as text, to be compared byte for byte.

`.venv/bin/python -m tests.worker.golden` writes them afresh.
"""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from producer.simulate import FaultKind, ScenarioName
from scripts.simulate import tell
from worker.actions import Returning
from worker.catalogue import NAMES, builtin, faults
from worker.generate import play

FOLDER = Path(__file__).parent / "golden"
_FAULTS: dict[ScenarioName, FaultKind] = {
    "static": "registry-timeout",
    "node": "compile-error",
    "nextjs": "out-of-memory",
    "python": "test-failure",
    "container": "registry-retry",
    "go": "test-failure",
    "rust": "compile-error",
    "terraform": "error",
    "kubernetes": "health-check",
    "migration": "flaky",
    "monorepo": "crash",
    "canary": "cancel",
    "torture": "hang",
}
_CONTROL = re.compile("[\x00-\x08\x0a-\x1f\x7f-\x9f\u00ad\u200b-\u200f\u2028-\u202e\u2060-\u206f\ufeff\ufff9-\uffff]")
_LONGEST = 1_000


class Case(NamedTuple):
    """A golden file, and what it shows."""

    name: ScenarioName
    seed: int
    fault: FaultKind | None

    @property
    def file(self) -> Path:
        """Where it lies."""
        return FOLDER / f"{self.name}-{self.seed}{f'-{self.fault}' if self.fault else ''}.txt"


def cases() -> Iterator[Case]:
    """Two of each scenario: as it goes, and with a fault."""
    for name in NAMES:
        yield Case(name, 0, None)
        yield Case(name, 1, _FAULTS[name])


def text(case: Case) -> str:
    """For each line of the log its delay, stream, level and step, and its text, control characters by their names."""
    told = Returning(tell(play(builtin(case.name), faults(), case.seed, fault=case.fault), builtin(case.name).secrets))
    lines = [
        f"{line.delay_ms:>7} {line.stream:<6} {line.level or '-':<5} {line.step or '-':<12} {_shown(line.text)}\n"
        for line in told
    ]
    ended = told.value
    return "".join(lines) + f"{ended.status} {ended.at_ms} {ended.reason or '-'} {ended.detail or '-'}\n"


def _shown(line: str) -> str:
    if len(line) > _LONGEST:
        line = f"{line[:_LONGEST]} … {len(line)} characters"
    return _CONTROL.sub(lambda found: f"<{ord(found[0]):02X}>", line)


def main() -> None:
    """Write all of them afresh."""
    FOLDER.mkdir(exist_ok=True)
    wanted = {case.file: text(case) for case in cases()}
    for stale in set(FOLDER.glob("*.txt")) - set(wanted):
        stale.unlink()
    for file, shown in wanted.items():
        file.write_text(shown, "utf-8", newline="\n")


if __name__ == "__main__":
    main()
