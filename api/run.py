"""A bounded run of ready frames that all watchers of a deploy share; each watcher is a cursor into it.

Lines that came together are one block of frames: it is made, sent and held as a whole, and only who starts inside it
has it cut. A cursor is the absolute index of a frame or block: it stays right while the oldest are dropped, and when
the ids of the frames fall back after a fail-over.
"""

from bisect import bisect_right
from collections.abc import Sequence
from typing import NamedTuple

from api import frames

CHUNK_BYTES = 256 * 1024
_CHUNK_FRAMES = 512
_MOST_FRAMES = 4096
_PIECE_BYTES = 4096  # frames of more than that on average are not joined
_SHARED_BYTES = 4 * 1024 * 1024


class Chunk(NamedTuple):
    """Frames in a row, the cursor behind them, and the seq of the last event in them.

    `wire` is them as one chunk of an HTTP/1.1 body, so that it can be sent to many as it is; empty for no frames. Small
    frames are joined, and the bytes shared; blocks are pieces of it as they are held, which saves a copy of each log.
    """

    wire: Sequence[bytes]
    cursor: int
    seq: int

    @property
    def data(self) -> bytes:
        """The frames alone, joined."""
        return frames.http_chunk_data(b"".join(self.wire)) if self.wire else b""


class Gap(NamedTuple):
    """A frame that stands for the events `first` to `last`."""

    first: int
    last: int
    reason: str


class Seat(NamedTuple):
    """Where a watcher starts: `prefix` is for it alone, then it goes on from `cursor`."""

    prefix: bytes
    cursor: int


class Run:
    """Frames and blocks in order, each with the seq of the last event that it stands for."""

    def __init__(self) -> None:
        self._frames: list[bytes] = []
        self._seqs: list[int] = []
        self._base = 0  # the cursor of the first frame held
        self._joinable = 0  # before this cursor the log has been taken back; nobody may start there
        self._gaps: dict[int, Gap] = {}
        self._blocks: dict[int, int] = {}  # the first seq of each block, by its cursor
        self._shared: dict[int, Chunk] = {}
        self._shared_bytes = 0
        self._shared_most = _SHARED_BYTES
        self._floor = 0  # the seq before the first frame that can be joined
        self._gone = 0  # up to this seq the list has nothing either
        self.bytes = 0

    @property
    def memory(self) -> int:
        """How many bytes are held, those that are joined for sharing too."""
        return self.bytes + self._shared_bytes

    @property
    def end(self) -> int:
        """The cursor behind the last frame."""
        return self._base + len(self._frames)

    def begin(self, gone: int) -> None:
        """The run starts behind seq `gone`; what comes before was trimmed from the list too."""
        self._floor = self._gone = gone

    def append(self, frame: bytes, seq: int) -> None:
        """Add the frame of event `seq`."""
        self._frames.append(frame)
        self._seqs.append(seq)
        self.bytes += len(frame)

    def append_block(self, block: bytes, first: int, last: int) -> None:
        """Add the frames of the log lines `first` to `last` as one."""
        if first != last:
            self._blocks[self.end] = first
        self.append(block, last)

    def append_gap(self, gap: Gap) -> None:
        """Add a gap in the place of its events."""
        self._gaps[self.end] = gap
        self.append(frames.gap(*gap), gap.last)

    def take_back(self, gap: Gap) -> None:
        """The log has lost what was sent from `gap.first` on: say so, and let ids go on behind `gap.first` - 1.

        Who joins later starts behind this, or reads the list.
        """
        self.append(frames.gap(*gap, identity=gap.first - 1), gap.first - 1)
        self._joinable = self.end
        self._floor = gap.first - 1

    def frame_of(self, seq: int) -> bytes | None:
        """The frame of event `seq` as it was sent, or None where it is not held."""
        low = self._joinable_index()
        at = bisect_right(self._seqs, seq - 1, low)
        if at == len(self._seqs) or self._base + at in self._gaps:
            return None
        first = self._blocks.get(self._base + at, self._seqs[at])
        if seq < first:
            return None
        return self._frames[at] if first == self._seqs[at] else frames.line_in(self._frames[at], seq)

    def seat(self, after: int) -> Seat | None:
        """Where a watcher starts that has everything up to seq `after`; None where that is no longer held."""
        if after < self._floor:
            if self._floor != self._gone:
                return None
            prefix = frames.gap(after + 1, self._gone, frames.TRIMMED)
            return Seat(prefix, self._base + self._joinable_index())
        at = bisect_right(self._seqs, after, self._joinable_index())
        cursor = self._base + at
        gap = self._gaps.get(cursor)
        if gap is not None and gap.first <= after:
            return Seat(frames.gap(after + 1, gap.last, gap.reason), cursor + 1)
        if self._blocks.get(cursor, after + 1) <= after:
            return Seat(frames.lines_behind(self._frames[at], after), cursor + 1)
        return Seat(b"", cursor)

    def take(self, cursor: int, *, aligned: bool = True) -> Chunk | None:
        """The next frames from `cursor` on.

        Empty at the end of the run; None where the frames at the cursor are no longer held. Watchers at the same
        place get the same bytes object. An `aligned` chunk ends at the next multiple of some number of frames, so that
        those who come from different places soon are at the same one.
        """
        if cursor < self._base:
            return None
        stop = min(self.end, cursor - cursor % _CHUNK_FRAMES + _CHUNK_FRAMES if aligned else cursor + _MOST_FRAMES)
        shared = self._shared.get(cursor)
        if shared is not None and (shared.cursor == stop or len(shared.wire[0]) >= CHUNK_BYTES):
            return shared
        taken = self._frames[cursor - self._base : stop - self._base]
        if not taken:
            return Chunk((), cursor, 0)
        size = sum(map(len, taken))
        if size > CHUNK_BYTES:
            size = 0
            for count, frame in enumerate(taken, 1):
                size += len(frame)
                if size >= CHUNK_BYTES:
                    del taken[count:]
                    break
        behind = cursor + len(taken)
        seq = self._seqs[behind - self._base - 1]
        if size > len(taken) * _PIECE_BYTES:
            return Chunk(frames.http_chunk_pieces(taken), behind, seq)
        chunk = Chunk([frames.http_chunk(taken)], behind, seq)
        if len(taken) > 1:
            self._share(cursor, chunk)
        return chunk

    def trim(self, limit: int) -> None:
        """Drop the oldest frames until at most `limit` bytes are held; the newest two, maybe the end, always stay.

        What is joined for sharing may take a quarter of that besides: without it each slow watcher holds a chunk alone.
        """
        self._drop_frames(limit)
        self._shared_most = min(_SHARED_BYTES, limit // 4)
        self._drop_shared()

    def _drop_frames(self, limit: int) -> None:
        if self.bytes <= limit:
            return
        # A quarter more than needed, so that a full run is not moved for each frame.
        target, drop = limit - limit // 4, 0
        while self.bytes > target and drop < len(self._frames) - 2:
            self.bytes -= len(self._frames[drop])
            drop += 1
        if not drop:
            return
        if self._base + drop > self._joinable:
            self._floor = max(self._floor, self._seqs[drop - 1])
        del self._frames[:drop], self._seqs[:drop]
        self._base += drop
        self._gaps = {at: gap for at, gap in self._gaps.items() if at >= self._base}
        self._blocks = {at: first for at, first in self._blocks.items() if at >= self._base}
        self._shared.clear()
        self._shared_bytes = 0

    def _joinable_index(self) -> int:
        return max(0, self._joinable - self._base)

    def _share(self, cursor: int, chunk: Chunk) -> None:
        old = self._shared.pop(cursor, None)
        self._shared_bytes += len(chunk.wire[0]) - (len(old.wire[0]) if old else 0)
        self._shared[cursor] = chunk
        self._drop_shared()

    def _drop_shared(self) -> None:
        while self._shared_bytes > self._shared_most:
            oldest = self._shared.pop(next(iter(self._shared)))
            self._shared_bytes -= len(oldest.wire[0])
