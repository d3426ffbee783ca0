"""Secrets are masked."""

import base64
import json
from urllib.parse import quote, quote_plus

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


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        (f"Basic {base64.b64encode(b'ci:hunter2+secret').decode()}", "Basic Y2k6***="),
        (base64.b64encode(b'{"password": "hunter2+secret"}').decode(), "eyJwYXNzd29yZCI6ICJ***CJ9"),
        (base64.b64encode(b"hunter2+secret").decode(), "***="),
        (base64.urlsafe_b64encode(b"hunter2+secret").decode().rstrip("="), "***"),
        (f"?token={quote('hunter2+secret')}&x={quote_plus('hunter2+secret').lower()}", "?token=***&x=***"),
        (json.dumps({"token": "hunter2+secret"}), '{"token": "***"}'),
    ],
)
def test_an_encoded_secret_is_masked(line: str, expected: str) -> None:
    """Also where it was encoded with other text around it."""
    assert Mask(["hunter2+secret"])(line) == expected


def test_a_key_is_masked_in_every_form() -> None:
    """Its lines, it as a whole in JSON and in base64, and the rows that `base64 key.pem` prints."""
    name = "PRIVATE " + "KEY"
    body = ["MIIEvQIBADANBgkqhkiG9w0BAQEFAASCBKcwggSjAgEAAoIBAQC7+aB3xYz012/"[at:] + "A1b2/C3+" * 4 for at in range(12)]
    key = "\n".join([f"-----BEGIN {name}-----", *body, "Zm9v", f"-----END {name}-----", ""])
    mask = Mask([key])
    encoded = base64.b64encode(key.encode()).decode()
    assert [mask(line) for line in body] == ["***"] * len(body)
    assert mask(json.dumps({"key": key})) == '{"key": "***"}'
    assert mask(encoded).rstrip("=") == "***"
    assert {mask(encoded[at : at + 76]).rstrip("=") for at in range(0, len(encoded) - 8, 76)} == {"***"}
    for at in range(3):
        masked = mask(base64.b64encode(b"x" * at + key.encode() + b"y").decode())
        assert len(masked) <= 12, masked


def test_what_is_held_back_begins_in_no_secret() -> None:
    """The end of a whole secret may be the start of the next one: then all of it waits, not only that end."""
    mask = Mask(["x12345x"])
    ends = ["pass: x", "pass: x12345", "pass: x12345x", "pass: x12345x ", "pass: "]
    assert [mask.open_end(text) for text in ends] == [1, 6, 7, 0, 0]


def test_a_registered_secret_within_a_shape_leaves_nothing_of_either() -> None:
    """Both are looked for in the line as it is."""
    token = "ghp_" + "a1B2" * 9
    assert Mask(["B2a1B2"])(f"x {token} y") == "x ghp_*** y"
    assert Mask([f"pre-{token}-post"])(f"x pre-{token}-post y") == "x *** y"


@given(st.lists(st.text('ab*"/ +é', min_size=1, max_size=6).filter(str.strip), max_size=3), st.text('ab*"/% \\+é'))
def test_a_masked_line_stays_as_it_is(secrets: list[str], line: str) -> None:
    """Masked twice is masked once, but where a secret holds part of a mask itself."""
    mask = Mask([secret for secret in secrets if "*" not in secret])
    masked = mask(line)
    assert mask(masked) == masked


@given(st.lists(st.text("abc", min_size=1, max_size=4), min_size=1, max_size=4), st.text("abcd", max_size=20))
def test_no_secret_is_left(secrets: list[str], line: str) -> None:
    """Whatever the secrets and the line; a line without any stays as it is."""
    masked = Mask(secrets)(line)
    assert not any(secret in masked for secret in secrets)
    if not any(secret in line for secret in secrets):
        assert masked == line
