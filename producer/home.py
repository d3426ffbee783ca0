"""The folder of the embedded Valkey that `deploytail up` owns, and the note through which others find it."""

import json
import os
import tempfile
from dataclasses import asdict, dataclass
from pathlib import Path


@dataclass(frozen=True, slots=True)
class Running:
    """What `deploytail up` has running: its process id and where its parts answer."""

    pid: int
    redis_url: str
    api_url: str


def home() -> Path:
    """`DEPLOYTAIL_HOME`, else a folder of this user for the state of programs."""
    if given := os.environ.get("DEPLOYTAIL_HOME"):
        return Path(given).expanduser()
    if state := os.environ.get("XDG_STATE_HOME"):
        return Path(state) / "deploytail"
    try:
        return Path.home() / ".local" / "state" / "deploytail"
    except RuntimeError:  # no HOME and no entry in the user database
        return Path(tempfile.gettempdir()) / f"deploytail-{os.getuid()}"


def note_running(running: Running) -> None:
    """Leave the note for the other commands."""
    path = home() / "running.json"
    draft = path.with_suffix(".new")
    draft.write_text(json.dumps(asdict(running)) + "\n")
    draft.replace(path)


def forget_running() -> None:
    """Remove the note."""
    (home() / "running.json").unlink(missing_ok=True)


def find_running() -> Running | None:
    """What is running, or None; the note of a process that is gone counts as none."""
    try:
        running = Running(**json.loads((home() / "running.json").read_text()))
        os.kill(running.pid, 0)
    except (OSError, ValueError, TypeError):
        return None
    return running
