"""The swarm for a person: a table while it runs, a line where there is no terminal, and a summary at its end."""

from collections.abc import Mapping

from rich.table import Table
from rich.text import Text

from producer.status import Status
from scripts.swarming.histogram import Histogram
from scripts.swarming.ledger import Ledger
from scripts.swarming.plan import Plan
from scripts.swarming.totals import Totals

_STYLES = {
    Status.QUEUED: "dim",
    Status.BUILDING: "cyan",
    Status.COMPLETE: "green",
    Status.FAILED: "red",
    Status.CANCELLED: "yellow",
}


def live_table(plan: Plan, ledger: Ledger, now: Totals, before: Totals, left: str) -> Table:
    """How it stands, with the rates and delays since `before`; `left` says what is still to come."""
    seconds = max(now.at - before.at, 1e-9)
    watching = f"{now.watching:,} open   {ledger.through:,} through   {now.reconnects:,} reconnects"
    table = Table.grid(padding=(0, 2))
    for name, text in (
        ("swarm", Text(f"{now.at:.0f} s, {left}   seed {plan.seed}")),
        ("deploys", _statuses(ledger)),
        (
            "arriving",
            Text(f"{(now.asked - before.asked) / seconds:.1f} deploys/s of {plan.rate:g}   {now.asked:,} in all"),
        ),
        ("lines in", _rate(now.lines - before.lines, seconds, now.lines)),
        ("lines out", _rate(now.delivered - before.delivered, seconds, now.delivered)),
        ("delay", Text(_delays(now.delays - before.delays))),
        ("watchers", Text(watching)),
        ("gaps", _counts(now.gaps)),
        ("errors", _counts(now.errors, "red")),
        ("own CPU", Text(_cpu(now, before, seconds), "dim")),
        ("own delay", Text(_lateness(now, before), "dim")),
    ):
        table.add_row(Text(name, "bold"), text)
    if ledger.broken:
        table.add_row(Text("BROKEN", "bold red"), Text(f"{ledger.broken:,}: {ledger.violations[0]}", "red"))
    return table


def progress(ledger: Ledger, now: Totals, before: Totals) -> str:
    """How it stands, in a line."""
    seconds = max(now.at - before.at, 1e-9)
    statuses = ", ".join(f"{ledger.of_status(status):,} {status}" for status in Status)
    return (
        f"{now.at:5.0f} s  {now.asked:,} deploys: {statuses};  lines/s {(now.lines - before.lines) / seconds:,.0f} in, "
        f"{(now.delivered - before.delivered) / seconds:,.0f} out;  delay {_delays(now.delays - before.delays)};  "
        f"{now.watching:,} watching;  gaps {now.gaps.total():,}, errors {now.errors.total():,}"
        + (f", BROKEN {ledger.broken:,}" if ledger.broken else "")
    )


def _statuses(ledger: Ledger) -> Text:
    text = Text()
    for status in Status:
        count = ledger.of_status(status)
        text.append(f"{count:,} {status}   ", _STYLES[status] if count else "dim")
    return text


def _rate(count: int, seconds: float, total: int) -> Text:
    return Text(f"{count / seconds:,.0f}/s   {total:,} in all")


def _delays(delays: Histogram) -> str:
    if not len(delays):
        return "-"
    return "   ".join(
        f"{name} {milliseconds(delays, share)}" for name, share in (("p50", 0.5), ("p99", 0.99), ("max", 1.0))
    )


def milliseconds(durations: Histogram, share: float) -> str:
    """A percentile in words."""
    seconds = durations.percentile(share)
    if seconds is None:
        return "-"
    return f"{seconds * 1000:.1f} ms" if seconds < 0.01 else f"{seconds * 1000:,.0f} ms"


def _counts(counts: Mapping[str, int], style: str = "yellow") -> Text:
    shown = [f"{count:,} {name}" for name, count in sorted(counts.items(), key=lambda item: -item[1])]
    return Text(", ".join(shown), style) if shown else Text("none", "dim")


def _cpu(now: Totals, before: Totals, seconds: float) -> str:
    """How much of a core the swarm itself takes."""
    return "   ".join(f"{name} {(now.own[name].cpu - before.own[name].cpu) / seconds:.0%}" for name in now.own)


def _lateness(now: Totals, before: Totals) -> str:
    """How late the swarm itself is, so that a delay of its own making is told from the service's."""
    late = {name: now.own[name].lag - before.own[name].lag for name in now.own}
    return "   ".join(f"{name} p99 {milliseconds(lag, 0.99)}" for name, lag in late.items())
