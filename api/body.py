"""A bound on what a request may carry: a body is read as a whole before anything looks at it."""

from starlette.exceptions import HTTPException
from starlette.types import Message, Receive

MAX_BYTES = 32 * 1024 * 1024
"""A recording of the largest size fits, however it is escaped in JSON, but for one of escapes alone."""


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
