"""The one encoding of an event."""

import json
from collections.abc import Callable
from functools import partial

import pytest
from hypothesis import given
from hypothesis import strategies as st

from producer.event import (
    MAX_LINE_BYTES,
    Event,
    Numbered,
    are_lines,
    are_stored_lines,
    clean,
    decode,
    encode_line,
    encode_status,
)
from producer.proof import Proof
from producer.status import Status

TS = 1711741200.123
SEPARATORS = ("\x85", "\u2028", "\u2029")


@pytest.mark.parametrize(
    ("encoded", "expected"),
    [
        (encode_line(17, TS, "Done"), b'{"seq":17,"ts":1711741200.123,"line":"Done"}'),
        (encode_line(1, 0, ""), b'{"seq":1,"ts":0.000,"line":""}'),
        (encode_line(1, 1.23456, "a"), b'{"seq":1,"ts":1.235,"line":"a"}'),
        (
            encode_line(3, 2, "a", "stderr", "warning", "build"),
            b'{"seq":3,"ts":2.000,"line":"a","stream":"stderr","level":"warning","step":"build"}',
        ),
        (encode_line(3, 2, "a", step='"b'), b'{"seq":3,"ts":2.000,"line":"a","step":"\\"b"}'),
        (encode_line(3, 2, "a", step="\u2028"), b'{"seq":3,"ts":2.000,"line":"a","step":"\\u2028"}'),
        (encode_line(3, 2, 'say "hi" \\ bye'), b'{"seq":3,"ts":2.000,"line":"say \\"hi\\" \\\\ bye"}'),
        (encode_line(3, 2, "a\r\n\n\tb"), b'{"seq":3,"ts":2.000,"line":"a\\r\\n\\n\\tb"}'),
        (encode_line(3, 2, "\0\x1b[31m\x7f"), b'{"seq":3,"ts":2.000,"line":"\\u0000\\u001b[31m\x7f"}'),
        (encode_line(3, 2, "\x85\u2028\u2029"), b'{"seq":3,"ts":2.000,"line":"\\u0085\\u2028\\u2029"}'),
        (encode_line(3, 2, "\ufeffé€🚀"), '{"seq":3,"ts":2.000,"line":"\ufeffé€🚀"}'.encode()),
        (encode_status(1, 2, Status.QUEUED), b'{"seq":1,"ts":2.000,"status":"queued"}'),
        (
            encode_status(9, 2, Status.COMPLETE, proof=Proof(0, 0)),
            b'{"seq":9,"ts":2.000,"status":"complete","lines":0,"crc32":0}',
        ),
        (
            encode_status(9, 2, Status.FAILED, "a\u2028b", "c\nd", Proof(7, 4294967295)),
            b'{"seq":9,"ts":2.000,"status":"failed","reason":"a\\u2028b","detail":"c\\nd","lines":7,"crc32":4294967295}',
        ),
    ],
)
def test_an_event_has_exactly_these_bytes(encoded: bytes, expected: bytes) -> None:
    """The bytes are part of the contract: they lie in Redis and go over the wire as they are."""
    assert encoded == expected


@given(st.text().map(clean), st.none() | st.text().map(clean))
def test_any_text_comes_back(text: str, step: str | None) -> None:
    """What is encoded is decoded to the same, and no line break of any kind is in the bytes."""
    data = encode_line(3, TS, text, step=step)
    assert decode(data) == Event(3, TS, data, text, None)
    assert json.loads(data).get("step") == step
    assert min(data) >= 0x20
    assert not any(separator in data.decode() for separator in SEPARATORS)


@pytest.mark.parametrize("status", Status)
@pytest.mark.parametrize("reason", [None, "no space\r\n\u2028left"])
def test_a_status_comes_back(status: Status, reason: str | None) -> None:
    """A status change is decoded to its status; its other fields stay in its bytes."""
    data = encode_status(4, TS, status, reason, reason, Proof(5, 6))
    assert decode(data) == Event(4, TS, data, None, status)
    assert min(data) >= 0x20
    assert json.loads(data) == {"seq": 4, "ts": TS, "status": status, "lines": 5, "crc32": 6} | (
        {"reason": reason, "detail": reason} if reason else {}
    )


DEEP = 200_000


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"null",
        b"hello",
        b"{}",
        b"[]",
        b'{"seq":',
        b'{"ts":1,"seq":1,"line":"x"}',
        b' {"seq":1,"ts":1,"line":"x"}',
        b'[{"seq":1,"ts":1,"line":"x"}]',
        b'{"seq":1,"ts":1,"line":"x"}{"seq":2,"ts":1,"line":"x"}',
        b'{"seq":1,"ts":1,"line":"x"} data',
        b'{"seq":1,"ts":1,"line":"x"',
        # line breaks
        b'{"seq":1,"ts":1,"line":"x"}\n',
        b'{"seq":1,\n"ts":1,"line":"x"}',
        b'{"seq":1,\r"ts":1,"line":"x"}',
        b'{"seq":1,"ts":1,"line":"x\ny"}',
        b'{"seq":1,"ts":1,"line":"x\0y"}',
        # seq
        b'{"seq":0,"ts":1,"line":"x"}',
        b'{"seq":-1,"ts":1,"line":"x"}',
        b'{"seq":1.0,"ts":1,"line":"x"}',
        b'{"seq":true,"ts":1,"line":"x"}',
        b'{"seq":null,"ts":1,"line":"x"}',
        b'{"seq":"1","ts":1,"line":"x"}',
        b'{"seq":[1],"ts":1,"line":"x"}',
        b'{"seq":NaN,"ts":1,"line":"x"}',
        b'{"seq":9007199254740992,"ts":1,"line":"x"}',  # beyond what JavaScript can count
        b'{"seq":' + b"9" * 5_000 + b',"ts":1,"line":"x"}',
        # ts
        b'{"seq":1,"line":"x"}',
        b'{"seq":1,"ts":NaN,"line":"x"}',
        b'{"seq":1,"ts":-Infinity,"line":"x"}',
        b'{"seq":1,"ts":1e999,"line":"x"}',
        b'{"seq":1,"ts":"1","line":"x"}',
        b'{"seq":1,"ts":false,"line":"x"}',
        b'{"seq":1,"ts":null,"line":"x"}',
        # line and status
        b'{"seq":1,"ts":1}',
        b'{"seq":1,"ts":1,"line":null}',
        b'{"seq":1,"ts":1,"line":5}',
        b'{"seq":1,"ts":1,"line":["x"]}',
        b'{"seq":1,"ts":1,"line":"x","status":"complete"}',
        b'{"seq":1,"ts":1,"status":"done"}',
        b'{"seq":1,"ts":1,"status":""}',
        b'{"seq":1,"ts":1,"status":["complete"]}',
        b'{"seq":1,"ts":1,"status":{}}',
        b'{"seq":1,"ts":1,"status":1}',
        # not UTF-8, too deep
        b'{"seq":1,"ts":1,"line":"\xff"}',
        b'{"seq":1,"ts":1,"line":"\xc3"}',
        b'{"seq":' + b"[" * DEEP,
        b'{"seq":1,"ts":1,"line":"x","step":' + b"[" * DEEP + b"]" * DEEP + b"}",
    ],
    ids=lambda data: repr(data[:50]),
)
def test_what_is_not_an_event_is_refused(data: bytes) -> None:
    """Whatever else a channel or a list may hold is no event."""
    assert decode(data) is None


def test_a_time_beyond_every_float_is_refused() -> None:
    """A whole number too large for a float is no time, and no exception either."""
    assert decode(b'{"seq":1,"ts":' + b"9" * 400 + b',"line":"x"}') is None


@pytest.mark.parametrize("line", [b"\xed\xa0\x80", b"\\ud800", b"a\\udfffb"])
def test_a_line_with_a_lone_surrogate_is_refused(line: bytes) -> None:
    """It is not text that we encode, and no reader could compute its checksum."""
    assert decode(b'{"seq":1,"ts":1,"line":"' + line + b'"}') is None


@pytest.mark.parametrize(
    "field", [b'"level":NaN', b'"level":5', b'"step":["x"]', b'"stream":{}', b'"level":"\\ud800"', b'"x":Infinity']
)
def test_an_optional_field_that_is_not_text_is_refused(field: bytes) -> None:
    """The bytes go to watchers as they are, and NaN is not even JSON to a browser."""
    assert decode(b'{"seq":1,"ts":1,"line":"x",' + field + b"}") is None


@pytest.mark.parametrize("proof", [b'"lines":"7"', b'"crc32":true', b'"lines":NaN', b'"crc32":1.5', b'"lines":-1'])
def test_a_proof_that_is_not_two_numbers_is_refused(proof: bytes) -> None:
    """A reader compares these numbers."""
    assert decode(b'{"seq":1,"ts":1,"status":"complete",' + proof + b"}") is None


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=5,
)
FIELDS = st.dictionaries(st.sampled_from(["ts", "line", "status", "stream", "lines"]), JSON)
ALMOST = st.builds(lambda seq, rest: json.dumps({"seq": seq} | rest, separators=(",", ":")).encode(), JSON, FIELDS)
CUT = st.builds(lambda data, at: b'{"seq":' + data[:at], st.binary(), st.integers(0, 50))


@given(st.binary() | ALMOST | CUT)
def test_no_bytes_make_decode_raise(data: bytes) -> None:
    """What comes from outside is an event or None; what is an event has a number, a finite time, and one content."""
    event = decode(data)
    if event is not None:
        assert event.data == data
        assert event.seq >= 1
        assert abs(event.ts) < float("inf")
        assert (event.line is None) != (event.status is None)


MAX = MAX_LINE_BYTES
KEPT = MAX - 64


@pytest.mark.parametrize(
    ("given_line", "expected"),
    [
        ("", ""),
        (b"", ""),
        ("a\r\n\nb\x00", "a\r\n\nb\x00"),
        ("é€🚀\ufeff", "é€🚀\ufeff"),
        ("é€🚀".encode(), "é€🚀"),
        (b"a\xffb\xc3", "a\ufffdb\ufffd"),
        (b"\xed\xa0\x80", "\ufffd\ufffd\ufffd"),
        ("a\ud800b\udfff", "a\ufffdb\ufffd"),
        ("\ud83d\ude80", "\ufffd\ufffd"),
        ("x" * MAX, "x" * MAX),
        ("é" * (MAX // 2), "é" * (MAX // 2)),
        ("x" * (MAX + 1), "x" * KEPT + " … [line cut: 65 bytes left out]"),
        (b"x" * 1024 * 1024, "x" * KEPT + " … [line cut: 1,032,256 bytes left out]"),
        # The cut would fall into a character of 2, 3 and 4 bytes: that character is left out whole.
        ("x" + "é" * MAX, "x" + "é" * ((KEPT - 1) // 2) + f" … [line cut: {1 + 2 * MAX - KEPT + 1:,} bytes left out]"),
        ("€" * MAX, "€" * (KEPT // 3) + f" … [line cut: {3 * (MAX - KEPT // 3):,} bytes left out]"),
        (
            "x" + "🚀" * MAX,
            "x" + "🚀" * ((KEPT - 1) // 4) + f" … [line cut: {4 * (MAX - KEPT // 4 + 1):,} bytes left out]",
        ),
        # A surrogate counts as the U+FFFD that it becomes.
        # Nor into an escape code: the mark would become part of it.
        *(
            (
                "x" * (KEPT - cut) + code + "x" * MAX,
                "x" * (KEPT - cut) + f" … [line cut: {MAX + len(code):,} bytes left out]",
            )
            for code in ("\x1b[1;38;5;208m", "\x1b]8;;https://example.com\x07", "\x1b(B")
            for cut in range(1, len(code))
        ),
        ("x" * (KEPT - 4) + "\x1b[0m" + "x" * MAX, "x" * (KEPT - 4) + f"\x1b[0m … [line cut: {MAX:,} bytes left out]"),
        ("\ud800" + "x" * MAX, "\ufffd" + "x" * (KEPT - 3) + " … [line cut: 67 bytes left out]"),
    ],
    ids=lambda value: repr(value[:12]) + str(len(value)),
)
def test_a_line_is_cleaned(given_line: str | bytes, expected: str) -> None:
    """Text of at most 16 KiB stays as it is; all else is made so, with a mark where it was cut."""
    assert clean(given_line) == expected


def test_what_was_left_out_before_is_counted_too() -> None:
    """A line that its reader has not held whole is marked as cut, however little of it there is."""
    assert clean("abc", 7) == "abc … [line cut: 7 bytes left out]"
    assert clean(b"x" * (MAX + 10), 7) == "x" * KEPT + " … [line cut: 81 bytes left out]"


@given(st.text() | st.binary(), st.sampled_from([1, 4_000, 8_200]))
def test_a_clean_line_is_valid_and_bounded(piece: str | bytes, times: int) -> None:
    """Whatever comes in, what comes out is UTF-8 of at most 16 KiB, and clean already."""
    text = clean(piece * times)
    assert len(text.encode()) <= MAX_LINE_BYTES
    assert clean(text) == text


LINES = [encode_line(seq, TS, f"line {seq}", "stdout") for seq in (7, 8, 9)]

NOT_LINES = [
    [LINES[0], LINES[2]],
    [LINES[1], LINES[0]],
    [LINES[0], b""],
    [LINES[0] + b"\n" + LINES[1], b""],
    [LINES[0] + b"\n" + LINES[1], LINES[2]],
    [LINES[0], LINES[1] + b"\r"],
    [LINES[0], LINES[1][:-1] + b"\n}"],
    [LINES[0], b'{"ts":1,"seq":8,"line":"x"}'],
    [LINES[0], b'{"seq":88,"ts":1,"line":"x"}'],
    [b"garbage"],
]
NOT_IN_ORDER = [
    *NOT_LINES,
    [*LINES[:2], encode_status(9, TS, Status.COMPLETE, proof=Proof())],
    [LINES[0], encode_status(8, TS, Status.BUILDING), LINES[2]],
    [LINES[0], b'{"seq":8,"ts":1,"line":"x","status":"failed"}'],
]
NOT_OURS = [
    [LINES[0], LINES[1][:-1], LINES[2]],
    [LINES[0] + LINES[1], LINES[1]],
    [LINES[0], b'{"seq":8,"ts":NaN,"line":"x"}'],
    [LINES[0], b'{"seq":8,"ts":1,"line":"\xff"}'],
    [LINES[0], b'{"seq":8,"ts":1,"line":"\\ud800"}'],
]


@pytest.mark.parametrize("entries", NOT_IN_ORDER + NOT_OURS)
def test_what_is_not_all_lines_in_order_is_told(entries: list[bytes]) -> None:
    """A hole, a status, bytes that are not ours: then each is looked at by itself."""
    assert not are_lines(entries, 7)


@pytest.mark.parametrize("entries", NOT_IN_ORDER)
def test_what_is_not_all_lines_in_order_is_told_of_the_list_too(entries: list[bytes]) -> None:
    """A hole, a status, a line break: whatever would make the stream a wrong one."""
    assert not are_stored_lines(entries, 7, sure=False)


@pytest.mark.parametrize("entries", NOT_LINES)
def test_where_no_status_change_can_be_all_else_is_still_told(entries: list[bytes]) -> None:
    """A hole, a line break, what does not begin as an event does."""
    assert not are_stored_lines(entries, 7, sure=True)


@pytest.mark.parametrize(
    "look", [are_lines, partial(are_stored_lines, sure=False), partial(are_stored_lines, sure=True)]
)
def test_lines_in_order_are_told(look: Callable[[list[bytes], int], bool]) -> None:
    """From their own first number on, and from no other."""
    assert [look(LINES, first) for first in (6, 7, 8)] == [False, True, False]


@given(st.lists(st.text() | st.sampled_from(Status), min_size=1, max_size=4), st.sampled_from([6, 7]))
def test_of_our_own_events_both_looks_say_the_same(events: list[str | Status], first: int) -> None:
    """Whatever is in a text: quotes, commas, what looks like a status."""
    entries = [
        encode_status(seq, TS, what) if isinstance(what, Status) else encode_line(seq, TS, clean(what), step=what[:9])
        for seq, what in enumerate(events, 7)
    ]
    right = first == 7 and not any(isinstance(what, Status) for what in events)
    assert (are_lines(entries, first), are_stored_lines(entries, first, sure=False)) == (right, right)


@given(st.lists(st.binary(max_size=12) | st.sampled_from([*LINES, b'{"seq":7', b"\n", b"}"]), min_size=1, max_size=4))
def test_what_counts_as_lines_is_what_each_decodes_to(entries: list[bytes]) -> None:
    """The quick look at many is never kinder than the look at each."""
    decoded = [decode(entry) for entry in entries]
    right = all(
        event is not None and event.line is not None and event.seq == 7 + at for at, event in enumerate(decoded)
    )
    assert are_lines(entries, 7) == right


@pytest.mark.parametrize("first", [0, 7, 9_996, 9_997, 9_998, 10_000, 2**53])
def test_numbered_bytes_are_the_same_kept_or_made(first: int) -> None:
    """Whether all, some or none of the numbers are among those that are kept."""
    numbered = Numbered(b"<%d>")
    expected = [b"<%d>" % number for number in range(first, first + 3)]
    assert [numbered.run(first, 3), numbered.run(first, 3), numbered.run(first, 0)] == [expected, expected, []]
