"""Runs procedures against Redis, blocking (`Store`) or on asyncio (`AsyncStore`), and names what goes wrong."""

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, TypeVar, cast

import redis
import redis.asyncio
from redis.exceptions import NoScriptError, OutOfMemoryError, ReadOnlyError, RedisError, ResponseError

from producer.calls import Call, Procedure, Request, Transaction
from producer.errors import DeployLogError, StoreAway, StoreCorrupt, StoreFull, StoreRefused

T = TypeVar("T")

# What a server says that is short of replicas or disk, in a fail-over, or busy with a script: it passes.
_PASSING = ("NOREPLICAS", "MASTERDOWN", "CLUSTERDOWN", "TRYAGAIN", "MISCONF", "BUSY", "LOADING", "UNBLOCKED")


class Store:
    """A blocking client for deploy logs. `client` must not decode responses."""

    def __init__(self, client: redis.Redis) -> None:
        self.client = client

    def run(self, procedure: Procedure[T]) -> T:
        """Run a procedure to its end; what it raises, and StoreAway, StoreFull, StoreRefused.

        In the replies to a pipeline, one of a key with the wrong type is a StoreCorrupt."""
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
        whole = isinstance(request, Transaction)
        with self.client.pipeline(transaction=whole) as pipeline:
            for command in request.commands if isinstance(request, Transaction) else request:
                pipeline.execute_command(*command)  # type: ignore[no-untyped-call]
            return _replies(pipeline.execute(raise_on_error=False))


class AsyncStore:
    """The same on asyncio."""

    def __init__(self, client: "redis.asyncio.Redis") -> None:
        self.client = client

    async def ping(self) -> None:
        """Raises StoreAway where Redis does not answer."""
        with _named_errors():
            await self.client.ping()

    async def run(self, procedure: Procedure[T]) -> T:
        """Run a procedure to its end; what it raises, and StoreAway, StoreFull, StoreRefused.

        In the replies to a pipeline, one of a key with the wrong type is a StoreCorrupt."""
        reply: Any = None
        while True:
            try:
                request = procedure.send(reply)
            except StopIteration as stop:
                return cast(T, stop.value)
            with _named_errors(), _no_cancel_lost():
                reply = await self._ask(request)

    async def _ask(self, request: Request) -> Any:
        if isinstance(request, Call):
            try:
                return await self.client.evalsha(
                    request.script.sha, len(request.keys), *request.keys, *request.arguments
                )
            except NoScriptError:
                return await self.client.eval(request.script.text, len(request.keys), *request.keys, *request.arguments)
        whole = isinstance(request, Transaction)
        async with self.client.pipeline(transaction=whole) as pipeline:
            for command in request.commands if isinstance(request, Transaction) else request:
                pipeline.execute_command(*command)
            return _replies(await pipeline.execute(raise_on_error=False))


@contextmanager
def _named_errors() -> Iterator[None]:
    try:
        yield
    except RedisError as error:
        raise _named(error) from error
    except (OSError, RuntimeError) as error:  # uvloop raises RuntimeError where a connection was closed meanwhile
        raise StoreAway(f"Redis does not answer: {error}") from error


@contextmanager
def _no_cancel_lost() -> Iterator[None]:
    """Raises CancelledError where the task was cancelled meanwhile and what it waited for has kept that to itself.

    redis-py sends with `asyncio.wait_for`, which did so before Python 3.12 (issue 86296 of CPython).
    """
    task = asyncio.current_task()
    before = task.cancelling() if task else 0
    try:
        yield
    finally:
        if task and task.cancelling() > before:
            raise asyncio.CancelledError


def _named(error: RedisError) -> DeployLogError:
    text = str(error)
    if isinstance(error, OutOfMemoryError):
        return StoreFull("Redis is out of memory: raise its maxmemory or lower the caps")
    if isinstance(error, ResponseError) and not isinstance(error, ReadOnlyError):
        if "WRONGTYPE" in text:
            return StoreCorrupt(f"a key has the wrong type: {text}")
        if not text.startswith(_PASSING):
            return StoreRefused(f"Redis refuses: {text}")
    return StoreAway(f"Redis does not answer: {text}")


def _replies(replies: list[Any]) -> list[Any]:
    """The replies of a pipeline; one of a key with the wrong type is StoreCorrupt, any other error is raised."""
    named = [_named(reply) if isinstance(reply, RedisError) else reply for reply in replies]
    for reply in named:
        if isinstance(reply, DeployLogError) and not isinstance(reply, StoreCorrupt):
            raise reply
    return named
