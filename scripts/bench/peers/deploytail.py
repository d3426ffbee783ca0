"""deploytail as it ships: `python -m api`, as a user would start it, with the limits on watchers raised."""

import sys

from scripts.bench import processes
from scripts.bench.peers.logs import LogPeer

_WATCHERS = "20000"


class Deploytail(LogPeer):
    """One process."""

    name = "deploytail"
    title = "deploytail"
    arguments: tuple[str, ...] = ()

    def start(self) -> processes.Process:
        """Start the service."""
        environment = processes.clean_environment() | {
            "DEPLOYTAIL_REDIS_URL": self.rig.redis_url,
            "DEPLOYTAIL_MAX_WATCHERS": _WATCHERS,
            "DEPLOYTAIL_MAX_WATCHERS_PER_CALLER": _WATCHERS,
            "DEPLOYTAIL_LOG_LEVEL": "warning",
        }
        command = [sys.executable, "-m", "api", "--port", f"{self.port}", *self.arguments]
        return processes.start(command, environment, self.log)


class TwoProcesses(Deploytail):
    """Two processes on one port."""

    name = "deploytail-2"
    title = "deploytail, 2 processes"
    arguments = ("--processes", "2")
