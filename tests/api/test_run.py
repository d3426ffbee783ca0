"""The run: frames that all watchers share, and the cursors into it."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from api import frames
from api.frames import http_chunk
from api.run import CHUNK_BYTES, Chunk, Gap, Run, Seat

SIZE = 10


def frame(seq: int, size: int = SIZE) -> bytes:
    """A stand-in for the frame of an event."""
    return str(seq).encode().rjust(size, b".")


def run_of(*seqs: int, size: int = SIZE) -> Run:
    """A run of these events."""
    run = Run()
    for seq in seqs:
        run.append(frame(seq, size), seq)
    return run


def chunk_of(data: bytes, cursor: int, seq: int) -> Chunk:
    """The chunk that holds these frames."""
    return Chunk([http_chunk([data])] if data else (), cursor, seq)


def joined(chunk: Chunk) -> Chunk:
    """The same chunk in one piece."""
    return chunk_of(chunk.data, chunk.cursor, chunk.seq)


def chunk_at(run: Run, cursor: int) -> Chunk:
    """The chunk from a cursor on that is held."""
    chunk = run.take(cursor)
    assert chunk is not None
    return chunk


def rest(run: Run, after: int) -> bytes | None:
    """All that a watcher with events up to `after` gets; None where it has to read the list."""
    seat = run.seat(after)
    return None if seat is None else seat.prefix + b"".join(run._frames[max(0, seat.cursor - run._base) :])


def test_a_cursor_goes_through_the_run_and_waits_at_its_end() -> None:
    """What is there comes as one chunk; at the end there is nothing, until the run grows."""
    run = run_of(1, 2, 3)
    assert run.take(0) == chunk_of(frame(1) + frame(2) + frame(3), 3, 3)
    assert run.take(3) == chunk_of(b"", 3, 0)
    run.append(frame(4), 4)
    assert run.take(3) == chunk_of(frame(4), 4, 4)
    assert (run._base, run.end, run.bytes) == (0, 4, 4 * SIZE)


def test_watchers_at_the_same_place_share_the_same_bytes() -> None:
    """The joined bytes are one object, also when the run has grown since; who stands elsewhere gets its own."""
    run = run_of(1, 2, 3)
    first, second, elsewhere = run.take(0), run.take(0), run.take(1)
    assert first is not None
    assert second is not None
    assert first.wire is second.wire
    assert elsewhere == chunk_of(frame(2) + frame(3), 3, 3)
    run.append(frame(4), 4)
    grown, again = run.take(0), run.take(0)
    assert grown is not None
    assert again is not None
    assert grown == chunk_of(b"".join(map(frame, (1, 2, 3, 4))), 4, 4)
    assert grown.wire is again.wire


def test_a_chunk_is_bounded_and_the_next_goes_on_behind_it() -> None:
    """A chunk ends with the frame that fills it, so that one slow watcher does not hold the whole log in its buffer."""
    run = run_of(*range(1, 431), size=3_000)
    cursor, got, chunks = 0, b"", 0
    while (chunk := run.take(cursor)) and chunk.data:
        assert len(chunk.data) < CHUNK_BYTES + 3_000
        cursor, got, chunks = chunk.cursor, got + chunk.data, chunks + 1
    assert got == b"".join(run._frames)
    assert chunks == 5
    run.append(frame(431), 431)
    full = run.take(0)
    assert full is not None
    assert full is run.take(0), "a full chunk stays as it is"


def test_blocks_are_sent_as_they_are_held_and_small_frames_joined() -> None:
    """Large frames are pieces of the chunk, not copies that would count as memory; small ones are one piece."""
    run = run_of(1, 2, size=10_000)
    chunk = run.take(0)
    assert chunk is not None
    assert chunk.wire == [b"%x\r\n" % 20_000, frame(1, 10_000), frame(2, 10_000), b"\r\n"]
    assert all(piece is held for piece, held in zip(chunk.wire[1:3], run._frames, strict=True))
    assert run.memory == run.bytes
    for seq in range(3, 9):
        run.append(frame(seq), seq)
    assert joined(chunk_at(run, 0)) == chunk_at(run, 0)


def test_watchers_from_different_places_soon_share_their_chunks() -> None:
    """Chunks end at multiples of a number of frames, so a resume joins its own bytes once."""
    run = run_of(*range(1, 2001))
    first, resumed = run.take(0), run.take(137)
    assert first is not None
    assert resumed is not None
    assert (first.cursor, resumed.cursor) == (512, 512)
    assert resumed.data == first.data.split(frame(137))[1]
    end = run.take(1536)
    assert end is not None
    assert (end.cursor, end.seq) == (2000, 2000)


def test_joined_bytes_count_as_memory_and_are_bounded() -> None:
    """Who replays a long log from many places does not fill the process."""
    run = run_of(*range(1, 3001), size=2_000)
    for cursor in range(3000):
        run.take(cursor)
    assert run.bytes == 3000 * 2_000
    assert run.bytes + 3_500_000 < run.memory < run.bytes + 4_500_000


@pytest.mark.parametrize(
    ("after", "seat"),
    [
        (0, Seat(b"", 0)),
        (2, Seat(b"", 2)),
        (3, Seat(b"", 3)),  # the gap itself
        (4, Seat(frames.gap(5, 6, frames.LOST), 4)),
        (5, Seat(frames.gap(6, 6, frames.LOST), 4)),
        (6, Seat(b"", 4)),
        (7, Seat(b"", 5)),
    ],
)
def test_who_starts_inside_a_gap_gets_the_rest_of_it(after: int, seat: Seat) -> None:
    """A watcher misses only what it does not have: its gap starts behind its own last event."""
    run = run_of(1, 2, 3)
    run.append_gap(Gap(4, 6, frames.LOST))
    run.append(frame(7), 7)
    assert run.seat(after) == seat


def test_who_starts_below_what_was_trimmed_before_anybody_watched_gets_that_as_a_gap() -> None:
    """The list has lost it too, so the gap is known at once, and is each watcher's own."""
    run = Run()
    run.begin(5)
    run.append(frame(6), 6)
    assert run.seat(0) == Seat(frames.gap(1, 5, frames.TRIMMED), 0)
    assert run.seat(4) == Seat(frames.gap(5, 5, frames.TRIMMED), 0)
    assert (run.seat(5), run.seat(6)) == (Seat(b"", 0), Seat(b"", 1))


def test_who_starts_below_what_the_run_has_dropped_reads_the_list() -> None:
    """What the run alone has dropped is no gap: the list may have it."""
    run = run_of(*range(1, 11))
    run.trim(5 * SIZE)
    assert run._base > 0
    assert run.seat(run._base - 1) is None
    assert rest(run, run._base) == b"".join(frame(seq) for seq in range(run._base + 1, 11))
    assert run.take(run._base - 1) is None


@pytest.mark.parametrize("size", [0, 1])
def test_the_newest_two_frames_always_stay(size: int) -> None:
    """However small the limit, the terminal status and `done` are held."""
    run = run_of(1, 2, 3, 4)
    run.trim(size)
    assert (run._base, run.end, run.bytes) == (2, 4, 2 * SIZE)


def test_a_trim_drops_more_than_needed_and_nothing_within_the_limit() -> None:
    """A full run is not moved for each new frame."""
    run = run_of(*range(1, 101))
    run.trim(100 * SIZE)
    assert run._base == 0
    run.append(frame(101), 101)
    run.trim(100 * SIZE)
    assert (run._base, run.bytes) == (26, 75 * SIZE)


def test_after_a_take_back_who_watched_is_told_and_who_joins_starts_behind_it() -> None:
    """Ids fall back at a gap whose id is the last event that still counts; a joiner never sees what was taken back."""
    run = run_of(1, 2, 3, 4, 5)
    run.take_back(Gap(4, 5, frames.LOST))
    run.append(b"another 4", 4)
    told = frames.gap(4, 5, frames.LOST, identity=3)
    assert run.take(5) == chunk_of(told + b"another 4", 7, 4)
    assert rest(run, 3) == b"another 4"
    assert rest(run, 4) == b""
    assert rest(run, 2) is None, "what comes before is read from the list"
    assert (run.frame_of(3), run.frame_of(4), run.frame_of(5)) == (None, b"another 4", None)


def test_a_take_back_stays_right_while_frames_are_dropped() -> None:
    """Dropping what was taken back changes nothing for who joins; dropping what came after does."""
    run = run_of(*range(1, 9))
    run.take_back(Gap(5, 8, frames.LOST))
    for seq in range(5, 11):
        run.append(frame(seq), seq)
    whole = b"".join(frame(seq) for seq in range(5, 11))
    run.trim(run.bytes - 1)
    assert run._base < 9
    assert (rest(run, 4), rest(run, 3)) == (whole, None)
    run.trim(4 * SIZE)
    assert (rest(run, 4), rest(run, 7)) == (None, frame(8) + frame(9) + frame(10))


def test_a_frame_is_found_by_its_seq_while_it_is_held() -> None:
    """What was sent as an event can be compared; a gap was not sent as one."""
    run = run_of(1, 2)
    run.append_gap(Gap(3, 4, frames.LOST))
    run.append(frame(5), 5)
    assert [run.frame_of(seq) for seq in range(7)] == [None, frame(1), frame(2), None, None, frame(5), None]
    run.append(frame(6), 6)
    run.trim(2 * SIZE)
    assert [run.frame_of(seq) for seq in range(1, 7)] == [None, None, None, None, frame(5), frame(6)]


def block_of(first: int, last: int) -> bytes:
    """The frames of these lines."""
    return frames.lines([b"line %d" % seq for seq in range(first, last + 1)], first)


def behind(data: bytes, after: int, last: int) -> bytes:
    """What is left of a block or a gap for who has events up to `after`."""
    return block_of(after + 1, last) if data.startswith(b"id: ") else frames.gap(after + 1, last, frames.LOST)


def test_a_frame_is_found_in_its_block() -> None:
    """Also the first and the last; what is in no block and no frame is not found."""
    run = run_of(1, 2)
    run.append_block(block_of(3, 12), 3, 12)
    run.append(frame(13), 13)
    assert [run.frame_of(seq) for seq in range(3, 13)] == [block_of(seq, seq) for seq in range(3, 13)]
    assert [run.frame_of(seq) for seq in (0, 2, 13, 14)] == [None, frame(2), frame(13), None]


def test_who_starts_inside_a_block_gets_the_rest_of_it() -> None:
    """From its own last event on."""
    run = run_of(1)
    run.append_block(block_of(2, 12), 2, 12)
    assert [run.seat(after) for after in (1, 2, 11, 12)] == [
        Seat(b"", 1),
        Seat(block_of(3, 12), 2),
        Seat(block_of(12, 12), 2),
        Seat(b"", 2),
    ]


class Model:
    """A run, and a plain list of everything that was ever appended to it."""

    def __init__(self) -> None:
        self.run = Run()
        self.frames: list[tuple[bytes, int, int]] = []  # frame, first seq, last seq
        self.last = 0
        self.joinable = 0  # the index from which a watcher may start

    def append(self, size: int) -> None:
        """The next event comes."""
        self.last += 1
        data = frame(self.last, size)
        self.run.append(data, self.last)
        self.frames.append((data, self.last, self.last))

    def block(self, size: int) -> None:
        """Some lines come together."""
        first, self.last = self.last + 1, self.last + size % 5 + 1
        data = block_of(first, self.last)
        self.run.append_block(data, first, self.last)
        self.frames.append((data, first, self.last))

    def gap(self, size: int) -> None:
        """Events are missing."""
        gap = Gap(self.last + 1, self.last + size % 5 + 1, frames.LOST)
        self.run.append_gap(gap)
        self.frames.append((frames.gap(*gap), gap.first, gap.last))
        self.last = gap.last

    def back(self, size: int) -> None:
        """The newest events are taken back."""
        count = size % 5 + 1
        if self.last > count:
            gap = Gap(self.last - count + 1, self.last, frames.LOST)
            self.run.take_back(gap)
            self.last -= count
            self.frames.append((frames.gap(*gap, identity=self.last), self.last, self.last))
            self.joinable = len(self.frames)

    def trim(self, size: int) -> None:
        """The oldest are dropped."""
        self.run.trim(size * 4)
        assert self.run.bytes <= size * 4 or self.run.end - self.run._base <= 2

    def take(self, number: int) -> None:
        """A watcher takes what is there, so that it is shared."""
        self.run.take(min(self.run.end, self.run._base + number % 5))

    def rest(self, after: int) -> bytes:
        """What a watcher with events up to `after` gets of all that is held and can be joined."""
        return b"".join(
            data if after < first else behind(data, after, last)
            for data, first, last in self.frames[max(self.run._base, self.joinable) :]
            if last > after
        )

    def floor(self) -> int:
        """The seq from which a watcher can start."""
        held = self.frames[max(self.run._base, self.joinable) :]
        return held[0][1] - 1 if held else self.last


@given(st.lists(st.tuples(st.sampled_from(["append", "block", "gap", "back", "trim", "take"]), st.integers(1, 40_000))))
def test_a_run_is_a_list_whose_oldest_frames_may_be_gone(operations: list[tuple[str, int]]) -> None:
    """After any operations: sizes add up, and each cursor and each seat give what a plain list of everything would."""
    model = Model()
    run = model.run
    for name, number in operations:
        getattr(model, name)(number)
        held = [data for data, _, _ in model.frames[run._base :]]
        assert (run.end, run.bytes, run._frames) == (len(model.frames), sum(map(len, held)), held)
    for cursor in range(run.end + 1):
        chunk = run.take(cursor)
        assert (chunk is None) == (cursor < run._base)
        if chunk is not None:
            taken = model.frames[cursor : chunk.cursor]
            expected = chunk_of(
                b"".join(data for data, _, _ in taken), cursor + len(taken), taken[-1][2] if taken else 0
            )
            assert (joined(chunk), bool(chunk.data)) == (expected, cursor < run.end)
    for after in range(model.last + 1):
        got = rest(run, after)
        assert got == (model.rest(after) if after >= model.floor() else None)
