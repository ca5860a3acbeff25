"""The principal of a request: a signed-in user, and the session of the token.

The package ``auth`` reads tokens and provides the :class:`Authenticator`.
"""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Any, NamedTuple, Protocol

from hyperapi.http.scopes import Scope
from hyperapi.storage.row_scope import RowScope


class Principal(NamedTuple):
    """The signed-in user of a request, and the session of its token.

    ``expires_at`` is the end of the session, ``token_expires_at`` that of the access token.
    ``label`` is what its user called the session; empty without a name. ``client_id`` names the app
    that the user granted the session to, if any.
    """

    user: str
    username: str
    session: str
    label: str
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
    client_id: str | None = None

    @property
    def row_scope(self) -> RowScope:
        """The rows that the principal may access."""
        return RowScope(self.user, self.only_list)

    def signed_in_since(self, moment: datetime) -> bool:
        """Whether the session is a sign-in by password since an instant, never refreshed."""
        by_password = self.parent is None and self.client_id is None
        return by_password and self.generation <= 1 and self.signed_in_at >= moment

    def may(self, scope: Scope) -> bool:
        """Whether the token's scope includes this one."""
        return scope.granted_to(self.scope)


class Claims(Protocol):
    """The verified content of a token."""

    @property
    def owner(self) -> str:
        """The user's id."""

    @property
    def session(self) -> str:
        """The session's id."""


@dataclass(frozen=True)
class Authenticator:
    """Finds the principal of a request. The functions take the request's context.

    :param claims: verifies the request's token without the database; None without a token. It
        raises TokenInvalid (or a subclass) for an invalid one.
    :param principal: looks up the user and the session of a token in one statement. With
        ``to_write`` a change follows in this transaction: the user's row then stays locked until
        commit, so the writers of one user run one after the other. It raises TokenRevoked when the
        session was revoked, or its user is disabled or deleted, and TokenExpired when the session
        has expired.
    :param record_use: records that a principal's session was used.
    :param forms_depend_on: the state, besides the scope, that the principal's forms depend on, as
        text.
    """

    claims: Callable[[Any], Claims | None]
    principal: Callable[[Any, Any, bool], Principal]
    record_use: Callable[[Any, Principal], None]
    forms_depend_on: Callable[[Any], str]
