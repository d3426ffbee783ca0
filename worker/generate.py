"""From a scenario and a seed to what the deploy does: pure, and the same on every machine and Python.

Of `random.Random` only `random()` gives the same numbers on every version and platform, so everything is drawn from
it, in the order in which it is played, and delays are whole milliseconds.
"""

from collections.abc import Callable, Generator, Sequence
from random import Random

from producer.simulate import FaultKind
from worker.actions import Action, Cancel, Crash, End, Line, Part, Play, raw
from worker.clock import Clock
from worker.faults import ENDS, Target, Then, check_step, choose
from worker.printer import Piece, Pieces, Place, Printer
from worker.scenario import Fault, Faults, Scenario, Step
from worker.scope import Scope
from worker.template import Template
from worker.timing import Pacer

_HALF_A_LINE_MS = 1_200  # longer than an unfinished line is held, so that the half is seen


def play(
    scenario: Scenario,
    faults: Faults,
    seed: int,
    *,
    app: str = "shop",
    fail_at: str | None = None,
    fault: FaultKind | None = None,
    look: Callable[[], None] = lambda: None,
) -> Play:
    """What a deploy of `app` does under this scenario and seed; with a fault, at the step `fail_at` or at a drawn one.

    `faults` has the words of faults for which a step has none. `look` is called again and again while it plays, also
    while nothing is printed: an exception of it ends the play. Raises FaultError at once for a step that there is
    not; TemplateError while it plays where a value is not what it is used as.
    """
    if fail_at is not None:
        check_step(scenario, fail_at)
    rng = Random(seed)
    target = choose(scenario, rng, fail_at, fault)
    return _Deploy(scenario, faults, rng, Printer(rng, app, look), target).play()


class _Deploy:
    def __init__(
        self, scenario: Scenario, faults: Faults, rng: Random, printer: Printer, target: Target | None
    ) -> None:
        self._scenario = scenario
        self._faults = faults
        self._target = target
        self._rng = rng
        self._printer = printer
        self._clock = Clock(rng)
        self._told = 0  # the time of the last action

    def play(self) -> Play:
        scenario, printer = self._scenario, self._printer
        scope = printer.valued(printer.scope(self._clock), scenario.values)
        for step in scenario.steps:
            printer.step = step.step
            self._clock.begin_step()
            inner = printer.valued(scope, step.values)
            if self._target is None or step.step != self._target.step:
                yield from self._actions(self._output(step, inner))
            elif (end := (yield from self._fail(step, self._target.kind, inner))) is not None:
                return end
        ends = scenario.ends
        return self._end(scope, ends.reason, ends.detail) if ends else self._end(scope, None, None)

    def _output(self, step: Step, scope: Scope) -> Pieces:
        pacer = Pacer(step.pace or self._scenario.pace, self._rng)
        return self._printer.output(step.output, Place(scope, pacer, self._clock))

    def _fail(self, step: Step, kind: FaultKind, scope: Scope) -> Generator[Action, None, End | None]:
        """Play the step until the fault strikes, and what comes of it; None where the deploy goes on."""
        general, fault = self._faults.faults[kind], step.faults.get(kind, Fault())
        begun, drawn = self._clock.now, self._rng.getstate()
        pieces = list(self._output(step, scope))
        where = fault.strikes or general.strikes
        strikes = self._strikes(pieces, where)
        yield from self._actions(iter(pieces[:strikes]))
        if where == "start" or strikes < len(pieces):
            self._clock.now = max(begun, self._told)
        struck = self._clock.now
        own = self._printer.valued(scope, fault.values)
        pacer = Pacer(fault.pace or general.pace or step.pace or self._scenario.pace, self._rng)
        yield from self._actions(self._says(general, fault, Place(own, pacer, self._clock), ENDS[kind]))
        match ENDS[kind]:
            case Then.GOES_ON:
                # Once more from the start, so that the rest tells of the time that went by.
                late = self._clock.now - struck
                self._rng.setstate(drawn)
                self._clock.turn_back(begun, stop_at=struck, stop=late)
                rest = list(self._output(step, scope))[strikes:]
                self._clock.turn_back(self._clock.now + late, stop_at=0, stop=0)
                yield from self._actions(piece._replace(at=piece.at + late) for piece in rest)
                return None
            case Then.AGAIN:
                self._clock.begin_step()
                yield from self._actions(self._output(step, scope))
                return None
            case Then.CRASH:
                half = (_half(piece) for piece in pieces[strikes : strikes + 1])
                yield from self._actions(half)
                yield Crash(_HALF_A_LINE_MS)
                return End("worker_lost")
            case Then.CANCEL:
                yield Cancel(0)
                return End("cancelled")
            case Then.FAILS:
                reason = fault.reason or general.reason or Template(kind)
                return self._end(own, reason, fault.detail or general.detail)

    def _says(self, general: Fault, fault: Fault, place: Place, then: Then) -> Pieces:
        """What a fault prints, the step's own words or general ones, and the time that it takes."""
        pause, clock = fault.pause or general.pause, place.clock
        if not fault.output:
            others = {name: value for name, value in general.values.items() if name not in fault.values}
            place = place._replace(scope=self._printer.valued(place.scope, others))
        if pause and then is Then.FAILS:
            clock.now += pause.draw(self._rng)
        yield from self._printer.output(fault.output or general.output, place)
        if pause and then is not Then.FAILS:
            clock.now += pause.draw(self._rng)

    def _strikes(self, pieces: Sequence[Piece], where: str | None) -> int:
        """After how many pieces: never in the middle of a line, since what the fault says are lines of their own."""
        if where == "end":
            return len(pieces)
        first = 0 if where == "start" else 1
        at = min(len(pieces), first + int(self._rng.random() * max(1, len(pieces) - 1)) * first)
        begun: set[str] = set()  # the streams that are in the middle of a line
        for number, piece in enumerate(pieces):
            if number >= at and not begun:
                return number
            (begun.discard if piece.whole else begun.add)(piece.stream)
        return len(pieces)

    def _end(self, scope: Scope, reason: Template | None, detail: Template | None) -> End:
        said, more = (template.render(scope) if template else None for template in (reason, detail))
        return End(said, more, self._clock.now - self._told)

    def _actions(self, pieces: Pieces) -> Generator[Action, None, None]:
        """Pieces at their times as actions, each with the time since the one before."""
        step = self._printer.step
        for piece in pieces:
            delay, self._told = piece.at - self._told, piece.at
            if piece.whole:
                yield Line(delay, piece.text, step, piece.stream, piece.level)
            else:
                yield Part(delay, raw(piece.text), step, piece.stream, piece.level)


def _half(piece: Piece) -> Piece:
    return piece._replace(text=piece.text[: (len(piece.text) + 1) // 2], whole=False)
