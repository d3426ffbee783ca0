"""A file whose text becomes the lines of a log."""

import gc
import threading
from collections.abc import Iterable
from contextlib import redirect_stdout

import pytest

from producer.errors import Finished
from producer.lines import Line
from producer.mask import Mask
from producer.output import Output, Unfinished
from tests.helpers import every_cut
from tests.producer.test_shapes import SECRET

TOKEN = "ghp_" + "a1B2" * 9


class Log:
    """Where the lines of an output go, masked as a writer masks them."""

    def __init__(self, secrets: Iterable[str] = ()) -> None:
        self.mask = Mask(secrets)
        self.lines: list[str] = []
        self.unfinished = Unfinished()
        self.error: Exception | None = None

    def put(self, line: Line) -> None:
        """Take a line."""
        if self.error:
            raise self.error
        self.lines.append(self.mask(line.text, "s"))

    def output(self) -> Output:
        """A new output."""
        return Output(self.put, lambda text: self.mask.open_end(text, "s"), self.unfinished)


def written(pieces: Iterable[str | bytes], secrets: Iterable[str] = (), *, flush: bool = False) -> list[str]:
    """The lines of what is written in these pieces; `flush` is whether each is flushed."""
    log = Log(secrets)
    with log.output() as output:
        for piece in pieces:
            output.write(piece)
            if flush:
                output.flush()
    return log.lines


def test_lines_come_when_they_end() -> None:
    """Text and bytes alike, CRLF too, an unfinished line at a close; a write tells how much it took."""
    log = Log()
    output = log.output()
    pieces: list[str | bytes | bytearray | memoryview] = [
        "a",
        "b\nc\r\nd",
        b"\xc3",
        bytearray(b"\xa9"),
        memoryview(b"\n"),
        "",
    ]
    assert list(map(output.write, pieces)) == [1, 6, 1, 1, 1, 0]
    assert (log.lines, output.pending) == (["ab", "c", "dé"], False)
    output.writelines(["x", "\ny\ud800"])
    assert (log.lines[3:], output.pending) == (["x"], True)
    output.close()
    assert log.lines[4:] == ["y\ufffd\ufffd\ufffd"]


def test_python_takes_it_for_a_file() -> None:
    """`print`, `redirect_stdout`, `sys.stdout.buffer`, and the questions that programs ask of their output."""
    log = Log()
    with log.output() as output, redirect_stdout(output):
        print("one", 2, sep="\n")  # noqa: T201 - what is tested
        print("3", end="", file=output)
        output.buffer.write(b" bytes\n")
    assert log.lines == ["one", "2", "3 bytes"]
    output = log.output()
    assert (output.writable(), output.readable(), output.isatty(), output.encoding) == (True, False, False, "utf-8")


def test_a_closed_output_takes_no_more() -> None:
    """As any file; it may be closed again."""
    output = Log().output()
    output.close()
    output.close()
    with pytest.raises(ValueError, match="closed"):
        output.write("x")


def test_what_is_neither_text_nor_bytes_is_refused() -> None:
    """In words, at the write."""
    with pytest.raises(TypeError, match="str or bytes, not int"):
        Log().output().write(5)  # type: ignore[arg-type]


@pytest.mark.parametrize(("line", "expected"), SECRET)
def test_a_shape_is_masked_however_it_is_cut(line: str, expected: str) -> None:
    """In two writes, cut anywhere, and byte by byte."""
    data = line.strip().encode() + b"\n"
    for pieces in every_cut(data):
        assert written(pieces) == [expected.strip()]
    assert written(data[at : at + 1] for at in range(len(data))) == [expected.strip()]


@pytest.mark.parametrize("secret", ["hunter2-hunter2", "p@ss wörd/1", "x12345x", "line one\nline two"])
def test_a_secret_is_masked_wherever_a_flush_cuts_it(secret: str) -> None:
    """What is shown before the rest has come, and the rest, hold no piece of it of two characters or more."""
    for pieces in every_cut(f"{secret} and {secret}.\n".encode()):
        shown = "".join(written(pieces, [secret], flush=True)).replace("***", "")
        assert shown == " and .", pieces


def test_a_flush_shows_an_unfinished_line() -> None:
    """But not what may be part of a secret; that comes with the rest of the line."""
    log = Log()
    output = log.output()
    output.write(f"Continue? with {TOKEN[:20]}")
    output.flush()
    output.flush()
    shown = list(log.lines)
    output.write(f"{TOKEN[20:]} yes\n")
    assert (shown, log.lines) == (["Continue? with "], ["Continue? with ", "ghp_*** yes"])


def test_each_thread_writes_lines_of_its_own() -> None:
    """Those of several never mix, though each line is written in pieces."""
    log = Log()
    output = log.output()
    barrier = threading.Barrier(4)

    def write(name: str) -> None:
        barrier.wait()
        for number in range(200):
            output.write(f"{name} ")
            output.write(str(number))
            output.write("\n")
        output.write(f"{name} unfinished")

    threads = [threading.Thread(target=write, args=(name,)) for name in "abcd"]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    output.close()
    assert sorted(log.lines) == sorted(f"{name} {rest}" for name in "abcd" for rest in (*range(200), "unfinished"))


def test_an_unfinished_line_is_not_lost_with_its_output() -> None:
    """It is handed over at the end of the log, though nobody has closed or kept the output."""
    log = Log()
    print("no end", end="", file=log.output())
    print("an end", file=log.output())
    gc.collect()
    assert log.lines == ["an end"]
    log.unfinished.finish()
    log.unfinished.finish()
    assert log.lines == ["an end", "no end"]


def test_the_end_of_a_log_that_takes_no_more_is_no_error() -> None:
    """What could not be handed over is dropped; a close says why."""
    log = Log()
    outputs = [log.output(), log.output()]
    for output in outputs:
        output.write("no end")
    log.error = Finished("over")
    with pytest.raises(Finished):
        outputs[0].close()
    assert outputs[0].closed
    log.unfinished.finish()
    assert log.lines == []
