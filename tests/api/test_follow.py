"""Follow: whatever comes, in whatever order, the run tells each event once, or says honestly what is missing."""

from collections.abc import Callable
from dataclasses import dataclass, field

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from api import frames
from api.follow import Follow, Next, terminal_event
from api.run import Run
from producer.event import decode
from producer.state import Snapshot
from producer.status import Status
from tests.api.support import Frame, Log, line, parse, words

COMPLETE, FAILED = Status.COMPLETE, Status.FAILED
QUEUED_BUILDING = ["1:queued", "2:building"]


def following(log: Log | None = None) -> Follow:
    """A topic that has read this log once, if one is given."""
    follow = Follow(Run())
    if log is not None:
        read(follow, log)
    return follow


def read(follow: Follow, log: Log) -> Next:
    """A read of the list, asked for and answered at once."""
    return follow.snapshot(log.snapshot(follow.read_after))


def settle(follow: Follow, log: Log) -> int:
    """Read until nothing more is to be read; return how often."""
    for count in range(1, 6):
        if read(follow, log) is not Next.READ:
            return count
    raise AssertionError("reads go on for ever")


def told(follow: Follow) -> bytes:
    """All that a watcher gets that was there from the start."""
    held = b"".join(follow.run._frames)
    first = parse(held)[0].data
    start: int = first["from"] if "from" in first else first["seq"]
    return held if start == 1 else frames.gap(1, start - 1, frames.TRIMMED) + held


def test_a_finished_log_is_told_to_its_end() -> None:
    """One read is enough: all events, `done`, and nothing changes it any more."""
    log = Log.of(2, end=COMPLETE)
    follow = Follow(Run())
    assert read(follow, log) is Next.END
    assert words(told(follow)) == [*QUEUED_BUILDING, "3", "4", "5", "6:complete", "done"]
    assert (follow.ended, follow.lost, follow.last) == (True, False, 6)
    log.write("more")
    assert [follow.message(b"?"), follow.vanished(), read(follow, log)] == [Next.NOTHING] * 3
    assert words(told(follow))[-1] == "done"


@pytest.mark.parametrize("at", [0, 1, 150, 249, 250])
@pytest.mark.parametrize("end", [None, COMPLETE])
def test_a_status_change_among_many_lines_is_told_as_one(at: int, end: Status | None) -> None:
    """A deploy that another writer took over, read at once: its second `building` is no log line."""
    log = Log.of(at)
    log.change(Status.BUILDING)
    log.write(*["more"] * (250 - at))
    if end is not None:
        log.finish(end)
    found = words(told(following(log)))
    assert [word for word in found if ":" in word] == [
        *QUEUED_BUILDING,
        f"{at + 3}:building",
        *(["255:complete"] if end else []),
    ]
    assert len(found) == (256 if end else 253)


def test_a_frame_of_history_has_the_bytes_of_a_live_one() -> None:
    """The same seq is the same frame, whether it was read or published."""
    log, live = Log.of(0), following(Log.of(0))
    for data in [*log.write("a", "b"), *log.finish()]:
        live.message(data)
    assert told(live) == told(following(log))


@pytest.mark.parametrize(
    ("scenario", "expected"),
    [
        ("next", Next.WAKE),
        ("again", Next.NOTHING),
        ("hole", Next.READ),
        ("garbage", Next.READ),
        ("another text under a known number", Next.READ),
    ],
)
def test_a_message_is_believed_only_where_it_is_the_next_event(scenario: str, expected: Next) -> None:
    """Everything else is passed over, or has the list read."""
    log = Log.of(1)
    follow = following(log)
    data = {
        "next": line(4),
        "again": log.cached[2],
        "hole": line(5),
        "garbage": b'{"seq":4,"ts":oh',
        "another text under a known number": line(3, "forged"),
    }[scenario]
    assert follow.message(data) is expected
    assert words(told(follow)) == [*QUEUED_BUILDING, "3", *(["4"] if expected is Next.WAKE else [])]


def test_the_terminal_event_live_is_the_end() -> None:
    """The terminal status published as the next event ends the run, with `done`."""
    log = Log.of(1)
    follow = following(log)
    last, end = log.finish(FAILED, "it broke")
    assert [follow.message(last), follow.message(end)] == [Next.WAKE, Next.END]
    assert words(told(follow)) == [*QUEUED_BUILDING, "3", "4", "5:failed", "done"]


def test_messages_ahead_of_a_read_are_joined_to_it() -> None:
    """Published after the read was asked for, and beyond what it found: told at once, in order."""
    log = Log.of(0)
    follow = Follow(Run())
    answer = log.snapshot(follow.read_after)
    three, four = log.write("a", "b")
    assert [follow.message(four), follow.message(three)] == [Next.READ, Next.READ]
    assert follow.snapshot(answer) is Next.WAKE
    assert words(told(follow)) == [*QUEUED_BUILDING, "3", "4"]


def test_a_message_from_before_a_read_that_the_read_does_not_know_was_never_in_the_log() -> None:
    """The append puts an event into the list before it publishes it, so the list decides."""
    log = Log.of(1)
    follow = following(log)
    assert follow.message(line(1_000_000, "forged")) is Next.READ
    assert settle(follow, log) == 1
    log.write("b")
    settle(follow, log)
    assert words(told(follow)) == [*QUEUED_BUILDING, "3", "4"]


@given(st.lists(st.integers(1, 12), max_size=30), st.lists(st.integers(1, 5), max_size=8), st.booleans())
def test_messages_that_come_together_are_told_as_if_they_came_singly(
    heard: list[int], sizes: list[int], doubt: bool
) -> None:
    """However the channel's messages fall into batches: the same frames, and the same place."""
    log = Log.of(2)
    single, together = following(log), following(log)
    log.write(*"abcdef")
    entries = [*log.cached, *log.finish()]
    messages = [entries[min(seq, len(entries)) - 1] for seq in heard]
    if doubt:
        single.resubscribed()
        together.resubscribed()
    for data in messages:
        single.message(data)
    at = 0
    for size in [*sizes, len(messages)]:
        batch = messages[at : at + size]
        at += len(batch)
        for data in batch[together.lines(batch) :]:
            together.message(data)
    assert (told(together), together.last, together.ended) == (told(single), single.last, single.ended)


def test_a_hole_behind_a_read_has_the_list_read_again() -> None:
    """What came while the read was under way, but does not follow on it, asks for another."""
    log = Log.of(0)
    follow = Follow(Run())
    answer = log.snapshot(follow.read_after)
    _, four = log.write("a", "b")
    follow.message(four)
    assert follow.snapshot(answer) is Next.READ
    assert settle(follow, log) == 1
    assert words(told(follow)) == [*QUEUED_BUILDING, "3", "4"]


def test_a_late_answer_takes_nothing_back() -> None:
    """An answer that is older than what came live since changes nothing."""
    log = Log.of(1)
    follow = following(log)
    answer = log.snapshot(follow.read_after)
    for data in log.write("b", "c"):
        follow.message(data)
    if follow.snapshot(answer) is Next.READ:
        settle(follow, log)
    assert words(told(follow)) == [*QUEUED_BUILDING, "3", "4", "5"]


def _trimmed_before_anybody_watched(log: Log, follow: Follow) -> None:
    log.write("a", "b", "c")
    log.trim(4)
    settle(follow, log)


def _trimmed_beyond_what_was_told(log: Log, follow: Follow) -> None:
    settle(follow, log)
    log.write(*"abcdef")
    log.trim(5)
    settle(follow, log)


def _evicted_and_trimmed(log: Log, follow: Follow) -> None:
    settle(follow, log)
    log.write("a")
    log.cached.clear()
    log.write("b", "c", "d")
    log.trim(1)
    settle(follow, log)


def _corrupt_entry(log: Log, follow: Follow) -> None:
    settle(follow, log)
    log.write("a", "b", "c")
    log.cached[3] = b"garbage"
    settle(follow, log)


def _corrupt_last_entry_of_an_unfinished_log(log: Log, follow: Follow) -> None:
    settle(follow, log)
    log.write("a", "b")
    log.cached[3] = b"\xff\n"
    settle(follow, log)
    log.write("c")
    settle(follow, log)


def _corrupt_terminal_event(log: Log, follow: Follow) -> None:
    settle(follow, log)
    log.finish(FAILED, "it broke")
    log.cached[-1] = b"garbage"
    settle(follow, log)


def _corrupt_last_line_and_terminal_event(log: Log, follow: Follow) -> None:
    settle(follow, log)
    log.write("a")
    log.finish()
    log.cached[-2:] = [b"garbage", b""]
    settle(follow, log)


def _list_evicted_while_building(log: Log, follow: Follow) -> None:
    settle(follow, log)
    log.write("a", "b")
    log.cached.clear()
    settle(follow, log)
    (data,) = log.write("c")
    follow.message(data)


def _list_evicted_after_the_end(log: Log, follow: Follow) -> None:
    log.write("a")
    log.finish()
    log.cached.clear()
    settle(follow, log)


def _deploy_vanished(log: Log, follow: Follow) -> None:
    settle(follow, log)
    follow.vanished()


def _recreated_under_the_same_id(log: Log, follow: Follow) -> None:
    settle(follow, log)
    another = Log.of(9)
    another.created_by = "somebody else"
    settle(follow, another)


@pytest.mark.parametrize(
    ("scenario", "expected"),
    [
        (_trimmed_before_anybody_watched, ["gap 1-4 trimmed", "5"]),
        (_trimmed_beyond_what_was_told, [*QUEUED_BUILDING, "gap 3-5 trimmed", "6", "7", "8"]),
        (_evicted_and_trimmed, [*QUEUED_BUILDING, "gap 3-4 trimmed", "5", "6"]),
        (_corrupt_entry, [*QUEUED_BUILDING, "3", "gap 4-4 lost", "5"]),
        (_corrupt_last_entry_of_an_unfinished_log, [*QUEUED_BUILDING, "3", "gap 4-4 lost", "5"]),
        (_corrupt_terminal_event, [*QUEUED_BUILDING, "3", "4:failed", "done"]),
        (_corrupt_last_line_and_terminal_event, [*QUEUED_BUILDING, "3", "gap 4-4 lost", "5:complete", "done"]),
        (_list_evicted_while_building, [*QUEUED_BUILDING, "gap 3-4 lost", "5"]),
        (_list_evicted_after_the_end, ["gap 1-4 lost", "5:complete", "done"]),
        (_deploy_vanished, [*QUEUED_BUILDING, "gap 3-None lost", "done"]),
        (_recreated_under_the_same_id, [*QUEUED_BUILDING, "gap 3-None lost", "done"]),
    ],
)
def test_what_the_list_has_lost_is_an_honest_gap(scenario: Callable[[Log, Follow], None], expected: list[str]) -> None:
    """A gap names exactly what is missing and why; the terminal status is told even when its entry is gone."""
    log, follow = Log.of(0), Follow(Run())
    scenario(log, follow)
    assert words(told(follow)) == expected


def test_who_joins_a_trimmed_log_gets_the_gap_first() -> None:
    """What was trimmed before anybody watched comes as a gap to each who starts below it."""
    log = Log.of(3)
    log.trim(3)
    seats = [following(log).run.seat(after) for after in (0, 2, 3)]
    assert [seat and words(seat.prefix) for seat in seats] == [["gap 1-3 trimmed"], ["gap 3-3 trimmed"], []]


def test_a_terminal_event_that_cannot_be_read_is_rebuilt_from_the_state() -> None:
    """Status, reason, time and proof are in the state, so the very same bytes are made again."""
    log = Log.of(3)
    log.finish(FAILED, "it broke")
    intact = told(following(log))
    log.cached[-1] = b"garbage"
    assert told(following(log)) == intact


def test_a_vanished_deploy_has_no_ids_that_a_come_back_could_use() -> None:
    """The gap without an end and its `done` have no id: a client comes back with the last event that it has."""
    follow = following(Log.of(1))
    assert follow.vanished() is Next.END
    assert (follow.ended, follow.lost) == (True, True)
    assert parse(told(follow))[-2:] == [
        Frame("gap", None, {"from": 4, "to": None, "reason": "lost"}),
        Frame("done", None, {}),
    ]


def test_only_the_same_deploy_at_the_same_seq_is_the_end_that_was_told() -> None:
    """A cached end is good while the store has this very deploy, ended, at this very seq."""
    log = Log.of(1, end=COMPLETE)
    follow = following(log)
    another, longer = Log.of(1, end=COMPLETE), Log.of(2, end=COMPLETE)
    another.created_by = "somebody else"
    unfinished = Log.of(3)
    assert unfinished.seq == log.seq
    found = [follow.is_end_of(other.state()) for other in (log, another, longer, unfinished)]
    assert found == [True, False, False, False]
    assert not following(Log.of(1)).is_end_of(Log.of(1).state())


# Fail-over: the store goes back.


@dataclass
class FailedOver:
    """A log of 10 events that was told, after which the store went back by some."""

    back: int = 4
    log: Log = field(default_factory=lambda: Log.of(8))
    follow: Follow = field(default_factory=lambda: Follow(Run()))

    def __post_init__(self) -> None:
        settle(self.follow, self.log)
        self.lost = self.log.cached[-self.back :]
        self.log.go_back(10 - self.back)
        self.follow.resubscribed()

    @property
    def added(self) -> list[str]:
        """What was told since."""
        return words(told(self.follow))[10:]


def test_what_the_writer_repeats_is_not_sent_again() -> None:
    """The same bytes come again, live: nobody sees it, and the log goes on."""
    failed = FailedOver()
    failed.log.resend(failed.lost)
    for data in [*failed.lost, *failed.log.write("more")]:
        failed.follow.message(data)
    settle(failed.follow, failed.log)
    assert failed.added == ["11"]


def test_a_store_that_is_behind_is_waited_for() -> None:
    """A read in the meantime finds less than was told: nothing is sent, nothing is taken back."""
    failed = FailedOver()
    assert read(failed.follow, failed.log) is Next.NOTHING
    failed.log.resend(failed.lost)
    failed.log.write("more")
    settle(failed.follow, failed.log)
    assert failed.added == ["11"]


def test_a_log_that_comes_back_different_is_taken_back_to_the_first_difference() -> None:
    """A gap from the first difference to the last that was sent, with id from - 1; then the log as it now is."""
    failed = FailedOver()
    seven = failed.log.write("line 4")  # the same
    eight = failed.log.write("something else")
    assert [failed.follow.message(data) for data in [*seven, *eight]] == [Next.NOTHING, Next.READ]
    assert settle(failed.follow, failed.log) == 1
    assert failed.added == ["gap 8-10 lost", "8"]
    assert parse(told(failed.follow))[10] == Frame("gap", 7, {"from": 8, "to": 10, "reason": "lost"})
    for data in failed.log.finish(FAILED):
        failed.follow.message(data)
    assert failed.added == ["gap 8-10 lost", "8", "9", "10:failed", "done"]


def test_a_log_that_ended_below_what_was_sent_is_taken_back() -> None:
    """A reaper ended it: its last line and status stand where other events were sent."""
    failed = FailedOver()
    failed.log.finish(FAILED, "worker_lost")
    settle(failed.follow, failed.log)
    assert failed.added == ["gap 7-10 lost", "7", "8:failed", "done"]


@pytest.mark.parametrize("back", [1, 2, 3, 8])
def test_a_reaper_after_a_fail_over_is_seen_as_it_was_stored(back: int) -> None:
    """The writer died with the old server, and its two last events come live before the list could be read."""
    failed = FailedOver(back)
    for data in failed.log.finish(FAILED, "worker_lost"):
        failed.follow.message(data)
    settle(failed.follow, failed.log)
    assert _view(told(failed.follow)) == _truth(failed.log)


@pytest.mark.parametrize("back", [1, 2, 3, 8])
def test_a_reaper_after_a_fail_over_that_nobody_heard_is_seen_as_it_was_stored(back: int) -> None:
    """A fail-over also cuts the subscription: the two last events were published unheard, and a read finds them."""
    failed = FailedOver(back)
    failed.log.finish(FAILED, "worker_lost")
    settle(failed.follow, failed.log)
    assert _view(told(failed.follow)) == _truth(failed.log)


def test_an_end_whose_only_difference_cannot_be_read_takes_that_place_back_too() -> None:
    """Ended where a line was sent, the terminal entry corrupt: what is rebuilt from the state has that line's place."""
    failed = FailedOver(back=5)
    failed.log.resend(failed.lost[:1])
    failed.log.finish(FAILED, "worker_lost")
    failed.log.cached[6:] = [b"garbage", b"garbage"]
    settle(failed.follow, failed.log)
    view = _view(told(failed.follow))
    assert (list(view), view[8]) == (list(range(1, 9)), _rebuilt(failed.log))


def test_a_difference_that_is_heard_while_a_read_is_under_way_is_not_forgotten() -> None:
    """The answer under way was asked for behind what was told, so it cannot tell: the whole list is read after it."""
    failed = FailedOver()
    late = failed.log.snapshot(failed.follow.read_after)
    (seven,) = failed.log.write("something else")
    assert failed.follow.message(seven) is Next.READ
    failed.follow.snapshot(late)
    settle(failed.follow, failed.log)
    assert failed.added == ["gap 7-10 lost", "7"]


def test_a_rewritten_log_that_goes_on_is_told_as_it_is_in_the_list() -> None:
    """The same while it builds: what was told and the list must not silently differ."""
    failed = FailedOver()
    failed.log.write(*(f"other {number}" for number in range(6)))
    settle(failed.follow, failed.log)
    failed.log.finish()
    settle(failed.follow, failed.log)
    assert _view(told(failed.follow)) == _truth(failed.log)


def test_a_list_that_was_trimmed_since_is_compared_where_it_overlaps() -> None:
    """What the cap has dropped cannot be compared; what is there is."""
    failed = FailedOver()
    failed.log.write("line 4", "other")
    failed.log.trim(5)
    failed.follow.message(failed.log.cached[-1])
    settle(failed.follow, failed.log)
    assert failed.added == ["gap 8-10 lost", "8"]


# The model: a store, a channel that loses, doubles and swaps, and reads that are answered late.


def _view(stream: bytes) -> dict[int, Frame | str]:
    """What a watcher has in the end: by seq its event, or the reason why it is missing. Checks I1 and I4 on the way."""
    view: dict[int, Frame | str] = {}
    last = 0
    got = parse(stream)
    for frame in got[:-1]:
        data = frame.data
        if frame.kind == "gap":
            first, to, reason = data["from"], data["to"], data["reason"]
            if first <= last:
                assert (frame.id, to, reason) == (first - 1, last, "lost"), (
                    "ids fall only by taking back all that was sent"
                )
                view = {seq: told for seq, told in view.items() if seq < first}
                last = first - 1
                continue
            assert first == last + 1
            assert first <= to == frame.id
            view |= dict.fromkeys(range(first, to + 1), reason)
            last = to
        else:
            assert frame.id == data["seq"] == last + 1, words(stream)
            last += 1
            view[last] = frame
    ends = [at for at, frame in enumerate(got) if frame.data.get("status") in ("complete", "failed", "cancelled")]
    assert ends == [len(got) - 2], "exactly one terminal event, right before done"
    assert got[-1] == Frame("done", last + 1, {})
    return view


def _truth(log: Log) -> dict[int, Frame | str]:
    """A log as a watcher that missed nothing has it."""
    return {log.first_seq + at: _frame(data) for at, data in enumerate(log.cached)}


def _frame(data: bytes) -> Frame:
    """How an event is told."""
    event = decode(data)
    assert event is not None
    (frame,) = parse(frames.event(event))
    return frame


def _rebuilt(log: Log) -> Frame:
    """How the end of a log is told whose terminal event cannot be read."""
    return _frame(terminal_event(log.state()).data)


@dataclass
class World:
    """The model: the log with all that was ever in it, the channel's messages under way, and a read under way."""

    log: Log = field(default_factory=lambda: Log.of(0))
    follow: Follow = field(default_factory=lambda: Follow(Run()))
    channel: list[bytes] = field(default_factory=list)
    history: dict[int, bytes] = field(default_factory=dict)
    missing: set[int] = field(default_factory=set)  # what the list has lost at some time
    asked: int | None = None
    answer: Snapshot | None = None
    written: int = 0

    def __post_init__(self) -> None:
        self.record(self.log.cached)

    def record(self, entries: list[bytes]) -> None:
        """These events are in the log from now on."""
        first = self.log.seq - len(entries) + 1
        self.history |= dict(enumerate(entries, first))
        self.channel += entries

    def step(self, name: str, number: int) -> None:
        """Let one thing happen: the method of that name."""
        getattr(self, name)(number)

    def append(self, number: int) -> None:
        """The writer appends one to four lines."""
        if not self.log.status.terminal:
            self.written += 1
            self.record(self.log.write(*(f"{self.written}.{count}" for count in range(number % 4 + 1))))

    def finish(self, _: int) -> None:
        """The writer ends the deploy."""
        if not self.log.status.terminal:
            self.record(self.log.finish())

    def trim(self, number: int) -> None:
        """The cap drops the oldest from the list."""
        before = self.log.first_seq
        self.log.trim(number)
        self.missing |= set(range(before, self.log.first_seq))

    def corrupt(self, number: int) -> None:
        """Somebody overwrites an entry."""
        if self.log.cached:
            at = number % len(self.log.cached)
            self.log.cached[at] = b"garbage"
            self.missing.add(self.log.first_seq + at)

    def evict(self, _: int) -> None:
        """The list is gone, the state is not."""
        self.missing |= set(range(self.log.first_seq, self.log.seq + 1))
        self.log.cached.clear()

    def swallow(self, number: int) -> None:
        """A message is lost."""
        if self.channel:
            self.channel.pop(number % len(self.channel))

    def arrive(self, _: int) -> None:
        """The oldest message arrives."""
        if self.channel:
            self.deliver(self.channel.pop(0))

    def double(self, _: int) -> None:
        """It arrives, and will again."""
        if self.channel:
            self.deliver(self.channel[0])

    def swap(self, number: int) -> None:
        """A later message arrives first."""
        if self.channel:
            self.deliver(self.channel.pop(number % len(self.channel)))

    def foreign(self, number: int) -> None:
        """Bytes that are not ours arrive, or an event far ahead that was never in the log."""
        self.deliver(b"garbage" if number % 2 else line(10**6 + number, "of another deploy"))

    def forged(self, number: int) -> None:
        """Another event arrives under a number that was told."""
        if self.follow.last:
            self.deliver(line(number % self.follow.last + 1, "of another deploy"))

    def ask(self, _: int) -> None:
        """A read is asked for."""
        if self.asked is None:
            self.asked = self.follow.read_after

    def read(self, _: int) -> None:
        """The store serves it."""
        if self.asked is not None and self.answer is None:
            self.answer = self.log.snapshot(self.asked)

    def reply(self, _: int) -> None:
        """Its answer arrives."""
        if self.answer is not None:
            self.follow.snapshot(self.answer)
            self.asked = self.answer = None

    def deliver(self, data: bytes) -> None:
        """A message arrives; a topic takes none before its first read."""
        if self.follow.state is not None:
            self.follow.message(data)

    def fail_over(self, back: int, again: int) -> None:
        """The store loses its newest events, and the connection what was under way; some events are sent again."""
        seq = max(2, self.log.seq - back)
        lost = self.log.cached[seq:]
        self.log.go_back(seq)
        self.channel.clear()
        self.asked = self.answer = None
        self.follow.resubscribed()
        self.log.resend(lost[:again])
        self.record(lost[:again])
        self.ask(0)  # the subscription is confirmed again

    def settle(self) -> None:
        """The deploy ends, unheard; then the answer under way comes, and reads until nothing is to be read."""
        self.finish(0)
        self.read(0)
        self.reply(0)
        if not self.follow.ended:
            settle(self.follow, self.log)


def steps(*names: str, size: int = 60) -> st.SearchStrategy[list[tuple[str, int]]]:
    """Up to `size` things that happen, each with a number."""
    return st.lists(st.tuples(st.sampled_from(names), st.integers(0, 6)), max_size=size)


CHANNEL = ("append", "append", "arrive", "arrive", "swallow", "double", "swap", "foreign", "forged")
READS = ("ask", "read", "reply")


@settings(max_examples=400, deadline=None)
@given(steps(*CHANNEL, *READS, "finish"))
def test_on_a_store_that_loses_nothing_every_event_comes_once(happened: list[tuple[str, int]]) -> None:
    """Messages swallowed, doubled, swapped, foreign, reads answered late: the watcher has exactly the log, no gap."""
    world = World()
    for name, number in happened:
        world.step(name, number)
    world.settle()
    assert _view(told(world.follow)) == _truth(world.log)


@settings(max_examples=400, deadline=None)
@given(steps(*CHANNEL, *READS, "trim", "corrupt", "evict", "finish"))
def test_what_the_list_loses_is_all_that_a_gap_may_stand_for(happened: list[tuple[str, int]]) -> None:
    """As above, while the cap trims and entries are corrupted: every event comes once, or was lost and is in a gap."""
    world = World()
    for name, number in happened:
        world.step(name, number)
    world.settle()
    terminal = world.log.seq
    world.missing.discard(terminal)  # it is rebuilt from the state
    view = _view(told(world.follow))
    assert list(view) == list(range(1, terminal + 1))
    for seq, got in view.items():
        if isinstance(got, str):
            assert seq in world.missing, f"event {seq} was there, and came as a gap: {got}"
        else:
            assert got == _frame(world.history[seq])


@settings(max_examples=400, deadline=None)
@given(
    st.integers(0, 8),
    steps(*CHANNEL, *READS, size=10),
    st.integers(0, 8),
    st.integers(0, 8),
    steps(*CHANNEL, *READS, "finish", size=20),
)
def test_after_a_fail_over_a_watcher_has_the_log_as_it_now_is(
    lines: int, before: list[tuple[str, int]], back: int, again: int, after: list[tuple[str, int]]
) -> None:
    """The store goes back some events, some come again, then others: in the end a watcher has the list's log."""
    world = World()
    world.log.write(*(f"told {number}" for number in range(lines)))
    settle(world.follow, world.log)
    for name, number in before:
        world.step(name, number)
    world.fail_over(back, again)
    for name, number in after:
        world.step(name, number)
    world.settle()
    assert _view(told(world.follow)) == _truth(world.log)
