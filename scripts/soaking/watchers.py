"""The watchers of the soak: plain ones, and all the manners in which a client can be slow, hasty or rude."""

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from random import Random

from scripts.soaking.course import Course
from scripts.soaking.ledger import Ledger, Record
from scripts.soaking.parts import Replica
from scripts.soaking.wire import PIECE, SILENCE_SECONDS, Wrong, ask
from scripts.wire import Decoder, stream_path


@dataclass(frozen=True)
class Manner:
    """How a watcher behaves. `leaves`: it goes after so many events of a connection, without a word, and comes back.

    `piece` and `pause`: it reads so many bytes, then waits. `stalls`: after so many events it stops reading for that
    many seconds. `trickles`: it sends its request byte by byte. `back`: seconds until it comes back. `for_good`: it
    does not. `proxied`: it comes through the fault proxy. A `hostile` one calms down when it is told to.
    """

    hostile: bool = False
    leaves: int = 0
    piece: int = PIECE
    pause: float = 0.0
    stalls: int = 0
    stall_seconds: float = 0.0
    trickles: bool = False
    back: float = 1.0
    for_good: bool = False
    proxied: bool = False


MANNERS = {
    "plain": Manner(),
    "proxied": Manner(proxied=True),
    "hopping": Manner(leaves=40, back=0.5),
    "slow": Manner(hostile=True, piece=512, pause=0.5),
    "stalling": Manner(hostile=True, piece=2048, stalls=10, stall_seconds=40.0),
    "vanishing": Manner(hostile=True, leaves=5, for_good=True),
    "hammering": Manner(hostile=True, leaves=1, back=0.1),
    "trickling": Manner(hostile=True, trickles=True),
}


class Watcher:
    """Follows one deploy to its end, over whichever replica, and records what it is told.

    It raises Wrong where the service does what it must never do.
    """

    def __init__(
        self,
        record: Record,
        replicas: list[Replica],
        ledger: Ledger,
        rng: Random,
        course: Course,
    ) -> None:
        self.record = record
        self._manner = MANNERS[record.manner]
        self._replicas = replicas
        self._ledger = ledger
        self._rng = rng
        self._course = course

    async def run(self) -> None:
        """Watch until the end of the log, or until it leaves for good."""
        record = self.record
        while not record.done:
            try:
                over = await self._connection()
            except (OSError, asyncio.IncompleteReadError):
                over = False
            if over or (self._manner.for_good and not self._behaves()):
                return
            if not record.done:
                self._ledger.reconnects += 1
                await asyncio.sleep(self._manner.back * self._rng.uniform(0.5, 1.5))
        if self._rng.random() < 0.2:
            await self._come_back()

    def _behaves(self) -> bool:
        return not self._manner.hostile or self._course.calm()

    async def _connection(self) -> bool:
        """One connection; whether there is nothing more to come."""
        async with self._request() as (reader, status):
            if status == 204:
                if not self.record.done:
                    self.record.flaws.append("204, though the end had not come")
                return True
            if status in (429, 503):
                self._ledger.refusals[str(status)] += 1
                return False
            if status != 200:
                raise Wrong(f"HTTP status {status}")
            await self._read(reader)
        return False

    async def _read(self, reader: asyncio.StreamReader) -> None:
        manner, decoder = self._manner, Decoder()
        taken, stalled = 0, False
        while not decoder.ended:
            piece = PIECE if self._behaves() else manner.piece
            try:
                async with asyncio.timeout(SILENCE_SECONDS):
                    data = await reader.read(piece)
            except TimeoutError:
                if manner.piece < PIECE:
                    # Its system may have dropped what it did not read, and the other one waits long to send it again.
                    self._ledger.silent += 1
                    return
                raise Wrong(f"no sign of life for {SILENCE_SECONDS:g} s") from None
            if not data:
                return
            for event in decoder.feed(data):
                self.record.take(*event)
                self._ledger.events += 1
                taken += 1
                if manner.leaves and taken >= manner.leaves and not self._behaves_at_leaving():
                    return
            if not self._behaves():
                if manner.stalls and taken >= manner.stalls and not stalled:
                    stalled = True
                    await self._doze(manner.stall_seconds)
                else:
                    await self._doze(manner.pause)

    def _behaves_at_leaving(self) -> bool:
        return self._manner.hostile and self._course.calm()

    async def _doze(self, seconds: float) -> None:
        end = time.monotonic() + seconds
        while not self._course.calm() and (left := end - time.monotonic()) > 0:  # noqa: ASYNC110 - the course has no events
            await asyncio.sleep(min(left, 0.25))

    async def _come_back(self) -> None:
        """Who has the end as well is told to stay away, or nothing but the end again."""
        kinds: list[str] = []
        try:
            async with self._request() as (reader, status):
                if status not in (200, 204, 429, 503):
                    self.record.flaws.append(f"HTTP status {status} for one that has everything")
                decoder = Decoder()
                async with asyncio.timeout(SILENCE_SECONDS):
                    while status == 200 and not decoder.ended and (data := await reader.read(PIECE)):
                        events = decoder.feed(data)
                        kinds += [event.kind for event in events]
                        self.record.tail += [f"again: {event}" for event in events]
        except (OSError, asyncio.IncompleteReadError, Wrong):
            pass  # it is the faults' turn again; a time-out is an OSError, too
        if kinds not in ([], ["done"]):
            self.record.flaws.append(f"one that has everything was told: {', '.join(kinds[:5])}")

    @asynccontextmanager
    async def _request(self) -> AsyncIterator[tuple[asyncio.StreamReader, int]]:
        """Ask for the stream; the reader of its body, and the status of the answer."""
        replica, last = self._rng.choice(self._replicas), self.record.last_id
        proxied = self._manner.proxied and replica.proxy is not None
        url = replica.proxy.url if proxied and replica.proxy else replica.url
        path, header = stream_path(self.record.deploy.keys), ""
        if last and self._rng.random() < 0.5:
            header = f"Last-Event-ID: {last}\r\n"
        elif last:
            path += f"?last_event_id={last}"
        self.record.connections += 1
        self._ledger.connections += 1
        trickles = self._manner.trickles and not self._behaves()
        async with ask(url, path, header, piece=self._manner.piece, trickles=trickles) as answer:
            yield answer
