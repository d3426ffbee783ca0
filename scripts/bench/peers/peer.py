"""What every peer can do."""

import secrets
from abc import ABC, abstractmethod
from collections.abc import Sequence
from contextlib import AbstractContextManager
from pathlib import Path
from types import TracebackType
from typing import ClassVar, Protocol, Self

from scripts.bench import lines, processes
from scripts.bench.errors import CannotMeasure
from scripts.bench.rig import Rig
from scripts.faults import descendants
from scripts.process import free_port, stop


class Feed(Protocol):
    """Writes the log of one deploy."""

    def write(self, line: str) -> None:
        """Write one line, to be seen at once."""

    def burst(self, texts: Sequence[str]) -> None:
        """Write these lines as fast as it can; they may still be on their way."""

    def end(self) -> None:
        """End the log: every stream of it ends with `done`."""


class Peer(ABC):
    """One service that streams logs, or one way to write them. Used in a `with`, it runs."""

    name: ClassVar[str]
    title: ClassVar[str]
    feed_connections: ClassVar[int] = 0  # to Redis, that its feed has

    def __init__(self, rig: Rig) -> None:
        self.rig = rig
        self.port = 0
        self.process: processes.Process | None = None

    @classmethod
    def missing(cls) -> str | None:
        """Why it cannot take part here, or None."""
        return None

    @property
    def pids(self) -> set[int]:
        """The processes whose cost counts."""
        return {self.process.pid, *descendants(self.process.pid)} if self.process else set()

    @property
    def log(self) -> Path:
        """What its processes say."""
        return self.rig.folder / f"{self.name}.log"

    @abstractmethod
    def start(self) -> processes.Process | None:
        """Start its process on `port`."""

    @abstractmethod
    def path(self, deploy: str) -> str:
        """The path of a deploy's stream."""

    @abstractmethod
    def filled(self, count: int) -> str:
        """A finished deploy of so many lines; its id."""

    def forget(self) -> None:  # noqa: B027 - most keep nothing of what they have not streamed
        """Have its processes keep nothing of what was filled, where they would."""

    def __enter__(self) -> Self:
        self.port = free_port()
        self.process = self.start()
        try:
            if self.process:
                processes.await_port(self.process, self.port, self.log)
        except BaseException:
            self.__exit__(None, None, None)
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        if self.process:
            stop(self.process, processes.STOP_SECONDS)
            self.process = None
        if isinstance(error, CannotMeasure) and self.log.exists() and self.log.stat().st_size:
            error.add_note(f"(its log ends in: {processes.last_words(self.log)})")


class LivePeer(Peer):
    """A peer whose logs can be written while they are streamed."""

    @abstractmethod
    def create(self, cached: int = 0) -> str:
        """A new deploy, to be written; its id. All of `cached` lines, where given, are to be kept."""

    @abstractmethod
    def feed(self, deploy: str) -> AbstractContextManager[Feed]:
        """Become the writer of a new deploy."""

    def filled(self, count: int) -> str:
        """A finished deploy of so many lines; its id."""
        deploy = self.create(cached=count)
        with self.feed(deploy) as feed:
            feed.burst([lines.text(n) for n in range(1, count + 1)])
            feed.end()
        return deploy


def new_deploy() -> str:
    """A random deploy id."""
    return f"d{secrets.token_hex(6)}"


def need_process(peer: Peer) -> processes.Process:
    """The process of a running peer. Raises CannotMeasure."""
    if peer.process is None or peer.process.poll() is not None:
        raise CannotMeasure(f"{peer.name} has ended by itself: {processes.last_words(peer.log)}")
    return peer.process
