"""The feed of all who read deploytail's layout in Redis: deploytail's own writer."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import ClassVar

from producer import create_deploy, open_log
from producer.deploys import Limits
from producer.status import Status
from producer.writer import Writer
from scripts.bench.lines import STREAM
from scripts.bench.peers.peer import Feed, LivePeer
from scripts.bench.rig import APP

_KEPT_SECONDS = 600
_EXTRA_EVENTS = 16  # the statuses and the last line
_CAP_BYTES = 64 * 1024 * 1024


class LogFeed:
    """Writes through a writer that `producer.open_log` gave."""

    def __init__(self, log: Writer) -> None:
        self._log = log

    def write(self, line: str) -> None:
        """Write one line."""
        self._log.write(line, stream=STREAM)

    def burst(self, texts: Sequence[str]) -> None:
        """Write these lines as fast as the writer takes them."""
        write = self._log.write
        for text in texts:
            write(text, stream=STREAM)

    def end(self) -> None:
        """End the deploy as complete."""
        self._log.finish(Status.COMPLETE)


class LogPeer(LivePeer):
    """A service that reads deploytail's layout."""

    cap_events: ClassVar[int] = 10_000
    feed_connections = 1

    def path(self, deploy: str) -> str:
        """The path of deploytail's endpoint, which the others have, too."""
        return f"/v1/apps/{APP}/deploys/{deploy}/logs/stream"

    def create(self, cached: int = 0) -> str:
        """A queued deploy, of the default caps unless more is to be cached."""
        limits = Limits(max(self.cap_events, cached + _EXTRA_EVENTS), _CAP_BYTES, _KEPT_SECONDS)
        return create_deploy(APP, url=self.rig.redis_url, limits=limits)

    @contextmanager
    def feed(self, deploy: str) -> Iterator[Feed]:
        """The writer of a queued deploy."""
        log = open_log(APP, deploy, url=self.rig.redis_url)
        try:
            yield LogFeed(log)
        finally:
            log.close()
