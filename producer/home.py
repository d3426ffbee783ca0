"""The folder of the embedded Valkey that `deploytail up` owns, and the note through which others find it."""

import fcntl
import json
import os
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path

_OWN_TRIES = 10
_OWN_SECONDS = 0.02


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


@contextmanager
def owned_home() -> Iterator[bool]:
    """Own the folder for as long as the context is open; whether that was to be had. It ends with the process, too."""
    folder = home()
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    with (folder / "lock").open("a") as lock:
        yield _locked(lock.fileno(), fcntl.LOCK_EX)


def note_running(running: Running) -> None:
    """Leave the note for the other commands; only for who owns the folder."""
    path = home() / "running.json"
    draft = path.with_suffix(".new")
    draft.write_text(json.dumps(asdict(running)) + "\n")
    draft.replace(path)


def forget_running() -> None:
    """Remove the note."""
    (home() / "running.json").unlink(missing_ok=True)


def find_running() -> Running | None:
    """What is running, or None. The note counts only while its writer owns the folder."""
    try:
        with (home() / "lock").open() as lock:
            if _locked(lock.fileno(), fcntl.LOCK_SH):
                return None
        return Running(**json.loads((home() / "running.json").read_text()))
    except (OSError, ValueError, TypeError):
        return None


def _locked(lock: int, how: int) -> bool:
    # Who only looks holds the lock for an instant: an owner tries for longer than that.
    for _ in range(_OWN_TRIES if how == fcntl.LOCK_EX else 1):
        try:
            fcntl.flock(lock, how | fcntl.LOCK_NB)
        except BlockingIOError:
            time.sleep(_OWN_SECONDS)
        else:
            return True
    return False
