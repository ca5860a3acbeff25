"""The principal of a request: a signed-in user, and the session that its token names.

Reading tokens is the business of the package ``auth``, which provides the :class:`Authenticator`.
"""

from dataclasses import dataclass
from datetime import datetime
from typing import Any, Protocol

from hyperapi.http.scopes import READ, WRITE
from hyperapi.storage.row_scope import RowScope


@dataclass(frozen=True, slots=True)
class Principal:
    """The signed-in user of a request, and the session that its token names.

    ``expires_at`` is the session's end, ``token_expires_at`` that of the access token presented.
    """

    user: str
    username: str
    session: str
    scope: str
    parent: str | None
    only_list: str | None
    generation: int
    revision: int
    forgotten: int
    signed_in_at: datetime
    last_used_at: datetime
    expires_at: datetime
    token_expires_at: datetime

    @property
    def row_scope(self) -> RowScope:
        """The rows that are there for this asker."""
        return RowScope(self.user, self.only_list)

    def signed_in_since(self, moment: datetime) -> bool:
        """Is this the very sign-in by password, neither refreshed nor derived, of after then?"""
        return self.parent is None and self.generation <= 1 and self.signed_in_at >= moment

    def may(self, scope: str) -> bool:
        """Does the token's scope include this one?"""
        held = self.scope.split()
        return scope in held or (scope == READ and WRITE in held)


class Claims(Protocol):
    """What a token says by its signature alone."""

    @property
    def owner(self) -> str:
        """The user's id."""

    @property
    def session(self) -> str:
        """The session's id."""


class Authenticator:
    """Finds the principal of a request. ``ctx`` is the request's context."""

    def claims(self, ctx: Any) -> Claims | None:
        """What the request's token says, without a look at the database; None without a token.

        :raises TokenInvalid: (or a subclass) for a token that does not count.
        """
        raise NotImplementedError

    def principal(self, ctx: Any, claims: Claims, *, to_write: bool) -> Principal:
        """The user and session behind a token, by one statement.

        :param to_write: whether a change follows in this transaction. The user's row then stays
            locked until commit, so one user's writers run one after the other.
        :raises TokenRevoked: when the session ended, or its user is disabled or deleted.
        :raises TokenExpired: when the session's time is over.
        """
        raise NotImplementedError

    def record_use(self, ctx: Any) -> None:
        """Note that the principal's session was used."""
        raise NotImplementedError

    def forms_depend_on(self, ctx: Any) -> str:
        """What the forms for this principal depend on beside its scope, as text."""
        raise NotImplementedError
