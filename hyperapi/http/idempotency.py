"""Idempotency records: a POST with an Idempotency-Key takes effect once.

The first reply is recorded in the transaction of its effect. A client that repeats the request with
the same key gets the recorded reply. Only an HMAC of the request's body is stored.
"""

import hashlib
import re
import zlib
from datetime import datetime, timedelta

import orjson
from itsdangerous import Signer
from sqlalchemy import bindparam, delete, insert, select

from hyperapi.common.clock import now
from hyperapi.http.bodies import media_type
from hyperapi.http.context import Context
from hyperapi.http.problems import BadRequest, KeyReused
from hyperapi.http.wsgi_response import Response
from hyperapi.storage.database import Statement
from hyperapi.storage.models import IdempotencyRecord
from hyperapi.storage.row_scope import RowScope, owned

_KEY = re.compile(
    r'"(?P<quoted>[\x21\x23-\x7e]{1,255})"|(?P<bare>[\x21\x23-\x7e][\x21-\x7e]{0,254})'
)
_LEVEL = 1  # of compression: it already reduces a page with forms to a thirtieth


def sent_key(ctx: Context) -> str | None:
    """Return the request's Idempotency-Key without quotes; None when it has none.

    :raises BadRequest: for a malformed key.
    """
    header = ctx.environ.get("HTTP_IDEMPOTENCY_KEY")
    if header is None:
        return None
    match = _KEY.fullmatch(header.strip(" \t"))
    if match is None:
        raise BadRequest("Send an Idempotency-Key of 1 to 255 visible ASCII characters.")
    return match["quoted"] or match["bare"]


def recorded_reply(ctx: Context, row_scope: RowScope, key: str, body: bytes) -> Response | None:
    """Return the recorded reply of the same request, marked as replayed; None without one.

    :raises KeyReused: when the key was used with another body.
    """
    identity = {**_identity(ctx, row_scope, key), "since": _horizon(ctx)}
    row = _FIND.row(ctx.tx, identity)
    if row is None:
        return None
    if not _signer(ctx).verify_signature(_signed_request(ctx, body), row.asked.encode()):
        raise KeyReused
    headers = [(name, value) for name, value in orjson.loads(row.headers)]
    replayed = [*headers, ("Idempotent-Replayed", "true")]
    return Response(row.status, replayed, zlib.decompress(row.body))


def record_reply(
    ctx: Context, row_scope: RowScope, key: str, body: bytes, response: Response
) -> None:
    """Record a reply for repeated requests."""
    identity = _identity(ctx, row_scope, key)
    _DELETE.run(ctx.tx, identity)  # an expired record may still exist
    _INSERT.run(
        ctx.tx,
        {
            **{f"{name}_": value for name, value in identity.items()},
            "asked_": _signer(ctx).get_signature(_signed_request(ctx, body)).decode(),
            "status_": response.status,
            "headers_": orjson.dumps(response.headers).decode(),
            "body_": zlib.compress(response.body, _LEVEL),
            "created_at_": now(),
        },
    )


def _identity(ctx: Context, row_scope: RowScope, key: str) -> dict[str, str]:
    bound = "" if row_scope.only_list is None else f" {row_scope.only_list}"  # records of its own
    return {"of_owner": row_scope.owner, "target": ctx.path + bound, "key": key}


def _signed_request(ctx: Context, body: bytes) -> bytes:
    type_ = media_type(ctx.environ.get("CONTENT_TYPE", ""))
    return type_.encode() + b"\n" + body


def _horizon(ctx: Context) -> datetime:
    """Return the instant before which records are expired."""
    return now() - timedelta(seconds=ctx.settings.idempotency_lifetime)


def _signer(ctx: Context) -> Signer:
    return Signer(
        list(ctx.settings.secret_keys),
        salt="hyperapi.idempotency",
        key_derivation="hmac",
        digest_method=hashlib.sha256,
    )


_THIS = [
    *owned(IdempotencyRecord, bound=False),
    IdempotencyRecord.target == bindparam("target"),
    IdempotencyRecord.key == bindparam("key"),
]
_FIND = Statement(
    select(
        IdempotencyRecord.asked,
        IdempotencyRecord.status,
        IdempotencyRecord.headers,
        IdempotencyRecord.body,
    ).where(*_THIS, IdempotencyRecord.created_at > bindparam("since"))
)
_DELETE = Statement(delete(IdempotencyRecord).where(*_THIS))
_INSERT = Statement(
    insert(IdempotencyRecord).values(
        owner=bindparam("of_owner_"),
        **{
            name: bindparam(f"{name}_")
            for name in ("target", "key", "asked", "status", "headers", "body", "created_at")
        },
    )
)
