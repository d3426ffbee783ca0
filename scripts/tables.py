"""Deploys for a person: a table, and one in detail; for a program: JSON."""

import io
import json
import sys
from datetime import datetime
from typing import Any, Literal

from rich.console import Console
from rich.table import Table
from rich.text import Text

from scripts.program import NAME
from scripts.scenarios import Likely, find, hidden, likely, misnamed, own
from scripts.terminal import safe
from worker.catalogue import NAMES
from worker.reading import ScenarioError
from worker.words import printable

_PIPE_WIDTH = 10_000
_TITLES = ("DEPLOY", "STATUS", "QUEUED", "TOOK", "LINES", "MESSAGE")
_STYLES = {"complete": "green", "failed": "red", "cancelled": "yellow", "building": "cyan"}


def print_json(found: Any) -> None:
    """The answer as it came."""
    print(json.dumps(found, indent=2, ensure_ascii=False))


def deploy_table(app: str, deploys: list[dict[str, Any]]) -> None:
    """A row a deploy."""
    if not deploys:
        print(f"no deploys of {app}: queue one with '{NAME} enqueue {app}'")
        return
    rows = [
        (
            deploy["deploy_id"],
            deploy["status"],
            _when(deploy["queued_at"]),
            _took(deploy),
            f"{deploy['lines']:,}",
            safe(deploy["message"] or "", colour=False),
        )
        for deploy in deploys
    ]
    table = Table(box=None, pad_edge=False)
    room = Console().width if sys.stdout.isatty() else _PIPE_WIDTH
    for at, title in enumerate(_TITLES[:-1]):
        width = max(len(title), *(len(row[at]) for row in rows))
        justify: Literal["left", "right"] = "right" if title in ("TOOK", "LINES") else "left"
        table.add_column(title, justify=justify, width=width, no_wrap=True)
        room -= width + 2
    # On a narrow screen only the message, the last column, gives way.
    table.add_column(_TITLES[-1], max_width=max(room, len(_TITLES[-1])), no_wrap=True)
    for name, status, *rest in rows:
        table.add_row(name, Text(status, _STYLES.get(status, "")), *map(Text, rest))
    _print(table)


def deploy_details(deploy: dict[str, Any]) -> None:
    """A row a fact."""
    table = Table(box=None, show_header=False, pad_edge=False)
    for name, value in deploy.items():
        if value is not None:
            table.add_row(Text(name, "dim"), Text(safe(_fact(name, value), colour=False)))
    _print(table)


def scenario_table() -> None:
    """A row for each scenario: what it is about, its steps, and what to expect; what is wrong with one is its row."""
    table = Table(box=None, pad_edge=False)
    for title in ("SCENARIO", "LINES", "TAKES"):
        table.add_column(title, no_wrap=True, justify="left" if title == "SCENARIO" else "right")
    table.add_column("ABOUT")
    try:
        mine, notes = own(), hidden()
    except ScenarioError as error:
        mine, notes = {}, [str(error)]
    for name in (*NAMES, *(name for name in mine if name not in NAMES)):
        table.add_row(Text(printable(name)), *_scenario_row(name))
    _print(table)
    for note in notes:
        print(printable(note), file=sys.stderr)


def _scenario_row(name: str) -> tuple[str, str, Text]:
    try:
        found = find(name)
        lines, took = _expected(likely(found.scenario))
    except Exception as error:  # noqa: BLE001 - whatever is wrong with one file, the others are listed
        return "", "", Text(printable(str(error).split("\n", 1)[0]), "red")
    about = Text(f"{printable(found.scenario.about)}\n")
    about.append(", ".join(step.step for step in found.scenario.steps), "dim")
    if found.builtin is None and (said := misnamed(name, found.scenario)):
        about.append(f"\n{printable(said)}", "yellow")
    return lines, took, about


def expectation(likely: Likely) -> str:
    """Such as `40-60 lines, 8-21 s`."""
    lines, took = _expected(likely)
    return f"{lines} line{'s'[: likely.lines != (1, 1)]}, {took}"


def _expected(likely: Likely) -> tuple[str, str]:
    (fewest, most), (shortest, longest) = likely
    return _span(f"{fewest:,}", f"{most:,}"), f"{_span(_seconds(shortest), _seconds(longest))} s"


def _seconds(milliseconds: int) -> str:
    """Whole seconds; of less than one the first digit that is not 0."""
    return f"{milliseconds / 1000:.0f}" if milliseconds >= 1000 else f"{milliseconds / 1000:.1g}"


def _span(low: str, high: str) -> str:
    return low if low == high else f"{low}-{high}"


def _print(table: Table) -> None:
    """To standard output; what is not a terminal has no width to fit into, and no use for blanks at the end."""
    if sys.stdout.isatty():
        Console().print(table)
        return
    drawn = io.StringIO()
    Console(file=drawn, width=_PIPE_WIDTH).print(table)
    sys.stdout.write("".join(f"{line.rstrip()}\n" for line in drawn.getvalue().removesuffix("\n").split("\n")))


def _fact(name: str, value: Any) -> str:
    if name.endswith("_at"):
        return _when(value)
    if isinstance(value, dict):
        return ", ".join(f"{key} {item}" for key, item in value.items() if item is not None)
    return str(value)


def _when(moment: str) -> str:
    return datetime.fromisoformat(moment).astimezone().strftime("%Y-%m-%d %H:%M:%S")


def _took(deploy: dict[str, Any]) -> str:
    start, end = deploy["started_at"], deploy["finished_at"]
    if not (start and end):
        return ""
    took = datetime.fromisoformat(end) - datetime.fromisoformat(start)
    return f"{took.total_seconds():.1f} s"
