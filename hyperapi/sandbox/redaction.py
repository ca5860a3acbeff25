"""Requests and replies without their secrets: passwords, tokens, codes, tickets and cookies."""

import re
from typing import Any
from urllib.parse import parse_qsl, urlencode

import orjson

from hyperapi.http.bodies import FORM, media_type

HIDDEN = "(hidden)"

_SECRET = re.compile(
    "password|secret|token|ticket|verifier|challenge|nonce|cookie|credential|assertion"
    "|authorization|(^|_)code(_|$)|^state$",
    re.IGNORECASE,
)
"""Names of members and parameters whose values are secret. Some have other values too."""
_IN_QUERY = re.compile(r"([?&;])([^=&;#\s]+)=([^&;#\s]*)")
_LONGEST_PATH = 2000


def shown_path(path: str, query: str) -> str:
    """Return a path of a WSGI environment with its query string."""
    text = path.encode("latin-1", "replace").decode("utf-8", "replace")
    if query:
        pairs = parse_qsl(query, keep_blank_values=True)
        text += "?" + urlencode(
            [(name, HIDDEN if _SECRET.search(name) else value) for name, value in pairs], safe="()"
        )
    return text[:_LONGEST_PATH]


def shown_body(body: bytes, content_type: str, most: int) -> str:
    """Return the beginning of a body, when its secrets can be told apart: in JSON and forms.

    :param most: the bytes of UTF-8 that are returned.
    """
    kind = media_type(content_type)
    try:
        if kind == FORM:
            text = shown_path("", body.decode()).removeprefix("?")
        elif kind.endswith("json"):
            text = orjson.dumps(_without_secrets(orjson.loads(body))).decode()
        else:
            return f"({len(body)} bytes of {kind})" if body else ""
    except ValueError:
        return f"({len(body)} bytes that are no {kind})" if body else ""
    return text.encode()[:most].decode(errors="ignore")


def _without_secrets(value: Any) -> Any:
    if isinstance(value, dict):
        return {
            name: HIDDEN
            if _SECRET.search(name) and isinstance(each, str)
            else _without_secrets(each)
            for name, each in value.items()
        }
    if isinstance(value, list):
        return [_without_secrets(each) for each in value]
    return _IN_QUERY.sub(_shown_pair, value) if isinstance(value, str) else value


def _shown_pair(pair: re.Match[str]) -> str:
    return f"{pair[1]}{pair[2]}={HIDDEN}" if _SECRET.search(pair[2]) else pair[0]
