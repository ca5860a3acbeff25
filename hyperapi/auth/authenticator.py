"""The authenticator of the service: access tokens and their sessions."""

from typing import cast

from hyperapi.auth.principal import access_claims, principal_of, record_use
from hyperapi.auth.sessions import longest_life_in_forms
from hyperapi.auth.tokens import Claims
from hyperapi.http.context import Context
from hyperapi.http.principal import Authenticator, Principal
from hyperapi.http.principal import Claims as AnyClaims


class TokenAuthenticator(Authenticator):
    """Verifies access tokens and looks up their sessions."""

    def claims(self, ctx: Context) -> Claims | None:
        """See :meth:`Authenticator.claims`."""
        return access_claims(ctx)

    def principal(self, ctx: Context, claims: AnyClaims, *, to_write: bool) -> Principal:
        """See :meth:`Authenticator.principal`."""
        return principal_of(ctx, cast(Claims, claims), to_write=to_write)

    def record_use(self, ctx: Context) -> None:
        """See :meth:`Authenticator.record_use`."""
        record_use(ctx, ctx.principal)

    def forms_depend_on(self, ctx: Context) -> str:
        """The maximum life that forms offer for a derived token."""
        return str(longest_life_in_forms(ctx, ctx.principal))
