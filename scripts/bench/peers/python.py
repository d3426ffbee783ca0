"""Runs the peers that are written in Python, each as one process of uvicorn."""

import sys
from typing import ClassVar

from scripts.bench import processes
from scripts.bench.peers.logs import LogPeer


class PythonPeer(LogPeer):
    """An application of `module` on uvicorn."""

    module: ClassVar[str]

    def start(self) -> processes.Process:
        """Start it."""
        command = [sys.executable, "-m", self.module, f"{self.port}", self.rig.redis_url]
        return processes.start(command, processes.clean_environment(), self.log)


class Starlette(PythonPeer):
    """FastAPI with sse-starlette."""

    name = "starlette"
    title = "sse-starlette"
    module = "scripts.bench.peers.starlette_peer"


class FastAPI(PythonPeer):
    """FastAPI with its own Server-Sent Events."""

    name = "fastapi"
    title = "FastAPI's own SSE"
    module = "scripts.bench.peers.fastapi_peer"
