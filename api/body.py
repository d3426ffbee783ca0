"""What a request may carry: a bound on its body, and its JSON, of which only what belongs there is ever built.

A body is read as a whole before anything looks at it, and whatever decodes it holds the process up, a thread or not.
32 MiB of empty lists take two seconds as Python objects; to pass over them takes a twentieth of that.
"""

from collections.abc import Callable
from typing import Any

import msgspec
from fastapi import Request
from fastapi.routing import APIRoute
from pydantic import BaseModel
from starlette.exceptions import HTTPException
from starlette.responses import Response
from starlette.types import Message, Receive

MAX_BYTES = 32 * 1024 * 1024
"""A recording of the largest size fits, however it is escaped in JSON, but for one of escapes alone."""

_Scalar = str | int | float | bool | None
_UNKNOWN = "Object contains unknown field `"
_NAME_CHARACTERS = 100


class InvalidBody(HTTPException):
    """The body is not what it should be: `problem` has where (`loc`), why (`msg`) and of what `type`."""

    def __init__(self, loc: list[str], msg: str, kind: str) -> None:
        super().__init__(422, msg)
        self.problem = {"loc": ["body", *loc], "msg": msg, "type": kind}


def bounded(receive: Receive, most: int = MAX_BYTES) -> Receive:
    """The same, until the body is larger than `most` bytes; then HTTPException with status 413."""
    had = 0

    async def bounded_receive() -> Message:
        nonlocal had
        message = await receive()
        had += len(message.get("body", b""))
        if had > most:
            raise HTTPException(413, f"a request may have {most} bytes at the most")
        return message

    return bounded_receive


def decoder(model: type[BaseModel]) -> Callable[[bytes], Any]:
    """Decodes the JSON of a model whose fields are scalars and such models, for the model to validate.

    What a field cannot hold, and the first field that the model forbids, raise InvalidBody; other fields are left out.
    """
    decode = msgspec.json.Decoder(_shape(model)).decode

    def decoded(body: bytes) -> Any:
        try:
            return msgspec.to_builtins(decode(body))
        except msgspec.ValidationError as error:
            raise _invalid(str(error)) from None
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
            raise InvalidBody([], f"JSON decode error: {error}", "json_invalid") from None

    return decoded


def route_decoding(model: type[BaseModel]) -> type[APIRoute]:
    """The kind of route whose body is such a model."""
    decode = decoder(model)

    class Decoding(Request):
        async def json(self) -> Any:
            return decode(await self.body())

    class Route(APIRoute):
        def get_route_handler(self) -> Callable[[Request], Any]:
            handle = super().get_route_handler()

            async def handle_decoding(request: Request) -> Response:
                response: Response = await handle(Decoding(request.scope, request.receive))
                return response

            return handle_decoding

    return Route


def _invalid(said: str) -> InvalidBody:
    """What msgspec has said of a value that has another shape: `What - at `$.path``."""
    what, _, path = said.rpartition(" - at `$")
    where = [name for name in path.rstrip("`").split(".") if name] if what else []
    what = what or said
    if what.startswith(_UNKNOWN):
        name = what[len(_UNKNOWN) : -1]
        return InvalidBody([*where, name[:_NAME_CHARACTERS]], "There is no such field", "extra_forbidden")
    return InvalidBody(where, what, "wrong_type")


def _shape(model: type[BaseModel]) -> Any:
    fields = [(name, _kind(field.annotation), msgspec.UNSET) for name, field in model.model_fields.items()]
    forbids = model.model_config.get("extra") == "forbid"
    return msgspec.defstruct(model.__name__, fields, forbid_unknown_fields=forbids)


def _kind(annotation: Any) -> Any:
    is_model = isinstance(annotation, type) and issubclass(annotation, BaseModel)
    return (_shape(annotation) if is_model else _Scalar) | msgspec.UnsetType
