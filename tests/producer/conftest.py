"""Fixtures of the producer's tests."""

from collections.abc import Iterator
from pathlib import Path
from typing import cast

import hypothesis
import pytest

from producer.connect import connect
from producer.store import Store
from tests.producer.support import Valkey

# A busy machine is no failure.
hypothesis.settings.register_profile(
    "producer", deadline=None, suppress_health_check=[hypothesis.HealthCheck.too_slow], max_examples=50
)
hypothesis.settings.load_profile("producer")


@pytest.fixture(params=["store", "fake_store"])
def any_store(request: pytest.FixtureRequest) -> Store:
    """The store on the real Valkey, and the store on fakeredis."""
    return cast(Store, request.getfixturevalue(request.param))


@pytest.fixture
def own_valkey(tmp_path: Path) -> Iterator[Valkey]:
    """A Valkey that this test may pause, kill and fill."""
    server = Valkey(tmp_path)
    server.start()
    try:
        yield server
    finally:
        server.kill()


@pytest.fixture
def own_store(own_valkey: Valkey) -> Iterator[Store]:
    """A store on the server of this test, that soon notices when it does not answer."""
    with connect(own_valkey.url, retries=0, socket_timeout=0.2) as client:
        yield Store(client)
