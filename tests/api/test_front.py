"""The short way to a stream: it answers as the documented route does."""

import httpx2
import pytest

from producer.keys import Keys
from producer.status import Status
from producer.store import Store
from tests.api.support import Deploy, words
from tests.helpers import Service, start_api

KEPT = ("content-type", "cache-control", "x-accel-buffering", "x-content-type-options", "retry-after")


def both(url: str, **options: object) -> list[tuple[int, list[str | None], list[str] | dict[str, object]]]:
    """Status, headers and body by the short way and by the route, which a query leads to."""
    found = []
    for address in (url, f"{url}?any=thing"):
        answer = httpx2.get(address, **options)  # type: ignore[arg-type]
        is_stream = answer.headers.get("content-type", "").startswith("text/event-stream")
        body = words(answer.content) if is_stream else answer.json() if answer.content else []
        found.append((answer.status_code, [answer.headers.get(name) for name in KEPT], body))
    return found


@pytest.mark.parametrize("given", [[], ["2"], ["5"], ["6"], ["7"], ["x"], ["2", "2"]])
def test_a_deploy_is_streamed_alike(api: Service, store: Store, keys: Keys, given: list[str]) -> None:
    """The same events and headers, wherever the client starts; 204 where it has everything."""
    Deploy(store, keys).finish(Status.COMPLETE, "one")
    short, route = both(api.stream_url(keys.app, keys.deploy), headers=[("Last-Event-ID", value) for value in given])
    assert short == route


def test_an_unknown_deploy_is_refused_alike(api: Service, keys: Keys) -> None:
    """404 with the same details."""
    short, route = both(api.stream_url(keys.app, keys.deploy))
    assert (short[0], short) == (404, route)


@pytest.mark.parametrize("deploy", ["-x", "a.b", "%20", "x" * 65])
def test_an_id_that_is_none_is_refused_by_the_route(api: Service, deploy: str) -> None:
    """422 that names the field."""
    answer = httpx2.get(api.stream_url("shop", deploy))
    assert (answer.status_code, answer.json()["detail"][0]["loc"]) == (422, ["path", "deploy_id"])


def test_too_many_streams_are_refused_alike(valkey: str, store: Store, keys: Keys) -> None:
    """503 with the same words."""
    Deploy(store, keys)
    with start_api(valkey, "--max-watchers", "1") as service:
        url = service.stream_url(keys.app, keys.deploy)
        with httpx2.stream("GET", url) as response:
            assert response.status_code == 200
            short, route = both(url)
    assert (short[0], short) == (503, route)


@pytest.mark.parametrize("method", ["HEAD", "POST", "DELETE"])
def test_another_method_is_the_routes(api: Service, store: Store, keys: Keys, method: str) -> None:
    """405, at once."""
    Deploy(store, keys)
    assert httpx2.request(method, api.stream_url(keys.app, keys.deploy)).status_code == 405
