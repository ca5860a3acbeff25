"""Scopes of tokens, and the access levels that an operation can require."""

import re
from collections.abc import Iterable, Iterator

PUBLIC = "public"
"""No token is required. A token that is sent must be valid."""
OPEN = "open"
"""No token is required. The operation reads the Authorization header itself, or ignores it."""
SIGNED_IN = "signed-in"
"""Any valid token, with any scope."""

_READS = ":read"
_NAME = re.compile(r"[a-z][a-z0-9-]{0,30}(:[a-z][a-z0-9-]{0,30})?")


class Scope(str):
    """What a token permits: the name, as tokens and requests carry it, and its meaning.

    :param name: lower-case words, such as ``notes:read``. A name that ends with ``:read`` permits
        no changes.
    :param meaning: continues the words "This token may".
    :param includes: the scopes that this one includes.
    :ivar granted_by: the names that permit it: its own, and those of scopes that include it.
    :raises ValueError: for another name, without a meaning, or when one that only reads includes
        one that does not.
    """

    meaning: str
    includes: tuple["Scope", ...]
    granted_by: set[str]

    def __new__(cls, name: str, meaning: str, includes: Iterable["Scope"] = ()) -> "Scope":
        """Make a scope, which grants what it includes."""
        if not _NAME.fullmatch(name):
            raise ValueError(f"{name!r} is not a scope: write lower-case words such as notes:read")
        if not meaning.strip():
            raise ValueError(f'{name} needs a meaning, which continues "This token may"')
        scope = super().__new__(cls, name)
        scope.meaning, scope.includes, scope.granted_by = meaning, tuple(includes), {name}
        for each in scope.all_included():
            if scope.only_reads and not each.only_reads:
                raise ValueError(f"{name} includes {each}, which permits more. Rename one of them.")
            each.granted_by.add(name)
        return scope

    @property
    def only_reads(self) -> bool:
        """Whether it permits no changes, as its name says."""
        return self.endswith(_READS)

    @property
    def alternatives(self) -> tuple["Scope", ...]:
        """The scopes of which a token needs one."""
        return (self,)

    def granted_to(self, scope: str) -> bool:
        """Whether a token has it, or a scope that includes it.

        :param scope: the names of the token's scopes, separated by spaces.
        """
        return not self.granted_by.isdisjoint(scope.split())

    def all_included(self) -> Iterator["Scope"]:
        """The scopes that this one includes, also by others."""
        for each in self.includes:
            yield each
            yield from each.all_included()


class AnyScope(Scope):
    """Any one of several scopes. Its name is that of the first."""

    _alternatives: tuple[Scope, ...]

    @classmethod
    def of(cls, scopes: Iterable[Scope]) -> Scope:
        """Return what any of these scopes grants; the scope itself when there is one."""
        first, *others = dict.fromkeys(scopes)
        if not others:
            return first
        either = cls(str(first), first.meaning)
        either._alternatives = (first, *others)
        either.granted_by = set().union(*(each.granted_by for each in either.alternatives))
        return either

    @property
    def alternatives(self) -> tuple[Scope, ...]:
        return self._alternatives


ACCOUNT = Scope("account", "read and change the user and all its sessions")

LEVELS = (PUBLIC, OPEN, SIGNED_IN)
"""What an operation can require beside a scope."""


def scope_pattern(names: Iterable[str]) -> str:
    """Return the regular expression of one or more of these scopes, separated by spaces."""
    words = "|".join(names)
    return f"^({words})( ({words}))*$"


def with_included(names: Iterable[str], scopes: Iterable[Scope]) -> set[str]:
    """Return the names of scopes, and of those of ``scopes`` that they include."""
    held = set(names)
    return held | {scope for scope in scopes if not scope.granted_by.isdisjoint(held)}
