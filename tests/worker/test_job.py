"""The deploy job, called as RQ calls it, against a real Valkey."""

import json
import os
import signal
import time
from collections.abc import Callable
from contextlib import nullcontext
from threading import Timer

import pytest
from rq.timeouts import JobTimeoutException

from producer.deploys import cancel_deploy
from producer.errors import UnknownDeploy
from producer.keys import Keys
from producer.library import create_deploy, new_token, read_log
from producer.proof import Proof
from producer.simulate import FaultKind
from producer.store import Store
from scripts.simulate import tell
from worker.actions import Crash, End, Line, Play, Returning
from worker.catalogue import builtin, faults
from worker.generate import play as generate
from worker.job import run_deploy
from worker.reading import read_scenario


@pytest.fixture(autouse=True)
def _environment(monkeypatch: pytest.MonkeyPatch, valkey: str) -> None:
    """The job finds the logs as it does in a worker: by the environment."""
    monkeypatch.setenv("DEPLOYTAIL_REDIS_URL", valkey)


@pytest.fixture
def queued(keys: Keys, valkey: str) -> Keys:
    """A queued deploy."""
    create_deploy(keys.app, keys.deploy, url=valkey)
    return keys


Put = Callable[[Callable[[], Play]], None]


@pytest.fixture
def put(monkeypatch: pytest.MonkeyPatch) -> Put:
    """Puts what a deploy of the test's own does in the place of the scenario."""
    return lambda play: monkeypatch.setattr("worker.job.generate.play", lambda *_, **__: play())


def outcome(keys: Keys, valkey: str) -> tuple[str, str | None, list[str]]:
    """Status, reason and lines of a deploy whose log is whole and ends in one terminal event."""
    snapshot = read_log(keys.app, keys.deploy, url=valkey)
    events = [json.loads(event) for event in snapshot.events]
    lines = [event["line"] for event in events if "line" in event]
    proof = Proof()
    for line in lines:
        proof = proof.add(line)
    state = snapshot.state
    changes = [event for event in events if "status" in event]
    assert [event["status"] for event in changes] == ["queued", "building", state.status]
    assert events[-1] is changes[-1]
    assert (changes[-1].get("reason"), Proof(changes[-1]["lines"], changes[-1]["crc32"])) == (state.error, proof)
    assert state.proof == proof
    return state.status, state.error, lines


@pytest.mark.parametrize("seed", [0, 7])
def test_the_log_holds_what_the_scenario_plays(queued: Keys, valkey: str, seed: int) -> None:
    """Each line with its stream, level and step, then the documented last one."""
    assert run_deploy(queued.app, queued.deploy, "static", seed, 0, fail_at="upload", fault="disk-full") == "failed"
    events = [json.loads(event) for event in read_log(queued.app, queued.deploy, url=valkey).events]
    played = [
        {"line": line.text, "stream": line.stream}
        | {name: value for name, value in (("level", line.level), ("step", line.step)) if value}
        for line in tell(
            generate(builtin("static"), faults(), seed, app=queued.app, fail_at="upload", fault="disk-full")
        )
    ]
    assert played[-1] == {"line": "Deploy failed: disk full", "stream": "system"}
    assert [{k: v for k, v in event.items() if k not in {"seq", "ts"}} for event in events if "line" in event] == played


SECRETIVE = f"""
scenario: secretive
about: secrets wherever one can be
secrets: [sesame99]
steps:
- step: open-sesame99
  pace: 0
  output:
  - "say sesame99"
  - "-----BEGIN PRIVATE {"KEY"}-----"
  - "{"MIIE" * 12}"
  - {{text: "of stderr {"MIIE" * 12}", stream: stderr}}
  - "{"abcd" * 4}"
  - "-----END PRIVATE {"KEY"}-----"
  - {{write: "half sesa"}}
  - {{pause: 2s}}
  - "me99"
  - {{write: "${{fill 30000 x}}sesa"}}
  - {{pause: 2s}}
  - "me99 and more"
  - "a\\x85b"
  faults:
    error: {{strikes: end, reason: "no\\x85 sesame99", detail: "say sesame99"}}
    cancel: {{strikes: end, output: [{{write: "still "}}, {{pause: 100}}]}}
"""


@pytest.mark.parametrize("fault", [None, "error", "cancel"])
def test_simulate_tells_the_log_to_the_byte(queued: Keys, valkey: str, fault: FaultKind | None) -> None:
    """Lines, labels, and the reason, wherever secrets are."""
    run_deploy(queued.app, queued.deploy, definition=SECRETIVE, fault=fault, speed=0)
    scenario = read_scenario(SECRETIVE, "t")
    told = Returning(tell(generate(scenario, faults(), 0, app=queued.app, fault=fault), scenario.secrets))
    lines = [(line.text, line.stream, line.step) for line in told]
    events = [json.loads(event) for event in read_log(queued.app, queued.deploy, url=valkey).events]
    ended = told.value
    assert [(e["line"], e["stream"], e.get("step")) for e in events if "line" in e] == lines
    end = events[-1]
    assert (end["status"], end.get("reason"), end.get("detail")) == (ended.status, ended.reason, ended.detail)
    assert not [
        text for text in map(str, [*lines, ended]) if "sesame99" in text or "me99" in text or "abcdabcd" in text
    ]


@pytest.mark.parametrize(("speed", "least", "most"), [(1.0, 0.4, 4.0), (4.0, 0.1, 0.4), (0, 0.0, 0.1)])
def test_the_speed_scales_the_time(
    queued: Keys, valkey: str, put: Put, speed: float, least: float, most: float
) -> None:
    """A pause of 400 ms lasts that, divided by the speed; at speed 0 nothing is waited for."""

    def scenario() -> Play:
        yield Line(0, "one", "build")
        yield Line(400, "two", "build")
        return End()

    put(scenario)
    run_deploy(queued.app, queued.deploy, speed=speed)
    events = [json.loads(event) for event in read_log(queued.app, queued.deploy, url=valkey).events]
    one, two = (event["ts"] for event in events if event.get("step"))
    # The recorded times are whole milliseconds.
    assert least - 0.001 <= two - one < most


@pytest.mark.parametrize(
    ("error", "ending"),
    [
        (ValueError("boom\nand more"), ["ValueError: boom", "Deploy failed: crashed"]),
        (SystemExit(3), ["SystemExit: 3", "Deploy failed: crashed"]),
        (MemoryError(), ["MemoryError", "Deploy failed: crashed"]),
        (KeyboardInterrupt(), ["Deploy failed: interrupted"]),
    ],
    ids=repr,
)
def test_a_job_that_breaks_fails_its_deploy(
    queued: Keys, valkey: str, put: Put, error: BaseException, ending: list[str]
) -> None:
    """Whatever ends the job, the deploy gets its reason and its end; the queue sees the error too."""

    def scenario() -> Play:
        yield Line(0, "one", "build")
        raise error

    put(scenario)
    with pytest.raises(type(error)):
        run_deploy(queued.app, queued.deploy, speed=0)
    reason = ending[-1].removeprefix("Deploy failed: ")
    assert outcome(queued, valkey) == ("failed", reason, ["one", *ending])


def test_the_time_limit_of_the_queue_fails_the_deploy(queued: Keys, valkey: str, put: Put) -> None:
    """RQ raises in the job when its time is up."""

    def scenario() -> Play:
        yield Line(0, "one", "build")
        raise JobTimeoutException("Task exceeded maximum timeout value (1 seconds)")

    put(scenario)
    assert run_deploy(queued.app, queued.deploy) == "failed"
    assert outcome(queued, valkey) == ("failed", "timeout", ["one", "Deploy failed: timeout"])


def test_a_signal_to_stop_ends_the_deploy_as_interrupted(queued: Keys, valkey: str, put: Put) -> None:
    """SIGTERM comes between two lines; afterwards the process has its own handler back."""

    def scenario() -> Play:
        yield Line(0, "one", "build")
        os.kill(os.getpid(), signal.SIGTERM)
        yield Line(0, "two", "build")
        return End()

    put(scenario)
    before = signal.getsignal(signal.SIGTERM)
    assert run_deploy(queued.app, queued.deploy) == "failed"
    assert outcome(queued, valkey) == ("failed", "interrupted", ["one", "Deploy failed: interrupted"])
    assert signal.getsignal(signal.SIGTERM) is before


def test_a_cancel_stops_the_job_at_its_next_line(queued: Keys, valkey: str, store: Store, put: Put) -> None:
    """The writer hears of the cancel with its next sign of life, and ends the deploy."""

    def scenario() -> Play:
        yield Line(0, "one", "build")
        store.run(cancel_deploy(queued, new_token(), 0))
        yield Line(60_000, "two", "build")
        return End()

    put(scenario)
    assert run_deploy(queued.app, queued.deploy) == "cancelled"
    assert outcome(queued, valkey) == ("cancelled", "cancelled", ["one", "Deploy failed: cancelled"])


def test_a_cancel_stops_a_job_that_prints_nothing(queued: Keys, valkey: str, store: Store) -> None:
    """A scenario may ask for more to be reckoned than its lines show."""
    output = "output: {repeat: 1000000, output: {repeat: 1000000, values: {v: '${hex 60}'}, output: []}}"
    cancel = Timer(0.5, lambda: store.run(cancel_deploy(queued, new_token(), 0)))
    cancel.start()
    definition = MINE.replace("output:", f"{output}\n- step: end\n  output:")
    started = time.monotonic()
    assert run_deploy(queued.app, queued.deploy, definition=definition) == "cancelled"
    assert time.monotonic() - started < 10
    assert outcome(queued, valkey)[:2] == ("cancelled", "cancelled")


def test_a_job_that_is_delivered_again_is_refused(queued: Keys, valkey: str) -> None:
    """The second run writes nothing, whether the first is over or not."""
    assert run_deploy(queued.app, queued.deploy, speed=0) == "complete"
    before = read_log(queued.app, queued.deploy, url=valkey).events
    assert run_deploy(queued.app, queued.deploy, "static", 1, speed=0) == "refused"
    assert read_log(queued.app, queued.deploy, url=valkey).events == before


def test_a_job_that_is_delivered_while_it_runs_is_refused(queued: Keys, valkey: str, put: Put) -> None:
    """There is one writer: the other is told so, and the first goes on."""
    second = []

    def scenario() -> Play:
        yield Line(0, "one", "build")
        second.append(run_deploy(queued.app, queued.deploy, "static", 1, speed=0))
        return End()

    put(scenario)
    assert run_deploy(queued.app, queued.deploy) == "complete"
    assert second == ["refused"]
    assert outcome(queued, valkey) == ("complete", None, ["one", "Deploy complete!"])


def test_a_deploy_that_was_cancelled_in_the_queue_is_not_run(queued: Keys, valkey: str, store: Store) -> None:
    """Its job comes up later, and does nothing."""
    store.run(cancel_deploy(queued, new_token(), 0))
    assert run_deploy(queued.app, queued.deploy, speed=0) == "refused"
    state = read_log(queued.app, queued.deploy, url=valkey).state
    assert (state.status, state.proof.lines) == ("cancelled", 1)


def test_a_deploy_that_nobody_created_is_an_error(keys: Keys) -> None:
    """A job never makes up a deploy."""
    with pytest.raises(UnknownDeploy):
        run_deploy(keys.app, keys.deploy, speed=0)


MINE = """
scenario: mine
about: one of the user's own
secrets: [open sesame]
steps:
- step: build
  output: ['${app}: open sesame', {write: 'half '}, 'line ${byte FF}']
"""


def test_a_scenario_file_of_the_callers_own_is_played(queued: Keys, valkey: str) -> None:
    """With its secrets masked, raw bytes replaced, and pieces as one line."""
    assert run_deploy(queued.app, queued.deploy, definition=MINE, speed=0) == "complete"
    lines = [f"{queued.app}: ***", "half line \ufffd", "Deploy complete!"]
    assert outcome(queued, valkey) == ("complete", None, lines)


@pytest.mark.parametrize(
    ("asked", "reason", "lines"),
    [
        ({"definition": "steps: []"}, "invalid_scenario",
         ["scenario:1: scenario: is missing", "scenario:1: about: is missing",
          "scenario:1: steps: needs at least 1"]),
        ({"definition": MINE, "fail_at": "launch"}, "invalid_scenario",
         ["scenario 'mine' has no step 'launch': it has build"]),
        ({"definition": MINE.replace("half ", "${app*2}")}, "invalid_scenario",
         ["shop: ***", "'app' is 'shop', not a whole number of up to 18 digits"]),
        ({"scenario": "of tomorrow"}, "invalid_scenario", None),
        ({"recording": ""}, "invalid_recording", ["the recording is empty: give an asciicast or a log"]),
    ],
    ids=["file", "step", "value", "name", "recording"],
)  # fmt: skip
def test_what_cannot_be_played_fails_the_deploy_with_its_reason(
    valkey: str, asked: dict[str, str], reason: str, lines: list[str] | None
) -> None:
    """The log says what is wrong with it; whoever asked through the API sees it there."""
    keys = Keys("shop", create_deploy("shop", url=valkey))
    assert run_deploy(keys.app, keys.deploy, speed=0, **asked) == "failed"  # type: ignore[arg-type]
    status, found, told = outcome(keys, valkey)
    assert (status, found, told[-1]) == ("failed", reason, f"Deploy failed: {reason}")
    assert lines is None or told[:-1] == lines


def test_a_recording_is_played(queued: Keys, valkey: str) -> None:
    """Its lines without their time stamps, at its own times."""
    text = "2026-11-24T10:00:00.000Z one\n2026-11-24T10:00:00.250Z two\n"
    assert run_deploy(queued.app, queued.deploy, recording=text) == "complete"
    assert outcome(queued, valkey) == ("complete", None, ["one", "two", "Deploy complete!"])
    events = [json.loads(event) for event in read_log(queued.app, queued.deploy, url=valkey).events]
    one, two = (event["ts"] for event in events if event.get("line") in {"one", "two"})
    assert 0.249 <= two - one < 2


@pytest.mark.parametrize("step", ["download", "extract", "validate", "upload", "release", "smoke-test"])
def test_a_fault_can_cancel_the_deploy_in_each_step(queued: Keys, valkey: str, step: str) -> None:
    """By a real cancel, which the writer hears of."""
    assert run_deploy(queued.app, queued.deploy, speed=0, fail_at=step, fault="cancel") == "cancelled"
    events = [json.loads(event) for event in read_log(queued.app, queued.deploy, url=valkey).events]
    assert [event["step"] for event in events if "step" in event][-1] == step
    assert outcome(queued, valkey)[:2] == ("cancelled", "cancelled")


def test_no_pause_is_longer_than_it_may_be(queued: Keys) -> None:
    """A recording may have days of silence; those before its end too."""
    text = "2026-11-24T10:00:00Z one\n2026-11-27T10:00:00Z two\n"
    started = time.monotonic()
    assert run_deploy(queued.app, queued.deploy, recording=text, max_idle=0.2) == "complete"
    assert 0.2 <= time.monotonic() - started < 10


def test_the_time_up_to_the_end_passes_too(queued: Keys, valkey: str, put: Put) -> None:
    """A deploy may do something silent before it is over."""

    def scenario() -> Play:
        yield Line(0, "one", "build")
        return End(delay_ms=300)

    put(scenario)
    assert run_deploy(queued.app, queued.deploy) == "complete"
    events = [json.loads(event) for event in read_log(queued.app, queued.deploy, url=valkey).events]
    (one,) = (event["ts"] for event in events if event.get("step"))
    assert events[-1]["ts"] - one >= 0.299


def test_a_secret_that_is_written_in_two_halves_is_masked(queued: Keys, valkey: str) -> None:
    """Though the first half stays unfinished for so long that a line is shown as far as it goes."""
    output = "output: [{write: 'say open '}, {pause: 2s}, sesame]\n- step: end\n  output:"
    definition = MINE.replace("output:", output)
    assert run_deploy(queued.app, queued.deploy, definition=definition, speed=10) == "complete"
    assert outcome(queued, valkey)[2][:2] == ["say ", "***"]


class Killed(BaseException):
    """Stands for the end of the process."""


def test_a_crash_kills_the_worker_when_the_log_is_stored(
    queued: Keys, put: Put, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What was told before is not lost with it."""
    calls: list[object] = []

    def scenario() -> Play:
        yield Line(0, "one", "build")
        yield Crash(0)
        return End()

    def kill(process: int, number: int) -> None:
        calls.append(("kill", process, number))
        raise Killed

    put(scenario)
    monkeypatch.setattr("worker.job.Writer.flush", lambda _: calls.append("flush"))
    monkeypatch.setattr("worker.job.os.kill", kill)
    with pytest.raises(Killed):
        run_deploy(queued.app, queued.deploy)
    assert calls == ["flush", ("kill", os.getpid(), signal.SIGKILL)]


@pytest.mark.parametrize(
    ("error", "reason", "lines"),
    [
        (ValueError("a secret is empty"), "invalid_scenario", ["a secret is empty"]),
        (ValueError(), "invalid_scenario", []),
        (RecursionError("too deep"), "crashed", ["RecursionError: too deep"]),
        (JobTimeoutException("over"), "timeout", []),
    ],
    ids=repr,
)
def test_whatever_goes_wrong_in_preparing_ends_the_deploy(
    queued: Keys, valkey: str, monkeypatch: pytest.MonkeyPatch, error: Exception, reason: str, lines: list[str]
) -> None:
    """With a reason: it is never left queued."""

    def prepare(*_: object) -> None:
        raise error

    monkeypatch.setattr("worker.job.read_scenario", prepare)
    with pytest.raises(RecursionError) if reason == "crashed" else nullcontext():
        assert run_deploy(queued.app, queued.deploy, definition=MINE) == "failed"
    assert outcome(queued, valkey) == ("failed", reason, [*lines, f"Deploy failed: {reason}"])


@pytest.mark.parametrize("secret", ["''", "' '"])
def test_a_secret_that_cannot_be_masked_fails_the_deploy(queued: Keys, valkey: str, secret: str) -> None:
    """It would mask everything, or nothing."""
    assert run_deploy(queued.app, queued.deploy, definition=MINE.replace("open sesame]", f"{secret}]")) == "failed"
    assert outcome(queued, valkey)[:2] == ("failed", "invalid_scenario")
