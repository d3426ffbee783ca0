"""Words for messages about a scenario file: what is quoted of it, what may have been meant, what there is.

A file is not trusted, and messages go to logs and terminals: quotes are short, and of control characters one sees only
the number.
"""

from collections.abc import Collection, Iterable
from difflib import get_close_matches
from itertools import islice

_LONGEST_QUOTE = 60
_LONGEST_WORD = 64
_MOST_COMPARED = 300
_MOST_LISTED = 20


def quoted(text: str) -> str:
    """The text in quotes, cut where it is long."""
    return repr(text if len(text) <= _LONGEST_QUOTE else f"{text[: _LONGEST_QUOTE - 1]}…")


def near(word: str, known: Collection[str]) -> str | None:
    """The known word that was probably meant; None where none is near, or too many are known to compare them."""
    if len(word) > _LONGEST_WORD or len(known) > _MOST_COMPARED:
        return None
    return next(iter(get_close_matches(word, known, 1)), None)


def meant(word: str, known: Collection[str]) -> str:
    """`; did you mean 'chance'?`, or nothing."""
    found = near(word, known)
    return f"; did you mean {found!r}?" if found else ""


def listed(names: Iterable[str]) -> str:
    """`a, b, c`: not all of them where they are many."""
    first = list(islice(names, _MOST_LISTED + 1))
    return ", ".join([*first[:_MOST_LISTED], "…"] if len(first) > _MOST_LISTED else first)


def printable(text: str) -> str:
    """The text with every character that is not to be seen, such as an escape, by its number."""
    return text if text.isprintable() else "".join(c if c.isprintable() else f"<U+{ord(c):04X}>" for c in text)
