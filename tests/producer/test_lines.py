"""Raw output to lines."""

import re
from collections.abc import Iterable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from producer.event import MAX_LINE_BYTES, clean
from producer.lines import KEPT_BYTES, Line, LineSplitter
from producer.mask import Mask
from tests.helpers import every_cut

LONG = KEPT_BYTES + 1_000


def read(pieces: Iterable[bytes]) -> list[Line]:
    """The lines of a stream that comes in these pieces and then ends."""
    splitter = LineSplitter()
    lines = [line for piece in pieces for line in splitter.feed(piece)]
    rest = splitter.flush(final=True)
    return lines if rest is None else [*lines, rest]


def split(pieces: Iterable[bytes]) -> list[str]:
    """Their text, of lines of which nothing was left out."""
    return texts(read(pieces))


def texts(lines: Iterable[Line]) -> list[str]:
    """The text of lines of which nothing was left out."""
    found = list(lines)
    assert [line.omitted for line in found] == [0] * len(found)
    return [line.text for line in found]


def stored(line: Line | None) -> str:
    """The line as a log stores it."""
    assert line
    return clean(*line)


def text_of(line: Line | None) -> str | None:
    """The text of a line, if there is one."""
    return line and line.text


def single(data: bytes) -> list[bytes]:
    """The data byte by byte."""
    return [data[at : at + 1] for at in range(len(data))]


CASES = [
    (b"", []),
    (b"\n", [""]),
    (b"a", ["a"]),
    (b"a\nb", ["a", "b"]),
    (b"a\n\n\nb\n", ["a", "", "", "b"]),
    (b"a\r\nb\r\n", ["a", "b"]),
    (b"\r\n\r\n", ["", ""]),
    (b"10%\r20%\r100%\n", ["10%\r20%\r100%"]),
    (b"a\r\r\nb\r", ["a\r", "b\r"]),
    (b"a\n\rb\n", ["a", "\rb"]),
    ("a\x85b\u2028c\u2029d\ve\ff\x1cg\n".encode(), ["a\x85b\u2028c\u2029d\ve\ff\x1cg"]),
    ("é€🚀\nüü".encode(), ["é€🚀", "üü"]),
    (b"a\xffb\xc3\n\xe2\x82\nz\xf0\x9f", ["a\ufffdb\ufffd", "\ufffd", "z\ufffd"]),
    (b"\xef\xbb\xbfa\0b\n", ["\ufeffa\0b"]),
]


@pytest.mark.parametrize(("data", "expected"), CASES, ids=lambda value: repr(value)[:40])
def test_the_lines_are_the_same_however_the_data_is_cut(data: bytes, expected: list[str]) -> None:
    """Only LF and CRLF end a line; whole, in two pieces at every place, and byte by byte."""
    assert split([data]) == expected
    for pieces in every_cut(data):
        assert split(pieces) == expected
    assert split(single(data)) == expected


@given(st.lists(st.sampled_from([b"a", b"\r", b"\n", b"\xc3", b"\xa9", b"\xe2\x82\xac", b"x" * 9_000]), max_size=12))
def test_any_pieces_give_the_lines_of_the_whole(pieces: list[bytes]) -> None:
    """Where the pieces are cut makes no difference, over-long lines included."""
    assert read(pieces) == read([b"".join(pieces)])


@pytest.mark.parametrize("end", [b"", b"\n", b"\r\n"])
@pytest.mark.parametrize("size", [MAX_LINE_BYTES, MAX_LINE_BYTES + 1, KEPT_BYTES, KEPT_BYTES + 1, LONG, 1024 * 1024])
def test_an_over_long_line_is_as_if_it_had_come_whole(size: int, end: bytes) -> None:
    """Once cleaned, it is cut at the same place with the same number of missing bytes, however it came."""
    data = b"x" * size
    expected = [clean(data), "next"]
    for pieces in ([data, end or b"\n", b"next"], [data + (end or b"\n") + b"next"]):
        assert [stored(line) for line in read(pieces)] == expected
    chunks = [data[at : at + 1_000] for at in range(0, size, 1_000)]
    assert [stored(line) for line in read([*chunks, *single(end or b"\n"), b"next"])] == expected


@pytest.mark.parametrize("start", ["", "x", "xx", "xxx"])
@pytest.mark.parametrize("character", ["é", "€", "🚀"])
def test_the_missing_bytes_of_a_cut_line_are_counted_right(character: str, start: str) -> None:
    """The number in the mark is the bytes of the line less those that are shown, wherever a character was cut."""
    text = start + character * 10_000
    (line,) = read([text.encode()])
    kept, mark = stored(line).split(" … ")
    found = re.search(r"([\d,]+) bytes", mark)
    assert found
    assert int(found[1].replace(",", "")) == len(text.encode()) - len(kept.encode())


def test_an_endless_line_takes_bounded_memory() -> None:
    """Of 50 MB without a line end no more is held than what is kept."""
    splitter = LineSplitter()
    chunk = b"x" * 100_000
    for _ in range(500):
        assert splitter.feed(chunk) == []
        assert len(splitter._held) <= KEPT_BYTES
    (line,) = splitter.feed(b"\n")
    assert stored(line) == clean(b"x" * 50_000_000)
    assert texts(splitter.feed(b"short\n")) == ["short"]


@pytest.mark.parametrize("size", [MAX_LINE_BYTES + 100, KEPT_BYTES + 100])
def test_a_secret_across_the_cut_is_masked(size: int) -> None:
    """The line is cut only behind the mask, so no half of a secret is left before the cut."""
    secret = "s3cret-0123456789-s3cret"
    data = (b"x" * (MAX_LINE_BYTES - 48 - 12) + secret.encode()).ljust(size, b"y") + b"\n"
    (line,) = LineSplitter().feed(data)
    assert "s3cret" not in clean(Mask([secret])(line.text), line.omitted)


def test_a_flush_gives_the_unfinished_line() -> None:
    """A prompt is shown before its line ends; what follows up to the line end is a line of its own."""
    splitter = LineSplitter()
    assert splitter.flush() is None
    assert texts(splitter.feed(b"done\nPassword: ")) == ["done"]
    seen = splitter.pending, text_of(splitter.flush()), splitter.pending, splitter.flush()
    assert seen == (True, "Password: ", False, None)
    assert texts(splitter.feed(b"****\nnext\n")) == ["****", "next"]


@pytest.mark.parametrize("end", [[b"\n"], [b"\r\n"], [b"\r", b"\n"]])
def test_a_line_end_after_a_flush_makes_no_empty_line(end: list[bytes]) -> None:
    """It ends the line that was shown already; a second one is an empty line."""
    splitter = LineSplitter()
    splitter.feed(b"a")
    assert text_of(splitter.flush()) == "a"
    assert texts(line for piece in [*end, b"\n"] for line in splitter.feed(piece)) == [""]


@pytest.mark.parametrize(
    ("data", "shown", "rest", "then"),
    [
        (b"a\r", "a", b"\nb\n", ["b"]),
        (b"a\r", "a", b"b\n", ["\rb"]),
        (b"\r", None, b"\n", [""]),
        (b"a\xc3", "a", b"\xa9\n", ["é"]),
        (b"a\xe2\x82", "a", b"\xac\n", ["€"]),
        (b"a\xf0", "a", b"\x9f\x9a\x80\n", ["🚀"]),
        (b"a\xf0\x9f\x9a", "a", b"\x80\n", ["🚀"]),
        (b"\xc3", None, b"\xa9\n", ["é"]),
        (b"a\xc3", "a", b"\n", ["\ufffd"]),
        (b"a\x80\x80\x80\x80", "a" + "\ufffd" * 4, b"b\n", ["b"]),
        ("aé".encode(), "aé", b"b\n", ["b"]),
        ("🚀".encode(), "🚀", b"\n", []),
    ],
    ids=repr,
)
def test_a_flush_keeps_what_may_be_half_of_something(
    data: bytes, shown: str | None, rest: bytes, then: list[str]
) -> None:
    """A CR may be half of a CRLF, and the last bytes half of a character: they wait for what comes."""
    splitter = LineSplitter()
    assert splitter.feed(data) == []
    assert text_of(splitter.flush()) == shown
    assert texts(splitter.feed(rest)) == then


@pytest.mark.parametrize(
    ("data", "line"), [(b"a\r", "a\r"), (b"a\xc3", "a\ufffd"), (b"\xe2\x82", "\ufffd"), (b"", None)]
)
def test_the_final_flush_keeps_nothing(data: bytes, line: str | None) -> None:
    """At the end of the stream what is there is all there is."""
    splitter = LineSplitter()
    splitter.feed(data)
    assert text_of(splitter.flush(final=True)) == line
    assert not splitter.pending
    assert splitter.flush(final=True) is None
    assert texts(splitter.feed(b"\n")) == [""]


def test_an_over_long_line_is_given_when_it_ends() -> None:
    """Not by a flush, but for the last one: a secret that lies where it is cut must not show its second half."""
    splitter = LineSplitter(Mask(["hunter2secret"]).open_end)
    splitter.feed(b"x" * LONG + b"hunter2sec")
    assert (splitter.flush(), splitter.pending) == (None, True)
    assert [stored(line) for line in splitter.feed(b"ret" + b"y" * LONG + b"\nz\n")] == [
        clean(b"x" * (2 * LONG + 13)),
        "z",
    ]
    splitter.feed(b"x" * LONG)
    assert stored(splitter.flush(final=True)) == clean(b"x" * LONG)


@pytest.mark.parametrize(
    ("data", "shown", "rest", "then"),
    [
        (b"pass: hunt", "pass: ", b"er2!\n", ["***!"]),
        (b"pass: hunter2", "pass: hunter2", b"x\n", ["x"]),  # a whole one, which is masked when it is shown
        (b"pass: x12345x", "pass: ", b"\n", ["***"]),  # its end may be the start of another
        (b"pass: x12345", "pass: ", b"x\n", ["***"]),
        (b"hunt", None, b"ing\n", ["hunting"]),
        (b"hunt\xc3", None, b"\xa9\n", ["hunt\u00e9"]),
        (b"hunt\r", None, b"\n", ["hunt"]),
        ("\u00e9p\u00e4ss".encode(), "\u00e9", "w\u00f6rd\n".encode(), ["***"]),
        (b"\xffp\xc3\xa4ss", "\ufffd", b"\n", ["p\u00e4ss"]),
    ],
    ids=repr,
)
def test_a_flush_keeps_what_may_be_the_start_of_a_secret(
    data: bytes, shown: str | None, rest: bytes, then: list[str]
) -> None:
    """So that a secret is never shown in two halves, of which the mask knows neither."""
    mask = Mask(["hunter2", "p\u00e4ssw\u00f6rd", "x12345x"])
    splitter = LineSplitter(mask.open_end)
    splitter.feed(data)
    assert text_of(splitter.flush()) == shown
    assert list(map(mask, texts(splitter.feed(rest)))) == then


@pytest.mark.parametrize(
    ("head", "rest"),
    [("ghp_", 36), ("glpat-", 20), ("npm_", 36), ("AIza", 35), ("xoxb-", 16), ("pypi-AgE", 50)],
)
def test_a_flush_keeps_what_may_be_the_start_of_a_shape_inside_a_word(head: str, rest: int) -> None:
    """Wherever it is cut, but behind its first letter, in which many words end: these need no word's beginning."""
    token = f"q{head}" + ("a1B2" * 25)[:rest]
    mask = Mask()
    for cut in (1, *range(3, len(token))):
        splitter = LineSplitter(mask.open_end)
        splitter.feed(token[:cut].encode())
        first = text_of(splitter.flush())
        (second,) = texts(splitter.feed(token[cut:].encode() + b"\n"))
        assert (first, mask(second)) == ("q", f"{head}***"), cut
