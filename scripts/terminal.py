"""Log lines for a terminal: colours pass, everything else that could steer the terminal is made visible.

A log line is text from a program that is not trusted: it must not move the cursor, set the title, or write to the
clipboard (the CVE-2009-4487 class).
"""

import re

_SGR = re.compile(r"\x1b\[[0-9;:]*m")
# C0 and DEL, C1, and what reorders or hides text: bidirectional controls, zero-width characters, separators, BOM.
_UNSAFE = re.compile(
    r"[\x00-\x08\x0a-\x1f\x7f-\x9f\u061c\u200b\u200e\u200f\u2028-\u202e\u2060-\u2069\ufeff\ufff9-\ufffb]"
)


def safe(line: str, *, colour: bool) -> str:
    """The line as it may be printed to a terminal, with or without its colours; tabs stay."""
    parts: list[str] = []
    at = 0
    coloured = False
    for match in _SGR.finditer(line):
        parts.append(_visible(line[at : match.start()]))
        if colour:
            parts.append(match[0])
            coloured = True
        at = match.end()
    parts.append(_visible(line[at:]))
    if coloured:
        parts.append("\x1b[0m")
    return "".join(parts)


def as_drawn(line: str) -> str:
    """A line that drew over itself with carriage returns, as it stands in the end; `…␍` says that there was more."""
    frames = [frame for frame in line.split("\r") if frame]
    return line if len(frames) < 2 else f"…␍{frames[-1]}"


def one_line(line: str) -> str:
    """The line as it may be written to a file or pipe: as it is, but no line break forges another line."""
    return line.replace("\r\n", "␍␊").replace("\n", "␊")


def _visible(text: str) -> str:
    return _UNSAFE.sub(lambda match: _picture(match[0]), text)


def _picture(char: str) -> str:
    code = ord(char)
    if code < 0x20:
        return chr(0x2400 + code)
    return "␡" if code == 0x7F else f"<U+{code:04X}>"
