"""Which names a scenario's texts use, and whether there is a value or a list of that name where they stand."""

from collections.abc import Collection, Iterator, Mapping
from functools import partial
from typing import Any, Literal, TypeAlias

from worker.plain import Path
from worker.problems import Problem
from worker.scenario import BUILTIN, Each, Model, Progress, Repeat
from worker.template import Template
from worker.words import listed, near, quoted

Kinds: TypeAlias = Mapping[str, Literal["value", "list"]]

KNOWN: Kinds = dict.fromkeys(BUILTIN, "value")
# What says how often, or how much, is reckoned before the names that count it are there.
_OUTSIDE = {"repeat", "total"}
_LATER = "{place}: {name!r} is drawn later: in 'values' each may use those above it, so move it up"


def misused(part: Model, known: Kinds = KNOWN, path: Path = ()) -> Iterator[Problem]:
    """The uses of names in a part that have no such value or list, where these are `known` around it."""
    if isinstance(part, Each) and known.get(part.each) != "list":
        yield Problem((*path, "each"), partial(_no_loop, part.each, known))
    values, counted = getattr(part, "values", {}), _counted(part)
    inside = {**known, **counted} if values or counted else known
    for name, value in values.items():
        for at, template in _members(value):
            yield from _uses(template, inside, (*path, "values", name, *at), values)
        inside = {**inside, name: "list" if isinstance(value, list) else "value"}
    for name, value in part.__dict__.items():
        field = type(part).model_fields[name].alias or name
        for at, each in _members(value):
            if isinstance(each, Model):
                yield from misused(each, inside, (*path, field, *at))
            elif isinstance(each, Template) and field != "values":
                yield from _uses(each, known if field in _OUTSIDE else inside, (*path, field, *at))


def _counted(part: Model) -> Kinds:
    """The values that a part has without their being drawn."""
    if isinstance(part, Progress):
        return dict.fromkeys(("done", "total", "percent"), "value")
    if isinstance(part, Repeat):
        return dict.fromkeys((part.name, "count"), "value")
    if isinstance(part, Each):
        return dict.fromkeys((part.name, "i", "count"), "value")
    return {}


def _uses(template: Template, known: Kinds, path: Path, values: Collection[str] = ()) -> Iterator[Problem]:
    """The names in a template that are not there, or not yet: `values` are those that are drawn one by one."""
    for name, place in template.used.items():
        if known.get(name) != "value":
            yield Problem(path, partial(_no_value, name, place, known, name in values))
    for name, place in template.lists.items():
        if known.get(name) != "list":
            yield Problem(path, partial(_no_list, name, place, known, name in values))


def _no_value(name: str, place: str, known: Kinds, later: bool) -> str:
    if name in known:
        return f"{quoted(place)}: {name!r} is a list: write 'pick {name}'"
    if later:
        return _LATER.format(place=quoted(place), name=name)
    return f"there is no value {quoted(name)} for {quoted(place)}{_hint(name, known)}"


def _no_list(name: str, place: str, known: Kinds, later: bool) -> str:
    if name in known:
        return f"{quoted(place)}: {name!r} is one value, not a list: write ${{{name}}}"
    if later:
        return _LATER.format(place=quoted(place), name=name)
    return f"there is no list {quoted(name)} for {quoted(place)}{_hint(name, known)}"


def _no_loop(name: str, known: Kinds) -> str:
    if name in known:
        return f"{name!r} is one value, not a list: for so many times write 'repeat: ${{{name}}}'"
    return f"there is no list {quoted(name)}{_hint(name, known)}"


def _hint(name: str, known: Kinds) -> str:
    if found := near(name, known):
        return f"; did you mean {found!r}?"
    return f"; known here: {listed(sorted(set(known) - BUILTIN)) or 'none'}"


def _members(value: Any) -> Iterator[tuple[Path, Any]]:
    if isinstance(value, list):
        yield from (((at,), each) for at, each in enumerate(value))
    elif isinstance(value, dict):
        yield from (((key,), each) for key, each in value.items())
    else:
        yield (), value
