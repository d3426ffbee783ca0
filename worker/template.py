"""Text with seeded values in it: `Uploaded ${i}/${count}`, `built in ${1.20..9.80}s`, `${hex 7}`.

What stands in `${…}` is one of:

| `name`, `i*100/count` | a value; whole numbers are reckoned from left to right, `/` without a remainder |
| `3..40`, `0.12..9.99` | a number between the two, both included, with as many decimals as they have |
| `hex 7`, `digits 4`   | so many random digits |
| `pick names`          | one of the list `names` |
| `main \\| develop`     | one of these |
| `fill 300 ab`         | the text again and again, 300 characters in all |
| `U+202E`, `byte FF`   | a character by its number; a raw byte, which need not be UTF-8 |

A value or number may be followed by a format as Python's: `:,` with thousands, `:>8`, `:<8` or `:^8` padded, `:03` with
noughts in front. `$${` stands for `${`.
"""

import re
from collections.abc import Callable, Mapping, Sequence
from random import Random
from typing import TypeAlias

Names: TypeAlias = Mapping[str, "str | Sequence[Template]"]

_PLACE = re.compile(r"\$\$\{|\$\{([^{}]*)\}|\$\{")
_FORMAT = re.compile(r"(?P<body>.*?[^:]):(?P<align>[<>^]?)(?P<zero>0?)(?P<width>\d*)(?P<comma>,?)")
_NAME = r"[a-z_][a-z0-9_]*"
_REF = re.compile(_NAME)
_SUM = re.compile(rf"({_NAME}|\d+)((?:\s*[-+*/]\s*(?:{_NAME}|\d+))+)")
_TERM = re.compile(rf"([-+*/])\s*({_NAME}|\d+)")
_RANGE = re.compile(r"(\d+)(?:\.(\d+))?\.\.(\d+)(?:\.(\d+))?")
_DIGITS = re.compile(r"(hex|digits) (\d+)")
_PICK = re.compile(rf"pick ({_NAME})")
_FILL = re.compile(r"fill (\d+) (.+)")
_CHARACTER = re.compile(r"U\+([0-9A-Fa-f]{1,6})")
_BYTES = re.compile(r"byte((?: [0-9A-Fa-f]{2})+)")
_MOST = 4 * 1024 * 1024


class TemplateError(ValueError):
    """A template cannot be read, or a value in it is not what it is used as."""


class Scope:
    """The names that a template may use, and the numbers that it draws from."""

    def __init__(self, rng: Random, names: Names, builtin: Callable[[str], str | None] = lambda _: None) -> None:
        self.rng = rng
        self.names = dict(names)
        self._builtin = builtin

    def inner(self, **names: "str | Sequence[Template]") -> "Scope":
        """The same with more names."""
        return Scope(self.rng, self.names | names, self._builtin)

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
        text = term if term.isdigit() else self.text(term)
        if not re.fullmatch(r"-?[0-9]+", text):
            raise TemplateError(f"{term!r} is {text!r}, not a whole number")
        return int(text)

    def between(self, low: int, high: int) -> int:
        """A whole number from `low` to `high`, both included."""
        return low + int(self.rng.random() * (high - low + 1))


Piece: TypeAlias = Callable[[Scope], str]


class Template:
    """A template that was read. `used` are the names of values in it, `lists` those of lists."""

    def __init__(self, source: str) -> None:
        """Raises TemplateError."""
        self.source = source
        self.used: set[str] = set()
        self.lists: set[str] = set()
        self._pieces: list[str | Piece] = []
        at = 0
        for place in _PLACE.finditer(source):
            if place.start() > at:
                self._pieces.append(source[at : place.start()])
            at = place.end()
            if place.group() == "$${":
                self._pieces.append("${")
            elif place.group(1) is None:
                raise TemplateError(f"'${{' without a '}}' in {source!r}: for the characters themselves write '$${{'")
            else:
                self._pieces.append(self._place(place.group(1).strip()))
        if at < len(source):
            self._pieces.append(source[at:])

    def render(self, scope: Scope) -> str:
        """The text, with its values drawn from left to right. Raises TemplateError."""
        return "".join([piece if isinstance(piece, str) else piece(scope) for piece in self._pieces])

    def __repr__(self) -> str:
        return f"Template({self.source!r})"

    def _place(self, body: str) -> Piece:
        if " | " in body:
            options = [option.strip() for option in body.split(" | ")]
            return lambda scope: options[scope.between(0, len(options) - 1)]
        if (piece := self._plain(body)) is not None:
            return piece
        if (form := _FORMAT.fullmatch(body)) and (piece := self._plain(form["body"].strip())) is not None:
            return _formatted(piece, form["align"], form["zero"], form["width"], form["comma"])
        raise TemplateError(
            f"'${{{body}}}' is not understood: write a name, a range such as 3..40, 'hex 7', 'digits 4', "
            "'pick LIST', 'one | another', 'fill 80 TEXT', 'U+202E' or 'byte FF'"
        )

    def _plain(self, body: str) -> Piece | None:
        if found := _REF.fullmatch(body):
            self.used.add(body)
            return lambda scope: scope.text(body)
        if found := _PICK.fullmatch(body):
            return self._pick(found[1])
        if found := _SUM.fullmatch(body):
            return self._sum(found[1], _TERM.findall(found[2]))
        for pattern, make in _FORMS:
            if found := pattern.fullmatch(body):
                return make(found)
        return None

    def _pick(self, name: str) -> Piece:
        self.lists.add(name)

        def pick(scope: Scope) -> str:
            items = scope.items(name)
            return items[scope.between(0, len(items) - 1)].render(scope)

        return pick

    def _sum(self, first: str, terms: list[tuple[str, str]]) -> Piece:
        self.used.update(term for term in (first, *(term for _, term in terms)) if not term.isdigit())

        def total(scope: Scope) -> str:
            result = scope.number(first)
            for sign, term in terms:
                result = _reckon(result, sign, scope.number(term))
            return str(result)

        return total


def _range(found: re.Match[str]) -> Piece:
    decimals = len(found[2] or "")
    if len(found[4] or "") != decimals:
        raise TemplateError(f"{found[0]!r}: write both ends with as many decimals")
    low, high = int(found[1] + (found[2] or "")), int(found[3] + (found[4] or ""))
    if low > high:
        raise TemplateError(f"{found[0]!r}: the lower number comes first")
    if not decimals:
        return lambda scope: str(scope.between(low, high))

    def number(scope: Scope) -> str:
        digits = str(scope.between(low, high)).rjust(decimals + 1, "0")
        return f"{digits[:-decimals]}.{digits[-decimals:]}"

    return number


def _digits(found: re.Match[str]) -> Piece:
    digits, count = "0123456789abcdef" if found[1] == "hex" else "0123456789", _bounded(found[2])
    return lambda scope: "".join([digits[scope.between(0, len(digits) - 1)] for _ in range(count)])


def _fill(found: re.Match[str]) -> Piece:
    count, text = _bounded(found[1]), found[2]
    filled = (text * (count // len(text) + 1))[:count]
    return lambda _: filled


def _character(found: re.Match[str]) -> Piece:
    number = int(found[1], 16)
    if number > 0x10FFFF:
        raise TemplateError(f"{found[0]!r}: Unicode ends at U+10FFFF")
    character = chr(number)
    return lambda _: character


def _bytes(found: re.Match[str]) -> Piece:
    text = bytes.fromhex(found[1]).decode("utf-8", "surrogateescape")
    return lambda _: text


_FORMS: tuple[tuple[re.Pattern[str], Callable[[re.Match[str]], Piece]], ...] = (
    (_RANGE, _range),
    (_DIGITS, _digits),
    (_FILL, _fill),
    (_CHARACTER, _character),
    (_BYTES, _bytes),
)


def _bounded(count: str) -> int:
    if int(count) > _MOST:
        raise TemplateError(f"{count} characters are too many: at most {_MOST}")
    return int(count)


def _reckon(left: int, sign: str, right: int) -> int:
    if sign == "+":
        return left + right
    if sign == "-":
        return left - right
    if sign == "*":
        return left * right
    if right == 0:
        raise TemplateError("division by zero")
    return left // right


def _formatted(piece: Piece, align: str, zero: str, width: str, comma: str) -> Piece:
    def formatted(scope: Scope) -> str:
        text = piece(scope)
        if comma:
            whole, point, rest = text.partition(".")
            if not whole.isdigit():
                raise TemplateError(f"{text!r} is not a number, to be written with thousands")
            text = f"{int(whole):,}{point}{rest}"
        if not width:
            return text
        fill = "0" if zero and not align else " "
        return format(text, f"{fill}{align or '>'}{width}")

    return formatted
