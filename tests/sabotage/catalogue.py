"""The mutants of `mutants.toml`, as data."""

import tomllib
from dataclasses import dataclass
from pathlib import Path

_FILE = Path(__file__).with_name("mutants.toml")


class StaleMutant(Exception):
    """The text that a mutant replaces does not stand exactly once in its file: the mutant has to follow the code."""


@dataclass(frozen=True, slots=True)
class Mutant:
    """One fault, in one file of the product.

    In `file`, a path below the root of the tree, `old` becomes `new`. Each test of `caught_by` must then fail.
    """

    name: str
    fault: str
    file: str
    old: str
    new: str
    caught_by: tuple[str, ...]

    def change(self, text: str) -> str:
        """The text of its file with the fault in it. Raises StaleMutant."""
        count = text.count(self.old)
        if count != 1:
            raise StaleMutant(f"{self.name}: its text stands {count} times in {self.file}, not once")
        return text.replace(self.old, self.new)

    def apply(self, root: Path) -> None:
        """Put the fault into the tree at `root`. Raises StaleMutant."""
        path = root / self.file
        path.write_text(self.change(path.read_text("utf-8")), "utf-8")


def load() -> dict[str, Mutant]:
    """All mutants by name."""
    tables = tomllib.loads(_FILE.read_text("utf-8"))
    return {
        name: Mutant(name, table["fault"], table["file"], table["old"], table["new"], tuple(table["caught_by"]))
        for name, table in tables.items()
    }
