"""Resume: the table of the wire contract, row by row, and every malformed id."""

import pytest

from api.resume import Plan, Start, parse, plan

W = 10_000
LAST = 50

AFTER, AHEAD, TAKEN_BACK, NOTHING = Start.AFTER, Start.AHEAD, Start.TAKEN_BACK, Start.NOTHING

TABLE = [
    # N, unfinished, finished
    (None, Plan(AFTER, 0), Plan(AFTER, 0)),
    (0, Plan(AFTER, 0), Plan(AFTER, 0)),
    (1, Plan(AFTER, 1), Plan(AFTER, 1)),
    (LAST - 1, Plan(AFTER, LAST - 1), Plan(AFTER, LAST - 1)),
    (LAST, Plan(AFTER, LAST), Plan(AFTER, LAST)),
    (LAST + 1, Plan(AHEAD, LAST + 1), Plan(NOTHING, LAST + 1)),
    (LAST + 2, Plan(AHEAD, LAST + 2), Plan(TAKEN_BACK, LAST + 2)),
    (LAST + W, Plan(AHEAD, LAST + W), Plan(TAKEN_BACK, LAST + W)),
    (LAST + W + 1, Plan(AFTER, 0), Plan(AFTER, 0)),
    (2**64, Plan(AFTER, 0), Plan(AFTER, 0)),
]


@pytest.mark.parametrize(("n", "unfinished", "finished"), TABLE)
def test_each_row_of_the_table(n: int | None, unfinished: Plan, finished: Plan) -> None:
    """Where a watcher starts follows from N, the last seq, and whether the deploy has ended."""
    assert (plan(n, LAST, finished=False), plan(n, LAST, finished=True)) == (unfinished, finished)


@pytest.mark.parametrize(
    ("value", "n"),
    [
        ("0", 0),
        ("5", 5),
        ("0005", 5),
        (str(2**64), 2**64),
        ("9" * 20, 10**20 - 1),
        ("9" * 21, None),
        ("", None),
        ("-1", None),
        ("+5", None),
        ("1e9", None),
        ("5.0", None),
        (" 5", None),
        ("5 ", None),
        ("5\n", None),
        ("1_0", None),
        ("\N{ARABIC-INDIC DIGIT FIVE}", None),
        ("\N{SUPERSCRIPT TWO}", None),
        ("*", None),
        ("\0", None),
        ("5\0", None),
        ("0x5", None),
        ("1" * 65_536, None),
    ],
)
def test_only_ascii_digits_are_an_id(value: str, n: int | None) -> None:
    """Anything but one run of ASCII digits counts as absent, in the header and in the query alike."""
    assert (parse([value], []), parse([], [value])) == (n, n)


@pytest.mark.parametrize(
    ("headers", "query", "n"),
    [
        ([], [], None),
        (["7"], ["5"], 7),
        ([], ["5"], 5),
        (["x"], ["5"], None),  # a malformed header is not a missing one
        (["5", "5"], [], None),
        (["5", "6"], ["7"], None),
        ([], ["5", "6"], None),
        (["7"], ["5", "6"], 7),
    ],
)
def test_the_header_wins_and_twice_is_malformed(headers: list[str], query: list[str], n: int | None) -> None:
    """The header wins over the query, and a value given twice says nothing."""
    assert parse(headers, query) == n
