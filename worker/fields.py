"""What the fields of a scenario file may hold, as types: text, values, numbers, chances, times, names.

Everything is text at first, since YAML's own ideas of numbers and booleans do not apply. What is wrong is said as a
sentence, that ends what begins with the field's name.
"""

import re
from collections.abc import Callable
from typing import Annotated, Any, Literal, TypeAlias

from pydantic import AfterValidator, BeforeValidator, Discriminator, Field, PlainValidator, Tag
from pydantic_core import PydanticCustomError

from worker.template import Template
from worker.timing import Bursts, Span
from worker.words import quoted

MOST_REPEATS = 1_000_000
MOST_TOTAL = 10**15
MOST_SECRETS = 100
MOST_SECRET_CHARACTERS = 16 * 1024
MOST_SECRET_LINES = 200
_MOST_VALUES = 500

WORD = r"^[a-z_][a-z0-9_]*$"
_DIGITS = re.compile(r"[0-9]{1,18}")
_RANGE = re.compile(r"[0-9]+(\.[0-9]+)?\.\.[0-9]+(\.[0-9]+)?")
_OUTSIDE = re.compile(r"[a-z0-9_]+(\s*[-+*/]\s*[a-z0-9_]+)+")


def _text(value: Any) -> str:
    if isinstance(value, dict) and len(value) == 1:
        ((key, inner),) = value.items()
        if isinstance(inner, str):
            raise PydanticCustomError("text", "{said}", {"said": read_as_field(key, inner)})
    if not isinstance(value, str):
        raise PydanticCustomError("text", "has to be text")
    return value


def read_as_field(key: str, value: str) -> str:
    """What is said of text that YAML took for a field."""
    text = quoted(f"{key}: {value}")
    return f"{text} was read as a field and its value: put it in quotes, or in a block: '- |' and the text below it"


def _template(value: Any) -> Template:
    return Template(_text(value))


def _block(value: Any) -> list[Template]:
    """The lines of a block, each a template of its own."""
    return [Template(line) for line in _text(value).removesuffix("\n").split("\n")]


def _value(value: Any) -> Template | list[Template]:
    if isinstance(value, list):
        if not value:
            raise PydanticCustomError("list", "is an empty list: give it an item")
        return [_template(item) for item in value]
    return _template(value)


def _number(most: int) -> Callable[[Any], Template]:
    """What reads a number up to `most`, or one place that gives it."""

    def number(value: Any) -> Template:
        template = _template(value)
        text = template.source
        if template.alone or (_DIGITS.fullmatch(text) and int(text) <= most):
            return template
        if _DIGITS.fullmatch(text):
            raise ValueError(f"{text} is too many: at most {most:,}")
        if _RANGE.fullmatch(text):
            raise ValueError(f"{quoted(text)}: write ${{{text}}}")
        if "${" in text and (inside := _OUTSIDE.fullmatch(re.sub(r"\$\{([^{}]*)\}", r"\1", text))):
            raise ValueError(f"{quoted(text)}: reckon inside: ${{{inside[0]}}}")
        raise ValueError(f"{quoted(text)} is not a number: write 12, ${{3..9}}, ${{name}} or ${{name/2}}")

    return number


def _chance(value: Any) -> float:
    try:
        chance = float(value[:-1]) / 100 if isinstance(value, str) and value.endswith("%") else float(value)
    except (TypeError, ValueError):
        chance = -1.0
    if not 0 <= chance <= 1:
        raise PydanticCustomError("chance", "is not a chance: write 0.3 or 30%")
    return chance


def _secret(value: str) -> str:
    if not value.strip():
        raise ValueError("is empty: leave it out")
    if len(value) > MOST_SECRET_CHARACTERS or len(value.splitlines()) > MOST_SECRET_LINES:
        raise ValueError(f"is too long: at most {MOST_SECRET_CHARACTERS:,} characters in {MOST_SECRET_LINES} lines")
    return value


def _printable(value: str) -> str:
    if not value.isprintable():
        raise ValueError("has a control character or a line break: leave it out")
    return value


def free(*taken: str) -> Callable[[str], str]:
    """What refuses the names that have a value of their own there."""

    def check(name: str) -> str:
        if name in taken:
            raise ValueError(f"{name!r} is there already, with a value of its own: take another name")
        return name

    return check


def _list_name(value: Any) -> Any:
    if isinstance(value, str) and (found := re.fullmatch(r"\$\{(?:pick )?([a-z_][a-z0-9_]*)\}", value)):
        raise ValueError(f"{value!r}: write each: {found[1]}")
    return value


Text: TypeAlias = Annotated[Template, PlainValidator(_template)]
Lines: TypeAlias = Annotated[list[Template], PlainValidator(_block)]
Value: TypeAlias = Annotated[Template | list[Template], PlainValidator(_value)]
Times: TypeAlias = Annotated[Template, PlainValidator(_number(MOST_REPEATS))]
Total: TypeAlias = Annotated[Template, PlainValidator(_number(MOST_TOTAL))]
Chance: TypeAlias = Annotated[float, PlainValidator(_chance)]
Word: TypeAlias = Annotated[str, Field(pattern=WORD)]
Values: TypeAlias = Annotated[dict[Word, Value], Field(max_length=_MOST_VALUES)]
Secret: TypeAlias = Annotated[str, AfterValidator(_secret)]
Stream: TypeAlias = Literal["stdout", "stderr"]
Level: TypeAlias = Literal["debug", "info", "warn", "error"]


def _pace(value: Any) -> str:
    return "bursts" if isinstance(value, dict) else "span"


Pace: TypeAlias = Annotated[Annotated[Span, Tag("span")] | Annotated[Bursts, Tag("bursts")], Discriminator(_pace)]
About: TypeAlias = Annotated[str, Field(min_length=1, max_length=200), AfterValidator(_printable)]
ListName: TypeAlias = Annotated[Word, BeforeValidator(_list_name)]
