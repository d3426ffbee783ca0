"""`deploytail run`: a real command's output is the log, and its end the deploy's."""

import os
import re
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from producer.errors import UnknownDeploy
from producer.event import MAX_LINE_BYTES
from producer.keys import Keys
from producer.library import read_log
from producer.proof import Proof
from producer.status import Status
from scripts.exits import EXIT
from tests.faults import alive
from tests.helpers import Service, wait_until
from tests.scripts.command_line import PROGRAM, Ended, deploytail, finish, new_keys, running, stored_lines

COMPLETE = "Deploy complete!"


@pytest.fixture
def keys() -> Keys:
    """A deploy id of this test's own."""
    return new_keys()


def run(environment: dict[str, str], keys: Keys, *words: str) -> Ended:
    """Run a command as the deploy; `words` are options, `--`, and the command."""
    return deploytail(environment, "run", keys.app, "--id", keys.deploy, *words)


@pytest.mark.parametrize("tty", ["--tty", "--no-tty"])
def test_both_outputs_are_logged_in_the_order_of_writing(
    environment: dict[str, str], valkey: str, keys: Keys, tty: str
) -> None:
    """Standard output and error share one log, in the order in which the command wrote to them."""
    script = "for i in $(seq 100); do echo out $i; echo err $i >&2; done"
    ended = run(environment, keys, tty, "--", "sh", "-c", script)
    lines = [line for i in range(1, 101) for line in (f"out {i}", f"err {i}")]
    assert stored_lines(keys, valkey) == [*lines, COMPLETE]
    assert (ended.status, ended.out) == (0, "".join(f"{line}\n" for line in lines))


@pytest.mark.parametrize(("tty", "is_one"), [("--tty", "True True"), ("--no-tty", "False False")])
def test_the_command_has_a_terminal_unless_told_otherwise(
    environment: dict[str, str], valkey: str, keys: Keys, tty: str, is_one: str
) -> None:
    """Under a terminal tools keep their colours, and those reach the log."""
    script = "import sys; print(sys.stdout.isatty(), sys.stderr.isatty()); print('\\x1b[31mred\\x1b[0m')"
    assert run(environment, keys, tty, "--", sys.executable, "-c", script).status == 0
    assert stored_lines(keys, valkey) == [is_one, "\x1b[31mred\x1b[0m", COMPLETE]


@pytest.mark.parametrize(
    ("script", "status", "last_line"),
    [
        ("true", 0, COMPLETE),
        ("exit 3", 1, "Deploy failed: exited with status 3"),
        ("kill -KILL $$", 1, "Deploy failed: killed by SIGKILL"),
    ],
)
def test_the_deploy_ends_as_the_command_does(
    environment: dict[str, str], valkey: str, keys: Keys, script: str, status: int, last_line: str
) -> None:
    """The exit status of the command is the deploy's reason, and decides ours."""
    assert run(environment, keys, "--", "sh", "-c", script).status == status
    assert stored_lines(keys, valkey) == [last_line]


@pytest.mark.parametrize("tty", ["--tty", "--no-tty"])
@pytest.mark.parametrize(
    ("printed", "lines"),
    [
        (r"a\nb\r\n\nc\rd\n", ["a", "b", "", "c\rd"]),
        (r"no end", ["no end"]),
        (r"caf\303\251 \377\n", ["café \ufffd"]),
        (r"\000\033[2K\n", ["\x00\x1b[2K"]),
    ],
)
def test_only_lf_and_crlf_end_a_line(
    environment: dict[str, str], valkey: str, keys: Keys, printed: str, lines: list[str], tty: str
) -> None:
    """A lone CR, as progress bars write it, stays in its line; what is no UTF-8 is replaced; all else passes."""
    run(environment, keys, tty, "--", "printf", printed)
    assert stored_lines(keys, valkey) == [*lines, COMPLETE]


def test_an_unfinished_line_shows_while_the_command_waits(
    environment: dict[str, str], valkey: str, keys: Keys, tmp_path: Path
) -> None:
    """A prompt without a line end is logged after a second, but no half of a character; what follows is a new line."""
    fifo = tmp_path / "answer"
    os.mkfifo(fifo)
    script = f'printf "Continue? \\303"; read answer < {fifo}; printf "\\251: $answer\\n"'
    with running(environment, "run", keys.app, "--id", keys.deploy, "--", "sh", "-c", script) as process:
        wait_until(lambda: _exists(keys, valkey) and stored_lines(keys, valkey) == ["Continue? "])
        assert process.poll() is None
        fifo.write_text("yes\n")
        assert finish(process).status == 0
    assert stored_lines(keys, valkey) == ["Continue? ", "é: yes", COMPLETE]


def test_ctrl_c_stops_the_command_and_cancels_the_deploy(environment: dict[str, str], valkey: str, keys: Keys) -> None:
    """The command gets the interrupt too; what it says while it stops is logged, and it is gone at the end."""
    script = "trap 'echo stopping; exit 0' INT; echo $$; while :; do sleep 0.05; done"
    with running(environment, "run", keys.app, "--id", keys.deploy, "--", "sh", "-c", script) as process:
        wait_until(lambda: _exists(keys, valkey) and stored_lines(keys, valkey))
        process.send_signal(signal.SIGINT)
        assert finish(process).status == 130
    pid, *rest = stored_lines(keys, valkey)
    assert rest == ["stopping", "Deploy failed: cancelled"]
    assert not alive({int(pid)})


def test_a_cancel_from_elsewhere_stops_the_command(
    environment: dict[str, str], api: Service, valkey: str, keys: Keys
) -> None:
    """`deploytail cancel` ends a running command, wherever it runs."""
    with running(environment, "run", keys.app, "--id", keys.deploy, "--", "sh", "-c", "echo $$; sleep 60") as process:
        wait_until(lambda: _exists(keys, valkey) and stored_lines(keys, valkey))
        asked = deploytail(environment, "cancel", keys.app, keys.deploy, "--api", api.url)
        assert (asked.status, asked.out) == (0, "asked to stop\n")
        assert finish(process).status == 3
    pid, last_line = stored_lines(keys, valkey)
    assert last_line == "Deploy failed: cancelled"
    assert not alive({int(pid)})


@pytest.mark.parametrize("tty", ["--tty", "--no-tty"])
def test_a_command_does_not_outlive_a_run_that_is_killed(
    environment: dict[str, str], valkey: str, keys: Keys, tty: str
) -> None:
    """Nobody logs it any more: it must not go on by itself."""
    words = ["run", keys.app, "--id", keys.deploy, tty, "--", "sh", "-c", "echo $$; exec sleep 60"]
    with running(environment, *words) as process:
        wait_until(lambda: _exists(keys, valkey) and stored_lines(keys, valkey))
        process.kill()
        process.wait()
    command = {int(stored_lines(keys, valkey)[0])}
    try:
        wait_until(lambda: not alive(command), 3)
    finally:
        for pid in alive(command):
            os.kill(pid, signal.SIGKILL)


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP], ids=lambda number: number.name)
def test_a_run_that_is_told_to_stop_ends_its_deploy(
    environment: dict[str, str], valkey: str, keys: Keys, number: signal.Signals
) -> None:
    """Terminated, or its terminal closed: the command is stopped, and the deploy ends at once as cancelled."""
    words = ["run", keys.app, "--id", keys.deploy, "--", "sh", "-c", "echo $$; exec sleep 60"]
    with running(environment, *words) as process:
        wait_until(lambda: _exists(keys, valkey) and stored_lines(keys, valkey))
        process.send_signal(number)
        assert finish(process).status == 130
    pid, last_line = stored_lines(keys, valkey)
    assert last_line == "Deploy failed: cancelled"
    assert not alive({int(pid)})


def test_a_command_that_leaves_something_running_is_over_when_it_ends(
    environment: dict[str, str], valkey: str, keys: Keys
) -> None:
    """A process in the background that holds the output open does not hold up the deploy."""
    ended = run(environment, keys, "--no-tty", "--", "sh", "-c", "sleep 60 & echo $!")
    pid, last_line = stored_lines(keys, valkey)
    os.kill(int(pid), signal.SIGKILL)
    assert (ended.status, last_line) == (0, COMPLETE)


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (["--", "no-such-command-here"], "deploytail: no such command: no-such-command-here\n"),
        (
            ["--mask", "NOT_SET", "--", "true"],
            "deploytail: --mask NOT_SET: this environment variable is not set, or empty\n",
        ),
    ],
)
def test_what_cannot_be_run_is_refused_before_a_deploy_is_made(
    environment: dict[str, str], valkey: str, keys: Keys, words: list[str], sentence: str
) -> None:
    """Wrong usage is one sentence and status 2, and leaves no deploy behind."""
    assert run(environment, keys, *words) == Ended(2, "", sentence)
    assert not _exists(keys, valkey)


def test_an_id_in_use_is_refused(environment: dict[str, str], valkey: str, keys: Keys) -> None:
    """A deploy id is used once."""
    run(environment, keys, "--", "echo", "first")
    again = run(environment, keys, "--", "echo", "second")
    assert (again.status, again.out, again.err.count("\n")) == (2, "", 1)
    assert keys.deploy in again.err
    assert stored_lines(keys, valkey) == ["first", COMPLETE]


@pytest.mark.parametrize("tty", ["--tty", "--no-tty"])
def test_a_line_of_a_mebibyte_is_cut_with_a_mark(
    environment: dict[str, str], valkey: str, keys: Keys, tty: str
) -> None:
    """An over-long line keeps its start, and tells how much of it is missing."""
    run(environment, keys, tty, "--", "sh", "-c", "head -c 1048576 /dev/zero | tr '\\0' x; echo; echo next")
    *parts, following, last = stored_lines(keys, valkey)
    told = 0
    # More than one part only where the machine is so slow that the line goes unfinished for a second.
    for part in parts:
        kept = len(part) - len(part.lstrip("x"))
        cut = re.fullmatch(r" … \[line cut: ([0-9,]+) bytes left out\]", part[kept:])
        told += kept + (int(cut[1].replace(",", "")) if cut else 0)
        assert len(part.encode()) <= MAX_LINE_BYTES
    assert (told, following, last) == (1_048_576, "next", COMPLETE)
    assert len(parts[0].encode()) > MAX_LINE_BYTES // 2


@pytest.mark.parametrize("tty", ["--tty", "--no-tty"])
def test_twenty_thousand_fast_lines_are_logged_whole(
    environment: dict[str, str], valkey: str, keys: Keys, tty: str
) -> None:
    """A flood waits for Redis, and nothing of it is dropped."""
    run(environment, keys, tty, "--", "seq", "20000")
    proof = Proof()
    for number in range(1, 20_001):
        proof = proof.add(str(number))
    assert read_log(keys.app, keys.deploy, url=valkey).state.proof == proof.add(COMPLETE)


def test_the_value_of_a_masked_variable_is_in_no_line(environment: dict[str, str], valkey: str, keys: Keys) -> None:
    """`--mask` names a variable, never its value; the value is masked in each line."""
    environment = environment | {"TOKEN": "hunter22"}
    run(environment, keys, "--mask", "TOKEN", "--", "sh", "-c", 'echo "with $TOKEN:$TOKEN"')
    assert stored_lines(keys, valkey) == ["with ***:***", COMPLETE]


@pytest.mark.parametrize("tty", ["--tty", "--no-tty"])
def test_secrets_are_in_neither_the_log_nor_our_output(
    environment: dict[str, str], valkey: str, keys: Keys, tty: str
) -> None:
    """Registered or known by their shape, split over two writes or encoded: both show the same masked lines."""
    environment = environment | {"TOKEN": "hunter22-x", "BOUGHT": "ghp_" + "a1B2" * 9}
    script = (
        'printf "with $TOKEN: "; printf "${BOUGHT%????}"; sleep 0.2; printf "a1B2\\n"; printf "ci:$TOKEN" | base64'
        '; printf "hunter22-"; sleep 0.2; printf "x, no end"'
    )
    ended = run(environment, keys, tty, "--mask", "TOKEN", "--", "sh", "-c", script)
    lines = ["with ***: ghp_***", "Y2k6***==", "***, no end"]
    assert (stored_lines(keys, valkey), ended.out) == ([*lines, COMPLETE], "\n".join(lines))


@pytest.mark.usefixtures("valkey")
def test_our_output_is_what_the_command_wrote(environment: dict[str, str], keys: Keys) -> None:
    """Byte for byte, without a wait for line ends, but for what is masked."""
    written = "\\r10%%\\r100%%\\r\\n\\303(\\377 \\033[2Kend "
    script = f"printf '{written}'; exec sleep 60"
    with running(environment, "run", keys.app, "--id", keys.deploy, "--no-tty", "--", "sh", "-c", script) as process:
        assert process.stdout is not None
        shown = os.read(process.stdout.fileno(), 1000)
        while b"end " not in shown and (more := os.read(process.stdout.fileno(), 1000)):
            shown += more
    assert shown == b"\r10%\r100%\r\n\xc3(\xff \x1b[2Kend "


def run_in_shell(environment: dict[str, str], keys: Keys, script: str, to: str) -> "subprocess.CompletedProcess[bytes]":
    """Run a shell script as the deploy, with our own streams led `to` where the shell can lead them."""
    line = f"{PROGRAM} run {keys.app} --id {keys.deploy} -- sh -c '{script}' {to}"
    return subprocess.run(["bash", "-c", line], env=environment, capture_output=True, timeout=30, check=False)


@pytest.mark.parametrize("to", [">/dev/full", ">&-", ">&- 2>&- <&-"])
def test_output_that_goes_nowhere_does_not_stop_the_command(
    environment: dict[str, str], valkey: str, keys: Keys, to: str
) -> None:
    """On a full disk, or closed: the log is whole."""
    ended = run_in_shell(environment, keys, "echo one; sleep 0.2; echo two", to)
    assert (ended.returncode, ended.stdout, stored_lines(keys, valkey)) == (0, b"", ["one", "two", COMPLETE])
    full = b"deploytail: showing no more (No space left on device); the command goes on\n"
    assert (full in ended.stderr) is (to == ">/dev/full")


@pytest.mark.parametrize("to", ["2>/dev/full", ">/dev/full 2>&1", "2>&-"])
def test_notes_that_go_nowhere_do_not_stop_the_command(
    environment: dict[str, str], valkey: str, keys: Keys, to: str
) -> None:
    """Which deploy it is, and how it ended, cannot be said: it is run all the same."""
    ended = run_in_shell(environment, keys, "echo one; exit 3", to)
    assert (ended.returncode, ended.stderr) == (EXIT[Status.FAILED], b"")
    assert stored_lines(keys, valkey) == ["one", "Deploy failed: exited with status 3"]


def test_a_command_line_that_is_no_utf_8_is_run_as_it_is(environment: dict[str, str], valkey: str, keys: Keys) -> None:
    """In the message of the deploy, which is text, its odd bytes are replaced."""
    ended = run(environment, keys, "--", "printf", "%s", "a\udcff")
    assert (ended.status, ended.out) == (0, "a\ufffd")
    assert read_log(keys.app, keys.deploy, url=valkey).state.message == "printf %s 'a\ufffd'"


def test_the_value_of_a_masked_variable_is_not_in_the_message(
    environment: dict[str, str], valkey: str, keys: Keys
) -> None:
    """A shell puts the value into the command line, which is the message of the deploy: it is masked there too."""
    environment = environment | {"TOKEN": "hunter22"}
    run(environment, keys, "--mask", "TOKEN", "--", "echo", "--token=hunter22")
    message = read_log(keys.app, keys.deploy, url=valkey).state.message
    assert message is not None
    assert ("***" in message, "hunter22" in message) == (True, False)


def test_without_redis_it_says_so_and_runs_nothing(environment: dict[str, str], keys: Keys, tmp_path: Path) -> None:
    """No log, no deploy: status 69 and the address."""
    environment = environment | {"DEPLOYTAIL_REDIS_URL": "redis://:sesame@127.0.0.1:1/0"}
    ended = run(environment, keys, "--", "touch", str(tmp_path / "ran"))
    assert (ended.status, ended.out, ended.err.count("\n")) == (69, "", 1)
    assert "127.0.0.1:1" in ended.err
    assert "sesame" not in ended.err
    assert not (tmp_path / "ran").exists()


def _exists(keys: Keys, url: str) -> bool:
    try:
        read_log(keys.app, keys.deploy, url=url)
    except UnknownDeploy:
        return False
    return True
