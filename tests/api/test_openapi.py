"""The published description: the stream operation is the one that its public documentation gives."""

from typing import Any

import pytest

from api.app import create_app
from api.settings import ApiSettings

STREAM = "/v1/apps/{app_id}/deploys/{deploy_id}/logs/stream"


def error(description: str) -> dict[str, Any]:
    """A response of the one shape of errors."""
    return {
        "description": description,
        "content": {"application/json": {"schema": {"$ref": "#/components/schemas/ErrorResponse"}}},
    }


def path_parameter(name: str, title: str) -> dict[str, Any]:
    """An id in the path."""
    return {"name": name, "in": "path", "required": True, "schema": {"type": "string", "title": title}}


DOCUMENTED: dict[str, Any] = {
    "paths": {
        STREAM: {
            "get": {
                "tags": ["Apps"],
                "summary": "Stream deploy logs (SSE)",
                "description": (
                    "Server-Sent Events stream of real-time deploy logs.\n\n"
                    "Sends cached logs first (catch-up), then subscribes to live log\n"
                    "events via Redis pub/sub until the deploy reaches a terminal state."
                ),
                "operationId": "stream_deploy_logs_v1_apps__app_id__deploys__deploy_id__logs_stream_get",
                "parameters": [path_parameter("app_id", "App Id"), path_parameter("deploy_id", "Deploy Id")],
                "responses": {
                    "200": {
                        "description": "Successful Response",
                        "content": {"application/json": {"schema": {}}, "text/event-stream": {}},
                    },
                    "204": {},
                    "400": error("Bad Request"),
                    "401": error("Unauthorized"),
                    "403": error("Forbidden"),
                    "404": error("Not Found"),
                    "429": {"content": error("")["content"]},
                    "500": error("Internal Server Error"),
                    "503": {"content": error("")["content"]},
                    "422": {
                        "description": "Validation Error",
                        "content": {
                            "application/json": {"schema": {"$ref": "#/components/schemas/HTTPValidationError"}}
                        },
                    },
                },
            }
        }
    },
    "components": {
        "schemas": {
            "ErrorResponse": {
                "type": "object",
                "title": "ErrorResponse",
                "required": ["status", "error"],
                "properties": {
                    "success": {"type": "boolean", "title": "Success", "default": False},
                    "status": {"type": "integer", "title": "Status"},
                    "error": {"$ref": "#/components/schemas/ErrorDetail"},
                },
            },
            "ErrorDetail": {
                "type": "object",
                "title": "ErrorDetail",
                "required": ["message", "type"],
                "properties": {
                    "message": {"type": "string", "title": "Message"},
                    "type": {"type": "string", "title": "Type"},
                    "code": {"anyOf": [{"type": "string"}, {"type": "null"}], "title": "Code"},
                    "details": {"anyOf": [{"type": "object"}, {"type": "null"}], "title": "Details"},
                },
            },
            "HTTPValidationError": {
                "type": "object",
                "title": "HTTPValidationError",
                "properties": {
                    "detail": {
                        "type": "array",
                        "title": "Detail",
                        "items": {"$ref": "#/components/schemas/ValidationError"},
                    }
                },
            },
            "ValidationError": {
                "type": "object",
                "title": "ValidationError",
                "required": ["loc", "msg", "type"],
                "properties": {
                    "loc": {
                        "type": "array",
                        "title": "Location",
                        "items": {"anyOf": [{"type": "string"}, {"type": "integer"}]},
                    },
                    "msg": {"type": "string", "title": "Message"},
                    "type": {"type": "string", "title": "Error Type"},
                },
            },
        }
    },
}


def common(documented: Any, published: Any) -> Any:
    """The published part of what is documented: mappings by the documented keys, lists of mappings by their place."""
    if isinstance(documented, dict) and isinstance(published, dict):
        return {key: common(value, published[key]) for key, value in documented.items() if key in published}
    if isinstance(documented, list) and isinstance(published, list):
        return [common(*pair) for pair in zip(documented, published, strict=False)]
    return published


@pytest.fixture(scope="module")
def published() -> dict[str, Any]:
    """The description as it is served."""
    return create_app(ApiSettings(redis_url="redis://127.0.0.1:1/0")).openapi()


def test_the_documented_operation_is_part_of_the_published_one(published: dict[str, Any]) -> None:
    """Everything that the documentation gives is there, unchanged; what we add is beside it."""
    assert common(DOCUMENTED, published) == DOCUMENTED


def test_what_we_add_to_the_stream_is_optional(published: dict[str, Any]) -> None:
    """A client written for the documented operation needs nothing more: each further parameter may be left out."""
    parameters = published["paths"][STREAM]["get"]["parameters"]
    assert {(p["name"], p["in"]): p["required"] for p in parameters} == {
        ("app_id", "path"): True,
        ("deploy_id", "path"): True,
        ("Last-Event-ID", "header"): False,
        ("last_event_id", "query"): False,
        ("speed", "query"): False,
        ("max_idle", "query"): False,
    }


def test_every_operation_has_the_one_shape_of_errors(published: dict[str, Any]) -> None:
    """No error response of any operation has another schema."""
    found = {
        (status, body["content"]["application/json"]["schema"].get("$ref", "").rpartition("/")[2])
        for operations in published["paths"].values()
        for operation in operations.values()
        for status, body in operation["responses"].items()
        if status >= "400"
    }
    assert {name for status, name in found if status != "422"} == {"ErrorResponse"}
    assert {name for status, name in found if status == "422"} == {"HTTPValidationError"}
