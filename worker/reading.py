"""Reads a scenario file: YAML to the models of `worker.scenario`; of each mistake it names the file, line and field."""

from collections.abc import Iterable, Mapping
from difflib import get_close_matches
from typing import Any, TypeAlias, TypeVar

import yaml
from pydantic import ValidationError

from producer.simulate import MAX_DEFINITION_CHARACTERS
from worker.scenario import BUILTIN, Faults, Model, Scenario, nested
from worker.template import Template

Path: TypeAlias = tuple[str | int, ...]
M = TypeVar("M", Scenario, Faults)

_DEEPEST = 40


class ScenarioError(ValueError):
    """A scenario that cannot be played; the text has a line for each mistake: file, line, field, what to do."""


def read_scenario(text: str, file: str) -> Scenario:
    """The scenario in `text`; `file` is what messages call it. Raises ScenarioError."""
    return _read(text, file, Scenario)


def read_faults(text: str, file: str) -> Faults:
    """The words of the faults in `text`. Raises ScenarioError."""
    return _read(text, file, Faults)


def _read(text: str, file: str, kind: type[M]) -> M:
    if len(text) > MAX_DEFINITION_CHARACTERS:
        raise ScenarioError(f"{file}: larger than {MAX_DEFINITION_CHARACTERS // 1024} KiB: this is not a scenario")
    try:
        node = yaml.compose(text, yaml.SafeLoader)
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        line = f":{mark.line + 1}" if mark else ""
        hint = "; text with ': ', '#' or a special first character goes into a block: '- |' and the text below it"
        raise ScenarioError(f"{file}{line}: not YAML: {error.problem or error.context}{hint}") from None
    except yaml.YAMLError as error:
        raise ScenarioError(f"{file}: not YAML: {error}") from None
    if not isinstance(node, yaml.MappingNode):
        raise ScenarioError(f"{file}: not a scenario: it begins with 'scenario: NAME'")
    lines: dict[Path, int] = {}
    plain = _Plain(file, lines).value(node, ())
    try:
        read = kind.model_validate(plain)
    except ValidationError as error:
        raise ScenarioError("\n".join(_problems(error, file, lines))) from None
    if unknown := list(_unknown_names(read, (), set(getattr(read, "values", ())), file, lines)):
        raise ScenarioError("\n".join(unknown))
    return read


class _Plain:
    """Nodes as plain Python, every scalar as the text that it is, with the line of each."""

    def __init__(self, file: str, lines: dict[Path, int]) -> None:
        self._file = file
        self._lines = lines

    def value(self, node: yaml.Node, path: Path) -> Any:
        line = node.start_mark.line + 1
        self._lines.setdefault(path, line)
        if len(path) > _DEEPEST:
            raise ScenarioError(f"{self._file}:{line}: nested too deep, or an alias of itself")
        if len(self._lines) > MAX_DEFINITION_CHARACTERS:
            raise ScenarioError(f"{self._file}:{line}: too much in all, its aliases counted")
        if isinstance(node, yaml.SequenceNode):
            return [self.value(each, (*path, at)) for at, each in enumerate(node.value)]
        if isinstance(node, yaml.MappingNode):
            return self._mapping(node, path)
        return node.value

    def _mapping(self, node: yaml.MappingNode, path: Path) -> dict[str, Any]:
        found: dict[str, Any] = {}
        for key, value in node.value:
            line = key.start_mark.line + 1
            if not isinstance(key, yaml.ScalarNode):
                raise ScenarioError(f"{self._file}:{line}: a field's name has to be a word")
            if key.value in found:
                raise ScenarioError(f"{self._file}:{line}: {_field((*path, key.value))}: is there twice")
            self._lines[*path, key.value] = line
            found[key.value] = self.value(value, (*path, key.value))
        return found


def _problems(error: ValidationError, file: str, lines: Mapping[Path, int]) -> Iterable[str]:
    for problem in error.errors(include_url=False):
        context = problem.get("ctx", {})
        unknown = (context["field"],) if problem["type"] == "unknown" else ()
        path = _path((*problem["loc"], *unknown), lines)
        if problem["type"] == "missing":
            missing = problem["loc"][-1]
            yield f"{file}:{lines[path]}: {_field((*path, missing))}: is missing"
            continue
        said = problem["msg"].removeprefix("Value error, ")
        if problem["type"] == "string_pattern_mismatch":
            said = f"{problem['input']!r} is not a name: it has to match {context['pattern']}"
        yield f"{file}:{lines[path]}: {_field(path)}: {said}"


def _path(location: Path, lines: Mapping[Path, int], path: Path = ()) -> Path:
    """The way in the file to where pydantic found a problem, whose own also names the models that it tried."""
    if not location:
        return path
    ways = [_path(location[1:], lines, path)]
    if (*path, location[0]) in lines:
        ways.append(_path(location[1:], lines, (*path, location[0])))
    return max(ways, key=lambda way: (way[-1:] == location[-1:], len(way)))


def _unknown_names(part: Model, path: Path, known: set[str], file: str, lines: Mapping[Path, int]) -> Iterable[str]:
    """Values that are used and that nobody gave."""
    for used in _used(part):
        for name in sorted(used.used | used.lists):
            if name not in known and name not in BUILTIN:
                line = lines.get(path, 1)
                field = f"{_field(path)}: " if path else ""
                near = get_close_matches(name, known | BUILTIN, 1)
                hint = f"did you mean {near[0]!r}?" if near else f"known here: {', '.join(sorted(known)) or 'none'}"
                yield f"{file}:{line}: {field}there is no value {name!r} for {used.source!r}; {hint}"
    for way, inner, names in nested(part):
        yield from _unknown_names(inner, (*path, *way), known | names, file, lines)


def _used(part: Model) -> Iterable[Template]:
    yield from part.templates()
    for value in getattr(part, "values", {}).values():
        yield from value if isinstance(value, list) else [value]


def _field(path: Path) -> str:
    """`steps[1].output[0].pace`, counted from 1 as people do."""
    text = ""
    for part in path:
        text += f"[{part + 1}]" if isinstance(part, int) else f".{part}" if text else part
    return text or "scenario"
