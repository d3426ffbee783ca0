"""Runs procedures against Redis, blocking (`Store`) or on asyncio (`AsyncStore`), and names what goes wrong."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, TypeVar, cast

import redis
import redis.asyncio
from redis import exceptions
from redis.exceptions import (
    BusyLoadingError,
    NoScriptError,
    OutOfMemoryError,
    ReadOnlyError,
    RedisError,
    ResponseError,
)

from producer.calls import Call, Procedure, Request
from producer.errors import StoreAway, StoreCorrupt, StoreFull

T = TypeVar("T")


class Store:
    """A blocking client for deploy logs. `client` must not decode responses."""

    def __init__(self, client: redis.Redis) -> None:
        self.client = client

    def run(self, procedure: Procedure[T]) -> T:
        """Run a procedure to its end; what it raises, and StoreAway, StoreFull, StoreCorrupt."""
        reply: Any = None
        while True:
            try:
                request = procedure.send(reply)
            except StopIteration as stop:
                return cast(T, stop.value)
            with _named_errors():
                reply = self._ask(request)

    def _ask(self, request: Request) -> Any:
        if isinstance(request, Call):
            try:
                return self.client.evalsha(request.script.sha, len(request.keys), *request.keys, *request.arguments)
            except NoScriptError:
                return self.client.eval(request.script.text, len(request.keys), *request.keys, *request.arguments)
        with self.client.pipeline(transaction=False) as pipeline:
            for command in request:
                pipeline.execute_command(*command)  # type: ignore[no-untyped-call]
            return pipeline.execute()


class AsyncStore:
    """The same on asyncio."""

    def __init__(self, client: "redis.asyncio.Redis") -> None:
        self.client = client

    async def ping(self) -> None:
        """Raises StoreAway where Redis does not answer."""
        with _named_errors():
            await self.client.ping()

    async def run(self, procedure: Procedure[T]) -> T:
        """Run a procedure to its end; what it raises, and StoreAway, StoreFull, StoreCorrupt."""
        reply: Any = None
        while True:
            try:
                request = procedure.send(reply)
            except StopIteration as stop:
                return cast(T, stop.value)
            with _named_errors():
                reply = await self._ask(request)

    async def _ask(self, request: Request) -> Any:
        if isinstance(request, Call):
            try:
                return await self.client.evalsha(
                    request.script.sha, len(request.keys), *request.keys, *request.arguments
                )
            except NoScriptError:
                return await self.client.eval(request.script.text, len(request.keys), *request.keys, *request.arguments)
        async with self.client.pipeline(transaction=False) as pipeline:
            for command in request:
                pipeline.execute_command(*command)
            return await pipeline.execute()


@contextmanager
def _named_errors() -> Iterator[None]:
    try:
        yield
    except OutOfMemoryError as error:
        raise StoreFull("Redis is out of memory: raise its maxmemory or lower the caps") from error
    except (exceptions.ConnectionError, exceptions.TimeoutError, BusyLoadingError, ReadOnlyError, OSError) as error:
        raise StoreAway(f"Redis does not answer: {error}") from error
    except ResponseError as error:
        if "WRONGTYPE" in str(error):
            raise StoreCorrupt(f"a key has the wrong type: {error}") from error
        raise
    except RedisError as error:
        raise StoreAway(f"Redis gave no usable answer: {error}") from error
