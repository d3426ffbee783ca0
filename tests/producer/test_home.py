"""The folder of the embedded Valkey, and the note through which others find it."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from producer.home import Running, find_running, forget_running, home, note_running, owned_home


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
    """By who does not own the folder; the note is there whole or not at all, and leaves no draft behind."""
    with owned_home() as owned:
        note_running(running)
        note_running(running)
        found = owned, find_running(), sorted(path.name for path in folder.iterdir())
        assert found == (True, running, ["lock", "running.json"])
        forget_running()
        forget_running()
        assert (find_running(), [path.name for path in folder.iterdir()]) == (None, ["lock"])


@pytest.mark.usefixtures("folder")
def test_the_folder_has_one_owner() -> None:
    """A second one is told, and may try again when the first has gone."""
    with owned_home() as first, owned_home() as second:
        assert (first, second) == (True, False)
    with owned_home() as third:
        assert third


def test_an_owned_folder_is_made_for_its_user_only(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """With those above it."""
    monkeypatch.setenv("DEPLOYTAIL_HOME", str(tmp_path / "a" / "b"))
    with owned_home():
        assert (tmp_path / "a" / "b").stat().st_mode & 0o777 == 0o700


@pytest.mark.usefixtures("folder")
def test_the_note_of_a_dead_process_counts_as_none() -> None:
    """It was killed, and could not remove its note."""
    program = (
        "import sys, os\n"
        "from producer.home import Running, note_running, owned_home\n"
        "with owned_home():\n"
        "    note_running(Running(os.getpid(), 'redis://gone', 'http://gone'))\n"
        "    print(flush=True)\n"
        "    sys.stdin.read()\n"
    )
    with subprocess.Popen([sys.executable, "-c", program], stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        assert process.stdout
        process.stdout.readline()
        alive = find_running()
        process.kill()
        process.wait()
    assert (alive, find_running()) == (Running(process.pid, "redis://gone", "http://gone"), None)


@pytest.mark.parametrize("note", ["", "{", "null", "[]", "5", '"x"', "{}", '{"pid": 1}', '{"a": 1}', "\x00"])
def test_a_note_that_cannot_be_read_counts_as_none(folder: Path, note: str) -> None:
    """Whatever is in the file."""
    with owned_home():
        (folder / "running.json").write_text(note)
        assert find_running() is None


def test_a_note_that_is_not_utf8_counts_as_none(folder: Path) -> None:
    """Nor does it raise."""
    with owned_home():
        (folder / "running.json").write_bytes(b"\xff\xfe")
        assert find_running() is None
