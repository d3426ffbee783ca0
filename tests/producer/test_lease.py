"""Which writers are dead."""

from producer.lease import Watch


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
