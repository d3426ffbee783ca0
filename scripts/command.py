"""Runs a real command and hands on its output, byte by byte as it comes, under a pseudo-terminal or a pipe."""

import contextlib
import errno
import fcntl
import os
import pty
import select
import shutil
import signal
import struct
import subprocess
import termios
import time
from collections.abc import Sequence

from worker.lifetime import die_with_parent

DRAIN_SECONDS = 0.5
_READ_BYTES = 64 * 1024


class Command:
    """A command in a session of its own. stdout and stderr share one channel, so their order is the order of writing.

    Under a pty (`tty`) tools keep their colours. Raises OSError where the command cannot be started.
    """

    def __init__(self, command: Sequence[str], *, tty: bool) -> None:
        ours, theirs = _open_pty() if tty else os.pipe()
        self._output = ours
        try:
            self._process = subprocess.Popen(
                command,
                stdin=subprocess.DEVNULL,
                stdout=theirs,
                stderr=theirs,
                start_new_session=True,
                preexec_fn=_on_terminal if tty else die_with_parent,
            )
        except BaseException:
            os.close(ours)
            raise
        finally:
            os.close(theirs)
        self._exited_at: float | None = None
        self._closed = False

    def read(self, timeout: float) -> bytes | None:
        """What has come within `timeout` seconds, empty when nothing has; None when the command is over.

        It is over when it has ended and its output is closed, or some time after it has ended: what it left running
        in the background may hold the output open for ever.
        """
        if self._closed:
            return self._await_end(timeout)
        draining = False
        if self._process.poll() is not None:
            self._exited_at = self._exited_at or time.monotonic()
            draining = time.monotonic() - self._exited_at > DRAIN_SECONDS
            timeout = 0.0 if draining else min(timeout, 0.05)
        ready, _, _ = select.select([self._output], [], [], timeout)
        if not ready:
            return None if draining else b""
        try:
            data = os.read(self._output, _READ_BYTES)
        except OSError as error:
            if error.errno != errno.EIO:  # how Linux tells that a pty has no writer any more
                raise
            data = b""
        if data:
            return data
        self._closed = True
        return self._await_end(timeout)

    def _await_end(self, timeout: float) -> bytes | None:
        try:
            self._process.wait(timeout)
        except subprocess.TimeoutExpired:
            return b""
        return None

    def signal(self, number: signal.Signals) -> None:
        """Send a signal to the command and all that it started in its process group."""
        with contextlib.suppress(ProcessLookupError, PermissionError):  # a sudo is not ours to end
            os.killpg(self._process.pid, number)

    def wait(self) -> int:
        """Wait for the command's end; its exit status, or minus the number of the signal that killed it."""
        return self._process.wait()

    def close(self) -> None:
        """Let go of its output, and make sure that it has ended."""
        os.close(self._output)
        if self._process.poll() is None:
            self.signal(signal.SIGKILL)
            self._process.wait()


def why(status: int) -> str:
    """The reason of a deploy whose command ended with `status` (not 0), as `Command.wait` returns it."""
    if -status in set(signal.Signals):
        return f"killed by {signal.Signals(-status).name}"
    if status < 0:
        return f"killed by signal {-status}"
    return f"exited with status {status}"


def _open_pty() -> tuple[int, int]:
    ours, theirs = pty.openpty()
    columns, lines = shutil.get_terminal_size((120, 40))
    fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", lines, columns, 0, 0))
    # No output processing: a line ends as the tool ended it.
    attributes = termios.tcgetattr(theirs)
    attributes[1] &= ~termios.OPOST
    attributes[3] &= ~(termios.ECHO | termios.ICANON)
    termios.tcsetattr(theirs, termios.TCSANOW, attributes)
    return ours, theirs


def _on_terminal() -> None:
    die_with_parent()
    # Tools that open /dev/tty get the pty, not the terminal of whoever started us.
    fcntl.ioctl(1, termios.TIOCSCTTY, 0)
