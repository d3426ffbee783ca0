"""The one encoding of an event: a list entry, a published message and an SSE `data:` are the same JSON bytes.

A log line:       {"seq":17,"ts":1711741200.123,"line":"Downloading bundle"}       and stream, level, step where known
A status change:  {"seq":18,"ts":1711741201.000,"status":"complete","lines":16,"crc32":302011}     reason, detail too

No byte below 0x20 occurs in it, so an event can never be taken apart by a line break. U+0085, U+2028 and U+2029,
which some clients split lines at, are escaped as well.
"""

import re
from collections.abc import Sequence
from itertools import repeat
from json.encoder import encode_basestring
from typing import Annotated, NamedTuple

import msgspec
from msgspec import UNSET, Meta, UnsetType

from producer.proof import Proof
from producer.status import Status

MAX_LINE_BYTES = 16 * 1024
MAX_SEQ = 2**53 - 1  # what JavaScript can still count

_MARK_BYTES = 64
_MAX_TS = 1e12
_KEPT = 10_000

_SEPARATORS = str.maketrans({"\x85": "\\u0085", "\u2028": "\\u2028", "\u2029": "\\u2029"})
# Of a control sequence without its last byte, or a string without its terminator.
_CUT_ESCAPE = re.compile(r"\x1b(?:[ -/]+|\[[0-?]{0,64}[ -/]{0,8}|[\]PX^_][^\x07\x1b]{0,4096}\x1b?)?\Z")
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

    What is not valid UTF-8, and each lone surrogate, becomes U+FFFD. A longer line is cut between two characters, not
    inside an escape code (ECMA-48), and ends in a mark that tells how many bytes are missing, `omitted` (left out
    before) among them. Everything else, line breaks too, stays as it is.
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
    kept = _CUT_ESCAPE.sub("", kept)
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
    fields = _decode(data)
    if fields is None:
        return None
    line, status = fields.line, fields.status
    return Event(fields.seq, fields.ts, data, None if line is UNSET else line, None if status is UNSET else status)


def are_lines(entries: Sequence[bytes], first: int) -> bool:
    """Whether all of these are log lines, numbered from `first` on: the quick way to look at many."""
    joined = b"".join(entries)
    if b"\n" in joined or b"\r" in joined or not all(map(bytes.startswith, entries, repeat(_START))):
        return False
    try:
        lines = _LINES.decode_lines(joined)
    except (msgspec.MsgspecError, ValueError, RecursionError):
        return False
    return [line.seq for line in lines] == list(range(first, first + len(entries)))


def are_stored_lines(entries: Sequence[bytes], first: int, *, sure: bool) -> bool:
    """The same for entries of the list, which holds nothing but what our scripts have put there.

    It looks at the number and the kind of each, and for line breaks, but does not decode the rest: half the time. Where
    it is `sure` that none is a status change, it need not look for one: a tenth of the time of a cold log.
    """
    joined = b"".join(entries)
    return (
        all(map(bytes.startswith, entries, _STARTS.run(first, len(entries))))
        and b"\n" not in joined
        and b"\r" not in joined
        and (sure or _STATUS not in joined)
    )


class Numbered:
    """Bytes with a number in them, made from `pattern`.

    Those of the first 10,000 numbers, which most logs go by, are made once and kept: half a megabyte, for a millisecond
    less in each such log.
    """

    def __init__(self, pattern: bytes) -> None:
        self._pattern = pattern
        self._first: list[bytes] = []

    def run(self, first: int, count: int) -> list[bytes]:
        """Those of so many numbers in a row."""
        if first + count > _KEPT:
            return [self._pattern % number for number in range(first, first + count)]
        self._first = self._first or [self._pattern % number for number in range(_KEPT)]
        return self._first[first : first + count]


_Seq = Annotated[int, Meta(ge=1, le=MAX_SEQ)]
_Ts = Annotated[float, Meta(gt=-_MAX_TS, lt=_MAX_TS)]


class _Fields(msgspec.Struct, gc=False):
    """What an event may hold, and within which bounds."""

    seq: _Seq
    ts: _Ts
    line: str | UnsetType = UNSET
    status: Status | UnsetType = UNSET
    stream: str | UnsetType = UNSET
    level: str | UnsetType = UNSET
    step: str | UnsetType = UNSET
    reason: str | UnsetType = UNSET
    detail: str | UnsetType = UNSET
    lines: Annotated[int, Meta(ge=0)] | UnsetType = UNSET
    crc32: Annotated[int, Meta(ge=0)] | UnsetType = UNSET


class _Line(msgspec.Struct, gc=False, forbid_unknown_fields=True):
    """What a log line may hold, and nothing else."""

    seq: _Seq
    ts: _Ts
    line: str
    stream: str | UnsetType = UNSET
    level: str | UnsetType = UNSET
    step: str | UnsetType = UNSET


_FIELDS = msgspec.json.Decoder(_Fields)
_LINES = msgspec.json.Decoder(_Line)
_START = b'{"seq":'
_STARTS = Numbered(b'{"seq":%d,"ts":')
_STATUS = b',"status":"'  # in no log line: the quotes within a text are escaped


def _decode(data: bytes) -> _Fields | None:
    # Line breaks between the fields would be valid JSON.
    if not data.startswith(_START) or b"\n" in data or b"\r" in data:
        return None
    try:
        fields = _FIELDS.decode(data)
    except (msgspec.MsgspecError, ValueError, RecursionError):
        return None
    return fields if (fields.line is UNSET) != (fields.status is UNSET) else None
