"""What the soak knows: every deploy, what each watcher was told of it, and all that breaks the promise."""

import asyncio
import json
from array import array
from collections import Counter, deque
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from api.verify import Verifier
from producer.event import decode
from producer.keys import Keys
from producer.state import Snapshot, State
from producer.status import Status

FIRST_LINE_SEQ = 3  # after `queued` and `building`
_SHOWN_EVENTS = 25


def text(keys: Keys, number: int) -> str:
    """The text of a line that the soak writes itself."""
    return f"{keys.member} line {number}"


class Deploy:
    """One deploy. `lines` are those that its job has in mind; `own`: the soak itself is the job.

    `acknowledged` counts the lines that are known to be stored.
    """

    def __init__(self, keys: Keys, lines: list[str], *, own: bool = False, crashes: bool = False) -> None:
        self.keys = keys
        self.lines = lines
        self.own = own
        self.crashes = crashes
        self.acknowledged = 0
        self.cancel_asked = False
        self.over = asyncio.Event()
        self.final: State | None = None
        self.stored: dict[int, int] = {}

    def end(self, final: Snapshot) -> list[str]:
        """It has ended, with this as its log; what is wrong with that."""
        state = final.state
        self.final = state
        wrong = []
        for seq, data in enumerate(final.events, state.first_seq):
            self.stored[seq] = hash(data)
            event = decode(data)
            if event is None or event.seq != seq:
                wrong.append(f"event {seq} is stored as {data[:80]!r}")
            elif not self._may_be(event.line, seq, state.seq):
                wrong.append(f"event {seq} is stored as {event.line!r}, which is not what was written")
        if state.first_seq + len(final.events) - 1 != state.seq:
            wrong.append(f"{len(final.events)} events from {state.first_seq} on are stored, the last being {state.seq}")
        if state.status is Status.CANCELLED and not self.cancel_asked:
            wrong.append("it was cancelled, but nobody asked for it")
        if state.status is Status.COMPLETE and not self.own and state.proof.lines != len(self.lines) + 1:
            wrong.append(f"it is complete with {state.proof.lines} lines, not {len(self.lines) + 1}")
        if self.own:
            wrong += self._judge_own(state)
        self.over.set()
        return wrong

    def _may_be(self, line: str | None, seq: int, last: int) -> bool:
        """Whether event `seq` of a log whose end is `last` may have this line."""
        number = seq - FIRST_LINE_SEQ
        if line is None:
            return seq < FIRST_LINE_SEQ or seq == last
        written = self.lines[number] if 0 <= number < len(self.lines) else None
        # The last line is not the job's, nor is the one before it where that tells how the job has crashed.
        return line == written or seq == last - 1 or (self.crashes and seq == last - 2)

    def _judge_own(self, state: State) -> list[str]:
        right = {Status.FAILED if self.crashes else Status.COMPLETE} | (
            {Status.CANCELLED} if self.cancel_asked else set()
        )
        wrong = []
        if state.status not in right or (state.status is Status.FAILED and state.error != "crashed"):
            wrong.append(f"it ended as {state.status} ({state.error}: {state.detail}), though its writer lived")
        if state.proof.lines < self.acknowledged:
            wrong.append(f"{self.acknowledged} lines were acknowledged, {state.proof.lines} are counted: LOST")
        return wrong


@dataclass(eq=False)
class Record:
    """What one watcher was told, over all its connections."""

    number: int
    manner: str
    deploy: Deploy
    verifier: Verifier = field(default_factory=Verifier)
    connections: int = 0
    done: bool = False
    last_id: str = ""
    lost: int = 0
    doubled: int = 0
    gaps: list[tuple[int, int | None, str]] = field(default_factory=list)
    seen: list[tuple[int, int]] = field(default_factory=list)
    tail: deque[str] = field(default_factory=lambda: deque(maxlen=_SHOWN_EVENTS))
    flaws: list[str] = field(default_factory=list)

    def take(self, kind: str, data: bytes, identity: str) -> dict[str, Any]:
        """The next event; returns what it says."""
        said: dict[str, Any] = json.loads(data)
        self.tail.append(f"{self.connections}: {kind} id={identity} {data[:200].decode(errors='replace')}")
        sane = self.verifier.flaw is None
        if self.done:
            self.flaws.append("something came after the end")
        if kind == "gap":
            self.gaps.append((said["from"], said["to"], said["reason"]))
            self.lost += max(0, said["from"] - self.verifier.last - 1)
            self.verifier.gap(said)
        elif kind == "done":
            self.done = True
            if not self.verifier.vanished and identity != str(self.verifier.last + 1):
                self.flaws.append(f"the end has id {identity}, behind event {self.verifier.last}")
        else:
            self._count(said["seq"], identity)
            self.seen.append((said["seq"], hash(data)))
            if kind == "status":
                self.verifier.changed(said)
            else:
                self.verifier.line(said)
        if identity:
            self.last_id = identity
        if sane and self.verifier.flaw is not None:
            self.flaws.append(self.verifier.flaw)
            self.tail.append(f"^ {self.verifier.flaw}")
        return said

    def _count(self, seq: int, identity: str) -> None:
        last = self.verifier.last
        self.lost += max(0, seq - last - 1)
        # After a fail-over took events back, the end may be told again in its place.
        self.doubled += seq <= last and "lost" not in self.verifier.missing
        if identity != str(seq):
            self.flaws.append(f"event {seq} has id {identity}")

    def judge(self) -> list[str]:
        """All that is wrong with what it was told, now that its deploy has ended."""
        wrong = list(self.flaws)
        final = self.deploy.final
        if final is None:
            return wrong
        first = final.first_seq
        taken_back = any(reason == "lost" for _, _, reason in self.gaps)
        for seq, fingerprint in self.seen:
            if not taken_back and self.deploy.stored.get(seq, fingerprint) != fingerprint:
                wrong.append(f"event {seq} came with other bytes than are stored")
        for start, to, reason in self.gaps:
            if reason != "lost" and to is not None and to >= first:
                wrong.append(f"a gap says that {start} to {to} are {reason}, but {first} and on are stored")
        if not taken_back and self.seen and max(self.seen)[0] > final.seq:
            wrong.append(f"event {max(self.seen)[0]} came, but the log ends with {final.seq}")
        if self.done and self.verifier.status is not final.status:
            wrong.append(f"it was told that the deploy ended as {self.verifier.status}, not as {final.status}")
        return wrong


@dataclass
class Ledger:
    """All of a run in numbers, and its violations, of each of which `tell` hears at once, with what it is about."""

    tell: Callable[[str, str], None] = lambda _what, _details: None
    deploys: list[Deploy] = field(default_factory=list)
    violations: list[str] = field(default_factory=list)
    faults: Counter[str] = field(default_factory=Counter)
    endings: Counter[str] = field(default_factory=Counter)
    gaps: Counter[str] = field(default_factory=Counter)
    manners: Counter[str] = field(default_factory=Counter)
    refusals: Counter[str] = field(default_factory=Counter)
    delivery: dict[str, "array[float]"] = field(default_factory=dict)
    lines: int = 0
    connections: int = 0
    reconnects: int = 0
    silent: int = 0
    events: int = 0
    lost: int = 0
    doubled: int = 0
    hanging: int = 0

    @property
    def live(self) -> list[Deploy]:
        """The deploys that have not ended."""
        return [deploy for deploy in self.deploys if deploy.final is None]

    def ended(self, deploy: Deploy, final: Snapshot) -> None:
        """A deploy has ended, with this log."""
        for wrong in deploy.end(final):
            self.lost += "LOST" in wrong
            self.violation(f"deploy {deploy.keys.member}: {wrong}")
        state = final.state
        self.lines += state.proof.lines
        # A reason of more than one word is the scenario's own.
        reason = "" if state.error in (None, state.status) else f": {state.error}"
        self.endings[f"{state.status}{': as its scenario has it' if ' ' in reason[2:] else reason}"] += 1

    def finished(self, record: Record) -> None:
        """A watcher will get no more, and its deploy has ended."""
        self.lost += record.lost
        self.doubled += record.doubled
        for _, _, reason in record.gaps:
            self.gaps[reason] += 1
        wrong = record.judge()
        if wrong:
            who = f"watcher {record.number} ({record.manner}) of {record.deploy.keys.member}"
            self.violation(f"{who}: {'; '.join(wrong[:3])}", "\n    ".join(record.tail))
        record.seen.clear()

    def hangs(self, record: Record, why: str) -> None:
        """A stream did not end in time."""
        self.hanging += 1
        who = f"watcher {record.number} ({record.manner}) of {record.deploy.keys.member}"
        self.violation(f"{who}: {why}", "\n    ".join(record.tail))

    def violation(self, what: str, details: str = "") -> None:
        """Something broke the promise."""
        self.violations.append(what)
        self.tell(what, details)

    def delivered(self, phase: str, seconds: list[float]) -> None:
        """Lines have reached watchers, each so many seconds after it was written."""
        self.delivery.setdefault(phase, array("d")).extend(seconds)
