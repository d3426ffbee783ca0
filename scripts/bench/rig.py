"""What a run stands on: one Redis for all, a folder, the load client."""

import tempfile
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import redis

from producer.connect import connect
from producer.keys import LIVE, Keys, app_index
from scripts.bench import load, measure
from scripts.embedded import valkey

APP = "bench"


@dataclass(frozen=True)
class Rig:
    """The parts that all peers share. `own`: the Redis is ours alone, so it may be emptied."""

    folder: Path
    redis_url: str
    redis: redis.Redis
    binary: Path
    own: bool

    def redis_cpu_ns(self) -> int:
        """The processor time of Redis so far; 0 where it runs on another machine."""
        return measure.cpu_ns([int(self._info("server")["process_id"])]) if self.own else 0

    def redis_connections(self) -> int:
        """How many clients are connected to Redis."""
        return int(self._info("clients")["connected_clients"])

    def redis_memory(self) -> int:
        """The memory that Redis uses, in bytes."""
        return int(self._info("memory")["used_memory"])

    def redis_version(self) -> str:
        """Its kind and version."""
        found = self._info("server")
        name = str(found.get("server_name", "redis"))
        return f"{name} {found.get(f'{name}_version', found['redis_version'])}"

    def clear(self) -> None:
        """Remove what earlier cases have left, so that each finds the same Redis. Messages of Nchan expire."""
        if self.own:
            self.redis.flushall()
            return
        deploys: Any = self.redis.zrange(app_index(APP), 0, -1)
        for deploy in deploys:
            keys = Keys(APP, deploy.decode())
            self.redis.delete(keys.log, keys.state)
            self.redis.zrem(LIVE, keys.member)
        self.redis.delete(app_index(APP))

    def _info(self, section: str) -> dict[str, Any]:
        return self.redis.info(section)


@contextmanager
def rig(redis_url: str | None) -> Iterator[Rig]:
    """The parts, with a Valkey of our own unless there is a `redis_url`. Raises CannotStart, EmbeddedError."""
    binary = load.build()
    with ExitStack() as parts:
        folder = Path(parts.enter_context(tempfile.TemporaryDirectory(prefix="deploytail-bench-")))
        url = redis_url or parts.enter_context(valkey(folder / "valkey"))
        client = parts.enter_context(connect(url))
        if redis_url is None:
            # It is the streams that are measured, not the disk.
            client.config_set("appendonly", "no")
        parts_of_all = Rig(folder, url, client, binary, own=redis_url is None)
        try:
            yield parts_of_all
        finally:
            parts_of_all.clear()
