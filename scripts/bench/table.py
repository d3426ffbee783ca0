"""The results in words: for a terminal, and as Markdown."""

import sys
from collections.abc import Iterator, Sequence
from typing import NamedTuple

from rich import box
from rich.console import Console
from rich.table import Table

from scripts.bench.case import Case, Row
from scripts.bench.peers.registry import TITLES
from scripts.bench.results import OURS, Results
from scripts.bench.scaling import Series

_PIPE_WIDTH = 220
_NONE = "-"
_FAILED = "error"


class Sheet(NamedTuple):
    """One table: its first `words` columns are words, the others numbers."""

    title: str
    words: int
    head: list[str]
    body: list[list[str]]


def beside(results: Results) -> list[Sheet]:
    """The peers side by side: a row for each figure."""
    peers = results.peers
    rows = [(case, row) for case in results.cases for row in case.rows]
    body = [[*names, *(_cell(results, *at, peer) for peer in peers)] for at, names in _named(rows)]
    sheets = [Sheet("Medians", 2, ["case", "figure", *(TITLES[peer] for peer in peers)], body)]
    others = [peer for peer in peers if peer != OURS]
    compared = [(case, row) for case, row in rows if any(results.ratio(case, row, peer) for peer in others)]
    if compared:
        body = [[*names, *(_ratio(results, *at, peer) for peer in others)] for at, names in _named(compared)]
        head = ["case", "figure", *(TITLES[peer] for peer in others)]
        sheets.append(Sheet(f"How many times better {OURS} is (below 1: worse)", 2, head, body))
    return sheets


def growing(results: Results, series: Sequence[Series]) -> list[Sheet]:
    """A table for each series: a row for each size."""
    return [
        Sheet(
            each.title,
            1,
            ["", *(_figure(row) for row in each.cases[0].rows)],
            [[case.title, *(_cell(results, case, row, OURS) for row in case.rows)] for case in each.cases],
        )
        for each in series
    ]


def show(results: Results, sheets: list[Sheet]) -> None:
    """Print it all."""
    console = Console() if sys.stdout.isatty() else Console(width=_PIPE_WIDTH)
    for text in _facts(results):
        console.print(text, highlight=False, markup=False)
    for sheet in sheets:
        table = Table(title=sheet.title, title_justify="left", title_style="bold", box=box.SIMPLE_HEAD, pad_edge=False)
        for at, name in enumerate(sheet.head):
            table.add_column(name, justify="left" if at < sheet.words else "right", overflow="fold")
        for cells in sheet.body:
            table.add_row(*cells)
        console.print()
        console.print(table)
    for text in _notes(results):
        console.print(text, highlight=False, markup=False)


def markdown(results: Results, sheets: list[Sheet]) -> str:
    """It all, for a README."""
    parts = list(_facts(results))
    for sheet in sheets:
        rule = ["---" if at < sheet.words else "---:" for at in range(len(sheet.head))]
        rows = [f"| {' | '.join(cells)} |" for cells in (sheet.head, rule, *sheet.body)]
        parts.append("\n".join([f"**{sheet.title}**", "", *rows]))
    return "\n\n".join([*parts, *_notes(results)]) + "\n"


def number(value: float) -> str:
    """A number to two or three digits, as a person would write it."""
    if value >= 999_500:
        return f"{value / 1e6:,.1f} M"
    if value >= 9_995:
        return f"{value / 1e3:,.0f} k"
    if value == int(value):
        return f"{value:,.0f}"
    for least, places in ((99.95, 0), (9.995, 1), (0.0995, 2)):
        if value >= least:
            return f"{value:,.{places}f}"
    return f"{value:.2g}"


def _facts(results: Results) -> Iterator[str]:
    yield "; ".join(f"{name} {value}" for name, value in results.machine.items())
    yield f"The load client alone takes {number(results.ceiling)} frames/s."


def _notes(results: Results) -> Iterator[str]:
    for peer, reason in results.left_out.items():
        yield f"{TITLES[peer]} is left out: {reason}."
    for (case, peer), reasons in results.errors.items():
        for reason in dict.fromkeys(reasons):
            yield f"ERROR in {case}, {TITLES[peer]}: {reason}"


def _named(rows: list[tuple[Case, Row]]) -> Iterator[tuple[tuple[Case, Row], list[str]]]:
    """Each row with its first two cells: the case is named once."""
    above = None
    for case, row in rows:
        yield (case, row), ["" if case is above else case.title, _figure(row)]
        above = case


def _figure(row: Row) -> str:
    return f"{row.title}, {row.unit}" if row.unit else row.title


def _cell(results: Results, case: Case, row: Row, peer: str) -> str:
    if results.has_failed(case, peer):
        return _FAILED
    value = results.median(case, row, peer)
    return _NONE if value is None else number(value)


def _ratio(results: Results, case: Case, row: Row, peer: str) -> str:
    value = results.ratio(case, row, peer)
    return _NONE if value is None else f"{number(value)} x"
