"""What a simulated deploy of the swarm does, and for how long."""

from functools import lru_cache
from itertools import islice
from typing import NamedTuple

from producer.mask import Mask
from producer.simulate import MAX_SPEED, FaultKind, ScenarioName
from scripts.swarming.plan import Plan, Planned
from worker.actions import Line
from worker.assemble import Assembled, assemble
from worker.catalogue import builtin, faults
from worker.generate import play

_SAMPLE = 50


class Size(NamedTuple):
    """How many lines a deploy has, without its last, and how many seconds it takes at speed 1."""

    lines: int
    seconds: float


class Scene(NamedTuple):
    """What a deploy does, as a worker plays it, and the mask of its secrets, for the writer too."""

    mask: Mask
    actions: Assembled


def scene(scenario: ScenarioName, seed: int, app: str, fault: FaultKind | None) -> Scene:
    """What a deploy of this app does."""
    mask = Mask(builtin(scenario).secrets)
    actions = play(builtin(scenario), faults(), seed, app=app, fault=fault)
    return Scene(mask, assemble(actions, mask.open_end))


@lru_cache(maxsize=10_000)
def size(scenario: ScenarioName, seed: int, fault: FaultKind | None) -> Size:
    """What playing it without a wait comes to."""
    lines = milliseconds = 0
    for action in scene(scenario, seed, "app", fault).actions:
        lines += isinstance(action, Line)
        milliseconds += action.delay_ms
    return Size(lines, milliseconds / 1000)


class Course(NamedTuple):
    """How a planned deploy is played: at which speed, 0 for no wait, and for how many seconds."""

    speed: float
    seconds: float
    lines: int


def course(plan: Plan, planned: Planned) -> Course:
    """How the plan has it: at its `lines_rate` on average where it has one, else at its `speed`.

    A deploy with a fault, which may be silent for minutes, takes no longer than others come.
    """
    lines, seconds = size(planned.scenario, planned.seed, planned.fault)
    speed = plan.speed
    if plan.lines_rate is not None and lines and seconds:
        speed = min(MAX_SPEED, plan.lines_rate * seconds / lines)
    if planned.fault is not None and plan.seconds is not None and speed:
        speed = min(MAX_SPEED, max(speed, seconds / plan.seconds))
    return Course(speed, seconds / speed if speed else 0.0, lines)


class Need(NamedTuple):
    """What a plan comes to on average: deploys that play at a time, and lines a second, to the logs and to watchers."""

    busy: float
    lines_in: float
    lines_out: float


def need(plan: Plan) -> Need:
    """What the first deploys of the plan tell of it."""
    some = [(planned, course(plan, planned)) for planned in islice(plan.deploys_to_come(), _SAMPLE)]
    seconds = sum(course.seconds for _, course in some) / len(some)
    lines_in = sum(course.lines for _, course in some) / len(some)
    lines_out = sum(course.lines * len(planned.joins) for planned, course in some) / len(some)
    return Need(plan.rate * seconds, plan.rate * lines_in, plan.rate * lines_out)
