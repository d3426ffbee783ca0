"""Several processes on one port."""

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from redis import Redis

from producer.keys import Keys
from producer.status import Status
from producer.store import Store
from tests.api.support import Deploy
from tests.helpers import ROOT, Service, assert_whole, read_log, start_api, wait_until

NAME = "deploytail-hub"


@pytest.fixture
def two(valkey: str) -> Iterator[Service]:
    """An API of two processes."""
    with start_api(valkey, "--processes", "2") as service:
        wait_until(lambda: len(children(service.process.pid)) == 2)
        yield service


def children(pid: int) -> list[int]:
    """The processes that serve, of the one with this id."""
    found = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
    return [int(child) for child in found if b"spawn_main" in Path(f"/proc/{child}/cmdline").read_bytes()]


def hubs(client: Redis) -> int:
    """How many hubs are connected to Redis."""
    return sum(entry["name"] == NAME for entry in client.client_list())


def test_each_process_serves_the_whole_of_a_deploy(two: Service, client: Redis, store: Store, keys: Keys) -> None:
    """Whichever process a connection reaches, with a hub each."""
    wait_until(lambda: hubs(client) >= 2)
    Deploy(store, keys).finish(Status.COMPLETE, *(f"line {number}" for number in range(100)))
    for _ in range(20):
        assert_whole(read_log(two.stream_url(keys.app, keys.deploy)))


def test_one_that_dies_is_replaced(two: Service, store: Store, keys: Keys) -> None:
    """The others go on meanwhile."""
    before = children(two.process.pid)
    os.kill(before[0], signal.SIGKILL)
    wait_until(lambda: len(now := children(two.process.pid)) == 2 and before[0] not in now)
    Deploy(store, keys).finish()
    for _ in range(10):
        assert_whole(read_log(two.stream_url(keys.app, keys.deploy)))


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_on_a_signal_all_end(two: Service, number: int) -> None:
    """The status is 0, and nothing is left."""
    before = children(two.process.pid)
    two.process.send_signal(number)
    assert two.process.wait(10) == 0
    assert not [pid for pid in before if Path(f"/proc/{pid}").exists()]


def test_all_end_with_the_one_that_started_them(two: Service) -> None:
    """Even where that was killed."""
    before = children(two.process.pid)
    two.process.kill()
    wait_until(lambda: not [pid for pid in before if Path(f"/proc/{pid}").exists()])


def test_the_address_to_listen_on_is_taken(valkey: str, api: Service) -> None:
    """Also told where several are to share it."""
    port = str(urlsplit(api.url).port)
    command = [sys.executable, "-m", "api", "--redis-url", valkey, "--port", port, "--processes", "2"]
    second = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=20, check=False)
    assert (second.returncode, second.stdout) == (69, "")
    assert "Address already in use" in second.stderr
