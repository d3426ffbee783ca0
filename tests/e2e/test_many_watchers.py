"""Three hundred watchers of one running deploy cost Redis nothing, and leave nothing behind."""

import asyncio
import hashlib
import re
from collections import Counter
from pathlib import Path
from urllib.parse import urlsplit

import redis

from producer.keys import Keys
from producer.library import create_deploy, new_token, open_log, read_log
from producer.store import Store
from producer.writer import Writer
from tests.helpers import Service, start_api, wait_until

WATCHERS = 300
WAVES = 15
LINES_A_WAVE = 100
_NOT_EVENTS = re.compile(rb"^(?:retry: \d+|: .*)\n", re.MULTILINE)


async def test_all_who_join_a_fast_deploy_get_the_same_bytes(valkey: str, client: redis.Redis) -> None:
    """Whenever they join, their events are the same; Redis sees one subscriber, and all is let go of at the end."""
    deploy = create_deploy("shop", url=valkey)
    channel = f"deploy:{{shop/{deploy}}}:events"
    with start_api(valkey) as api:
        # One has been there and gone: what is set up once, and kept, is set up.
        await asyncio.to_thread(_finished_deploy, valkey, api)
        quiet = _open_files(api)
        connections = _connections(client)
        watchers: list[asyncio.Task[bytes]] = []
        arrived: list[str] = []
        with (
            redis.Redis.from_url(valkey) as writers,
            Writer(Store(writers), Keys("shop", deploy), token=new_token()) as log,
        ):
            for wave in range(WAVES):
                watchers += [
                    asyncio.create_task(_watch(api.stream_url("shop", deploy), arrived))
                    for _ in range(WATCHERS // WAVES)
                ]
                await asyncio.sleep(0)
                for number in range(LINES_A_WAVE):
                    await asyncio.to_thread(log.write, f"wave {wave} line {number}")
            await asyncio.to_thread(wait_until, lambda: len(arrived) == WATCHERS)
            during = _connections(client), dict(client.pubsub_numsub(channel))
        streams = Counter(await asyncio.gather(*watchers))
        afterwards = _connections(client), dict(client.pubsub_numsub(channel))
        await asyncio.to_thread(wait_until, lambda: _open_files(api) <= quiet + afterwards[0] - connections, 5)
    events = read_log("shop", deploy, url=valkey).events
    stored = [(str(seq), event) for seq, event in enumerate(events, 1)]
    assert {_digest(stored, len(events) + 1): WATCHERS} == streams
    assert (during[1], afterwards[1]) == ({channel.encode(): 1}, {channel.encode(): 0})
    # The writer has one of its own; the pool may have needed a second one for a moment.
    assert max(during[0] - 1, afterwards[0]) - connections <= 2


async def _watch(url: str, arrived: list[str]) -> bytes:
    """The checksum of all events of a stream; once it has begun, its URL is in `arrived`."""
    parts = urlsplit(url)
    reader, writer = await asyncio.open_connection(parts.hostname, parts.port)
    try:
        writer.write(f"GET {parts.path} HTTP/1.1\r\nHost: {parts.netloc}\r\n\r\n".encode())
        head = await reader.readuntil(b"\r\n\r\n")
        assert b" 200 " in head, head
        arrived.append(url)
        body = b""
        while size := int(await reader.readline(), 16):
            body += await reader.readexactly(size)
            await reader.readline()
    finally:
        writer.close()
        await writer.wait_closed()
    return hashlib.sha256(_NOT_EVENTS.sub(b"", body)).digest()


def _digest(stored: list[tuple[str, bytes]], end: int) -> bytes:
    frames = b"".join(
        (b"event: status\n" if b',"status":"' in event else b"") + b"id: %s\ndata: %s\n\n" % (seq.encode(), event)
        for seq, event in stored
    )
    return hashlib.sha256(frames + b"event: done\nid: %d\ndata: {}\n\n" % end).digest()


def _finished_deploy(valkey: str, api: Service) -> None:
    deploy = create_deploy("shop", url=valkey)
    with open_log("shop", deploy, url=valkey) as log:
        log.write("one")
    asyncio.run(_watch(api.stream_url("shop", deploy), []))


def _connections(client: redis.Redis) -> int:
    return len(client.client_list())


def _open_files(api: Service) -> int:
    return sum(1 for _ in Path(f"/proc/{api.process.pid}/fd").iterdir())
