"""asciicast: all versions are read by the letter of their specification, version 3 is written."""

import json
from typing import Any

import pytest

from worker.asciicast import (
    EXIT,
    MARKER,
    OUTPUT,
    AsciicastError,
    Cast,
    Event,
    EventWriter,
    is_asciicast,
    read,
    write_header,
)

V2 = '{"version": 2, "width": 80, "height": 24}\n'
V3 = '{"version": 3, "term": {"cols": 80, "rows": 24}}\n'
HEADER = "line 1: the header is not a JSON object on one line: "
V1 = {"version": 1, "width": 80, "height": 24, "duration": 1.5, "stdout": [[0.25, "a\r\n"], [1, "b"]]}


def out(at_us: int, data: str) -> Event:
    """An output event."""
    return Event(at_us, OUTPUT, data)


@pytest.mark.parametrize("indent", [None, 2])
def test_version_1_is_one_object_of_intervals(indent: int | None) -> None:
    """On one line, or spread over lines; each time is since the frame before."""
    text = json.dumps(V1 | {"title": "Demo", "command": "/bin/sh", "env": {}}, indent=indent)
    assert read(text) == Cast(1, "Demo", "/bin/sh", [out(250_000, "a\r\n"), out(1_250_000, "b")])


def test_version_2_has_times_since_the_start() -> None:
    """Input and resizing are no output; what is not known is passed over."""
    text = (
        '{"version": 2, "width": 80, "height": 24, "title": "Demo", "env": {"TERM": null}, "theme": 7}\n'
        '[0.5, "o", "a"]\n[1, "i", "y"]\n[1.25, "r", "90x30"]\n[1.5, "m", "build"]\n'
        '[2.0, "z", {"a": 1}]\n[2.5, "o", "b"]\n'
    )
    assert read(text) == Cast(
        2, "Demo", None, [out(500_000, "a"), Event(1_500_000, MARKER, "build"), out(2_500_000, "b")]
    )


def test_version_3_has_times_since_the_event_before() -> None:
    """Also since one that is passed over; comments and empty lines are none; the exit status is a number."""
    text = (
        V3 + '# a comment\n[0.5, "o", "a"]\n\n[0.25, "r", "90x30"]\n[0.25, "q", null]\n[1, "m", ""]\n'
        '[0.125, "o", "b", 0]\n[0.887, "x", "0"]\n'
    )
    assert read(text).events == [
        out(500_000, "a"),
        Event(2_000_000, MARKER, ""),
        out(2_125_000, "b"),
        Event(3_012_000, EXIT, "0"),
    ]


def test_lines_may_end_in_crlf() -> None:
    """As after a way through another system."""
    assert read((V3 + '# comment\n[0.5, "o", "a"]\n').replace("\n", "\r\n")).events == [out(500_000, "a")]


@pytest.mark.parametrize(
    "header",
    ['{"version":3}', '{"term":{"cols":80,"rows":24},"version":3,"idle_time_limit":null,"title":" ","timestamp":"?"}'],
)
def test_a_header_may_lack_or_misuse_what_is_not_needed(header: str) -> None:
    """Only the version decides."""
    assert is_asciicast(header + "\n")
    assert read(f'{header}\n[1.5, "o", "a"]\n') == Cast(3, None, None, [out(1_500_000, "a")])


@pytest.mark.parametrize(
    ("header", "events", "times"),
    [
        (V2, '[1, "o", "a"]\n[0.5, "o", "b"]\n[2, "o", "c"]\n[-3, "o", "d"]\n', [1, 1, 2, 2]),
        (V3, '[1, "o", "a"]\n[-0.5, "o", "b"]\n[1, "o", "c"]\n', [1, 1, 2]),
        (V2.replace("}", ', "idle_time_limit": 2}'), '[1, "o", "a"]\n[9, "o", "b"]\n[10, "o", "c"]\n', [1, 3, 4]),
        (
            V3.replace("}}", '}, "idle_time_limit": 0.5}'),
            '[1, "o", "a"]\n[9, "m", ""]\n[0.25, "o", "c"]\n',
            [0.5, 1, 1.25],
        ),
    ],
    ids=["version 2 falls", "version 3 falls", "version 2 idle", "version 3 idle"],
)
def test_no_time_falls_and_no_pause_is_longer_than_the_header_says(
    header: str, events: str, times: list[float]
) -> None:
    """A time that falls takes none; `idle_time_limit` cuts each pause."""
    assert [event.at_us for event in read(header + events).events] == [time * 1_000_000 for time in times]


def test_a_last_line_that_is_cut_short_is_passed_over() -> None:
    """A recorder that dies leaves one; with a line end behind it, it is an error."""
    cut = V3 + '[0.5, "o", "a"]\n[0.5, "o", "hal'
    assert read(cut).events == [out(500_000, "a")]
    with pytest.raises(AsciicastError, match=r"^line 3: not a JSON array: Unterminated string"):
        read(cut + "\n")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ('{"version": 3, "term"\n', f"{HEADER}Expecting ':' delimiter, at column 22"),
        (json.dumps({"version": 2, "width": 1}, indent=1), f"{HEADER}Expecting property"),
        ('{"version": 4}\n', "line 1: asciicast version 4 is not known here: give one of version 1 to 3"),
        ('{"version": "3"}\n', 'line 1: asciicast version "3" is not known here: give one of version 1 to 3'),
        ("[1]\n", "line 1: the header is no JSON object with a version"),
        ('{"version": 1}', 'the asciicast of version 1 has no list of frames: "stdout" is missing'),
        (json.dumps(V1 | {"stdout": [[1, "a"], [1]]}), 'frame 2 is not [seconds, "output"]'),
        (json.dumps(V1 | {"stdout": [["1", "a"]]}), 'frame 1: the time must be a number of seconds, not "1"'),
        (V3 + "# fine\nnothing\n", "line 3: not a JSON array: Expecting value, at column 1"),
        (V3 + "[" * 100_000 + "\n", "line 2: not a JSON array: nested too deeply"),
        (V3 + '{"a": 1}\n', "line 2: not an event: write [seconds, code, data]"),
        (V3 + '[0.1, "o"]\n', "line 2: not an event: write [seconds, code, data]"),
        (V3 + '[0.1, 7, "a"]\n', "line 2: not an event: write [seconds, code, data]"),
        (V3 + '[true, "o", "a"]\n', "line 2: the time must be a number of seconds, not true"),
        (V3 + '[NaN, "o", "a"]\n', "line 2: the time must be a number of seconds, not NaN"),
        (V3 + '[1e999, "o", "a"]\n', "line 2: the time must be a number of seconds, not Infinity"),
        (V3 + '[1e10, "q", "a"]\n', "line 2: the time must be a number of seconds, not 10000000000.0"),
        (V3 + '[1, "o", 7]\n', 'line 2: the data of a "o" event must be a string'),
        (V3 + '[1, "m", null]\n', 'line 2: the data of a "m" event must be a string'),
        (V3 + '[1, "x", "SIGKILL"]\n', 'line 2: the exit status must be a number, not "SIGKILL"'),
        (V3 + '[1, "x", Infinity]\n', "line 2: the exit status must be a number, not Infinity"),
        (V3 + '[1, "x", NaN]\n', "line 2: the exit status must be a number, not NaN"),
        (V2.replace("}", ', "idle_time_limit": NaN}') + '[1, "o", ""]\n',
         "line 1: the idle_time_limit must be a number of seconds, not NaN"),
        (V3 + '[1, "x", null]\n', "line 2: the exit status must be a number, not null"),
    ],
)  # fmt: skip
def test_what_is_wrong_is_named_with_its_line(text: str, message: str) -> None:
    """A bad file is refused in words that say where to look."""
    with pytest.raises(AsciicastError) as caught:
        read(text)
    assert str(caught.value).startswith(message)


@pytest.mark.parametrize(
    ("text", "is_one"),
    [
        (V3, True),
        (json.dumps(V1, indent=2), True),
        (json.dumps(V1), True),
        ('{"version": 3, "term"', True),
        ('{"version": 9}\n[0, "o", ""]', True),
        ('{"version": 1, "msg": "a"}\n{"version": 1, "msg": "b"}\n', False),
        ('{"version": "1.1", "host": "a"}\nb\n', False),
        ('{"meta": {"version": 3}}\nb\n', False),
        ('{"msg": "the \\"version\\": 3"}', False),
        ("[1, 2]\n", False),
        ("Building version 3\n", False),
        ("", False),
    ],
)
def test_an_asciicast_is_told_from_other_text(text: str, is_one: bool) -> None:
    """By a whole number as version of the object at its start; a log of JSON objects is none."""
    assert is_asciicast(text) is is_one


def test_what_is_written_follows_the_specification() -> None:
    """Header and events, each on a line of its own, whatever is in them."""
    header = write_header(
        120, 40, timestamp=1711741200, terminal="xterm", command="make all", title="Übung", env={"SHELL": "/bin/sh"}
    )
    writer = EventWriter()
    events = [writer.write(0.25, OUTPUT, "é\r\n\x1b[1m\x9b\x85\u2028"), writer.write(2.0, EXIT, "0")]
    assert header.encode() == (
        b'{"version": 3, "term": {"cols": 120, "rows": 40, "type": "xterm"}, "timestamp": 1711741200, '
        b'"command": "make all", "title": "\xc3\x9cbung", "env": {"SHELL": "/bin/sh"}}\n'
    )
    assert events == [
        '[0.250, "o", "é\\r\\n\\u001b[1m\\u009b\\u0085\\u2028"]\n',
        '[1.750, "x", "0"]\n',
    ]
    assert json.loads(events[0]) == [0.25, "o", "é\r\n\x1b[1m\x9b\x85\u2028"]


def test_what_is_not_known_is_left_out_of_the_header() -> None:
    """Optional fields are there with a value, or not at all."""
    assert json.loads(write_header(80, 24, timestamp=0)) == {
        "version": 3,
        "term": {"cols": 80, "rows": 24},
        "timestamp": 0,
    }


def test_rounding_does_not_add_up() -> None:
    """A thousand events every 0.4 ms end after 400 ms; going back takes no time."""
    writer = EventWriter()
    lines = [writer.write(number * 0.0004, OUTPUT, "") for number in range(1, 1001)]
    intervals: list[Any] = [json.loads(line)[0] for line in lines]
    assert round(sum(intervals) * 1000) == 400
    assert EventWriter().write(0.0006, OUTPUT, "") == '[0.001, "o", ""]\n'
    assert [writer.write(seconds, OUTPUT, "") for seconds in (0.1, 0.5)] == ['[0.000, "o", ""]\n', '[0.100, "o", ""]\n']
