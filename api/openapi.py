"""Adds what FastAPI cannot know to the OpenAPI document: the events inside the stream."""

from typing import Any, Literal

from fastapi import FastAPI
from pydantic import BaseModel
from pydantic.json_schema import models_json_schema

from producer.models import GapEvent, LogEvent, StatusEvent

_REF = "#/components/schemas/{model}"
_EVENTS: list[tuple[type[BaseModel], Literal["serialization"]]] = [
    (LogEvent, "serialization"),
    (StatusEvent, "serialization"),
    (GapEvent, "serialization"),
]


def publish_events(app: FastAPI) -> None:
    """Let the document of `app` hold the schemas of the stream's events."""
    describe = app.openapi

    def openapi() -> dict[str, Any]:
        document = describe()
        schemas = document["components"]["schemas"]
        if LogEvent.__name__ not in schemas:
            _, definitions = models_json_schema(_EVENTS, ref_template=_REF)
            schemas.update(definitions["$defs"])
        return document

    app.openapi = openapi  # type: ignore[method-assign] # FastAPI's documented way to extend the document
