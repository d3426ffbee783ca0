"""What both Python peers share: how they run, and how a watcher starts on a log without missing a line."""

import json
import sys
from typing import Any, NamedTuple, cast

import uvicorn
from fastapi import FastAPI
from redis.asyncio import Redis
from redis.asyncio.client import PubSub

_CONNECTIONS = 20_000
_PATIENCE_SECONDS = 120.0  # the default is 5 s, too little once 50 clients want 10,000 lines each
_CONFIRM_SECONDS = 10.0
_ENDS = ("complete", "failed", "cancelled")


class Event(NamedTuple):
    """An event of a log: its number, its bytes as they came, its name in the stream, and whether it is the last."""

    seq: int
    data: str
    name: str | None
    last: bool


def event(data: str) -> Event:
    """An event from its JSON."""
    fields: dict[str, Any] = json.loads(data)
    status = fields.get("status")
    return Event(fields["seq"], data, "status" if status else None, status in _ENDS)


def connect() -> "Redis":
    """A client with a connection for each watcher. hiredis parses its replies."""
    return Redis.from_url(
        sys.argv[2],
        decode_responses=True,
        max_connections=_CONNECTIONS,
        socket_timeout=_PATIENCE_SECONDS,
    )


async def begin(client: "Redis", pubsub: PubSub, app_id: str, deploy_id: str) -> list[str]:
    """Subscribe first, then read what is cached, so that no line falls between the two."""
    tag = f"deploy:{{{app_id}/{deploy_id}}}"
    await pubsub.subscribe(f"{tag}:events")
    await pubsub.get_message(timeout=_CONFIRM_SECONDS)
    return cast("list[str]", await client.lrange(f"{tag}:log", 0, -1))


def serve(app: FastAPI) -> None:
    """Serve in one process, on uvloop and httptools."""
    uvicorn.run(
        app,
        port=int(sys.argv[1]),
        loop="uvloop",
        http="httptools",
        log_level="warning",
        access_log=False,
        backlog=4096,
    )
