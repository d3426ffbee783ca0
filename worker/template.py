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
from collections.abc import Iterator, Sequence

from worker.forms import Piece, check_digits, form, formatted, reckon
from worker.scope import MOST_CHARACTERS, Room, Scope, TemplateError
from worker.words import quoted

_PLACE = re.compile(r"\$\$\{|\$\{([^{}]*)\}|\$\{")
_FORMAT = re.compile(r"(?P<body>.*?[^:]):(?P<align>[<>^]?)(?P<zero>0?)(?P<width>[0-9]*)(?P<comma>,?)")
_NAME = r"[a-z_][a-z0-9_]*"
_REF = re.compile(_NAME)
_SUM = re.compile(rf"({_NAME}|[0-9]+)((?:\s*[-+*/]\s*(?:{_NAME}|[0-9]+))+)")
_TERM = re.compile(rf"([-+*/])\s*({_NAME}|[0-9]+)")
_NO_RANGE = re.compile(r"([0-9]+)\s*-\s*([0-9]+)")
_PICK = re.compile(rf"pick ({_NAME})")
_FEW = 16  # so few pieces may be put together before their length is looked at


class Template:
    """A template that was read.

    `used` are the names of values in it and `lists` those of lists, each with the place that it stands in; `alone`
    tells that it is one place and nothing else.
    """

    __slots__ = ("_pieces", "_plain", "alone", "lists", "source", "used")

    def __init__(self, source: str) -> None:
        """Raises TemplateError."""
        self.source = source
        self.used: dict[str, str] = {}
        self.lists: dict[str, str] = {}
        self._pieces: list[str | Piece] = []
        at = 0
        for place in _PLACE.finditer(source):
            if place.start() > at:
                self._pieces.append(source[at : place.start()])
            at = place.end()
            if place.group() == "$${":
                self._pieces.append("${")
            elif place.group(1) is None:
                raise TemplateError("'${' without a '}': for the characters themselves write '$${'")
            else:
                self._pieces.append(self._place(place.group(), place.group(1).strip()))
        if at < len(source):
            self._pieces.append(source[at:])
        texts = [piece for piece in self._pieces if isinstance(piece, str)]
        self._plain = "".join(texts) if len(texts) == len(self._pieces) else None
        self.alone = len(self._pieces) == 1 and not texts

    def render(self, scope: Scope, room: Room | None = None) -> str:
        """The text, with its values drawn from left to right; `room` is that of the text that it is picked for.

        Raises TemplateError.
        """
        if self._plain is not None:
            return self._plain
        if self.lists:
            room = room or Room()
        if room:
            room.begin(len(self._pieces))
        if len(self._pieces) <= _FEW:
            text = "".join([piece if isinstance(piece, str) else piece(scope, room) for piece in self._pieces])
            _check_length(len(text))
        else:
            text = "".join(self._bounded(scope, room))
        if room:
            room.end()
        return text

    def _bounded(self, scope: Scope, room: Room | None) -> Iterator[str]:
        """The texts of the pieces, as far as all of them together are not too long."""
        length = 0
        for piece in self._pieces:
            text = piece if isinstance(piece, str) else piece(scope, room)
            length += len(text)
            _check_length(length)
            yield text

    def __repr__(self) -> str:
        return f"Template({self.source!r})"

    def _place(self, place: str, body: str) -> Piece:
        if " | " in body:
            options = [option.strip() for option in body.split(" | ")]
            return lambda scope, _: options[scope.between(0, len(options) - 1)]
        if (piece := self._unformatted(place, body)) is not None:
            return piece
        if (found := _FORMAT.fullmatch(body)) and (piece := self._unformatted(place, found["body"].strip())):
            return formatted(piece, found["align"], found["zero"], found["width"], found["comma"])
        raise TemplateError(
            f"{quoted(place)} is not understood: write a name, a range such as 3..40, 'hex 7', 'digits 4', "
            "'pick LIST', 'one | another', 'fill 80 TEXT', 'U+202E' or 'byte FF'"
        )

    def _unformatted(self, place: str, body: str) -> Piece | None:
        if _REF.fullmatch(body):
            self.used.setdefault(body, place)
            return lambda scope, _: scope.text(body)
        if found := _PICK.fullmatch(body):
            self.lists.setdefault(found[1], place)
            return _pick(found[1])
        if found := _SUM.fullmatch(body):
            return self._sum(place, found[1], _TERM.findall(found[2]))
        return form(body)

    def _sum(self, place: str, first: str, terms: list[tuple[str, str]]) -> Piece:
        for term in (first, *(term for _, term in terms)):
            if _REF.fullmatch(term):
                self.used.setdefault(term, place)
            else:
                check_digits(term)
        if (ends := _NO_RANGE.fullmatch(place[2:-1].strip())) and int(ends[1]) < int(ends[2]):
            raise TemplateError(f"{place!r} is a number below 0: a range is written ${{{ends[1]}..{ends[2]}}}")

        def total(scope: Scope, _: Room | None) -> str:
            result = scope.number(first)
            for sign, term in terms:
                result = reckon(result, sign, scope.number(term))
            return str(result)

        return total


def _check_length(length: int) -> None:
    if length > MOST_CHARACTERS:
        raise TemplateError(f"a text comes to more than {MOST_CHARACTERS:,} characters: make it shorter")


def _pick(name: str) -> Piece:
    def pick(scope: Scope, room: Room | None) -> str:
        items: Sequence[Template] = scope.items(name)
        return items[scope.between(0, len(items) - 1)].render(scope, room)

    return pick
