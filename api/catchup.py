"""Pages of the list for a watcher whose place is no longer held in memory."""

from api import frames
from producer.event import decode
from producer.state import Snapshot

PAGE_BYTES = 128 * 1024


def page(snapshot: Snapshot, after: int, reason: str) -> tuple[bytes, int]:
    """The frames of one page that was read after seq `after`, and the seq that the watcher then has.

    `reason` names why the watcher misses what the cap has dropped.
    """
    state = snapshot.state
    parts: list[bytes] = []
    last = after
    if state.first_seq > last + 1:
        parts.append(frames.gap(last + 1, state.first_seq - 1, reason))
        last = state.first_seq - 1
    for event in map(decode, snapshot.events):
        if event is None or event.seq <= last:
            continue
        if event.seq > last + 1:
            parts.append(frames.gap(last + 1, event.seq - 1, frames.LOST))
        parts.append(frames.event(event))
        last = event.seq
    if last == after and state.seq > last:
        # Nothing on this page can be read: pass over as many as it holds, or over all where it is empty.
        unreadable = len(snapshot.events) or state.seq
        # The terminal status is never passed over: the run has it, rebuilt.
        passed = min(state.seq - state.status.terminal, last + unreadable)
        if passed > last:
            parts.append(frames.gap(last + 1, passed, frames.LOST))
            last = passed
    return b"".join(parts), last
