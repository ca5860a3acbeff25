"""Checks of a token's scope and of its list binding."""

from hyperapi.http.principal import Principal
from hyperapi.http.problems import InsufficientScope
from hyperapi.http.scopes import Scope


def require_scope(scope: str, principal: Principal, *, refused_when_bound: bool = False) -> None:
    """Require a scope of the principal's token.

    :param refused_when_bound: whether list-bound tokens are refused.
    :raises InsufficientScope: (RFC 6750 §3.1) with the required scope.
    """
    if refused_when_bound and principal.only_list is not None:
        raise InsufficientScope(
            "This token is bound to one list. Use a token for all lists.",
            headers=[("WWW-Authenticate", f'Bearer error="insufficient_scope", scope="{scope}"')],
        )
    if isinstance(scope, Scope) and not principal.may(scope):
        raise InsufficientScope(
            f"Use a token with the scope {' or '.join(scope.alternatives)}.",
            headers=[("WWW-Authenticate", f'Bearer error="insufficient_scope", scope="{scope}"')],
        )
