"""Errors to responses: one map, and always the documented shape."""

import logging
from collections.abc import Awaitable, Callable
from typing import Any

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse, Response
from starlette.exceptions import HTTPException

from api.body import InvalidBody
from api.limits import TooManyWatchers
from api.schemas import ErrorDetail, ErrorResponse
from producer.errors import (
    DeployExists,
    DeployLogError,
    Finished,
    StoreAway,
    StoreFull,
    UnknownDeploy,
)

log = logging.getLogger(__name__)

RETRY_AFTER_SECONDS = 2
_MAX_PROBLEMS = 20

TYPES = {
    400: "BadRequestError",
    401: "UnauthorizedError",
    403: "ForbiddenError",
    404: "NotFoundError",
    405: "MethodNotAllowedError",
    409: "ConflictError",
    413: "PayloadTooLargeError",
    429: "TooManyRequestsError",
    500: "InternalServerError",
    503: "ServiceUnavailableError",
}

_STATUS: dict[type[Exception], int] = {
    UnknownDeploy: 404,
    DeployExists: 409,
    Finished: 409,
    StoreAway: 503,
    StoreFull: 503,
}


class QueueAway(Exception):
    """The job queue does not take the job."""


def response(
    status: int,
    message: str,
    *,
    code: str | None = None,
    details: dict[str, Any] | None = None,
    headers: dict[str, str] | None = None,
) -> JSONResponse:
    """An error in the documented shape."""
    error = ErrorDetail(message=message, type=TYPES.get(status, f"HTTP{status}Error"), code=code, details=details)
    body = ErrorResponse(status=status, error=error)
    headers = dict(headers or {})
    if status in (429, 503):
        headers.setdefault("Retry-After", str(RETRY_AFTER_SECONDS))
    headers.setdefault("Cache-Control", "no-store")
    return JSONResponse(body.model_dump(mode="json"), status, headers)


def not_found(path: dict[str, Any]) -> JSONResponse:
    """No such deploy, seen from outside the same as one that is not yours."""
    app, deploy = str(path.get("app_id", "")), str(path.get("deploy_id", ""))
    details = {"resource": "deploy", "id": deploy}
    return response(404, f"no deploy {deploy!r} of app {app!r}", details=details)


def install(app: FastAPI) -> None:
    """Let `app` answer every error in the documented shape."""
    for kind, handler in _HANDLERS.items():
        app.add_exception_handler(kind, handler)


async def answer(request: Request, error: Exception) -> Response:
    """What `app` answers to an error, for what is served without it. Raises the error where it is a bug."""
    for kind in type(error).__mro__:
        if kind is not Exception and kind in _HANDLERS:
            return await _HANDLERS[kind](request, error)
    raise error


async def _of_log(request: Request, error: Exception) -> Response:
    if isinstance(error, UnknownDeploy):
        return not_found(request.path_params)
    status = _STATUS.get(type(error), 500)
    if status == 500:
        log.error("cannot serve %s", request.url.path, exc_info=error)
        return response(500, "The log of this deploy cannot be read")
    if status == 503:
        return response(503, "The log store does not answer; try again soon", code="store_away")
    return response(status, str(error))


async def _of_queue(_: Request, error: Exception) -> Response:
    return response(503, str(error), code="queue_away")


async def _of_limit(_: Request, error: Exception) -> Response:
    of_caller = isinstance(error, TooManyWatchers) and error.of_caller
    return response(429 if of_caller else 503, str(error), code="too_many_streams")


async def _of_http(_: Request, error: Exception) -> Response:
    if not isinstance(error, HTTPException):
        raise error
    return response(error.status_code, str(error.detail), headers=dict(error.headers or {}))


async def _of_validation(_: Request, error: Exception) -> Response:
    if not isinstance(error, RequestValidationError):
        raise error
    kept = ("loc", "msg", "type")
    detail = [{key: problem[key] for key in kept} for problem in error.errors()[:_MAX_PROBLEMS]]
    return JSONResponse({"detail": detail}, 422)


async def _of_body(_: Request, error: Exception) -> Response:
    if not isinstance(error, InvalidBody):
        raise error
    return JSONResponse({"detail": [error.problem]}, 422)


async def _of_bug(_: Request, __: Exception) -> Response:
    return response(500, "Something went wrong on our side")


_HANDLERS: dict[type[Exception], Callable[[Request, Exception], Awaitable[Response]]] = {
    DeployLogError: _of_log,
    QueueAway: _of_queue,
    TooManyWatchers: _of_limit,
    InvalidBody: _of_body,
    HTTPException: _of_http,
    RequestValidationError: _of_validation,
    Exception: _of_bug,
}
