"""Reports of broken rules: which operation, what was sent and received, and what to do about it."""

import json
import re
import shlex
from collections import deque
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from textwrap import indent
from typing import Any

from werkzeug.test import TestResponse

from hyperapi.http.content_coding import CODINGS
from hyperapi.http.responses import EVENT_STREAM
from hyperapi.testing.replies import decoded

_MOST_EXCHANGES = 3
_MOST_CHARACTERS = 600
_SECRET = re.compile(
    r"""(\bhy[ar]_|^(?:>\ )?Authorization:\ \w+\ |"[a-z_]*password":\ ?"|\bpassword=)[^\s"]+""",
    re.VERBOSE | re.MULTILINE,
)
"""Tokens, credentials in headers, and passwords in JSON."""


@dataclass(frozen=True)
class Exchange:
    """A request and its reply.

    :param sent: the arguments of the test client.
    """

    sent: Mapping[str, Any]
    reply: TestResponse

    def __str__(self) -> str:
        request = self.reply.request
        target = request.full_path.rstrip("?")
        headers = _lines({**request.headers})
        asked = [f"{request.method} {target}", *headers, *_shortened(_body_of(self.sent))]
        return _masked("\n".join([*(f"> {each}" for each in asked), self.answer]))

    def _told(self) -> bytes:
        """The body of the reply, without a content coding; a stream is not read."""
        if self.reply.content_type == EVENT_STREAM:
            return b""
        body: bytes = self.reply.data
        coding = self.reply.headers.get("Content-Encoding")
        try:
            return decoded(body, coding if coding in CODINGS else None)
        except Exception:  # the fault may be the coding itself
            return body

    @property
    def curl(self) -> str:
        """The request as a command, without secrets."""
        request = self.reply.request
        headers = {**request.headers}
        headers.pop("Host", None)
        if (length := headers.pop("Content-Length", "")) and int(length) > _MOST_CHARACTERS:
            headers["Content-Length"] = f"{length} (not shown)"
        parts = ["curl", "-i", "-X", request.method]
        parts += [part for name, value in headers.items() for part in ("-H", f"{name}: {value}")]
        if body := _body_of(self.sent):
            parts += ["--data-binary", "\n".join(_shortened(body)).strip()]
        return shlex.join(map(_masked, [*parts, request.url]))

    @property
    def answer(self) -> str:
        """The reply, without secrets."""
        told = [self.reply.status, *_lines({**self.reply.headers}), *_shortened(self._told())]
        return _masked("\n".join(f"< {each}" for each in told))


class History(deque[Exchange]):
    """The last requests that were sent, and their replies."""

    def __init__(self) -> None:
        super().__init__(maxlen=_MOST_EXCHANGES)


@dataclass(frozen=True)
class Violation:
    """A rule that an operation breaks. As text it is the whole report.

    :param where: the method and the path of the operation.
    :param rule: the name of the rule.
    :param clause: the meaning of the rule.
    :param fix: what the author of the operation can do.
    :param found: the failed comparison.
    :param exchanges: the last requests of the check.
    """

    where: str
    rule: str
    clause: str
    fix: str
    found: str
    exchanges: tuple[Exchange, ...] = ()

    def __str__(self) -> str:
        return self._told([str(each) for each in self.exchanges])

    def with_curl(self) -> str:
        """The report with each request as a command of curl."""
        return self._told([f"{each.curl}\n{each.answer}" for each in self.exchanges])

    def _told(self, exchanges: list[str]) -> str:
        parts = [
            f"{self.where} breaks the rule {self.rule}.",
            f"The rule:\n{indent(self.clause, '    ')}",
            f"To fix it:\n{indent(self.fix, '    ')}",
            f"Found:\n{indent(_masked(self.found), '    ')}",
        ]
        if exchanges:
            parts.append("The last requests of the check, in their order:")
            parts += [indent(each, "    ") for each in exchanges]
        return "\n\n".join(parts)


def found_in(failure: BaseException) -> str:
    """The text of a failed check. A failure of another kind has its type in front."""
    text = str(failure)
    if not isinstance(failure, AssertionError):
        text = f"{type(failure).__name__}: {text}. The reply is not one that the check can read."
    return text[: _MOST_CHARACTERS * 4]


def _masked(text: str) -> str:
    return _SECRET.sub(r"\1(not shown)", text)


def _lines(headers: Mapping[str, str]) -> Iterable[str]:
    return (f"{name}: {value[:_MOST_CHARACTERS]}" for name, value in headers.items())


def _body_of(sent: Mapping[str, Any]) -> bytes:
    if "json" in sent:
        return json.dumps(sent["json"]).encode()
    data = sent.get("data", b"")
    return data.encode() if isinstance(data, str) else bytes(data)


def _shortened(body: bytes) -> list[str]:
    """A body as lines behind an empty one, with its size where a part is left out."""
    if not body:
        return []
    text = body.decode(errors="replace")
    left = len(text) - _MOST_CHARACTERS
    more = f"… {left} characters more" if left > 0 else ""
    return ["", *text[:_MOST_CHARACTERS].splitlines(), *([more] if more else [])]
