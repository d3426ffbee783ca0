"""Raw output becomes lines, as under a terminal: whole when they end, and unfinished ones after a second."""

from collections.abc import Iterable

import pytest

from producer.mask import Mask
from worker.actions import Action, Cancel, Crash, End, Line, Part, Play, Returning
from worker.assemble import assemble


def lines(*actions: Action, mask: Mask | None = None) -> list[Action]:
    """What comes of these."""

    def play() -> Play:
        yield from actions
        return End("over")

    returning = Returning(assemble(play(), mask.open_end) if mask else assemble(play()))
    found: list[Action] = list(returning)
    assert returning.value.reason == "over"
    return found


def part(delay: int, text: str, step: str = "s", stream: str = "stdout") -> Part:
    """A piece of output."""
    return Part(delay, text.encode("utf-8", "surrogateescape"), step, stream)


@pytest.mark.parametrize(
    ("actions", "found"),
    [
        ([Line(5, "one", "s")], [Line(5, "one", "s")]),
        ([Line(5, "a\nb\r", "s")], [Line(5, "a\nb\r", "s")]),
        ([part(5, "one\ntwo\r\n")], [Line(5, "one", "s"), Line(0, "two", "s")]),
        ([part(5, "one"), part(7, " and two\nthree\n")], [Line(12, "one and two", "s"), Line(0, "three", "s")]),
        ([part(5, " 1%"), part(5, "\r 50%"), part(5, "\r100%\n")], [Line(15, " 1%\r 50%\r100%", "s")]),
        ([part(5, "one"), Line(7, " two", "t"), Line(1, "three", "t")],
         [Line(12, "one two", "s"), Line(1, "three", "t")]),
        ([part(5, "one")], [Line(5, "one", "s")]),
        ([part(5, "out"), part(5, "err\n", "s", "stderr"), part(5, "put\n")],
         [Line(10, "err", "s", "stderr"), Line(5, "output", "s")]),
        ([part(5, "one"), part(1500, "two\n")], [Line(1005, "one", "s"), Line(500, "two", "s")]),
        ([part(5, "one"), part(3500, "\n")], [Line(1005, "one", "s")]),
        ([part(0, "one"), Line(2000, "two", "s"), part(0, "\n")],
         [Line(1000, "one", "s"), Line(1000, "two", "s"), Line(0, "", "s")]),
        ([part(0, "one"), Line(2000, "", "s"), Line(0, "two", "s")],
         [Line(1000, "one", "s"), Line(1000, "two", "s")]),
        ([Line(0, "a\udce2\udc82b \udcff \ud800", "s")], [Line(0, "a\ufffdb \ufffd \ufffd", "s")]),
        ([part(0, "one", "s", "stderr"), Part(0, b"one", None), Line(2000, "two", "s", "t")],
         [Line(1000, "one", "s", "stderr"), Line(0, "one", None), Line(1000, "two", "s", "t")]),
        ([part(5, "one"), Cancel(2500)], [Line(1005, "one", "s"), Cancel(1500)]),
        ([part(5, "one"), Cancel(100)], [Line(105, "one", "s"), Cancel(0)]),
        ([part(0, "a"), part(900, "\nb"), part(1500, "\n")],
         [Line(900, "a", "s"), Line(1000, "b", "s")]),
        ([part(0, "0\n"), part(100, "x", "s", "stderr"), part(100, "y"), part(2000, "\n")],
         [Line(0, "0", "s"), Line(1100, "x", "s", "stderr"), Line(100, "y", "s")]),
        ([part(0, "a", "s"), part(100, "\nb\nc", "t"), part(2000, "d\n", "u")],
         [Line(100, "a", "s"), Line(0, "b", "t"), Line(1000, "c", "t"), Line(1000, "d", "u")]),
        ([part(5, "half"), Crash(1200)], [Line(1005, "half", "s"), Crash(200)]),
        ([part(0, "\udcff\udcc3"), part(0, "\udca4\n")], [Line(0, "\ufffd\u00e4", "s")]),
        ([part(0, "x" * 30_000), part(0, "\n")], [Line(0, "x" * 24_576, "s", omitted=30_000 - 24_576)]),
    ],
)  # fmt: skip
def test_output_becomes_lines(actions: Iterable[Action], found: list[Action]) -> None:
    """Each with the time since the one before, and the step of its beginning."""
    assert lines(*actions) == found


def test_every_cut_of_an_output_gives_the_same_lines() -> None:
    """Characters and line ends may be cut anywhere."""
    data = "Ärger\r\n\r\n100%\r50% ✓\n".encode()
    whole = [Line(0, "Ärger", "s"), Line(0, "", "s"), Line(0, "100%\r50% ✓", "s")]
    for cut in range(len(data) + 1):
        assert lines(Part(0, data[:cut], "s"), Part(0, data[cut:], "s")) == whole


def test_progress_is_not_shown_in_half_for_what_may_be_a_secret() -> None:
    """A redrawn line ends in what may be the start of one: its last drawing waits, the ones before are shown."""
    found = lines(part(0, " 5 MiB/s\r 9 MiB/s"), part(1_500, "\r12 MiB/s\n"), mask=Mask())
    assert found == [Line(1_000, " 5 MiB/s", "s"), Line(500, "\r 9 MiB/s\r12 MiB/s", "s")]


def test_the_start_of_a_secret_is_not_shown_for_being_unfinished() -> None:
    """After a second what comes before it is shown, the rest only once it is told from the secret."""
    secret = "correct horse"
    found = lines(part(0, "password: correct"), part(5_000, " horse\n"), mask=Mask([secret]))
    assert found == [Line(1_000, "password: ", "s"), Line(4_000, secret, "s")]


def test_a_line_that_is_held_back_for_long_costs_no_time_of_its_own() -> None:
    """Thirty years of silence behind what waits for its rest are passed over at once."""
    found = lines(part(0, "42\r"), part(10**12, "", "t"), part(10, "\n"), mask=Mask())
    assert found == [Line(1_000, "42", "s")]


def test_the_time_up_to_the_end_is_counted_from_the_last_line() -> None:
    """Though something came after it that made no line."""

    def play() -> Play:
        yield part(0, "a")
        yield part(1_500, "")
        return End(delay_ms=7)

    returning = Returning(assemble(play()))
    assert (list(returning), returning.value) == ([Line(1_000, "a", "s")], End(delay_ms=507))


def test_what_is_held_back_goes_by_the_lines_before() -> None:
    """An unfinished line inside a private key is part of it, in its own stream and step alone."""
    begin, key = "-----BEGIN PRIVATE " + "KEY-----", "MIIE" * 16
    mask, shown = Mask(), []

    def play() -> Play:
        yield part(0, f"{begin}\n{key}\nMII", "s")
        yield part(0, "MII", "s", "stderr")
        yield part(1_500, "\n", "s")
        return End()

    for line in assemble(play(), mask.open_end):
        assert isinstance(line, Line)
        shown.append(mask(line.text, (line.stream, line.step)))
    assert shown == [begin, "***", "MII", "***"]
