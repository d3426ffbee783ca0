"""What a scenario file may hold, as models: steps of output, with values, times, chances and faults of their own."""

from collections.abc import Iterable, Iterator
from typing import Annotated, Any, ClassVar, Literal, Self, TypeAlias

from pydantic import (
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Discriminator,
    Field,
    PlainValidator,
    Tag,
    model_validator,
)
from pydantic_core import PydanticCustomError

from producer.keys import ID_PATTERN
from producer.simulate import FaultKind
from worker.template import Template
from worker.timing import Bursts, Count, Span

BUILTIN = frozenset(
    {
        "app", "step", "clock", "date", "elapsed", "elapsed_s", "elapsed_ms", "elapsed_go", "total_s", "total_go",
        "bold", "dim", "italic", "underline", "red", "green", "yellow", "blue", "magenta", "cyan", "gray", "off",
        "esc", "tab", "cr", "lf",
    }
)  # fmt: skip
"""Names that every template may use: see the README's guide."""

_WORD = r"^[a-z_][a-z0-9_]*$"


def _template(value: Any) -> Template:
    if not isinstance(value, str):
        raise PydanticCustomError("text", "has to be text")
    return Template(value)


def _block(value: Any) -> list[Template]:
    """The lines of a block, each a template of its own."""
    if not isinstance(value, str):
        raise PydanticCustomError("text", "has to be text")
    return [Template(line) for line in value.removesuffix("\n").split("\n")]


def _value(value: Any) -> Template | list[Template]:
    if isinstance(value, list):
        if not value:
            raise PydanticCustomError("list", "is an empty list: give it an item")
        return [_template(item) for item in value]
    return _template(value)


def _chance(value: Any) -> float:
    try:
        chance = float(value[:-1]) / 100 if isinstance(value, str) and value.endswith("%") else float(value)
    except (TypeError, ValueError):
        chance = -1.0
    if not 0 <= chance <= 1:
        raise PydanticCustomError("chance", "is not a chance: write 0.3 or 30%")
    return chance


def _one_or_many(value: Any) -> Any:
    return [value] if isinstance(value, str | dict) else value


def _item(value: Any) -> Any:
    return {"text": value} if isinstance(value, str) else value


def _kind(value: Any) -> str | None:
    kinds = [kind for kind in _KINDS if kind in value] if isinstance(value, dict) else []
    return kinds[0] if len(kinds) == 1 else None


Text: TypeAlias = Annotated[Template, PlainValidator(_template)]
Lines: TypeAlias = Annotated[list[Template], PlainValidator(_block)]
Value: TypeAlias = Annotated[Template | list[Template], PlainValidator(_value)]
Chance: TypeAlias = Annotated[float, PlainValidator(_chance)]
Word: TypeAlias = Annotated[str, Field(pattern=_WORD)]
Stream: TypeAlias = Literal["stdout", "stderr"]
Level: TypeAlias = Literal["debug", "info", "warn", "error"]


def _pace(value: Any) -> str:
    return "bursts" if isinstance(value, dict) else "span"


Pace: TypeAlias = Annotated[Annotated[Span, Tag("span")] | Annotated[Bursts, Tag("bursts")], Discriminator(_pace)]


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
                    text = "is not a field of {what}, which has {known}"
                    raise PydanticCustomError(
                        "unknown", text, {"field": key, "what": cls.what, "known": ", ".join(known)}
                    )
        return value

    def templates(self) -> Iterator[Template]:
        """The templates that stand directly in it."""
        for value in self.__dict__.values():
            for each in value if isinstance(value, list) else [value]:
                if isinstance(each, Template):
                    yield each


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
    total: Text = Template("100")
    updates: Count = Count("20")
    over: Span
    stream: Stream = "stdout"
    level: Level | None = None


class Repeat(Item):
    """The same so many times, counted by the value `as`, from 1."""

    what = "repeat"
    repeat: Text
    name: Annotated[Word, Field(alias="as")] = "i"
    values: dict[Word, Value] = {}
    pace: Pace | None = None
    output: "Output"


class Each(Item):
    """The same for each item of a list, or those that `keep` lets through; `i` counts them up to `count`."""

    what = "each"
    each: Word
    name: Annotated[Word, Field(alias="as")] = "item"
    keep: Chance = 1.0
    values: dict[Word, Value] = {}
    pace: Pace | None = None
    output: "Output"


class Branch(Model):
    """One of several tasks that run at the same time; `prefix` stands before each of its lines."""

    what = "a branch"
    prefix: Text = Template("")
    values: dict[Word, Value] = {}
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


_KINDS = ("text", "write", "pause", "progress", "repeat", "each", "parallel", "one_of")
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
        custom_error_message=f"has to be text, or fields of which exactly one is of {', '.join(_KINDS)}",
    ),
    BeforeValidator(_item),
]
Output: TypeAlias = Annotated[list[AnyItem], BeforeValidator(_one_or_many)]


class Fault(Model):
    """How a step goes wrong in its own words: what is printed, and the deploy's reason. `chance`: by itself."""

    what = "a fault"
    chance: Chance | None = None
    strikes: Literal["start", "anywhere", "end"] = "anywhere"
    values: dict[Word, Value] = {}
    pace: Pace | None = None
    output: Output = []
    reason: Text | None = None
    detail: Text | None = None


class Step(Model):
    """A step of a deploy: its name, what it prints, and how it may go wrong."""

    what = "a step"
    step: Annotated[str, Field(pattern=ID_PATTERN)]
    values: dict[Word, Value] = {}
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
    about: Annotated[str, Field(min_length=1, max_length=200)]
    values: dict[Word, Value] = {}
    secrets: list[str] = []
    pace: Pace = Span("5..40")
    steps: Annotated[list[Step], Field(min_length=1)]
    ends: Ending | None = None

    @model_validator(mode="after")
    def _distinct(self) -> Self:
        names = [step.step for step in self.steps]
        for name in names:
            if names.count(name) > 1:
                raise PydanticCustomError("twice", "there are two steps {name}", {"name": repr(name)})
        return self


class Faults(Model):
    """The words of each kind of fault, for the steps that have none of their own."""

    what = "the faults"
    faults: dict[FaultKind, Fault]


def nested(part: Model) -> Iterable[tuple[tuple[str | int, ...], Model, set[str]]]:
    """The parts directly inside `part`: the way to each, and the names that are known in it besides the outer ones."""
    for name, value in part.__dict__.items():
        field = type(part).model_fields[name].alias or name
        for at, each in _members(value):
            if isinstance(each, Model):
                yield (field, *at), each, _own_names(each)


def _members(value: Any) -> Iterator[tuple[tuple[str | int, ...], Any]]:
    if isinstance(value, list):
        yield from (((at,), each) for at, each in enumerate(value))
    elif isinstance(value, dict):
        yield from (((key,), each) for key, each in value.items())
    else:
        yield (), value


def _own_names(part: Model) -> set[str]:
    names = set(getattr(part, "values", ()))
    if isinstance(part, Progress):
        names |= {"done", "total", "percent"}
    if isinstance(part, Repeat):
        names |= {part.name, "count"}
    if isinstance(part, Each):
        names |= {part.name, "i", "count"}
    return names
