"""The events of a stream, out of the bytes of an HTTP answer: for watchers that have to be cheap."""

import re
from typing import NamedTuple

from producer.keys import Keys

# As the service frames it; comments and `retry`, single lines before an event, are passed over.
_EVENT = re.compile(rb"^(?:event: (\w+)\n)?(?:id: (\d+)\n)?data: (.*)\n\n", re.MULTILINE)


class Event(NamedTuple):
    """One event of a stream."""

    kind: str
    data: bytes
    id: str


class Decoder:
    """Takes the body of a response, chunked, in whatever pieces; gives its events. `ended`: the last chunk came."""

    def __init__(self) -> None:
        self._raw = b""
        self._left = 0  # of the chunk, with the line break behind it
        self._text = b""
        self.ended = False

    def feed(self, data: bytes) -> list[Event]:
        """The events that are complete with this. Raises ValueError where the chunks are not well formed."""
        text = self._text + b"".join(self._chunks(self._raw + data))
        end = text.rfind(b"\n\n") + 2
        if end < 2:
            self._text = text
            return []
        self._text = text[end:]
        return [Event(kind.decode() or "message", data, at.decode()) for kind, at, data in _EVENT.findall(text, 0, end)]

    def _chunks(self, raw: bytes) -> list[bytes]:
        """What is inside the chunks; what is left of the last is kept."""
        parts: list[bytes] = []
        at = 0
        while at < len(raw) and not self.ended:
            if self._left:
                piece = raw[at : at + self._left]
                # The last two bytes of a chunk are the line break behind it.
                parts.append(piece[: max(0, self._left - 2)])
                self._left -= len(piece)
                at += len(piece)
                continue
            end = raw.find(b"\r\n", at)
            if end < 0:
                break
            self._left = int(raw[at:end], 16) + 2
            at = end + 2
            self.ended = self._left == 2
        self._raw = raw[at:]
        return parts


def stream_path(keys: Keys) -> str:
    """The path of a deploy's stream."""
    return f"/v1/apps/{keys.app}/deploys/{keys.deploy}/logs/stream"
