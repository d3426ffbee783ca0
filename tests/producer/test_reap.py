"""When a deploy has to be ended for its writer."""

from dataclasses import replace

import pytest

from producer.keys import Keys
from producer.proof import Proof
from producer.reap import Judge, Verdict
from producer.state import State
from producer.status import Status

KEYS = Keys("shop", "d1")
OTHER = Keys("shop", "d2")
T0 = 1_700_000_000.0  # the clock of Redis
QUEUED = State(Status.QUEUED, 1, 1, Proof(), "creator", T0)
BUILDING = State(Status.BUILDING, 2, 1, Proof(), "creator", T0, writer="w", beat="5")

LOST = Verdict(Status.FAILED, "worker_lost", "its worker has shown no sign of life for 10 s")
LATE = Verdict(Status.FAILED, "timeout", "the deploy ran past its time limit")
STUCK = Verdict(Status.CANCELLED, "cancelled", "the job did not stop within 5 s of the cancel")
NO_JOB = Verdict(Status.FAILED, "never_started", "the queue has no job for it")
WAITED = Verdict(Status.FAILED, "queue_timeout", "no worker took it within 60 s")

# What is seen one after the other: (seconds since the first look, the state, the verdict).
Looks = list[tuple[float, State, Verdict | None]]
BUILDING_CASES: dict[str, Looks] = {
    "silent for a whole lease": [
        (0, BUILDING, None),
        (9.9, BUILDING, None),
        (10, BUILDING, LOST),
        (11, BUILDING, LOST),
    ],
    "seen for the first time, long after its start": [(1e6, BUILDING, None)],
    "a beat in between": [
        (0, BUILDING, None),
        (9, replace(BUILDING, beat="6"), None),
        (18, replace(BUILDING, beat="6"), None),
        (19, replace(BUILDING, beat="6"), LOST),
    ],
    "a new writer with the same beat": [(0, BUILDING, None), (10, replace(BUILDING, writer="v"), None)],
    "a beat that went back": [(0, BUILDING, None), (10, replace(BUILDING, beat="4"), None)],
    "before and after its deadline": [
        (0, replace(BUILDING, deadline=T0 + 5), None),
        (5, replace(BUILDING, deadline=T0 + 5, beat="6"), None),
        (5.1, replace(BUILDING, deadline=T0 + 5, beat="7"), LATE),
    ],
    "silent and past its deadline": [
        (0, replace(BUILDING, deadline=T0 + 5), None),
        (10, replace(BUILDING, deadline=T0 + 5), LATE),
    ],
    "alive after the grace of a cancel": [
        (0, replace(BUILDING, cancel=T0), None),
        (4.9, replace(BUILDING, cancel=T0, beat="6"), None),
        (5, replace(BUILDING, cancel=T0, beat="7"), STUCK),
    ],
    "cancelled long ago, seen for the first time": [(1e6, replace(BUILDING, cancel=T0), None)],
    "dead after a cancel": [
        (0, BUILDING, None),
        (6, replace(BUILDING, cancel=T0 + 6), None),
        (10, replace(BUILDING, cancel=T0 + 6), LOST),
    ],
    "cancelled, and past its deadline": [
        (0, replace(BUILDING, cancel=T0, deadline=T0 + 4), None),
        (4.5, replace(BUILDING, cancel=T0, deadline=T0 + 4, beat="6"), LATE),
        (5, replace(BUILDING, cancel=T0, deadline=T0 + 4, beat="7"), STUCK),
    ],
}


@pytest.mark.parametrize("looks", BUILDING_CASES.values(), ids=BUILDING_CASES)
def test_a_building_deploy_is_judged(looks: Looks) -> None:
    """By its writer's beat, its deadline and the grace of a cancel: lease 10 s, grace 5 s."""
    judge = Judge(lease=10, grace=5)
    assert [judge.judge(KEYS, state, 500 + at, T0 + at) for at, state, _ in looks] == [want for *_, want in looks]


@pytest.mark.parametrize(
    ("queue_timeout", "looks"),
    [
        (0, [(0, True, None), (1e9, True, None)]),
        (60, [(0, True, None), (60, True, None), (60.1, True, WAITED)]),
        (60, [(1e6, True, WAITED)]),
        (0, [(0, False, None), (9.9, False, None), (10, False, NO_JOB)]),
        (0, [(0, True, None), (100, False, None), (109, False, None), (110, False, NO_JOB)]),
        (0, [(0, False, None), (9, True, None), (18, False, None), (27, False, None), (28, False, NO_JOB)]),
        (60, [(0, False, None), (61, False, NO_JOB)]),
    ],
)
def test_a_queued_deploy_is_judged(queue_timeout: float, looks: list[tuple[float, bool, Verdict | None]]) -> None:
    """It may wait for as long as it likes, unless the queue has had no job for it for a whole lease of 10 s."""
    judge = Judge(lease=10, queue_timeout=queue_timeout)
    found = [judge.judge(KEYS, QUEUED, 500 + at, T0 + at, job_known=known) for at, known, _ in looks]
    assert found == [want for *_, want in looks]


@pytest.mark.parametrize("jump", [3600, -3600])
def test_a_clock_that_jumps_by_an_hour_ends_nothing_and_puts_nothing_off(jump: float) -> None:
    """The clock of Redis is trusted for how long is left when a deploy is first seen, and not again."""
    judge = Judge(lease=10, queue_timeout=60)

    def look(at: float, redis_time: float) -> list[Verdict | None]:
        states = [(KEYS, replace(BUILDING, deadline=T0 + 30, beat=str(at))), (OTHER, QUEUED)]
        return [judge.judge(keys, state, 500 + at, redis_time) for keys, state in states]

    assert look(0, T0) == [None, None]
    assert look(5, T0 + 5 + jump) == [None, None]
    assert look(30, T0 + 30 + jump) == [None, None]
    assert look(30.1, T0 + 30.1 + jump) == [LATE, None]
    assert look(60.1, T0 + 60.1 + jump) == [LATE, WAITED]


@pytest.mark.parametrize("status", [Status.COMPLETE, Status.FAILED, Status.CANCELLED])
def test_a_finished_deploy_is_left_alone(status: Status) -> None:
    """Whatever else its state says."""
    judge = Judge(lease=10, grace=5, queue_timeout=1)
    state = replace(BUILDING, status=status, cancel=T0, deadline=T0)
    assert [judge.judge(KEYS, state, at, T0 + at, job_known=False) for at in (0, 1e6)] == [None, None]


def test_a_building_deploy_needs_no_job_in_the_queue() -> None:
    """Its job has left the queue; only its writer counts."""
    judge = Judge(lease=10)
    looks = [(at, replace(BUILDING, beat=str(at))) for at in (0, 9, 18, 27)]
    assert [judge.judge(KEYS, state, at, T0, job_known=False) for at, state in looks] == [None] * 4


def test_after_an_outage_nothing_seen_before_counts() -> None:
    """Redis was away for three leases: writers, cancels and jobs get their whole time again."""
    judge = Judge(lease=10, grace=5)
    cancelled = replace(BUILDING, cancel=T0)

    def look(at: float) -> list[Verdict | None]:
        return [
            judge.judge(KEYS, cancelled, at, T0),
            judge.judge(OTHER, QUEUED, at, T0, job_known=False),
            judge.judge(Keys("shop", "d3"), BUILDING, at, T0),
        ]

    assert look(0) == [None, None, None]
    judge.reset()
    assert look(30) == [None, None, None]
    assert look(34.9) == [None, None, None]
    assert look(35) == [STUCK, None, None]
    assert look(40) == [STUCK, NO_JOB, LOST]


def test_deploys_are_judged_apart_and_forgotten_when_gone() -> None:
    """One observer watches many; of those that it no longer keeps it remembers nothing."""
    judge = Judge(lease=10)
    judge.judge(KEYS, BUILDING, 0, T0)
    judge.judge(OTHER, BUILDING, 5, T0)
    judge.keep([OTHER])
    assert judge.judge(KEYS, BUILDING, 15, T0) is None
    assert judge.judge(OTHER, BUILDING, 15, T0) == LOST


@pytest.mark.parametrize(
    ("looks", "verdict"),
    [
        ([(0, 0.1), (5, 5.1), (10, 10.1)], LOST),
        ([(0, 0.1), (10, 10.1)], None),  # further apart than half a lease
        ([(0, 0.1), (10.2, 10.3)], None),  # Redis may have been away in between
        ([(0, 0.1), (5, 6.1), (10, 10.1)], None),  # or during the look
        ([(0, 0.1), (5, 5.9), (10, 10.1)], LOST),
    ],
)
def test_a_look_that_may_hide_an_outage_starts_anew(looks: list[tuple[float, float]], verdict: Verdict | None) -> None:
    """A look that took more than a second, or came later than a lease after the last one."""
    judge = Judge(lease=10)
    found = []
    for started, ended in looks:
        judge.looked(started, ended)
        found.append(judge.judge(KEYS, BUILDING, started, T0))
    assert found[-1] == verdict


def test_a_queued_deploy_that_had_to_start_in_time_is_ended() -> None:
    """By the clock of Redis, whatever the queue knows."""
    judge = Judge(lease=10)
    queued = replace(QUEUED, deadline=T0 + 30)
    late = Verdict(Status.FAILED, "never_started", "nobody has started it in time")
    assert [judge.judge(KEYS, queued, at, T0 + at) for at in (0, 30, 30.1)] == [None, None, late]
