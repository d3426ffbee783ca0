"""Redis clients from an address: with time limits, with retries, and never with a password in a message."""

import os
import re
from collections import deque
from typing import Any

import redis
import redis.asyncio
from redis.asyncio.retry import Retry as AsyncRetry
from redis.backoff import ExponentialWithJitterBackoff
from redis.exceptions import RedisError
from redis.retry import Retry

from producer.errors import InvalidAddress, NoAddress, StoreAway
from producer.home import find_running

CONNECT_SECONDS = 2.0
ANSWER_SECONDS = 5.0
_POOL_SECONDS = 10
_READ_BYTES = 1024 * 1024  # a whole log is megabytes


def redis_url(given: str | None = None) -> str:
    """The address to use: the given one, `DEPLOYTAIL_REDIS_URL`, or that of a running `deploytail up`.

    Raises NoAddress where there is none.
    """
    if url := given or os.environ.get("DEPLOYTAIL_REDIS_URL"):
        return url
    if running := find_running():
        return running.redis_url
    raise NoAddress(
        "no Redis: start one with 'deploytail up', or set DEPLOYTAIL_REDIS_URL, say to redis://localhost:6379/0"
    )


def shown(url: str) -> str:
    """The address as it may be shown: without its password, however it is written."""
    scheme, _, rest = url.rpartition("://")
    account, at, place = rest.rpartition("@")
    user, colon, _ = account.partition(":")
    account = f"{user if scheme else ''}:***" if colon or not scheme else user
    place = re.sub(r"([?&]password=)[^&]*", r"\1***", place)
    return f"{scheme}://{account}{at}{place}" if scheme else f"{account if at else ''}{at}{place}"


class UncheckedPool(redis.ConnectionPool):
    """Hands out a connection without a look at whether it still stands: one that does not fails its next command.

    For who sends again by itself. The look and its book-keeping are a tenth of the time of a line to its watcher.
    """

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._idle: deque[Any] = deque()

    def get_connection(self, *_: Any, **__: Any) -> Any:
        """One that is idle, or a new one."""
        try:
            return self._idle.pop()
        except IndexError:
            return super().get_connection()

    def release(self, connection: Any) -> None:
        """It is idle."""
        self._idle.append(connection)


def connect(
    url: str, *, retries: int = 3, pool: type[redis.ConnectionPool] = redis.ConnectionPool, **options: Any
) -> redis.Redis:
    """A blocking client. `retries` is how often a failed command is sent again, within some seconds.

    Raises InvalidAddress.
    """
    retry = Retry(ExponentialWithJitterBackoff(base=0.05, cap=1), retries)
    try:
        client = redis.Redis.from_pool(pool.from_url(url, **(_options(retry) | options)))
        client.connection_pool.make_connection()  # sees to the address's parameters; does not connect
    except (ValueError, TypeError) as error:
        raise _invalid(url) from error
    return client


def check_answers(url: str) -> None:
    """Raises StoreAway, with the address, where no Redis answers at `url`, and InvalidAddress."""
    with connect(url, retries=1) as client:
        try:
            client.ping()
        except RedisError as error:
            raise StoreAway(f"no Redis answers at {shown(url)}: {error}") from error


def connect_async(url: str, *, connections: int, retries: int = 3) -> "redis.asyncio.Redis":
    """A client for asyncio. Who comes when all `connections` are in use waits for one. Raises InvalidAddress."""
    retry = AsyncRetry(ExponentialWithJitterBackoff(base=0.05, cap=1), retries)
    try:
        pool = redis.asyncio.BlockingConnectionPool.from_url(
            url,
            max_connections=connections,
            timeout=_POOL_SECONDS,
            socket_read_size=_READ_BYTES,
            **_options(retry),
        )
        pool.make_connection()  # type: ignore[no-untyped-call]
    except (ValueError, TypeError) as error:
        raise _invalid(url) from error
    return redis.asyncio.Redis.from_pool(pool)


def _options(retry: Any) -> dict[str, Any]:
    return {
        "retry": retry,
        "socket_connect_timeout": CONNECT_SECONDS,
        "socket_timeout": ANSWER_SECONDS,
        "socket_keepalive": True,
        "client_name": "deploytail",
    }


def _invalid(url: str) -> InvalidAddress:
    # The cause may quote the password: it is not shown.
    return InvalidAddress(f"{shown(url)} is not a Redis address: write redis://[user:password@]host:6379/0")
