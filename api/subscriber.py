"""The one pub/sub connection of a process.

Speaks to the connection below redis-py's PubSub, on purpose: PubSub subscribes again in silence after a cut. Here every
confirmation, the first and each after a reconnect, is reported, so that the list is read again before live is trusted.
redis-py connects and logs in; then the replies are taken apart as they arrive, all that came in one piece as one batch,
so that a burst wakes its watchers once and not once a line.
"""

import asyncio
import logging
import random
from collections.abc import Callable, Sequence
from typing import TypeAlias, cast

import hiredis
import redis.asyncio
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff
from redis.exceptions import RedisError

from producer.connect import CONNECT_SECONDS

log = logging.getLogger(__name__)

PING_SECONDS = 5.0
SILENCE_SECONDS = 12.0

Message: TypeAlias = tuple[bytes, bytes]


class Subscriber:
    """Keeps a set of channels subscribed. `on_confirmed(channel)` comes after each confirmation,
    `on_messages([(channel, data), ...])` with the messages that came together, both from within `run`.
    """

    def __init__(
        self,
        url: str,
        on_confirmed: Callable[[bytes], None],
        on_messages: Callable[[Sequence[Message]], None],
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
        self._on_messages = on_messages
        self._channels: set[bytes] = set()
        self._connection: _Connection | None = None

    @property
    def connected(self) -> bool:
        """Whether there is a connection, as far as is known."""
        return self._connection is not None

    @property
    def channels(self) -> int:
        """How many channels are wanted."""
        return len(self._channels)

    def subscribe(self, channel: bytes) -> None:
        """Want a channel; its confirmation follows."""
        self._channels.add(channel)
        if self._connection is not None:
            self._connection.send("SUBSCRIBE", channel)

    def unsubscribe(self, channel: bytes) -> None:
        """Want it no longer."""
        self._channels.discard(channel)
        if self._connection is not None:
            self._connection.send("UNSUBSCRIBE", channel)

    async def run(self) -> None:
        """Stay connected until cancelled."""
        delay = 0.05
        while True:
            connection = self._pool.make_connection()  # type: ignore[no-untyped-call]
            try:
                async with asyncio.timeout(2 * CONNECT_SECONDS):  # a server may accept, and then say nothing
                    await connection.connect()
                delay = 0.05
                await self._converse(_Connection(connection, self._replied))
            except (RedisError, OSError, RuntimeError, hiredis.HiredisError) as error:
                # RuntimeError: uvloop's, for a closed connection
                if self.connected:
                    log.warning("lost the subscription to Redis: %s", error)
            finally:
                self._connection = None
                await connection.disconnect(nowait=True)
            await asyncio.sleep(delay * random.uniform(0.5, 1.0))
            delay = min(delay * 2, 1.0)

    async def _converse(self, connection: "_Connection") -> None:
        """Keep a connection until it fails; raises what failed."""
        self._connection = connection
        if self._channels:
            connection.send("SUBSCRIBE", *self._channels)
        loop = asyncio.get_running_loop()
        while not connection.lost.done():
            await asyncio.wait([connection.lost], timeout=PING_SECONDS)
            if loop.time() - connection.heard > SILENCE_SECONDS:
                raise ConnectionError(f"no sign of life for {SILENCE_SECONDS:g} s")
            connection.send("PING")
        raise connection.lost.result() or ConnectionError("closed by Redis")

    def _replied(self, replies: Sequence[object]) -> None:
        messages: list[Message] = []
        for reply in replies:
            if isinstance(reply, Exception):
                raise reply
            if not isinstance(reply, list):
                continue
            if reply[0] == b"message":
                messages.append((reply[1], reply[2]))
            elif reply[0] == b"subscribe" and reply[1] in self._channels:
                self._on_messages(messages)
                messages = []
                self._on_confirmed(reply[1])
        if messages:
            self._on_messages(messages)


class _Connection(asyncio.Protocol):
    """Takes over a connection on which redis-py has logged in. `lost` gets what ended it, or None."""

    def __init__(self, connection: "redis.asyncio.Connection", on_replies: Callable[[Sequence[object]], None]) -> None:
        loop = asyncio.get_running_loop()
        self._pack = connection.pack_command
        writer = connection._writer  # noqa: SLF001 - there is no public way to it
        if writer is None:
            raise ConnectionError("not connected")
        self._transport = cast(asyncio.Transport, writer.transport)
        self._on_replies = on_replies
        self._reader = hiredis.Reader()
        self.heard = loop.time()
        self.lost: asyncio.Future[Exception | None] = loop.create_future()
        self._transport.set_protocol(self)

    def send(self, command: str, *arguments: bytes) -> None:
        """Send a command. On a connection that is lost it goes nowhere."""
        if not self._transport.is_closing():
            self._transport.writelines(self._pack(command, *arguments))

    def data_received(self, data: bytes) -> None:
        """Redis has sent something."""
        self.heard = asyncio.get_running_loop().time()
        try:
            self._reader.feed(data)
            replies = []
            while (reply := self._reader.gets()) is not False:
                replies.append(reply)
            self._on_replies(replies)
        except Exception as error:  # noqa: BLE001 - whatever it is, what comes after it cannot be trusted
            self._end(error)
            self._transport.abort()

    def connection_lost(self, exc: Exception | None) -> None:
        """The connection has ended."""
        self._end(exc)

    def _end(self, error: Exception | None) -> None:
        if not self.lost.done():
            self.lost.set_result(error)
