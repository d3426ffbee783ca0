"""Recordings: whatever was recorded anywhere plays as a deploy."""

import json
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from random import Random
from typing import NamedTuple

import pytest
from hypothesis import given
from hypothesis import strategies as st

import worker
from producer.lines import LineSplitter
from producer.simulate import MAX_RECORDING_CHARACTERS as MAX
from worker.actions import Action, Cancel, End, Line, Part, Returning
from worker.recording import Recording, RecordingError, check, decode, play

V2 = '{"version": 2, "width": 80, "height": 24}\n'
V3 = '{"version": 3, "term": {"cols": 80, "rows": 24}}\n'
SAMPLES = sorted((Path(worker.__file__).parent / "recordings").glob("*.cast"))
CASTS = Path(__file__).parent / "casts"


class Played(NamedTuple):
    """What a recording does."""

    actions: list[Action]
    end: End


def played(text: str, seed: int = 0) -> Played:
    """Play the text to its end."""
    plays = Returning(play(text, Random(seed)))
    return Played(list(plays), plays.value)


def lines_of(actions: Sequence[Action]) -> list[str]:
    """The lines of raw output."""
    splitter = LineSplitter()
    parts = [splitter.feed(action.data) for action in actions if isinstance(action, Part)]
    rest = splitter.flush(final=True)
    return [line.text for part in parts for line in part] + ([rest.text] if rest else [])


def test_an_asciicast_plays_as_raw_output_in_its_steps() -> None:
    """Bytes as they are, in any cuts; a marker names the step of what follows, an empty one ends it."""
    text = V3 + (
        '[0.1, "o", "a\\r\\n\\u001b[2K10 %\\r"]\n[0.1, "m", " build "]\n[0.3, "o", "20 %\\r\\n\\ud83d\\ude00"]\n'
        '[0.5, "r", "90x30"]\n[0.5, "i", "y"]\n[0.25, "m", ""]\n[0.25, "o", "\\udcff"]\n'
    )
    assert played(text) == Played(
        [
            Part(100, b"a\r\n\x1b[2K10 %\r"),
            Part(400, "20 %\r\n😀".encode(), "build"),
            Part(1500, b"\xed\xb3\xbf"),
        ],
        End(),
    )


@pytest.mark.parametrize(
    ("exits", "actions", "end"),
    [
        ("", [Part(500, b"a")], End()),
        ('[0.0, "x", "0"]\n', [Part(500, b"a")], End()),
        ('[2.0, "x", "0"]\n', [Part(500, b"a")], End(delay_ms=2000)),
        ('[0.0, "x", "3"]\n', [Part(500, b"a")], End("exited with status 3")),
        ('[0.0, "x", 143]\n', [Part(500, b"a")], End("exited with status 143")),
        ('[0.0, "x", "3"]\n[1, "o", "b"]\n[0, "x", "0"]\n', [Part(500, b"a"), Part(1000, b"b")], End()),
        ('[3, "m", "end"]\n', [Part(500, b"a")], End(delay_ms=3000)),
    ],
)
def test_the_exit_status_ends_the_deploy(exits: str, actions: list[Action], end: End) -> None:
    """The last one counts; without one the deploy is complete; the time up to the end passes too."""
    assert played(f'{V3}[0.5, "o", "a"]\n{exits}') == Played(actions, end)


@pytest.mark.parametrize(
    ("last", "status", "actions", "end"),
    [
        ("Deploy complete!\\r\\n", 0, [Part(0, b"a\r\n")], End(delay_ms=750)),
        ("Deploy failed: crashed\\r\\n", 1, [Part(0, b"a\r\n")], End("crashed", delay_ms=750)),
        ("Deploy failed: cancelled\\r\\n", 130, [Part(0, b"a\r\n"), Cancel(750)], End("cancelled")),
        ("Deploy failed: cancelled\\r\\n", 1, [Part(0, b"a\r\n")], End("cancelled", delay_ms=750)),
        ("Deploy failed: x\\r\\n", 0, [Part(0, b"a\r\n"), Part(500, b"Deploy failed: x\r\n")], End(delay_ms=250)),
        (
            "Deploy complete!\\r\\n",
            1,
            [Part(0, b"a\r\n"), Part(500, b"Deploy complete!\r\n")],
            End("exited with status 1", delay_ms=250),
        ),
        (
            "Deploy failed: x\\r\\ny\\r\\n",
            1,
            [Part(0, b"a\r\n"), Part(500, b"Deploy failed: x\r\ny\r\n")],
            End("exited with status 1", delay_ms=250),
        ),
    ],
)
def test_an_exported_deploy_ends_as_it_did(last: str, status: int, actions: list[Action], end: End) -> None:
    """Its last line is written by the end, not twice, and gives the reason; only where the status fits."""
    text = f'{V3}[0, "o", "a\\r\\n"]\n[0.5, "m", ""]\n[0, "o", "{last}"]\n[0.25, "x", "{status}"]\n'
    assert played(text) == Played(actions, end)


def test_a_recording_without_output_plays() -> None:
    """A command may say nothing."""
    assert played(V3) == Played([], End())
    assert played(V3 + '[0.5, "x", "1"]\n') == Played([], End("exited with status 1", delay_ms=500))


@pytest.mark.parametrize(
    ("text", "delays"),
    [
        (V3 + "".join('[0.0004, "o", "a"]\n' for _ in range(1000)), 400),
        (V2 + "".join(f'[{number * 0.0004:.6f}, "o", "a"]\n' for number in range(1, 1001)), 400),
        ("".join(f"1795521600.{number * 400:06} a\n" for number in range(1001)), 400),
    ],
    ids=["version 3", "version 2", "stamps"],
)
def test_rounding_does_not_add_up(text: str, delays: int) -> None:
    """Delays are whole milliseconds, and a thousand of 0.4 ms are 400."""
    assert sum(action.delay_ms for action in played(text).actions) == delays


def test_a_log_with_stamps_plays_at_its_pace() -> None:
    """Its lines without the stamps; CRLF ends a line, a lone CR stays in it."""
    text = "\ufeff12:00:00 one\r\n12:00:00.75 10 %\r20 %\n\n  more\n12:00:02 two"
    assert played(text) == Played(
        [Line(0, "one"), Line(750, "10 %\r20 %"), Line(0, ""), Line(0, "  more"), Line(1250, "two")], End()
    )


def test_a_plain_log_plays_in_bursts_and_pauses() -> None:
    """About ten lines a second, most of them soon after the one before; the text is as it is."""
    text = "".join(f"line {number}\n  detail\n\n" for number in range(2000))
    actions, end = played(text)
    assert [action.text for action in actions if isinstance(action, Line)] == text.split("\n")[:-1]
    assert end == End()
    first, detail, blank = ([action.delay_ms for action in actions[kind::3]] for kind in range(3))
    assert set(detail + blank) == {0}
    pauses = [delay for delay in first if delay >= 150]
    assert max(first) < 2000
    assert 100 < len(pauses) < 600
    assert 50 < sum(first) / len(first) < 150


def test_the_seed_determines_the_pace() -> None:
    """The same seed gives the same delays, from `random()` alone, and these on every machine."""
    text = "a\nb\nc\nd\ne\nf\n"
    assert [action.delay_ms for action in played(text, 7).actions] == [156, 19, 2, 240, 1, 15]
    assert played(text, 7) == played(text, 7)
    assert played(text, 8) != played(text, 7)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "the recording is empty: give an asciicast or a log"),
        (" \r\n\n", "the recording is empty: give an asciicast or a log"),
        ("\ufeff", "the recording is empty: give an asciicast or a log"),
        ("\x7fELF\x02\0\0\0", "the recording is not text in UTF-8: give an asciicast or a log"),
        ("\ufffd" * 11 + "a" * 89, "the recording is not text in UTF-8: give an asciicast or a log"),
        (V3 + "nothing\n", "line 2: not a JSON array: Expecting value, at column 1"),
        ("a" * (MAX + 1), "the recording has 8,388,609 characters, at most 8,388,608 are played: shorten it"),
    ],
    ids=range(7),
)  # fmt: skip
def test_what_cannot_be_played_is_refused_before_it_plays(text: str, message: str) -> None:
    """In one sentence, by `check` and by `play` at once."""
    with pytest.raises(RecordingError) as caught:
        check(text)
    assert str(caught.value) == message
    with pytest.raises(RecordingError):
        play(text, Random(0))


def test_a_recording_tells_what_it_is() -> None:
    """What it was taken for, and what it says of itself."""

    def told(recording: Recording) -> tuple[str, str | None]:
        return recording.kind, recording.title

    header = '{"version": 3, "term": {}, "command": "make"'
    assert told(check(header + ', "title": "Demo"}\n')) == ("asciicast version 3", "Demo")
    assert told(check(header + "}\n")) == ("asciicast version 3", "make")
    assert told(check("12:00:00 a\n12:00:01 b\n")) == ("log with time stamps", None)
    assert told(check("a\n")) == ("plain log", None)


@given(
    st.text(),
    st.lists(
        st.one_of(
            st.text(),
            st.sampled_from(["12:00:00 a", "2026-11-24T12:00:00Z b", "Feb 29 12:00:00 c", "1795521600 d"]),
            st.tuples(
                st.floats() | st.integers(), st.sampled_from("oimrxq"), st.text() | st.none() | st.integers()
            ).map(json.dumps),
        )
    ),
    st.sampled_from([V2, V3, '{"version": 1, "stdout": [[', ""]),
    st.sampled_from(["\n", "\r\n", "]]}"]),
)
def test_any_text_plays_or_is_refused(start: str, lines: list[str], header: str, end: str) -> None:
    """Whatever is in it: with delays that are whole and do not fall."""
    actions: list[Action] = []
    with suppress(RecordingError):
        actions = played(header + start + end.join(lines)).actions
    assert all(type(action.delay_ms) is int and action.delay_ms >= 0 for action in actions)


@pytest.mark.parametrize(
    ("data", "text"),
    [
        ("é\r\n".encode(), "é\r\n"),
        (b"caf\xe9\n", "caf\ufffd\n"),
        ("é\r\n".encode("utf-16"), "é\r\n"),
        (b"\xfe\xff" + "é\r\n".encode("utf-16-be"), "é\r\n"),
    ],
)
def test_a_file_is_text_in_utf_8_or_says_what_it_is(data: bytes, text: str) -> None:
    """What is not valid is replaced; UTF-16 is known by its mark."""
    assert decode(data) == text


def test_a_compressed_file_is_refused_with_what_to_do() -> None:
    """Logs are often kept so."""
    with pytest.raises(RecordingError, match=r"^the recording is compressed: unpack it with gunzip first$"):
        decode(b"\x1f\x8b\x08\x00")


@pytest.mark.parametrize(
    ("version", "delays"),
    [("1.4", [4, 301, 101, 102, 101, 101, 1402]), ("2.4", [6, 302, 101, 102, 102, 103, 1000])],
)
def test_files_of_asciinema_s_own_recorder_play(version: str, delays: list[int]) -> None:
    """Made by asciinema of a script of ours, by 2.4 with an idle limit of a second."""
    actions, end = played((CASTS / f"asciinema-{version}.cast").read_text())
    assert lines_of(actions) == [
        "\x1b[1mDeploying shop\x1b[0m",
        "\rUploading  25 %\rUploading  50 %\rUploading  75 %\rUploading 100 %",
        "Prüfung: \x1b[32m✓ ok\x1b[0m",
        "no line end",
    ]
    assert [action.delay_ms for action in actions] == delays
    assert end == End()


def test_a_full_screen_session_plays_as_it_is() -> None:
    """Cursor movement and the alternate screen are bytes like others."""
    screen = "\x1b[?1049h\x1b[H\x1b[2J~\r\n~\x1b[10;1H-- INSERT --\x1b[?25l\x1b[?1049l"
    text = V3 + f'[0.5, "o", "{screen.encode("unicode_escape").decode().replace(chr(92) + "x", chr(92) + "u00")}"]\n'
    assert played(text).actions == [Part(500, screen.encode())]


@pytest.mark.parametrize("path", SAMPLES, ids=lambda path: path.stem)
def test_the_recordings_that_come_along_play(path: Path) -> None:
    """Real builds, recorded with `deploytail record`: each with its title, its lines, its time and its end."""
    recording = check(path.read_text())
    actions, end = played(path.read_text())
    assert recording.kind == "asciicast version 3"
    assert recording.title
    assert len(lines_of(actions)) > 10
    assert 300 < sum(action.delay_ms for action in actions) < 60_000
    assert path.stat().st_size < 60_000
    assert end.reason == ("exited with status 1" if path.stem == "python-tests" else None)


def test_recordings_come_along() -> None:
    """By these names."""
    assert [path.stem for path in SAMPLES] == ["c-make", "node-vite", "python-tests", "rust-cargo"]
