"""The principal of a request: a signed-in user, and the session of the token.

The package ``auth`` reads tokens and provides the :class:`Authenticator`.
"""

from dataclasses import dataclass
from datetime import datetime
from typing import Any, Protocol

from hyperapi.http.scopes import Scope
from hyperapi.storage.row_scope import RowScope


@dataclass(frozen=True, slots=True)
class Principal:
    """The signed-in user of a request, and the session of its token.

    ``expires_at`` is the end of the session, ``token_expires_at`` that of the access token.
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
        """The rows that the principal may access."""
        return RowScope(self.user, self.only_list)

    def signed_in_since(self, moment: datetime) -> bool:
        """Whether the session is a sign-in by password since an instant, never refreshed."""
        return self.parent is None and self.generation <= 1 and self.signed_in_at >= moment

    def may(self, scope: Scope) -> bool:
        """Whether the token's scope includes this one."""
        return not scope.granted_by.isdisjoint(self.scope.split())


class Claims(Protocol):
    """The verified content of a token."""

    @property
    def owner(self) -> str:
        """The user's id."""

    @property
    def session(self) -> str:
        """The session's id."""


class Authenticator:
    """Finds the principal of a request. ``ctx`` is the request's context."""

    def claims(self, ctx: Any) -> Claims | None:
        """Verify the request's token without the database; None without a token.

        :raises TokenInvalid: (or a subclass) for an invalid token.
        """
        raise NotImplementedError

    def principal(self, ctx: Any, claims: Claims, *, to_write: bool) -> Principal:
        """Look up the user and session of a token in one statement.

        :param to_write: whether a change follows in this transaction. The user's row then stays
            locked until commit, so the writers of one user run one after the other.
        :raises TokenRevoked: when the session was revoked, or its user is disabled or deleted.
        :raises TokenExpired: when the session has expired.
        """
        raise NotImplementedError

    def record_use(self, ctx: Any) -> None:
        """Record that the principal's session was used."""
        raise NotImplementedError

    def forms_depend_on(self, ctx: Any) -> str:
        """Return the state, besides the scope, that this principal's forms depend on, as text."""
        raise NotImplementedError
