"""Authorization codes: issued after consent, traded once for a session (RFC 6749 §4.1, RFC 7636).

A code is signed and names a row, which is deleted when the code is traded. The session then has the
key of the row. A code that is used again therefore names the session that it must end.
"""

import hashlib
import hmac
from base64 import urlsafe_b64encode
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta

from sqlalchemy import delete

from hyperapi.auth import sessions
from hyperapi.auth.security_log import record
from hyperapi.auth.sessions import SessionOptions
from hyperapi.auth.tokens import BadToken, Claims, Tokens
from hyperapi.common.clock import now
from hyperapi.common.ids import new_id
from hyperapi.http.context import Context
from hyperapi.http.problems import OAuthError
from hyperapi.storage.database import AnyRow, Statement, Transaction
from hyperapi.storage.models import OAuthCode, Session, User
from hyperapi.storage.row_scope import RowScope, add, find, owned, remove, selected_columns
from hyperapi.storage.security_events import REVOKE

PREFIX = "hyc_"
LIFE = timedelta(seconds=60)

_COLUMNS = selected_columns(
    OAuthCode, "key", "client_id", "redirect_uri", "challenge", "label", "scope", "list", "life"
)


class Codes(Tokens):
    """The authorization codes of an application."""

    def __init__(self, keys: Sequence[str]) -> None:
        super().__init__(keys, "code", PREFIX)


@dataclass(frozen=True)
class Consent:
    """What a user permits an app.

    :ivar scope: sorted scopes, separated by spaces.
    :ivar list: the key of the only list, if any.
    :ivar life: the longest life of the session in seconds; None for the usual one.
    """

    client_id: str
    redirect_uri: str
    challenge: str
    label: str
    scope: str
    list: str | None
    life: int | None


@dataclass(frozen=True)
class Proof:
    """What an app sends with a code."""

    client_id: str
    redirect_uri: str
    verifier: str


def issue(ctx: Context, owner: str, consent: Consent) -> str:
    """Store a consent in the open transaction, and return its code."""
    moment, key = now(), new_id()
    add(
        ctx.tx,
        OAuthCode,
        RowScope(owner),
        selected_columns(OAuthCode, "key"),
        key=key,
        expires_at=moment + LIFE,
        **vars(consent),
    )
    issued = moment.timestamp()
    claims = Claims(owner, key, issued, issued + LIFE.total_seconds())
    return ctx.state[Codes].write(claims)


def claims_of(ctx: Context, code: str) -> Claims:
    """Verify a code by its signature.

    :raises OAuthError: when it is not a code of this service.
    """
    try:
        return ctx.state[Codes].read(code, now().timestamp())
    except BadToken:
        raise _refused() from None


def trade(ctx: Context, claims: Claims, proof: Proof) -> tuple[RowScope, AnyRow]:
    """Begin the session of a code. The session of a code that was traded before ends.

    :raises OAuthError: for a code that was traded, has expired or is void, and for one of another
        client, redirect URI or verifier, which stays good.
    """
    row_scope = RowScope(claims.owner)
    row = ctx.write(lambda: _trade(ctx, row_scope, claims, proof))
    if row is None:  # the transaction ended the session; an exception would have undone that
        raise _refused()
    return row_scope, row


def void_all(tx: Transaction, owner: str) -> None:
    """Void all codes of a user."""
    _VOID_ALL.run(tx, RowScope(owner).parameters())


def challenge_of(verifier: str) -> str:
    """Return the challenge of a verifier by the method S256 (RFC 7636 §4.2)."""
    return urlsafe_b64encode(hashlib.sha256(verifier.encode()).digest()).rstrip(b"=").decode()


def _trade(ctx: Context, row_scope: RowScope, claims: Claims, proof: Proof) -> AnyRow | None:
    user = find(ctx.tx, User, row_scope, claims.owner, selected_columns(User, "disabled"))
    if user is None or user.disabled:
        raise _refused()
    code = find(ctx.tx, OAuthCode, row_scope, claims.session, _COLUMNS)
    if code is None:
        columns = selected_columns(Session, "label")
        ended = remove(ctx.tx, Session, row_scope, claims.session, columns)
        if ended is not None:
            record(ctx, claims.owner, REVOKE, ended.label, OAuthError.name)
        return None
    if claims.expires <= now().timestamp() or not _is_proven(code, proof):
        raise _refused()
    remove(ctx.tx, OAuthCode, row_scope, code.key, selected_columns(OAuthCode, "key"))
    return sessions.begin(
        ctx,
        row_scope,
        SessionOptions(
            code.label,
            code.scope,
            None,
            code.list,
            None if code.life is None else timedelta(seconds=code.life),
            code.client_id,
            code.key,
        ),
    )


def _is_proven(code: AnyRow, proof: Proof) -> bool:
    if (proof.client_id, proof.redirect_uri) != (code.client_id, code.redirect_uri):
        return False
    return hmac.compare_digest(challenge_of(proof.verifier), code.challenge)


def _refused() -> OAuthError:
    return OAuthError.of(
        "invalid_grant",
        "the code was used, has expired, or belongs to another client_id, redirect_uri or "
        "code_verifier",
    )


_VOID_ALL = Statement(delete(OAuthCode).where(*owned(OAuthCode, bound=False)))
