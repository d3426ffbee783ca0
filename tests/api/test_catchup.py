"""Catch-up pages: frames straight from the list, by seq and not by place, with a gap for all that is missing."""

from collections.abc import Sequence

import pytest

from api import frames
from api.catchup import page
from producer.state import Snapshot
from producer.status import Status
from tests.api.support import Log, words

COMPLETE = Status.COMPLETE


def pages(log: Log, after: int, reason: str = frames.TRIMMED, size: int = 500) -> list[str]:
    """All pages of `size` events from `after` to the log's end, in short."""
    found: list[str] = []
    while after < log.seq:
        snapshot = log.snapshot(after)
        data, went = page(Snapshot(snapshot.state, snapshot.events[:size]), after, reason)
        assert went > after, "a page that gets nowhere is read for ever"
        found += words(data)
        after = went
    return found


def corrupt(log: Log, *seqs: int) -> Log:
    """The log with entries that nobody can read."""
    for seq in seqs:
        log.cached[seq - log.first_seq] = b"garbage"
    return log


def trimmed(log: Log, events: int) -> Log:
    """The log without its oldest events."""
    log.trim(events)
    return log


@pytest.mark.parametrize("size", [1, 2, 3, 500])
@pytest.mark.parametrize(
    ("log", "after", "expected"),
    [
        (Log.of(2), 0, ["1:queued", "2:building", "3", "4"]),
        (Log.of(2), 3, ["4"]),
        (Log.of(2), 4, []),
        (Log.of(1, end=COMPLETE), 2, ["3", "4", "5:complete"]),
        (trimmed(Log.of(4), 3), 0, ["gap 1-3 trimmed", "4", "5", "6"]),
        (trimmed(Log.of(4), 3), 2, ["gap 3-3 trimmed", "4", "5", "6"]),
        (trimmed(Log.of(4), 3), 3, ["4", "5", "6"]),
        (corrupt(Log.of(4), 4), 2, ["3", "gap 4-4 lost", "5", "6"]),
        (corrupt(trimmed(Log.of(4), 3), 5), 0, ["gap 1-3 trimmed", "4", "gap 5-5 lost", "6"]),
    ],
)
def test_pages_hold_the_log_whatever_their_size(log: Log, after: int, expected: Sequence[str], size: int) -> None:
    """Page by page a watcher gets each event once, or a gap."""
    assert pages(log, after, size=size) == expected


def test_what_the_cap_took_from_a_slow_watcher_is_called_lagged() -> None:
    """The reason of the gap is the caller's to name."""
    assert pages(trimmed(Log.of(4), 3), 1, frames.LAGGED) == ["gap 2-3 lagged", "4", "5", "6"]


def test_entries_that_cannot_be_read_are_passed_over() -> None:
    """A page on which nothing can be read says so, and the next goes on behind it."""
    assert pages(corrupt(Log.of(6), 3, 4, 5), 2, size=3) == ["gap 3-5 lost", "6", "7", "8"]


def test_an_evicted_list_is_one_gap() -> None:
    """The list is gone and the state is not: what is missing is said, up to the state's last seq."""
    log = Log.of(4)
    log.cached.clear()
    assert pages(log, 1) == ["gap 2-6 lost"]


@pytest.mark.parametrize("evicted", [False, True])
def test_a_gap_never_swallows_the_terminal_status(evicted: bool) -> None:
    """The terminal event that cannot be read is rebuilt from the state, by the topic: a page leaves it to that."""
    log = Log.of(1, end=COMPLETE)
    if evicted:
        log.cached.clear()
    else:
        corrupt(log, 3, 4, 5)
    data, after = page(log.snapshot(2), 2, frames.TRIMMED)
    assert (words(data), after) == (["gap 3-4 lost"], 4)


def test_what_a_watcher_has_is_not_sent_again() -> None:
    """A read may begin below the place that was asked for, where the list has holes."""
    log = Log.of(4)
    data, after = page(log.snapshot(1), 3, frames.TRIMMED)
    assert (words(data), after) == (["4", "5", "6"], 6)
