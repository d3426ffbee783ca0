"""Several processes that serve one port, each with a hub and a subscription of its own.

Each binds the port by itself with SO_REUSEPORT, so that the system spreads the connections over them evenly; a shared
socket would leave most to whichever process happens to accept first.
"""

import logging
import multiprocessing
import os
import signal
import socket
import threading
import time
from multiprocessing.connection import wait
from multiprocessing.context import SpawnProcess

from uvicorn.config import STARTUP_FAILURE

from api.app import create_app
from api.server import serve
from api.settings import ApiSettings

log = logging.getLogger("uvicorn.error")

_SOON_SECONDS = 5.0  # a process that ends sooner is not started again at once
_PAUSE_SECONDS = 1.0
_spawn = multiprocessing.get_context("spawn")


def bind(host: str, port: int, *, shared: bool = False) -> socket.socket:
    """A socket bound to the address, which other sockets may share. Raises OSError."""
    listener = socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET, socket.SOCK_STREAM)
    try:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        if shared:
            listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
        listener.bind((host, port))
    except OSError:
        listener.close()
        raise
    return listener


class Supervisor:
    """Runs the service in as many processes as the settings say, on one port, and another for each that dies."""

    def __init__(self, settings: ApiSettings, port: int) -> None:
        self._settings = settings
        self._port = port
        self._processes: list[SpawnProcess] = []
        self._stop = threading.Event()
        self._started_at = 0.0

    def run(self) -> int:
        """Serve until a signal comes, or until a process cannot even start; return the exit status."""
        for name in (signal.SIGINT, signal.SIGTERM):
            signal.signal(name, lambda _, __: self._end())
        self._processes = [self._start() for _ in range(self._settings.processes)]
        status = 0
        while not self._stop.is_set():
            wait([process.sentinel for process in self._processes], timeout=_PAUSE_SECONDS)
            for at, process in enumerate(self._processes):
                if process.exitcode == STARTUP_FAILURE:
                    status = STARTUP_FAILURE
                    self._end()
                elif process.exitcode is not None and not self._stop.is_set():
                    log.error("process %s has ended with %s: starting another", process.pid, process.exitcode)
                    self._processes[at] = self._start()
        for process in self._processes:
            process.join()
        return status

    def _start(self) -> SpawnProcess:
        if self._processes and time.monotonic() - self._started_at < _SOON_SECONDS:
            self._stop.wait(_PAUSE_SECONDS)
        self._started_at = time.monotonic()
        process = _spawn.Process(target=_child, args=(self._settings, self._port))
        process.start()
        return process

    def _end(self) -> None:
        self._stop.set()
        for process in self._processes:
            process.terminate()


def _child(settings: ApiSettings, port: int) -> None:
    threading.Thread(target=_end_with_parent, daemon=True).start()
    serve(create_app(settings), settings, bind(settings.host, port, shared=True))


def _end_with_parent() -> None:
    parent = multiprocessing.parent_process()
    if parent is not None:
        parent.join()
        os.kill(os.getpid(), signal.SIGTERM)
