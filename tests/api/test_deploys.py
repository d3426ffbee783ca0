"""The deploy endpoints on a real process: queue, show, list, cancel, and what each refuses."""

import json
import socket
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from typing import Any

import httpx2
import pytest
import redis
from rq import Queue
from rq.serializers import JSONSerializer

from producer.keys import Keys
from producer.status import Status
from producer.store import Store
from tests.api.support import Deploy, words
from tests.helpers import Service, start_api

QUEUE = "nobody-works-on-this"


@pytest.fixture(scope="module")
def service(valkey: str) -> Iterator[Service]:
    """An API whose queue has no worker."""
    with start_api(valkey, "--queue", QUEUE, "--job-timeout", "77") as api:
        yield api


def url(service: Service, keys: Keys, rest: str = "") -> str:
    """A deploy's address."""
    return f"{service.url}/v1/apps/{keys.app}/deploys/{keys.deploy}{rest}"


def error(status: int, kind: str, message: str, code: str | None = None) -> dict[str, Any]:
    """The one shape of errors."""
    return {
        "success": False,
        "status": status,
        "error": {"message": message, "type": kind, "code": code, "details": None},
    }


def unknown(keys: Keys) -> dict[str, Any]:
    """The error for a deploy that nobody created."""
    found = error(404, "NotFoundError", f"no deploy '{keys.deploy}' of app '{keys.app}'")
    found["error"]["details"] = {"resource": "deploy", "id": keys.deploy}
    return found


def test_a_deploy_is_queued_with_what_was_asked_for(service: Service, client: redis.Redis, keys: Keys) -> None:
    """The answer names it, the store shows it, and the queue has a job that runs it, by its dotted name, in JSON."""
    wanted = {"scenario": "static", "seed": 7, "speed": 3.0, "max_idle": 9.5, "fail_at": "upload", "fault": "disk-full"}
    body = {"environment": "staging", "message": "try", "deploy_id": keys.deploy, "simulate": wanted}
    response = httpx2.post(f"{service.url}/v1/apps/shop/deploy", json=body)
    assert (response.status_code, response.json()) == (
        202,
        {
            "app_id": "shop",
            "deploy_id": keys.deploy,
            "status": "queued",
            "environment": "staging",
            "message": "try",
        },
    )
    shown = httpx2.get(url(service, keys)).json()
    queued_at = datetime.fromisoformat(shown.pop("queued_at"))
    assert abs(datetime.now(UTC) - queued_at).total_seconds() < 10
    assert shown == {
        "app_id": "shop",
        "deploy_id": keys.deploy,
        "status": "queued",
        "environment": "staging",
        "source": "api",
        "message": "try",
        "queued_by": "127.0.0.1",
        "started_at": None,
        "finished_at": None,
        "error": None,
        "detail": None,
        "lines": 0,
        "crc32": 0,
        "last_seq": 1,
        "first_seq": 1,
        "simulate": {"plays": "scenario"} | wanted,
    }
    job_id = client.hget(keys.state, "job")
    assert job_id is not None
    job = Queue(QUEUE, connection=client, serializer=JSONSerializer).fetch_job(_text(job_id))
    assert job is not None
    assert (job.func_name, job.kwargs, job.timeout) == (
        "worker.job.run_deploy",
        {"app_id": "shop", "deploy_id": keys.deploy, **wanted},
        77,
    )


def _text(value: bytes | str) -> str:
    return value.decode() if isinstance(value, bytes) else value


def test_nothing_needs_to_be_asked_for(service: Service) -> None:
    """There is a default for all, a random id, and what other clients send besides is ignored."""
    found = [httpx2.post(f"{service.url}/v1/apps/shop/deploy", json=body).json() for body in ({}, {"ref": "main"})]
    ids = [answer.pop("deploy_id") for answer in found]
    assert found == [{"app_id": "shop", "status": "queued", "environment": "production", "message": None}] * 2
    assert ids[0] != ids[1]


def test_an_id_in_use_is_refused(service: Service, store: Store, keys: Keys) -> None:
    """409, and the deploy that is there stays as it is."""
    Deploy(store, keys).write("mine")
    response = httpx2.post(f"{service.url}/v1/apps/shop/deploy", json={"deploy_id": keys.deploy})
    message = f"deploy '{keys.deploy}' of app 'shop' exists already: choose another id"
    assert (response.status_code, response.json()) == (409, error(409, "ConflictError", message))
    assert httpx2.get(url(service, keys)).json()["lines"] == 1


@pytest.mark.parametrize(
    ("body", "location"),
    [
        ({"deploy_id": "a b"}, ["body", "deploy_id"]),
        ({"deploy_id": "x" * 65}, ["body", "deploy_id"]),
        ({"deploy_id": "x\n"}, ["body", "deploy_id"]),
        ({"environment": "moon"}, ["body", "environment"]),
        ({"message": "x" * 1001}, ["body", "message"]),
        ({"simulate": {"scenario": "explodes"}}, ["body", "simulate", "scenario"]),
        ({"simulate": {"seed": -1}}, ["body", "simulate", "seed"]),
        ({"simulate": {"seed": 2**63}}, ["body", "simulate", "seed"]),
        ({"simulate": {"speed": -0.1}}, ["body", "simulate", "speed"]),
        ({"simulate": {"speed": 0.0009}}, ["body", "simulate", "speed"]),
        ({"simulate": {"speed": 5e-324}}, ["body", "simulate", "speed"]),
        ({"simulate": {"speed": 1_000_000.1}}, ["body", "simulate", "speed"]),
        ({"simulate": {"max_idle": -1}}, ["body", "simulate", "max_idle"]),
        ({"simulate": {"max_idle": 86_400.1}}, ["body", "simulate", "max_idle"]),
        ({"simulate": {"speeed": 1}}, ["body", "simulate", "speeed"]),
        ({"simulate": {"a.b - at `$.c`": 1}}, ["body", "simulate", "a.b - at `$.c`"]),
        ({"simulate": {"x" * 101: 1}}, ["body", "simulate", "x" * 100]),
        ({"simulate": {"seed": [1]}}, ["body", "simulate", "seed"]),
        ({"simulate": []}, ["body", "simulate"]),
        ({"simulate": {"definition": ""}}, ["body", "simulate", "definition"]),
        ({"simulate": {"recording": ""}}, ["body", "simulate", "recording"]),
        ({"simulate": {"fault": "explosion"}}, ["body", "simulate", "fault"]),
        ({"simulate": {"definition": "x" * 262_145}}, ["body", "simulate", "definition"]),
        ({"simulate": {"recording": "x" * 8_388_609}}, ["body", "simulate", "recording"]),
        ([], ["body"]),
    ],
)
def test_a_wrong_body_is_422_and_names_the_field(service: Service, body: Any, location: list[str]) -> None:
    """Where, why, and of what type: nothing of the input is sent back."""
    response = httpx2.post(f"{service.url}/v1/apps/shop/deploy", json=body)
    assert response.status_code == 422
    (problem,) = response.json()["detail"]
    assert (problem["loc"], problem.keys()) == (location, {"loc", "msg", "type"})


@pytest.mark.parametrize(
    ("simulate", "where", "said"),
    [
        ({"scenario": "go", "recording": "x"}, [], "give one of scenario and recording"),
        ({"definition": "x", "recording": "x"}, [], "give one of definition and recording"),
        ({"recording": "x", "fault": "hang"}, [], "a recording goes as it went: leave out fail_at and fault"),
        (
            {"fail_at": "launch"},
            ["fail_at"],
            "scenario static has no step 'launch', but download, extract, validate, upload, release, smoke-test",
        ),
    ],
)
def test_what_does_not_go_together_is_422(
    service: Service, simulate: dict[str, str], where: list[str], said: str
) -> None:
    """With a sentence, before there is a deploy."""
    response = httpx2.post(f"{service.url}/v1/apps/shop/deploy", json={"simulate": simulate})
    (problem,) = response.json()["detail"]
    assert (response.status_code, problem["loc"], problem["msg"]) == (422, ["body", "simulate", *where], said)


def test_the_bounds_themselves_are_within(service: Service, keys: Keys) -> None:
    """Of what is a number."""
    for number, simulate in enumerate(
        [
            {"speed": 1_000_000, "max_idle": 86_400, "seed": 2**63 - 1},
            {"speed": 0.001, "max_idle": 0, "seed": 0},
            {"speed": 0},
        ]
    ):
        body = {"deploy_id": f"{keys.deploy}-{number}", "simulate": simulate}
        assert httpx2.post(f"{service.url}/v1/apps/shop/deploy", json=body).status_code == 202


_MIB = 1024 * 1024


@pytest.mark.parametrize(
    ("body", "status", "location"),
    [
        (b'{"x":[%b[]],"deploy_id":"a b"}' % (b"[]," * (10 * _MIB)), 422, ["body", "deploy_id"]),
        (b'{"message":[%b[]]}' % (b"[]," * (10 * _MIB)), 422, ["body", "message"]),
        (
            b'{"simulate":{%b"k":1}}' % b"".join(b'"k%07d":1,' % key for key in range(1_500_000)),
            422,
            ["body", "simulate", "k0000000"],
        ),
    ],
    ids=["lists that are ignored", "lists where there may be none", "unknown fields"],
)
def test_a_large_body_does_not_keep_the_others_waiting(
    service: Service, body: bytes, status: int, location: list[str]
) -> None:
    """However many things it holds: only what belongs there is built, and the answer is short."""
    httpx2.get(f"{service.url}/healthz")  # whatever is slow but once
    with ThreadPoolExecutor(1) as pool, httpx2.Client(timeout=30) as client:
        headers = {"Content-Type": "application/json"}
        large = pool.submit(
            httpx2.post, f"{service.url}/v1/apps/shop/deploy", content=body, headers=headers, timeout=60
        )
        waits = []
        while not large.done():
            began = time.monotonic()
            assert client.get(f"{service.url}/healthz").status_code == 200
            waits.append(time.monotonic() - began)
    response = large.result()
    assert (response.status_code, [problem["loc"] for problem in response.json()["detail"]]) == (status, [location])
    assert len(response.content) < 1_000
    assert max(waits) < 0.5


@pytest.mark.parametrize("plays", ["definition", "recording"])
def test_a_file_of_the_callers_own_goes_to_the_worker_alone(
    service: Service, client: redis.Redis, keys: Keys, plays: str
) -> None:
    """It may be large: the deploy's state only says what kind it is."""
    body = {"deploy_id": keys.deploy, "simulate": {plays: "one\ntwo\n", "seed": 3}}
    assert httpx2.post(f"{service.url}/v1/apps/shop/deploy", json=body).status_code == 202
    shown = httpx2.get(url(service, keys)).json()["simulate"]
    assert shown == {"plays": plays, "scenario": None, "seed": 3, "speed": 1.0} | dict.fromkeys(
        ("max_idle", "fail_at", "fault")
    )
    job_id = client.hget(keys.state, "job")
    assert job_id is not None
    job = Queue(QUEUE, connection=client, serializer=JSONSerializer).fetch_job(_text(job_id))
    assert job is not None
    assert job.kwargs == {"app_id": "shop", "deploy_id": keys.deploy, plays: "one\ntwo\n", "seed": 3, "speed": 1.0}


@pytest.mark.parametrize("told", [True, False], ids=["with its length", "in chunks"])
def test_a_body_that_is_too_large_is_413(service: Service, told: bool) -> None:
    """It is not read to its end."""
    content = b" " * (33 * 1024 * 1024)
    body = content if told else (content[at : at + 1024 * 1024] for at in range(0, len(content), 1024 * 1024))
    response = httpx2.post(f"{service.url}/v1/apps/shop/deploy", content=body)
    message = "a request may have 33554432 bytes at the most"
    assert (response.status_code, response.json()) == (413, error(413, "PayloadTooLargeError", message))


@pytest.mark.parametrize(
    "body",
    [
        b"{",
        b"",
        b"\xff",
        b'{"message": "\xff"}',
        b'{"message": "\\ud800"}',
        b'{"simulate": {"speed": NaN}}',
        b"[" * 100_000,
        b'{"x":' + b"[" * 100_000,
    ],
)
def test_a_body_that_is_no_json_is_a_clients_error(service: Service, body: bytes) -> None:
    """Never a 500, whatever the bytes."""
    headers = {"Content-Type": "application/json"}
    response = httpx2.post(f"{service.url}/v1/apps/shop/deploy", content=body, headers=headers)
    assert (response.status_code, [problem["loc"] for problem in response.json()["detail"]]) == (422, [["body"]])


def test_deploys_are_listed_newest_first_within_a_limit(service: Service, store: Store, keys: Keys) -> None:
    """An app's own, without those that cannot be read."""
    app = f"app-{keys.deploy}"
    for number in range(3):
        Deploy(store, Keys(app, f"d{number}"))
        time.sleep(0.002)  # the list is in order of the milliseconds of creation
    Deploy(store, Keys(f"{app}-2", "other"))
    store.client.delete(Keys(app, "d1").state)
    address = f"{service.url}/v1/apps/{app}/deploys"
    found = [httpx2.get(address, params=query).json()["deploys"] for query in ({}, {"limit": 1})]
    assert [[deploy["deploy_id"] for deploy in deploys] for deploys in found] == [["d2", "d0"], ["d2"]]
    assert found[0][0] == httpx2.get(url(service, Keys(app, "d2"))).json()


@pytest.mark.parametrize("limit", ["0", "501", "-1", "many"])
def test_a_limit_out_of_bounds_is_422(service: Service, limit: str) -> None:
    """Between 1 and 500."""
    response = httpx2.get(f"{service.url}/v1/apps/shop/deploys", params={"limit": limit})
    assert (response.status_code, response.json()["detail"][0]["loc"]) == (422, ["query", "limit"])


def test_an_unknown_deploy_is_404_everywhere(service: Service, keys: Keys) -> None:
    """Shown or cancelled: the documented shape."""
    for response in (httpx2.get(url(service, keys)), httpx2.post(url(service, keys, "/cancel"))):
        assert (response.status_code, response.json()) == (404, unknown(keys))


def test_an_unknown_path_and_a_wrong_method_have_the_one_shape(service: Service) -> None:
    """Whatever is asked for, errors look the same."""
    missing = httpx2.get(f"{service.url}/v2/nothing")
    assert (missing.status_code, missing.json()) == (404, error(404, "NotFoundError", "Not Found"))
    wrong = httpx2.put(f"{service.url}/v1/apps/shop/deploy", json={})
    assert (wrong.status_code, wrong.json()) == (405, error(405, "MethodNotAllowedError", "Method Not Allowed"))
    assert wrong.headers["allow"] == "POST"


def test_a_queued_deploy_that_is_cancelled_has_ended(service: Service, store: Store, keys: Keys) -> None:
    """At once, with the last line and the status; a second cancel finds it ended."""
    Deploy(store, keys, building=False)
    response = httpx2.post(url(service, keys, "/cancel"))
    expected = {"app_id": "shop", "deploy_id": keys.deploy, "status": "cancelled"}
    assert (response.status_code, response.json()) == (202, expected)
    stream = httpx2.get(url(service, keys, "/logs/stream"))
    assert words(stream.content) == ["1:queued", "2", "3:cancelled", "done"]
    again = httpx2.post(url(service, keys, "/cancel"))
    message = f"deploy '{keys.deploy}' of app 'shop' has ended: cancelled"
    assert (again.status_code, again.json()) == (409, error(409, "ConflictError", message))


def test_a_building_deploy_is_asked_to_stop(service: Service, store: Store, client: redis.Redis, keys: Keys) -> None:
    """It goes on until its writer takes note; to ask twice is no error."""
    deploy = Deploy(store, keys)
    for _ in range(2):
        response = httpx2.post(url(service, keys, "/cancel"))
        assert (response.status_code, response.json()["status"]) == (202, "building")
    assert client.hexists(keys.state, "cancel")
    deploy.finish(Status.CANCELLED)
    shown = httpx2.get(url(service, keys)).json()
    assert (shown["status"], shown["lines"], shown["last_seq"]) == ("cancelled", 1, 4)
    assert shown["started_at"] <= shown["finished_at"]


def test_a_deploy_of_another_version_is_shown_all_the_same(
    service: Service, store: Store, client: redis.Redis, keys: Keys
) -> None:
    """What was asked for cannot be read: that alone is left out."""
    Deploy(store, keys)
    client.hset(keys.state, "simulate", json.dumps({"scenario": "from the future"}))
    shown = httpx2.get(url(service, keys))
    assert (shown.status_code, shown.json()["simulate"]) == (200, None)


def test_a_deploy_that_the_queue_does_not_take_never_starts(valkey: str, keys: Keys) -> None:
    """503 with `Retry-After`; who watches sees it end, and nobody waits for it."""
    with socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))
        queue = f"redis://:secret@127.0.0.1:{closed.getsockname()[1]}/0"
        with start_api(valkey, "--queue-url", queue) as service:
            response = httpx2.post(f"{service.url}/v1/apps/shop/deploy", json={"deploy_id": keys.deploy})
            message = f"The job queue does not take the deploy: {queue.replace('secret', '***')} is away"
            assert (response.status_code, response.json()) == (
                503,
                error(503, "ServiceUnavailableError", message, "queue_away"),
            )
            assert int(response.headers["retry-after"]) > 0
            shown = httpx2.get(url(service, keys)).json()
            assert (shown["status"], shown["error"]) == ("failed", "never_started")
            stream = httpx2.get(url(service, keys, "/logs/stream"))
            assert words(stream.content) == ["1:queued", "2", "3:failed", "done"]
            assert b'"line":"Deploy failed: never_started"' in stream.content
