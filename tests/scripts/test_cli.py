"""The short commands: what they print, and the exit status that says how a deploy ended."""

import json
import os
import pty
import re
import signal
import subprocess
import time
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from threading import Thread
from typing import get_args

import pytest
import redis

from producer.deploys import Request
from producer.keys import Keys
from producer.library import create_deploy, new_token, open_log
from producer.simulate import FaultKind
from producer.status import Status
from producer.store import Store
from producer.writer import Writer
from tests.faults import FaultProxy, Faults
from tests.helpers import Service
from tests.scripts.command_line import PROGRAM, Ended, deploytail, finish, new_keys, running, stored_lines


@pytest.fixture
def keys() -> Keys:
    """A deploy id of this test's own, of an app of its own."""
    return Keys(f"app-{new_token()[:8]}", new_keys().deploy)


@pytest.fixture
def online(environment: dict[str, str], api: Service) -> dict[str, str]:
    """An environment that names the API."""
    return environment | {"DEPLOYTAIL_API_URL": api.url}


def make_log(keys: Keys, valkey: str, *lines: str, status: Status = Status.COMPLETE, reason: str | None = None) -> None:
    """A finished deploy."""
    create_deploy(keys.app, keys.deploy, url=valkey)
    with open_log(keys.app, keys.deploy, url=valkey) as log:
        for line in lines:
            log.write(line)
        log.finish(status, reason)


@pytest.mark.usefixtures("worker")
@pytest.mark.parametrize(("fault", "status"), [("flaky", 0), ("error", 1), ("cancel", 3)])
def test_enqueue_can_watch_what_it_queues(
    online: dict[str, str], valkey: str, keys: Keys, fault: str, status: int
) -> None:
    """The id comes first, then the lines as they are stored; the exit status is the deploy's."""
    ended = deploytail(online, "enqueue", keys.app, "--fault", fault, "--speed", "0", "--watch")
    deploy, *lines, _ = ended.out.split("\n")  # a carriage return is part of a line
    assert lines == stored_lines(Keys(keys.app, deploy), valkey)
    assert ended.status == status
    assert re.search(r"lines?, verified\n\Z", ended.err)


def test_logs_prints_what_is_cached_and_does_not_wait(online: dict[str, str], valkey: str, keys: Keys) -> None:
    """Of a deploy that still runs what there is, of one that is over all of it, with its status and proof."""
    create_deploy(keys.app, keys.deploy, url=valkey)
    with open_log(keys.app, keys.deploy, url=valkey) as log:
        log.write("one")
        log.flush()
        assert deploytail(online, "logs", keys.app, keys.deploy) == Ended(
            0, "one\n", "── queued\n── building\n── not over yet\n"
        )
        log.finish(Status.FAILED, "two")
    assert deploytail(online, "logs", keys.app, keys.deploy) == Ended(
        1,
        "one\nDeploy failed: two\n",
        "── queued\n── building\n── failed\nfailed: 2 lines, verified\n",
    )


def test_enqueue_prints_the_id_and_stores_what_was_asked_for(online: dict[str, str], keys: Keys) -> None:
    """What was asked for is shown by `show`, as JSON for a program and as rows for a person."""
    words = [
        "--id",
        keys.deploy,
        "--seed",
        "5",
        "--speed",
        "2",
        "--max-idle",
        "1.5",
        "-m",
        "a message",
        "--environment",
        "staging",
    ]
    assert deploytail(online, "enqueue", keys.app, *words) == Ended(0, f"{keys.deploy}\n", "")
    shown = json.loads(deploytail(online, "show", keys.app, keys.deploy, "--json").out)
    assert {name: shown[name] for name in ("deploy_id", "environment", "message", "source", "simulate")} == {
        "deploy_id": keys.deploy,
        "environment": "staging",
        "message": "a message",
        "source": "api",
        "simulate": {
            "plays": "scenario",
            "scenario": "static",
            "seed": 5,
            "speed": 2.0,
            "max_idle": 1.5,
            "fail_at": None,
            "fault": None,
        },
    }
    rows = deploytail(online, "show", keys.app, keys.deploy)
    assert rows.status == 0
    assert "a message" in rows.out
    assert "seed 5" in rows.out


_SPEEDS = "is neither 0 nor from 0.001 to 1,000,000; see 'deploytail enqueue --help'"
_HOME = "~nobody-of-that-name/x: there is no such home directory; see 'deploytail enqueue --help'"
_FAULTS = ", ".join(map(repr, get_args(FaultKind)))


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--scenario", "explodes"], "there is no scenario 'explodes': there are .*"),
        (["--speed=-1"], f"Invalid value for '--speed': -1 {_SPEEDS}"),
        (["--speed=1e-320"], f"Invalid value for '--speed': 9.99989e-321 {_SPEEDS}"),
        (["--speed=1e300"], f"Invalid value for '--speed': 1e\\+300 {_SPEEDS}"),
        (["--speed=nan"], f"Invalid value for '--speed': nan {_SPEEDS}"),
        (["--seed=-1"], "--seed -1: give 0 or more, at most 9223372036854775807"),
        (["--seed", str(2**63)], f"--seed {2**63}: give 0 or more, at most 9223372036854775807"),
        (["--max-idle=86401"], "Invalid value for '--max-idle': Input should be less than or equal to 86400; see .*"),
        (["--environment", "moon"], "Invalid value for '--environment': 'moon' is not one of 'staging', 'produc.*"),
        (["--fault", "oom"], f"Invalid value for '--fault': 'oom' is not one of {_FAULTS}; see .*"),
        (["--fail-at", "launch"], "scenario 'static' has no step 'launch': it has .*"),
        (["--scenario", "~nobody-of-that-name/x"], f"Invalid value for '--scenario': {_HOME}"),
        (["--recording", "~nobody-of-that-name/x"], f"Invalid value for '--recording': {_HOME}"),
        (["--recording", "x", "--fault", "hang"], "a recording goes as it went: leave out --fail-at and --fault"),
        (["--message", "x" * 1001], "--message: String should have at most 1000 characters"),
        (["--nothing"], "No such option: --nothing .*; see 'deploytail enqueue --help'"),
        (["--scenario", "./a\x1b]0;t\x07.yaml"], "a␛]0;t␇.yaml: No such file or directory"),
    ],
)
def test_a_bad_value_is_refused_by_the_name_of_its_option(
    online: dict[str, str], keys: Keys, words: list[str], said: str
) -> None:
    """Wrong usage is one sentence that names the option, and status 2."""
    ended = deploytail(online, "enqueue", keys.app, *words)
    assert (ended.status, ended.out) == (2, "")
    assert re.fullmatch(f"deploytail: {said}\n", ended.err), ended.err


@pytest.mark.parametrize(("words", "status"), [([], 2), (["scenario"], 2), (["--help"], 0), (["swarm", "-h"], 0)])
def test_help_is_shown(environment: dict[str, str], words: list[str], status: int) -> None:
    """When it is asked for, and when a command is missing: nothing is complained of."""
    ended = deploytail(environment, *words)
    assert (ended.status, "Usage: deploytail" in ended.out, ended.err) == (status, True, "")


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--scenario", "FOLDER/mine \udcff.yaml"], "scenario mine \ufffd.yaml"),
        (["--recording", "FOLDER/build.cast"], "recording build.cast"),
        (["--recording", "FOLDER/build.cast", "-m", "my own"], "my own"),
        (["-m", "not \udcff UTF-8"], "not \ufffd UTF-8"),
        ([], None),
    ],
)
def test_a_deploy_that_plays_a_file_says_which(
    online: dict[str, str], keys: Keys, tmp_path: Path, words: list[str], message: str | None
) -> None:
    """By its message, unless one is given; not in which folder it lies."""
    scenario = deploytail(online, "scenario", "show", "static").out
    (tmp_path / "mine \udcff.yaml").write_text(scenario)
    (tmp_path / "build.cast").write_text("one\ntwo\n")
    words = [word.replace("FOLDER", str(tmp_path)) for word in words]
    assert deploytail(online, "enqueue", keys.app, "--id", keys.deploy, *words).status == 0
    assert json.loads(deploytail(online, "show", keys.app, keys.deploy, "--json").out)["message"] == message


@pytest.mark.parametrize(
    "command", [["enqueue", "bad app"], ["show", "../x", "d"], ["watch", "shop", "a/b"], ["list", ""]]
)
def test_a_bad_id_is_refused_before_anything_is_asked(environment: dict[str, str], command: list[str]) -> None:
    """An id that cannot be is wrong usage, even where no service answers."""
    ended = deploytail(environment, *command, "--api", "http://127.0.0.1:1")
    assert (ended.status, ended.out, ended.err.count("\n")) == (2, "", 1)
    assert "is not valid" in ended.err


def test_an_id_in_use_is_refused(online: dict[str, str], valkey: str, keys: Keys) -> None:
    """A deploy id is used once."""
    make_log(keys, valkey)
    ended = deploytail(online, "enqueue", keys.app, "--id", keys.deploy)
    assert (ended.status, ended.out, ended.err.count("\n")) == (2, "", 1)
    assert keys.deploy in ended.err


def test_a_deploy_that_nobody_created_is_not_found(online: dict[str, str], keys: Keys) -> None:
    """One sentence that names it, and status 2, from each command."""
    sentence = f"deploytail: no deploy '{keys.deploy}' of app '{keys.app}'\n"
    assert {
        name: deploytail(online, name, keys.app, keys.deploy) for name in ("watch", "show", "cancel", "replay")
    } == {name: Ended(2, "", sentence) for name in ("watch", "show", "cancel", "replay")}


@pytest.mark.parametrize(
    ("status", "reason", "exit_status", "summary"),
    [
        (Status.COMPLETE, None, 0, "complete: 3 lines, verified"),
        (Status.FAILED, "no", 1, "failed: 3 lines, verified"),
        (Status.CANCELLED, None, 3, "cancelled: 3 lines, verified"),
    ],
)
def test_the_exit_status_of_watch_mirrors_the_deploy(
    online: dict[str, str], valkey: str, keys: Keys, status: Status, reason: str | None, exit_status: int, summary: str
) -> None:
    """Lines go to standard output, everything else to standard error."""
    make_log(keys, valkey, "one", "tw\ro\n", status=status, reason=reason)
    ended = deploytail(online, "watch", keys.app, keys.deploy)
    assert (ended.status, ended.out) == (
        exit_status,
        "".join(f"{line}\n" for line in ("one", "tw\ro␊", stored_lines(keys, valkey)[-1])),
    )
    assert ended.err == f"── queued\n── building\n── {status}\n{summary}\n"


def test_a_log_that_was_tampered_with_is_not_whole(
    online: dict[str, str], valkey: str, client: redis.Redis, keys: Keys
) -> None:
    """One changed byte in a stored line, and the checksum tells."""
    make_log(keys, valkey, "one", "two")
    line = client.lindex(keys.log, 2)
    assert isinstance(line, bytes)
    client.lset(keys.log, 2, line.decode().replace("one", "0ne"))
    ended = deploytail(online, "watch", keys.app, keys.deploy)
    assert (ended.status, ended.out) == (4, "0ne\ntwo\nDeploy complete!\n")
    assert "NOT WHOLE" in ended.err


@pytest.mark.parametrize(
    "command", [["watch", "shop", "d"], ["list", "shop"], ["enqueue", "shop"], ["replay", "shop", "d"]]
)
def test_where_nothing_listens_the_address_is_named(environment: dict[str, str], command: list[str]) -> None:
    """A service that is away is status 69, and one sentence with its address."""
    ended = deploytail(environment, *command, "--api", "http://127.0.0.1:1")
    assert (ended.status, ended.out, ended.err.count("\n")) == (69, "", 1)
    assert "http://127.0.0.1:1" in ended.err


def test_without_an_address_it_says_how_to_get_one(environment: dict[str, str]) -> None:
    """No address and nothing running: the sentence names the command that helps."""
    ended = deploytail(environment, "list", "shop")
    assert (ended.status, ended.out, ended.err.count("\n")) == (69, "", 1)
    assert "deploytail up" in ended.err


def test_ctrl_c_ends_a_watch_at_once(online: dict[str, str], valkey: str, keys: Keys) -> None:
    """Interrupted: status 130, no traceback; the deploy goes on."""
    create_deploy(keys.app, keys.deploy, url=valkey)
    with running(online, "watch", keys.app, keys.deploy) as process:
        assert process.stderr is not None
        assert process.stderr.readline() == "── queued\n".encode()
        process.send_signal(signal.SIGINT)
        ended = finish(process)
    assert (ended.status, ended.out) == (130, "")
    assert "Traceback" not in ended.err


def test_watch_survives_cuts_and_proves_the_log(
    environment: dict[str, str], api: Service, valkey: str, keys: Keys
) -> None:
    """Cut off every second, it comes back behind what it has: each line once, and verified."""
    create_deploy(keys.app, keys.deploy, url=valkey)
    with (
        FaultProxy(api.url, Faults(cut_every=1.0)) as proxy,
        running(environment, "watch", keys.app, keys.deploy, "--api", proxy.url) as process,
    ):
        with open_log(keys.app, keys.deploy, url=valkey) as log:
            written = 0
            while proxy.cuts < 2:
                log.write(f"line {written}")
                log.wait(0.01)
                written += 1
                assert written < 2_000
        ended = finish(process)
    assert ended.out.splitlines() == stored_lines(keys, valkey)
    assert (ended.status, ended.err.splitlines()[-1]) == (0, f"complete: {written + 1:,} lines, verified")


@pytest.mark.parametrize(
    ("words", "least", "most"),
    [(["--speed", "200"], 0.2, 39), (["--max-idle", "0.1"], 0.2, 39), (["--speed", "1e6"], 0.0, 39)],
)
def test_replay_plays_at_the_pace_that_is_asked_for(
    online: dict[str, str], valkey: str, keys: Keys, words: list[str], least: float, most: float
) -> None:
    """A log of forty seconds takes that long, divided by the speed, or as long as its shortened pauses."""
    create_deploy(keys.app, keys.deploy, url=valkey)
    now = [1_700_000_000.0]
    with (
        redis.Redis.from_url(valkey) as writers,
        Writer(Store(writers), keys, token=new_token(), clock=lambda: now[0]) as log,
    ):
        for line in ("one", "two", "three"):
            log.write(line)
            now[0] += 20.0 if line != "three" else 0.0
    start = time.monotonic()
    ended = deploytail(online, "replay", keys.app, keys.deploy, *words)
    took = time.monotonic() - start
    assert (ended.status, ended.out) == (0, "one\ntwo\nthree\nDeploy complete!\n")
    assert least <= took < most


def test_replay_refuses_a_speed_that_is_none(online: dict[str, str], keys: Keys) -> None:
    """A speed is a number above 0."""
    sentence = "deploytail: --speed 0: give a number above 0\n"
    assert deploytail(online, "replay", keys.app, keys.deploy, "--speed", "0") == Ended(2, "", sentence)


def test_list_shows_the_newest_first(online: dict[str, str], valkey: str, keys: Keys) -> None:
    """A row a deploy for a person, the answer of the API for a program."""
    first, second = keys, Keys(keys.app, f"{keys.deploy}-2")
    make_log(first, valkey, "one")
    make_log(second, valkey, status=Status.FAILED, reason="no")
    found = json.loads(deploytail(online, "list", keys.app, "--json").out)
    assert [(deploy["deploy_id"], deploy["status"], deploy["lines"]) for deploy in found] == [
        (second.deploy, "failed", 1),
        (first.deploy, "complete", 2),
    ]
    table = deploytail(online, "list", keys.app, "--limit", "1").out.splitlines()
    assert [row.split()[:2] for row in table] == [["DEPLOY", "STATUS"], [second.deploy, "failed"]]


def test_list_in_a_pipe_is_not_wrapped(online: dict[str, str], valkey: str, keys: Keys) -> None:
    """What goes to another program is one line a deploy, an id of any length whole, and one sentence for none."""
    long = Keys(keys.app, f"{keys.deploy}-{'x' * 50}")
    make_log(long, valkey)
    table = deploytail(online, "list", keys.app).out.splitlines()
    assert [row.split()[:2] for row in table] == [["DEPLOY", "STATUS"], [long.deploy, "complete"]]
    nothing = f"{keys.app}-none"
    sentence = f"no deploys of {nothing}: queue one with 'deploytail enqueue {nothing}'\n"
    assert deploytail(online, "list", nothing) == Ended(0, sentence, "")


@pytest.mark.parametrize("message", ["[b]old", r"C:\[b]", ":bomb:", "a\x1b]0;t\x07b"])
def test_a_message_is_shown_as_it_is(online: dict[str, str], valkey: str, keys: Keys, message: str) -> None:
    """A message is text, not markup: only what would steer the terminal is replaced."""
    create_deploy(keys.app, keys.deploy, url=valkey, request=Request(message=message))
    shown = message.replace("\x1b", "␛").replace("\x07", "␇")
    said = {
        command[0]: deploytail(online, *command).out
        for command in (["list", keys.app], ["show", keys.app, keys.deploy])
    }
    assert {name: shown in text for name, text in said.items()} == {"list": True, "show": True}


def test_cancel_ends_a_queued_deploy_at_once(online: dict[str, str], valkey: str, keys: Keys) -> None:
    """A queued deploy is cancelled, a second time it has ended already."""
    create_deploy(keys.app, keys.deploy, url=valkey)
    assert deploytail(online, "cancel", keys.app, keys.deploy) == Ended(0, "cancelled\n", "")
    again = deploytail(online, "cancel", keys.app, keys.deploy)
    assert (again.status, again.out, again.err.count("\n")) == (2, "", 1)
    assert stored_lines(keys, valkey) == ["Deploy failed: cancelled"]


@pytest.mark.parametrize(
    "command", ["watch APP DEPLOY", "replay APP DEPLOY --speed 1e6", "list APP --json", "show APP DEPLOY --json"]
)
def test_a_reader_that_has_enough_ends_it_quietly(
    online: dict[str, str], valkey: str, keys: Keys, command: str
) -> None:
    """In a pipe to `head -1` the first line comes, and no complaint."""
    make_log(keys, valkey, *(f"{number} {'x' * 200}" for number in range(3_000)))
    words = command.replace("APP", keys.app).replace("DEPLOY", keys.deploy)
    ended = subprocess.run(
        ["bash", "-c", f"{PROGRAM} {words} | head -1"],
        env=online,
        capture_output=True,
        text=True,
        timeout=30,
        check=True,
    )
    assert ended.stdout.count("\n") == 1
    assert {line for line in ended.stderr.splitlines() if not line.startswith("── ")} <= {
        "complete: 3,001 lines, verified"
    }


_FULL = Ended(74, "", "deploytail: cannot write: No space left on device\n")


@pytest.mark.parametrize(
    "command",
    [
        "watch APP DEPLOY",
        "logs APP DEPLOY",
        "logs APP DEPLOY --format asciicast",
        "list APP",
        "show APP DEPLOY --json",
        "simulate static",
        "simulate static --format json",
        "scenario list",
        "scenario show static",
        "--help",
        "--version",
    ],
)
def test_output_that_cannot_be_written_is_one_sentence(
    online: dict[str, str], valkey: str, keys: Keys, command: str
) -> None:
    """On a full disk; where output is closed it is nobody's, and that is no error."""
    make_log(keys, valkey, "one")
    words = command.replace("APP", keys.app).replace("DEPLOY", keys.deploy)
    full, closed = (_shell(online, f"{PROGRAM} {words} {to}") for to in (">/dev/full", ">&-"))
    assert full._replace(err="".join(line for line in full.err.splitlines(True) if "──" not in line)) == _FULL
    assert (closed.status, closed.out, "deploytail: " in closed.err) == (0, "", False)


def test_what_is_said_besides_may_go_nowhere(online: dict[str, str], valkey: str, keys: Keys) -> None:
    """The log comes all the same, and its status."""
    make_log(keys, valkey, "one", status=Status.FAILED, reason="no")
    for to in ("/dev/full", "&-"):
        ended = _shell(online, f"{PROGRAM} watch {keys.app} {keys.deploy} 2>{to}")
        assert ended == Ended(1, "one\nDeploy failed: no\n", "")


def test_what_an_encoding_lacks_is_escaped(online: dict[str, str], valkey: str, keys: Keys) -> None:
    """Rather than an error."""
    make_log(keys, valkey, "é ✓")
    ended = _shell(online, f"PYTHONIOENCODING=latin-1 {PROGRAM} watch {keys.app} {keys.deploy} | iconv -f latin1")
    assert ended.out == "é \\u2713\nDeploy complete!\n"


def test_ctrl_c_ends_a_command_that_has_hardly_begun(online: dict[str, str], tmp_path: Path) -> None:
    """While it is still being imported, too."""
    (tmp_path / "typer.py").write_text("import os, signal\nos.kill(os.getpid(), signal.SIGINT)\n")
    assert deploytail(online | {"PYTHONPATH": str(tmp_path)}, "list", "shop") == Ended(130, "", "")


def test_an_address_that_is_not_an_api_s_says_so(environment: dict[str, str]) -> None:
    """Whatever answers there."""

    class Page(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(200)
            self.end_headers()
            self.wfile.write(b"<html>")

        def log_message(self, *_: object) -> None: ...

    with HTTPServer(("127.0.0.1", 0), Page) as server:
        Thread(target=server.handle_request).start()
        url = f"http://127.0.0.1:{server.server_port}"
        found = [deploytail(environment, "list", "shop", "--api", address) for address in (url, "http://a..", "a:1")]
    assert found == [
        Ended(2, "", f"deploytail: {url} is not the address of an API: what answers is something else\n"),
        Ended(2, "", "deploytail: http://a.. is not the address of an API: write http://host:port\n"),
        Ended(2, "", "deploytail: a:1 is not the address of an API: write http://host:port\n"),
    ]


def _shell(environment: dict[str, str], line: str) -> Ended:
    """A line of shell; output is buffered, as it is for people."""
    environment = {name: value for name, value in environment.items() if name != "PYTHONUNBUFFERED"}
    done = subprocess.run(["bash", "-c", line], env=environment, capture_output=True, timeout=30, check=False)
    return Ended(done.returncode, done.stdout.decode(), done.stderr.decode())


def test_a_terminal_gets_colours_but_no_control(online: dict[str, str], valkey: str, keys: Keys) -> None:
    """On a terminal a line may be coloured; what would steer the terminal is made visible."""
    make_log(keys, valkey, "\x1b[31mred", "\x1b]0;title\x07")
    colourful = {name: value for name, value in online.items() if name != "NO_COLOR"}
    seen = {
        name: _under_a_terminal(environment, "watch", keys.app, keys.deploy)
        for name, environment in (("colour", colourful), ("plain", online))
    }
    assert {name: "\x1b[31mred\x1b[0m\r\n" in text for name, text in seen.items()} == {"colour": True, "plain": False}
    assert {name: ("␛]0;title␇" in text, "\x1b]" in text) for name, text in seen.items()} == dict.fromkeys(
        seen, (True, False)
    )


def _under_a_terminal(environment: dict[str, str], *words: str) -> str:
    """What a command writes to a terminal."""
    ours, theirs = pty.openpty()
    with running(environment, *words, stdout=theirs, stderr=theirs) as process:
        os.close(theirs)
        text = b""
        with os.fdopen(ours, "rb", buffering=0) as terminal:
            try:
                while data := terminal.read(65536):
                    text += data
            except OSError:  # the other side is closed
                pass
        assert process.wait(30) == 0
    return text.decode()
