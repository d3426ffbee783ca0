"""Many texts looked for at once."""

import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from producer.pieces import Pieces

SOME = random.Random(7)
MANY = ["".join(SOME.choices("abcdefgh", k=length)) for length in (32, 33, 40, 64, 100) for _ in range(8)]
FEW_LETTERS = st.text("abc", max_size=12)


@given(st.lists(st.text("abc", min_size=1, max_size=4), max_size=5), FEW_LETTERS)
def test_every_occurrence_is_found(texts: list[str], line: str) -> None:
    """Also where one overlaps itself or another."""
    expected = {(at, at + len(text)) for text in texts for at in range(len(line)) if line.startswith(text, at)}
    pieces = Pieces(set(texts))
    assert set(pieces.spans(line)) == expected
    assert pieces.may_be_in(line) or not expected


@given(st.lists(st.text("abc", min_size=1, max_size=4), max_size=5), FEW_LETTERS)
def test_the_start_of_one_at_the_end_of_a_line_is_told(texts: list[str], line: str) -> None:
    """The longest; one that is there whole is no start."""
    starts = [size for text in texts for size in range(1, len(text)) if line.endswith(text[:size])]
    assert Pieces(set(texts)).open_end(line) == max(starts, default=0)


@pytest.mark.parametrize("text", MANY)
def test_of_many_each_is_found_wherever_it_is(text: str) -> None:
    """Where there are many, a line is looked at in samples only."""
    pieces = Pieces(MANY)
    assert pieces._samples
    for at in range(60):
        line = "." * at + text + "."
        assert (pieces.may_be_in(line), (at, at + len(text)) in pieces.spans(line)) == (True, True)


def test_a_line_without_one_is_told_quickly() -> None:
    """Ordinary lines are not searched for each of them."""
    line = "npm warn deprecated inflight@1.0.6: This module is not supported, and leaks memory."
    assert not Pieces(MANY).may_be_in(line)
    assert not Pieces(["s3cretToken42", "czNjcmV0VG9rZW40Mg"]).may_be_in(line)


def test_what_looks_like_a_mask_is_not_looked_for() -> None:
    """It would be masked again and again."""
    assert Pieces(["*", "***"]).spans("a * b *** c") == []
