"""What the swarm knows of its deploys and watchers, and all that breaks the promise. Times are in seconds."""

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import NamedTuple

from producer.keys import Keys
from producer.proof import Proof
from producer.status import Status
from scripts.swarming.messages import Told
from scripts.swarming.plan import Join, Planned

_SHOWN_VIOLATIONS = 20
_PLAYS_SECONDS = 30.0  # more than its scenario takes: a worker that dies is found out in ten
_QUEUED_SECONDS = 60.0  # in which nothing at all moves
_STREAM_SECONDS = 30.0  # for all streams to end, once their deploy has


class Standing(NamedTuple):
    """The status of a deploy, why it ended, and the proof of what is stored of it so far."""

    status: Status
    error: str | None
    proof: Proof


@dataclass(eq=False, slots=True)
class Deploy:
    """A deploy that was asked for. `takes` is for how long it plays; `watching` counts watchers that are not through.

    `to_join` are those that have not come yet; `told` what those were told that were through before its end was known.
    """

    planned: Planned
    keys: Keys
    takes: float
    to_join: list[Join]
    status: Status = Status.QUEUED
    proof: Proof = field(default_factory=Proof)
    began_at: float | None = None
    ended_at: float | None = None
    watching: int = 0
    told: list[Told] = field(default_factory=list)

    def overdue(self, now: float, moved_at: float) -> str | None:
        """What of it has not ended in time, None where there is still time. `moved_at`: when any deploy last moved."""
        if self.ended_at is not None:
            return "a stream" if now - self.ended_at > _STREAM_SECONDS else None
        if self.began_at is None:
            return "its wait in the queue" if now - moved_at > _QUEUED_SECONDS else None
        return "the deploy" if now - self.began_at > self.takes + _PLAYS_SECONDS else None

    def __str__(self) -> str:
        fault = f", fault {self.planned.fault}" if self.planned.fault else ""
        return f"{self.keys.member} (scenario {self.planned.scenario}, seed {self.planned.seed}{fault})"


@dataclass
class Ledger:
    """Keeps every deploy until it and its watchers are through, and after that only counts.

    `due` are the lines of each deploy, once for each watcher that is through; `missing` those of them that a gap stood
    for. `refused` has why deploys could not be asked for, `endings` how they ended, `joins` when watchers came.
    """

    deploys: dict[int, Deploy] = field(default_factory=dict)
    asked: int = 0
    moved_at: float = 0.0
    broken: int = 0
    violations: list[str] = field(default_factory=list)
    refused: Counter[str] = field(default_factory=Counter)
    ended: Counter[Status] = field(default_factory=Counter)
    endings: Counter[str] = field(default_factory=Counter)
    joins: Counter[str] = field(default_factory=Counter)
    most_queued: int = 0
    through: int = 0
    verified: int = 0
    left: int = 0
    due: int = 0
    missing: int = 0
    _lines_ended: int = 0

    @property
    def lines(self) -> int:
        """The lines that are stored of all deploys."""
        return self._lines_ended + sum(deploy.proof.lines for deploy in self.live)

    @property
    def live(self) -> list[Deploy]:
        """The deploys that have not ended."""
        return [deploy for deploy in self.deploys.values() if deploy.ended_at is None]

    def of_status(self, status: Status) -> int:
        """How many deploys have this status."""
        if status.terminal:
            return self.ended[status]
        return sum(deploy.status is status for deploy in self.live)

    def ask(self, deploy: Deploy, now: float) -> None:
        """A deploy was asked for, and is queued."""
        self.deploys[deploy.planned.number] = deploy
        self.asked += 1
        self.moved_at = now
        self.most_queued = max(self.most_queued, self.of_status(Status.QUEUED))

    def stands(self, deploy: Deploy, standing: Standing, now: float) -> None:
        """So the deploy stands now."""
        if standing.status is not deploy.status:
            self.moved_at = now
        deploy.status, deploy.proof = standing.status, standing.proof
        if deploy.began_at is None and deploy.status is not Status.QUEUED:
            deploy.began_at = now
        if deploy.status.terminal and deploy.ended_at is None:
            deploy.ended_at = now
            self._lines_ended += deploy.proof.lines
            self.ended[deploy.status] += 1
            self.endings[_ending(standing)] += 1
            for told in deploy.told:
                self._judge(deploy, told)
            deploy.told.clear()

    def joined(self, deploy: Deploy, joins: Iterable[Join]) -> None:
        """These watchers of the deploy come now."""
        for join in joins:
            deploy.to_join.remove(join)
            deploy.watching += 1
            self.joins[join.when] += 1

    def take(self, told: Told) -> None:
        """A watcher is through."""
        deploy = self.deploys[told.deploy]
        deploy.watching -= 1
        if told.left:
            self.left += 1
            return
        self.through += 1
        self.verified += told.verified
        if told.flaw is not None:
            self.violation(f"{_who(deploy, told)}: {told.flaw}")
        if deploy.ended_at is None:
            deploy.told.append(told)
        else:
            self._judge(deploy, told)

    def forget_those_through(self) -> None:
        """Let go of what nothing more will be heard of."""
        for number, deploy in list(self.deploys.items()):
            if deploy.ended_at is not None and not deploy.watching and not deploy.to_join:
                del self.deploys[number]

    def without_end(self, deploy: Deploy) -> None:
        """The deploy has had its time, and has not ended."""
        waited = "is still queued" if deploy.began_at is None else f"is still {deploy.status}"
        takes = f"though it plays for {deploy.takes:.1f} s"
        self.violation(f"deploy {deploy} has not ended: it {waited} with {deploy.proof.lines:,} lines, {takes}")

    def violation(self, what: str) -> None:
        """Something broke the promise."""
        self.broken += 1
        if len(self.violations) < _SHOWN_VIOLATIONS:
            self.violations.append(what)

    def _judge(self, deploy: Deploy, told: Told) -> None:
        """Hold what a watcher was told at the end against what is stored."""
        self.due += deploy.proof.lines
        self.missing += deploy.proof.lines - told.lines
        if told.flaw is not None or told.status is None:
            return  # it has been said already, or the deploy vanished
        said = (told.status, Proof(told.told_lines, told.told_crc32))
        if said != (deploy.status, deploy.proof):
            self.violation(
                f"{_who(deploy, told)}: it was told {told.status} with {told.told_lines:,} lines and checksum "
                f"{told.told_crc32}, but stored is {deploy.status} with {deploy.proof.lines:,} and {deploy.proof.crc32}"
            )


def _who(deploy: Deploy, told: Told) -> str:
    return f"watcher {told.watcher:,} ({told.joined}) of {deploy}"


def _ending(standing: Standing) -> str:
    if standing.status is not Status.FAILED:
        return str(standing.status)
    # A reason of more than one word is the scenario's own.
    own = standing.error is None or " " in standing.error
    return f"failed: {'as its scenario has it' if own else standing.error}"
