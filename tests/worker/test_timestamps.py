"""Time stamps of log lines: each kind is known, and read as what it means."""

import pytest

from worker.timestamps import Stamped, stamped

DAY = 24 * 3600 * 1_000_000


@pytest.mark.parametrize(
    ("first", "second", "apart"),
    [
        ("2026-11-24T12:00:00Z", "2026-11-24T12:00:01Z", 1.0),
        ("2026-11-24T12:00:00.123456789Z", "2026-11-24T12:00:00.5Z", 0.376544),  # docker, kubectl
        ("2026-11-24T12:00:00.1234567Z", "2026-11-24T12:00:00.1234577Z", 0.000001),  # GitHub Actions
        ("2026-11-24T12:00:00+0100", "2026-11-24T12:00:00+00:00", 3600.0),  # journalctl -o short-iso
        ("2026-11-24T12:00:00-02", "2026-11-24T12:00:00-03:30", 5400.0),
        ("2026-11-24 12:00:00,250", "2026-11-24 12:00:01,000", 0.75),  # Python's logging
        ("[2026-11-24 12:00:00 +0000]", "[2026-11-24 12:00:01 +0000]", 1.0),
        ("2026-11-24 12:00:00 UTC", "2026-11-24 12:00:01 UTC", 1.0),
        ("2026/11/24 12:00:00", "2026/11/24 12:00:01", 1.0),
        ("2026-12-31T23:59:60Z", "2027-01-01T00:00:00Z", 0.0),
        ("2026-12-31t23:59:59z", "2026-12-31t23:59:60z", 1.0),
        ("0001-01-01T00:00:00+05:00", "9999-12-31T23:59:59-05:00", 315_537_933_599.0),
        ("12:00:00", "12:00:01", 1.0),
        ("[9:59:59.5]", "[10:00:00.25]", 0.75),
        ("23:59:59.900", "00:00:00.100", 0.2),
        ("Nov 24 12:00:00", "Nov 24 12:00:01", 1.0),
        ("Nov  4 12:00:00.25", "Nov  4 12:00:00.5", 0.25),
        ("<13>Dec 31 23:59:59", "<13>Jan  1 00:00:00", 1.0),
        ("Feb 28 23:59:59", "Mar  1 00:00:00", 1.0),
        ("Feb 29 23:59:59", "Mar  1 00:00:00", 1.0),
        ("1795521600", "1795521601", 1.0),
        ("[1795521600.25]", "[1795521600.5]", 0.25),
        ("\x1b[2m1795521600.25\x1b[0m", "\x1b[2m1795521600.5\x1b[0m", 0.25),
    ],
)
def test_each_kind_of_stamp_is_read(first: str, second: str, apart: float) -> None:
    """Two lines, and how many seconds lie between them; the stamps are gone, colours stay."""
    before = "\x1b[2m\x1b[0m" if first.startswith("\x1b") else ""
    assert stamped([f"{first} one", f"{second}\t two", second]) == [
        Stamped(0, f"{before}one", None),
        Stamped(round(apart * 1_000_000), f"{before} two", None),
        Stamped(round(apart * 1_000_000), before, None),
    ]


@pytest.mark.parametrize(
    "lines",
    [
        ["Building", "12:00:00 is when it begins", "Linking", "Done"],
        ["2026-11-24 12:00:00 Building", "Linking"],
        ["12:00 Building", "12:01 Linking"],
        ["2026-13-24 12:00:00 Building", "2026-11-24 25:00:00 Linking"],
        ["12:00:00Building", "12:00:01Linking"],
        ["3 warnings", "4 errors"],
        ["v1795521600 a", "v1795521600 b"],
        ["17955216001 a", "17955216002 b"],
        ["", ""],
        [],
    ],
)
def test_what_is_no_log_with_stamps_has_none(lines: list[str]) -> None:
    """A single stamp tells nothing, nor does what only looks like one."""
    assert stamped(lines) is None


def test_a_line_without_a_stamp_belongs_to_the_one_before() -> None:
    """The first lines to the first stamp; the text of such lines is whole."""
    lines = ["-- begins --", "12:00:00 one", "  at main()", "", "12:00:01 two", "2026-11-24 three", "99:00:00 four"]
    assert stamped(lines) == [
        Stamped(0, "-- begins --", None),
        Stamped(0, "one", None),
        Stamped(0, "  at main()", None),
        Stamped(0, "", None),
        Stamped(1_000_000, "two", None),
        Stamped(1_000_000, "2026-11-24 three", None),
        Stamped(1_000_000, "99:00:00 four", None),
    ]


@pytest.mark.parametrize(("stamps", "are"), [(3, True), (2, False)])
def test_one_line_in_three_must_have_a_stamp_where_the_first_has_none(stamps: int, are: bool) -> None:
    """Else it is text that a time stands in by chance."""
    lines = ["none"] * (9 - stamps) + ["12:00:00 one"] * stamps
    assert (stamped(lines) is not None) is are
    assert stamped(["12:00:00 first", *lines]) is not None


def test_one_kind_holds_for_the_whole_log() -> None:
    """The one that is known first of those that fit."""
    lines = ["2026-11-24T12:00:00Z 12:00:00 one", "12:00:05 two", "2026-11-24T12:00:01Z 12:00:01 three"]
    assert stamped(lines) == [
        Stamped(0, "12:00:00 one", None),
        Stamped(0, "12:00:05 two", None),
        Stamped(1_000_000, "12:00:01 three", None),
    ]


def test_a_time_that_falls_is_the_next_day_or_no_later() -> None:
    """By more than half a day it is the next day's; else the clock was set, and no time passes until it is made up."""
    lines = [
        "10:00:00 a",
        "09:00:00 b",
        "10:00:01 c",
        "23:00:00 d",
        "01:00:00 e",
        "00:30:00 f",
        "23:00:00 g",
        "00:00:00 h",
    ]
    hours = [0, 0, 1 / 3600, 13, 15, 15, 37, 38]
    assert [line.at_us for line in stamped(lines) or []] == [round(hour * DAY / 24) for hour in hours]


def test_a_step_stands_before_the_stamp_of_a_github_job() -> None:
    """As `gh run view --log` prints: job, step, and the line as the runner wrote it."""
    lines = [
        "build\tSet up job\t\ufeff2026-11-24T12:00:00.0000000Z Runner",
        "build\tRun npm ci\t2026-11-24T12:00:00.5000000Z added 17 packages",
        "no stamp",
    ]
    assert stamped(lines) == [
        Stamped(0, "Runner", "Set up job"),
        Stamped(500_000, "added 17 packages", "Run npm ci"),
        Stamped(500_000, "no stamp", "Run npm ci"),
    ]
