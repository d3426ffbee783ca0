"""What a log line may do to a terminal: colour, and nothing else."""

import pytest

from scripts.terminal import as_drawn, one_line, safe

RED, OFF = "\x1b[31m", "\x1b[0m"


@pytest.mark.parametrize(
    ("line", "plain", "coloured"),
    [
        ("Deploy complete!", "Deploy complete!", "Deploy complete!"),
        ("a\tb é 🚀", "a\tb é 🚀", "a\tb é 🚀"),
        (f"{RED}red", "red", f"{RED}red{OFF}"),
        (f"{RED}red{OFF}.", "red.", f"{RED}red{OFF}.{OFF}"),
        ("\x1b[1;38:5:208mx", "x", f"\x1b[1;38:5:208mx{OFF}"),
        ("\x1b[2J\x1b[H", "␛[2J␛[H", "␛[2J␛[H"),  # clear the screen, cursor home
        ("\x1b[1Aup", "␛[1Aup", "␛[1Aup"),
        ("\x1b]0;title\x07", "␛]0;title␇", "␛]0;title␇"),
        ("\x1b]52;c;ZXZpbA==\x1b\\", "␛]52;c;ZXZpbA==␛\\", "␛]52;c;ZXZpbA==␛\\"),  # write to the clipboard
        ("\x1b]8;;http://evil\x1b\\ok", "␛]8;;http://evil␛\\ok", "␛]8;;http://evil␛\\ok"),
        ("\x1bP$q\x1b\\", "␛P$q␛\\", "␛P$q␛\\"),
        ("\x1b[6n\x1b[c", "␛[6n␛[c", "␛[6n␛[c"),  # reports that would be typed into the shell
        ("\x1b[?1049h", "␛[?1049h", "␛[?1049h"),
        ("\x1b[31", "␛[31", "␛[31"),  # unfinished
        (f"\x1b{RED}", "␛", f"␛{RED}{OFF}"),
        ("\x9b31m\x9d0;t\x9c", "<U+009B>31m<U+009D>0;t<U+009C>", "<U+009B>31m<U+009D>0;t<U+009C>"),
        ("10%\r20%", "10%␍20%", "10%␍20%"),
        ("a\nb\x0bc\x0cd\x08e", "a␊b␋c␌d␈e", "a␊b␋c␌d␈e"),
        ("\x00\x7f\x0e\x05", "␀␡␎␅", "␀␡␎␅"),
        ("a\u202eb\u2066c", "a<U+202E>b<U+2066>c", "a<U+202E>b<U+2066>c"),  # bidirectional override, isolate
        ("a\u200bb\ufeff\u2028\x85", "a<U+200B>b<U+FEFF><U+2028><U+0085>", "a<U+200B>b<U+FEFF><U+2028><U+0085>"),
        ("\u061c\u200e\u200f", "<U+061C><U+200E><U+200F>", "<U+061C><U+200E><U+200F>"),
    ],
)
def test_only_colours_reach_the_terminal(line: str, plain: str, coloured: str) -> None:
    """All that could steer the terminal, or hide what a line says, is shown instead of done."""
    assert (safe(line, colour=False), safe(line, colour=True)) == (plain, coloured)


@pytest.mark.parametrize(
    ("line", "drawn"),
    [
        ("a", "a"),
        ("10%\r 50%\r100%", "…␍100%"),
        ("100%\r", "100%\r"),
        ("\r100%", "\r100%"),
        ("10%\r\r100%\r", "…␍100%"),
        ("evil\rDeploy complete!", "…␍Deploy complete!"),
    ],
)
def test_a_line_that_draws_over_itself_is_shown_as_it_ends(line: str, drawn: str) -> None:
    """A mark says that something stood there before: nothing is hidden unseen."""
    assert as_drawn(line) == drawn


@pytest.mark.parametrize(
    ("line", "written"),
    [("a", "a"), ("10%\r20%", "10%\r20%"), ("a\nb", "a␊b"), ("a\r\nb\n", "a␍␊b␊"), (f"{RED}a", f"{RED}a")],
)
def test_a_line_stays_one_line_in_a_file(line: str, written: str) -> None:
    """Written to a file or a pipe, a line is as it is, but cannot forge another."""
    assert one_line(line) == written
