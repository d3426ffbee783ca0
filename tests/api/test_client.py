"""The client, against a server that plays what a test says: each response in turn."""

import json
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest

from api.client import DONE, GAP, LINE, STATUS, Client, Message, Refused, ServiceAway

RETRY = b"retry: 1\n"
ONE = b'id: 1\ndata: {"seq":1,"ts":1.0,"line":"one"}\n\n'
TWO = b'event: status\nid: 2\ndata: {"seq":2,"ts":1.0,"status":"complete"}\n\n'
END = b"event: done\nid: 3\ndata: {}\n\n"
GONE = b'event: gap\ndata: {"from":2,"to":null,"reason":"lost"}\n\n'

FIRST = Message(LINE, {"seq": 1, "ts": 1.0, "line": "one"}, "1")
SECOND = Message(STATUS, {"seq": 2, "ts": 1.0, "status": "complete"}, "2")
LAST = Message(DONE, {}, "3")


@dataclass
class Answer:
    """One response. `cut`: how many bytes of the body come before the connection breaks."""

    status: int = 200
    body: bytes = b""
    kind: str = "text/event-stream; charset=utf-8"
    cut: int | None = None


@dataclass
class Script:
    """A server: what it answers, and what it was asked."""

    url: str = ""
    answers: list[Answer] = field(default_factory=list)
    asked: list[tuple[str, str, str | None]] = field(default_factory=list)


@pytest.fixture
def server() -> Iterator[Script]:
    """A server that answers by its script."""
    script = Script()

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            script.asked.append((self.command, self.path, self.headers.get("Last-Event-ID")))
            answer = script.answers.pop(0)
            self.send_response(answer.status)
            self.send_header("Content-Type", answer.kind)
            self.send_header("Connection", "close")
            if answer.status != 204:
                self.send_header("Content-Length", str(len(answer.body)))
            self.end_headers()
            self.wfile.write(answer.body[: answer.cut])

        do_POST = do_GET  # noqa: N815 - likewise

        def log_message(self, *_: Any) -> None:
            """Say nothing."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as http:
        thread = threading.Thread(target=http.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        script.url = f"http://127.0.0.1:{http.server_address[1]}"
        yield script
        http.shutdown()
        thread.join()


def follow(server: Script, *answers: Answer, patience: float = 20, **options: float) -> list[Message]:
    """All that a client gets of a log."""
    server.answers += answers
    with Client(server.url + "/", patience) as client:
        return list(client.follow("shop", "d1", **options))


def test_a_log_is_followed_to_its_end_in_one_connection(server: Script) -> None:
    """Every event, with its kind and id; `done` is the last."""
    assert follow(server, Answer(body=RETRY + ONE + TWO + END)) == [FIRST, SECOND, LAST]
    assert server.asked == [("GET", "/v1/apps/shop/deploys/d1/logs/stream", None)]


def test_it_comes_back_behind_the_last_event_as_often_as_needed(server: Script) -> None:
    """Closed, cut at any byte, refused for now: each event comes once, and the pace is asked for each time."""
    whole = RETRY + ONE + TWO + END
    answers = [
        Answer(body=RETRY),
        Answer(body=whole, cut=len(RETRY + ONE) + 5),
        Answer(503, b"{}", "application/json"),
        Answer(429, b"not json", "text/plain"),
        Answer(body=RETRY + TWO),
        Answer(body=RETRY + END),
    ]
    assert follow(server, *answers, speed=2.5, max_idle=1.0) == [FIRST, SECOND, LAST]
    path = "/v1/apps/shop/deploys/d1/logs/stream?speed=2.5&max_idle=1.0"
    assert server.asked == [("GET", path, last) for last in (None, None, "1", "1", "1", "2")]


@pytest.mark.parametrize("cut", range(0, len(ONE + TWO + END), 7))
def test_a_stream_that_is_cut_anywhere_is_gone_on_with(server: Script, cut: int) -> None:
    """Whatever was whole is not asked for again; whatever was not comes whole."""
    whole = ONE + TWO + END
    known = b"".join(frame + b"\n\n" for frame in whole[:cut].split(b"\n\n")[:-1])
    rest = Answer(204) if known == whole else Answer(body=whole[len(known) :])
    assert follow(server, Answer(body=RETRY + whole, cut=len(RETRY) + cut), rest) == [FIRST, SECOND, LAST]


def test_204_is_the_end(server: Script) -> None:
    """The service says that there is nothing more: no `done` is made up."""
    assert follow(server, Answer(body=RETRY + ONE + TWO), Answer(204)) == [FIRST, SECOND]


def test_a_gap_without_an_id_leaves_the_place_as_it_is(server: Script) -> None:
    """It comes back, where it has to, with the last id that it has."""
    gone = Message(GAP, {"from": 2, "to": None, "reason": "lost"}, "1")
    got = follow(server, Answer(body=RETRY + ONE + GONE), Answer(body=RETRY + b"event: done\ndata: {}\n\n"))
    assert [message._replace(id="") for message in got] == [
        FIRST._replace(id=""),
        gone._replace(id=""),
        LAST._replace(id=""),
    ]
    assert server.asked[1][2] == "1"


@pytest.mark.parametrize(
    ("answer", "status", "message"),
    [
        (
            Answer(404, b'{"success":false,"status":404,"error":{"message":"no such deploy","type":"x"}}'),
            404,
            "no such deploy",
        ),
        (
            Answer(422, b'{"detail":[{"loc":["query","speed"],"msg":"too slow"},{"loc":["body"],"msg":"no"}]}'),
            422,
            "speed: too slow; body: no",
        ),
        (Answer(500, b"oops"), 500, "HTTP status 500"),
        # Another service answers there.
        (Answer(404, b'{"detail":"Not Found"}'), 404, "Not Found"),
        (Answer(404, b'{"error":"Not Found"}'), 404, "Not Found"),
        (Answer(400, b'["no"]'), 400, "HTTP status 400"),
        (Answer(400, b"null"), 400, "HTTP status 400"),
    ],
)
def test_a_refusal_is_told_in_the_services_words(server: Script, answer: Answer, status: int, message: str) -> None:
    """Of a stream and of a request alike, whatever shape the answer has; it is not tried again."""
    with pytest.raises(Refused) as refused:
        follow(server, answer)
    assert refused.value.status == status
    assert message in str(refused.value) or f"HTTP status {status}" in str(refused.value)
    server.answers.append(answer)
    with Client(server.url) as client, pytest.raises(Refused) as refused:
        client.request("POST", "/v1/apps/shop/deploy", {})
    assert refused.value.status == status
    assert len(server.asked) == 2


def test_a_service_that_is_away_at_first_is_said_at_once(server: Script) -> None:
    """There is nothing to be patient for yet: it may be the wrong address."""
    body = json.dumps({"error": {"message": "the log store does not answer"}}).encode()
    with pytest.raises(ServiceAway, match=f"{server.url} cannot serve now: the log store does not answer"):
        follow(server, Answer(503, body))
    url = server.url.rpartition(":")[0] + ":1"
    with Client(url) as client, pytest.raises(ServiceAway, match=f"no deploytail service answers at {url} "):
        client.request("GET", "/v1/apps/shop/deploys")
    with Client(url) as client, pytest.raises(ServiceAway, match="no deploytail service answers"):
        list(client.follow("shop", "d1"))


def test_patience_has_an_end(server: Script) -> None:
    """A service that stays away after it was there is given up; while it was there, patience began anew."""
    refusals = [Answer(503, b'{"error":{"message":"not now"}}')] * 2
    with pytest.raises(ServiceAway, match="not now"):
        follow(server, Answer(body=RETRY + ONE), *refusals, Answer(body=RETRY), *refusals * 500, patience=0.1)
    assert len(server.asked) > 5


def test_a_refusal_on_a_come_back_is_told(server: Script) -> None:
    """The deploy is unknown by now: that is an answer, not an outage."""
    with pytest.raises(Refused, match="gone"):
        follow(server, Answer(body=RETRY + ONE), Answer(404, b'{"error":{"message":"gone"}}'))


def test_a_request_has_its_answer_as_json(server: Script) -> None:
    """What the service says, as it says it."""
    server.answers.append(Answer(202, b'{"deploy_id":"d1"}', "application/json"))
    with Client(server.url) as client:
        assert client.request("POST", "/v1/apps/shop/deploy", {"message": "x"}) == {"deploy_id": "d1"}
