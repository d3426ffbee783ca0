"""`deploytail record`: a real command's output, with its timing, is an asciicast file."""

import json
import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import accumulate
from pathlib import Path
from random import Random
from typing import Any, NamedTuple

import pytest

from scripts.command import Command
from scripts.record import record
from scripts.run import UsageError
from tests.faults import alive
from tests.helpers import Service, wait_until
from tests.scripts.command_line import PROGRAM, deploytail, new_keys, running, stored_lines
from worker.actions import End
from worker.recording import check, play


class Cast(NamedTuple):
    """A file, as JSON."""

    header: dict[str, Any]
    events: list[list[Any]]

    @property
    def output(self) -> list[str]:
        """What each output event holds."""
        return [data for _, code, data in self.events if code == "o"]

    @property
    def text(self) -> str:
        """All output."""
        return "".join(self.output)


@pytest.fixture
def file(tmp_path: Path) -> Path:
    """A name that is free."""
    return tmp_path / "a.cast"


def cast(file: Path) -> Cast:
    """What was recorded."""
    header, *events = map(json.loads, file.read_text().splitlines())
    return Cast(header, events)


def sh(script: str) -> list[str]:
    """A command."""
    return ["sh", "-c", script]


def says(monkeypatch: pytest.MonkeyPatch, pieces: list[bytes]) -> None:
    """Let every command write these pieces, each read by itself."""

    class Says(Command):
        def read(self, timeout: float) -> bytes | None:
            return left.pop(0) if left else super().read(timeout)

    left = list(pieces)
    monkeypatch.setattr("scripts.record.Command", Says)


@contextmanager
def recording(file: Path, script: str) -> "Iterator[subprocess.Popen[bytes]]":
    """A `record` of its own."""
    with running(dict(os.environ), "record", "-o", str(file), "--", *sh(script)) as process:
        yield process


@pytest.mark.parametrize("tty", [True, False])
def test_the_output_is_recorded_with_its_timing(
    file: Path, capfdbinary: pytest.CaptureFixture[bytes], tty: bool
) -> None:
    """Both outputs, in the order of writing, and the exit status; all is shown as it comes, and it plays."""
    before = time.time()
    script = "echo one; echo two >&2; sleep 0.3; echo three; exit 3"
    assert record(sh(script), file=file, tty=tty) == 3
    found = cast(file)
    assert found.text == "one\r\ntwo\r\nthree\r\n"
    assert found.events[-1][1:] == ["x", "3"]
    assert 0.3 <= list(accumulate(interval for interval, _, _ in found.events))[-2] < 3
    assert before - 1 < found.header["timestamp"] <= time.time()
    shown = capfdbinary.readouterr()
    assert shown.out == b"one\ntwo\nthree\n"
    said = re.fullmatch(
        rf"recorded (\d+\.\d) s, exited with status 3, in {file}; play it: deploytail enqueue APP --recording {file}\n",
        shown.err.decode(),
    )
    assert said
    assert abs(float(said[1]) - sum(interval for interval, _, _ in found.events)) < 0.06
    plays = play(file.read_text(), Random(0))
    assert b"".join(action.data for action in plays) == b"one\r\ntwo\r\nthree\r\n"  # type: ignore[union-attr]
    assert check(file.read_text()).end.reason == "exited with status 3"


@pytest.mark.parametrize(("tty", "is_one"), [(True, "True"), (False, "False")])
def test_the_command_has_a_terminal_unless_told_otherwise(file: Path, tty: bool, is_one: str) -> None:
    """Under one, tools keep their colours."""
    assert record([sys.executable, "-c", "import sys; print(sys.stdout.isatty())"], file=file, tty=tty) == 0
    assert cast(file).text == f"{is_one}\r\n"


def test_the_header_tells_what_was_recorded(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """As the specification has it: the terminal, the command, the title, the shell."""
    for name, value in {"COLUMNS": "100", "LINES": "30", "TERM": "vt220", "SHELL": "/bin/zsh"}.items():
        monkeypatch.setenv(name, value)
    assert record(sh("stty size < /dev/tty"), file=file, title="A title") == 0
    found = cast(file)
    del found.header["timestamp"]
    assert found.header == {
        "version": 3,
        "term": {"cols": 100, "rows": 30, "type": "vt220"},
        "command": "sh -c 'stty size < /dev/tty'",
        "title": "A title",
        "env": {"SHELL": "/bin/zsh"},
    }
    assert found.text == "30 100\r\n"


def test_what_is_not_known_is_not_in_the_header(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """As where there is no terminal and no login shell."""
    monkeypatch.delenv("TERM", raising=False)
    monkeypatch.delenv("SHELL", raising=False)
    assert record(["true"], file=file) == 0
    assert (sorted(cast(file).header), sorted(cast(file).header["term"])) == (
        ["command", "term", "timestamp", "version"],
        ["cols", "rows"],
    )


@pytest.mark.parametrize(
    ("pieces", "output"),
    [
        ([b"\xc3", b"\xa9 ok"], ["é ok"]),
        ([b"\xf0\x9f", b"", b"\x98", b"\x80"], ["😀"]),
        ([b"a\xff", b"\xc3"], ["a\ufffd", "\ufffd"]),
        ([b"a\nb\r\nc\rd\r", b"\ne\n", b"\n"], ["a\r\nb\r\nc\rd\r", "\ne\r\n", "\r\n"]),
    ],
    ids=["two pieces", "three pieces", "never whole", "line ends"],
)
def test_no_event_holds_half_of_a_character_or_a_line_end(
    file: Path,
    monkeypatch: pytest.MonkeyPatch,
    capfdbinary: pytest.CaptureFixture[bytes],
    pieces: list[bytes],
    output: list[str],
) -> None:
    """Each event is valid text, its lines end as a terminal shows them, however it was cut; what is shown is raw."""
    says(monkeypatch, pieces)
    assert record(["true"], file=file) == 0
    assert cast(file).output == output
    assert capfdbinary.readouterr().out == b"".join(pieces)


def test_a_secret_is_neither_recorded_nor_shown(
    file: Path, monkeypatch: pytest.MonkeyPatch, capfdbinary: pytest.CaptureFixture[bytes]
) -> None:
    """Also where it is split over two writes, or in the command or the title; what is before it comes at once."""
    monkeypatch.setenv("TOKEN", "hunter22")
    token = "ghp_" + "a1B2" * 9
    says(
        monkeypatch,
        [b"a hunter22 b\nc hunt", b"er22 d hunt", b"ing h", f"{token[:9]}".encode(), f"{token[9:]}\n".encode()],
    )
    assert record(["true", "--token=hunter22", token], file=file, title="hunter22!", mask=["TOKEN"]) == 0
    assert capfdbinary.readouterr().out == b"a *** b\nc *** d hunting hghp_***\n"
    assert cast(file).output == ["a *** b\r\nc ", "*** d ", "hunting ", "h", "ghp_***\r\n"]
    assert [secret in file.read_text() for secret in ("hunter22", token)] == [False, False]
    assert (cast(file).header["title"], "ghp_***" in cast(file).header["command"]) == ("***!", True)


def test_a_secret_that_is_not_set_is_refused(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Rather than recorded under another name."""
    monkeypatch.delenv("TOKEN", raising=False)
    with pytest.raises(UsageError, match=r"^--mask TOKEN: this environment variable is not set, or empty$"):
        record(["true"], file=file, mask=["TOKEN"])
    assert not file.exists()


@pytest.mark.parametrize(
    ("script", "status"), [("exit 0", 0), ("exit 7", 7), ("kill -TERM $$", 143), ("kill -KILL $$", 137)]
)
def test_our_exit_status_is_the_command_s(file: Path, script: str, status: int) -> None:
    """As a shell has it; the recording has the same."""
    assert record(sh(script), file=file) == status
    assert cast(file).events[-1][1:] == ["x", str(status)]


@pytest.mark.parametrize(
    ("mode", "status", "sentence"), [(None, 127, "No such file or directory"), (0o644, 126, "Permission denied")]
)
@pytest.mark.parametrize("old", [None, "old"])
def test_a_command_that_cannot_be_started_leaves_no_file(
    file: Path, capfd: pytest.CaptureFixture[str], mode: int | None, status: int, sentence: str, old: str | None
) -> None:
    """Nor does it take one away."""
    command = file.parent / "command"
    if mode is not None:
        command.write_text("#!/bin/sh\n")
        command.chmod(mode)
    if old is not None:
        file.write_text(old)
    assert record([str(command)], file=file, overwrite=True) == status
    assert capfd.readouterr().err == f"deploytail: cannot run {command}: {sentence}\n"
    assert (file.read_text() if file.exists() else None) == old


def test_an_existing_file_is_kept_unless_told_otherwise(file: Path) -> None:
    """A recording is not taken twice."""
    file.write_text("old\n" * 1000)
    with pytest.raises(UsageError) as caught:
        record(sh(f"touch {file}.ran"), file=file)
    assert str(caught.value) == f"{file} exists: give another name with -o, or --overwrite"
    assert not Path(f"{file}.ran").exists()
    assert record(["echo", "new"], file=file, overwrite=True) == 0
    assert cast(file).output == ["new\r\n"]


def test_a_file_that_cannot_be_written_is_refused(tmp_path: Path) -> None:
    """Before the command runs."""
    with pytest.raises(UsageError) as caught:
        record(["true"], file=tmp_path / "no" / "a.cast")
    assert str(caught.value) == f"cannot write {tmp_path}/no/a.cast: No such file or directory"


def test_a_file_has_the_name_of_the_command_by_default(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """And of the time."""
    monkeypatch.chdir(tmp_path)
    assert record(["/bin/echo", "a"]) == 0
    (path,) = tmp_path.iterdir()
    time.strptime(path.name, "echo-%Y%m%d-%H%M%S.cast")


def test_ctrl_c_goes_to_the_command(file: Path) -> None:
    """Which decides what to do; what it says then is recorded, and its status is ours."""
    script = "trap 'echo stopping; exit 5' INT; echo ready; while :; do sleep 0.05; done"
    with recording(file, script) as process:
        wait_until(lambda: file.exists() and "ready" in file.read_text())
        process.send_signal(signal.SIGINT)
        assert process.wait(15) == 5
    assert (cast(file).text, cast(file).events[-1][1:]) == ("ready\r\nstopping\r\n", ["x", "5"])


def test_what_was_recorded_stays_when_the_recorder_is_killed(file: Path) -> None:
    """Each event is in the file when it is shown; the command does not go on by itself."""
    with recording(file, "echo $$; exec sleep 60") as process:
        wait_until(lambda: file.exists() and '"o"' in file.read_text())
        process.kill()
        process.wait()
    pid = int(cast(file).text)
    wait_until(lambda: not alive({pid}), 3)
    assert check(file.read_text()).end == End()


def test_a_full_disk_does_not_stop_the_command(capfd: pytest.CaptureFixture[str]) -> None:
    """It goes on, and is shown; only its success is not ours."""
    script = "echo one; sleep 0.1; echo two"
    full = Path("/dev/full")
    assert record(sh(script), file=full, overwrite=True) == 74
    assert record(sh(f"{script}; exit 3"), file=full, overwrite=True) == 3
    sentence = "deploytail: recording no more (No space left on device); the command goes on\n"
    assert capfd.readouterr() == ("one\ntwo\n" * 2, sentence * 2)


def test_a_reader_that_leaves_does_not_stop_the_recording(file: Path) -> None:
    """As of `| head`."""
    gone = file.with_suffix(".gone")
    with recording(file, f"echo one; while ! [ -e {gone} ]; do sleep 0.05; done; echo two; echo three") as process:
        assert process.stdout
        assert process.stdout.readline() == b"one\n"
        process.stdout.close()
        gone.touch()
        assert process.wait(15) == 0
    assert cast(file).text == "one\r\ntwo\r\nthree\r\n"


@pytest.mark.parametrize("to", [">/dev/full", ">/dev/full 2>&1", ">&-", ">&- 2>&- <&-"])
def test_output_that_goes_nowhere_does_not_stop_the_recording(file: Path, to: str) -> None:
    """On a full disk, or closed: the command runs to its end, and is recorded whole."""
    script = "echo one; sleep 0.2; echo two; exit 3"
    line = f"{PROGRAM} record -o {file} -- sh -c '{script}' {to}"
    ended = subprocess.run(["bash", "-c", line], capture_output=True, timeout=30, check=False, text=True)
    assert (ended.returncode, cast(file).text, ended.stdout) == (3, "one\r\ntwo\r\n", "")
    full = "deploytail: showing no more (No space left on device); the command goes on\n"
    assert ended.stderr.startswith({">/dev/full": full, ">&-": "recorded "}.get(to, ""))


@pytest.mark.parametrize(("character", "count", "too_long"), [("a", 8_400_000, True), ("é", 8_300_000, False)])
def test_a_recording_that_is_too_long_to_be_played_says_so(
    file: Path, capfd: pytest.CaptureFixture[str], character: str, count: int, too_long: bool
) -> None:
    """Rather than when it is played; it is characters that count."""
    script = f"import sys; sys.stdout.buffer.write('{character}'.encode() * {count})"
    assert record([sys.executable, "-c", script], file=file, tty=False) == 0
    said = capfd.readouterr().err
    assert ("; too long to be played: more than 8,388,608 characters\n" in said, "; play it: " in said) == (
        too_long,
        not too_long,
    )


@pytest.mark.usefixtures("worker")
def test_what_was_recorded_plays_and_is_exported_and_plays_again(
    environment: dict[str, str], api: Service, valkey: str, file: Path
) -> None:
    """By the command line, the way around: the same lines and end each time, at the recorded pace."""
    environment = environment | {"DEPLOYTAIL_API_URL": api.url}
    script = "echo one; sleep 0.3; printf '10 %%\\r20 %%\\n'; sleep 0.3; exit 3"
    assert deploytail(environment, "record", "-o", str(file), "-t", "Demo", "--", *sh(script)).status == 3
    for _ in range(2):
        keys = new_keys()
        words = ["enqueue", keys.app, "--id", keys.deploy, "--recording", str(file), "--watch"]
        assert deploytail(environment, *words).status == 1
        assert stored_lines(keys, valkey) == ["one", "10 %\r20 %", "Deploy failed: exited with status 3"]
        exported = deploytail(environment, "logs", keys.app, keys.deploy, "--format", "asciicast")
        assert (exported.status, exported.err) == (1, "failed: 3 lines, verified\n")
        file.write_text(exported.out)
        intervals = [interval for interval, code, _ in cast(file).events if code == "o"]
        assert [0.25 <= interval < 3 for interval in intervals[1:]] == [True, True]


def test_wrong_usage_of_the_command_is_one_sentence(environment: dict[str, str], file: Path) -> None:
    """With status 2."""
    file.touch()
    ended = deploytail(environment, "record", "-o", str(file), "--", "true")
    assert ended == (2, "", f"deploytail: {file} exists: give another name with -o, or --overwrite\n")
