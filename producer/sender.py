"""The writer's thread: numbers and encodes what the job has handed over, sends it in batches, and keeps the beat.

It alone owns the outbox, so nothing here needs a lock. The job's side reads `error`, `ended` and `cancel`.
"""

import random
import time
from collections.abc import Callable
from contextlib import suppress
from functools import partial
from queue import Empty, SimpleQueue
from typing import NamedTuple, TypeAlias, TypeVar

from producer import calls
from producer.deploys import states
from producer.errors import AlreadyClaimed, DeployLogError, Moved, NotClaimed, StoreAway, StoreFull
from producer.event import clean, encode_status
from producer.keys import Keys
from producer.outbox import BATCH_EVENTS, Batch, End, Outbox
from producer.state import BUILDING_SEQ
from producer.status import Status, last_line
from producer.store import Store

T = TypeVar("T")

KEEP_ALIVE_SECONDS = 0.5
_END_EVENTS = 2  # the last line and the terminal status

Outcome: TypeAlias = "SimpleQueue[DeployLogError | None]"


class Line(NamedTuple):
    """A line, as it may be stored."""

    ts: float
    text: str
    stream: str | None
    level: str | None
    step: str | None


class Flush(NamedTuple):
    """Tell `outcome` when all before it is stored, or what keeps it from being."""

    outcome: Outcome


class Finish(NamedTuple):
    """End the deploy, and tell `outcome`."""

    end: End
    outcome: Outcome


class Close(NamedTuple):
    """Send what there is, and stop."""


Item: TypeAlias = Line | Flush | Finish | Close


class Sender:
    """Sends the items of one deploy's log, in order. `give_up` is how long, in seconds, Redis may be away.

    Raises UnknownDeploy, Finished, AlreadyClaimed, StoreAway when it claims the deploy, at once.
    """

    def __init__(
        self,
        store: Store,
        keys: Keys,
        token: str,
        started: float,
        time_limit: int | None,
        give_up: float,
    ) -> None:
        self.items: SimpleQueue[Item] = SimpleQueue()
        self.error: DeployLogError | None = None
        self.ended: Status | None = None
        self.give_up_at = float("inf")
        self.taken = 0  # characters of lines that have left the queue
        self._store = store
        self._keys = keys
        self._token = token
        self._started = started
        self._time_limit = time_limit
        self._give_up = give_up
        self._outcomes: list[Outcome] = []
        self._ending: End | None = None
        self._closing = False
        self._dropped = False  # Redis had no room for some of the lines
        self._not_complete = False  # so the deploy ends as failed, though the job has ended it as complete
        claimed = self._retrying(self._claim)
        self.cancel = claimed.cancel
        self._outbox = Outbox(claimed.seq, claimed.proof)

    def run(self) -> None:
        """Send until the end of the deploy, until closed, or until something stops the log: see `error`."""
        try:
            while not (self.ended or (self._closing and self._outbox.empty)):
                self._take()
                self._send()
                self._settle()
        except DeployLogError as error:
            self.error = error
        except BaseException as error:
            self.error = StoreAway(f"the log cannot be sent: {error!r}")
            raise

    def _take(self) -> None:
        """Take what has come; wait for the first of it, but no longer than until the next sign of life is due."""
        with suppress(Empty):
            if self._outbox.empty and not self._last_taken():
                self._accept(self.items.get(timeout=KEEP_ALIVE_SECONDS))
            # No more than one batch: what is not sent yet stays where the job's side counts it.
            while self._outbox.waiting < BATCH_EVENTS and not self._last_taken():
                self._accept(self.items.get_nowait())

    def _last_taken(self) -> bool:
        return self._closing or self._ending is not None

    def _accept(self, item: Item) -> None:
        if isinstance(item, Line):
            self.taken += len(item.text)
            if self.error is None:
                self._outbox.accept(*item)
            else:  # Redis is full, and the job has been told
                self._dropped = True
        elif isinstance(item, Flush):
            self._outcomes.append(item.outcome)
        elif isinstance(item, Finish):
            self._outcomes.append(item.outcome)
            self._ending = item.end
        else:
            self._closing = True

    def _send(self) -> None:
        if self._ending is not None and not self._outbox.ending:
            self._accept_end(self._ending)
        try:
            reply = self._retrying(partial(self._append, self._outbox.batch()))
        except StoreFull as error:
            self.error = error
            self._make_room()
        else:
            self._outbox.acknowledge(reply.seq)
            self.cancel = self.cancel or reply.cancel

    def _settle(self) -> None:
        """Tell those who wait for all that was handed over."""
        if not self._outbox.empty:
            return
        if self._ending is not None:
            if not self._outbox.ending:
                return  # there was no room for all; its end alone is sent next
            self.ended = self._ending.status
            if not self._not_complete:
                self.error = None
        for outcome in self._outcomes:
            outcome.put(self.error)
        self._outcomes.clear()

    def _make_room(self) -> None:
        """Redis is full: drop what it has no room for. It takes the end of a deploy all the same."""
        # The refused batch may be one that was applied, and only its reply was lost.
        (state,), _ = self._retrying(lambda: self._store.run(states([self._keys])))
        if state is not None and state.writer == self._token:
            self._outbox.acknowledge(state.seq)
        lines = self._outbox.waiting - (_END_EVENTS if self._outbox.ending else 0)
        self._dropped = self._dropped or lines > 0
        self._outbox.abandon()

    def _accept_end(self, end: End) -> None:
        if self._dropped and end.status is Status.COMPLETE:
            # A log that has lost lines must not look whole.
            self._not_complete = True
            reason, detail = why(self.error) if self.error else ("log_store_full", None)
            end = self._ending = End(Status.FAILED, reason, detail, end.ts)
        self._outbox.accept(end.ts, clean(last_line(end.status, end.reason)), "system")
        self._outbox.finish(end)

    def _append(self, batch: Batch) -> calls.Appended:
        try:
            return self._store.run(calls.append(self._keys, self._token, batch))
        except NotClaimed:
            claimed = self._claim()
            return calls.Appended(claimed.seq, claimed.cancel)

    def _claim(self) -> calls.Claimed:
        # Claimed again after a fail-over, it is the same bytes again.
        event = encode_status(BUILDING_SEQ, self._started, Status.BUILDING)
        try:
            return self._store.run(
                calls.claim(self._keys, self._token, event, BUILDING_SEQ, self._started, time_limit=self._time_limit)
            )
        except Moved as error:
            raise AlreadyClaimed(str(error)) from error

    def _retrying(self, send: Callable[[], T]) -> T:
        began = time.monotonic()
        delay = 0.05
        while True:
            try:
                return send()
            except StoreAway as error:
                now = time.monotonic()
                if now + delay > min(began + self._give_up, self.give_up_at):
                    raise StoreAway(f"gave up after {now - began:.1f} s: {error}") from error
            time.sleep(delay * random.uniform(0.5, 1.0))
            delay = min(delay * 2, 0.5)


def why(error: BaseException) -> tuple[str, str | None]:
    """The (reason, detail) of a deploy that failed by `error`."""
    if isinstance(error, StoreFull):
        return "log_store_full", str(error)
    if isinstance(error, KeyboardInterrupt):
        return "interrupted", None
    return "crashed", in_words(error)


def in_words(error: BaseException) -> str:
    """The kind of error and the first line of what it says."""
    text = str(error).strip().partition("\n")[0]
    return f"{type(error).__name__}: {text}" if text else type(error).__name__
