"""Requests that may be sent again: the first reply is kept, in the transaction of its effect.

A client that lost a reply repeats the request with the same ``Idempotency-Key`` and is given what
it missed. Of the request's body only an HMAC is kept.
"""

import hashlib
import re
import zlib
from datetime import datetime, timedelta

import orjson
from flask import Response, current_app, request
from itsdangerous import Signer
from sqlalchemy import bindparam, delete, insert, select

from hyperapi.access import Reach, owned
from hyperapi.clock import now
from hyperapi.db import Statement
from hyperapi.models import KeptReply
from hyperapi.settings import Settings
from hyperapi.web.forms import media_type
from hyperapi.web.problems import BadRequest, KeyReused

_KEY = re.compile(
    r'"(?P<quoted>[\x21\x23-\x7e]{1,255})"|(?P<bare>[\x21\x23-\x7e][\x21-\x7e]{0,254})'
)
_LEVEL = 1  # of compression: a page of forms takes a thirtieth of its room already


def sent_key() -> str | None:
    """The request's Idempotency-Key, without its quotes; None when it has none.

    :raises BadRequest: for one that is malformed.
    """
    header = request.environ.get("HTTP_IDEMPOTENCY_KEY")
    if header is None:
        return None
    match = _KEY.fullmatch(header.strip(" \t"))
    if match is None:
        raise BadRequest("Send an Idempotency-Key of 1 to 255 visible ASCII characters.")
    return match["quoted"] or match["bare"]


def kept_reply(reach: Reach, key: str, body: bytes) -> Response | None:
    """The reply that the same request was given before, marked as replayed.

    :raises KeyReused: when the key came with another body.
    """
    identity = {**_identity(reach, key), "since": _horizon()}
    row = _FIND.row(identity)
    if row is None:
        return None
    if not _signer().verify_signature(_asked(body), row.asked.encode()):
        raise KeyReused
    headers = [(name, value) for name, value in orjson.loads(row.headers)]
    response = Response([zlib.decompress(row.body)], row.status, direct_passthrough=True)
    response.headers.clear()
    response.headers.extend([*headers, ("Idempotent-Replayed", "true")])
    return response


def keep_reply(reach: Reach, key: str, body: bytes, response: Response) -> None:
    """Keep a reply for whoever asks again."""
    identity = _identity(reach, key)
    _FORGET.run(identity)  # one that is too old to be given may still be there
    _KEEP.run(
        {
            **{f"{name}_": value for name, value in identity.items()},
            "asked_": _signer().get_signature(_asked(body)).decode(),
            "status_": response.status_code,
            "headers_": orjson.dumps(list(response.headers)).decode(),
            "body_": zlib.compress(b"".join(response.response), _LEVEL),  # type: ignore[arg-type]
            "created_at_": now(),
        }
    )


def _identity(reach: Reach, key: str) -> dict[str, str]:
    within = "" if reach.only_list is None else f" {reach.only_list}"  # sees no other's replies
    return {"of_owner": reach.owner, "target": request.path + within, "key": key}


def _asked(body: bytes) -> bytes:
    kind = media_type(request.environ.get("CONTENT_TYPE", ""))
    return kind.encode() + b"\n" + body


def _settings() -> Settings:
    found: Settings = current_app.extensions["hyperapi.settings"]
    return found


def _horizon() -> datetime:
    """Replies kept before this are given no more."""
    return now() - timedelta(seconds=_settings().idempotency_lifetime)


def _signer() -> Signer:
    return Signer(
        list(_settings().secret_keys),
        salt="hyperapi.idempotency",
        key_derivation="hmac",
        digest_method=hashlib.sha256,
    )


_THIS = [
    *owned(KeptReply, bound=False),
    KeptReply.target == bindparam("target"),
    KeptReply.key == bindparam("key"),
]
_FIND = Statement(
    select(KeptReply.asked, KeptReply.status, KeptReply.headers, KeptReply.body).where(
        *_THIS, KeptReply.created_at > bindparam("since")
    )
)
_FORGET = Statement(delete(KeptReply).where(*_THIS))
_KEEP = Statement(
    insert(KeptReply).values(
        owner=bindparam("of_owner_"),
        **{
            name: bindparam(f"{name}_")
            for name in ("target", "key", "asked", "status", "headers", "body", "created_at")
        },
    )
)
