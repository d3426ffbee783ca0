"""What the commands share: their common options, and what can go wrong, as one sentence and an exit status."""

import math
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, NoReturn

import typer
from typer.exceptions import TyperException

from producer.simulate import MAX_SEED, MAX_SPEED, MIN_SPEED
from scripts.exits import EXIT_AWAY, EXIT_USAGE
from scripts.program import NAME
from scripts.streams import say, silence

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
Command = Annotated[list[str], typer.Argument(metavar="-- COMMAND", help="The command and its arguments.")]
Masked = Annotated[
    list[str] | None, typer.Option("--mask", metavar="NAME", help="Mask the value of this environment variable.")
]
Tty = Annotated[bool, typer.Option("--tty/--no-tty", help="Run it under a terminal, so that it keeps its colours.")]
Json = Annotated[bool, typer.Option("--json", help="Print JSON.")]


def called(app: typer.Typer) -> int:
    """Run the command that the program was called with; the exit status. Wrong usage is one sentence."""
    try:
        return app(standalone_mode=False) or 0
    except TyperException as error:
        said = error.format_message().replace("Value error, ", "").rstrip(".")
        if said:  # else it has shown its help
            context = getattr(error, "ctx", None)
            say(f"deploytail: {said}" + (f"; see '{context.command_path} --help'" if context else ""))
        return error.exit_code


def finite(value: float | None) -> float | None:
    """The value of an option. Raises typer.BadParameter for one that is no number to reckon with."""
    if value is not None and not math.isfinite(value):
        raise typer.BadParameter(f"{value} is not a number to reckon with")
    return value


def pace(value: float) -> float:
    """A speed. Raises typer.BadParameter for one that is out of bounds."""
    if value != 0 and not MIN_SPEED <= value <= MAX_SPEED:  # nor is what is no number
        raise typer.BadParameter(f"{value:g} is neither 0 nor from {MIN_SPEED} to {MAX_SPEED:,}")
    return value


def seed_given(value: int) -> int:
    """A seed; where it is out of bounds, the program ends with a sentence."""
    if not 0 <= value <= MAX_SEED:
        fail(f"--seed {value}: give 0 or more, at most {MAX_SEED}", EXIT_USAGE)
    return value


def text(value: str | None) -> str | None:
    """A text; bytes that are no UTF-8 are replaced."""
    return None if value is None else os.fsencode(value).decode("utf-8", "replace")


def with_home(value: str | None) -> str | None:
    """A name that may be a path. Raises typer.BadParameter where it is in the home of somebody who is not there."""
    try:
        Path(value or "").expanduser()
    except RuntimeError:
        raise typer.BadParameter(f"{value}: there is no such home directory") from None
    return value


@contextmanager
def client(url: str | None) -> Iterator["Client"]:
    """A client of the API at `url`; where there is none, the program ends with a sentence."""
    import json

    import httpx2

    from api.client import Client
    from producer.home import find_running
    from scripts.watch import note

    if url is None:
        running = find_running()
        if running is None:
            fail(
                f"no API: start one with '{NAME} up', or give --api URL or DEPLOYTAIL_API_URL",
                EXIT_AWAY,
            )
        url = running.api_url
    if not url.startswith(("http://", "https://")):
        fail(f"{url} is not the address of an API: write http://host:port", EXIT_USAGE)
    try:
        with errors(), Client(url, tell=note) as connected:
            yield connected
    except (httpx2.InvalidURL, UnicodeError):
        fail(f"{url} is not the address of an API: write http://host:port", EXIT_USAGE)
    except json.JSONDecodeError:
        fail(f"{url} is not the address of an API: what answers is something else", EXIT_USAGE)


@contextmanager
def errors(*more: type[Exception]) -> Iterator[None]:
    """What can go wrong on the way, as one sentence and an exit status."""
    from api.client import Refused, ServiceAway
    from producer.errors import DeployLogError, NoAddress, StoreAway, StoreFull, StoreRefused

    usage: tuple[type[Exception], ...] = (Refused, DeployLogError, *more)
    try:
        yield
    except (ServiceAway, StoreAway, StoreFull, StoreRefused, NoAddress) as error:
        fail(str(error), EXIT_AWAY)
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


def fail(message: str, status: int) -> NoReturn:
    """End the program with a sentence."""
    say(f"deploytail: {message}")
    sys.exit(status)


def leave_quietly() -> NoReturn:
    """End the program without a word: whoever read our output has what they wanted (`| head`)."""
    silence(sys.stdout)
    sys.exit(141)
