"""The forms in which a secret may show: as it is, in base64, percent-encoded in a URL, escaped in JSON."""

import json
import re
from base64 import b64encode, urlsafe_b64encode
from collections.abc import Iterator
from urllib.parse import quote, quote_plus

# A shorter piece of base64 is in many a hash by chance.
_SHORTEST_BASE64 = 4
_SHORTEST_ROW = 8
_ENCODERS = (b64encode, urlsafe_b64encode)
# Of base64 and MIME, and of openssl and PEM.
_ROW_WIDTHS = (76, 64)
_HEX = re.compile("%[0-9A-F]{2}|\\\\u[0-9a-f]{4}")


def forms(secret: str) -> set[str]:
    """All forms of the secret, itself among them.

    In base64 it may stand anywhere in what was encoded. The characters at its edges that share their bits with what is
    beside it are not part of the form: so of the secret's first and last byte, up to 4 bits are not hidden.
    """
    return {secret, *_escaped(secret), *_base64(_bytes(secret))}


def rows(secret: str) -> set[str]:
    """The rows in which tools show the whole secret in base64, but for a last one that is too short to be told."""
    found: set[str] = set()
    for encode in _ENCODERS:
        text = encode(_bytes(secret)).decode().rstrip("=")
        for width in _ROW_WIDTHS:
            found.update(text[at : at + width] for at in range(0, len(text) - _SHORTEST_ROW + 1, width))
    return found


def _bytes(secret: str) -> bytes:
    return secret.encode("utf-8", "surrogatepass")


def _escaped(secret: str) -> Iterator[str]:
    data = _bytes(secret)
    in_ascii, as_is = json.dumps(secret)[1:-1], json.dumps(secret, ensure_ascii=False)[1:-1]
    # Paths keep their slashes, forms have + for a space, and encodeURIComponent leaves five marks as they are.
    encoded = [quote(data), quote(data, safe=""), quote_plus(data), quote(data, safe="!'()*")]
    # Some escape slashes, or what HTML would take for markup.
    encoded += [in_ascii, as_is, in_ascii.replace("/", "\\/"), _without_markup(as_is), _without_markup(in_ascii)]
    for form in encoded:
        yield form
        yield _HEX.sub(lambda match: match[0].lower(), form)
        yield _HEX.sub(lambda match: match[0][:2] + match[0][2:].upper(), form)


def _without_markup(text: str) -> str:
    return re.sub("[<>&']", lambda match: f"\\u{ord(match[0]):04x}", text)


def _base64(secret: bytes) -> Iterator[str]:
    for encode in _ENCODERS:
        for before in range(3):
            text = encode(bytes(before) + secret).decode().rstrip("=")
            start = (before * 8 + 5) // 6  # up to here a character holds bits of what is before the secret
            whole = (before + len(secret)) * 8 // 6  # and from here on of what is behind it, if there is anything
            yield from (form for form in (text[start:whole], text[start:]) if len(form) >= _SHORTEST_BASE64)
