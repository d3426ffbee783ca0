"""The few calls with which any program makes, writes and reads a deploy log."""

import gc
import subprocess
import sys
from pathlib import Path

import pytest

import producer
from producer import create_deploy, new_id, open_log, read_log
from producer.connect import connect
from producer.deploys import Limits, Request
from producer.errors import AlreadyClaimed, DeployExists, Finished, InvalidId, NoAddress, StoreAway, UnknownDeploy
from producer.event import decode
from producer.keys import Keys, check_id
from producer.library import new_token
from producer.proof import Proof
from producer.status import Status
from tests.helpers import wait_until
from tests.producer.support import Valkey


@pytest.fixture(autouse=True)
def address(valkey: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """The real Valkey, through the variable."""
    monkeypatch.setenv("DEPLOYTAIL_REDIS_URL", valkey)


def test_a_log_is_created_written_and_read() -> None:
    """As the package's own description shows it."""
    deploy = create_deploy("shop")
    assert read_log("shop", deploy).state.status is Status.QUEUED
    with open_log("shop", deploy) as log:
        log.write("Installing dependencies...")
        log.flush(5)
        assert read_log("shop", deploy).state.status is Status.BUILDING
    found = read_log("shop", deploy)
    texts = [event.line for event in map(decode, found.events) if event and event.line]
    assert texts == ["Installing dependencies...", "Deploy complete!"]
    assert (found.state.status, found.state.proof) == (Status.COMPLETE, Proof().add(texts[0]).add(texts[1]))


def test_a_log_is_read_from_a_place() -> None:
    """The state, and what is above a number."""
    deploy = create_deploy("shop")
    with pytest.raises(RuntimeError), open_log("shop", deploy):
        raise RuntimeError("no")
    found = read_log("shop", deploy, 3)
    assert ([event and event.seq for event in map(decode, found.events)], found.state.seq) == ([4, 5], 5)


def test_a_deploy_takes_an_id_a_request_and_limits(keys: Keys) -> None:
    """The id is in use then."""
    deploy = keys.deploy
    assert create_deploy("shop", deploy, request=Request(environment="prod"), limits=Limits(cap_events=2)) == deploy
    with pytest.raises(DeployExists):
        create_deploy("shop", deploy)
    with open_log("shop", deploy) as log:
        log.write("a")
    found = read_log("shop", deploy)
    assert (found.state.environment, found.state.first_seq, len(found.events)) == ("prod", 4, 2)


def test_a_log_is_opened_once() -> None:
    """While it is written, and after its end."""
    deploy = create_deploy("shop")
    with open_log("shop", deploy), pytest.raises(AlreadyClaimed):
        open_log("shop", deploy)
    with pytest.raises(Finished):
        open_log("shop", deploy)


def test_ids_and_tokens_are_random() -> None:
    """An id is valid; a token is longer, since who knows it is the writer."""
    ids = {check_id("deploy", new_id()) for _ in range(1_000)}
    tokens = {new_token() for _ in range(1_000)}
    assert (len(ids), len(tokens), {len(token) for token in tokens}) == (1_000, 1_000, {32})


def test_wrong_ids_are_refused_before_redis_is_asked(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing answers there."""
    monkeypatch.setenv("DEPLOYTAIL_REDIS_URL", "redis://127.0.0.1:1")
    with pytest.raises(InvalidId):
        create_deploy("shop", "a b")
    with pytest.raises(InvalidId):
        open_log("", "d1")
    with pytest.raises(InvalidId):
        read_log("shop", "d1\n")


def test_an_unknown_deploy_can_be_neither_read_nor_written() -> None:
    """Nor is it created by it."""
    for act in (read_log, open_log):
        with pytest.raises(UnknownDeploy):
            act("shop", new_id())


def test_the_address_given_is_used(own_valkey: Valkey) -> None:
    """Rather than the one in the environment."""
    deploy = create_deploy("shop", url=own_valkey.url)
    with open_log("shop", deploy, url=own_valkey.url):
        pass
    assert read_log("shop", deploy, url=own_valkey.url).state.status is Status.COMPLETE
    with pytest.raises(UnknownDeploy):
        read_log("shop", deploy)


def test_redis_away_and_no_redis_are_errors(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """By their names."""
    with pytest.raises(StoreAway):
        create_deploy("shop", url="redis://127.0.0.1:1")
    monkeypatch.delenv("DEPLOYTAIL_REDIS_URL")
    monkeypatch.setenv("DEPLOYTAIL_HOME", str(tmp_path))
    with pytest.raises(NoAddress):
        create_deploy("shop")


def test_a_log_that_has_ended_holds_no_connection(own_valkey: Valkey) -> None:
    """A program that makes one deploy after the other does not gather them, even where it keeps the logs."""
    kept = []
    for _ in range(5):
        deploy = create_deploy("shop", url=own_valkey.url)
        with open_log("shop", deploy, url=own_valkey.url) as log:
            kept.append(log)
    gc.collect()
    with connect(own_valkey.url) as client:
        wait_until(lambda: len(client.client_list()) == 1, 1)
    assert [log.ended for log in kept] == [Status.COMPLETE] * 5


def test_the_package_is_imported_without_redis() -> None:
    """Its pure modules must not pay for it; an unknown name is an ordinary error."""
    program = (
        "import sys, producer, producer.event, producer.keys, producer.outbox\n"
        "assert not {'redis', 'pydantic'} & set(sys.modules), 'too much'\n"
        "producer.open_log\n"
        "assert 'redis' in sys.modules\n"
    )
    subprocess.run([sys.executable, "-c", program], check=True)
    with pytest.raises(AttributeError, match="no attribute 'nothing'"):
        _ = producer.nothing
