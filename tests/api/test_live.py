"""Those who ride along: each gets what the run grows by, once, and who cannot leaves with its place."""

import asyncio

from hypothesis import given
from hypothesis import strategies as st

from api.frames import http_chunk, http_chunk_data
from api.live import Live
from api.run import CHUNK_BYTES, Run


class Transport(asyncio.WriteTransport):
    """Keeps what is written."""

    def __init__(self) -> None:
        super().__init__()
        self.written: list[bytes] = []

    def write(self, data: bytes | bytearray | memoryview) -> None:
        """One chunk."""
        self.written.append(bytes(data))


class Rider:
    """A watcher that is full when the test says so."""

    def __init__(self, cursor: int = 0, seq: int = 0) -> None:
        self.sent = Transport()
        self.transport: asyncio.WriteTransport = self.sent
        self.cursor = cursor
        self.seq = seq
        self.full = False
        self.woken = 0

    def is_full(self) -> bool:
        """As the test says."""
        return self.full

    def wake(self) -> None:
        """Counted."""
        self.woken += 1


def frame(seq: int, size: int = 10) -> bytes:
    """A frame of its own bytes."""
    return b"%d" % seq + b"x" * size


def test_all_riders_get_the_same_bytes_in_one_chunk_a_delivery() -> None:
    """What has come together goes out together, and nobody is woken for it."""
    run, live, riders = Run(), Live(), [Rider() for _ in range(3)]
    for rider in riders:
        live.join(rider, run, 0.0)
    run.append(frame(1), 1)
    live.deliver(run, 5.0)
    run.append(frame(2), 2)
    run.append(frame(3), 3)
    live.deliver(run, 6.0)
    live.deliver(run, 7.0)
    for rider in riders:
        assert rider.sent.written == [http_chunk([frame(1)]), http_chunk([frame(2), frame(3)])]
        assert rider.woken == 0
    assert live.sent_at == 6.0


def test_who_leaves_goes_on_from_what_it_was_sent() -> None:
    """Its cursor and its seq are those of the last delivery; what comes later is its own affair."""
    run, live, rider = Run(), Live(), Rider()
    live.join(rider, run, 0.0)
    run.append(frame(7), 7)
    live.deliver(run, 1.0)
    live.leave(rider)
    run.append(frame(8), 8)
    live.deliver(run, 2.0)
    live.leave(rider)
    assert (rider.cursor, rider.seq, rider.woken, len(rider.sent.written)) == (1, 7, 0, 1)


def test_who_is_full_leaves_before_more_is_sent_and_the_others_go_on() -> None:
    """A slow client holds bytes of one delivery at most, also where one delivery is many chunks."""
    run, live, quick, slow = Run(), Live(), Rider(), Rider()
    live.join(quick, run, 0.0)
    live.join(slow, run, 0.0)
    run.append(frame(1), 1)
    live.deliver(run, 1.0)
    slow.full = True
    live.filled(slow)
    for seq in range(2, 6):
        run.append(frame(seq, CHUNK_BYTES), seq)
    live.deliver(run, 2.0)
    assert (slow.cursor, slow.seq, slow.woken, len(slow.sent.written)) == (1, 1, 1, 1)
    assert (quick.woken, len(quick.sent.written)) == (0, 5)


def test_who_was_full_and_is_no_longer_rides_on() -> None:
    """The client has caught up before more came."""
    run, live, rider = Run(), Live(), Rider()
    live.join(rider, run, 0.0)
    live.filled(rider)
    run.append(frame(1), 1)
    live.deliver(run, 1.0)
    assert (rider.woken, len(rider.sent.written)) == (0, 1)


def test_all_leave_where_the_run_has_dropped_what_they_have_not_got() -> None:
    """They read the list, each by itself."""
    run, live, riders = Run(), Live(), [Rider(), Rider()]
    for rider in riders:
        live.join(rider, run, 0.0)
    for seq in range(1, 100):
        run.append(frame(seq, 1000), seq)
    run.trim(5000)
    live.deliver(run, 1.0)
    assert [(rider.cursor, rider.woken, rider.sent.written) for rider in riders] == [(0, 1, [])] * 2


def test_who_joins_takes_nothing_from_those_who_are_behind() -> None:
    """The run may have grown without a delivery: who joins at its end does not move the others there."""
    run, live, first = Run(), Live(), Rider()
    live.join(first, run, 0.0)
    run.append(frame(1), 1)
    second = Rider(1, 1)
    live.join(second, run, 1.0)
    run.append(frame(2), 2)
    live.deliver(run, 2.0)
    assert first.sent.written == [http_chunk([frame(1)]), http_chunk([frame(2)])]
    assert second.sent.written == [http_chunk([frame(2)])]


def test_at_the_end_all_go_on_alone() -> None:
    """Released with their place, once."""
    run, live, rider = Run(), Live(), Rider()
    live.join(rider, run, 0.0)
    run.append(frame(1), 1)
    live.deliver(run, 1.0)
    live.release()
    live.release()
    assert (rider.cursor, rider.seq, rider.woken) == (1, 1, 1)


@given(st.lists(st.sampled_from(["append", "join", "leave", "fill", "deliver"]), max_size=60))
def test_whoever_rides_when_gets_exactly_the_frames_between(steps: list[str]) -> None:
    """From where it joined to where it left, in order, nothing twice."""
    run, live = Run(), Live()
    inside: list[tuple[Rider, int]] = []
    gone: list[tuple[Rider, int]] = []
    for step in steps:
        if step == "append":
            run.append(frame(run.end + 1), run.end + 1)
        elif step == "deliver":
            live.deliver(run, 0.0)
            left = [pair for pair in inside if pair[0].woken]
            inside = [pair for pair in inside if not pair[0].woken]
            gone += left
        elif step == "join":
            live.deliver(run, 0.0)  # a hub delivers with each growth, so who joins is at the end
            gone += [pair for pair in inside if pair[0].woken]
            inside = [pair for pair in inside if not pair[0].woken]
            rider = Rider(run.end, run.end)
            live.join(rider, run, 0.0)
            inside.append((rider, run.end))
        elif step == "leave" and inside:
            pair = inside.pop()
            live.leave(pair[0])
            gone.append(pair)
        elif step == "fill" and inside:
            inside[0][0].full = True
            live.filled(inside[0][0])
    for rider, start in gone:
        got = b"".join(map(http_chunk_data, rider.sent.written))
        assert got == b"".join(frame(seq) for seq in range(start + 1, rider.cursor + 1))
        assert rider.seq == rider.cursor
