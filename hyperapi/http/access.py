"""What a principal may do: its token's scope, and whether the token is bound to one list."""

from hyperapi.http.principal import Principal
from hyperapi.http.problems import InsufficientScope
from hyperapi.http.scopes import SCOPES


def demand(scope: str, who: Principal, *, refused_when_bound: bool = False) -> None:
    """Refuse what the token does not cover.

    :param unbound: is it more than a token of one list can do?
    :raises InsufficientScope: (RFC 6750 §3.1) naming the scope that is needed.
    """
    if refused_when_bound and who.only_list is not None:
        raise InsufficientScope(
            "This token is for one list. Use one for all lists to make or delete lists.",
            headers=[("WWW-Authenticate", f'Bearer error="insufficient_scope", scope="{scope}"')],
        )
    if scope in SCOPES and not who.may(scope):
        raise InsufficientScope(
            f"Use a token with the scope {scope}.",
            headers=[("WWW-Authenticate", f'Bearer error="insufficient_scope", scope="{scope}"')],
        )
