"""Many texts looked for in a line at once, at next to no cost where it has none of them."""

from collections.abc import Iterable

from producer.shapes import Span

# A short part of a text is found faster than the whole, and its rarest character faster still: by far most lines are
# told by that alone. These are the characters of logs, the most frequent first; all others are rarer.
_PART = 12
_FREQUENT = " etaosinrcldpm.-/u0h1gf2_b:3456879vykw=xA@EST,CIDRNP\"'()OL[]FM#BzU><qjGHV+WYKXJQZ"
# More than so many texts so long, say the lines of a key, are looked for by samples of the line.
_MANY = 16
_LONG = 32
_SAMPLE = 8


class Pieces:
    """Finds given texts. Those that a mask leaves as they are, of nothing but `*`, are none."""

    def __init__(self, texts: Iterable[str]) -> None:
        self._texts = sorted((text for text in texts if text.strip("*")), key=len)
        least: list[str] = []
        for text in self._texts:
            if not any(other in text for other in least):  # else whatever holds the text holds the other
                least.append(text)
        long = [text for text in least if len(text) >= _LONG]
        if len(long) <= _MANY:
            long = []
        self._samples = {text[at : at + _SAMPLE] for text in long for at in range(len(text) - _SAMPLE + 1)}
        parts = dict.fromkeys(text[-_PART:] for text in least if text not in long)
        self._parts = [(max(part, key=_rarity), part) for part in parts]

    def may_be_in(self, line: str) -> bool:
        """Whether one of them may be in the line: quick, mostly false, and never false where one is."""
        for rarest, part in self._parts:
            if rarest in line and part in line:
                return True
        if not self._samples:
            return False
        # In every _LONG characters of a line is one whole sample of those that are taken at this distance.
        starts = range(0, len(line), _LONG - _SAMPLE + 1)
        return not self._samples.isdisjoint([line[at : at + _SAMPLE] for at in starts])

    def spans(self, line: str) -> list[Span]:
        """Where they are in the line, in no order."""
        found = []
        for text in self._texts:
            at = line.find(text)
            while at >= 0:
                found.append((at, at + len(text)))
                at = line.find(text, at + 1)
        return found

    def open_end(self, line: str) -> int:
        """How many characters at the end of the line are the start of one of them, but not all of it."""
        return max((_open_end(line, text) for text in self._texts), default=0)


def _rarity(character: str) -> int:
    return _FREQUENT.find(character) % (len(_FREQUENT) + 1)


def _open_end(line: str, text: str) -> int:
    at = max(0, len(line) - len(text) + 1)
    while (at := line.find(text[0], at)) >= 0:
        if text.startswith(line[at:]):
            return len(line) - at
        at += 1
    return 0
