"""The logo of a service: a small image file, whose content tells its type."""

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from xml.parsers import expat

MOST_BYTES = 64 * 1024
_SVG = "http://www.w3.org/2000/svg svg"
_MARKS = {
    "image/png": (b"\x89PNG\r\n\x1a\n", b""),
    "image/jpeg": (b"\xff\xd8\xff", b""),
    "image/webp": (b"RIFF", b"WEBP"),
}
"""The first bytes of each type, and those from the ninth on."""

_SVG_TYPE = "image/svg+xml"
MEDIA_TYPES = (_SVG_TYPE, *_MARKS)
"""The media types of logos."""
COMPRESSED = tuple(_MARKS)
"""Those that are compressed themselves."""


@dataclass(frozen=True)
class Logo:
    """An image and its media type."""

    content: bytes = field(repr=False)
    media_type: str


def read_logo(path: Path) -> Logo:
    """Read an image file.

    :raises ValueError: when it cannot be read, is too large, or is none of the known types.
    """
    try:
        with path.open("rb") as file:
            content = file.read(MOST_BYTES + 1)
    except OSError as error:
        raise ValueError(f"names {path}, which cannot be read: {error.strerror}") from None
    if len(content) > MOST_BYTES:
        raise ValueError(f"names {path}, which is larger than {MOST_BYTES // 1024} KiB")
    media_type = _media_type(content)
    if media_type is None:
        raise ValueError(f"names {path}, which is no SVG, PNG, WebP or JPEG file")
    return Logo(content, media_type)


def _media_type(content: bytes) -> str | None:
    for media_type, (start, further) in _MARKS.items():
        if content.startswith(start) and content[8:].startswith(further):
            return media_type
    return _SVG_TYPE if _is_svg(content) else None


def _is_svg(content: bytes) -> bool:
    """Whether it is well-formed XML with the root element of SVG, and declares no entities."""
    parser = expat.ParserCreate(namespace_separator=" ")
    elements: list[str] = []
    parser.StartElementHandler = lambda name, _: elements.append(name)
    parser.EntityDeclHandler = _refuse
    try:
        parser.Parse(content, True)
    except (expat.ExpatError, ValueError):
        return False
    return elements[:1] == [_SVG]


def _refuse(*_: Any) -> None:
    raise ValueError("declares an entity")
