"""What Redis knows of a deploy besides its events."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from producer.errors import StoreCorrupt
from producer.proof import Proof
from producer.state import State, parse_state
from producer.status import Status

LEAST = {
    b"status": b"queued",
    b"seq": b"1",
    b"first_seq": b"1",
    b"lines": b"0",
    b"crc32": b"0",
    b"created_by": b"creator",
    b"queued_at": b"1700000000.123",
}
MOST = LEAST | {
    b"status": b"cancelled",
    b"writer": b"w",
    b"beat": b"7",
    b"cancel": b"3.5",
    b"deadline": b"1700000060",
    b"started_at": b"2.000",
    b"finished_at": b"4.000",
    b"error": b"cancelled",
    b"detail": "müde\n".encode(),
    b"environment": b"prod",
    b"message": b"\xff",
    b"source": b"",
    b"queued_by": b"me",
    b"job": b"j1",
    b"simulate": b"{}",
    b"bytes": b"9",
    b"ttl": b"60",
    b"of_a_later_version": b"x",
}


def test_the_least_state() -> None:
    """A deploy that was just created."""
    assert parse_state(LEAST) == State(Status.QUEUED, 1, 1, Proof(), "creator", 1700000000.123)


def test_the_fullest_state() -> None:
    """All fields; what another version put there is passed over, and what is not UTF-8 is replaced."""
    assert parse_state(MOST) == State(
        status=Status.CANCELLED,
        seq=1,
        first_seq=1,
        proof=Proof(),
        created_by="creator",
        queued_at=1700000000.123,
        writer="w",
        beat="7",
        cancel=3.5,
        deadline=1700000060.0,
        started_at=2.0,
        finished_at=4.0,
        error="cancelled",
        detail="müde\n",
        environment="prod",
        message="\ufffd",
        source="",
        queued_by="me",
        job="j1",
        simulate="{}",
    )


@pytest.mark.parametrize(
    ("status", "seq", "lines", "expected"),
    [
        (Status.QUEUED, 1, 0, []),
        (Status.BUILDING, 2, 0, []),
        (Status.BUILDING, 5, 3, [3, 4, 5]),
        (Status.COMPLETE, 6, 3, [3, 4, 5]),
        (Status.COMPLETE, 7, 3, []),  # taken over: one status change more, nobody knows where
        (Status.BUILDING, 6, 3, []),
        (Status.CANCELLED, 3, 1, []),  # while it was queued
    ],
)
def test_where_only_lines_can_be(status: Status, seq: int, lines: int, expected: list[int]) -> None:
    """Behind `building` and before the end, where the number of lines leaves no room for another status change."""
    state = State(status, seq, 1, Proof(lines, 0), "creator", 0.0)
    assert list(state.sure_lines) == expected


@pytest.mark.parametrize("name", LEAST)
def test_a_missing_field_is_an_error(name: bytes) -> None:
    """By its name."""
    with pytest.raises(StoreCorrupt, match=name.decode()):
        parse_state({key: value for key, value in LEAST.items() if key != name})


@pytest.mark.parametrize("name", [b"status", b"seq", b"first_seq", b"lines", b"crc32", b"cancel", b"deadline"])
@pytest.mark.parametrize("value", [b"", b"x", b"\xff"])
def test_a_field_that_cannot_be_read_is_an_error(name: bytes, value: bytes) -> None:
    """Rather than a wrong state."""
    with pytest.raises(StoreCorrupt):
        parse_state(MOST | {name: value})


@given(st.dictionaries(st.sampled_from(sorted(MOST)) | st.binary(max_size=3), st.binary(max_size=8)))
def test_no_hash_makes_it_raise_anything_else(raw: dict[bytes, bytes]) -> None:
    """Whatever lies in Redis, the error has a name of ours."""
    for fields in (raw, MOST | raw):
        try:
            parse_state(fields)
        except StoreCorrupt:
            continue
