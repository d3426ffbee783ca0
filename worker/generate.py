"""From a scenario and a seed to what the deploy does: pure, and the same on every machine and Python.

Of `random.Random` only `random()` gives the same numbers on every version and platform, so everything is drawn from
it, in the order in which it is played, and delays are whole milliseconds.
"""

from collections.abc import Generator
from random import Random

from producer.simulate import FaultKind
from worker.actions import Action, Cancel, Crash, End, Line, Part, Play, raw
from worker.clock import Clock
from worker.faults import ENDS, Target, Then, check_step, choose
from worker.pieces import Pieces, Place, Printer
from worker.scenario import Fault, Faults, Scenario, Step
from worker.template import Scope, Template

_HALF_A_LINE_MS = 1_200  # longer than an unfinished line is held, so that the half is seen


def play(
    scenario: Scenario,
    faults: Faults,
    seed: int,
    *,
    app: str = "shop",
    fail_at: str | None = None,
    fault: FaultKind | None = None,
) -> Play:
    """What a deploy of `app` does under this scenario and seed; with a fault, at the step `fail_at` or at a drawn one.

    `faults` has the words of faults for which a step has none. Raises FaultError at once for a step that there is
    not; TemplateError while it plays where a value is not what it is used as.
    """
    if fail_at is not None:
        check_step(scenario, fail_at)
    rng = Random(seed)
    return _Deploy(scenario, faults, rng, app, choose(scenario, rng, fail_at, fault)).play()


class _Deploy:
    def __init__(self, scenario: Scenario, faults: Faults, rng: Random, app: str, target: Target | None) -> None:
        self._scenario = scenario
        self._faults = faults
        self._target = target
        self._printer = Printer(rng, app)
        self._clock = Clock(rng)
        self._told = 0  # the time of the last action

    def play(self) -> Play:
        scenario, printer = self._scenario, self._printer
        scope = printer.valued(printer.scope(self._clock), scenario.values)
        for step in scenario.steps:
            printer.step = step.step
            self._clock.begin_step()
            if self._target is None or step.step != self._target.step:
                yield from self._actions(self._output(step, scope))
            elif (end := (yield from self._fail(step, self._target, scope))) is not None:
                return end
        ends = scenario.ends
        return _end(ends.reason, ends.detail, scope) if ends else End()

    def _output(self, step: Step, scope: Scope) -> Pieces:
        place = Place(self._printer.valued(scope, step.values), step.pace or self._scenario.pace, self._clock)
        return self._printer.output(step.output, place)

    def _fail(self, step: Step, target: Target, scope: Scope) -> Generator[Action, None, End | None]:
        """Play the step until the fault strikes, and what comes of it; None where the deploy goes on."""
        pieces = list(self._output(step, scope))
        strikes = min(len(pieces), scope.between(1, max(1, len(pieces) - 1)))
        # Never in the middle of a line: what the fault says are lines of their own.
        while strikes < len(pieces) and not pieces[strikes - 1].whole:
            strikes += 1
        before, after = pieces[:strikes], pieces[strikes:]
        yield from self._actions(iter(before))
        struck = self._clock.now = self._told
        words, own = self._faults.faults[target.kind], step.faults.get(target.kind, Fault())
        inner = self._printer.valued(self._printer.valued(scope, step.values), words.values | own.values)
        pace = own.pace or words.pace or step.pace or self._scenario.pace
        place = Place(inner, pace, self._clock)
        yield from self._actions(self._printer.output(own.output or words.output, place))
        match ENDS[target.kind]:
            case Then.GOES_ON:
                late = self._clock.now - struck
                yield from self._actions(piece._replace(at=piece.at + late) for piece in after)
                self._clock.now = self._told
                return None
            case Then.AGAIN:
                yield from self._actions(self._output(step, scope))
                return None
            case Then.CRASH:
                half = (piece._replace(text=piece.text[: (len(piece.text) + 1) // 2], whole=False) for piece in after)
                yield from self._actions(piece for piece, _ in zip(half, range(1), strict=False))
                yield Crash(_HALF_A_LINE_MS)
                return End("worker_lost")
            case Then.CANCEL:
                yield Cancel(0)
                return End("cancelled")
            case Then.FAILS:
                return _end(own.reason or words.reason or Template(target.kind), own.detail or words.detail, inner)

    def _actions(self, pieces: Pieces) -> Generator[Action, None, None]:
        """Pieces at their times as actions, each with the time since the one before."""
        step = self._printer.step
        for piece in pieces:
            delay, self._told = piece.at - self._told, piece.at
            if piece.whole:
                yield Line(delay, piece.text, step, piece.stream, piece.level)
            else:
                yield Part(delay, raw(piece.text), step, piece.stream, piece.level)


def _end(reason: Template, detail: Template | None, scope: Scope) -> End:
    return End(reason.render(scope), detail.render(scope) if detail else None)
