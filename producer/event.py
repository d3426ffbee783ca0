"""The one encoding of an event: a list entry, a published message and an SSE `data:` are the same JSON bytes.

A log line:       {"seq":17,"ts":1711741200.123,"line":"Downloading bundle"}       and stream, level, step where known
A status change:  {"seq":18,"ts":1711741201.000,"status":"complete","lines":16,"crc32":302011}     reason, detail too

No byte below 0x20 occurs in it, so an event can never be taken apart by a line break. U+0085, U+2028 and U+2029,
which some clients split lines at, are escaped as well.
"""

import json
import re
from json.encoder import encode_basestring
from typing import Any, NamedTuple, NoReturn

from producer.proof import Proof
from producer.status import Status

MAX_LINE_BYTES = 16 * 1024
MAX_SEQ = 2**53 - 1  # what JavaScript can still count

_MARK_BYTES = 64
_MAX_TS = 1e12

_SEPARATORS = str.maketrans({"\x85": "\\u0085", "\u2028": "\\u2028", "\u2029": "\\u2029"})
_SURROGATES = re.compile("[\ud800-\udfff]")


class Event(NamedTuple):
    """A decoded event. `line` is set for a log line, `status` for a status change; `data` are its bytes."""

    seq: int
    ts: float
    data: bytes
    line: str | None
    status: Status | None


def clean(line: str | bytes, omitted: int = 0) -> str:
    """A line as it may be stored: valid Unicode of at most MAX_LINE_BYTES of UTF-8.

    What is not valid UTF-8, and each lone surrogate, becomes U+FFFD. A longer line is cut between two characters and
    ends in a mark that tells how many bytes are missing, `omitted` (left out before) among them. Everything else, line
    breaks too, stays as it is.
    """
    text = line.decode("utf-8", "replace") if isinstance(line, bytes) else line
    if not omitted and len(text) <= MAX_LINE_BYTES and text.isascii():
        return text
    try:
        data = text.encode()
    except UnicodeEncodeError:
        text = _SURROGATES.sub("\ufffd", text)
        data = text.encode()
    if not omitted and len(data) <= MAX_LINE_BYTES:
        return text
    kept = data[: MAX_LINE_BYTES - _MARK_BYTES].decode("utf-8", "ignore")
    missing = len(data) + omitted - len(kept.encode())
    return f"{kept} … [line cut: {missing:,} bytes left out]"


def encode_line(
    seq: int,
    ts: float,
    line: str,
    stream: str | None = None,
    level: str | None = None,
    step: str | None = None,
) -> bytes:
    """One log line as JSON bytes. `line` is clean text; `ts` Unix seconds."""
    text = f'{{"seq":{seq},"ts":{ts:.3f},"line":{encode_basestring(line)}'
    if stream is not None:
        text += f',"stream":{encode_basestring(stream)}'
    if level is not None:
        text += f',"level":{encode_basestring(level)}'
    if step is not None:
        text += f',"step":{encode_basestring(step)}'
    text += "}"
    return (text if text.isascii() else text.translate(_SEPARATORS)).encode()


def encode_status(
    seq: int,
    ts: float,
    status: Status,
    reason: str | None = None,
    detail: str | None = None,
    proof: Proof | None = None,
) -> bytes:
    """One status change as JSON bytes. A terminal one carries the `proof` of the whole log."""
    text = f'{{"seq":{seq},"ts":{ts:.3f},"status":"{status}"'
    if reason is not None:
        text += f',"reason":{encode_basestring(reason)}'
    if detail is not None:
        text += f',"detail":{encode_basestring(detail)}'
    if proof is not None:
        text += f',"lines":{proof.lines},"crc32":{proof.crc32}'
    return (text + "}").translate(_SEPARATORS).encode()


def decode(data: bytes) -> Event | None:
    """The event in `data`, or None where the bytes are not in our encoding."""
    if not data.startswith(b'{"seq":') or b"\n" in data or b"\r" in data:
        return None
    try:
        fields = _DECODER.decode(data.decode())
        if b"\\ud" in data or b"\\uD" in data:
            _encodable(fields)
        return _event(fields, data)
    except (ValueError, KeyError, TypeError, RecursionError):
        return None


def _event(fields: dict[str, Any], data: bytes) -> Event | None:
    seq, ts, line, status = fields["seq"], fields["ts"], fields.get("line"), fields.get("status")
    if type(seq) is not int or not 1 <= seq <= MAX_SEQ:
        return None
    if type(ts) not in (int, float) or not -_MAX_TS < ts < _MAX_TS:  # not NaN either
        return None
    if status is None:
        right = isinstance(line, str) and _have(str, fields, "stream", "level", "step")
    else:
        right = line is None and _have(str, fields, "reason", "detail") and _have(int, fields, "lines", "crc32")
    return Event(seq, float(ts), data, line, None if status is None else Status(status)) if right else None


def _have(kind: type[str] | type[int], fields: dict[str, Any], *names: str) -> bool:
    """Whether those of the fields that there are have this type, and are no negative numbers."""
    found = [fields[name] for name in names if name in fields]
    return all(type(value) is kind and (kind is str or int(value) >= 0) for value in found)


def _encodable(fields: dict[str, Any]) -> None:
    for value in fields.values():
        if isinstance(value, str):
            value.encode()


def _refuse(constant: str) -> NoReturn:
    raise ValueError(f"{constant} is not JSON")


_DECODER = json.JSONDecoder(parse_constant=_refuse)
