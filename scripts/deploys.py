"""The commands: those about deploys and what serves them are here, those of the simulator in a module of their own.

Each is thin: it parses, finds the addresses, and calls the module that does the work.
"""

import re
import shlex
import sys
from typing import TYPE_CHECKING, Annotated, Literal, NoReturn

import typer

from scripts import simulator
from scripts.edge import (
    Api,
    App,
    Command,
    Deploy,
    Json,
    Masked,
    Redis,
    Tty,
    client,
    errors,
    fail,
    finite,
    pace,
    text,
    valid_id,
)
from scripts.exits import EXIT_USAGE

if TYPE_CHECKING:
    from api.client import Client

# The modules that do the work are imported by the command that needs them: a short command must start at once.

app = typer.Typer(
    name="deploytail",
    help="Streams the log of a deploy while it runs, and replays it when it is over.",
    epilog="Exit status: 0 complete, 1 failed, 2 wrong usage, 3 cancelled, 4 the log is not whole, "
    "69 service or Redis away, 74 the output cannot be written, 130 interrupted.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    add_completion=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)


app.add_typer(simulator.app)


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
    host: Annotated[str, typer.Option(callback=text, help="Address that the API listens on.")] = "127.0.0.1",
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
    environment: Annotated[
        Literal["staging", "production"], typer.Option(help="Where it is said to go.")
    ] = "production",
    message: Annotated[
        str | None,
        typer.Option(
            "--message", "-m", callback=text, help="What the deploy is about; by default the file that it plays."
        ),
    ] = None,
    scenario: simulator.ScenarioOption = None,
    recording: simulator.Recording = None,
    seed: simulator.Seed = 0,
    fail_at: simulator.FailAt = None,
    fault: simulator.Fault = None,
    speed: Annotated[float, typer.Option(callback=pace, help="How many times faster; 0 waits for nothing.")] = 1.0,
    max_idle: Annotated[
        float | None,
        typer.Option(callback=finite, min=0, max=86_400, help="The longest pause of what is played, in seconds."),
    ] = None,
    watch: Annotated[bool, typer.Option("--watch", help="Follow it, as 'watch' does.")] = False,
    api: Api = None,
) -> None:
    """Queue a fake deploy of APP and print its id."""
    from api.client import Refused

    valid_id(app_id)
    if deploy_id is not None:
        valid_id(deploy_id)
    played, about = simulator.played(scenario, recording, fail_at, fault)
    simulate = {"seed": seed, "speed": speed, "max_idle": max_idle, "fail_at": fail_at, "fault": fault} | played
    body = {"environment": environment, "message": message or about, "deploy_id": deploy_id, "simulate": simulate}
    with client(api) as service:
        try:
            queued = service.request("POST", f"/v1/apps/{app_id}/deploy", body)
        except Refused as error:
            fail(_by_option(str(error)), EXIT_USAGE)
        print(queued["deploy_id"], flush=True)
        if watch:
            _show(service, app_id, queued["deploy_id"])


@app.command()
def watch(app_id: App, deploy_id: Deploy, api: Api = None) -> None:
    """Follow a deploy live to its end, reconnecting; the exit status mirrors the deploy's."""
    with client(api) as service:
        _show(service, app_id, deploy_id)


@app.command()
def replay(
    app_id: App,
    deploy_id: Deploy,
    speed: Annotated[float, typer.Option(callback=pace, help="How many times faster than it was recorded.")] = 1.0,
    max_idle: Annotated[
        float | None, typer.Option(callback=finite, min=0, help="The longest pause, in seconds.")
    ] = None,
    api: Api = None,
) -> None:
    """Play a finished deploy at its own pace."""
    if speed <= 0:
        fail(f"--speed {speed:g}: give a number above 0", EXIT_USAGE)
    with client(api) as service:
        _show(service, app_id, deploy_id, speed=speed, max_idle=max_idle)


@app.command()
def run(
    app_id: App,
    command: Command,
    deploy_id: Annotated[str | None, typer.Option("--id", help="Id of the deploy; by default a random one.")] = None,
    message: Annotated[
        str | None,
        typer.Option("--message", "-m", callback=text, help="What the deploy is about; by default the command."),
    ] = None,
    mask: Masked = None,
    tty: Tty = True,
    redis: Redis = None,
) -> None:
    """Run a real command here and stream its output as a deploy of APP."""
    from scripts.run import UsageError, run_as_deploy

    about = message or text(shlex.join(command))
    with errors(UsageError):
        sys.exit(
            run_as_deploy(
                app_id, command, deploy_id=deploy_id, message=about, mask=mask or [], tty=tty, redis_url=redis
            )
        )


@app.command()
def logs(
    app_id: App,
    deploy_id: Deploy,
    form: Annotated[
        Literal["text", "asciicast"], typer.Option("--format", help="Lines, or a recording with their timing.")
    ] = "text",
    api: Api = None,
) -> None:
    """Print what is cached of a log, and do not wait for more."""
    with client(api) as service:
        deploy = service.request("GET", f"/v1/apps/{valid_id(app_id)}/deploys/{valid_id(deploy_id)}")
        if form == "asciicast":
            from scripts.export import export

            sys.exit(export(service.follow(app_id, deploy_id), deploy, deploy["last_seq"]))
        _show(service, app_id, deploy_id, until=deploy["last_seq"])


@app.command("list")
def list_(
    app_id: App,
    limit: Annotated[int, typer.Option(min=1, max=500, help="How many at the most.")] = 20,
    as_json: Json = False,
    api: Api = None,
) -> None:
    """List the deploys of APP, newest first."""
    from scripts.tables import deploy_table, print_json

    with client(api) as service:
        found = service.request("GET", f"/v1/apps/{valid_id(app_id)}/deploys?limit={limit}")["deploys"]
        if as_json:
            print_json(found)
        else:
            deploy_table(app_id, found)


@app.command()
def show(app_id: App, deploy_id: Deploy, as_json: Json = False, api: Api = None) -> None:
    """Show one deploy: its status, what was asked for, and the proof of its log."""
    from scripts.tables import deploy_details, print_json

    with client(api) as service:
        found = service.request("GET", f"/v1/apps/{valid_id(app_id)}/deploys/{valid_id(deploy_id)}")
        if as_json:
            print_json(found)
        else:
            deploy_details(found)


@app.command()
def cancel(app_id: App, deploy_id: Deploy, api: Api = None) -> None:
    """Cancel a deploy: a queued one ends at once, a building one is asked to stop."""
    with client(api) as service:
        answer = service.request("POST", f"/v1/apps/{valid_id(app_id)}/deploys/{valid_id(deploy_id)}/cancel")
    print("cancelled" if answer["status"] == "cancelled" else "asked to stop")


def _show(client: "Client", app_id: str, deploy_id: str, until: int | None = None, **how: float | None) -> NoReturn:
    from scripts.watch import show as show_log

    sys.exit(show_log(client.follow(valid_id(app_id), valid_id(deploy_id), **how), until))


def _by_option(message: str) -> str:
    """What the API says of a request, with our name for each of its fields."""
    return re.sub(r"(^|; )(?:simulate\.)?(\w+): ", lambda at: f"{at[1]}--{at[2].replace('_', '-')}: ", message)
