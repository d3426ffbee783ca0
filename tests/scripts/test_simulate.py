"""The commands about simulated deploys: simulate, scenario, and what enqueue plays of a user's own."""

import json
import os
from pathlib import Path

import pytest

from producer.keys import Keys
from producer.library import read_log
from scripts.simulate import tell
from tests.helpers import Service
from tests.scripts.command_line import Ended, deploytail, new_keys, stored_lines
from worker.catalogue import builtin, faults, source
from worker.generate import play

MINE = """scenario: mine
about: One of the user's own.
pace: '250'
secrets: [open sesame]
steps:
- step: pack
  output: ['${app}: open sesame', {text: careful, stream: stderr, level: warn, chance: 50%}, done]
  faults:
    error: {output: broken, reason: packing failed}
"""


@pytest.fixture
def alone(tmp_path: Path) -> dict[str, str]:
    """An environment without any server, and with a folder of the user's own for scenarios."""
    (tmp_path / "own").mkdir()
    (tmp_path / "own" / "mine.yaml").write_text(MINE)
    return os.environ | {"DEPLOYTAIL_SCENARIOS": str(tmp_path / "own"), "DEPLOYTAIL_HOME": str(tmp_path / "home")}


@pytest.mark.parametrize(
    ("fault", "status", "note"),
    [
        (None, 0, "complete: 40 lines, 5.9 s at speed 1"),
        ("error", 1, "failed: "),
        ("cancel", 3, "cancelled: "),
        ("crash", 1, "failed: "),
    ],
)
def test_simulate_prints_what_a_deploy_would_log(
    alone: dict[str, str], fault: str | None, status: int, note: str
) -> None:
    """All of it at once; the exit status mirrors the deploy's."""
    ended = deploytail(alone, "simulate", "static", "--seed", "7", *(["--fault", fault] if fault else []))
    lines = [line.text for line in tell(play(builtin("static"), faults(), 7, fault=fault))]  # type: ignore[arg-type]
    assert (ended.status, ended.out) == (status, "".join(f"{line}\n" for line in lines))
    assert ended.err.startswith(f"── {note}")


def test_simulate_tells_times_and_steps_too(alone: dict[str, str]) -> None:
    """For a person, and as JSON for a program; a scenario of the user's own is found by its name."""
    timed = deploytail(alone, "simulate", "mine", "--format", "timed", "--app", "web")
    assert timed.out.splitlines() == [
        "    0.250 pack           web: ***",
        "    0.500 pack           careful",
        "    0.750 pack           done",
        "    0.750                Deploy complete!",
    ]
    as_json = deploytail(alone, "simulate", "mine", "--format", "json", "--fault", "error")
    assert [json.loads(line) for line in as_json.out.splitlines()] == [
        {"at_ms": 250, "delay_ms": 250, "line": "shop: ***", "stream": "stdout", "step": "pack"},
        {"at_ms": 500, "delay_ms": 250, "line": "careful", "stream": "stderr", "level": "warn", "step": "pack"},
        {"at_ms": 750, "delay_ms": 250, "line": "broken", "stream": "stdout", "step": "pack"},
        {"at_ms": 750, "delay_ms": 0, "line": "Deploy failed: packing failed", "stream": "system"},
        {"status": "failed", "reason": "packing failed", "detail": None, "at_ms": 750},
    ]


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["mien"], "there is no scenario 'mien': there are static, "),
        (["./none.yaml"], "none.yaml: No such file or directory"),
        (["mine", "--fail-at", "build"], "scenario 'mine' has no step 'build': it has pack"),
        (["mine", "--seed=-1"], "--seed -1: give 0 or more"),
        (["mine", "--app", "a b"], "'a b'"),
    ],
)
def test_wrong_usage_is_a_sentence(alone: dict[str, str], words: list[str], said: str) -> None:
    """And status 2."""
    ended = deploytail(alone, "simulate", *words)
    assert (ended.status, ended.out, ended.err.count("\n")) == (2, "", 1)
    assert said in ended.err


def test_scenarios_are_listed_and_shown(alone: dict[str, str], tmp_path: Path) -> None:
    """Those that come along and the user's own, each with what to expect; one that is wrong says so."""
    (tmp_path / "own" / "bad.yaml").write_text("scenario: bad\n")
    listed = deploytail(alone, "scenario", "list")
    rows = listed.out.splitlines()
    assert listed.status == 0
    assert any(row.startswith("static") and "smoke-test" in rows[at + 1] for at, row in enumerate(rows))
    assert any(row.split() == ["mine", "2-3", "0.5-0.8", "s", "One", "of", "the", "user's", "own."] for row in rows)
    assert any(row.startswith("bad ") and "bad.yaml:1: about: is missing" in row for row in rows)
    assert deploytail(alone, "scenario", "show", "static") == Ended(0, source("static"), "")
    assert deploytail(alone, "scenario", "show", "mine") == Ended(0, MINE, "")


def test_check_says_what_is_wrong_by_line_and_field(alone: dict[str, str], tmp_path: Path) -> None:
    """What shows only when it is played, too; status 1 where anything is wrong."""
    good, bad, late = (tmp_path / name for name in ("mine.yaml", "bad.yaml", "late.yaml"))
    good.write_text(MINE)
    bad.write_text(MINE.replace("step: pack", "setp: pack"))
    late.write_text(MINE.replace("output: broken", "output: '${app/2}'"))
    assert deploytail(alone, "scenario", "check", str(good)) == Ended(
        0, f"{good}: mine: fine: 1 step, 2-3 lines, 0.5-0.8 s\n", ""
    )
    known = "step, values, pace, output, faults"
    ended = deploytail(alone, "scenario", "check", str(bad), str(late))
    assert (ended.status, ended.out) == (1, "")
    assert ended.err.splitlines() == [
        f"{bad}:6: steps[1].setp: is not a field of a step, which has {known}; did you mean 'step'?",
        f"{late}: step 'pack' with its fault 'error': 'app' is 'shop', not a whole number of up to 18 digits",
    ]


@pytest.fixture
def online(alone: dict[str, str], api: Service) -> dict[str, str]:
    """The same with an API."""
    return alone | {"DEPLOYTAIL_API_URL": api.url}


@pytest.mark.usefixtures("worker")
@pytest.mark.parametrize("plays", ["scenario", "recording"])
def test_enqueue_plays_a_file_of_the_users_own(online: dict[str, str], valkey: str, tmp_path: Path, plays: str) -> None:
    """It travels with the request: the worker need not have it."""
    keys = new_keys("web")
    (tmp_path / "build.log").write_text("10:00:00 one\n10:00:01 two\n")
    file = {"scenario": tmp_path / "own" / "mine.yaml", "recording": tmp_path / "build.log"}[plays]
    words = ["--id", keys.deploy, f"--{plays}", str(file), "--speed", "0", "--watch"]
    assert deploytail(online, "enqueue", keys.app, *words).status == 0
    lines = {"scenario": ["web: ***", "careful", "done"], "recording": ["one", "two"]}[plays]
    assert stored_lines(keys, valkey) == [*lines, "Deploy complete!"]
    assert json.loads(read_log(keys.app, keys.deploy, url=valkey).state.simulate or "{}")["plays"] in {
        "definition",
        "recording",
    }


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--scenario", "{}/bad.yaml"], "bad.yaml:1: about: is missing"),
        (["--recording", "{}/empty.log"], "/empty.log: the recording is empty: give an asciicast or a log"),
        (["--recording", "nothing"], "nothing: No such file or directory; those that come along: "),
        (["--recording", "x", "--scenario", "go"], "give --scenario or --recording, not both"),
        (["--fail-at", "launch"], "scenario 'static' has no step 'launch'"),
    ],
)
def test_a_file_that_cannot_be_played_is_not_enqueued(
    online: dict[str, str], keys: Keys, tmp_path: Path, words: list[str], said: str
) -> None:
    """It is read before anything is asked of the API."""
    (tmp_path / "bad.yaml").write_text("scenario: bad\n")
    (tmp_path / "empty.log").write_text("\n")
    ended = deploytail(online, "enqueue", keys.app, *(word.format(tmp_path) for word in words))
    assert (ended.status, ended.out) == (2, "")
    assert said in ended.err
