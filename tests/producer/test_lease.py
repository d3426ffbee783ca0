"""Which writers are dead, and which deadlines over."""

from producer.lease import Deadlines, Watch


def test_a_mark_is_timed_from_when_it_was_first_seen() -> None:
    """The steps of one observer in order: key, mark, time, and how long it has been unchanged."""
    watch: Watch[str, int] = Watch()
    steps = [
        ("a", 1, 100.0, 0.0),
        ("a", 1, 103.5, 3.5),
        ("b", 1, 104.0, 0.0),
        ("a", 2, 105.0, 0.0),
        ("a", 2, 106.0, 1.0),
        ("a", 1, 107.0, 0.0),  # an old mark that comes back is a change too
        ("b", 1, 114.0, 10.0),
    ]
    assert [watch.unchanged(key, mark, now) for key, mark, now, _ in steps] == [age for *_, age in steps]


def test_a_reset_forgets_everything() -> None:
    """After an outage the time runs anew."""
    watch: Watch[str, int] = Watch()
    watch.unchanged("a", 1, 0.0)
    watch.reset()
    assert watch.unchanged("a", 1, 60.0) == 0.0
    assert watch.unchanged("a", 1, 61.0) == 1.0


def test_only_the_kept_are_remembered() -> None:
    """Deploys that have ended take no memory."""
    watch: Watch[str, int] = Watch()
    for key in "abc":
        watch.unchanged(key, 1, 0.0)
    watch.keep(iter("bx"))
    assert [watch.unchanged(key, 1, 5.0) for key in "abc"] == [0.0, 5.0, 0.0]


def test_a_deadline_is_carried_over_when_it_is_first_seen() -> None:
    """The steps of one observer in order: deadline, monotonic time, wall clock, and whether it is over."""
    deadlines: Deadlines[str] = Deadlines()
    steps = [
        (1_000.0, 5.0, 990.0, False),
        (1_000.0, 15.0, 4_600.0, False),  # the wall clock has jumped ahead
        (1_000.0, 15.1, 10.0, True),  # and far back
        (2_000.0, 16.0, 1_990.0, False),  # another deadline
        (2_000.0, 26.1, 1_999.0, True),
    ]
    assert [deadlines.passed("a", at, now, wall) for at, now, wall, _ in steps] == [over for *_, over in steps]


def test_a_deadline_that_is_not_kept_is_seen_anew() -> None:
    """Deploys that have ended take no memory."""
    deadlines: Deadlines[str] = Deadlines()
    deadlines.passed("a", 1_000.0, 5.0, 990.0)
    deadlines.keep(["b"])
    assert deadlines.passed("a", 1_000.0, 6.0, 1_001.0)
