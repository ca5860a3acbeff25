"""Content negotiation: choose a media type by Accept, and a content coding by Accept-Encoding.

RFC 9110, sections 12.5.1 and 12.5.3.
"""

from collections.abc import Callable, Mapping, Sequence
from functools import lru_cache, partial

IDENTITY = "identity"
"""The content coding of a body without compression."""
_LAST_RESORT = 0.0005
"""Less than the least weight: ``identity`` is acceptable when nothing is said about it."""
_MOST_RANGES = 100

Quality = Callable[[str], tuple[float, bool]]
"""From what is offered to its weight, and whether it is named in full."""


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
    return _best(offered, partial(_quality, ranges=_weights(accept)), only_by_name)


@lru_cache(maxsize=512)
def choose_coding(accept_encoding: str | None, offered: Sequence[str]) -> str | None:
    """The content coding of ``offered`` (``identity`` first, best last) that a client asks for.

    The highest ``q`` wins. A coding that is named beats one that ``*`` lets in, and among equals
    the best named one wins; where only ``*`` matches, the first one offered. An absent or empty
    header takes the first one. ``identity`` is acceptable unless it is excluded.

    :returns: None when nothing offered is acceptable.
    """
    if accept_encoding is None or not accept_encoding.strip():
        return offered[0]
    weights = _weights(accept_encoding)
    if "*" not in weights:
        weights.setdefault(IDENTITY, _LAST_RESORT)
    return _best(offered, lambda coding: _coding_quality(coding, weights))


def _best(
    offered: Sequence[str], quality_of: Quality, only_by_name: Sequence[str] = ()
) -> str | None:
    """The best of ``offered``; None when nothing has a weight."""
    best = None
    best_rank: tuple[float, bool, int] = (0.0, False, 0)
    for richness, each in enumerate(offered):
        quality, named = quality_of(each)
        rank = (quality, named, richness if named else -richness)
        if not named and each in only_by_name:
            continue
        if quality > 0 and (best is None or rank > best_rank):
            best, best_rank = each, rank
    return best


def _weights(header: str) -> dict[str, float]:
    """The elements of a header and their ``q``."""
    return dict(map(_element, header.split(",")[:_MOST_RANGES]))


def _element(text: str) -> tuple[str, float]:
    """One media range or coding, and its ``q``."""
    name, *parameters = (part.strip().lower() for part in text.split(";"))
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


def _quality(media_type: str, ranges: Mapping[str, float]) -> tuple[float, bool]:
    """The weight that ``ranges`` give a media type, and whether they name it in full."""
    if media_type in ranges:
        return ranges[media_type], True
    kind = media_type.partition("/")[0]
    for wildcard in (f"{kind}/*", "*/*"):
        if wildcard in ranges:
            return ranges[wildcard], False
    return 0.0, False


def _coding_quality(coding: str, weights: Mapping[str, float]) -> tuple[float, bool]:
    """The weight of a content coding, and whether it is named."""
    return (weights[coding], True) if coding in weights else (weights.get("*", 0.0), False)
