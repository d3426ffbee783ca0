"""Counts the lines that come out on a channel, in a process of its own.

`python -m scripts.bench.listener REDIS_URL CHANNEL` says `ready` once it listens; when its standard input is closed and
nothing comes any more, it says how many lines it got.
"""

import selectors
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager

from producer.connect import connect
from scripts.bench.errors import CannotMeasure
from worker.lifetime import die_with_parent

_LINE = b'"line":'
_READ_BYTES = 1024 * 1024
_SILENT_SECONDS = 0.5


class Listener:
    """A running listener."""

    def __init__(self, process: "subprocess.Popen[bytes]") -> None:
        self._process = process

    def count(self) -> int:
        """How many lines came, once no more do. Raises CannotMeasure."""
        said, _ = self._process.communicate()
        if not said.strip().isdigit():
            raise CannotMeasure("nobody could listen to the channel")
        return int(said)


@contextmanager
def listening(url: str, channel: str) -> Iterator[Listener]:
    """A listener that is ready."""
    command = [sys.executable, "-m", "scripts.bench.listener", url, channel]
    with subprocess.Popen(
        command,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        start_new_session=True,
        preexec_fn=die_with_parent,
    ) as process:
        try:
            if process.stdout is None or process.stdout.readline() != b"ready\n":
                raise CannotMeasure("nobody can listen to the channel")
            yield Listener(process)
        finally:
            process.terminate()


def _listen(connection: socket.socket) -> int:
    """Count until standard input is closed, and then until it is silent."""
    lines, seam, closing = 0, b"", False
    with selectors.DefaultSelector() as selector:
        selector.register(connection, selectors.EVENT_READ)
        selector.register(sys.stdin, selectors.EVENT_READ)
        while ready := selector.select(_SILENT_SECONDS if closing else None):
            for key, _ in ready:
                if key.fileobj is sys.stdin:
                    closing = True
                    selector.unregister(sys.stdin)
                    continue
                data = connection.recv(_READ_BYTES)
                if not data:
                    return lines
                data = seam + data
                lines += data.count(_LINE)
                seam = data[1 - len(_LINE) :]
    return lines


def _main(url: str, channel: str) -> None:
    with connect(url) as client:
        connection = client.connection_pool.make_connection()
        connection.connect()
        connection.send_command("SUBSCRIBE", channel)
        # Parsing every message would cost more than sending it does.
        raw: socket.socket = connection._sock  # noqa: SLF001
        raw.settimeout(None)
        raw.recv(_READ_BYTES)  # the confirmation
        print("ready", flush=True)
        print(_listen(raw), flush=True)


if __name__ == "__main__":
    _main(*sys.argv[1:])
