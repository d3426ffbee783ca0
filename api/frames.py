"""Events as Server-Sent Events, byte for byte (WHATWG HTML, section 9.2).

A blank line only ever ends an event: comments and `retry` are single lines, since widely used clients make an empty
event of a blank line that follows them.
"""

import json
from collections.abc import Sequence

from producer.event import Event, Numbered

DONE = "done"
TRIMMED, LAGGED, LOST = "trimmed", "lagged", "lost"

_HEADS = Numbered(b"id: %d\ndata: ")


def event(event: Event) -> bytes:
    """The frame of a log line (unnamed) or a status change; its id is its seq."""
    name = b"" if event.status is None else b"event: status\n"
    return b"%sid: %d\ndata: %s\n\n" % (name, event.seq, event.data)


def lines(entries: Sequence[bytes], first: int) -> bytes:
    """The frames of log lines, as they are stored, numbered from `first` on: a block."""
    pieces = [b"\n\n"] * (3 * len(entries))
    pieces[::3] = _HEADS.run(first, len(entries))
    pieces[1::3] = entries
    return b"".join(pieces)


def line_in(block: bytes, seq: int) -> bytes:
    """The frame of line `seq`, which is in the block."""
    frame, end, _ = lines_behind(block, seq - 1).partition(b"\n\n")
    return frame + end


def lines_behind(block: bytes, seq: int) -> bytes:
    """The block from the frame of line `seq` + 1 on, which is in it."""
    start = b"id: %d\n" % (seq + 1)
    return block if block.startswith(start) else block[block.index(b"\n\n" + start) + 2 :]


def gap(first: int, last: int | None, reason: str, identity: int | None = None) -> bytes:
    """The events `first` to `last` (None: the end is not known) will not come.

    Its id is `last`, or `identity` where the ids fall back; none where neither is known.
    """
    data = json.dumps({"from": first, "to": last, "reason": reason}, separators=(",", ":"))
    at = last if identity is None else identity
    line = "" if at is None else f"id: {at}\n"
    return f"event: gap\n{line}data: {data}\n\n".encode()


def done(identity: int | None) -> bytes:
    """The end of the stream of a finished deploy."""
    line = "" if identity is None else f"id: {identity}\n"
    return f"event: {DONE}\n{line}data: {{}}\n\n".encode()


def retry(milliseconds: int) -> bytes:
    """After how long a client should come back."""
    return b"retry: %d\n" % milliseconds


def comment(text: str) -> bytes:
    """A line that clients ignore. `text` has no line breaks."""
    return f": {text}\n".encode()


def http_chunk(pieces: Sequence[bytes]) -> bytes:
    """The pieces joined, as one chunk of an HTTP/1.1 body (RFC 9112, section 7.1). They must not all be empty."""
    return b"".join(http_chunk_pieces(pieces))


def http_chunk_pieces(pieces: Sequence[bytes]) -> list[bytes]:
    """The same chunk, to be sent piece by piece."""
    return [b"%x\r\n" % sum(map(len, pieces)), *pieces, b"\r\n"]


def http_chunk_data(chunk: bytes) -> bytes:
    """What is inside a chunk."""
    return chunk[chunk.index(b"\n") + 1 : -2]
