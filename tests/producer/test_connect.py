"""Redis clients from an address."""

import os
from collections.abc import Iterator
from functools import partial
from pathlib import Path

import pytest
from redis.exceptions import ConnectionError as LostConnection

from producer.connect import UncheckedPool, check_answers, connect, connect_async, redis_url, shown
from producer.errors import InvalidAddress, NoAddress, StoreAway
from producer.home import Running, note_running, owned_home
from tests.helpers import wait_until
from tests.producer.support import Valkey


@pytest.mark.parametrize(
    ("url", "expected"),
    [
        ("redis://localhost:6379/0", "redis://localhost:6379/0"),
        ("redis://me@localhost/0", "redis://me@localhost/0"),
        ("redis://me:hunter2@localhost:6379/0", "redis://me:***@localhost:6379/0"),
        ("redis://:hunter2@localhost", "redis://:***@localhost"),
        ("redis://:@localhost", "redis://:***@localhost"),
        ("rediss://me:hunter2@[::1]:6379/0?x=1", "rediss://me:***@[::1]:6379/0?x=1"),
        ("redis://me:hunt@er2@localhost", "redis://me:***@localhost"),
        ("unix://me:hunter2@/run/redis.sock", "unix://me:***@/run/redis.sock"),
        ("redis://[me:hunter2@localhost", "redis://[me:***@localhost"),
        ("", ""),
    ],
)
def test_an_address_is_shown_without_its_password(url: str, expected: str) -> None:
    """The rest of it stays, so that it can be recognised."""
    assert shown(url) == expected


@pytest.mark.parametrize(
    "url",
    [
        "redis://localhost/0?password=hunter2",
        "redis://:hunter2/x@localhost:6379/0",
        "redis://:hunter2#x@localhost:6379/0",
        "redis://:hunter2?x@localhost:6379/0",
        "redis://:x/hunter2@localhost:6379/0",
        "hunter2@localhost",
        "me:hunter2@localhost:6379",
    ],
)
def test_a_password_in_an_odd_place_is_not_shown_either(url: str) -> None:
    """Not escaped, or as a parameter, or without a scheme: neither shown nor in the error about the address."""
    assert "hunter2" not in shown(url) + refusal(url)


def refusal(url: str) -> str:
    """With what words an address is refused, if it is."""
    try:
        connect(url).close()
    except InvalidAddress as error:
        return str(error)
    return ""


INVALID = ["localhost", "localhost:6379", "http://localhost", "redis//x", "redis://h:port", "redis://h:99999"]


@pytest.mark.parametrize("url", [*INVALID, "redis://h?socket_timeout=soon"])
def test_an_invalid_address_is_refused(url: str) -> None:
    """By one sentence that says what to write instead, for both kinds of client."""
    for make in (connect, partial(connect_async, connections=1)):
        with pytest.raises(InvalidAddress, match=r"is not a Redis address: write redis://\S+/0$"):
            make(url)


def test_an_address_with_an_unknown_parameter_is_refused() -> None:
    """It does not come out later as an error of another kind."""
    with pytest.raises(InvalidAddress):
        check_answers("redis://127.0.0.1:1/0?no_such_option=1")


def test_the_password_is_not_in_an_error() -> None:
    """Neither of an invalid address nor of one where nobody answers."""
    with pytest.raises(InvalidAddress) as invalid:
        connect("http://me:hunter2@localhost")
    with pytest.raises(StoreAway, match=r"no Redis answers at redis://me:\*\*\*@127\.0\.0\.1:1/0") as away:
        check_answers("redis://me:hunter2@127.0.0.1:1/0")
    assert "hunter2" not in f"{invalid.value}{away.value}"


def test_a_redis_that_answers_passes_the_check(valkey: str) -> None:
    """In silence."""
    check_answers(valkey)


def test_a_redis_that_is_gone_does_not_pass(own_valkey: Valkey) -> None:
    """StoreAway, with the address."""
    own_valkey.kill()
    with pytest.raises(StoreAway, match=own_valkey.url):
        check_answers(own_valkey.url)


def test_a_client_sends_a_failed_command_again(own_valkey: Valkey) -> None:
    """A connection that was cut in between is not noticed."""
    with connect(own_valkey.url) as client:
        client.ping()
        own_valkey.kill()
        own_valkey.start()
        assert client.ping()


def test_options_win_over_the_defaults(valkey: str) -> None:
    """And the defaults have time limits."""
    with connect(valkey) as client, connect(valkey, socket_timeout=0.5) as quick:
        kinds = [c.connection_pool.connection_kwargs["socket_timeout"] for c in (client, quick)]
        assert kinds == [5.0, 0.5]
        assert client.connection_pool.connection_kwargs["socket_connect_timeout"] == 2.0
        assert client.client_getname() == "deploytail"


@pytest.fixture
def nowhere(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """No address is set, and nothing is running."""
    monkeypatch.delenv("DEPLOYTAIL_REDIS_URL", raising=False)
    monkeypatch.setenv("DEPLOYTAIL_HOME", str(tmp_path))
    return tmp_path


@pytest.mark.usefixtures("nowhere")
def test_without_an_address_one_sentence_says_what_to_do() -> None:
    """Start one, or name one."""
    with pytest.raises(NoAddress) as caught:
        redis_url()
    assert str(caught.value) == (
        "no Redis: start one with 'deploytail up', or set DEPLOYTAIL_REDIS_URL, say to redis://localhost:6379/0"
    )


@pytest.mark.usefixtures("nowhere")
def test_the_address_given_wins_then_the_variable_then_what_runs(
    monkeypatch: pytest.MonkeyPatch, own_running: Running
) -> None:
    """An empty one counts as none."""
    assert redis_url() == redis_url("") == own_running.redis_url
    monkeypatch.setenv("DEPLOYTAIL_REDIS_URL", "")
    assert redis_url() == own_running.redis_url
    monkeypatch.setenv("DEPLOYTAIL_REDIS_URL", "redis://set")
    assert redis_url() == "redis://set"
    assert redis_url("redis://given") == "redis://given"


@pytest.fixture
def own_running(nowhere: Path) -> Iterator[Running]:
    """A note of something that runs: this process."""
    assert nowhere.is_dir()
    running = Running(os.getpid(), "redis://running", "http://running")
    with owned_home():
        note_running(running)
        yield running


def test_an_unchecked_connection_is_kept_and_one_that_broke_is_opened_again(own_valkey: Valkey) -> None:
    """All commands go over one; after a restart of the server the next command fails, and the one after it passes."""
    with connect(own_valkey.url, retries=0, pool=UncheckedPool) as client:
        first = client.client_id()
        with client.pipeline() as pipeline:
            assert pipeline.ping().client_id().execute() == [True, first]
        own_valkey.kill()
        own_valkey.start()
        with pytest.raises(LostConnection):
            client.ping()
        assert client.ping()
        assert client.info("clients")["connected_clients"] == 1


def test_a_client_that_is_closed_closes_its_unchecked_connection(own_valkey: Valkey) -> None:
    """Though to the pool it is in use."""
    with connect(own_valkey.url) as watcher:
        with connect(own_valkey.url, pool=UncheckedPool) as client:
            client.ping()
            assert watcher.info("clients")["connected_clients"] == 2
        wait_until(lambda: watcher.info("clients")["connected_clients"] == 1)
