"""Pace: how long a replay waits, by the recorded times."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from api import frames
from api.pace import Pace
from producer.event import decode, encode_line, encode_status
from producer.proof import Proof
from producer.status import Status


def frame(data: bytes) -> bytes:
    """The frame of an event."""
    event = decode(data)
    assert event is not None
    return frames.event(event)


def line(ts: float, text: str = "x") -> bytes:
    """The frame of a line written at `ts`."""
    return frame(encode_line(3, ts, text))


def waits(pace: Pace, *given_frames: bytes) -> list[float]:
    """The waits before these frames, to the millisecond."""
    return [round(pace.wait(one), 3) for one in given_frames]


QUEUED = frame(encode_status(1, 100, Status.QUEUED))
BUILDING = frame(encode_status(2, 160, Status.BUILDING))
END = frame(encode_status(9, 170, Status.COMPLETE, proof=Proof()))


def test_a_log_plays_at_its_recorded_pace_from_building_on() -> None:
    """How long it was queued is not played; each pause after that is, up to the terminal status; `done` at once."""
    assert waits(Pace(1), QUEUED, BUILDING, line(161), line(161), line(165.5), END, frames.done(10)) == [
        *(0, 0, 1, 0, 4.5, 4.5, 0),
    ]


@pytest.mark.parametrize(("speed", "pause"), [(0.5, 20), (1, 10), (4, 2.5), (1000, 0.01)])
def test_speed_divides_each_pause(speed: float, pause: float) -> None:
    """At X times the pace a pause takes an Xth of its time."""
    assert waits(Pace(speed), line(100), line(110)) == [0, pause]


def test_a_resume_starts_its_clock_with_its_first_event() -> None:
    """Whatever event a replay starts with, it is not waited for."""
    assert waits(Pace(1), line(500), line(501)) == [0, 1]


def test_a_backward_time_is_no_wait_and_is_not_made_up_for() -> None:
    """The clock of a log may jump back: pauses count from the latest time so far."""
    assert waits(Pace(1), line(100), line(40), line(99), line(101)) == [0, 0, 0, 1]


def test_no_pause_is_longer_than_max_idle() -> None:
    """`max_idle` bounds each wait, after the speed; 0 plays all at once."""
    assert waits(Pace(2, max_idle=3), line(0), line(2), line(100)) == [0, 1, 3]
    assert waits(Pace(2, max_idle=0), line(0), line(2), line(100)) == [0, 0, 0]


def test_a_gap_and_what_a_line_says_are_no_time() -> None:
    """Only the event's own `ts` counts, not one that is written in a line."""
    forged = line(100, '\ndata: {"seq":1,"ts":999.0,"status":"building"')
    assert waits(Pace(1), forged, frames.gap(4, 9, frames.LOST), line(101)) == [0, 0, 1]


@given(
    st.lists(st.integers(0, 10_000_000), min_size=1, max_size=30),
    st.floats(0.01, 1000),
    st.none() | st.floats(0, 100),
)
def test_all_waits_add_up_to_the_recorded_time_by_the_speed(
    milliseconds: list[int], speed: float, max_idle: float | None
) -> None:
    """A replay takes the time by which the log's clock advanced, divided by the speed, or less where bounded."""
    pace, times = Pace(speed, max_idle), [ms / 1000 for ms in milliseconds]
    took = [pace.wait(line(ts)) for ts in times]
    latest, expected = times[0], []
    for ts in times:
        pause = max(0.0, ts - latest) / speed
        expected.append(pause if max_idle is None else min(pause, max_idle))
        latest = max(latest, ts)
    assert took == pytest.approx(expected, abs=1e-3 / speed)
    if max_idle is None:
        assert sum(took) == pytest.approx((max(times) - times[0]) / speed, abs=1e-2 / speed)
