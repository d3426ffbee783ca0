"""Secrets that are known by their shape, without being registered: the tokens of well-known issuers, credentials in
URLs, Authorization headers.

The shapes are those that the issuers document, or that secret scanners agree on. Where one is in doubt it is narrow:
what a build prints, hashes and names above all, must stay readable. Only the secret part is masked, and what tells a
reader which it was stays: `ghp_***`, `https://ci:***@git.example`.

Ordinary lines must cost next to nothing. So a pattern is tried only on a line that holds its `mark`, a single
character, which `in` finds ten times faster than `re` finds anything; and the pattern starts at the mark.
"""

import re
from typing import NamedTuple, TypeAlias

# No more of a text than this many characters is held back because a shape may have begun in it.
MOST_HELD = 4096

Span: TypeAlias = tuple[int, int]


class _Token(NamedTuple):
    """A secret that begins with one of `heads`; `secret` is the pattern of the rest, letters, digits, `_`, `.`, `-`.

    In each head is the `mark`. A `word` counts only where the head starts a word.
    """

    mark: str
    heads: tuple[str, ...]
    secret: str
    word: bool = False


_PART = r"[\w-]{8,4096}+"  # of a JWT

_TOKENS = (
    # GitHub; its longer ghs_ tokens have a JWT at their end.
    _Token("_", ("ghp_", "gho_", "ghu_", "ghs_", "ghr_"), r"[A-Za-z0-9]{36,}"),
    _Token("_", ("github_pat_",), r"[A-Za-z0-9]{22}_\w{40,}"),
    # Stripe
    _Token("_", ("sk_live_", "rk_live_", "sk_test_", "rk_test_"), r"[A-Za-z0-9]{16,}", word=True),
    # The keys of the service's own API: not sk_learn_…, nor a word without a digit.
    _Token("_", ("sk_",), r"(?=[A-Za-z]*\d)[A-Za-z0-9]{16,}", word=True),
    _Token("_", ("npm_",), r"[A-Za-z0-9]{36,}"),
    # Hugging Face
    _Token("_", ("hf_",), r"[A-Za-z0-9]{34,}", word=True),
    # GitLab; its newer tokens have dots.
    _Token("-", ("glpat-",), r"[\w.-]{20,}"),
    # Slack
    _Token("-", ("xoxa-", "xoxb-", "xoxc-", "xoxd-", "xoxe-", "xoxp-", "xoxr-", "xoxs-"), r"[A-Za-z0-9-]{16,}"),
    _Token("-", ("xapp-",), r"[A-Za-z0-9-]{16,}"),
    # PyPI: a macaroon, whose first bytes are always the same.
    _Token("-", ("pypi-AgE",), r"[\w-]{50,}"),
    # Google
    _Token("I", ("AIza",), r"[\w-]{35}"),
    # The ids of AWS access keys
    _Token("I", ("AKIA", "ASIA", "ABIA"), r"[A-Z2-7]{16}(?![A-Za-z0-9])", word=True),
    # JWTs, also encrypted ones, of five parts. Other JSON in base64 has no dots.
    _Token("J", ("eyJ",), rf"{_PART}\.(?:(?:{_PART})?(?:\.{_PART}){{3}}|{_PART}\.[\w-]*)", word=True),
)

# An AWS secret access key is told from a hash only by its name.
_AWS = r"""["']?\s{0,3}(?:=>|[:=]|\s)\s{0,3}["']?([A-Za-z0-9/+]{40})(?![A-Za-z0-9/+=])"""
# Behind the name of the header; a word of small letters is talk about it.
_CREDENTIALS = r"""["']?\s{0,3}[:=]\s{0,3}["']?(?i:bearer|basic|token)\s{1,3}(?![a-z]+(?![\w.~+/=-]))([\w.~+/=-]{8,})"""
# What is behind a mark, as in the tokens.
_NAMED = (
    ("_", rf"(?<=secret_)(?:access_)?key{_AWS}"),
    ("-", rf"(?<=secret-)(?:access-)?key{_AWS}"),
    ("K", rf"(?:(?<=SECRET_ACCESS_K)|(?<=SECRET_K))EY{_AWS}"),
    ("K", rf"(?:(?<=[Ss]ecretAccessK)|(?<=[Ss]ecretK))ey{_AWS}"),
    ("z", rf"(?<=[Aa]uthoriz)ation{_CREDENTIALS}"),
)
_IN_URL = r"""://[^\s:/?#@"'<>]{0,256}:([^\s/?#"'<>]{1,1024})@"""
# Most of what stands behind a common mark is told from a secret by this alone, and quickly.
_BEHIND = {"_": "(?=[A-Za-z0-9]{16}|access_key|key)", "-": r"(?=[\w-]{16}|access-key|key)"}
# No letter or digit is before a word, unless it ends a colour, `\n` or `%3D`.
_WORD_STARTS = ("(?<![A-Za-z0-9]{})", r"(?<=[\[0-9;]m{})", r"(?<=\\[nrt]{})", "(?<=%[0-9A-Fa-f][0-9A-Fa-f]{})")


def _starts_word(head: str = "") -> str:
    """That a word starts here, or before `head`, which is right before here."""
    return "(?:" + "|".join(start.format(head) for start in _WORD_STARTS) + ")"


def _pattern(mark: str) -> re.Pattern[str]:
    """All that is found by this mark; in a match, the one group that is set is the secret."""
    branches = [pattern for its_mark, pattern in _NAMED if its_mark == mark]
    for token in _TOKENS:
        if token.mark == mark:
            for head in token.heads:
                before, _, after = head.rpartition(mark)
                seen = before + mark
                branches.append(f"(?<={seen}){_starts_word(seen) if token.word else ''}{after}({token.secret})")
    return re.compile(f"{mark}{_BEHIND.get(mark, '')}(?:{'|'.join(branches)})", re.ASCII)


_PATTERNS = (*((mark, _pattern(mark)) for mark in "_-IJKz"), ("@", re.compile(_IN_URL)))
_SEARCHES = tuple((mark, pattern.search) for mark, pattern in _PATTERNS)


def spans(line: str) -> list[Span]:
    """Where in the line the secrets of known shapes are, in no order."""
    for mark, search in _SEARCHES:
        if mark in line and search(line):
            break
    else:
        return []
    matches = [match for _, pattern in _PATTERNS for match in pattern.finditer(line)]
    return [match.span(match.lastindex or 0) for match in matches]


def _start_of(word: str) -> str:
    """The word, or what there is of it before the text ends."""
    return f"{word[0]}(?:{_start_of(word[1:])}|\\Z)" if word else ""


_AWS_NAMES = [f"secret{name}" for name in ("_access_key", "_key", "-access-key", "-key", "accesskey", "key")]
_HEADS = [head for token in _TOKENS for head in token.heads]
# Inside a word one letter of a head is not enough: too many words end in it.
_INNER = [f"{head[0]}{_start_of(head[1:])}" for token in _TOKENS if not token.word for head in token.heads]
_OPEN = re.compile(
    "|".join(
        (
            rf"(?:{'|'.join(_HEADS)})[\w.-]*\Z",
            rf"{_starts_word()}(?:{'|'.join(map(_start_of, _HEADS))})\Z",
            rf"(?:{'|'.join(_INNER)})\Z",
            r"\x1b(?:\[[\d;]*)?\Z|\\[nrt]?\Z|(?<!\d)%[0-9A-Fa-f]?\Z",  # what _WORD_STARTS looks back at; not 50%
            r"""(?<=[A-Za-z0-9]):(?:/(?:/[^\s/?#"'<>]*)?)?\Z""",
            rf"""{_starts_word()}(?i:{_start_of("authorization")})["']?\s*(?:[:=]\s*["']?(?:[a-zA-Z]+\s*[\w.~+/=-]*)?)?\Z""",
            rf"""(?i:{"|".join(map(_start_of, _AWS_NAMES))})["']?\s*(?:=>?|:)?\s*["']?[A-Za-z0-9/+]*\Z""",
        )
    ),
    re.ASCII,
)


def open_end(text: str) -> int:
    """How many characters at the end of `text` may be the start of a shape whose rest is still to come."""
    match = _OPEN.search(text, max(0, len(text) - MOST_HELD))
    return len(text) - match.start() if match else 0
