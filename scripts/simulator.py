"""The commands about simulated deploys that need no server: simulate, scenario."""

import sys
from pathlib import Path
from typing import Annotated, Literal, get_args

import typer

from producer.simulate import FaultKind
from scripts.edge import EXIT_USAGE, errors, fail, finite, valid_id

app = typer.Typer(no_args_is_help=True)
scenario_app = typer.Typer(no_args_is_help=True, help="List the scenarios, show one, or check one of your own.")
app.add_typer(scenario_app, name="scenario")

Scenario = Annotated[str, typer.Argument(metavar="SCENARIO", help="A name that 'scenario list' shows, or a file.")]
Seed = Annotated[int, typer.Option(help="The same seed gives the same lines and delays.")]
FailAt = Annotated[str | None, typer.Option(metavar="STEP", help="The step that goes wrong.")]
Fault = Annotated[FaultKind | None, typer.Option(metavar="KIND", help=f"How: {', '.join(get_args(FaultKind))}.")]


@app.command()
def simulate(
    scenario: Scenario,
    seed: Seed = 0,
    app_id: Annotated[str, typer.Option("--app", help="Id of the app, which some lines name.")] = "shop",
    fail_at: FailAt = None,
    fault: Fault = None,
    speed: Annotated[
        float, typer.Option(callback=finite, min=0, help="1 waits as the deploy would; 0 not at all.")
    ] = 0,
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
    from worker.template import TemplateError

    if seed < 0:
        fail(f"--seed {seed}: give 0 or more", EXIT_USAGE)
    with errors(ScenarioError, FaultError, TemplateError):
        found = find(scenario).scenario
        deploy = play(found, faults(), seed, app=valid_id(app_id), fail_at=fail_at, fault=fault)
        sys.exit(print_it(deploy, found.secrets, form, speed))


@scenario_app.command("list")
def list_() -> None:
    """List the scenarios that come along and those of your folder (DEPLOYTAIL_SCENARIOS)."""
    from scripts.tables import scenario_table

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
    from scripts.tables import expectation
    from worker.reading import ScenarioError

    wrong = False
    for file in files:
        try:
            scenario, likely = check_file(file)
        except ScenarioError as error:
            wrong = True
            print(error, file=sys.stderr)
        else:
            count = len(scenario.steps)
            print(f"{file}: {scenario.scenario}: fine: {count} step{'s'[: count > 1]}, {expectation(likely)}")
    sys.exit(1 if wrong else 0)


def played(scenario: str | None, recording: str | None, fail_at: str | None) -> dict[str, str]:
    """What the API is asked to play: a scenario's name, or the text of a file that was found to be in order."""
    from scripts.scenarios import find, read_recording
    from worker.faults import FaultError, check_step
    from worker.reading import ScenarioError
    from worker.recording import RecordingError

    with errors(ScenarioError, FaultError, RecordingError):
        if recording is not None:
            if scenario is not None:
                fail("give --scenario or --recording, not both", EXIT_USAGE)
            return {"recording": read_recording(recording)}
        found = find(scenario or "static")
        if fail_at is not None:
            check_step(found.scenario, fail_at)
        return {"definition": found.text} if found.builtin is None else {"scenario": found.builtin}
