"""Recordings: a real log, in a file of whatever kind, as what a deploy does.

Three kinds are told apart by their text: asciicasts, logs whose lines bear time stamps, and plain logs.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from random import Random

from producer.simulate import MAX_RECORDING_CHARACTERS
from producer.status import Status, last_line
from worker.actions import Action, Cancel, End, Line, Part, Play
from worker.asciicast import EXIT, MARKER, AsciicastError, Cast, Event, is_asciicast, read
from worker.timestamps import stamped

_BYTE_ORDER = "\ufeff"
_SAMPLE_CHARACTERS = 8 * 1024
_MOST_FOREIGN = 10  # one character in so many may be no UTF-8
_FAILED = "Deploy failed: "
_CANCELLED_STATUS = "130"


class RecordingError(Exception):
    """The recording cannot be played; the message says where it is wrong, and what to do."""


@dataclass(frozen=True, slots=True)
class Recording:
    """A recording that can be played. `kind` is what it was taken for, `title` what it says of itself.

    `timed`: the delays are recorded ones, and not to be made up.
    """

    kind: str
    title: str | None
    actions: tuple[Action, ...]
    end: End
    timed: bool

    def play(self, rng: Random) -> Play:
        """What the deploy does, at the recorded pace; where none is recorded, at one that is drawn from `rng`."""
        yield from self.actions if self.timed else _paced(self.actions, rng)
        return self.end


def decode(data: bytes) -> str:
    """The text of a file: UTF-8, or UTF-16 that says so, as PowerShell redirects. Raises RecordingError."""
    if data.startswith(b"\x1f\x8b"):
        raise RecordingError("the recording is compressed: unpack it with gunzip first")
    utf_16 = data.startswith((b"\xff\xfe", b"\xfe\xff"))
    return data.decode("utf-16" if utf_16 else "utf-8", "replace")


def play(text: str, rng: Random) -> Play:
    """What a deploy does that plays this recording. Of `rng` only `random()` is used. Raises RecordingError at once."""
    return check(text).play(rng)


def check(text: str) -> Recording:
    """The recording in the text of a file, validated wholly.

    An asciicast (versions 1 to 3) gives its output as it was written, in parts with their delays. A marker names the
    step of what follows it. An exit status other than 0 fails the deploy; without one it is complete. What
    `logs --format asciicast` wrote ends as the deploy that it shows did: the last line is left to the deploy's end.

    A log with time stamps (see `worker.timestamps`) gives its lines without them, a plain log its lines as they are,
    in bursts with pauses between them; both end complete.

    Delays are whole milliseconds, the differences of rounded times, so that rounding does not add up. Raises
    RecordingError.
    """
    if len(text) > MAX_RECORDING_CHARACTERS:
        raise RecordingError(
            f"the recording has {len(text):,} characters, at most {MAX_RECORDING_CHARACTERS:,} are played: shorten it"
        )
    text = text.removeprefix(_BYTE_ORDER)
    if not text.strip():
        raise RecordingError("the recording is empty: give an asciicast or a log")
    if is_asciicast(text):
        return _asciicast(text)
    if "\0" in text[:_SAMPLE_CHARACTERS] or text.count("\ufffd") * _MOST_FOREIGN > len(text):
        raise RecordingError("the recording is not text in UTF-8: give an asciicast or a log")
    return _log(text)


def _asciicast(text: str) -> Recording:
    try:
        cast = read(text)
    except AsciicastError as error:
        raise RecordingError(str(error)) from error
    actions, end = _played(cast)
    return Recording(f"asciicast version {cast.version}", cast.title or cast.command, tuple(actions), end, timed=True)


def _played(cast: Cast) -> tuple[list[Action], End]:
    status, told = _ending(cast.events)
    actions: list[Action] = []
    step: str | None = None
    at_ms = 0
    for event in cast.events:
        now = _milliseconds(event.at_us)
        if event.code == MARKER:
            step = _bytes(event.data).decode("utf-8", "replace").strip() or None
        elif event.code != EXIT and event is not told:
            actions.append(Part(now - at_ms, _bytes(event.data), step))
            at_ms = now
    rest = _milliseconds(cast.events[-1].at_us) - at_ms if cast.events else 0
    reason = None if told is None else told.data.rstrip("\r\n").removeprefix(_FAILED)
    if status == _CANCELLED_STATUS and told is not None and reason == Status.CANCELLED:
        return [*actions, Cancel(rest)], End(reason)
    if status is None or int(status) == 0:
        return actions, End(delay_ms=rest)
    return actions, End(reason or f"exited with status {status}", delay_ms=rest)


def _ending(events: list[Event]) -> tuple[str | None, Event | None]:
    """The last exit status, and the event that is the last line of a deploy that ended so."""
    status = next((event.data for event in reversed(events) if event.code == EXIT), None)
    last = next((event for event in reversed(events) if event.code not in (EXIT, MARKER)), None)
    if last is None or status is None:
        return status, None
    ends = last.data == f"{last_line(Status.COMPLETE)}\r\n" if int(status) == 0 else last.data.startswith(_FAILED)
    return status, last if ends and last.data.count("\n") == 1 else None


def _log(text: str) -> Recording:
    lines = [line.removesuffix("\r") for line in text.split("\n")]
    if not lines[-1]:
        del lines[-1]
    timed = stamped(lines)
    if timed is None:
        return Recording("plain log", None, tuple(Line(0, line) for line in lines), End(), timed=False)
    actions, at_ms = [], 0
    for line in timed:
        now = _milliseconds(line.at_us)
        actions.append(Line(now - at_ms, line.text, line.step))
        at_ms = now
    return Recording("log with time stamps", None, tuple(actions), End(), timed=True)


def _paced(actions: Iterable[Action], rng: Random) -> Iterator[Action]:
    """Bursts of mostly a few lines, pauses that are mostly short; a blank or indented line comes with the one before.

    About ten lines a second.
    """
    left = 0
    for action in actions:
        if not isinstance(action, Line) or not action.text or action.text[0].isspace():
            yield action
        elif left > 0:
            left -= 1
            yield action._replace(delay_ms=int(rng.random() * 30))
        else:
            drawn = rng.random()
            left = int(20 * drawn * drawn)
            drawn = rng.random()
            yield action._replace(delay_ms=150 + int(1850 * drawn * drawn * drawn))


def _milliseconds(microseconds: int) -> int:
    return (microseconds + 500) // 1000


def _bytes(text: str) -> bytes:
    return text.encode("utf-8", "surrogatepass")
