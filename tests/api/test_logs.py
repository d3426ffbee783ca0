"""The stream endpoint over HTTP, on a real process: the resume table, the answers to odd requests, the pace."""

import socket
import time
from urllib.parse import urlsplit

import httpx2
import pytest
from redis import Redis

from producer.keys import Keys
from producer.outbox import RESEND_EVENTS
from producer.status import Status
from producer.store import Store
from tests.api.support import Deploy, words
from tests.helpers import Service

ALL = ["1:queued", "2:building", "3", "4", "5:complete", "done"]
LAST = 5


@pytest.fixture
def url(api: Service, store: Store, keys: Keys) -> str:
    """The stream of a finished deploy of 5 events."""
    Deploy(store, keys).finish(Status.COMPLETE, "one")
    return api.stream_url(keys.app, keys.deploy)


def raw(api: Service, request: bytes) -> bytes:
    """The answer to a request as it stands, to its end."""
    parts = urlsplit(api.url)
    with socket.create_connection((parts.hostname, parts.port), timeout=10) as connection:
        connection.sendall(request)
        answer = b""
        while data := connection.recv(65536):
            answer += data
        return answer


@pytest.mark.parametrize(
    ("n", "expected"),
    [
        ("0", ALL),
        ("1", ALL[1:]),
        ("4", ["5:complete", "done"]),
        ("5", ["done"]),
        ("7", ["gap 6-7 lost", "5:complete", "done"]),
        (str(LAST + RESEND_EVENTS + 1), ALL),
        ("", ALL),
        ("-1", ALL),
        ("1e9", ALL),
        (str(2**64), ALL),
        ("*", ALL),
        ("\N{ARABIC-INDIC DIGIT FIVE}", ALL),
        ("5" * 65_536, ALL),
    ],
)
def test_a_finished_deploy_is_resumed_by_one_rule(url: str, n: str, expected: list[str]) -> None:
    """Each row of the table, and each malformed id: by the header, and by the query where that can carry it."""
    response = httpx2.get(url, headers=[(b"Last-Event-ID", n.encode())])
    assert (response.status_code, words(response.content)) == (200, expected)
    if len(n) < 1000:
        assert words(httpx2.get(url, params={"last_event_id": n}).content) == expected


@pytest.mark.parametrize("query", ["last_event_id=%205", "last_event_id=5%00", "last_event_id=4&last_event_id=4"])
def test_a_malformed_query_counts_as_absent(url: str, query: str) -> None:
    """Spaces, NUL, given twice: everything cached, not an error."""
    assert words(httpx2.get(f"{url}?{query}").content) == ALL


def test_the_header_in_any_case_wins_over_the_query_and_twice_is_malformed(url: str) -> None:
    """One written rule for each combination."""
    assert words(httpx2.get(f"{url}?last_event_id=1", headers={"LAST-EVENT-ID": "4"}).content) == ALL[4:]
    twice = [("Last-Event-ID", "4"), ("Last-Event-ID", "4")]
    assert words(httpx2.get(f"{url}?last_event_id=4", headers=twice).content) == ALL


def test_a_nul_in_the_header_is_a_bad_request(api: Service, url: str) -> None:
    """HTTP forbids it: answered at once, with an error of the client's."""
    path = urlsplit(url).path.encode()
    answer = raw(api, b"GET %s HTTP/1.1\r\nHost: x\r\nLast-Event-ID: 5\0\r\nConnection: close\r\n\r\n" % path)
    assert answer.startswith(b"HTTP/1.1 400 ")


def test_who_has_the_end_is_told_204(url: str) -> None:
    """N is the id of `done`: an EventSource that gets this does not come back."""
    response = httpx2.get(url, headers={"Last-Event-ID": "6"})
    assert (response.status_code, response.content) == (204, b"")


@pytest.mark.parametrize(
    ("n", "expected"),
    [(None, ALL[:2]), ("0", ALL[:2]), ("1", ALL[1:2]), ("2", []), ("x", ALL[:2])],
)
def test_an_unfinished_deploy_goes_on_live(
    api: Service, store: Store, keys: Keys, n: str | None, expected: list[str]
) -> None:
    """What is above N, then what comes, to the end."""
    deploy = Deploy(store, keys)
    headers = {} if n is None else {"Last-Event-ID": n}
    with httpx2.stream("GET", api.stream_url(keys.app, keys.deploy), headers=headers) as response:
        deploy.write("live")
        deploy.finish()
        assert words(response.read()) == [*expected, "3", "4", "5:complete", "done"]


@pytest.mark.parametrize(("n", "left"), [("3", ["4", "5:complete", "done"]), ("4", ["5:complete", "done"])])
def test_who_is_ahead_of_an_unfinished_deploy_waits_for_it(
    api: Service, store: Store, keys: Keys, n: str, left: list[str]
) -> None:
    """A fail-over took the tail: a comment says so, and what is above N is sent when it has come again."""
    deploy = Deploy(store, keys)
    with httpx2.stream("GET", api.stream_url(keys.app, keys.deploy), headers={"Last-Event-ID": n}) as response:
        chunks = response.iter_raw()
        start = next(chunks)
        while b"\n: waiting for the log to pass event" not in start:
            start += next(chunks)
        deploy.write("again")
        deploy.finish()
        body = start + b"".join(chunks)
    assert words(body) == left


def test_the_headers_are_those_of_an_event_stream(url: str) -> None:
    """Exactly these, and no length."""
    response = httpx2.get(url)
    headers = {name: value for name, value in response.headers.items() if name != "date"}
    assert headers == {
        "content-type": "text/event-stream; charset=utf-8",
        "cache-control": "no-store, no-transform",
        "x-accel-buffering": "no",
        "x-content-type-options": "nosniff",
        "transfer-encoding": "chunked",
    }


def test_the_first_bytes_come_at_once_and_are_a_retry(api: Service, store: Store, keys: Keys) -> None:
    """Before there is any event to show: one line, 1,000 to 3,000 ms, drawn per connection."""
    Deploy(store, keys)
    drawn = set()
    for _ in range(3):
        with httpx2.stream(
            "GET", api.stream_url(keys.app, keys.deploy), headers={"Last-Event-ID": "2"}, timeout=2
        ) as response:
            first = next(response.iter_raw())
        name, _, value = first.decode().partition(": ")
        assert (name, value[-1:], value.count("\n")) == ("retry", "\n", 1)
        drawn.add(int(value))
    assert all(1_000 <= milliseconds <= 3_000 for milliseconds in drawn)
    assert len(drawn) > 1


def test_an_unknown_deploy_has_the_documented_404(api: Service, keys: Keys) -> None:
    """The shape of every error; a come-back gets it too."""
    for headers in ({}, {"Last-Event-ID": "5"}):
        response = httpx2.get(api.stream_url(keys.app, keys.deploy), headers=headers)
        assert (response.status_code, response.headers["content-type"]) == (404, "application/json")
        assert response.json() == {
            "success": False,
            "status": 404,
            "error": {
                "message": f"no deploy '{keys.deploy}' of app '{keys.app}'",
                "type": "NotFoundError",
                "code": None,
                "details": {"resource": "deploy", "id": keys.deploy},
            },
        }


def test_a_deploy_of_another_app_is_unknown(api: Service, store: Store, keys: Keys) -> None:
    """Absent and not yours look the same."""
    Deploy(store, keys)
    assert httpx2.get(api.stream_url("another", keys.deploy)).status_code == 404


@pytest.mark.parametrize(
    ("query", "field", "kind"),
    [
        ("speed=0", "speed", "greater_than"),
        ("speed=-1", "speed", "greater_than"),
        ("speed=nan", "speed", "finite_number greater_than"),
        ("speed=inf", "speed", "finite_number"),
        ("speed=-inf", "speed", "finite_number greater_than"),
        ("speed=1e999", "speed", "finite_number"),
        ("speed=fast", "speed", "float_parsing"),
        ("speed=", "speed", "float_parsing"),
        ("max_idle=-1", "max_idle", "greater_than_equal"),
        ("max_idle=nan", "max_idle", "finite_number greater_than_equal"),
        ("max_idle=x", "max_idle", "float_parsing"),
    ],
)
def test_a_pace_that_is_none_is_422_and_names_the_field(url: str, query: str, field: str, kind: str) -> None:
    """The documented shape, with where and why."""
    response = httpx2.get(f"{url}?{query}")
    assert response.status_code == 422
    (problem,) = response.json()["detail"]
    assert problem.keys() == {"loc", "msg", "type"}
    assert problem["loc"] == ["query", field]
    assert problem["type"] in kind.split()
    assert problem["msg"]


@pytest.mark.parametrize(
    ("app", "deploy", "field"),
    [
        ("-shop", "d1", "app_id"),
        ("shop", "d1%20", "deploy_id"),
        ("shop", "d1%0A", "deploy_id"),
        ("shop", "d" * 65, "deploy_id"),
        ("a%7Db", "d1", "app_id"),
        ("shop", "%D9%A5", "deploy_id"),
        ("shop", "..", "deploy_id"),
    ],
)
def test_an_id_that_is_none_is_422_and_names_it(api: Service, app: str, deploy: str, field: str) -> None:
    """Ids follow one strict pattern; nothing else reaches a key."""
    path = f"/v1/apps/{app}/deploys/{deploy}/logs/stream"
    answer = raw(api, f"GET {path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n".encode())
    assert answer.startswith(b"HTTP/1.1 422 "), answer
    assert b'"loc":["path","%s"]' % field.encode() in answer


@pytest.mark.parametrize("method", ["HEAD", "POST", "PUT", "DELETE", "PATCH", "OPTIONS"])
def test_another_method_is_405(url: str, method: str) -> None:
    """Defined, says what is allowed, and does not hang."""
    response = httpx2.request(method, url)
    assert (response.status_code, response.headers["allow"]) == (405, "GET")
    if method != "HEAD":
        assert response.json()["error"]["type"] == "MethodNotAllowedError"


@pytest.mark.parametrize(
    "headers",
    [{"Range": "bytes=0-9"}, {"Accept": "application/json"}, {"Accept": ";;,"}, {"Accept-Encoding": "gzip, br"}],
)
def test_odd_headers_change_nothing(url: str, headers: dict[str, str]) -> None:
    """Range, Accept and encodings are no reason to send another thing."""
    response = httpx2.get(url, headers=headers)
    assert (response.status_code, words(response.content)) == (200, ALL)
    assert "content-encoding" not in response.headers


def test_http_1_0_gets_the_stream_to_its_close(api: Service, url: str) -> None:
    """As nginx asks by default: without chunks, which HTTP/1.0 does not know, until the connection closes."""
    head, _, body = raw(api, b"GET %s HTTP/1.0\r\n\r\n" % urlsplit(url).path.encode()).partition(b"\r\n\r\n")
    assert head.startswith(b"HTTP/1.1 200 OK\r\n")
    assert b"chunked" not in head
    assert b"connection: close" in head
    assert words(body) == ALL


def test_a_replay_is_played_at_its_pace_with_the_same_events(api: Service, store: Store, keys: Keys) -> None:
    """At twice the speed it takes half the time; `max_idle` shortens it; the bytes are those of a plain replay."""
    times = [5_000_000_000.0, 5_000_000_000.4, 5_000_000_000.8]
    Deploy(store, keys).finish(Status.COMPLETE, "a", "b", "c", ts=times, at=times[-1])
    url = api.stream_url(keys.app, keys.deploy)
    took, bodies = [], []
    # From event 3 on: `building` was written by the real clock.
    for query in ({}, {"speed": 1}, {"speed": 4}, {"speed": 1, "max_idle": 0.05}):
        start = time.monotonic()
        response = httpx2.get(url, params=query, headers={"Last-Event-ID": "2"})
        took.append(time.monotonic() - start)
        bodies.append(response.content.partition(b"\n")[2])
    assert bodies == [bodies[0]] * 4
    assert [seconds >= least for seconds, least in zip(took, (0, 0.8, 0.2, 0.1), strict=True)] == [True] * 4


def test_a_log_that_cannot_be_read_is_500_and_the_service_lives(
    api: Service, store: Store, client: Redis, keys: Keys
) -> None:
    """Somebody overwrote its state: the documented shape, which gives nothing away; the next request is fine."""
    Deploy(store, keys)
    client.hset(keys.state, "status", "nonsense")
    response = httpx2.get(api.stream_url(keys.app, keys.deploy))
    assert (response.status_code, response.json()["error"]["type"]) == (500, "InternalServerError")
    assert "nonsense" not in response.text
    assert httpx2.get(f"{api.url}/readyz").status_code == 200
