"""The forms of a place `${…}` that use no values: ranges, digits, characters; and how a value is formatted.

Sizes are bounded, since a file is not trusted: a number has at most 18 digits, a width 4, a text 4 Mi characters.
"""

import re
from collections.abc import Callable
from typing import TypeAlias

from worker.scope import MOST_CHARACTERS, MOST_DIGITS, NUMBER, Room, Scope, TemplateError
from worker.words import quoted

Piece: TypeAlias = Callable[[Scope, Room | None], str]

_RANGE = re.compile(r"([0-9]+)(?:\.([0-9]+))?\.\.([0-9]+)(?:\.([0-9]+))?")
_DIGITS = re.compile(r"(hex|digits) ([0-9]+)")
_FILL = re.compile(r"fill ([0-9]+) (.+)")
_CHARACTER = re.compile(r"U\+([0-9A-Fa-f]{1,6})")
_BYTES = re.compile(r"byte((?: [0-9A-Fa-f]{2})+)")
_WIDEST = 4


def form(body: str) -> Piece | None:
    """What fills a place of this text; None where it is none of these forms. Raises TemplateError."""
    for pattern, make in _FORMS:
        if found := pattern.fullmatch(body):
            return make(found)
    return None


def formatted(piece: Piece, align: str, zero: str, width: str, comma: str) -> Piece:
    """What a piece gives, padded to a width, or with thousands. Raises TemplateError."""
    if len(width) > _WIDEST:
        raise TemplateError(f"a width of {quoted(width)} is too wide: write at most {_WIDEST} digits")

    def told(scope: Scope, room: Room | None) -> str:
        text = piece(scope, room)
        if comma:
            text = _thousands(text)
        if not width:
            return text
        return text.zfill(int(width)) if zero and not align else format(text, f" {align or '>'}{width}")

    return told


def reckon(left: int, sign: str, right: int) -> int:
    """The whole number that comes of it. Raises TemplateError."""
    match sign:
        case "+":
            result = left + right
        case "-":
            result = left - right
        case "*":
            result = left * right
        case _ if right == 0:
            raise TemplateError("division by zero")
        case _:
            result = left // right
    if abs(result) >= 10**MOST_DIGITS:
        raise TemplateError(f"{left} {sign} {right} has more than {MOST_DIGITS} digits")
    return result


def check_digits(number: str) -> str:
    """The number, where it is not too long. Raises TemplateError."""
    if len(number) > MOST_DIGITS:
        raise TemplateError(f"{quoted(number)} is too large: a number has at most {MOST_DIGITS} digits")
    return number


def _thousands(text: str) -> str:
    whole, point, rest = text.partition(".")
    if not NUMBER.fullmatch(whole):
        raise TemplateError(f"{quoted(text)} is not a number, to be written with thousands")
    return f"{int(whole):,}{point}{rest}"


def _range(found: re.Match[str]) -> Piece:
    decimals = len(found[2] or "")
    if len(found[4] or "") != decimals:
        raise TemplateError(f"{quoted(found[0])}: write both ends with as many decimals")
    low, high = (int(check_digits(found[at] + (found[at + 1] or ""))) for at in (1, 3))
    if low > high:
        raise TemplateError(f"{quoted(found[0])}: the lower number comes first")
    if not decimals:
        return lambda scope, _: str(scope.between(low, high))

    def number(scope: Scope, _: Room | None) -> str:
        digits = str(scope.between(low, high)).rjust(decimals + 1, "0")
        return f"{digits[:-decimals]}.{digits[-decimals:]}"

    return number


def _digits(found: re.Match[str]) -> Piece:
    digits, count = "0123456789abcdef" if found[1] == "hex" else "0123456789", _bounded(found[2])
    return lambda scope, _: "".join([digits[scope.between(0, len(digits) - 1)] for _ in range(count)])


def _fill(found: re.Match[str]) -> Piece:
    count, text = _bounded(found[1]), found[2]
    return lambda *_: (text * (count // len(text) + 1))[:count]


def _character(found: re.Match[str]) -> Piece:
    number = int(found[1], 16)
    if number > 0x10FFFF:
        raise TemplateError(f"{found[0]!r}: Unicode ends at U+10FFFF")
    character = chr(number)
    return lambda *_: character


def _bytes(found: re.Match[str]) -> Piece:
    text = bytes.fromhex(found[1]).decode("utf-8", "surrogateescape")
    return lambda *_: text


_FORMS: tuple[tuple[re.Pattern[str], Callable[[re.Match[str]], Piece]], ...] = (
    (_RANGE, _range),
    (_DIGITS, _digits),
    (_FILL, _fill),
    (_CHARACTER, _character),
    (_BYTES, _bytes),
)


def _bounded(count: str) -> int:
    if int(check_digits(count)) > MOST_CHARACTERS:
        raise TemplateError(f"{count} characters are too many: at most {MOST_CHARACTERS}")
    return int(count)
