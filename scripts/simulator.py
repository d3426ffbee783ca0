"""The commands of the simulator: simulate, scenario, record, swarm; and what enqueue plays."""

import sys
from pathlib import Path
from typing import Annotated, Literal, get_args

import typer

from producer.simulate import FaultKind
from scripts.edge import (
    Api,
    Command,
    Json,
    Masked,
    Redis,
    Tty,
    errors,
    fail,
    finite,
    pace,
    seed_given,
    text,
    valid_id,
    with_home,
)
from scripts.exits import EXIT_USAGE
from scripts.streams import say

app = typer.Typer(no_args_is_help=True)
scenario_app = typer.Typer(no_args_is_help=True, help="List the scenarios, show one, or check one of your own.")
app.add_typer(scenario_app, name="scenario")

_A_SCENARIO = "A name that 'scenario list' shows, or a file."
Scenario = Annotated[str, typer.Argument(metavar="SCENARIO", callback=with_home, help=_A_SCENARIO)]
ScenarioOption = Annotated[
    str | None, typer.Option("--scenario", metavar="SCENARIO", callback=with_home, help=_A_SCENARIO)
]
Recording = Annotated[
    str | None,
    typer.Option(
        metavar="FILE",
        callback=with_home,
        help="Play this instead: an asciicast, or a log with or without time stamps.",
    ),
]
Seed = Annotated[
    int,
    typer.Option(
        callback=seed_given,
        help="The same seed gives the same lines and delays: without one, each time is like the other.",
    ),
]
FailAt = Annotated[str | None, typer.Option(metavar="STEP", help="The step that goes wrong.")]
Fault = Annotated[FaultKind | None, typer.Option(metavar="KIND", help=f"How: {', '.join(get_args(FaultKind))}.")]


@app.command()
def simulate(
    scenario: Scenario,
    seed: Seed = 0,
    app_id: Annotated[str, typer.Option("--app", help="Id of the app, which some lines name.")] = "shop",
    fail_at: FailAt = None,
    fault: Fault = None,
    speed: Annotated[float, typer.Option(callback=pace, help="1 waits as the deploy would; 0 not at all.")] = 0,
    form: Annotated[
        Literal["text", "timed", "json"], typer.Option("--format", help="timed has the time and step before each line.")
    ] = "text",
) -> None:
    """Print what a deploy would log, without any server; the exit status mirrors the deploy's."""
    from scripts.scenarios import find
    from scripts.simulate import simulate as print_it
    from worker.catalogue import faults
    from worker.faults import FaultError
    from worker.generate import play
    from worker.reading import ScenarioError
    from worker.scope import TemplateError

    with errors(ScenarioError, FaultError, TemplateError):
        found = find(scenario).scenario
        deploy = play(found, faults(), seed, app=valid_id(app_id), fail_at=fail_at, fault=fault)
        sys.exit(print_it(deploy, found.secrets, form, speed))


@scenario_app.command("list")
def list_() -> None:
    """List the scenarios that come along and those of your folder (DEPLOYTAIL_SCENARIOS)."""
    from scripts.tables import scenario_table

    with errors():
        scenario_table()


@scenario_app.command()
def show(scenario: Scenario) -> None:
    """Print the file of a scenario: one to start your own from."""
    from scripts.scenarios import find
    from worker.reading import ScenarioError

    with errors(ScenarioError):
        sys.stdout.write(find(scenario).text)


@scenario_app.command()
def check(
    files: Annotated[list[Path], typer.Argument(metavar="FILE", help="A scenario file of your own.")],
) -> None:
    """Say what is wrong with a scenario file, by line and field; play it with some seeds and each of its faults."""
    from scripts.scenarios import check as check_file
    from scripts.scenarios import remarks
    from scripts.tables import expectation
    from worker.reading import ScenarioError

    wrong = False
    for file in files:
        try:
            scenario, likely = check_file(file)
        except ScenarioError as error:
            wrong = True
            say(str(error))
        else:
            count = len(scenario.steps)
            print(f"{file}: {scenario.scenario}: fine: {count} step{'s'[: count > 1]}, {expectation(likely)}")
            for remark in remarks(file):
                say(remark)
    sys.exit(1 if wrong else 0)


@app.command()
def record(
    command: Command,
    file: Annotated[
        Path | None,
        typer.Option("--output", "-o", metavar="FILE", help="Where to; by default it is named after the command."),
    ] = None,
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Replace FILE where there is one.")] = False,
    title: Annotated[str | None, typer.Option("--title", "-t", help="What the recording is about.")] = None,
    mask: Masked = None,
    tty: Tty = True,
) -> None:
    """Run a real command here and record its output with its timing, as an asciicast that 'enqueue' plays.

    The exit status is the command's; 127 or 126 where it cannot be started, 74 where the recording is not whole.
    """
    from scripts.record import record as record_command
    from scripts.run import UsageError

    with errors(UsageError):
        sys.exit(record_command(command, file=file, overwrite=overwrite, title=title, mask=mask or [], tty=tty))


@app.command()
def swarm(
    rate: Annotated[
        float, typer.Option(callback=finite, help="Deploys that come each second, at random gaps of that average.")
    ] = 2.0,
    deploys: Annotated[int | None, typer.Option(metavar="N", help="No more come after so many.")] = None,
    seconds: Annotated[
        float | None,
        typer.Option(
            callback=finite, help="No more come after so many seconds; by default 20, unless --deploys is given."
        ),
    ] = None,
    mix: Annotated[
        str | None,
        typer.Option(
            metavar="NAME:WEIGHT,...",
            help="What they play, such as node:3,static:1; by default every scenario but torture, evenly.",
        ),
    ] = None,
    faults: Annotated[
        float, typer.Option(callback=finite, help="Share of them that goes wrong in a random way, from 0 to 1.")
    ] = 0.1,
    lines_rate: Annotated[
        float | None,
        typer.Option(
            callback=finite,
            min=0.001,
            max=1_000_000,
            help="Lines a second of each deploy, on average, in place of --speed.",
        ),
    ] = None,
    speed: Annotated[
        float, typer.Option(callback=pace, help="How many times faster than real; 0 waits for nothing.")
    ] = 30.0,
    watchers: Annotated[
        float,
        typer.Option(
            callback=finite,
            max=1_000,
            help="Watchers of each deploy, on average; some come in the middle, and some after the end.",
        ),
    ] = 3.0,
    apps: Annotated[int, typer.Option(help="How many apps they are deploys of.")] = 3,
    seed: Annotated[int | None, typer.Option(help="The same seed draws the same deploys and watchers.")] = None,
    direct: Annotated[
        bool, typer.Option("--direct", help="Write the logs from here, without queue and workers: for high rates.")
    ] = False,
    as_json: Json = False,
    api: Api = None,
    redis: Redis = None,
) -> None:
    """Run many deploys and watchers, show how they fare, and check what each watcher got.

    It uses the deploytail at --api, else the one that 'up' runs; with none running, it starts its own.

    Exits 0 where the promise was kept to every watcher, 1 where it was broken.
    """
    from scripts.swarming.swarm import swarm as run_swarm

    with errors():
        sys.exit(
            run_swarm(
                rate=rate,
                deploys=deploys,
                seconds=seconds,
                mix=mix,
                faults=faults,
                lines_rate=lines_rate,
                speed=speed,
                watchers=watchers,
                apps=apps,
                seed=seed,
                direct=direct,
                as_json=as_json,
                api=api,
                redis=redis,
            )
        )


def played(
    scenario: str | None, recording: str | None, fail_at: str | None, fault: FaultKind | None
) -> tuple[dict[str, str], str | None]:
    """What the API is asked to play: a scenario's name, or the text of a file that was found to be in order.

    And what to say of it, where it is a file.
    """
    from scripts.scenarios import find, read_recording
    from worker.faults import FaultError, check_step
    from worker.reading import ScenarioError
    from worker.recording import RecordingError

    with errors(ScenarioError, FaultError, RecordingError):
        if recording is not None:
            if scenario is not None:
                fail("give --scenario or --recording, not both", EXIT_USAGE)
            if fail_at or fault:
                fail("a recording goes as it went: leave out --fail-at and --fault", EXIT_USAGE)
            return {"recording": read_recording(recording)}, f"recording {_name(recording)}"
        found = find(scenario or "static")
        if fail_at is not None:
            check_step(found.scenario, fail_at)
        if found.builtin is not None:
            return {"scenario": found.builtin}, None
        return {"definition": found.text}, f"scenario {_name(scenario)}"


def _name(path: str | None) -> str | None:
    """Of a file, without the folders, which are nobody's business."""
    return text(Path(path or "").name)
