"""Reads a scenario file: YAML to the models of `worker.scenario`; of each mistake it names the file, line and field.

A file may come from anybody: what it costs to read is bounded, and messages quote little of it, none of its secrets.
"""

from collections.abc import Iterable
from typing import Any, TypeVar

from pydantic import ValidationError

from producer.mask import Mask
from worker.fields import MOST_SECRET_CHARACTERS, MOST_SECRETS
from worker.names import misused
from worker.plain import Document, MisreadError, Path, read, shown
from worker.problems import Problem, locate, problems
from worker.scenario import Faults, Scenario
from worker.words import printable

M = TypeVar("M", Scenario, Faults)

_MOST_PROBLEMS = 20
_TEXTS = {"about", "output", "text", "write", "progress", "prefix", "reason", "detail"}


class ScenarioError(ValueError):
    """A scenario that cannot be played; the text has a line for each mistake: file, line, field, what to do."""


def read_scenario(text: str, file: str) -> Scenario:
    """The scenario in `text`; `file` is what messages call it. Raises ScenarioError."""
    return _read(text, file, Scenario)


def read_faults(text: str, file: str) -> Faults:
    """The words of the faults in `text`. Raises ScenarioError."""
    return _read(text, file, Faults)


def doubts(text: str, file: str) -> list[str]:
    """What may be a mistake in a file that can be read: text that YAML takes for a comment. Raises ScenarioError."""
    return [
        printable(
            f"{file}:{comment.line}: {shown(comment.path)}: {comment.text!r} is a comment, and not part of the text: "
            "put all of it in quotes, or two blanks before the '#'"
        )
        for comment in _document(text, file).comments
        if next((part for part in reversed(comment.path) if isinstance(part, str)), "") in _TEXTS
    ][:_MOST_PROBLEMS]


def _read(text: str, file: str, kind: type[M]) -> M:
    document = _document(text, file)
    try:
        found = kind.model_validate(document.value)
    except ValidationError as error:
        raise _refused(problems(error, document.lines), document, file) from None
    wrong = [problem._replace(path=locate(problem.path, document.lines)) for problem in misused(found)]
    if wrong:
        raise _refused(wrong, document, file)
    return found


def _document(text: str, file: str) -> Document:
    try:
        return read(text)
    except MisreadError as error:
        line = "" if error.line is None else f":{error.line}"
        raise ScenarioError(printable(f"{file}{line}: {error}")) from None


def _refused(wrong: Iterable[Problem], document: Document, file: str) -> ScenarioError:
    """The problems in the order of their lines, the first ones where they are many."""
    found = sorted(((_line(problem.path, document), problem) for problem in wrong), key=lambda each: each[0])
    mask = Mask(_secrets(document.value))
    said = [
        mask(printable(f"{file}:{line}: {shown(problem.path)}: {problem.tell()}"))
        for line, problem in found[:_MOST_PROBLEMS]
    ]
    if len(found) > _MOST_PROBLEMS:
        said.append(f"{file}: … and {len(found) - _MOST_PROBLEMS:,} more")
    return ScenarioError("\n".join(said))


def _line(path: Path, document: Document) -> int:
    """The line of a part, or of what it should be in."""
    while path not in document.lines:
        path = path[:-1]
    return document.lines[path]


def _secrets(value: dict[str, Any]) -> list[str]:
    """The secrets of a file that may be wrong in whatever way, as far as they can be masked."""
    given = value.get("secrets")
    able = [each for each in given if isinstance(each, str)] if isinstance(given, list) else []
    return [each for each in able if each.strip() and len(each) <= MOST_SECRET_CHARACTERS][:MOST_SECRETS]
