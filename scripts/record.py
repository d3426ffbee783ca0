"""`deploytail record`: a real command's output, with its timing, as an asciicast file that plays as a deploy."""

import os
import re
import shlex
import shutil
import signal
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

from producer.mask import Mask
from producer.simulate import MAX_RECORDING_CHARACTERS
from scripts.command import Command, why
from scripts.echo import Echo
from scripts.exits import EXIT_NOT_WRITTEN
from scripts.program import NAME
from scripts.run import UsageError, secret
from scripts.streams import say
from worker.asciicast import EXIT, OUTPUT, EventWriter, write_header

EXIT_CANNOT_RUN, EXIT_NOT_FOUND, EXIT_SIGNALLED = 126, 127, 128  # as a shell's
_FORWARDED = (signal.SIGINT, signal.SIGQUIT, signal.SIGTERM, signal.SIGHUP)
_LONE_LF = re.compile(r"(?<!\r)\n")


def record(
    command: Sequence[str],
    *,
    file: Path | None = None,
    overwrite: bool = False,
    title: str | None = None,
    mask: Sequence[str] = (),
    tty: bool = True,
) -> int:
    """Run the command, show its output, and write it to `file` as it comes; by default to one named after both.

    `mask` names environment variables whose values are secret. Signals that ask us to stop go to the command, which
    decides. Returns the exit status of the command, as a shell has it: 128 + n where signal n killed it, 127 and 126
    where it is not found or cannot be started; 74 where it succeeded and the recording is not whole.
    Raises UsageError for what cannot be masked, and a file that exists or cannot be written.
    """
    hide = Mask([secret(name) for name in mask])
    path = file or Path(f"{Path(command[0]).name}-{time.strftime('%Y%m%d-%H%M%S')}.cast")
    new = not path.exists()
    with _file(path, overwrite=overwrite) as out:
        recorder = _Recorder(out, hide)
        try:
            child = Command(command, tty=tty)
        except OSError as error:
            if new:
                path.unlink()
            say(f"deploytail: cannot run {command[0]}: {error.strerror}")
            return EXIT_NOT_FOUND if isinstance(error, FileNotFoundError) else EXIT_CANNOT_RUN
        try:
            with _signals_to(child):
                recorder.start(shlex.join(map(hide, command)), None if title is None else hide(title))
                while (data := child.read(0.1)) is not None:
                    recorder.output(data)
                ended = child.wait()
        finally:
            child.close()
        status = ended if ended >= 0 else EXIT_SIGNALLED - ended
        recorder.end(status)
    if not recorder.whole:
        return status or EXIT_NOT_WRITTEN
    played = f"play it: {NAME} enqueue APP --recording {shlex.quote(str(path))}"
    if recorder.size > MAX_RECORDING_CHARACTERS:
        played = f"too long to be played: more than {MAX_RECORDING_CHARACTERS:,} characters"
    how = why(ended) if ended else "succeeded"
    say(f"recorded {recorder.seconds:.1f} s, {how}, in {path}; {played}")
    return status


class _Recorder:
    """Shows the output, and writes the recording of what is shown; each goes on where the other breaks.

    `whole`: nothing was lost so far; `size`, in characters, and `seconds` are those of the recording so far.
    """

    def __init__(self, out: BinaryIO, hide: Mask) -> None:
        self.whole = True
        self.size = 0
        self.seconds = 0.0
        self._out = out
        self._echo = Echo(hide)
        self._events = EventWriter()
        self._began = time.monotonic()
        self._after_cr = False

    def start(self, command: str, title: str | None) -> None:
        """The command runs."""
        columns, rows = shutil.get_terminal_size((120, 40))  # as the command's
        shell = os.environ.get("SHELL")
        header = write_header(
            columns,
            rows,
            timestamp=int(time.time()),
            terminal=os.environ.get("TERM"),
            command=command,
            title=title,
            env={"SHELL": shell} if shell else None,
        )
        if os.fstat(self._out.fileno()).st_size:  # what was in it goes now that the command runs; a device has no size
            self._out.truncate()
        self._write(header)

    def output(self, data: bytes, *, final: bool = False) -> None:
        """What the command has written; nothing comes after the `final` one."""
        self.seconds = time.monotonic() - self._began
        text = self._echo.write(data, final=final).encode("utf-8", "surrogateescape").decode("utf-8", "replace")
        if text:
            self._write(self._events.write(self.seconds, OUTPUT, self._for_terminal(text)))

    def end(self, status: int) -> None:
        """The command is over."""
        self.output(b"", final=True)
        self._write(self._events.write(self.seconds, EXIT, str(status)))

    def _for_terminal(self, text: str) -> str:
        """With the CRLF line ends that a terminal makes of LF: the command's terminal has that switched off."""
        before = "\r" if self._after_cr else ""
        self._after_cr = text.endswith("\r")
        return _LONE_LF.sub("\r\n", before + text)[len(before) :]

    def _write(self, line: str) -> None:
        data = line.encode("utf-8", "replace")
        self.size += len(line)
        try:
            while self.whole and data:
                data = data[self._out.write(data) :]
        except OSError as error:
            self.whole = False
            say(f"deploytail: recording no more ({error.strerror}); the command goes on")


@contextmanager
def _signals_to(child: Command) -> Iterator[None]:
    """What asks us to stop, Ctrl-C first of all, asks the command: it is in a session of its own."""
    before = {
        number: signal.signal(number, lambda number, _: child.signal(signal.Signals(number))) for number in _FORWARDED
    }
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _file(path: Path, *, overwrite: bool) -> BinaryIO:
    """The file, unbuffered, so that what was recorded stays when we are killed; what was in it is still there."""
    try:
        flags = os.O_WRONLY | os.O_CREAT | (0 if overwrite else os.O_EXCL)
        return os.fdopen(os.open(path, flags, 0o666), "wb", buffering=0)
    except FileExistsError:
        raise UsageError(f"{path} exists: give another name with -o, or --overwrite") from None
    except OSError as error:
        raise UsageError(f"cannot write {path}: {error.strerror}") from error
