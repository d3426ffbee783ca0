"""Spans of time and the pace of lines: whole milliseconds, drawn by additions and multiplications alone."""

import pytest

from tests.worker.support import fixed
from worker.timing import Bursts, Count, Pacer, Span


@pytest.mark.parametrize(
    ("source", "drawn", "milliseconds"),
    [
        ("120", 0.9, 120),
        ("120ms", 0.9, 120),
        ("1.5s", 0.9, 1_500),
        ("2m", 0.9, 120_000),
        ("1h", 0.9, 3_600_000),
        ("0.001s", 0.9, 1),
        ("50..200", 0.0, 50),
        ("50..200", 0.9999, 200),
        ("1..3s", 0.0, 1_000),
        ("1..3s", 0.9999, 3_000),
        ("900ms..2s", 0.0, 900),
        ("20..80..3000", 0.0, 20),
        ("20..80..3000", 0.4999, 80),
        ("20..80..3000", 0.5, 80),
        ("20..80..3000", 0.75, 262),
        ("20..80..3000", 0.999999, 3_000),
    ],
)
def test_a_span_is_drawn_between_its_ends(source: str, drawn: float, milliseconds: int) -> None:
    """One that has a tail lies half of the time below its usual end."""
    assert Span(source).draw(fixed(drawn)) == milliseconds


@pytest.mark.parametrize(
    ("source", "said"),
    [
        ("", "'' is not a span of time: write 120, 50..200ms, 1.5s, 2m, or 20..80..3000"),
        ("soon", "'soon' is not a span of time"),
        ("1..2..3..4", "'1..2..3..4' is not a span of time"),
        ("1.2345s", "'1.2345s' is not a span of time"),
        ("-5", "'-5' is not a span of time"),
        ("5..3", "'5..3': the shorter time comes first"),
        ("900..3s", "'900..3s': the shorter time comes first; without a unit a time has that of the next"),
        ("2s..900ms", "'2s..900ms': the shorter time comes first"),
        ("25h", "'25h': no more than 24h"),
        ("9" * 5_000, f"'{'9' * 59}…' is not a span of time"),
        ("²s", "'²s' is not a span of time"),
        ("٣s", "'٣s' is not a span of time"),
    ],
)
def test_what_is_no_span_is_refused(source: str, said: str) -> None:
    """The sentence says what to write."""
    with pytest.raises(ValueError) as error:  # noqa: PT011 - its text is compared
        Span(source)
    assert str(error.value).startswith(said)


@pytest.mark.parametrize("source", ["0", "x", "3..2", "0..4", "1.5", "9999999", "٣"])
def test_what_is_no_count_is_refused(source: str) -> None:
    """A count is 1 or more."""
    with pytest.raises(ValueError, match=r"is not a count: write 12 or 3\.\.9"):
        Count(source)


def test_bursts_come_with_pauses_between_them() -> None:
    """The pause is before the first line of each burst."""
    bursts = Bursts.model_validate({"burst": "3", "within": "2", "gap": "500"})
    pacer = Pacer(bursts, fixed(0.0))
    assert [pacer.next() for _ in range(7)] == [500, 2, 2, 500, 2, 2, 500]
