"""Content negotiation: choose a media type by Accept (RFC 9110 §12.5.1)."""

from collections.abc import Sequence
from functools import lru_cache

_MOST_RANGES = 100


@lru_cache(maxsize=512)
def choose(
    accept: str | None, offered: Sequence[str], only_by_name: Sequence[str] = ()
) -> str | None:
    """The media type of ``offered`` (richest last, default first) that ``accept`` asks for.

    The highest ``q`` wins. A type that is named beats one that a wildcard lets in, and among
    equals the richest named one wins; where only wildcards match, the first one offered. An
    absent or empty header takes anything. Parameters other than ``q`` are ignored.

    :param only_by_name: types of ``offered`` that no wildcard selects.
    :returns: None when nothing offered is acceptable.
    """
    if accept is None or not accept.strip():
        return offered[0]
    ranges = dict(filter(None, map(_range, accept.split(",")[:_MOST_RANGES])))
    best = None
    best_rank: tuple[float, bool, int] = (0.0, False, 0)
    for richness, media_type in enumerate(offered):
        quality, named = _quality(media_type, ranges)
        rank = (quality, named, richness if named else -richness)
        if not named and media_type in only_by_name:
            continue
        if quality > 0 and (best is None or rank > best_rank):
            best, best_rank = media_type, rank
    return best


def _range(text: str) -> tuple[str, float] | None:
    """One media range and its ``q``; None for what is no media range."""
    name, *parameters = (part.strip().lower() for part in text.split(";"))
    if name.count("/") != 1:
        return None
    quality = 1.0
    for parameter in parameters:
        key, _, value = parameter.partition("=")
        if key.strip() == "q":
            quality = _weight(value.strip())
    return name, quality


def _weight(text: str) -> float:
    try:
        return min(max(float(text), 0.0), 1.0)
    except ValueError:
        return 0.0


def _quality(media_type: str, ranges: dict[str, float]) -> tuple[float, bool]:
    """The weight that ``ranges`` give a media type, and whether they name it in full."""
    if media_type in ranges:
        return ranges[media_type], True
    kind = media_type.partition("/")[0]
    for wildcard in (f"{kind}/*", "*/*"):
        if wildcard in ranges:
            return ranges[wildcard], False
    return 0.0, False
