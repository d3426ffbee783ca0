"""How the whole swarm fares: its processes' reports and its ledger, put together."""

from collections import Counter, deque
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from scripts.swarming.histogram import Histogram
from scripts.swarming.ledger import Ledger
from scripts.swarming.messages import Report

ARRIVALS, WATCHERS, FEEDERS = "arrivals", "watchers", "feeders"

_WINDOW_SECONDS = 5.0


@dataclass(frozen=True)
class Share:
    """What some of the swarm's own processes take: `cpu` in seconds, and how late they do what they have to."""

    cpu: float
    lag: Histogram


@dataclass(frozen=True)
class Totals:
    """All of it since the start, `at` so many seconds after it. `own`: what the swarm's own processes take."""

    at: float
    asked: int
    lines: int
    delivered: int
    watching: int
    reconnects: int
    gaps: Counter[str]
    errors: Counter[str]
    delays: Histogram
    own: dict[str, Share]

    @property
    def cpu(self) -> float:
        """The seconds of CPU that the swarm itself has taken."""
        return sum(share.cpu for share in self.own.values())


def totals(at: float, ledger: Ledger, reports: Mapping[str, Sequence[Report]]) -> Totals:
    """Put the ledger and the reports, by the sort of process that they come from, together."""
    everybody = [report for some in reports.values() for report in some]
    watching = reports[WATCHERS]
    gaps, errors, delays = Counter[str](), Counter(ledger.refused), Histogram()
    for report in everybody:
        gaps.update(report.gaps)
        errors.update(report.errors)
        delays.counts.update(report.delays)
    return Totals(
        at=at,
        asked=ledger.asked,
        lines=ledger.lines,
        delivered=sum(report.delivered for report in watching),
        watching=sum(report.open for report in watching),
        reconnects=sum(report.reconnects for report in watching),
        gaps=gaps,
        errors=errors,
        delays=delays,
        own={name: _share(some) for name, some in reports.items() if some},
    )


def _share(reports: Sequence[Report]) -> Share:
    lag = Histogram()
    for report in reports:
        lag.counts.update(report.lag)
    return Share(sum(report.cpu for report in reports), lag)


class Recent:
    """Remembers how it was some seconds ago. `start` is how it was at first."""

    def __init__(self, start: Totals) -> None:
        self._past = deque([start])

    def since(self, now: Totals) -> Totals:
        """The totals of some seconds before `now`; remembers `now`."""
        self._past.append(now)
        while len(self._past) > 1 and now.at - self._past[1].at >= _WINDOW_SECONDS:
            self._past.popleft()
        return self._past[0]
