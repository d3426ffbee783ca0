"""The folder of the embedded Valkey, and the note through which others find it."""

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from producer.home import Running, find_running, forget_running, home, note_running


@pytest.fixture
def folder(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """The home of this test."""
    monkeypatch.setenv("DEPLOYTAIL_HOME", str(tmp_path))
    return tmp_path


@pytest.fixture
def running() -> Running:
    """A note of this very process."""
    return Running(os.getpid(), "redis://127.0.0.1:7000/0", "http://127.0.0.1:8000")


@pytest.mark.parametrize(
    ("variables", "expected"),
    [
        ({"DEPLOYTAIL_HOME": "/a", "XDG_STATE_HOME": "/b", "HOME": "/c"}, "/a"),
        ({"DEPLOYTAIL_HOME": "~/a", "HOME": "/c"}, "/c/a"),
        ({"XDG_STATE_HOME": "/b", "HOME": "/c"}, "/b/deploytail"),
        ({"DEPLOYTAIL_HOME": "", "XDG_STATE_HOME": "", "HOME": "/c"}, "/c/.local/state/deploytail"),
        ({"HOME": "/c"}, "/c/.local/state/deploytail"),
    ],
)
def test_the_home(monkeypatch: pytest.MonkeyPatch, variables: dict[str, str], expected: str) -> None:
    """Our own variable, then the one for the state of programs, then the user's folder."""
    for name in ("DEPLOYTAIL_HOME", "XDG_STATE_HOME", "HOME"):
        monkeypatch.delenv(name, raising=False)
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    assert home() == Path(expected)


def test_without_any_home_a_temporary_folder_of_the_user_is_used(monkeypatch: pytest.MonkeyPatch) -> None:
    """A user of a container often has none."""

    def nobody() -> Path:
        raise RuntimeError("no home")

    monkeypatch.delenv("DEPLOYTAIL_HOME", raising=False)
    monkeypatch.delenv("XDG_STATE_HOME", raising=False)
    monkeypatch.setattr(Path, "home", nobody)
    assert home().name == f"deploytail-{os.getuid()}"


def test_what_runs_is_found_until_it_is_forgotten(folder: Path, running: Running) -> None:
    """The note is there whole or not at all, and leaves no draft behind."""
    note_running(running)
    note_running(running)
    assert (find_running(), [path.name for path in folder.iterdir()]) == (running, ["running.json"])
    forget_running()
    forget_running()
    assert (find_running(), list(folder.iterdir())) == (None, [])


@pytest.mark.usefixtures("folder")
def test_the_note_of_a_dead_process_counts_as_none() -> None:
    """It was killed, and could not remove its note."""
    process = subprocess.Popen([sys.executable, "-c", ""])
    process.wait()
    note_running(Running(process.pid, "redis://gone", "http://gone"))
    assert find_running() is None


@pytest.mark.parametrize("note", ["", "{", "null", "[]", "5", '"x"', "{}", '{"pid": 1}', '{"a": 1}', "\x00"])
def test_a_note_that_cannot_be_read_counts_as_none(folder: Path, note: str) -> None:
    """Whatever is in the file."""
    (folder / "running.json").write_text(note)
    assert find_running() is None


@pytest.mark.parametrize("pid", ["1", None, 1.5, [], 10**10, 10**30, 0, -1])
def test_a_note_with_an_impossible_process_counts_as_none(folder: Path, pid: Any) -> None:
    """0 and -1 would mean groups of processes, which there always are."""
    note = {"pid": pid, "redis_url": "redis://x", "api_url": "http://x"}
    (folder / "running.json").write_text(json.dumps(note))
    assert find_running() is None


def test_a_note_that_is_not_utf8_counts_as_none(folder: Path) -> None:
    """Nor does it raise."""
    (folder / "running.json").write_bytes(b"\xff\xfe")
    assert find_running() is None
