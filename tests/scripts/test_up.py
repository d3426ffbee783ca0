"""`deploytail up` and `demo`: everything starts, is found by the other commands, and is gone afterwards."""

import json
import os
import re
import signal
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.faults import alive, descendants
from tests.helpers import wait_until
from tests.scripts.command_line import deploytail, finish, running


@pytest.fixture
def own(environment: dict[str, str]) -> dict[str, str]:
    """An environment without a Redis: `up` runs one of its own."""
    return {name: value for name, value in environment.items() if name != "DEPLOYTAIL_REDIS_URL"}


@contextmanager
def is_up(environment: dict[str, str], *arguments: str) -> Iterator[tuple["subprocess.Popen[bytes]", set[int]]]:
    """`deploytail up`, ready, and the ids of all processes that it has started."""
    with running(environment, "up", "--port", "0", *arguments) as process:
        assert process.stdout is not None
        for line in process.stdout:
            if line.startswith(b"Ready."):
                break
        started = descendants(process.pid)
        assert started, process.communicate()
        yield process, started


def note(environment: dict[str, str]) -> Path:
    """The file through which the other commands find what runs."""
    return Path(environment["DEPLOYTAIL_HOME"]) / "running.json"


def test_the_other_commands_find_what_is_up(own: dict[str, str]) -> None:
    """No address is needed while `up` runs; a second `up` is refused; Ctrl-C ends all of it."""
    with is_up(own) as (process, started):
        queued = deploytail(own, "enqueue", "shop", "--speed", "0", "--id", "first", "--watch")
        ran = deploytail(own, "run", "shop", "--", "true")
        listed = deploytail(own, "list", "shop")
        again = deploytail(own, "up")
        process.send_signal(signal.SIGINT)
        ended = finish(process)
    assert (queued.status, queued.out.splitlines()[-1]) == (0, "Deploy complete!")
    assert (ran.status, [row.split()[1] for row in listed.out.splitlines()[1:]]) == (0, ["complete", "complete"])
    assert (again.status, again.out) == (2, "")
    assert re.fullmatch(r"deploytail: deploytail is up already \(process \d+, http://127\.0\.0\.1:\d+\)\n", again.err)
    assert (ended.status, ended.err) == (0, "")
    assert not alive(started)
    assert not note(own).exists()


def test_of_two_that_start_together_one_is_refused(own: dict[str, str]) -> None:
    """Two Valkeys on one folder would spoil its data: only one `up` owns the folder, from its start on."""
    with running(own, "up", "--port", "0") as one, running(own, "up", "--port", "0") as other:
        wait_until(lambda: note(own).exists() and (one.poll(), other.poll()) != (None, None))
        first, second = (one, other) if one.poll() is None else (other, one)
        first.send_signal(signal.SIGINT)
        assert finish(first).status == 0
        refused = finish(second)
    assert refused.status == 2
    assert "up already" in refused.err


def test_a_note_of_a_process_that_is_another_by_now_counts_for_nothing(own: dict[str, str]) -> None:
    """Process ids are used again, in a container after each restart: that of a stale note may be anybody's."""
    note(own).parent.mkdir(parents=True)
    stale = {"pid": os.getpid(), "redis_url": "redis://127.0.0.1:1/0", "api_url": "http://127.0.0.1:1"}
    note(own).write_text(json.dumps(stale))
    with is_up(own) as (process, _):
        process.send_signal(signal.SIGINT)
        assert finish(process).status == 0


@pytest.mark.parametrize("busy", [False, True], ids=["idle", "in mid-deploy"])
def test_nothing_outlives_an_up_that_is_killed(own: dict[str, str], busy: bool) -> None:
    """Killed without a chance to tidy up, `up` takes all that it started with it; its note counts for nothing."""
    with is_up(own, "--workers", "1") as (process, started):
        if busy:
            with running(own, "enqueue", "shop", "--speed", "0.1", "--watch") as watching:
                assert watching.stdout is not None
                assert [watching.stdout.readline().strip() for _ in range(2)][1]
            started.update(descendants(process.pid))
        os.kill(process.pid, signal.SIGKILL)
        process.wait()
        try:
            wait_until(lambda: not alive(started), 25)
        finally:
            for pid in alive(started):
                os.kill(pid, signal.SIGKILL)
    assert deploytail(own, "list", "shop").status == 69


def test_ctrl_c_in_mid_deploy_gives_the_deploy_its_end(own: dict[str, str]) -> None:
    """`up` waits until the deploy that still runs is written to its end; the next `up` has its log."""
    with is_up(own | {"DEPLOYTAIL_STOP_TIMEOUT": "0"}, "--workers", "1") as (process, started):
        with running(own, "enqueue", "shop", "--id", "cut", "--speed", "0.1", "--watch") as watching:
            assert watching.stdout is not None
            _, first = (watching.stdout.readline().decode().strip() for _ in range(2))
        process.send_signal(signal.SIGINT)
        assert finish(process).status == 0
        assert not alive(started)
    with is_up(own):
        seen = deploytail(own, "watch", "shop", "cut")
    lines = seen.out.splitlines()
    assert (seen.status, lines[0], lines[-1]) == (1, first, "Deploy failed: interrupted")


def test_up_uses_the_redis_that_it_is_given(environment: dict[str, str], valkey: str) -> None:
    """With an address `up` starts no Valkey; it never shows a password."""
    with running(environment, "up", "--port", "0", "--redis", valkey) as process:
        assert process.stdout is not None
        assert process.stdout.readline().decode() == f"Redis    {valkey}\n"
        for line in process.stdout:
            if line.startswith(b"Ready."):
                break
        programs = {Path(f"/proc/{pid}/comm").read_text().strip() for pid in descendants(process.pid)}
        process.send_signal(signal.SIGTERM)
        assert finish(process).status == 0
    assert not {name for name in programs if "valkey" in name}


def test_up_says_when_redis_is_away(environment: dict[str, str]) -> None:
    """A Redis that does not answer is one sentence, with its address and without its password, and status 69."""
    ended = deploytail(environment, "up", "--port", "0", "--redis", "redis://:sesame@127.0.0.1:1/0")
    assert ended.status == 69
    assert "sesame" not in ended.out + ended.err
    assert "127.0.0.1:1" in ended.err


def test_demo_shows_a_deploy_live_and_again(own: dict[str, str], tmp_path: Path) -> None:
    """The demo exits 0 and leaves neither a process nor a file."""
    with running(own | {"TMPDIR": str(tmp_path)}, "demo") as process:
        assert process.stdout is not None
        head = []
        for line in process.stdout:
            head.append(line.decode())
            if "live as the worker" in head[-1]:
                break
        started = descendants(process.pid)
        ended = finish(process)
    assert (ended.status, ended.out.count("Deploy complete!"), ended.err.count("verified")) == (0, 2, 2)
    assert started
    assert not alive(started)
    assert not list(tmp_path.glob("deploytail-demo-*"))


def test_ctrl_c_ends_the_demo_and_all_of_it(own: dict[str, str], tmp_path: Path) -> None:
    """Interrupted in the middle, the demo stops everything that it started: status 130, no traceback."""
    with running(own | {"TMPDIR": str(tmp_path)}, "demo") as process:
        assert process.stdout is not None
        for line in process.stdout:
            if line.startswith(b"Downloading bundle"):
                break
        started = descendants(process.pid)
        process.send_signal(signal.SIGINT)
        ended = finish(process)
    assert (ended.status, "Traceback" in ended.err) == (130, False)
    assert started
    assert not alive(started)
    assert not list(tmp_path.glob("deploytail-demo-*"))
