"""What a case is: a name, the figures it gives, and who takes part."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from scripts.bench.rig import Rig

Figures = Mapping[str, float]


@dataclass(frozen=True)
class Row:
    """One figure of a case. `lower`: less of it is better; None: neither is."""

    key: str
    title: str
    unit: str
    lower: bool | None = True


@dataclass(frozen=True)
class Sizes:
    """How long and how large the cases are: for figures, or with `quick` only to see that all works."""

    seconds: float = 4.0
    quick: bool = False

    @property
    def settle(self) -> float:
        """How many seconds to let everything come to rest."""
        return 0.1 if self.quick else 1.0

    def of(self, full: int, quick: int) -> int:
        """The number that counts."""
        return quick if self.quick else full


@dataclass(frozen=True)
class Case:
    """`run` takes the figures of one peer, by its name, once. It raises CannotMeasure."""

    name: str
    title: str
    rows: tuple[Row, ...]
    peers: tuple[str, ...]
    run: Callable[[Rig, str, Sizes], Figures]
