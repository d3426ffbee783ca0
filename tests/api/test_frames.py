"""Frames: the exact bytes of the wire."""

import re

import pytest

from api import frames
from producer.event import Event, decode, encode_line, encode_status
from producer.proof import Proof
from producer.status import Status


def event(data: bytes) -> Event:
    """The event in bytes that the producer wrote."""
    decoded = decode(data)
    assert decoded is not None
    return decoded


LINE = event(encode_line(3, 1711741200.123, "Downloading bundle from S3..."))
NASTY = event(encode_line(4, 1711741200.0, "\r\n\n\ndata: x\r: c\u2028\u2029\x85\0\ufeff"))
BUILDING = event(encode_status(2, 1711741200.002, Status.BUILDING))
COMPLETE = event(encode_status(5, 1711741205.345, Status.COMPLETE, proof=Proof(2, 77)))

TABLE = [
    (
        frames.event(LINE),
        b'id: 3\ndata: {"seq":3,"ts":1711741200.123,"line":"Downloading bundle from S3..."}\n\n',
    ),
    (
        frames.event(NASTY),
        (
            b'id: 4\ndata: {"seq":4,"ts":1711741200.000,"line":'
            b'"\\r\\n\\n\\ndata: x\\r: c\\u2028\\u2029\\u0085\\u0000\xef\xbb\xbf"}\n\n'
        ),
    ),
    (
        frames.event(BUILDING),
        b'event: status\nid: 2\ndata: {"seq":2,"ts":1711741200.002,"status":"building"}\n\n',
    ),
    (
        frames.event(COMPLETE),
        b'event: status\nid: 5\ndata: {"seq":5,"ts":1711741205.345,"status":"complete","lines":2,"crc32":77}\n\n',
    ),
    (
        frames.gap(1, 9, frames.TRIMMED),
        b'event: gap\nid: 9\ndata: {"from":1,"to":9,"reason":"trimmed"}\n\n',
    ),
    (
        frames.gap(5, 9, frames.LOST, identity=4),
        b'event: gap\nid: 4\ndata: {"from":5,"to":9,"reason":"lost"}\n\n',
    ),
    (
        frames.gap(1, 9, frames.LOST, identity=0),
        b'event: gap\nid: 0\ndata: {"from":1,"to":9,"reason":"lost"}\n\n',
    ),
    (frames.gap(5, None, frames.LOST), b'event: gap\ndata: {"from":5,"to":null,"reason":"lost"}\n\n'),
    (frames.done(6), b"event: done\nid: 6\ndata: {}\n\n"),
    (frames.done(None), b"event: done\ndata: {}\n\n"),
    (frames.retry(1840), b"retry: 1840\n"),
    (frames.comment("still here"), b": still here\n"),
]


@pytest.mark.parametrize(("frame", "expected"), TABLE)
def test_each_frame_has_its_exact_bytes(frame: bytes, expected: bytes) -> None:
    """A frame is what the wire contract shows, byte for byte."""
    assert frame == expected


def test_a_blank_line_only_ever_ends_an_event() -> None:
    """No frame has a blank line inside; those that have data end in one; comments and `retry` have none."""
    for frame, _ in TABLE:
        body, blank, rest = frame.partition(b"\n\n")
        assert rest == b""
        assert bool(blank) == (b"data: " in body)


def test_a_line_break_of_a_log_line_never_breaks_its_frame() -> None:
    """What any client may split a line at is escaped, so that a frame has the rows that we gave it."""
    text = frames.event(NASTY).decode()
    assert [row.partition(":")[0] for row in re.split("[\r\n\x0b\x0c\x1c-\x1e\x85\u2028\u2029]", text)] == [
        "id",
        "data",
        "",
        "",
    ]
