"""The stream endpoint, with the description that its public documentation gives."""

from typing import Annotated, Any

from fastapi import APIRouter, Query, Request
from fastapi.responses import Response
from starlette.types import Receive, Scope, Send

from api import resume
from api.deploys import AWAY, ERRORS
from api.pace import Pace
from api.schemas import ErrorResponse
from api.services import AppId, DeployId, ServicesOf
from api.stream import LogStream
from producer.keys import Keys

STREAM_PATH = "/v1/apps/{app_id}/deploys/{deploy_id}/logs/stream"

router = APIRouter(tags=["Apps"])

_EXAMPLE = """retry: 1840
event: status
id: 1
data: {"seq":1,"ts":1711741199.870,"status":"queued"}

event: status
id: 2
data: {"seq":2,"ts":1711741200.002,"status":"building"}

id: 3
data: {"seq":3,"ts":1711741200.123,"line":"Downloading bundle from S3..."}

id: 4
data: {"seq":4,"ts":1711741205.345,"line":"Deploy complete!","stream":"system"}

event: status
id: 5
data: {"seq":5,"ts":1711741205.345,"status":"complete","lines":2,"crc32":556218500}

event: done
id: 6
data: {}

"""

_RESPONSES: dict[int | str, dict[str, Any]] = {
    200: {
        "description": "Successful Response",
        "content": {
            "application/json": {"schema": {}},
            "text/event-stream": {
                "schema": {
                    "type": "string",
                    "description": "Server-Sent Events. The data of an unnamed event is a LogEvent, of `status` a "
                    "StatusEvent, of `gap` a GapEvent, of `done` an empty object.",
                },
                "example": _EXAMPLE,
            },
        },
    },
    204: {"description": "The client has the whole log and its end: do not come back"},
    429: {"model": ErrorResponse, "description": "Too many open streams from your address"},
}

# Documented here and read from the request: as declared parameters a value given twice would not be seen.
_RESUME = [
    {
        "name": "Last-Event-ID",
        "in": "header",
        "required": False,
        "schema": {"type": "string", "title": "Last-Event-Id"},
        "description": "Id of the last event that you have: the stream goes on behind it.",
    },
    {
        "name": "last_event_id",
        "in": "query",
        "required": False,
        "schema": {"type": "string", "title": "Last Event Id"},
        "description": "The same, for clients that cannot set headers; the header wins.",
    },
]


@router.get(
    STREAM_PATH,
    summary="Stream deploy logs (SSE)",
    responses=_RESPONSES | ERRORS | AWAY,
    openapi_extra={"parameters": _RESUME},
)
async def stream_deploy_logs(
    request: Request,
    app_id: AppId,
    deploy_id: DeployId,
    services: ServicesOf,
    speed: Annotated[
        float | None,
        Query(
            gt=0,
            allow_inf_nan=False,
            description="Play a finished deploy at this many times its recorded pace.",
        ),
    ] = None,
    max_idle: Annotated[
        float | None,
        Query(ge=0, allow_inf_nan=False, description="The longest pause of such a replay, in seconds."),
    ] = None,
) -> Response:
    """Server-Sent Events stream of real-time deploy logs.

    Sends cached logs first (catch-up), then subscribes to live log
    events via Redis pub/sub until the deploy reaches a terminal state.
    """
    n = resume.parse(request.headers.getlist("last-event-id"), request.query_params.getlist("last_event_id"))
    pace = None if speed is None else Pace(speed, max_idle)
    keys = Keys(app_id, deploy_id)
    return _Streamed(LogStream(services.hub, services.watchers, services.slots, keys, n, pace))


class _Streamed(Response):
    """A response whose sending is the stream's own."""

    def __init__(self, stream: LogStream) -> None:
        super().__init__()
        self._stream = stream

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        await self._stream(scope, receive, send)
