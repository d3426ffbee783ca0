"""The decisions of one topic: what a read of the list and each published message mean for its run of frames.

The rules:
- The run grows by the next seq and by nothing else; a gap stands in the place of what is lost for good.
- What was published is believed only where it is the next event. On a hole, on bytes that are not ours, on a repeated
  event that differs from what was sent, the list decides: read it again.
- A message that came in before a read was asked for, and that lies beyond what that read found, was never in the log:
  the append puts an event into the list before it publishes it.
- After a fail-over the store may have less than was sent. What the writer repeats is not sent again; if the log
  comes back different, or ended below, `gap{first that differs ... last sent, lost}`, then the log as it now is.
- So there is doubt after a new subscription, with a new writer, when the store has less than was sent, when a repeated
  event differs. In doubt nothing is appended until the whole list was read and compared with what was sent.
"""

from enum import Enum, auto

from api import frames
from api.run import Gap, Run
from producer.event import Event, are_lines, are_stored_lines, decode, encode_status
from producer.state import Snapshot, State

MAX_HELD = 10_000
_BLOCK = 100
_FEW = 8  # so many are looked at one by one
_BLOCK_BYTES = 32 * 1024


class Next(Enum):
    """What the caller has to do."""

    NOTHING = auto()
    WAKE = auto()  # the run has grown
    READ = auto()  # read the list after `read_after`
    END = auto()  # the run has grown for the last time


class Follow:
    """One deploy as its watchers have been told it, from the first read of the list to its end."""

    def __init__(self, run: Run) -> None:
        self.run = run
        self.state: State | None = None  # as last read
        self.last = 0  # the seq of the last event in the run
        self.ended = False
        self.lost = False  # ended because the deploy vanished
        self._doubt = False
        self._full = False  # whether the read that is under way is of the whole list
        self._held: list[Event] = []
        self._asked = 0  # how many of the held came in before the read was asked for
        self._asked_last = 0  # what `last` was then

    @property
    def read_after(self) -> int:
        """After which seq the list is to be read. Marks the read as asked for now."""
        self._asked, self._asked_last = len(self._held), self.last
        self._full = self._doubt
        return 0 if self._doubt else self.last

    def resubscribed(self) -> None:
        """Messages may have been missed: the store may be another one by now."""
        self._be_in_doubt()

    def is_end_of(self, state: State) -> bool:
        """Whether what was told, to its end, is still the log whose state is `state`."""
        known = self.state
        return (
            self.ended
            and known is not None
            and (state.created_by, state.seq) == (known.created_by, self.last)
            and state.status.terminal
        )

    def lines(self, batch: list[bytes]) -> int:
        """Published messages have come together: take those at once that are the next log lines.

        Returns how many from the first on it took; each of the others is a `message`. In a flood this takes a fifth of
        the time.
        """
        if self.state is None or self._doubt or self.ended:
            return 0
        for at in range(0, len(batch), _BLOCK):
            block = batch[at : at + _BLOCK]
            if not are_lines(block, self.last + 1):
                return at
            self._append_lines(block)
        return len(batch)

    def message(self, data: bytes) -> Next:
        """A published message has come."""
        if self.ended:
            return Next.NOTHING
        event = decode(data)
        if event is None:
            return Next.READ
        if self.state is None or event.seq > self.last + 1 or (self._doubt and event.seq > self.last):
            if len(self._held) < MAX_HELD:
                self._held.append(event)
            return Next.READ
        if event.seq <= self.last:
            return self._repeated(event)
        return Next.END if self._append(event) else Next.WAKE

    def snapshot(self, snapshot: Snapshot) -> Next:
        """A read of the list has come back."""
        if self.ended:
            return Next.NOTHING
        state = snapshot.state
        if self.state is not None and state.created_by != self.state.created_by:
            return self.vanished()  # another deploy lives under this id now
        before = self.run.end
        if self.state is None:
            # What was trimmed before anybody watched is each watcher's own gap, by where it starts.
            self.last = min(state.first_seq - 1, state.seq)
            self.run.begin(self.last)
        else:
            # An end where something else was told is another log's, too.
            other_end = state.status.terminal and state.seq == self.last
            # Messages that have overtaken the read are no sign that the store has lost events.
            self._doubt |= state.seq < self._asked_last or other_end or state.writer != self.state.writer
            if self._doubt and not self._full:
                return Next.READ
            if self._doubt:
                self._take_back(snapshot.events, state)
                self._doubt = state.seq < self.last
        self.state = state
        if state.seq > self.last:
            self._catch_up(snapshot.events, state)
        return self._apply_held(grown=self.run.end > before)

    def vanished(self) -> Next:
        """The deploy is no longer in the store: its end cannot be told."""
        if self.ended:
            return Next.NOTHING
        self.run.append(frames.gap(self.last + 1, None, frames.LOST), self.last + 1)
        self.run.append(frames.done(None), self.last + 1)
        self.ended = self.lost = True
        return Next.END

    def _catch_up(self, entries: list[bytes], state: State) -> None:
        """Append what the list has beyond `last`, up to the state's seq, with a gap for whatever it lacks."""
        if state.first_seq > self.last + 1:
            self._gap(min(state.first_seq - 1, state.seq), frames.TRIMMED)
        for at in range(0, len(entries), _BLOCK):
            self._catch_up_block(entries[at : at + _BLOCK], state)
        if self.last < state.seq:
            if state.status.terminal:
                if self.last < state.seq - 1:
                    self._gap(state.seq - 1, frames.LOST)
                self._append(terminal_event(state))
            else:
                self._gap(state.seq, frames.LOST)

    def _catch_up_block(self, entries: list[bytes], state: State) -> None:
        """Append what are the next lines as blocks, and what is among them by itself."""
        first, last = self.last + 1, self.last + len(entries)
        lines = state.sure_lines
        sure = first in lines and last in lines
        if last <= state.seq and are_stored_lines(entries, first, sure=sure):
            self._append_lines(entries)
        elif len(entries) > _FEW:
            half = len(entries) // 2
            self._catch_up_block(entries[:half], state)
            self._catch_up_block(entries[half:], state)
        else:
            self._catch_up_singly(entries, state)

    def _catch_up_singly(self, entries: list[bytes], state: State) -> None:
        for event in map(decode, entries):
            if event is None or event.seq <= self.last or event.seq > state.seq:
                continue
            if event.seq > self.last + 1:
                self._gap(event.seq - 1, frames.LOST)
            self._append(event)

    def _take_back(self, entries: list[bytes], state: State) -> None:
        """Where the list differs from what was sent, or ended below it, go back to the first difference."""
        for event in map(decode, entries):
            if event is None:
                continue
            sent = self.run.frame_of(event.seq) if event.seq <= self.last else None
            if sent is not None and sent != frames.event(event):
                first = event.seq
                break
        else:
            if not (state.status.terminal and state.seq <= self.last):
                return
            first = state.seq  # no end was told yet, so what was told there is not it
        self.run.take_back(Gap(first, self.last, frames.LOST))
        self.last = first - 1

    def _repeated(self, event: Event) -> Next:
        sent = self.run.frame_of(event.seq)
        if sent is None or sent == frames.event(event):
            return Next.NOTHING
        self._be_in_doubt()
        return Next.READ

    def _be_in_doubt(self) -> None:
        self._doubt = self.last > 0
        self._full = False  # a read that is under way may be of before

    def _apply_held(self, *, grown: bool) -> Next:
        late, self._held, self._asked = self._held[self._asked :], [], 0
        ended = self.ended
        for event in sorted(late, key=lambda event: event.seq):
            if event.seq == self.last + 1 and not ended and not self._doubt:
                ended = self._append(event)
                grown = True
        if ended:
            return Next.END
        self._held = [event for event in late if event.seq > self.last]
        if self._held:
            return Next.READ
        return Next.WAKE if grown else Next.NOTHING

    def _append(self, event: Event) -> bool:
        """Add the next event; return whether it is the end."""
        self.run.append(frames.event(event), event.seq)
        self.last = event.seq
        if event.status is not None and event.status.terminal:
            self.run.append(frames.done(event.seq + 1), event.seq + 1)
            self.ended = True
        return self.ended

    def _append_lines(self, entries: list[bytes]) -> None:
        """Add the next log lines as blocks: a cold log is framed in a fifth of the time that single events take."""
        first, last = self.last + 1, self.last + len(entries)
        # What is too large before it is framed need not be framed to be seen to be so.
        block = frames.lines(entries, first) if sum(map(len, entries)) <= _BLOCK_BYTES or first == last else None
        if block is None or (len(block) > _BLOCK_BYTES and first < last):
            # A block is sent and dropped as a whole, so it is kept small.
            half = len(entries) // 2
            self._append_lines(entries[:half])
            self._append_lines(entries[half:])
            return
        self.run.append_block(block, first, last)
        self.last = last

    def _gap(self, last: int, reason: str) -> None:
        self.run.append_gap(Gap(self.last + 1, last, reason))
        self.last = last


def terminal_event(state: State) -> Event:
    """The terminal event of a finished deploy, rebuilt from its state."""
    at = state.finished_at or 0.0
    data = encode_status(state.seq, at, state.status, state.error, state.detail, state.proof)
    return Event(state.seq, at, data, None, state.status)
