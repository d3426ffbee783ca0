"""The soak in words: a line while it runs, a table at its end."""

from collections.abc import Mapping

from scripts.soaking.course import HOSTILE, QUIET
from scripts.soaking.ledger import Ledger
from scripts.soaking.parts import Replica

_WIDTH = 34


def progress(ledger: Ledger, seconds: float, phase: str, watching: int) -> str:
    """How it stands."""
    live = len(ledger.live)
    return (
        f"{seconds:6,.0f} s  {phase:16}  deploys {len(ledger.deploys):,} ({live} live), watching {watching}, "
        f"events {ledger.events:,}, faults {ledger.faults.total():,}, reconnects {ledger.reconnects:,}, "
        f"gaps {ledger.gaps.total():,}, lost {ledger.lost}, doubled {ledger.doubled}"
        + (f", VIOLATIONS {len(ledger.violations)}" if ledger.violations else "")
    )


def table(ledger: Ledger, seed: int, seconds: float, replicas: list[Replica]) -> str:
    """What came of it."""
    rows: list[tuple[str, str]] = [
        ("seed", f"{seed}"),
        ("seconds", f"{seconds:,.0f}"),
        ("deploys", f"{len(ledger.deploys):,}"),
        *_counts(ledger.endings),
        ("lines", f"{ledger.lines:,}"),
        ("watchers", f"{ledger.manners.total():,}"),
        *_counts(ledger.manners),
        ("events that watchers got", f"{ledger.events:,}"),
        ("connections", f"{ledger.connections:,}"),
        ("reconnects", f"{ledger.reconnects:,}"),
        *((f"  answered with {status}", f"{count:,}") for status, count in sorted(ledger.refusals.items())),
        ("  by slow ones, after a silence", f"{ledger.silent:,}"),
        ("faults", f"{ledger.faults.total():,}"),
        *_counts(ledger.faults),
        ("gaps", f"{ledger.gaps.total():,}"),
        *_counts(ledger.gaps),
        *(_delivery(ledger, phase) for phase in (QUIET, HOSTILE)),
        *((f"memory of {replica.name}", _growth(replica)) for replica in replicas),
        ("lines lost", f"{ledger.lost}"),
        ("lines doubled", f"{ledger.doubled}"),
        ("streams left hanging", f"{ledger.hanging}"),
        ("other violations", f"{len(ledger.violations) - ledger.hanging}"),
    ]
    return "\n".join(f"{name:<{_WIDTH}} {value}" for name, value in rows)


def _counts(counts: Mapping[str, int]) -> list[tuple[str, str]]:
    return [(f"  {name}", f"{count:,}") for name, count in sorted(counts.items(), key=lambda item: -item[1])]


def _delivery(ledger: Ledger, phase: str) -> tuple[str, str]:
    times = sorted(ledger.delivery.get(phase, ()))
    if not times:
        return f"delivery, {phase}", "-"
    middle, high = (times[int(len(times) * share)] * 1000 for share in (0.5, 0.99))
    return f"delivery, {phase}", f"p50 {middle:.1f} ms, p99 {high:.1f} ms ({len(times):,} lines)"


def _growth(replica: Replica) -> str:
    return f"{replica.started_bytes / 2**20:.0f} MiB when it started, {replica.bytes / 2**20:.0f} MiB at the end"
