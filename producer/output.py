"""A file whose text becomes the lines of a log: for `print`, `redirect_stdout`, and whoever writes in chunks."""

import io
from collections.abc import Callable
from contextlib import suppress
from threading import get_ident
from typing import BinaryIO, TextIO, cast

from producer.errors import DeployLogError
from producer.lines import Line, LineSplitter


class Unfinished:
    """The outputs that hold an unfinished line, so that none is lost where one is not closed."""

    def __init__(self) -> None:
        self._outputs: dict[Output, None] = {}

    def note(self, output: "Output") -> None:
        """Remember or forget an output, by whether it holds something."""
        if output.pending:
            self._outputs[output] = None
        else:
            self._outputs.pop(output, None)

    def finish(self) -> None:
        """Hand over what they hold; it is dropped where the log takes no more."""
        for output in list(self._outputs):
            with suppress(DeployLogError):
                output.finish_lines()


class Output(io.TextIOBase, TextIO):
    """Takes text, and bytes of UTF-8, in chunks of any size, and gives each line to `put` when its end comes.

    Every thread writes lines of its own, so that those of several never mix. `hold` tells of an unfinished line how
    many characters at its end must wait for what follows them, since they may be part of a secret.

    Its methods raise what `put` raises, and ValueError after a close.
    """

    encoding = "utf-8"

    def __init__(self, put: Callable[[Line], None], hold: Callable[[str], int], unfinished: Unfinished) -> None:
        super().__init__()
        self._put = put
        self._hold = hold
        self._unfinished = unfinished
        self._splitters: dict[int, LineSplitter] = {}  # by thread; with no lock, as the writer's side has none

    @property
    def pending(self) -> bool:
        """Whether an unfinished line is held."""
        return any(splitter.pending for splitter in list(self._splitters.values()))

    @property
    def buffer(self) -> BinaryIO:
        """Where those who have bytes write them: this itself."""
        return cast(BinaryIO, self)

    def writable(self) -> bool:
        """Always."""
        return True

    def write(self, data: str | bytes | bytearray | memoryview) -> int:
        """Take a chunk; return its length."""
        self._check_open()
        if isinstance(data, str):
            chunk = data.encode("utf-8", "surrogatepass")
        elif isinstance(data, bytes | bytearray | memoryview):
            chunk = bytes(data)
        else:
            raise TypeError(f"an output takes str or bytes, not {type(data).__name__}")
        splitter = self._splitters.setdefault(get_ident(), LineSplitter(self._hold))
        lines = splitter.feed(chunk)
        self._unfinished.note(self)
        for line in lines:
            self._put(line)
        return len(data)

    def flush(self) -> None:
        """Show this thread's unfinished line, but for what may be part of a secret; the rest of it is then a new line.

        What was written in whole lines needs no flush.
        """
        splitter = self._splitters.get(get_ident())
        if splitter is not None:
            self._show(splitter, final=False)

    def finish_lines(self) -> None:
        """Hand over every thread's unfinished line as it is."""
        for splitter in list(self._splitters.values()):
            self._show(splitter, final=True)

    def close(self) -> None:
        """Hand over what is unfinished, and take no more."""
        try:
            if not self.closed:
                self.finish_lines()
        finally:
            super().close()

    def _show(self, splitter: LineSplitter, *, final: bool) -> None:
        line = splitter.flush(final=final)
        self._unfinished.note(self)
        if line is not None:
            self._put(line)

    def _check_open(self) -> None:
        if self.closed:
            raise ValueError("this output of the log is closed")
