"""The authenticator of the service: access tokens, and the sessions that they name."""

from typing import cast

from hyperapi.auth.principal import identify, presented, stamp
from hyperapi.auth.sessions import longest_life_in_forms
from hyperapi.auth.tokens import Claims
from hyperapi.http.context import Context
from hyperapi.http.principal import Authenticator, Principal
from hyperapi.http.principal import Claims as AnyClaims


class TokenAuthenticator(Authenticator):
    """Reads access tokens, and looks up the sessions that they name."""

    def claims(self, ctx: Context) -> Claims | None:
        """See :meth:`Authenticator.claims`."""
        return presented(ctx)

    def principal(self, ctx: Context, claims: AnyClaims, *, to_write: bool) -> Principal:
        """See :meth:`Authenticator.principal`."""
        return identify(ctx, cast(Claims, claims), to_write=to_write)

    def record_use(self, ctx: Context) -> None:
        """See :meth:`Authenticator.record_use`."""
        stamp(ctx, ctx.principal)

    def forms_depend_on(self, ctx: Context) -> str:
        """The longest life that forms offer for a derived token."""
        return str(longest_life_in_forms(ctx, ctx.principal))
