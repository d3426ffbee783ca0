"""What the commands share: their common options, and what can go wrong, as one sentence and an exit status."""

import math
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Annotated, NoReturn

import typer

from scripts.program import NAME

if TYPE_CHECKING:
    from api.client import Client

App = Annotated[str, typer.Argument(metavar="APP", help="Id of the app.")]
Deploy = Annotated[str, typer.Argument(metavar="DEPLOY", help="Id of the deploy.")]
Api = Annotated[
    str | None,
    typer.Option(
        metavar="URL",
        envvar="DEPLOYTAIL_API_URL",
        help="Address of the API; by default the one that 'deploytail up' runs.",
    ),
]
Redis = Annotated[
    str | None,
    typer.Option(
        "--redis",
        metavar="URL",
        envvar="DEPLOYTAIL_REDIS_URL",
        help="Address of Redis; by default the one that 'deploytail up' runs.",
    ),
]
Json = Annotated[bool, typer.Option("--json", help="Print JSON.")]

EXIT_USAGE = 2


def finite(value: float | None) -> float | None:
    """The value of an option. Raises typer.BadParameter for one that is no number to reckon with."""
    if value is not None and not math.isfinite(value):
        raise typer.BadParameter(f"{value} is not a number to reckon with")
    return value


@contextmanager
def client(url: str | None) -> Iterator["Client"]:
    """A client of the API at `url`; where there is none, the program ends with a sentence."""
    from api.client import Client
    from producer.home import find_running
    from scripts.watch import note

    if url is None:
        running = find_running()
        if running is None:
            fail(
                f"no API: start one with '{NAME} up', or give --api URL or DEPLOYTAIL_API_URL",
                exit_away(),
            )
        url = running.api_url
    if not url.startswith(("http://", "https://")):
        fail(f"{url} is not the address of an API: write http://host:port", EXIT_USAGE)
    with errors(), Client(url, tell=note) as connected:
        yield connected


@contextmanager
def errors(*more: type[Exception]) -> Iterator[None]:
    """What can go wrong on the way, as one sentence and an exit status."""
    from api.client import Refused, ServiceAway
    from producer.errors import DeployLogError, NoAddress, StoreAway, StoreFull, StoreRefused

    usage: tuple[type[Exception], ...] = (Refused, DeployLogError, *more)
    try:
        yield
    except (ServiceAway, StoreAway, StoreFull, StoreRefused, NoAddress) as error:
        fail(str(error), exit_away())
    except usage as error:
        fail(str(error), EXIT_USAGE)
    except BrokenPipeError:
        leave_quietly()


def valid_id(value: str) -> str:
    """An id of an app or deploy; where it is none, the program ends with a sentence."""
    from producer.errors import InvalidId
    from producer.keys import check_id

    try:
        return check_id("app or deploy", value)
    except InvalidId as error:
        fail(str(error), EXIT_USAGE)


def exit_away() -> int:
    """The exit status where a service is away."""
    from scripts.watch import EXIT_AWAY

    return EXIT_AWAY


def fail(message: str, status: int) -> NoReturn:
    """End the program with a sentence."""
    print(f"deploytail: {message}", file=sys.stderr)
    sys.exit(status)


def leave_quietly() -> NoReturn:
    """End the program without a word."""
    # Whoever read our output has what they wanted ('| head'); Python must not complain on the way out.
    import os

    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    sys.exit(141)
