"""Deploys for a person: a table, and one in detail; for a program: JSON."""

import json
import sys
from datetime import datetime
from typing import Any, Literal

from rich.console import Console
from rich.table import Table
from rich.text import Text

from scripts.program import NAME
from scripts.scenarios import Likely, find, likely, own
from scripts.terminal import safe
from worker.catalogue import NAMES
from worker.reading import ScenarioError
from worker.template import TemplateError

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
    console = _console()
    table = Table(box=None, pad_edge=False)
    room = console.width
    for at, title in enumerate(_TITLES[:-1]):
        width = max(len(title), *(len(row[at]) for row in rows))
        justify: Literal["left", "right"] = "right" if title in ("TOOK", "LINES") else "left"
        table.add_column(title, justify=justify, width=width, no_wrap=True)
        room -= width + 2
    # On a narrow screen only the message, the last column, gives way.
    table.add_column(_TITLES[-1], max_width=max(room, len(_TITLES[-1])), no_wrap=True)
    for name, status, *rest in rows:
        table.add_row(name, Text(status, _STYLES.get(status, "")), *map(Text, rest))
    console.print(table)


def deploy_details(deploy: dict[str, Any]) -> None:
    """A row a fact."""
    table = Table(box=None, show_header=False, pad_edge=False)
    for name, value in deploy.items():
        if value is not None:
            table.add_row(Text(name, "dim"), Text(safe(_fact(name, value), colour=False)))
    _console().print(table)


def scenario_table() -> None:
    """A row for each scenario: what it is about, its steps, and what to expect."""
    table = Table(box=None, pad_edge=False)
    for title in ("SCENARIO", "LINES", "TAKES"):
        table.add_column(title, no_wrap=True, justify="left" if title == "SCENARIO" else "right")
    table.add_column("ABOUT")
    for name in (*NAMES, *own()):
        try:
            scenario = find(name).scenario
            lines, took = _expected(likely(scenario))
        except (ScenarioError, TemplateError) as error:
            table.add_row(Text(name), "", "", Text(str(error).splitlines()[0], "red"))
            continue
        steps = ", ".join(step.step for step in scenario.steps)
        table.add_row(Text(name), lines, took, Text(f"{scenario.about}\n").append(steps, "dim"))
    _console().print(table)


def expectation(likely: Likely) -> str:
    """Such as `40-60 lines, 8-21 s`."""
    lines, took = _expected(likely)
    return f"{lines} lines, {took}"


def _expected(likely: Likely) -> tuple[str, str]:
    (fewest, most), (shortest, longest) = likely
    return _span(f"{fewest:,}", f"{most:,}"), f"{_span(f'{shortest / 1000:.0f}', f'{longest / 1000:.0f}')} s"


def _span(low: str, high: str) -> str:
    return low if low == high else f"{low}-{high}"


def _console() -> Console:
    """Standard output; what is not a terminal has no width to fit into."""
    return Console() if sys.stdout.isatty() else Console(width=_PIPE_WIDTH)


def _fact(name: str, value: Any) -> str:
    if name.endswith("_at"):
        return _when(value)
    if isinstance(value, dict):
        return ", ".join(f"{key} {item}" for key, item in value.items())
    return str(value)


def _when(moment: str) -> str:
    return datetime.fromisoformat(moment).astimezone().strftime("%Y-%m-%d %H:%M:%S")


def _took(deploy: dict[str, Any]) -> str:
    start, end = deploy["started_at"], deploy["finished_at"]
    if not (start and end):
        return ""
    took = datetime.fromisoformat(end) - datetime.fromisoformat(start)
    return f"{took.total_seconds():.1f} s"
