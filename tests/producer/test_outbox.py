"""The writer's buffer."""

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from producer import outbox as module
from producer.event import encode_line, encode_status
from producer.outbox import BATCH_BYTES, BATCH_EVENTS, Batch, End, Outbox
from producer.proof import Proof
from producer.status import Status

TS = 1_700_000_000.0


def outbox(seq: int = 2, proof: Proof = Proof()) -> Outbox:  # noqa: B008 - a constant
    """An outbox whose next event has number `seq` + 1."""
    return Outbox(seq, proof)


def proof_of(*lines: str) -> Proof:
    """The proof of these lines."""
    proof = Proof()
    for line in lines:
        proof = proof.add(line)
    return proof


def event(seq: int, line: str) -> bytes:
    """The bytes of a plain line."""
    return encode_line(seq, TS, line)


def fill(box: Outbox, *lines: str) -> None:
    """Accept plain lines."""
    for line in lines:
        box.accept(TS, line)


def test_an_empty_outbox_sends_a_sign_of_life() -> None:
    """A batch without events, for the place where the log stands."""
    box = outbox(7, Proof(3, 4))
    assert (box.empty, box.waiting, box.ending, box._acknowledged_seq, box.proof) == (True, 0, False, 7, Proof(3, 4))
    assert box.batch() == Batch(8, [], Proof(3, 4))


def test_lines_are_numbered_and_sent_in_order() -> None:
    """The batch has the bytes of each line, and the proof of the log with them."""
    box = outbox(2, proof_of("before"))
    assert [box.accept(TS, "a", "stdout", "info", "build"), box.accept(TS, "b")] == [3, 4]
    data = encode_line(3, TS, "a", "stdout", "info", "build")
    assert box.batch() == Batch(3, [data, event(4, "b")], proof_of("before", "a", "b"))
    assert box.batch() == box.batch()
    assert not box.empty


def test_what_is_acknowledged_is_not_sent_again() -> None:
    """A part of a batch may be acknowledged; the rest stays."""
    box = outbox()
    fill(box, "a", "b", "c")
    box.acknowledge(2)
    assert box.batch().first == 3
    box.acknowledge(4)
    assert (box._acknowledged_seq, box.batch()) == (4, Batch(5, [event(5, "c")], proof_of("a", "b", "c")))
    box.acknowledge(5)
    assert (box.empty, box.batch()) == (True, Batch(6, [], proof_of("a", "b", "c")))


def test_a_batch_has_at_most_so_many_events() -> None:
    """The proof of a batch is that of its own last line, not of all that waits."""
    box = outbox()
    texts = [str(number) for number in range(BATCH_EVENTS + 1)]
    fill(box, *texts)
    batch = box.batch()
    assert (len(batch.events), batch.proof, batch.end) == (BATCH_EVENTS, proof_of(*texts[:-1]), None)
    box.acknowledge(2 + BATCH_EVENTS)
    assert box.batch() == Batch(3 + BATCH_EVENTS, [event(3 + BATCH_EVENTS, texts[-1])], proof_of(*texts))


def test_a_batch_has_at_most_so_many_bytes() -> None:
    """It is cut before the event that would pass the bound, but has one event at least."""
    box = outbox()
    line = "x" * 16_000
    while len(box.batch().events) == box._last - 2:
        fill(box, line)
    size = sum(map(len, box.batch().events))
    assert size <= BATCH_BYTES < size + len(event(99, line))
    huge = outbox()
    fill(huge, "x" * (BATCH_BYTES + 1), "y")
    assert len(huge.batch().events) == 1


def test_the_end_travels_with_the_last_event_only() -> None:
    """A batch that stops before the terminal status does not say that the deploy ends."""
    box = outbox()
    fill(box, *("x" for _ in range(BATCH_EVENTS)))
    end = End(Status.FAILED, "broken", "in two", TS)
    seq = box.finish(end)
    assert seq == 3 + BATCH_EVENTS
    assert box.batch().end is None
    box.acknowledge(seq - 1)
    status = encode_status(seq, TS, Status.FAILED, "broken", "in two", box.proof)
    assert box.batch() == Batch(seq, [status], box.proof, end=end)


def test_it_tells_what_waits() -> None:
    """How many events, and whether the last of them ends the deploy; abandoned they wait no longer."""
    box = outbox()
    fill(box, "a", "b")
    box.acknowledge(3)
    seen = [(box.waiting, box.ending)]
    box.finish(End(Status.COMPLETE, None, None, TS))
    seen.append((box.waiting, box.ending))
    box.abandon()
    seen.append((box.waiting, box.ending))
    assert seen == [(1, False), (2, True), (0, False)]


def test_a_store_that_went_back_gets_the_same_bytes_again() -> None:
    """What it has lost is sent again, before what waits."""
    box = outbox()
    fill(box, "a", "b", "c")
    box.acknowledge(5)
    fill(box, "d")
    box.acknowledge(3)
    assert (box._acknowledged_seq, box.batch()) == (
        3,
        Batch(4, [event(4, "b"), event(5, "c"), event(6, "d")], proof_of("a", "b", "c", "d")),
    )
    box.acknowledge(6)
    assert box.empty


def test_going_back_while_idle_is_no_hole() -> None:
    """A store that lost all of this writer's lines gets all of them again."""
    box = outbox()
    fill(box, "a", "b")
    box.acknowledge(4)
    box.acknowledge(2)
    assert box.batch() == Batch(3, [event(3, "a"), event(4, "b")], proof_of("a", "b"))


@pytest.fixture
def window(monkeypatch: pytest.MonkeyPatch) -> int:
    """A small re-send window."""
    monkeypatch.setattr(module, "RESEND_EVENTS", 3)
    return 3


@pytest.mark.usefixtures("window")
def test_a_hole_beyond_the_re_send_window_is_declared() -> None:
    """What is still held is sent behind the hole; once it has arrived there is no hole any more."""
    box = outbox()
    fill(box, "a", "b", "c", "d", "e")
    box.acknowledge(7)
    box.acknowledge(2)
    assert box.batch() == Batch(5, [event(5, "c"), event(6, "d"), event(7, "e")], proof_of(*"abcde"), hole=True)
    box.acknowledge(2)
    assert box.batch().hole
    box.acknowledge(5)
    assert not box.batch().hole


@pytest.mark.usefixtures("window")
def test_the_edge_of_the_window_is_no_hole() -> None:
    """A store that lost exactly what is held lost nothing for good."""
    box = outbox()
    fill(box, "a", "b", "c", "d", "e")
    box.acknowledge(7)
    box.acknowledge(4)
    assert box.batch() == Batch(5, [event(5, "c"), event(6, "d"), event(7, "e")], proof_of(*"abcde"))


def test_the_window_is_bounded_by_bytes(monkeypatch: pytest.MonkeyPatch) -> None:
    """However few events: what is held for sending again has a size."""
    monkeypatch.setattr(module, "RESEND_BYTES", 2 * len(event(3, "x")))
    box = outbox()
    fill(box, "x", "x", "x")
    box.acknowledge(5)
    box.acknowledge(2)
    assert (box.batch().first, box.batch().hole) == (4, True)


def test_a_hole_is_declared_when_nothing_is_held_to_send() -> None:
    """The next line goes on behind the events that were lost, rather than never being taken."""
    box = outbox(10)
    box.acknowledge(5)
    fill(box, "a")
    assert box.batch() == Batch(11, [event(11, "a")], proof_of("a"), hole=True)


def test_what_waits_can_be_abandoned() -> None:
    """As if it had never been accepted: numbers and proof go on from what was acknowledged."""
    box = outbox()
    fill(box, "a", "b", "c")
    box.finish(End(Status.COMPLETE, None, None, TS))
    box.acknowledge(3)
    box.abandon()
    assert (box.empty, box.proof) == (True, proof_of("a"))
    fill(box, "z")
    assert box.batch() == Batch(4, [event(4, "z")], proof_of("a", "z"))


def test_the_proof_goes_back_with_the_store_when_all_is_abandoned() -> None:
    """A store that lost every line of this writer and has room for none of them has the proof it started with."""
    box = outbox(2, proof_of("before"))
    fill(box, "a", "b")
    box.acknowledge(4)
    box.acknowledge(2)
    box.abandon()
    assert box.proof == proof_of("before")


def test_a_line_that_cannot_be_encoded_leaves_no_trace() -> None:
    """An error in accepting a line changes neither the numbers nor the proof."""
    box = outbox()
    with pytest.raises(ValueError, match="surrogates"):
        box.accept(TS, "a", step="\ud800")
    assert (box.proof, box.empty) == (Proof(), True)
    fill(box, "b")
    assert box.batch() == Batch(3, [event(3, "b")], proof_of("b"))


class OutboxMachine(RuleBasedStateMachine):
    """An outbox against a store that may take a part, forget its tail, or be asked twice.

    Whatever happens: the store has each line once and in order, with the bytes it was accepted with, but for declared
    holes; and a batch carries the proof of all lines up to its end.
    """

    start = 2

    def __init__(self) -> None:
        super().__init__()
        self.box = outbox(self.start)
        self.accepted: list[bytes] = []
        self.proofs = [Proof()]
        self.stored: dict[int, bytes] = {}
        self.seq = self.start
        self.holes: set[int] = set()

    @rule(text=st.text(max_size=3), times=st.integers(1, 3))
    def accept(self, text: str, times: int) -> None:
        """The job writes."""
        for _ in range(times):
            assert self.box.accept(TS, text) == self.start + len(self.accepted) + 1
            self.accepted.append(event(self.start + len(self.accepted) + 1, text))
            self.proofs.append(self.proofs[-1].add(text))

    @rule(lost=st.booleans())
    def send(self, lost: bool) -> None:
        """One append, whose reply may be lost."""
        batch = self.box.batch()
        if batch.events:
            assert batch.proof == self.proofs[batch.first + len(batch.events) - 1 - self.start]
        if self.seq < batch.first - 1 and batch.hole:
            self.holes |= set(range(self.seq + 1, batch.first))
            self.seq = batch.first - 1
        if self.seq >= batch.first - 1:
            for number, data in enumerate(batch.events, batch.first):
                if number > self.seq:
                    self.stored[number] = data
                    self.seq = number
        if not lost:
            self.box.acknowledge(self.seq)

    @rule(steps=st.integers(1, 6))
    def fail_over(self, steps: int) -> None:
        """The store forgets its newest events."""
        self.seq = max(self.start, self.seq - steps)
        self.stored = {number: data for number, data in self.stored.items() if number <= self.seq}
        self.holes = {number for number in self.holes if number <= self.seq}

    @precondition(lambda self: self.accepted)
    @rule()
    def settle(self) -> None:
        """In a few sendings everything arrives."""
        for _ in range(4 + len(self.accepted)):
            self.send(lost=False)
        assert self.box.empty
        assert self.seq == self.start + len(self.accepted)

    @invariant()
    def the_store_is_right(self) -> None:
        """Every number up to the last is stored with its own bytes, or is in a hole."""
        for number in range(self.start + 1, self.seq + 1):
            if number in self.holes:
                assert number not in self.stored
            else:
                assert self.stored[number] == self.accepted[number - self.start - 1]
        assert self.box.proof == self.proofs[-1]


class SmallWindowMachine(OutboxMachine):
    """The same with a window of two events, so that there are holes."""

    def __init__(self) -> None:
        super().__init__()
        self.patch = pytest.MonkeyPatch()
        self.patch.setattr(module, "RESEND_EVENTS", 2)

    def teardown(self) -> None:
        """The window as it was."""
        self.patch.undo()


class WideWindowMachine(OutboxMachine):
    """The same with the window as it is, within which nothing may be lost."""

    @invariant()
    def nothing_is_lost(self) -> None:
        """No hole."""
        assert not self.holes


TestSmallWindow = SmallWindowMachine.TestCase
TestWideWindow = WideWindowMachine.TestCase
TestSmallWindow.settings = TestWideWindow.settings = settings(max_examples=40, stateful_step_count=25)
