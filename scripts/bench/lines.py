"""The lines that are sent: each event is EVENT_BYTES of JSON, and its text tells its number and when it was written."""

from producer.event import encode_line

EVENT_BYTES = 261
STREAM = "stdout"

_FIRST_SEQ = 3  # behind `queued` and `building`
_FILLER = "uploaded dist/assets/chunk.js and told the cache of it; " * 5


def text(n: int, written: int = 0) -> str:
    """The text of line `n`, from 1. `written` is when, in Unix microseconds; 0 where its delay does not count."""
    head = f"n={n} t={written} "
    room = EVENT_BYTES - _frame_bytes(n) - len(head)
    return head + _FILLER[:room]


def event(n: int, line: str, ts: float) -> bytes:
    """Line `n` as the event that deploytail's own writer makes of it."""
    return encode_line(n + _FIRST_SEQ - 1, ts, line, STREAM)


def _frame_bytes(n: int) -> int:
    """How many bytes of the event are not its text; as many for all numbers of the same length."""
    return len(event(n, "", 1e9))
