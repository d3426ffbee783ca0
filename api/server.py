"""Runs the service under uvicorn, and lets every open stream say goodbye before the process stops."""

import asyncio
import resource
import socket
from contextlib import suppress
from types import FrameType

import uvicorn
from fastapi import FastAPI

from api.protocol import Protocol
from api.settings import ApiSettings

_GOODBYE_SECONDS = 5


class Server(uvicorn.Server):
    """uvicorn's server; on a signal it drains the streams first, which it would otherwise wait for."""

    def __init__(self, config: uvicorn.Config, app: FastAPI) -> None:
        super().__init__(config)
        self._app = app
        self._loop: asyncio.AbstractEventLoop | None = None

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Start, and raise the limit on open files to what the system allows."""
        self._loop = asyncio.get_running_loop()
        _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
        with suppress(ValueError, OSError):
            resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
        await super().startup(sockets)

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        """A signal to stop."""
        if self._loop is not None:
            self._loop.call_soon_threadsafe(self._app.state.services.watchers.drain)
        super().handle_exit(sig, frame)


def serve(app: FastAPI, settings: ApiSettings, listener: socket.socket) -> None:
    """Serve until a signal comes."""
    config = uvicorn.Config(
        app,
        http=Protocol,
        log_level=settings.log_level,
        access_log=settings.log_level == "debug",
        timeout_graceful_shutdown=_GOODBYE_SECONDS,
        backlog=4096,
        server_header=False,
    )
    Server(config, app).run([listener])
