"""A client of the service: follows a log over any number of reconnects, and asks for, lists and cancels deploys."""

import json
import random
import time
from collections.abc import Callable, Iterator
from types import TracebackType
from typing import Any, NamedTuple, Self

import httpx2

DONE, GAP, LINE, STATUS = "done", "gap", "line", "status"

_SILENCE_SECONDS = 45.0  # three heartbeats
_CONNECT_SECONDS = 5.0
_PATIENCE_SECONDS = 120.0
_STOOD_SECONDS = 1.0
_TELL_SECONDS = 1.0  # most breaks are mended before anybody would notice


class ServiceAway(Exception):
    """The service, or the store behind it, does not answer."""


class Refused(Exception):
    """The service refuses the request. `status` is the HTTP status."""

    def __init__(self, status: int, message: str) -> None:
        self.status = status
        super().__init__(message)


class Message(NamedTuple):
    """One event of a stream: a LINE, a STATUS, a GAP, or DONE. `id` is empty where it has none."""

    kind: str
    data: dict[str, Any]
    id: str


class Client:
    """Talks to the service at `url`. `patience` is for how many seconds a stream that broke is tried again.

    `tell` is told, in words for a person, that a stream is broken, and that it is back.
    """

    def __init__(
        self, url: str, patience: float = _PATIENCE_SECONDS, tell: Callable[[str], None] | None = None
    ) -> None:
        self.url = url.rstrip("/")
        self._patience = patience
        self._tell = tell or (lambda _: None)
        timeout = httpx2.Timeout(_SILENCE_SECONDS, connect=_CONNECT_SECONDS)
        self._http = httpx2.Client(base_url=self.url, timeout=timeout)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._http.close()

    def request(self, method: str, path: str, body: dict[str, Any] | None = None) -> dict[str, Any]:
        """The JSON answer to a request. Raises Refused, ServiceAway."""
        try:
            response = self._http.request(method, path, json=body)
        except httpx2.HTTPError as error:
            raise self._away(error) from error
        if response.is_success:
            answer: dict[str, Any] = response.json()
            return answer
        raise self._refusal(response)

    def follow(
        self, app: str, deploy: str, *, speed: float | None = None, max_idle: float | None = None
    ) -> Iterator[Message]:
        """Every event of the log to its end; comes back, behind the last event that it has, as often as needed.

        `speed` plays a finished deploy at that many times its pace. Raises Refused, and ServiceAway when the first
        connection fails, or none has stood for the whole patience.
        """
        path = f"/v1/apps/{app}/deploys/{deploy}/logs/stream"
        given = {"speed": speed, "max_idle": max_idle}
        parameters = {name: value for name, value in given.items() if value is not None}
        last, retry_ms = "", 2_000
        breaks = _Breaks(self._patience, self._tell)
        while True:
            try:
                for event in self._events(path, parameters, last):
                    breaks.heard(event is not None)
                    if event is None:
                        continue
                    last = event.id or last
                    retry_ms = event.retry or retry_ms
                    yield _message(event)
                    if event.event == DONE:
                        return
                trouble: Exception = ServiceAway(f"{self.url} closes the stream again and again")
            except _Nothing:
                return
            except (ServiceAway, httpx2.HTTPError) as error:
                trouble = error
            if not breaks.broke():
                raise self._away(trouble) from trouble
            time.sleep(retry_ms / 1000 * random.uniform(0.5, 1.0))

    def _events(self, path: str, parameters: dict[str, float], last: str) -> Iterator[httpx2.ServerSentEvent | None]:
        """The events of one connection, after a None that says that it stands."""
        headers = {"Accept": "text/event-stream"} | ({"Last-Event-ID": last} if last else {})
        with self._http.stream("GET", path, params=parameters, headers=headers) as response:
            if response.status_code == 204:
                raise _Nothing
            if response.status_code != 200:
                response.read()
                raise self._refusal(response)
            yield None
            yield from httpx2.EventSource(response)

    def _refusal(self, response: httpx2.Response) -> Exception:
        message = _words(response) or f"HTTP status {response.status_code}"
        if response.status_code in (429, 502, 503, 504):
            return ServiceAway(f"{self.url} cannot serve now: {message}")
        return Refused(response.status_code, message)

    def _away(self, error: Exception) -> ServiceAway:
        if isinstance(error, ServiceAway):
            return error
        return ServiceAway(f"no deploytail service answers at {self.url} ({error})")


class _Breaks:
    """For how long a stream has been broken, and what is said of it."""

    def __init__(self, patience: float, tell: Callable[[str], None]) -> None:
        self._patience = patience
        self._tell = tell
        self._connected_at: float | None = None
        self._broken_at: float | None = None
        self._event = False
        self._told = False

    def heard(self, event: bool) -> None:
        """The connection stands; `event`: it has brought an event."""
        self._connected_at = self._connected_at or time.monotonic()
        self._event = self._event or event
        if self._told:
            self._told = False
            self._tell("connected again")

    def broke(self) -> bool:
        """The connection is gone, or there was none; whether to try again."""
        now, connected_at = time.monotonic(), self._connected_at
        if connected_at is None and self._broken_at is None:
            return False  # it has never stood
        # Only a connection that brought something, or stood for a while, is a sign that the service is well.
        well = self._event or (connected_at is not None and now - connected_at > _STOOD_SECONDS)
        self._broken_at = now if well or self._broken_at is None else self._broken_at
        self._connected_at, self._event = None, False
        if not self._told and now - self._broken_at > _TELL_SECONDS:
            self._told = True
            self._tell("connection lost, trying again...")
        return now - self._broken_at <= self._patience


class _Nothing(Exception):
    """204: the log is over, and we have it all."""


def _message(event: httpx2.ServerSentEvent) -> Message:
    kind = LINE if event.event == "message" else event.event
    return Message(kind, json.loads(event.data), event.id)


def _words(response: httpx2.Response) -> str | None:
    """What the answer says is wrong, in whatever shape: ours, FastAPI's, or another service's."""
    try:
        match response.json():
            case {"error": {"message": str(message)}} | {"error": str(message)} | {"detail": str(message)}:
                return message
            case {"detail": [*problems]}:
                return "; ".join(f"{_field(problem['loc'])}: {problem['msg']}" for problem in problems)
    except (ValueError, KeyError, TypeError):
        pass
    return None


def _field(location: list[Any]) -> str:
    return ".".join(str(part) for part in location[1:]) or str(location[0])
