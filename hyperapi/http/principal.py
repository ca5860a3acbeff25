"""The principal of a request: a signed-in user, and the session that its token names."""

from dataclasses import dataclass
from datetime import datetime

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
