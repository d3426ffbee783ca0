"""What a scenario file may hold, as models: steps of output, with values, times, chances and faults of their own."""

from typing import Annotated, Any, ClassVar, Literal, Self, TypeAlias

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Discriminator, Field, Tag, model_validator
from pydantic_core import PydanticCustomError

from producer.keys import ID_PATTERN
from producer.simulate import FaultKind
from worker.fields import (
    MOST_SECRETS,
    About,
    Chance,
    Level,
    Lines,
    ListName,
    Pace,
    Secret,
    Stream,
    Text,
    Times,
    Total,
    Values,
    Word,
    free,
)
from worker.template import Template
from worker.timing import Count, Span
from worker.words import meant

BUILTIN = frozenset(
    {
        "app", "step", "clock", "date", "elapsed", "elapsed_s", "elapsed_ms", "elapsed_go", "total_s", "total_go",
        "bold", "dim", "italic", "underline", "red", "green", "yellow", "blue", "magenta", "cyan", "gray", "off",
        "esc", "tab", "cr", "lf",
    }
)  # fmt: skip
"""Names that every template may use: see the README's guide."""


def _one_or_many(value: Any) -> Any:
    return [value] if isinstance(value, str | dict) else value


def _item(value: Any) -> Any:
    return {"text": value} if isinstance(value, str) else value


def _kind(value: Any) -> str | None:
    kinds = [kind for kind in KINDS if kind in value] if isinstance(value, dict) else []
    return kinds[0] if len(kinds) == 1 else None


class Model(BaseModel):
    """A part of a scenario file; `what` is how messages name it. An unknown field is an error that lists the known."""

    model_config = ConfigDict(extra="forbid", arbitrary_types_allowed=True, populate_by_name=True)
    what: ClassVar[str] = "this"

    @model_validator(mode="before")
    @classmethod
    def _known(cls, value: Any) -> Any:
        if isinstance(value, dict):
            known = [field.alias or name for name, field in cls.model_fields.items()]
            for key in value:
                if key not in known:
                    text = "is not a field of {what}, which has {known}{meant}"
                    raise PydanticCustomError(
                        "unknown",
                        text,
                        {"at": (key,), "what": cls.what, "known": ", ".join(known), "meant": meant(key, known)},
                    )
        return value


class Item(Model):
    """Something that happens in a step; with a `chance`, not always."""

    chance: Chance | None = None


class Print(Item):
    """Lines of output."""

    what = "text"
    text: Lines
    stream: Stream = "stdout"
    level: Level | None = None
    pace: Pace | None = None


class Write(Item):
    """A piece of output without a line end: what comes next goes on in the same line."""

    what = "write"
    write: Text
    stream: Stream = "stdout"
    level: Level | None = None
    pace: Pace | None = None


class Pause(Item):
    """Nothing happens for some time."""

    what = "pause"
    pause: Span


class Progress(Item):
    """A line that draws over itself with carriage returns; in it `${done}` of `${total}`, and `${percent}`."""

    what = "progress"
    progress: Text
    total: Total = Template("100")
    updates: Count = Count("20")
    over: Span
    stream: Stream = "stdout"
    level: Level | None = None


class Repeat(Item):
    """The same so many times, counted by the value `as`, from 1."""

    what = "repeat"
    repeat: Times
    name: Annotated[Word, Field(alias="as"), AfterValidator(free("count"))] = "i"
    values: Values = {}
    pace: Pace | None = None
    output: "Output"


class Each(Item):
    """The same for each item of a list, or those that `keep` lets through; `i` counts them up to `count`."""

    what = "each"
    each: ListName
    name: Annotated[Word, Field(alias="as"), AfterValidator(free("count"))] = "item"
    keep: Chance = 1.0
    values: Values = {}
    pace: Pace | None = None
    output: "Output"


class Branch(Model):
    """One of several tasks that run at the same time; `prefix` stands before each of its lines."""

    what = "a branch"
    prefix: Text = Template("")
    values: Values = {}
    pace: Pace | None = None
    output: "Output"


class Parallel(Item):
    """Tasks that run at the same time, their lines in the order of time."""

    what = "parallel"
    parallel: Annotated[list[Branch], Field(min_length=2)]


class Option(Model):
    """One of several ways that it may go, taken `weight` times as often as one of weight 1."""

    what = "an option"
    weight: Annotated[int, Field(ge=1, le=1_000_000)] = 1
    output: "Output"


class OneOf(Item):
    """One of several ways that it may go."""

    what = "one_of"
    one_of: Annotated[list[Option], Field(min_length=2)]


KINDS = ("text", "write", "pause", "progress", "repeat", "each", "parallel", "one_of")
AnyItem: TypeAlias = Annotated[
    Annotated[Print, Tag("text")]
    | Annotated[Write, Tag("write")]
    | Annotated[Pause, Tag("pause")]
    | Annotated[Progress, Tag("progress")]
    | Annotated[Repeat, Tag("repeat")]
    | Annotated[Each, Tag("each")]
    | Annotated[Parallel, Tag("parallel")]
    | Annotated[OneOf, Tag("one_of")],
    Discriminator(
        _kind,
        custom_error_type="item",
        custom_error_message="is not an item",  # said in full by worker.problems
    ),
    BeforeValidator(_item),
]
Output: TypeAlias = Annotated[list[AnyItem], BeforeValidator(_one_or_many)]


class Fault(Model):
    """How a step goes wrong in its own words: what is printed, and the deploy's reason. `chance`: by itself.

    `pause` is for how long nothing comes: before what a fault prints that ends the deploy, after it where it goes on.
    """

    what = "a fault"
    chance: Chance | None = None
    strikes: Literal["start", "anywhere", "end"] | None = None
    values: Values = {}
    pace: Pace | None = None
    pause: Span | None = None
    output: Output = []
    reason: Text | None = None
    detail: Text | None = None


class Step(Model):
    """A step of a deploy: its name, what it prints, and how it may go wrong."""

    what = "a step"
    step: Annotated[str, Field(pattern=ID_PATTERN)]
    values: Values = {}
    pace: Pace | None = None
    output: Output
    faults: dict[FaultKind, Fault] = {}


class Ending(Model):
    """Why a deploy that goes as it was told has failed all the same: a canary that is rolled back."""

    what = "ends"
    reason: Text
    detail: Text | None = None


class Scenario(Model):
    """A whole scenario."""

    what = "a scenario"
    scenario: Annotated[str, Field(pattern=ID_PATTERN)]
    about: About
    values: Values = {}
    secrets: Annotated[list[Secret], Field(max_length=MOST_SECRETS)] = []
    pace: Pace = Span("5..40")
    steps: Annotated[list[Step], Field(min_length=1)]
    ends: Ending | None = None

    @model_validator(mode="after")
    def _distinct(self) -> Self:
        numbers: dict[str, int] = {}
        for number, step in enumerate(self.steps, 1):
            if (first := numbers.setdefault(step.step, number)) != number:
                raise PydanticCustomError(
                    "twice",
                    "is the name of step {first} already: give it another",
                    {"at": ("steps", number - 1, "step"), "first": first},
                )
        return self


class Faults(Model):
    """The words of each kind of fault, for the steps that have none of their own."""

    what = "the faults"
    faults: dict[FaultKind, Fault]
