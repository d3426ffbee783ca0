"""Private keys as text."""

import pytest

from producer.keyblock import PATIENCE, open_end
from producer.mask import Mask
from tests.helpers import every_cut

NAME = "PRIVATE " + "KEY"
BEGIN, END = f"-----BEGIN {NAME}-----", f"-----END {NAME}-----"
ROW = "aB3+/9xYz0" * 6 + "aB3+"
KEY = [BEGIN, ROW, ROW, "aB3+/w==", END]
MASKED = [BEGIN, "***", "***", "***", END]


def masked(lines: list[str]) -> list[str]:
    """The lines, as those of one sequence."""
    mask = Mask()
    return [mask(line, "stdout") for line in lines]


@pytest.mark.parametrize(
    ("lines", "expected"),
    [
        (["before", *KEY, "after"], ["before", *MASKED, "after"]),
        ([*KEY, *KEY], [*MASKED, *MASKED]),
        ([f"{line}\r" for line in KEY], [f"{BEGIN}\r", "***", "***", "***", f"{END}\r"]),
        ([f"\x1b[33m{BEGIN}\x1b[0m", ROW, f"{END}\x1b[0m x"], [f"\x1b[33m{BEGIN}\x1b[0m", "***", f"{END}\x1b[0m x"]),
        ([f"web-1  | {line}" for line in KEY], [f"web-1  | {BEGIN}", "***", "***", "***", f"***{END}"]),
        (
            [f"-----BEGIN RSA {NAME}-----", "Proc-Type: 4,ENCRYPTED", "DEK-Info: AES-256-CBC,0A1B", "", ROW, END],
            [f"-----BEGIN RSA {NAME}-----", "***", "***", "", "***", END],
        ),
        (
            [f"-----BEGIN PGP {NAME} BLOCK-----", "", ROW, "=aB3+", f"-----END PGP {NAME} BLOCK-----", "after"],
            [f"-----BEGIN PGP {NAME} BLOCK-----", "", "***", "***", f"-----END PGP {NAME} BLOCK-----", "after"],
        ),
        ([f'{{"key": "{BEGIN}\\n{ROW}\\nab==\\n{END}\\n"}}'], [f'{{"key": "{BEGIN}\\n***{END}\\n"}}']),
        ([f"'{BEGIN} short {END}'", "after"], [f"'{BEGIN} ***{END}'", "after"]),
        ([f'"{BEGIN}\\\\n{ROW}', ROW, f"{END}"], [f'"{BEGIN}\\\\n***', "***", END]),
        ([BEGIN, f"ab=={END} and {BEGIN}", ROW, END], [BEGIN, f"***{END} and {BEGIN}", "***", END]),
    ],
)
def test_what_is_between_begin_and_end_is_masked(lines: list[str], expected: list[str]) -> None:
    """Over several lines, or in one; and what is masked stays as it is when it is masked again."""
    assert (masked(lines), masked(expected)) == (expected, expected)


@pytest.mark.parametrize(
    "lines",
    [
        ["-----BEGIN CERTIFICATE-----", ROW, "-----END CERTIFICATE-----"],
        ["-----BEGIN PUBLIC " + "KEY-----", ROW, "-----END PUBLIC " + "KEY-----"],
        [f"looking for {BEGIN} in src", ROW],
        [END, ROW],
        ["-" * 80, ROW],
    ],
)
def test_what_is_no_private_key_stays(lines: list[str]) -> None:
    """Certificates and public keys are public, and a mention of a key is none."""
    assert masked(lines) == lines


def test_a_block_without_an_end_is_given_up() -> None:
    """A BEGIN that nothing of a key follows does not hide the rest of the log."""
    talk = [f"step {number}" for number in range(PATIENCE + 2)]
    assert masked([BEGIN, *talk]) == [BEGIN, *["***"] * PATIENCE, *talk[PATIENCE:]]


def test_a_long_key_is_masked_to_its_end() -> None:
    """Patience is for lines that hold no part of a key."""
    assert masked([BEGIN, *[ROW] * 300, "x"]) == [BEGIN, *["***"] * 301]


def test_each_sequence_has_a_block_of_its_own() -> None:
    """What another stream or step writes meanwhile is shown; so is a line of no sequence."""
    mask = Mask()
    lines = [(BEGIN, "a"), ("x", "b"), (ROW, "a"), ("y", None), (BEGIN, None), ("z", None), (END, "a"), ("w", "a")]
    expected = [BEGIN, "x", "***", "y", BEGIN, "z", END, "w"]
    assert [mask(line, sequence) for line, sequence in lines] == expected


@pytest.mark.parametrize("text", [BEGIN + "\\n" + ROW, f"x {END}", f"{BEGIN}"])
def test_a_marker_that_is_not_complete_is_held_back(text: str) -> None:
    """Wherever it is cut, what is shown until the rest has come holds neither half of a marker nor of a key."""
    for first, _ in every_cut(text.encode()):
        start = first.decode()
        shown = Mask()(start[: len(start) - open_end(start)], "s")
        assert (shown in {"", "x", "x "}) or (BEGIN in shown and ROW[:8] not in shown), shown


def test_inside_a_block_an_unfinished_line_waits() -> None:
    """Until its end is there nobody knows whether it is an END."""
    mask = Mask()
    mask(BEGIN, "s")
    assert (mask.open_end("any", "s"), mask.open_end("any ", "t")) == (3, 0)


def test_bait_takes_no_time() -> None:
    """Time grows with the length of a line, whatever is in it."""
    for bait in (BEGIN, BEGIN + "\\\\n", BEGIN + "\\", "-", END):
        masked([bait * (256 * 1024 // len(bait)) + " x"])
