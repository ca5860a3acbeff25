"""The context of one request, which the code of a request passes as an argument.

The request handler creates it. The pipeline then sets the principal after authentication, and the
transaction while one is open.
"""

import re
from collections.abc import Callable
from contextlib import AbstractContextManager
from functools import partial
from time import perf_counter
from typing import Any, TypeVar

from hyperapi.common.concurrency import ConcurrencyLimit
from hyperapi.http.principal import Principal
from hyperapi.http.uris import Uris
from hyperapi.settings import Settings
from hyperapi.state import AppState
from hyperapi.storage.database import Database, Transaction
from hyperapi.storage.row_scope import RowScope

Result = TypeVar("Result")

_TRACEPARENT = re.compile(
    r"(?!ff)[0-9a-f]{2}-(?!0{32})(?P<trace_id>[0-9a-f]{32})-(?!0{16})(?P<parent_id>[0-9a-f]{16})"
    r"-[0-9a-f]{2}(-.*)?"
)


class Context:
    """The context of one request.

    :ivar environ: the WSGI environment.
    :ivar path: the path below the prefix.
    :ivar rule: the URL rule that matched; None when none did.
    :ivar principal_or_none: the principal; None when the request has no token.
    :ivar principal: the principal. It is only set when the operation requires a token.
    :ivar row_scope: the rows that the principal may access. It is set with the principal.
    :ivar tx: the open transaction, only inside of :meth:`read` and :meth:`write`.
    :ivar media_type: the media type of the reply.
    :ivar body_taken: whether the request's body was read completely.
    :ivar seen_version: the version that If-Match named; None without one.
    :ivar logged: further members of the request's log line; None without any.
    :ivar version_key: the key that hides versions from a list-bound token; None for other tokens.
    :ivar rate_limit: the values of the RateLimit headers.
    :ivar first_revision: the revision of the first change in the open transaction; None without
        one.
    :ivar undoable: whether before-images of all changes in the open transaction are kept.
    """

    __slots__ = (
        "body_taken",
        "environ",
        "first_revision",
        "logged",
        "media_type",
        "method",
        "path",
        "principal",
        "principal_or_none",
        "rate_limit",
        "request_id",
        "row_scope",
        "rule",
        "seen_version",
        "settings",
        "started",
        "state",
        "tx",
        "undoable",
        "uris",
        "version_key",
    )

    principal: Principal
    row_scope: RowScope
    tx: Transaction

    def __init__(self, state: AppState, environ: dict[str, Any], uris: Uris) -> None:
        self.state = state
        self.settings: Settings = state.settings
        self.environ = environ
        self.uris = uris
        self.method: str = environ["REQUEST_METHOD"]
        self.path: str = environ.get("PATH_INFO", "")
        self.started = perf_counter()
        self.request_id = ""
        self.rule: str | None = None
        self.principal_or_none: Principal | None = None
        self.media_type = ""
        self.body_taken = False
        self.seen_version: int | str | None = None
        self.rate_limit: tuple[tuple[int, int], str, str] | None = None
        self.logged: dict[str, Any] | None = None
        self.version_key: bytes | None = None
        self.first_revision: int | None = None
        self.undoable = True

    def identify(self, principal: Principal) -> None:
        """Set the principal and its row scope."""
        self.principal = self.principal_or_none = principal
        self.row_scope = RowScope(principal.user, principal.only_list)

    def read(self, work: Callable[[], Result]) -> Result:
        """Run ``work`` in a read-only transaction; see :meth:`Database.read`."""
        return self.state[Database].read(partial(self._within, work))

    def write(self, work: Callable[[], Result]) -> Result:
        """Run ``work`` in a writing transaction; see :meth:`Database.write`."""
        return self.state[Database].write(partial(self._within, work))

    def write_nowait(self, work: Callable[[], object]) -> None:
        """Run ``work`` in a writing transaction, without waiting for other writers."""
        self.state[Database].write_nowait(partial(self._within, work))

    def waiting(self) -> AbstractContextManager[None]:
        """Let other requests run during the block, in which this one only waits."""
        return self.state[ConcurrencyLimit].released()

    def _within(self, work: Callable[[], Result], tx: Transaction) -> Result:
        self.tx = tx
        self.first_revision, self.undoable = None, True  # an earlier attempt was rolled back
        try:
            return work()
        finally:
            del self.tx

    @property
    def trace(self) -> dict[str, str]:
        """The trace ids of the request's ``traceparent`` header (W3C Trace Context)."""
        match = _TRACEPARENT.fullmatch(self.environ.get("HTTP_TRACEPARENT", ""))
        return {} if match is None else match.groupdict()

    @property
    def log_extra(self) -> dict[str, dict[str, str]]:
        """The ``extra`` of a logging call, which adds the request's id and trace."""
        return {"fields": {"request_id": self.request_id, **self.trace}}

    @property
    def content_length(self) -> int | None:
        """The announced length of the body; None without one."""
        text = self.environ.get("CONTENT_LENGTH") or ""
        return int(text) if text.isascii() and text.isdigit() else None
