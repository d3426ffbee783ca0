"""The buffered writer: takes lines without waiting for Redis, and sends what has gathered as one batch.

One thread sends; while a batch is under way the next gathers, so an idle log has no added delay and a flood is
batched. The buffer is bounded: when it is full, the job waits, and nothing is dropped. While Redis is away the thread
tries again, up to a limit, and then goes on from the last acknowledged event.
"""

import random
import threading
import time
from collections.abc import Callable, Iterable
from contextlib import suppress
from functools import partial
from types import TracebackType
from typing import Self, TypeVar

from producer import calls
from producer.deploys import leave_live
from producer.errors import (
    AlreadyClaimed,
    DeployCancelled,
    DeployLogError,
    Finished,
    Moved,
    NotClaimed,
    StoreAway,
    StoreFull,
)
from producer.event import clean, encode_status
from producer.keys import Keys
from producer.mask import Mask
from producer.outbox import Batch, End, Outbox
from producer.status import Status, last_line
from producer.store import Store

T = TypeVar("T")

KEEP_ALIVE_SECONDS = 0.5
GIVE_UP_SECONDS = 300.0
BUFFER_EVENTS = 20_000
BUFFER_BYTES = 16 * 1024 * 1024
REPLICAS_MS = 1_000
BUILDING_SEQ = 2  # right after `queued`


class Writer:
    """The one writer of a deploy's log, from `building` to its end.

    Used as a context manager it ends the deploy: complete, cancelled where somebody asked for it, failed on an
    exception. Thread-safe. `give_up` is how long, in seconds, Redis may be away; `secrets` are masked in every line;
    `time_limit` is after how many seconds the deploy is ended from outside. Without `cancel_raises` a cancel shows only
    in `cancelled`.

    Raises UnknownDeploy, Finished, AlreadyClaimed, StoreAway when it opens.
    """

    def __init__(
        self,
        store: Store,
        keys: Keys,
        *,
        token: str,
        secrets: Iterable[str] = (),
        give_up: float = GIVE_UP_SECONDS,
        time_limit: int | None = None,
        cancel_raises: bool = True,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self.keys = keys
        self._store = store
        self._token = token
        self._mask = Mask(secrets)
        self._give_up = give_up
        self._time_limit = time_limit
        self._cancel_raises = cancel_raises
        self._clock = clock
        self._lock = threading.Condition()
        self._error: DeployLogError | None = None
        self._cancel = False
        self._closing = False
        self._ended: Status | None = None
        self._started = clock()
        claimed = self._retrying(self._claim)
        self._cancel = claimed.cancel
        self._outbox = Outbox(claimed.seq, claimed.proof, BUFFER_EVENTS, BUFFER_BYTES)
        self._start()

    @property
    def cancelled(self) -> bool:
        """Whether somebody asked for a cancel."""
        return self._cancel

    @property
    def ended(self) -> Status | None:
        """The terminal status that was written, or None."""
        return self._ended

    def write(
        self,
        line: str | bytes,
        *,
        stream: str | None = None,
        level: str | None = None,
        step: str | None = None,
    ) -> int:
        """Accept one line; return its seq. Waits only while the buffer is full.

        The line is made valid Unicode, masked, and cut at 16 KiB; a line break in it is data.
        Raises DeployCancelled once a cancel was asked for, Finished after the end, and what stopped the sending:
        Fenced, StoreFull, StoreAway.
        """
        ts = self._clock()
        text = line if isinstance(line, str) else line.decode("utf-8", "replace")
        text = clean(self._mask(text))
        with self._lock:
            while self._outbox.full and not self._error and not self._stopping:
                self._lock.wait()
            self._check()
            return self._accept(ts, text, stream, level, step)

    def wait(self, seconds: float) -> None:
        """Sleep, but no longer than until the log cannot go on. Raises as `write` does."""
        end = time.monotonic() + seconds
        with self._lock:
            while not self._error and not self._stopping and (left := end - time.monotonic()) > 0:
                self._lock.wait(left)
            self._check()

    def flush(self, timeout: float | None = None) -> None:
        """Wait until all that was written is stored. Raises StoreAway after `timeout` seconds, and as `write` does."""
        with self._lock:
            if not self._lock.wait_for(lambda: self._outbox.empty or self._error, timeout):
                raise StoreAway(f"Redis has not taken all lines within {timeout:g} s")
            if self._error:
                raise self._error

    def finish(self, status: Status, reason: str | None = None, detail: str | None = None) -> None:
        """Write the last line and the terminal status, and wait until they are stored.

        A second finish does nothing. Raises what stopped the sending, where the end could not be written either.
        """
        with self._lock:
            if self._ended:
                return
            full = isinstance(self._error, StoreFull)
            if full:
                # Redis takes the end of a deploy even when it is full; what it has no room for is dropped.
                self._outbox.abandon()
                self._error = None
            if self._error:
                raise self._error
            reason = None if reason is None else clean(self._mask(reason))
            detail = None if detail is None else clean(self._mask(detail))
            if status is Status.CANCELLED:
                reason = reason or "cancelled"
            ts = self._clock()
            self._outbox.accept(ts, clean(last_line(status, reason)), "system")
            self._outbox.finish(End(status, reason, detail, ts))
            self._ended = status
            if full:
                self._start()
            self._lock.notify_all()
        self.close()
        if self._error:
            raise self._error
        with suppress(StoreAway):
            self._store.run(leave_live(self.keys))
            self._await_replicas()

    def close(self) -> None:
        """Stop the thread, after it has sent what it can. Without a `finish` the deploy is left to the reaper."""
        with self._lock:
            self._closing = True
            self._lock.notify_all()
        self._thread.join()

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
                self.finish(Status.FAILED, *why(error))
        except DeployLogError:
            if error is None:
                raise
        finally:
            self.close()

    @property
    def _stopping(self) -> bool:
        return self._cancel and self._cancel_raises

    def _start(self) -> None:
        name = f"log {self.keys.member}"
        self._thread = threading.Thread(target=self._send_all, name=name, daemon=True)
        self._thread.start()

    def _check(self) -> None:
        if self._error:
            raise self._error
        if self._ended:
            raise Finished(f"deploy {self.keys.deploy!r} has ended: {self._ended}")
        if self._stopping:
            raise DeployCancelled(f"deploy {self.keys.deploy!r} is to be cancelled")

    def _accept(self, ts: float, text: str, stream: str | None, level: str | None, step: str | None) -> int:
        idle = self._outbox.empty
        seq = self._outbox.accept(ts, text, stream, level, step)
        if idle:
            self._lock.notify_all()
        return seq

    def _send_all(self) -> None:
        try:
            while (batch := self._next_batch()) is not None:
                reply = self._retrying(partial(self._append, batch))
                with self._lock:
                    self._outbox.acknowledge(reply.seq)
                    self._cancel = self._cancel or reply.cancel
                    self._lock.notify_all()
        except DeployLogError as error:
            with self._lock:
                self._error = error
                self._lock.notify_all()

    def _next_batch(self) -> Batch | None:
        """What to send next: events, or after a while without any a sign of life; None when all is done."""
        with self._lock:
            if self._outbox.empty and not self._closing:
                self._lock.wait(KEEP_ALIVE_SECONDS)
            if self._outbox.empty and self._closing:
                return None
            return self._outbox.batch()

    def _append(self, batch: Batch) -> calls.Appended:
        try:
            return self._store.run(calls.append(self.keys, self._token, batch))
        except NotClaimed:
            claimed = self._claim()
            return calls.Appended(claimed.seq, claimed.cancel)

    def _claim(self) -> calls.Claimed:
        # A writer that claims again after a fail-over sends the same bytes again.
        event = encode_status(BUILDING_SEQ, self._started, Status.BUILDING)
        try:
            return self._store.run(
                calls.claim(
                    self.keys,
                    self._token,
                    event,
                    BUILDING_SEQ,
                    self._started,
                    time_limit=self._time_limit,
                )
            )
        except Moved as error:
            raise AlreadyClaimed(str(error)) from error

    def _retrying(self, send: Callable[[], T]) -> T:
        give_up = time.monotonic() + self._give_up
        delay = 0.05
        while True:
            try:
                return send()
            except StoreAway as error:
                if time.monotonic() + delay > give_up:
                    raise StoreAway(f"gave up after {self._give_up:g} s: {error}") from error
            time.sleep(delay * random.uniform(0.5, 1.0))
            delay = min(delay * 2, 1.0)

    def _await_replicas(self) -> None:
        client = self._store.client
        with suppress(Exception):
            replicas = int(client.info("replication").get("connected_slaves", 0))
            if replicas:
                client.wait(replicas, REPLICAS_MS)


def why(error: BaseException) -> tuple[str, str | None]:
    """The (reason, detail) of a deploy that failed by `error`."""
    if isinstance(error, StoreFull):
        return "log_store_full", str(error)
    if isinstance(error, KeyboardInterrupt):
        return "interrupted", None
    text = str(error).strip().partition("\n")[0]
    return f"{type(error).__name__}: {text}" if text else type(error).__name__, None
