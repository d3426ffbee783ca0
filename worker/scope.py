"""The values that a text may use, and the numbers that are drawn for it."""

import re
from collections.abc import Callable, Mapping, Sequence
from random import Random
from typing import TYPE_CHECKING, TypeAlias

from worker.words import quoted

if TYPE_CHECKING:
    from worker.template import Template

Names: TypeAlias = Mapping[str, "str | Sequence[Template]"]

MOST_DIGITS = 18
MOST_CHARACTERS = 4 * 1024 * 1024
NUMBER = re.compile(rf"-?[0-9]{{1,{MOST_DIGITS}}}")
_MOST_HELD = 4 * MOST_CHARACTERS
_MOST_PIECES = 1_000_000
_DEEPEST = 20


class TemplateError(ValueError):
    """A template cannot be read, or a value in it is not what it is used as."""


class Scope:
    """The names that a template may use, and the numbers that it draws from.

    `held` are the characters in the values of `names`, where they are counted already.
    """

    def __init__(
        self,
        rng: Random,
        names: Names,
        builtin: Callable[[str], str | None] = lambda _: None,
        held: int | None = None,
    ) -> None:
        self.rng = rng
        self.names = dict(names)
        self._builtin = builtin
        self._held = _characters(names) if held is None else held

    def inner(self, **names: "str | Sequence[Template]") -> "Scope":
        """The same with more names. Raises TemplateError where all their texts become too long to be held."""
        held = self._held + _characters(names)
        if held > _MOST_HELD:
            raise TemplateError(f"the values come to more than {_MOST_HELD:,} characters: make them shorter")
        return Scope(self.rng, self.names | names, self._builtin, held)

    def text(self, name: str) -> str:
        """The value of `name`. Raises TemplateError."""
        found = self.names[name] if name in self.names else self._builtin(name)
        if found is None:
            raise TemplateError(f"there is no value {name!r}")
        if not isinstance(found, str):
            raise TemplateError(f"{name!r} is a list: write 'pick {name}'")
        return found

    def items(self, name: str) -> "Sequence[Template]":
        """The list `name`. Raises TemplateError."""
        found = self.names.get(name)
        if found is None or isinstance(found, str):
            raise TemplateError(f"there is no list {name!r}")
        return found

    def number(self, term: str) -> int:
        """A whole number: written out, or the value of a name. Raises TemplateError."""
        text = term if term[0] in "0123456789" else self.text(term)
        if not NUMBER.fullmatch(text):
            raise TemplateError(f"{term!r} is {quoted(text)}, not a whole number of up to {MOST_DIGITS} digits")
        return int(text)

    def between(self, low: int, high: int) -> int:
        """A whole number from `low` to `high`, both included."""
        return low + int(self.rng.random() * (high - low + 1))


def _characters(names: Names) -> int:
    characters = 0
    for value in names.values():
        if isinstance(value, str):
            characters += len(value)
    return characters


class Room:
    """How much may still go into one text, with the items of lists that are picked for it."""

    def __init__(self) -> None:
        self._pieces = _MOST_PIECES
        self._depth = 0

    def begin(self, pieces: int) -> None:
        """A template of so many pieces is filled in now. Raises TemplateError where there is no end to it."""
        self._pieces -= pieces
        self._depth += 1
        if self._pieces < 0 or self._depth > _DEEPEST:
            raise TemplateError("lists whose items pick from lists go too far: let them pick less")

    def end(self) -> None:
        """It is filled in."""
        self._depth -= 1
