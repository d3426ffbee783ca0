"""The buffered writer: takes lines without waiting for Redis, and sends what has gathered as one batch.

A thread sends (`producer.sender`); while a batch is under way the next gathers, so an idle log has no added delay and
a flood is batched. The buffer is bounded: when it is full, the job waits, and nothing is dropped. While Redis is away
the thread tries again, up to a limit, and then goes on from the last acknowledged event.

A job may be interrupted anywhere: by Ctrl-C, by RQ's time limit, by a signal handler that raises. So this side, the
job's, holds no lock and gives out no number: handing over a line is one call of `SimpleQueue.put`, which is atomic.
"""

import threading
import time
from collections.abc import Callable, Iterable
from contextlib import suppress
from functools import lru_cache, partial
from queue import Empty, SimpleQueue
from types import TracebackType
from typing import Self

from redis.exceptions import RedisError

from producer.deploys import leave_live
from producer.errors import DeployCancelled, DeployLogError, Finished, StoreAway
from producer.event import clean
from producer.keys import Keys
from producer.lines import Line as Split
from producer.mask import Mask
from producer.outbox import End
from producer.output import Output, Unfinished
from producer.sender import Close, Finish, Flush, Line, Outcome, Sender, why
from producer.status import Status
from producer.store import Store

GIVE_UP_SECONDS = 300.0
BUFFER_EVENTS = 20_000
BUFFER_CHARACTERS = 16 * 1024 * 1024
REPLICAS_MS = 1_000
# How often the job looks whether it may go on. Events and conditions would do without, but do not survive an
# exception that a signal handler raises while they hold their lock.
_FULL_SECONDS = 0.005
_LOOK_SECONDS = 0.05
_LABELS = 1_000  # what comes again with every line is cleaned once; no more of it is remembered


class Writer:
    """The one writer of a deploy's log, from `building` to its end.

    Used as a context manager it ends the deploy: complete, cancelled where somebody asked for it, failed on an
    exception. Thread-safe. `give_up` is how long, in seconds, Redis may be away; `secrets`, or a mask of them, are
    masked in all that is told, as is what has a secret's shape; `time_limit` is after how many seconds the deploy is
    ended from outside.
    Without `cancel_raises` a cancel shows only in `cancelled`. A store that it `owns_store` is closed with it.

    Raises UnknownDeploy, Finished, AlreadyClaimed, StoreAway when it opens; ValueError for an empty secret.
    """

    def __init__(
        self,
        store: Store,
        keys: Keys,
        *,
        token: str,
        secrets: Iterable[str] | Mask = (),
        give_up: float = GIVE_UP_SECONDS,
        time_limit: int | None = None,
        cancel_raises: bool = True,
        owns_store: bool = False,
        buffer_events: int = BUFFER_EVENTS,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self.keys = keys
        self._store = store
        self._mask = secrets if isinstance(secrets, Mask) else Mask(secrets)
        self._cancel_raises = cancel_raises
        self._buffer_events = buffer_events
        self._clock = clock
        self._owns_store = owns_store
        self._closed = False
        self._handed = 0
        self._labels = lru_cache(_LABELS)(self._clean_labels)
        self._unfinished = Unfinished()
        self._sender = Sender(store, keys, token, clock(), time_limit, give_up)
        self._thread = threading.Thread(target=self._sender.run, name=f"log {keys.member}", daemon=True)
        self._thread.start()

    @property
    def cancelled(self) -> bool:
        """Whether somebody asked for a cancel."""
        return self._sender.cancel

    @property
    def ended(self) -> Status | None:
        """The terminal status that was stored, or None."""
        return self._sender.ended

    def write(
        self,
        line: str | bytes,
        *,
        stream: str | None = None,
        level: str | None = None,
        step: str | None = None,
        omitted: int = 0,
    ) -> None:
        """Accept one line. Waits only while the buffer is full.

        The line is made valid Unicode, masked, and cut at 16 KiB; a line break in it is data. `omitted` is how many
        bytes of it the caller has left out already.
        Raises DeployCancelled once a cancel was asked for, Finished after the end, and what stopped the sending:
        Fenced, StoreFull, StoreAway.
        """
        ts = self._clock()
        text = line if isinstance(line, str) else line.decode("utf-8", "replace")
        text = clean(self._mask(text, (stream, step)), omitted)
        self._check()
        while self._full():
            time.sleep(_FULL_SECONDS)
            self._check()
        self._handed += len(text)
        self._sender.items.put(Line(ts, text, *self._labels(stream, level, step)))

    def output(self, stream: str | None = "stdout", *, step: str | None = None, level: str | None = None) -> Output:
        """A file for what comes in other chunks than lines: `print(..., file=log.output())`, `redirect_stdout`.

        It takes text and bytes; a secret is masked however it was cut. Its methods raise as `write` does.
        """

        def put(line: Split) -> None:
            self.write(line.text, stream=stream, level=level, step=step, omitted=line.omitted)

        return Output(put, partial(self._mask.open_end, sequence=(stream, step)), self._unfinished)

    def wait(self, seconds: float) -> None:
        """Sleep, but no longer than until the log cannot go on. Raises as `write` does."""
        end = time.monotonic() + seconds
        self._check()
        while (left := end - time.monotonic()) > 0:
            time.sleep(min(left, _LOOK_SECONDS))
            self._check()

    def flush(self, timeout: float | None = None) -> None:
        """Wait until all that was written is stored. Raises as `write` does, and StoreAway after `timeout` seconds."""
        outcome: Outcome = SimpleQueue()
        self._sender.items.put(Flush(outcome))
        self._await(outcome, timeout)

    def finish(self, status: Status, reason: str | None = None, detail: str | None = None) -> None:
        """Write the last line and the terminal status, and wait until they are stored.

        A second finish does nothing. Raises what stopped the sending, where the end could not be stored either; and
        StoreFull where lines were lost for want of room, so that a complete deploy has ended as failed.
        """
        if self.ended:
            return
        self._unfinished.finish()
        if status is Status.CANCELLED:
            reason = reason or "cancelled"
        outcome: Outcome = SimpleQueue()
        end = End(status, self._clean(reason), self._clean(detail), self._clock())
        self._sender.items.put(Finish(end, outcome))
        try:
            self._await(outcome)
        finally:
            if self.ended:
                with suppress(DeployLogError):
                    self._store.run(leave_live(self.keys))
                self._await_replicas()

    def hurry(self, seconds: float) -> None:
        """Give up on a Redis that is away within this many seconds: somebody waits for us to stop."""
        self._sender.give_up_at = min(self._sender.give_up_at, time.monotonic() + seconds)

    def close(self) -> None:
        """Stop the thread, after it has sent what it can. Without a `finish` the deploy is left to the reaper."""
        self._closed = True
        self._sender.items.put(Close())
        self._thread.join()
        if self._owns_store:
            self._store.client.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        try:
            if error is None:
                self.finish(Status.COMPLETE)
            elif isinstance(error, DeployCancelled):
                self.finish(Status.CANCELLED)
            else:
                reason, detail = why(error)
                if reason == "crashed":
                    self._unfinished.finish()
                    # The last line has the reason alone: let the log, too, tell what it was.
                    line = Line(self._clock(), self._clean(detail) or "", "system", "error", None)
                    self._sender.items.put(line)
                self.finish(Status.FAILED, reason, detail)
        except DeployLogError:
            if error is None:
                raise
        finally:
            self.close()

    def _clean(self, text: str | None) -> str | None:
        return None if text is None else clean(self._mask(text))

    def _clean_labels(self, *labels: str | None) -> tuple[str | None, ...]:
        return tuple(map(self._clean, labels))

    def _full(self) -> bool:
        sender = self._sender
        return sender.items.qsize() >= self._buffer_events or self._handed - sender.taken >= BUFFER_CHARACTERS

    def _check(self) -> None:
        if self._sender.error:
            raise self._sender.error
        if self.ended:
            raise Finished(f"deploy {self.keys.deploy!r} has ended: {self.ended}")
        if self._closed:
            raise Finished(f"the log of {self.keys.deploy!r} is closed")
        if self._sender.cancel and self._cancel_raises:
            raise DeployCancelled(f"deploy {self.keys.deploy!r} is to be cancelled")

    def _await(self, outcome: Outcome, timeout: float | None = None) -> None:
        end = None if timeout is None else time.monotonic() + timeout
        while True:
            over = not self._thread.is_alive()
            try:
                error = outcome.get(timeout=_LOOK_SECONDS)
            except Empty:
                if over:
                    raise self._sender.error or Finished(f"the log of {self.keys.deploy!r} is closed") from None
                if end is not None and time.monotonic() > end:
                    raise StoreAway(f"Redis has not taken all lines within {timeout:g} s") from None
                continue
            if error is not None:
                raise error
            return

    def _await_replicas(self) -> None:
        client = self._store.client
        with suppress(RedisError):
            replicas = int(client.info("replication").get("connected_slaves", 0))
            if replicas:
                client.wait(replicas, REPLICAS_MS)
