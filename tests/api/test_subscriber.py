"""The one pub/sub connection: each confirmation is reported, and a connection that is lost or hangs is replaced."""

import asyncio
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress

import pytest
import redis.asyncio

from api import subscriber
from api.subscriber import Subscriber
from producer.keys import Keys
from tests.api.support import until


class Heard:
    """A subscriber, and all that it reported, in order."""

    def __init__(self, url: str) -> None:
        self.events: list[tuple[bytes, ...]] = []
        self.subscriber = Subscriber(
            url,
            lambda channel: self.events.append((channel,)),
            self.events.extend,
        )


@asynccontextmanager
async def listening(url: str, *, connected: bool = True) -> AsyncIterator[Heard]:
    """A subscriber at work."""
    heard = Heard(url)
    task = asyncio.ensure_future(heard.subscriber.run())
    try:
        if connected:
            await until(lambda: heard.subscriber.connected)
        yield heard
        assert not task.done(), task
    finally:
        task.cancel()
        with suppress(asyncio.CancelledError):
            await task


async def test_a_confirmation_comes_before_the_messages(valkey: str, client: redis.Redis, keys: Keys) -> None:
    """Each channel is confirmed once, then its messages come in order; after the unsubscribe none."""
    one, two = f"{keys.events}:1".encode(), f"{keys.events}:2".encode()
    async with listening(valkey) as heard:
        heard.subscriber.subscribe(one)
        heard.subscriber.subscribe(two)
        await until(lambda: len(heard.events) == 2)
        client.publish(one.decode(), b"a")
        client.publish(two.decode(), b"b")
        client.publish(one.decode(), b"\xff\0")
        await until(lambda: len(heard.events) == 5)
        heard.subscriber.unsubscribe(one)
        await until(lambda: client.publish(one.decode(), b"late") == 0)
        client.publish(two.decode(), b"c")
        await until(lambda: heard.events[-1] == (two, b"c"))
        assert [event for event in heard.events if event != (one, b"late")] == [
            *((one,), (two,), (one, b"a"), (two, b"b"), (one, b"\xff\0"), (two, b"c")),
        ]
        assert heard.subscriber.channels == 1


async def test_a_channel_that_is_wanted_while_away_is_subscribed_when_connected(valkey: str, keys: Keys) -> None:
    """What was asked for before the connection stood is made up for."""
    heard = Heard(valkey)
    heard.subscriber.subscribe(keys.events.encode())
    task = asyncio.ensure_future(heard.subscriber.run())
    await until(lambda: heard.events == [(keys.events.encode(),)])
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)


async def test_each_reconnect_is_confirmed_again(valkey: str, client: redis.Redis, keys: Keys) -> None:
    """A killed connection is replaced, and every channel's new confirmation says that messages may be missing."""
    channel = keys.events.encode()
    async with listening(valkey) as heard:
        heard.subscriber.subscribe(channel)
        for count in range(1, 4):
            await until(lambda count=count: len(heard.events) == count)  # type: ignore[misc]
            client.client_kill_filter(_type="pubsub", skipme=True)
        await until(lambda: len(heard.events) == 4)
        assert heard.events == [(channel,)] * 4


async def test_a_quick_turn_from_unsubscribe_to_subscribe_ends_subscribed(
    valkey: str, client: redis.Redis, keys: Keys
) -> None:
    """The commands reach Redis in the order in which they were asked for."""
    channel = keys.events.encode()
    async with listening(valkey) as heard:
        for _ in range(10):
            heard.subscriber.subscribe(channel)
            heard.subscriber.unsubscribe(channel)
        heard.subscriber.subscribe(channel)
        await until(lambda: heard.events)
        await until(lambda: client.publish(keys.events, b"a") == 1)
        await until(lambda: heard.events[-1] == (channel, b"a"))


async def test_a_server_that_hangs_is_noticed(valkey: str, keys: Keys, monkeypatch: pytest.MonkeyPatch) -> None:
    """It answers nothing, not even a ping: after some silence the connection is given up, and a new one confirmed."""
    monkeypatch.setattr(subscriber, "PING_SECONDS", 0.02)
    monkeypatch.setattr(subscriber, "SILENCE_SECONDS", 0.1)
    real_port = int(valkey.rpartition(":")[2].partition("/")[0])
    hang = False
    connections = ended = 0

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal connections, ended
        connections += 1
        server_reader, server_writer = await asyncio.open_connection("127.0.0.1", real_port)

        async def copy(source: asyncio.StreamReader, target: asyncio.StreamWriter) -> None:
            while data := await source.read(65536):
                if not hang:
                    target.write(data)
            target.close()

        await asyncio.gather(copy(reader, server_writer), copy(server_reader, writer))
        await writer.wait_closed()
        ended += 1

    proxy = await asyncio.start_server(serve, "127.0.0.1", 0)
    port = proxy.sockets[0].getsockname()[1]
    async with listening(f"redis://127.0.0.1:{port}/0") as heard:
        heard.subscriber.subscribe(keys.events.encode())
        await until(lambda: len(heard.events) == 1)
        await asyncio.sleep(0.2)  # pings are answered: longer than the silence that is allowed
        assert connections == 1
        hang = True
        await until(lambda: not heard.subscriber.connected)
        hang = False
        await until(lambda: len(heard.events) == 2)
    await until(lambda: ended == connections)
    proxy.close()
    await proxy.wait_closed()


async def test_a_connection_that_breaks_while_it_is_written_to_is_replaced(
    valkey: str, keys: Keys, monkeypatch: pytest.MonkeyPatch
) -> None:
    """uvloop says so in an error of its own kind, which no Redis client foresees: it must not end the service."""
    connect = redis.asyncio.Connection.connect
    broken = 0

    async def breaks(connection: redis.asyncio.Connection) -> None:
        nonlocal broken
        broken += 1
        if broken == 1:
            raise RuntimeError("unable to perform operation on <TCPTransport closed=True>; the handler is closed")
        await connect(connection)  # type: ignore[no-untyped-call]

    monkeypatch.setattr(redis.asyncio.Connection, "connect", breaks)
    async with listening(valkey, connected=False) as heard:
        heard.subscriber.subscribe(keys.events.encode())
        await until(lambda: heard.events)
        assert broken == 2


async def test_a_redis_that_is_away_is_tried_again() -> None:
    """No connection is no crash."""
    with socket.socket() as closed:  # bound, and listening to nobody
        closed.bind(("127.0.0.1", 0))
        await _try_in_vain(f"redis://127.0.0.1:{closed.getsockname()[1]}/0")


async def _try_in_vain(url: str) -> None:
    async with listening(url, connected=False) as heard:
        heard.subscriber.subscribe(b"channel")
        await asyncio.sleep(0.1)
        assert (heard.subscriber.connected, heard.subscriber.channels, heard.events) == (False, 1, [])
