"""The one pub/sub connection of a process.

Speaks to the connection below redis-py's PubSub, on purpose: PubSub subscribes again in silence after a cut. Here every
confirmation, the first and each after a reconnect, is reported, so that the list is read again before live is trusted.
"""

import asyncio
import logging
import math
import random
from collections.abc import Callable
from itertools import groupby

import redis.asyncio
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff
from redis.exceptions import RedisError

from producer.connect import CONNECT_SECONDS

log = logging.getLogger(__name__)

PING_SECONDS = 5.0
SILENCE_SECONDS = 12.0


class Subscriber:
    """Keeps a set of channels subscribed. `on_confirmed(channel)` comes after each confirmation,
    `on_message(channel, data)` with each message, both from within `run`.
    """

    def __init__(
        self,
        url: str,
        on_confirmed: Callable[[bytes], None],
        on_message: Callable[[bytes, bytes], None],
    ) -> None:
        self._pool = redis.asyncio.ConnectionPool.from_url(
            url,
            protocol=2,
            retry=Retry(NoBackoff(), 0),
            socket_connect_timeout=CONNECT_SECONDS,
            socket_timeout=None,
            client_name="deploytail-hub",
        )
        self._on_confirmed = on_confirmed
        self._on_message = on_message
        self._channels: set[bytes] = set()
        self._commands: list[tuple[str, bytes]] = []
        self._pending = asyncio.Event()
        self._heard = 0.0
        self.connected = False

    @property
    def channels(self) -> int:
        """How many channels are wanted."""
        return len(self._channels)

    def subscribe(self, channel: bytes) -> None:
        """Want a channel; its confirmation follows."""
        self._channels.add(channel)
        self._command("SUBSCRIBE", channel)

    def unsubscribe(self, channel: bytes) -> None:
        """Want it no longer."""
        self._channels.discard(channel)
        self._command("UNSUBSCRIBE", channel)

    async def run(self) -> None:
        """Stay connected until cancelled."""
        delay = 0.05
        while True:
            connection = self._pool.make_connection()  # type: ignore[no-untyped-call]
            try:
                async with asyncio.timeout(2 * CONNECT_SECONDS):  # a server may accept, and then say nothing
                    await connection.connect()
                delay = 0.05
                self._commands = [("SUBSCRIBE", channel) for channel in self._channels]
                self._pending.set()
                self.connected = True
                await self._converse(connection)
            except (RedisError, OSError, RuntimeError) as error:  # RuntimeError: uvloop's, for a closed connection
                if self.connected:
                    log.warning("lost the subscription to Redis: %s", error)
            finally:
                self.connected = False
                await connection.disconnect(nowait=True)
            await asyncio.sleep(delay * random.uniform(0.5, 1.0))
            delay = min(delay * 2, 1.0)

    def _command(self, name: str, channel: bytes) -> None:
        if self.connected:
            self._commands.append((name, channel))
            self._pending.set()

    async def _converse(self, connection: "redis.asyncio.Connection") -> None:
        """Read and write until either fails; raises what failed."""
        self._heard = asyncio.get_running_loop().time()
        parts = self._read(connection), self._write(connection), self._ping(connection)
        tasks = [asyncio.ensure_future(part) for part in parts]
        try:
            await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for task in tasks:
                task.cancel()
            results = await asyncio.gather(*tasks, return_exceptions=True)
        for error in results:
            if isinstance(error, Exception):
                raise error

    async def _read(self, connection: "redis.asyncio.Connection") -> None:
        loop = asyncio.get_running_loop()
        while True:
            reply = await connection.read_response(timeout=math.inf)
            self._heard = loop.time()
            if not isinstance(reply, list):
                continue
            if reply[0] == b"message":
                self._on_message(reply[1], reply[2])
            elif reply[0] == b"subscribe" and reply[1] in self._channels:
                self._on_confirmed(reply[1])

    async def _write(self, connection: "redis.asyncio.Connection") -> None:
        while True:
            await self._pending.wait()
            self._pending.clear()
            commands, self._commands = self._commands, []
            for name, group in groupby(commands, key=lambda command: command[0]):
                await connection.send_command(name, *(c for _, c in group), check_health=False)

    async def _ping(self, connection: "redis.asyncio.Connection") -> None:
        loop = asyncio.get_running_loop()
        while True:
            await asyncio.sleep(PING_SECONDS)
            if loop.time() - self._heard > SILENCE_SECONDS:
                raise ConnectionError(f"no sign of life for {SILENCE_SECONDS:g} s")
            await connection.send_command("PING", check_health=False)
