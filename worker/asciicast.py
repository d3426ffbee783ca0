"""asciicast, the recording format of asciinema: versions 1, 2 and 3 are read, version 3 is written.

Version 1 is one JSON object with pairs of an interval and output; 2 and 3 are a header and an event a line, each event
`[time, code, data]`, the time since the start (2) or since the event before (3), in seconds. The rules are those of
https://docs.asciinema.org/manual/asciicast/: a line that starts with `#` is a comment, an event whose code is not
known is passed over, and no pause is longer than the header's `idle_time_limit`.
"""

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from math import isnan
from typing import Any, NamedTuple

INPUT, OUTPUT, MARKER, RESIZE, EXIT = "i", "o", "m", "r", "x"

_VERSION = re.compile(r'"version"\s*:\s*\d+\s*[,}]')
_HEADER_CHARACTERS = 4096
_MOST_SECONDS = 1_000_000_000
# JSON lets them stand, but they steer terminals, or are taken for line ends.
_ESCAPED = str.maketrans({chr(code): f"\\u{code:04x}" for code in (*range(0x7F, 0xA0), 0x2028, 0x2029)})


class AsciicastError(ValueError):
    """The text is no asciicast; the message names the line and what to do."""


class Event(NamedTuple):
    """What happened `at_us` microseconds after the start. Of an EXIT, `data` is a whole number."""

    at_us: int
    code: str
    data: str


class Cast(NamedTuple):
    """A whole recording, in the order of the file. `title` and `command` are None where it does not tell."""

    version: int
    title: str | None
    command: str | None
    events: list[Event]


def is_asciicast(text: str) -> bool:
    """Whether the text means to be an asciicast: it starts with a JSON object that has a whole number as version.

    A log of a JSON object a line is none; a header that is broken is one.
    """
    first, _, rest = text.partition("\n")
    if not first.startswith("{") or rest.startswith("{"):
        return False
    try:
        return type(_json(first).get("version")) is int
    except ValueError:
        return bool(_VERSION.search(text, 0, _HEADER_CHARACTERS))


def read(text: str) -> Cast:
    """The recording. A last line without a line end that is cut short, as a crash leaves it, is passed over.

    Raises AsciicastError.
    """
    first, *lines = text.split("\n")
    try:
        header = _json(first)
    except ValueError as error:
        return _read_whole(text, f"line 1: the header is not a JSON object on one line: {error}")
    match header:
        case {"version": 1}:
            return _read_whole(text, "")
        case {"version": 2 | 3 as version}:
            return Cast(int(version), _text(header, "title"), _text(header, "command"), _events(lines, header))
        case {"version": version}:
            raise AsciicastError(
                f"line 1: asciicast version {_dump(version)} is not known here: give one of version 1 to 3"
            )
    raise AsciicastError("line 1: the header is no JSON object with a version")


def write_header(
    columns: int,
    rows: int,
    *,
    timestamp: int,
    terminal: str | None = None,
    command: str | None = None,
    title: str | None = None,
    env: Mapping[str, str] | None = None,
) -> str:
    """The first line of a file of version 3, with its line end. `timestamp` is in Unix seconds; None is left out."""
    term = {"cols": columns, "rows": rows, "type": terminal}
    known = {"timestamp": timestamp, "command": command, "title": title, "env": dict(env or {}) or None}
    return _dump({"version": 3, "term": _given(term), **_given(known)}) + "\n"


class EventWriter:
    """Events as lines of version 3. Times are rounded to milliseconds, intervals are between rounded times."""

    def __init__(self) -> None:
        self._at_ms = 0

    def write(self, seconds: float, code: str, data: str) -> str:
        """The line of an event so many seconds after the start, with its line end; going back takes no time."""
        at_ms = max(self._at_ms, round(seconds * 1000))
        interval, self._at_ms = at_ms - self._at_ms, at_ms
        return f"[{interval // 1000}.{interval % 1000:03d}, {_dump(code)}, {_dump(data)}]\n"


def _read_whole(text: str, problem: str) -> Cast:
    """Version 1, whose one object may be spread over lines; `problem` is what to say where it is not."""
    try:
        recording = _json(text)
    except ValueError as error:
        raise AsciicastError(problem or f"line 1: not a JSON object: {error}") from error
    match recording:
        case {"version": 1, "stdout": [*frames]}:
            pass
        case {"version": 1}:
            raise AsciicastError('the asciicast of version 1 has no list of frames: "stdout" is missing')
        case _:
            raise AsciicastError(problem)
    events, at_us = [], 0
    for number, frame in enumerate(frames, 1):
        match frame:
            case [seconds, str(data)]:
                at_us += _microseconds(seconds, f"frame {number}")
                events.append(Event(at_us, OUTPUT, data))
            case _:
                raise AsciicastError(f'frame {number} is not [seconds, "output"]')
    return Cast(1, _text(recording, "title"), _text(recording, "command"), events)


def _events(lines: Sequence[str], header: Mapping[str, Any]) -> list[Event]:
    limit = _idle_limit(header)
    events: list[Event] = []
    before = at_us = 0  # in the file's time, and in ours, which has no long pauses
    for number, code, data, given in _rows(lines):
        time = given if header["version"] == 2 else before + given
        at_us += min(max(0, time - before), limit)
        before = max(before, time)
        if code in (OUTPUT, MARKER):
            if not isinstance(data, str):
                raise AsciicastError(f'line {number}: the data of a "{code}" event must be a string')
            events.append(Event(at_us, code, data))
        elif code == EXIT:
            events.append(Event(at_us, code, _status(data, number)))
    return events


def _rows(lines: Sequence[str]) -> Iterator[tuple[int, str, object, int]]:
    """Each event's line number, code, data and time in microseconds, as they stand in the file."""
    for number, line in enumerate(lines, 2):
        if not line.strip() or line.startswith("#"):
            continue
        try:
            event = _json(line)
        except ValueError as error:
            if number > len(lines):
                return
            raise AsciicastError(f"line {number}: not a JSON array: {error}") from error
        match event:
            case [time, str(code), data, *_]:
                yield number, code, data, _microseconds(time, f"line {number}")
            case _:
                raise AsciicastError(f"line {number}: not an event: write [seconds, code, data]")


def _microseconds(seconds: object, where: str) -> int:
    match seconds:
        case bool():
            pass
        case int() | float() if abs(seconds) < _MOST_SECONDS:
            return max(0, round(seconds * 1_000_000))
    raise AsciicastError(f"{where}: the time must be a number of seconds, not {_dump(seconds)[:40]}")


def _status(data: object, number: int) -> str:
    try:
        return str(int(data))  # type: ignore[call-overload]
    except (TypeError, ValueError, OverflowError) as error:
        raise AsciicastError(f"line {number}: the exit status must be a number, not {_dump(data)[:40]}") from error


def _idle_limit(header: Mapping[str, Any]) -> int:
    """The longest pause in microseconds."""
    limit = header.get("idle_time_limit")
    if isinstance(limit, float) and isnan(limit):
        raise AsciicastError("line 1: the idle_time_limit must be a number of seconds, not NaN")
    if isinstance(limit, bool) or not isinstance(limit, int | float) or limit < 0:
        limit = _MOST_SECONDS
    return round(min(limit, _MOST_SECONDS) * 1_000_000)


def _json(text: str) -> Any:
    """Raises ValueError whose message is one short sentence."""
    try:
        return json.loads(text)
    except json.JSONDecodeError as error:
        raise ValueError(f"{error.msg}, at column {error.colno}") from error
    except RecursionError as error:
        raise ValueError("nested too deeply") from error


def _dump(value: object) -> str:
    return json.dumps(value, ensure_ascii=False).translate(_ESCAPED)


def _text(header: Mapping[str, Any], name: str) -> str | None:
    value = header.get(name)
    return value if isinstance(value, str) and value.strip() else None


def _given(fields: Mapping[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in fields.items() if value is not None}
