"""What was measured: per case and peer the figures of every round, and what went wrong."""

from collections import defaultdict
from dataclasses import dataclass, field
from statistics import median
from typing import Any

from scripts.bench.case import Case, Figures, Row

OURS = "deploytail"


@dataclass
class Results:
    """The figures so far. `left_out` tells why a peer takes no part."""

    cases: list[Case]
    peers: list[str]
    machine: dict[str, str]
    ceiling: float  # frames/s that the load client takes
    left_out: dict[str, str] = field(default_factory=dict)
    figures: dict[tuple[str, str], list[Figures]] = field(default_factory=lambda: defaultdict(list))
    errors: dict[tuple[str, str], list[str]] = field(default_factory=lambda: defaultdict(list))

    def add(self, case: Case, peer: str, figures: Figures) -> None:
        """The figures of one round."""
        self.figures[case.name, peer].append(figures)

    def failed(self, case: Case, peer: str, reason: str) -> None:
        """A round that gave no figures."""
        self.errors[case.name, peer].append(reason)

    def has_failed(self, case: Case, peer: str) -> bool:
        """Whether a round gave no figures."""
        return bool(self.errors.get((case.name, peer)))

    def median(self, case: Case, row: Row, peer: str) -> float | None:
        """The median over the rounds; None where there is none, or a round went wrong."""
        rounds = [figures[row.key] for figures in self.figures.get((case.name, peer), []) if row.key in figures]
        return median(rounds) if rounds and not self.has_failed(case, peer) else None

    def ratio(self, case: Case, row: Row, peer: str) -> float | None:
        """How many times better than this peer deploytail is: above 1 it is better. None where there is no such."""
        ours, theirs = self.median(case, row, OURS), self.median(case, row, peer)
        if row.lower is None or peer == OURS or not ours or not theirs:
            return None
        return theirs / ours if row.lower else ours / theirs

    def as_json(self) -> dict[str, Any]:
        """All of it."""
        return {
            "machine": self.machine,
            "client_ceiling_frames_s": round(self.ceiling),
            "left_out": self.left_out,
            "cases": {
                case.name: {
                    "title": case.title,
                    "peers": {
                        peer: {
                            "median": {
                                row.key: value
                                for row in case.rows
                                if (value := self.median(case, row, peer)) is not None
                            },
                            "ratio": {
                                row.key: value
                                for row in case.rows
                                if (value := self.ratio(case, row, peer)) is not None
                            },
                            "rounds": self.figures.get((case.name, peer), []),
                            "errors": self.errors.get((case.name, peer), []),
                        }
                        for peer in self.peers
                        if (case.name, peer) in self.figures or (case.name, peer) in self.errors
                    },
                }
                for case in self.cases
            },
        }
