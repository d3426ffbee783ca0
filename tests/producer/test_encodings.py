"""The forms in which a secret may show."""

import base64
import json
from urllib.parse import quote, quote_plus

import pytest
from hypothesis import given
from hypothesis import strategies as st

from producer.encodings import forms, rows

AWKWARD = "pä/s+w o\"r\\d\n<&'>=é🚀!*"


@pytest.mark.parametrize(
    "shown",
    [
        AWKWARD,
        quote(AWKWARD),
        quote(AWKWARD, safe=""),
        quote_plus(AWKWARD),
        quote(AWKWARD, safe="!'()*"),  # JavaScript's encodeURIComponent
        "p%c3%a4%2fs%2bw+o%22r%5cd%0a%3c%26%27%3e%3d%c3%a9%f0%9f%9a%80%21%2a",
        json.dumps(AWKWARD)[1:-1],
        json.dumps(AWKWARD, ensure_ascii=False)[1:-1],
        "p\\u00E4/s+w o\\\"r\\\\d\\n<&'>=\\u00E9\\uD83D\\uDE80!*",
        "p\\u00e4\\/s+w o\\\"r\\\\d\\n<&'>=\\u00e9\\ud83d\\ude80!*",  # PHP
        'pä/s+w o\\"r\\\\d\\n\\u003c\\u0026\\u0027\\u003e=é🚀!*',  # Go, but for its apostrophe
        base64.b64encode(AWKWARD.encode()).decode().rstrip("="),
        base64.urlsafe_b64encode(AWKWARD.encode()).decode().rstrip("="),
    ],
)
def test_a_secret_has_the_form_that_a_common_encoder_gives_it(shown: str) -> None:
    """In a URL, in JSON, in base64."""
    assert shown in forms(AWKWARD)


def test_a_token_has_few_forms() -> None:
    """Each costs time on every line: one of letters and digits is the same in a URL and in JSON."""
    assert len(forms("s3cretToken42")) <= 1 + 3 + 3  # itself, and in base64 followed by something or by nothing


@given(st.binary(max_size=5), st.text(min_size=4, max_size=12), st.binary(max_size=5))
def test_in_base64_a_secret_is_found_wherever_it_stands(before: bytes, secret: str, after: bytes) -> None:
    """Of its bits no more is left out than those that share a character with what is beside it."""
    data = secret.encode("utf-8", "surrogatepass")
    for encode in (base64.b64encode, base64.urlsafe_b64encode):
        text = encode(before + data + after).decode()
        found = max(len(form) for form in forms(secret) if form in text)
        assert found * 6 >= len(data) * 8 - 4 - 4


@pytest.mark.parametrize("width", [64, 76])
def test_a_secret_encoded_as_a_file_is_found_row_by_row(width: int) -> None:
    """As `base64` and `openssl base64` print it; only a last row of a few characters is not told from other text."""
    for size in range(60, 300):
        secret = ("s3cret-0123456789-" * 20)[:size]
        text = base64.b64encode(secret.encode()).decode()
        printed = [text[at : at + width].rstrip("=") for at in range(0, len(text), width)]
        assert all(row in rows(secret) for row in printed if len(row) >= 8)
