"""What the tests share: a real Valkey, a real API and a real worker per test process, each on a port of its own."""

import os
import secrets
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import fakeredis
import pytest
import redis

from producer.keys import Keys
from producer.store import Store
from scripts.embedded import valkey as run_valkey
from tests.helpers import FakeClient, Service, start_api, start_worker


@pytest.fixture(scope="session")
def anyio_backend() -> str:
    """Coroutine tests run on asyncio."""
    return "asyncio"


@pytest.fixture(scope="session")
def valkey(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The address of a real Valkey."""
    with run_valkey(tmp_path_factory.mktemp("valkey")) as url:
        yield url


@pytest.fixture
def client(valkey: str) -> Iterator[redis.Redis]:
    """A plain client of the real Valkey."""
    with redis.Redis.from_url(valkey) as connected:
        yield connected


@pytest.fixture
def store(client: redis.Redis) -> Store:
    """The store on the real Valkey."""
    return Store(client)


@pytest.fixture
def fake_store() -> Iterator[Store]:
    """A store on an empty fakeredis."""
    with FakeClient(server=fakeredis.FakeServer()) as connected:
        yield Store(connected)


@pytest.fixture
def keys() -> Keys:
    """A deploy id of this test's own."""
    return Keys("shop", f"d{secrets.token_hex(6)}")


@pytest.fixture(scope="session")
def api(valkey: str) -> Iterator[Service]:
    """A real API process on the real Valkey."""
    with start_api(valkey) as service:
        yield service


@pytest.fixture(scope="session")
def worker(valkey: str) -> Iterator["subprocess.Popen[bytes]"]:
    """A real RQ worker, of two processes, on the real Valkey."""
    with start_worker(valkey, "--workers", "2") as process:
        yield process


@pytest.fixture
def environment(valkey: str, tmp_path: Path) -> dict[str, str]:
    """An environment for commands: the real Valkey, a home of its own, no settings of the developer's."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith("DEPLOYTAIL_")}
    return kept | {
        "DEPLOYTAIL_REDIS_URL": valkey,
        "DEPLOYTAIL_HOME": str(tmp_path / "home"),
        "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}",
        "NO_COLOR": "1",
    }
