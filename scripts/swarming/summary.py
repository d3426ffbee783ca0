"""What came of a swarm: a table, a verdict, and the same as JSON."""

from typing import Any

from producer.status import Status
from scripts.swarming.histogram import Histogram
from scripts.swarming.ledger import Ledger
from scripts.swarming.plan import Plan
from scripts.swarming.totals import Totals
from scripts.swarming.view import milliseconds

_SHARES = (("p50", 0.5), ("p90", 0.9), ("p99", 0.99), ("p99.9", 0.999), ("max", 1.0))
_WIDTH = 34


def table(plan: Plan, ledger: Ledger, end: Totals) -> str:
    """What came of it, a row a figure."""
    rows = [
        ("seed", f"{plan.seed}"),
        ("seconds", f"{end.at:,.1f}"),
        ("deploys", f"{ledger.asked:,}"),
        *((f"  {name}", f"{count:,}") for name, count in sorted(ledger.endings.items())),
        *((f"  still {status}", f"{count:,}") for status, count in _unended(ledger)),
        ("  most queued at a time", f"{ledger.most_queued:,}"),
        ("watchers", f"{ledger.joins.total():,}"),
        *((f"  {when}", f"{count:,}") for when, count in sorted(ledger.joins.items())),
        ("  verified by the proof", f"{ledger.verified:,}"),
        ("reconnects", f"{end.reconnects:,}"),
        ("lines written", f"{end.lines:,}"),
        ("lines delivered", f"{end.delivered:,}"),
        ("  due to watchers", f"{ledger.due:,}"),
        ("  that did not come", f"{ledger.missing:,}"),
        ("lines/s in, out", f"{end.lines / end.at:,.0f}, {end.delivered / end.at:,.0f}"),
        ("delay of live lines", _percentiles(end.delays)),
        ("gaps", f"{end.gaps.total():,}"),
        *((f"  {reason}", f"{count:,}") for reason, count in sorted(end.gaps.items())),
        ("errors", f"{end.errors.total():,}"),
        *((f"  {name}", f"{count:,}") for name, count in sorted(end.errors.items())),
        ("the swarm's own CPU", f"{end.cpu / end.at:.0%} of a core"),
        *((f"  {name}", f"{share.cpu / end.at:.0%}") for name, share in end.own.items()),
        ("the swarm's own delay", ""),
        *((f"  {name}", _percentiles(share.lag)) for name, share in end.own.items()),
    ]
    return "\n".join(f"{name:<{_WIDTH}} {value}" for name, value in rows)


def verdict(ledger: Ledger, *, interrupted: bool) -> str:
    """Whether the promise was kept, and where it was not."""
    if ledger.broken:
        shown = "\n".join(f"- {violation}" for violation in ledger.violations)
        more = ledger.broken - len(ledger.violations)
        return f"THE PROMISE IS BROKEN, {ledger.broken:,} times:\n{shown}" + (f"\n- and {more:,} more" if more else "")
    if interrupted:
        return f"Interrupted; until then the promise was kept to {_all(ledger.through, 'watcher')} that saw an end."
    return (
        f"The promise was kept: {_all(ledger.asked, 'deploy')} ended, and {_all(ledger.through, 'watcher')} saw\n"
        "every event once and in order, or a gap in its place."
    )


def as_json(plan: Plan, ledger: Ledger, end: Totals, *, interrupted: bool) -> dict[str, Any]:
    """All of it for a program; durations in seconds."""
    return {
        "seed": plan.seed,
        "seconds": round(end.at, 3),
        "interrupted": interrupted,
        "promise_kept": not ledger.broken,
        "violations": ledger.violations,
        "violations_total": ledger.broken,
        "deploys": {
            "asked": ledger.asked,
            **{str(status): ledger.of_status(status) for status in Status},
            "endings": dict(ledger.endings),
            "most_queued": ledger.most_queued,
        },
        "watchers": {
            "joined": dict(ledger.joins),
            "through": ledger.through,
            "verified": ledger.verified,
            "left": ledger.left,
            "reconnects": end.reconnects,
        },
        "lines": {
            "written": end.lines,
            "delivered": end.delivered,
            "due": ledger.due,
            "missing": ledger.missing,
        },
        "delay": _shares(end.delays),
        "gaps": dict(end.gaps),
        "errors": dict(end.errors),
        "own": {name: {"cpu": round(share.cpu, 3), "late": _shares(share.lag)} for name, share in end.own.items()},
    }


def _all(count: int, what: str) -> str:
    return f"the one {what}" if count == 1 else f"all {count:,} {what}s"


def _unended(ledger: Ledger) -> list[tuple[Status, int]]:
    return [(status, count) for status in Status if not status.terminal and (count := ledger.of_status(status))]


def _percentiles(durations: Histogram) -> str:
    return ", ".join(f"{name} {milliseconds(durations, share)}" for name, share in _SHARES) if len(durations) else "-"


def _shares(durations: Histogram) -> dict[str, float | int | None]:
    found = ((name, durations.percentile(share)) for name, share in _SHARES)
    return {"count": len(durations)} | {name: None if value is None else round(value, 6) for name, value in found}
