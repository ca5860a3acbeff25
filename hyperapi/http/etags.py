"""Conditional requests (RFC 9110 §13): nobody overwrites what they have not seen.

A strong ETag is ``"VERSION.HASH"``. The version says which state of the resource it is, the same
in every shape; the hash tells apart the bytes that different shapes, forms and counts give it.
Reading compares whole tags. Writing compares versions: whoever saw the state may change it.
"""

import hashlib
import re
from collections.abc import Sequence
from importlib.metadata import version as version_of

from hyperapi.http.context import Context
from hyperapi.http.problems import BadRequest, PreconditionFailed

_TAG = re.compile(r'(W/)?"([\x21\x23-\x7e\x80-\xff]*)"')
_TAGS = re.compile(rf"[ \t,]*(?:{_TAG.pattern}[ \t]*(?:,[ \t,]*|$))+")
_CODE = version_of("hyperapi")


def etag(ctx: Context, version: int | str | None, *content: bytes) -> str:
    """The strong tag of a representation.

    :param version: of the resource's state; None where only the bytes tell.
    :param content: the bytes, or all that decides what they are.
    """
    digest = hashlib.blake2b(_CODE.encode(), digest_size=9)
    for part in content:
        digest.update(part)
    return f'"{"" if version is None else _named(ctx, version)}.{digest.hexdigest()}"'


def _named(ctx: Context, version: int | str) -> str:
    """A version as tags tell it. To a token of one list it is a keyed hash: revisions count what is
    changed elsewhere too."""
    key = ctx.version_key
    if key is None:
        return str(version)
    return hashlib.blake2b(str(version).encode(), key=key, digest_size=9).hexdigest()


def tags(header: str) -> Sequence[tuple[bool, str]] | None:
    """The tags of an If-Match or If-None-Match: whether each is weak, and its opaque text.

    A list may have empty places (RFC 9110 §5.6.1.2).

    :returns: None for what is no list of tags.
    """
    if not _TAGS.fullmatch(header):
        return None
    return [(bool(weak), opaque) for weak, opaque in _TAG.findall(header)]


def seen_already(header: str, tag: str, *, least: bool = False) -> bool:
    """Does an If-None-Match name the representation (weak comparison)? One malformed does not.

    :param least: by its tag, and not because any would do.
    """
    if header.strip() == "*":
        return not least
    return any(f'"{opaque}"' == tag for _, opaque in tags(header) or ())


def names_version(header: str, current: Sequence[str], *, weakly: bool = False) -> bool:
    """Does a guard of a write name the resource's state? Versions are compared.

    :param current: tags of the state; several where only the bytes tell states apart.
    :param weakly: do weak tags count (RFC 9110 §8.8.3.2)?
    :raises BadRequest: for a malformed guard, which must not be passed over.
    """
    if header.strip() == "*":
        return True
    given = tags(header)
    if given is None:
        raise BadRequest('Send If-Match and If-None-Match with tags as "1.ab", or with *.')
    states = {_state(tag.strip('"')) for tag in current}
    return any((weakly or not weak) and _state(opaque) in states for weak, opaque in given)


def still_seen(ctx: Context, version: int) -> None:
    """Is a resource still at the version that the request's If-Match named?

    For operations that look at it first, and open the transaction that changes it later.

    :raises PreconditionFailed: when it has moved on meanwhile.
    """
    if ctx.seen_version not in (None, version):
        raise PreconditionFailed


def _state(opaque: str) -> str:
    version, _, _ = opaque.partition(".")
    return version or opaque
