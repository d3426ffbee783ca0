"""What the swarm is let loose on: a service that runs, or a stack of its own."""

import os
import sys
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass

import httpx2

from producer.connect import check_answers, shown
from producer.home import find_running
from producer.library import cancel_deploy, create_deploy
from scripts.stack import Stack, stack
from scripts.swarming.plan import UsageError

_ANSWER_SECONDS = 10.0
_MAX_WATCHERS = "20000"


class ServiceAway(Exception):
    """No service answers where one should."""


@dataclass(frozen=True)
class Target:
    """Where the service answers; `redis_url` is None where it is not known. `own`: what the swarm has started."""

    api_url: str
    redis_url: str | None
    own: Stack | None


@contextmanager
def target(api: str | None, redis: str | None, *, direct: bool, workers: int) -> Iterator[Target]:
    """The service at `api`, else that of a running `deploytail up`, else one of its own, with so many workers.

    Raises UsageError, ServiceAway, InvalidAddress, StoreAway; StackError and EmbeddedError from its own.
    """
    running = find_running()
    if api is None and running is None:
        with _own(redis, 1 if direct else workers) as started:
            yield Target(started.api_url, started.redis_url, started)
        return
    if running is not None and (api is None or api.rstrip("/") == running.api_url):
        api, redis = running.api_url, redis or running.redis_url
    url = (api or "").rstrip("/")
    if not url.startswith(("http://", "https://")):
        raise UsageError(f"--api {url}: that is not the address of an API: write http://host:port")
    if direct and redis is None:
        raise UsageError("--direct writes to Redis itself: give --redis URL or DEPLOYTAIL_REDIS_URL too")
    _check_service(url)
    if redis is not None:
        check_answers(redis)
    if direct and redis is not None:
        _check_same_logs(url, redis)
    say(f"on the deploytail at {url}")
    yield Target(url, redis, None)


@contextmanager
def _own(redis: str | None, workers: int) -> Iterator[Stack]:
    with ExitStack() as parts:
        os.environ["DEPLOYTAIL_HOME"] = parts.enter_context(tempfile.TemporaryDirectory(prefix="deploytail-swarm-"))
        os.environ.setdefault("DEPLOYTAIL_MAX_WATCHERS_PER_CALLER", _MAX_WATCHERS)  # all of them come from here
        os.environ.setdefault("DEPLOYTAIL_MAX_WATCHERS", _MAX_WATCHERS)
        os.environ.setdefault("DEPLOYTAIL_LOG_LEVEL", "error")  # that a worker is reaped is what some faults are for
        say("no deploytail is running: the swarm starts one of its own, which goes with it")
        yield parts.enter_context(stack(redis_url=redis, port=0, workers=workers, say=say))


def say(text: str) -> None:
    """Tell the person who waits."""
    print(text, file=sys.stderr, flush=True)


def _check_same_logs(url: str, redis: str) -> None:
    deploy = create_deploy("swarm", url=redis)
    cancel_deploy("swarm", deploy, url=redis)
    if not _get(url, f"/{deploy}").is_success:
        raise UsageError(f"--redis {shown(redis)}: the deploytail at {url} keeps its logs in another: give that one")


def _check_service(url: str) -> None:
    answer = _get(url, "?limit=1")
    if not answer.is_success:
        raise ServiceAway(f"{url} cannot serve now: HTTP status {answer.status_code}")


def _get(url: str, rest: str) -> httpx2.Response:
    try:
        return httpx2.get(f"{url}/v1/apps/swarm/deploys{rest}", timeout=_ANSWER_SECONDS)
    except httpx2.HTTPError as error:
        raise ServiceAway(f"no deploytail service answers at {url} ({error})") from error
