"""Text from a server, without the characters that control a terminal."""

import re

_UNSEEN = re.compile(r"[\x00-\x1f\x7f-\x9f\u200e\u200f\u202a-\u202e\u2066-\u2069]")


def visible(text: str) -> str:
    """Escape control characters, so that text cannot control the terminal."""
    return _UNSEEN.sub(lambda match: _picture(ord(match[0])), text)


def _picture(code: int) -> str:
    return chr(0x2400 + code) if code < 0x20 else "␡" if code == 0x7F else "�"


def visible_lines(text: str) -> str:
    """Like :func:`visible`, but keep line ends."""
    return "\n".join(visible(line) for line in text.split("\n"))
