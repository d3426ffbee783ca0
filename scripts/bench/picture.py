"""The results as a picture (SVG): a panel for each main figure, a bar for each peer, on a logarithmic scale."""

from collections.abc import Iterator
from html import escape
from math import ceil, floor, log10

from scripts.bench.case import Case, Row
from scripts.bench.peers.registry import TITLES
from scripts.bench.results import OURS, Results
from scripts.bench.table import number

_PANELS = (
    ("paced-1", "p50_ms"),
    ("paced-100", "p50_ms"),
    ("paced-1000", "p50_ms"),
    ("paced-1000", "cpu_us"),
    ("burst", "frames_s"),
    ("catchup-50", "cold_frames_s"),
    ("catchup-50", "warm_frames_s"),
    ("catchup-1", "warm_ms"),
    ("idle", "kb"),
    ("idle", "seconds"),
)
_COLUMNS = 2
_MARGIN, _PANEL_WIDTH = 24, 490
_NAME_WIDTH, _BAR_WIDTH = 180, 230
_TITLE_HEIGHT, _ROW_HEIGHT, _BAR_HEIGHT, _PANEL_GAP = 46, 22, 14, 22
_LEAST_DECADES = 2

# The background is part of the picture, so that it can be read wherever it is shown.
_STYLE = """
  .paper { fill: #ffffff } text { font: 13px system-ui, -apple-system, "Segoe UI", "DejaVu Sans", sans-serif }
  .title { font-weight: 600; font-size: 14px; fill: #1f2328 } .hint { font-size: 11.5px; fill: #656d76 }
  .name, .value { fill: #1f2328 } .bar { fill: #9aa7b4 } .ours { fill: #1f7a4d } .grid { stroke: #d8dee4 }
  .mine { font-weight: 600 } .value { paint-order: stroke; stroke: #ffffff; stroke-width: 5px }
  @media (prefers-color-scheme: dark) {
    .paper { fill: #0d1117 } .title, .name, .value { fill: #e6edf3 } .hint { fill: #9198a1 }
    .bar { fill: #5d6975 } .ours { fill: #3fb27f } .grid { stroke: #2a313a } .value { stroke: #0d1117 }
  }
"""


def svg(results: Results) -> str:
    """The picture of what was measured; panels and bars without a figure are left out."""
    panels = list(_panels(results))
    rows = [panels[at : at + _COLUMNS] for at in range(0, len(panels), _COLUMNS)]
    width = _MARGIN * 2 + _COLUMNS * _PANEL_WIDTH
    parts: list[str] = []
    y = float(_MARGIN)
    for row in rows:
        for column, (case, figure, bars) in enumerate(row):
            parts += _panel(_MARGIN + column * _PANEL_WIDTH, y, case, figure, bars)
        y += _TITLE_HEIGHT + _ROW_HEIGHT * max(len(bars) for _, _, bars in row) + _PANEL_GAP
    machine = results.machine
    caption = f"{machine.get('cores')} cores, {machine.get('CPU')}; {machine.get('store')}; {machine.get('date')}"
    parts.append(f'<text class="hint" x="{_MARGIN}" y="{y:.0f}">{escape(caption)}</text>')
    height = y + _MARGIN
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height:.0f}" width="{width}" '
        f'height="{height:.0f}" role="img" aria-label="deploytail beside its peers">\n<style>{_STYLE}</style>\n'
        f'<rect class="paper" width="{width}" height="{height:.0f}" rx="8"/>\n' + "\n".join(parts) + "\n</svg>\n"
    )


def _panels(results: Results) -> Iterator[tuple[Case, Row, list[tuple[str, float]]]]:
    cases = {case.name: case for case in results.cases}
    for name, key in _PANELS:
        case = cases.get(name)
        if case is None:
            continue
        row = next(row for row in case.rows if row.key == key)
        bars = [(peer, value) for peer in results.peers if (value := results.median(case, row, peer))]
        if bars:
            yield case, row, sorted(bars, key=lambda bar: bar[1], reverse=not row.lower)


def _panel(x: float, y: float, case: Case, row: Row, bars: list[tuple[str, float]]) -> Iterator[str]:
    low, high = _decades([value for _, value in bars])
    better = "shorter" if row.lower else "longer"
    unit = f", {row.unit}" if row.unit else ""
    hint = f"{row.title}{unit}; logarithmic, {better} is better"
    yield f'<text class="title" x="{x}" y="{y + 14:.0f}">{escape(case.title)}</text>'
    yield f'<text class="hint" x="{x}" y="{y + 31:.0f}">{escape(hint)}</text>'
    top, left = y + _TITLE_HEIGHT, x + _NAME_WIDTH
    for decade in range(low, high + 1):
        at = left + _BAR_WIDTH * (decade - low) / (high - low)
        bottom = top + _ROW_HEIGHT * len(bars) - 4
        yield f'<line class="grid" x1="{at:.1f}" x2="{at:.1f}" y1="{top - 4:.0f}" y2="{bottom:.0f}"/>'
    for at, (peer, value) in enumerate(bars):
        line = top + _ROW_HEIGHT * at
        length = _BAR_WIDTH * (log10(value) - low) / (high - low)
        ours = peer.startswith(OURS)
        mine = " mine" if ours else ""
        yield (
            f'<text class="name{mine}" x="{left - 8}" y="{line + 11:.0f}" text-anchor="end">'
            f"{escape(TITLES[peer])}</text>"
        )
        yield (
            f'<rect class="{"ours" if ours else "bar"}" x="{left}" y="{line:.0f}" width="{length:.1f}" '
            f'height="{_BAR_HEIGHT}" rx="2"/>'
        )
        yield f'<text class="value{mine}" x="{left + length + 6:.1f}" y="{line + 11:.0f}">{number(value)}</text>'


def _decades(values: list[float]) -> tuple[int, int]:
    """The powers of ten between which the bars lie; each bar has some length."""
    low = floor(log10(min(values)) - 0.15)
    return low, max(ceil(log10(max(values))), low + _LEAST_DECADES)
