"""YAML as plain Python: every scalar the text that it is, with the line of each part; bounded, and nothing executed."""

import re
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, NamedTuple, TypeAlias

import yaml

from producer.simulate import MAX_DEFINITION_CHARACTERS

Path: TypeAlias = tuple[str | int, ...]

_DEEPEST = 40
_MOST_PARTS = 50_000
_MOST_CHARACTERS = 2 * MAX_DEFINITION_CHARACTERS
_TOO_MUCH = f"more than {_MOST_PARTS:,} parts, or too much text, its aliases counted"
_COMMENT = re.compile(r" (#.*)")


class MisreadError(ValueError):
    """It cannot be read; `line` counts from 1, and is None where none is known."""

    def __init__(self, line: int | None, said: str) -> None:
        super().__init__(said)
        self.line = line


class Comment(NamedTuple):
    """What follows plain text after a single blank and is a comment to YAML: it may be meant as text."""

    path: Path
    line: int
    text: str


@dataclass
class Document:
    """A file that was read: its plain value, the line of each part, and comments that may be none."""

    value: dict[str, Any] = field(default_factory=dict)
    lines: dict[Path, int] = field(default_factory=dict)
    comments: list[Comment] = field(default_factory=list)


def read(text: str) -> Document:
    """What is in the text, a mapping. Raises MisreadError."""
    if len(text) > MAX_DEFINITION_CHARACTERS:
        raise MisreadError(None, f"larger than {MAX_DEFINITION_CHARACTERS // 1024} KiB: this is not a scenario")
    try:
        node = yaml.compose(text, _Loader)
    except yaml.MarkedYAMLError as error:
        raise _not_yaml(error) from None
    except yaml.reader.ReaderError as error:
        raise MisreadError(None, f"not YAML: U+{error.character:04X} may not be in it: take it out") from None
    except yaml.YAMLError as error:
        raise MisreadError(None, f"not YAML: {str(error).splitlines()[0]}") from None
    if not isinstance(node, yaml.MappingNode):
        raise MisreadError(None, "not a scenario: it begins with 'scenario: NAME'")
    return _Reader(text).read(node)


def shown(path: Path) -> str:
    """`steps[1].output[2].pace`, counted from 1 as people do."""
    text = ""
    for part in path:
        text += f"[{part + 1}]" if isinstance(part, int) else f".{part}" if text else part
    return text or "scenario"


class _Loader(yaml.SafeLoader):
    """Stops at what is nested too deep or has too many parts, before it costs much."""

    _depth = 0
    _parts = 0

    def compose_node(self, parent: yaml.Node | None, index: Any) -> yaml.Node | None:
        """The next node. Raises MisreadError."""
        self._depth += 1
        self._parts += 1
        if self._depth > _DEEPEST or self._parts > _MOST_PARTS:
            line = self.peek_event().start_mark.line + 1  # type: ignore[no-untyped-call]
            raise MisreadError(line, "nested too deep: this is not a scenario" if self._depth > _DEEPEST else _TOO_MUCH)
        node = super().compose_node(parent, index)
        self._depth -= 1
        return node


class _Reader:
    def __init__(self, text: str) -> None:
        self._rows = text.split("\n")
        self._document = Document()
        self._parts = 0
        self._characters = 0

    def read(self, node: yaml.MappingNode) -> Document:
        self._document.value = self._value(node, ())
        return self._document

    def _value(self, node: yaml.Node, path: Path) -> Any:
        line = node.start_mark.line + 1
        self._document.lines.setdefault(path, line)
        self._parts += 1
        if len(path) > _DEEPEST:
            raise MisreadError(line, "nested too deep, or an alias of itself")
        if self._parts > _MOST_PARTS or self._characters > _MOST_CHARACTERS:
            raise MisreadError(line, _TOO_MUCH)
        if isinstance(node, yaml.SequenceNode):
            return [self._value(each, (*path, at)) for at, each in enumerate(node.value)]
        if isinstance(node, yaml.MappingNode):
            return self._mapping(node, path)
        return self._scalar(node, path)

    def _scalar(self, node: yaml.Node, path: Path) -> str:
        text = str(node.value)
        self._characters += len(text)
        mark = node.end_mark
        row = self._rows[mark.line] if mark.line < len(self._rows) else ""
        plain = isinstance(node, yaml.ScalarNode) and node.style is None
        if plain and (found := _COMMENT.fullmatch(row.rstrip("\r")[mark.column :])):
            self._document.comments.append(Comment(path, mark.line + 1, found[1]))
        return text

    def _mapping(self, node: yaml.MappingNode, path: Path) -> dict[str, Any]:
        found: dict[str, Any] = {}
        for key, value in node.value:
            line = key.start_mark.line + 1
            if not isinstance(key, yaml.ScalarNode):
                raise MisreadError(line, "a field's name has to be a word; text that begins with '{' or '[' is quoted")
            if key.value in found:
                raise MisreadError(line, f"{shown((*path, key.value))}: is there twice")
            self._characters += len(key.value)
            self._document.lines[*path, key.value] = line
            found[key.value] = self._value(value, (*path, key.value))
        return found


_HINTS: tuple[tuple[Callable[[str, str], bool], str], ...] = (
    (lambda said, _: "'\\t'" in said, "indent with blanks, not tabs"),
    (lambda said, _: "mapping values" in said,
     "check the indentation, or put text with ': ' in quotes or in a block ('- |' and the text below it)"),
    (lambda _, where: "quoted scalar" in where, "a quote is not closed"),
    (lambda said, _: "<block end>" in said,
     "check the indentation; text after a closing quote, or a quote above that is not closed, does this too"),
    (lambda said, _: "',' or ']'" in said or "',' or '}'" in said,
     "text that begins with '[' or '{' is put in quotes or in a block ('- |' and the text below it)"),
    (lambda said, _: "cannot start any token" in said,
     "text that begins with such a character is put in quotes or in a block ('- |' and the text below it)"),
    (lambda said, _: "alias" in said or "anchor" in said, "text that begins with '*' or '&' is put in quotes"),
)  # fmt: skip


def _not_yaml(error: yaml.MarkedYAMLError) -> MisreadError:
    said, where = error.problem or "", error.context or ""
    hint = next(
        (hint for fits, hint in _HINTS if fits(said, where)),
        "text with ': ', '#' or a special first character goes into a block: '- |' and the text below it",
    )
    # The place where a quote begins says more than where the file ends.
    mark = (error.context_mark if "quoted scalar" in where else None) or error.problem_mark or error.context_mark
    return MisreadError(mark.line + 1 if mark else None, f"not YAML: {said or where}; {hint}")
