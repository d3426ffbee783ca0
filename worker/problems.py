"""What pydantic finds wrong with a scenario, as sentences of ours at places in the file."""

from collections.abc import Callable, Iterable, Mapping
from functools import partial
from typing import Any, NamedTuple

from pydantic import ValidationError

from producer.keys import ID_PATTERN
from worker.fields import WORD, read_as_field
from worker.plain import Path
from worker.scenario import KINDS
from worker.words import listed, meant, near, quoted

_NAMES = {
    ID_PATTERN: "letters, digits, '-' and '_', a letter or digit first, at most 64",
    WORD: "small letters, digits and '_', no digit first",
}
_KEY = "[key]"  # pydantic's word for the key of a mapping, not its value


class Problem(NamedTuple):
    """Something is wrong at a place in the file; `tell` gives the sentence, when it is wanted."""

    path: Path
    tell: Callable[[], str]


def problems(error: ValidationError, lines: Mapping[Path, int]) -> Iterable[Problem]:
    """All that pydantic found, at the places of the file's own `lines`."""
    for found in error.errors(include_url=False):
        path = locate(_untagged(found["loc"]), lines)
        if found["type"] == "missing":
            path = (*path, found["loc"][-1])
        yield Problem((*path, *found.get("ctx", {}).get("at", ())), partial(_said, found))


def locate(location: Path, lines: Mapping[Path, int]) -> Path:
    """The way in the file to a part of a model: what stands there in short has no fields of its own."""
    path: Path = ()
    for part in location:
        if (*path, part) in lines:
            path = (*path, part)
    return path


def _untagged(location: Path) -> Path:
    """The location without the names of the models that pydantic chose from: after a pace, and an item of an output."""
    way: list[str | int] = []
    for at, part in enumerate(location):
        before = location[max(at - 2, 0) : at]
        item = len(before) == 2 and before[0] == "output" and isinstance(before[1], int)
        if not (part == _KEY or item or (before[-1:] == ("pace",) and part in ("span", "bursts"))):
            way.append(part)
    return tuple(way)


def _said(found: Any) -> str:
    """The sentence for an error of pydantic's."""
    if tell := _SENTENCES.get(found["type"]):
        return tell(found["input"], found.get("ctx", {}))
    return str(found["msg"]).removeprefix("Value error, ")


def _input(given: Any) -> str:
    return quoted(given) if isinstance(given, str) else "this"


def _none_of(given: Any, context: Any) -> str:
    known = context["expected"].replace(" or ", ", ").replace("'", "").split(", ")
    hint = meant(given, known) if isinstance(given, str) else ""
    return f"{_input(given)} is none of {', '.join(known)}{hint}"


def _no_item(given: Any) -> str:
    """What is said of an item that is none."""
    if not isinstance(given, dict):
        return f"has to be text, or an item: one of {', '.join(KINDS)}"
    kinds = [kind for kind in KINDS if kind in given]
    if kinds:
        return (
            f"has {' and '.join(map(repr, kinds))}: an item has one of {', '.join(KINDS)}; "
            "make them items of their own, or the 'output' of a loop"
        )
    for key in given:
        if kind := near(key, KINDS):
            return f"{quoted(key)} is not an item; did you mean {kind!r}?"
    key, value = next(iter(given.items()), ("", None))
    if len(given) == 1 and isinstance(value, str) and key != "chance":
        return read_as_field(key, value)
    return f"has {listed(map(quoted, given)) or 'nothing'}, and none of what makes it an item: {', '.join(KINDS)}"


_FIELDS = "has to be fields, each 'name: value' in a line of its own"
_SENTENCES: dict[str, Callable[[Any, Any], str]] = {
    "missing": lambda *_: "is missing",
    "item": lambda given, _: _no_item(given),
    "too_short": lambda _, context: f"needs at least {context['min_length']}",
    "too_long": lambda _, context: f"has too many: at most {context['max_length']:,}",
    "string_too_short": lambda *_: "is empty",
    "string_too_long": lambda given, context: f"has {len(given):,} characters: at most {context['max_length']:,}",
    "string_pattern_mismatch": lambda given, context: f"{_input(given)} is not a name: {_NAMES[context['pattern']]}",
    "string_type": lambda *_: "has to be text",
    "literal_error": _none_of,
    "list_type": lambda *_: "has to be a list: '- ' before each of its items, or [one, two]",
    "dict_type": lambda *_: _FIELDS,
    "model_type": lambda *_: _FIELDS,
    "model_attributes_type": lambda *_: _FIELDS,
    "int_parsing": lambda given, _: f"{_input(given)} is not a whole number",
    "int_type": lambda given, _: f"{_input(given)} is not a whole number",
    "greater_than_equal": lambda given, context: f"is {_input(given)}: at least {context['ge']:,}",
    "less_than_equal": lambda given, context: f"is {_input(given)}: at most {context['le']:,}",
    "extra_forbidden": lambda *_: "is not a field of a pace, which has burst, gap, within",
}
