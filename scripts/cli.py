"""The command line. Each command is thin: it parses, finds the addresses, and calls the module that does the work."""

import math
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Annotated, Any, NoReturn

import typer

from scripts.program import NAME

if TYPE_CHECKING:
    from api.client import Client

# The modules that do the work are imported by the command that needs them: a short command must start at once.

app = typer.Typer(
    name="deploytail",
    help="Streams the log of a deploy while it runs, and replays it when it is over.",
    epilog="Exit status: 0 complete, 1 failed, 2 wrong usage, 3 cancelled, 4 the log is not whole, "
    "69 service or Redis away, 130 interrupted.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    add_completion=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)

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


def _finite(value: float | None) -> float | None:
    if value is not None and not math.isfinite(value):
        raise typer.BadParameter(f"{value} is not a number to reckon with")
    return value


Json = Annotated[bool, typer.Option("--json", help="Print JSON.")]

EXIT_USAGE = 2


def _version(asked: bool) -> None:
    if asked:
        from importlib.metadata import version

        print(f"deploytail {version('deploytail')}")
        raise typer.Exit


@app.callback()
def deploytail(
    _: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Show the version and exit.")
    ] = False,
) -> None:
    """Streams the log of a deploy while it runs, and replays it when it is over."""


@app.command()
def up(
    redis: Redis = None,
    host: Annotated[str, typer.Option(help="Address that the API listens on.")] = "127.0.0.1",
    port: Annotated[
        int | None, typer.Option(min=0, max=65535, help="Its port; by default 8400, or a free one.")
    ] = None,
    workers: Annotated[int, typer.Option(min=1, help="Deploys that run at the same time.")] = 2,
    verbose: Annotated[bool, typer.Option("--verbose", help="Show what the parts log.")] = False,
) -> None:
    """Run Valkey (unless --redis is given), a worker and the API, until Ctrl-C."""
    from scripts.up import up as run_up

    sys.exit(run_up(redis_url=redis, host=host, port=port, workers=workers, verbose=verbose))


@app.command()
def demo() -> None:
    """Show the whole way once: start everything, enqueue a deploy, watch it live, replay it, stop everything."""
    from scripts.tour import tour

    sys.exit(tour())


@app.command()
def enqueue(
    app_id: App,
    deploy_id: Annotated[str | None, typer.Option("--id", help="Id of the deploy; by default a random one.")] = None,
    environment: Annotated[str, typer.Option(help="staging or production.")] = "production",
    message: Annotated[str | None, typer.Option("--message", "-m", help="What the deploy is about.")] = None,
    scenario: Annotated[str, typer.Option(help="What the simulator plays: succeeds or fails.")] = "succeeds",
    seed: Annotated[int, typer.Option(help="The same seed gives the same lines and delays.")] = 0,
    speed: Annotated[float, typer.Option(callback=_finite, help="How many times faster; 0 waits for nothing.")] = 1.0,
    watch: Annotated[bool, typer.Option("--watch", help="Follow it, as 'watch' does.")] = False,
    api: Api = None,
) -> None:
    """Queue a fake deploy of APP and print its id."""
    if deploy_id is not None:
        _id(deploy_id)
    simulate = {"scenario": scenario, "seed": seed, "speed": speed}
    body = {"environment": environment, "message": message, "deploy_id": deploy_id, "simulate": simulate}
    with _client(api) as client:
        queued = client.request("POST", f"/v1/apps/{_id(app_id)}/deploy", body)
        print(queued["deploy_id"], flush=True)
        if watch:
            _show(client, app_id, queued["deploy_id"])


@app.command()
def watch(app_id: App, deploy_id: Deploy, api: Api = None) -> None:
    """Follow a deploy live to its end, reconnecting; the exit status mirrors the deploy's."""
    with _client(api) as client:
        _show(client, app_id, deploy_id)


@app.command()
def replay(
    app_id: App,
    deploy_id: Deploy,
    speed: Annotated[float, typer.Option(callback=_finite, help="How many times faster than it was recorded.")] = 1.0,
    max_idle: Annotated[
        float | None, typer.Option(callback=_finite, min=0, help="The longest pause, in seconds.")
    ] = None,
    api: Api = None,
) -> None:
    """Play a finished deploy at its own pace."""
    if speed <= 0:
        _fail(f"--speed {speed:g}: give a number above 0", EXIT_USAGE)
    with _client(api) as client:
        _show(client, app_id, deploy_id, speed=speed, max_idle=max_idle)


@app.command()
def run(
    app_id: App,
    command: Annotated[list[str], typer.Argument(metavar="-- COMMAND", help="The command and its arguments.")],
    deploy_id: Annotated[str | None, typer.Option("--id", help="Id of the deploy; by default a random one.")] = None,
    message: Annotated[
        str | None, typer.Option("--message", "-m", help="What the deploy is about; by default the command.")
    ] = None,
    mask: Annotated[
        list[str] | None, typer.Option(metavar="NAME", help="Mask the value of this environment variable.")
    ] = None,
    tty: Annotated[
        bool, typer.Option("--tty/--no-tty", help="Run it under a terminal, so that it keeps its colours.")
    ] = True,
    redis: Redis = None,
) -> None:
    """Run a real command here and stream its output as a deploy of APP."""
    from scripts.run import UsageError, run_as_deploy

    with _errors(UsageError):
        sys.exit(
            run_as_deploy(
                app_id, command, deploy_id=deploy_id, message=message, mask=mask or [], tty=tty, redis_url=redis
            )
        )


@app.command()
def logs(app_id: App, deploy_id: Deploy, api: Api = None) -> None:
    """Print what is cached of a log, and do not wait for more."""
    with _client(api) as client:
        deploy = client.request("GET", f"/v1/apps/{_id(app_id)}/deploys/{_id(deploy_id)}")
        _show(client, app_id, deploy_id, until=deploy["last_seq"])


@app.command("list")
def list_(
    app_id: App,
    limit: Annotated[int, typer.Option(min=1, max=500, help="How many at the most.")] = 20,
    as_json: Json = False,
    api: Api = None,
) -> None:
    """List the deploys of APP, newest first."""
    from scripts.tables import deploy_table, print_json

    with _client(api) as client:
        found = client.request("GET", f"/v1/apps/{_id(app_id)}/deploys?limit={limit}")["deploys"]
    if as_json:
        print_json(found)
    else:
        deploy_table(app_id, found)


@app.command()
def show(app_id: App, deploy_id: Deploy, as_json: Json = False, api: Api = None) -> None:
    """Show one deploy: its status, what was asked for, and the proof of its log."""
    from scripts.tables import deploy_details, print_json

    with _client(api) as client:
        found = client.request("GET", f"/v1/apps/{_id(app_id)}/deploys/{_id(deploy_id)}")
    if as_json:
        print_json(found)
    else:
        deploy_details(found)


@app.command()
def cancel(app_id: App, deploy_id: Deploy, api: Api = None) -> None:
    """Cancel a deploy: a queued one ends at once, a building one is asked to stop."""
    with _client(api) as client:
        answer = client.request("POST", f"/v1/apps/{_id(app_id)}/deploys/{_id(deploy_id)}/cancel")
    print("cancelled" if answer["status"] == "cancelled" else "asked to stop")


def _show(client: "Client", app_id: str, deploy_id: str, until: int | None = None, **how: float | None) -> NoReturn:
    from scripts.watch import show as show_log

    sys.exit(show_log(client.follow(_id(app_id), _id(deploy_id), **how), until))


@contextmanager
def _client(url: str | None) -> Iterator["Client"]:
    from api.client import Client
    from producer.home import find_running
    from scripts.watch import note

    if url is None:
        running = find_running()
        if running is None:
            _fail(
                f"no API: start one with '{NAME} up', or give --api URL or DEPLOYTAIL_API_URL",
                _exit_away(),
            )
        url = running.api_url
    if not url.startswith(("http://", "https://")):
        _fail(f"{url} is not the address of an API: write http://host:port", EXIT_USAGE)
    with _errors(), Client(url, tell=note) as client:
        yield client


@contextmanager
def _errors(*more: type[Exception]) -> Iterator[None]:
    """What can go wrong on the way, as one sentence and an exit status."""
    from api.client import Refused, ServiceAway
    from producer.errors import DeployLogError, NoAddress, StoreAway, StoreFull, StoreRefused

    usage: tuple[type[Exception], ...] = (Refused, DeployLogError, *more)
    try:
        yield
    except (ServiceAway, StoreAway, StoreFull, StoreRefused, NoAddress) as error:
        _fail(str(error), _exit_away())
    except usage as error:
        _fail(str(error), EXIT_USAGE)
    except BrokenPipeError:
        _leave_quietly()


def _id(value: str) -> str:
    from producer.errors import InvalidId
    from producer.keys import check_id

    try:
        return check_id("app or deploy", value)
    except InvalidId as error:
        _fail(str(error), EXIT_USAGE)


def _exit_away() -> int:
    from scripts.watch import EXIT_AWAY

    return EXIT_AWAY


def _fail(message: str, status: int) -> NoReturn:
    print(f"deploytail: {message}", file=sys.stderr)
    sys.exit(status)


def _leave_quietly() -> NoReturn:
    # Whoever read our output has what they wanted ('| head'); Python must not complain on the way out.
    import os

    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    sys.exit(141)


def main() -> Any:
    """The entry point `deploytail`."""
    try:
        return app()
    except KeyboardInterrupt:
        return 130
