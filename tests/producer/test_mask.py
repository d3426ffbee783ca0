"""Secrets are masked."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from producer.mask import MASK, Mask

PEM = "-----BEGIN KEY-----\nMIIabc+/==\nxy\n-----END KEY-----\n"


@pytest.mark.parametrize(
    ("secrets", "line", "expected"),
    [
        ([], "nothing to hide", "nothing to hide"),
        (["hunter2"], "", ""),
        (["hunter2"], "password is hunter2!", "password is ***!"),
        (["hunter2"], "hunter2hunter2 Hunter2", "****** Hunter2"),
        (["a.c$"], "abc$ a.c$", "abc$ ***"),  # no pattern, but text
        (["abc", "abcdef"], "abcdef abc", "*** ***"),  # the longer one first
        (["abcdef", "abc"], "abcdef abc", "*** ***"),
        (["pässwörd"], "é pässwörd", "é ***"),
        (["a", "a"], "a", "***"),
        ([PEM], f"key: {PEM}", "key: ***"),
        ([PEM], "-----BEGIN KEY-----", "-----BEGIN KEY-----"),  # says what it was, and is no secret
        ([PEM], "x MIIabc+/== y", "x *** y"),
        ([PEM], "xylophone", "xylophone"),  # a piece too short to tell from other text
        (["one-part\r\nanother-part"], "one-part, another-part", "***, ***"),
    ],
)
def test_a_secret_is_masked(secrets: list[str], line: str, expected: str) -> None:
    """Every occurrence of every secret, and of each line of a secret of several lines."""
    assert Mask(secrets)(line) == expected


@pytest.mark.parametrize("secret", ["", " ", "\n"])
def test_an_empty_secret_is_refused(secret: str) -> None:
    """It would mask everything, or nothing, and says that something was not set."""
    with pytest.raises(ValueError, match="empty"):
        Mask(["hunter2", secret])


def test_a_short_secret_with_a_line_end_is_masked_without_it() -> None:
    """A secret read from a file often ends in a newline, which no line of a log has."""
    assert Mask(["abc\n"])("pin abc") == "pin ***"


def test_secrets_that_overlap_are_masked_whole() -> None:
    """Of two secrets that share characters no rest of either is left."""
    assert Mask(["abcd", "cdef"])("abcdef") == MASK


@given(st.lists(st.text("abc", min_size=1, max_size=4), min_size=1, max_size=4), st.text("abcd", max_size=20))
def test_no_secret_is_left(secrets: list[str], line: str) -> None:
    """Whatever the secrets and the line; a line without any stays as it is."""
    masked = Mask(secrets)(line)
    assert not any(secret in masked for secret in secrets)
    if not any(secret in line for secret in secrets):
        assert masked == line
