"""ETags of conditional requests (RFC 9110 §13).

A strong ETag is ``"VERSION.HASH"``. The version identifies the state of the resource in every
representation. The hash covers the bytes, which also depend on the media type, forms and counts.
Reads compare whole tags. Writes compare versions, so any representation of a state permits one.

A compressed representation has other bytes and therefore a tag of its own, ``"VERSION.HASH-gzip"``.
Comparisons ignore the coding: a client that has a representation in one coding has it in all.
"""

import hashlib
import re
from collections.abc import Sequence
from importlib.metadata import version as version_of

from hyperapi.http.content_coding import CODINGS
from hyperapi.http.context import Context
from hyperapi.http.problems import BadRequest, PreconditionFailed

_TAG = re.compile(r'(W/)?"([\x21\x23-\x7e\x80-\xff]*)"')
_TAGS = re.compile(rf"[ \t,]*(?:{_TAG.pattern}[ \t]*(?:,[ \t,]*|$))+")
_CODED = re.compile(f"-(?:{'|'.join(CODINGS)})$")
_OF_CODE = hashlib.blake2b(version_of("hyperapi").encode(), digest_size=9)


def etag(ctx: Context, version: int | str | None, *content: bytes) -> str:
    """Return the strong ETag of a representation.

    :param version: the version of the state; None when only the bytes identify it.
    :param content: the bytes, or everything that they depend on.
    """
    digest = _OF_CODE.copy()
    for part in content:
        digest.update(part)
    if version is None:
        version = ""
    elif ctx.version_key is not None:
        version = _hidden(version, ctx.version_key)
    return f'"{version}.{digest.hexdigest()}"'


def _hidden(version: int | str, key: bytes) -> str:
    """Return a keyed hash of a version, for list-bound tokens: revisions also count changes of
    other lists."""
    return hashlib.blake2b(str(version).encode(), key=key, digest_size=9).hexdigest()


def in_coding(tag: str, coding: str) -> str:
    """Return the tag of the same representation in a content coding."""
    return f'{tag[:-1]}-{coding}"'


def tags(header: str) -> Sequence[tuple[bool, str]] | None:
    """Parse If-Match or If-None-Match: whether each tag is weak, and its opaque text.

    The text is without a content coding. Empty list elements are allowed (RFC 9110 §5.6.1.2).

    :returns: None for malformed text.
    """
    if not _TAGS.fullmatch(header):
        return None
    return [(bool(weak), _CODED.sub("", opaque)) for weak, opaque in _TAG.findall(header)]


def names_representation(header: str, tag: str, *, least: bool = False) -> bool:
    """Whether If-None-Match names a representation (weak comparison). Malformed text does not.

    :param least: whether ``*`` does not count.
    """
    if header.strip() == "*":
        return not least
    return any(f'"{opaque}"' == tag for _, opaque in tags(header) or ())


def names_version(header: str, current: Sequence[str], *, weakly: bool = False) -> bool:
    """Whether a precondition of a write names the current state. Versions are compared.

    :param current: tags of the state; several when only the bytes identify it.
    :param weakly: whether weak tags count (RFC 9110 §8.8.3.2).
    :raises BadRequest: for a malformed header, which must not be ignored.
    """
    if header.strip() == "*":
        return True
    given = tags(header)
    if given is None:
        raise BadRequest('Send If-Match and If-None-Match with tags such as "1.ab", or with *.')
    states = {_state(tag.strip('"')) for tag in current}
    return any((weakly or not weak) and _state(opaque) in states for weak, opaque in given)


def check_seen_version(ctx: Context, version: int) -> None:
    """Check that a resource still has the version that If-Match named.

    For operations that read it first and open the writing transaction later.

    :raises PreconditionFailed: when it has changed meanwhile.
    """
    if ctx.seen_version not in (None, version):
        raise PreconditionFailed


def _state(opaque: str) -> str:
    version, _, _ = opaque.partition(".")
    return version or opaque
