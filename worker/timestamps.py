"""Time stamps at the start of log lines: which kind a log has, and when each of its lines was written.

One kind for all of a log. A line without a stamp, such as those of a stack trace, belongs to the one before.
"""

import re
from collections.abc import Callable, Sequence
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import NamedTuple, TypeAlias

_SECOND = 1_000_000  # all times are in microseconds
_DAY = 24 * 3600 * _SECOND
_SAMPLE_LINES = 1000
_LEAST_SHARE = 3  # where the first line has no stamp, one line in three must have one
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)

Match: TypeAlias = "re.Match[str]"


class Stamped(NamedTuple):
    """A line behind its stamp. `at_us`: microseconds since the first stamp, never falling; `step` where it tells."""

    at_us: int
    text: str
    step: str | None


class _Kind(NamedTuple):
    """`moment` reads a match, None for what is no time; times start again after `cycle`."""

    pattern: re.Pattern[str]
    moment: Callable[[Match], int | None]
    cycle: int | None = None


def stamped(lines: Sequence[str]) -> list[Stamped] | None:
    """The lines with their times, or None where they have no time stamps (or a single one, which tells nothing).

    Known are ISO 8601 and RFC 3339 (as of `docker logs --timestamps`, GitHub Actions and `journalctl -o short-iso`),
    the time of day, syslog's `Nov 24 12:00:00` (of `ts` too), and Unix seconds. A stamp may stand in brackets, in
    colours, and behind the job and the step of `gh run view --log`. The text is what follows the stamp and one blank,
    as it is. A time that falls by more than half a day (syslog: half a year) where the day (year) is not told belongs
    to the next one; any other that falls is taken for no later than the line before.
    """
    kind = _kind(lines)
    if kind is _SYSLOG_LEAP and not any(line.find("Feb 29 ", 0, 16) >= 0 for line in lines):
        kind = _SYSLOG
    return None if kind is None else _read(lines, kind)


def _kind(lines: Sequence[str]) -> _Kind | None:
    sample = [line for line in lines if line.strip()][:_SAMPLE_LINES]
    for kind in _KINDS:
        has = [_match(kind, line) is not None for line in sample]
        if sum(has) > 1 and (has[0] or sum(has) * _LEAST_SHARE >= len(sample)):
            return kind
    return None


def _match(kind: _Kind, line: str) -> tuple[Match, int] | None:
    match = kind.pattern.match(line)
    moment = None if match is None else kind.moment(match)
    return None if match is None or moment is None else (match, moment)


def _read(lines: Sequence[str], kind: _Kind) -> list[Stamped]:
    read: list[Stamped] = []
    start: int | None = None
    at_us = turned = 0
    step: str | None = None
    for line in lines:
        found = _match(kind, line)
        if found is None:
            read.append(Stamped(at_us, line, step))
            continue
        match, moment = found
        start = moment if start is None else start
        moment += turned - start
        if kind.cycle and moment < at_us - kind.cycle // 2:
            turned += kind.cycle
            moment += kind.cycle
        at_us = max(at_us, moment)
        step = match.groupdict().get("step")
        read.append(Stamped(at_us, f"{match['before']}{match['behind']}{line[match.end() :]}", step))
    return read


def _date_time(match: Match) -> int | None:
    at = _reckon(match, int(match["year"]), int(match["month"]), int(match["day"]))
    return None if at is None else at - _offset(match["zone"])


def _syslog(year: int, match: Match) -> int | None:
    return _reckon(match, year, _MONTHS.index(match["month"]) + 1, int(match["day"]))


def _time_of_day(match: Match) -> int | None:
    return _reckon(match, 1970, 1, 1)


def _unix(match: Match) -> int:
    return int(match["seconds"]) * _SECOND + _fraction(match)


def _reckon(match: Match, year: int, month: int, day: int) -> int | None:
    hour, minute, second = int(match["hour"]), int(match["minute"]), int(match["second"])
    leap = int(second == 60)
    try:
        moment = datetime(year, month, day, hour, minute, second - leap, tzinfo=UTC)
    except ValueError:
        return None
    return (moment - _EPOCH) // timedelta(microseconds=1) + leap * _SECOND + _fraction(match)


def _fraction(match: Match) -> int:
    return int((match["fraction"] or "").ljust(6, "0")[:6])


def _offset(zone: str | None) -> int:
    digits = re.sub(r"\D", "", zone or "").ljust(4, "0")
    minutes = int(digits[:2]) * 60 + int(digits[2:])
    return (-minutes if zone and "-" in zone else minutes) * 60 * _SECOND


_MONTHS = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")

_COLOURS = r"(?:\x1b\[[0-9;]*m)*"
_CLOCK = r"(?P<hour>\d\d?):(?P<minute>\d\d):(?P<second>\d\d)"
_FRACTION = r"(?:[.,](?P<fraction>\d{1,9}))?"
_ZONE = r"(?P<zone> ?UTC|[Zz]|[+-]\d\d(?::?\d\d)?| [+-]\d{4})?"
_MONTH = f"(?P<month>{'|'.join(_MONTHS)})"


def _at_start(stamp: str, prefix: str = "") -> re.Pattern[str]:
    return re.compile(rf"{prefix}(?P<before>{_COLOURS})\[?{stamp}\]?(?P<behind>{_COLOURS})(?:[ \t]|$)", re.ASCII)


_ISO = r"(?P<year>\d{4})[-/](?P<month>\d\d)[-/](?P<day>\d\d)[Tt ]" + _CLOCK
_SYSLOG_STAMP = _at_start(rf"{_MONTH} (?P<day>[ \d]\d) {_CLOCK}{_FRACTION}", r"(?:<\d{1,3}>)?")
_SYSLOG = _Kind(_SYSLOG_STAMP, partial(_syslog, 2001), 365 * _DAY)
_SYSLOG_LEAP = _Kind(_SYSLOG_STAMP, partial(_syslog, 2000), 366 * _DAY)

_KINDS = (
    _Kind(_at_start(_ISO + _FRACTION + _ZONE), _date_time),
    _Kind(
        _at_start(_ISO + r"\.(?P<fraction>\d{7})(?P<zone>Z)", r"[^\t]+\t(?P<step>[^\t]+)\t\ufeff?"),
        _date_time,
    ),
    _SYSLOG_LEAP,
    _Kind(_at_start(_CLOCK + _FRACTION), _time_of_day, _DAY),
    _Kind(_at_start(r"(?P<seconds>\d{10})(?:\.(?P<fraction>\d{1,9}))?"), _unix),
)
