"""Recovery: the page of the link with which a user sets a new password.

``hyperapi users recover`` prints the link. Its form works without a script, and programs send the
same as JSON. The token authorizes the change: a browser adds nothing by itself.
"""

import re
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from functools import partial
from types import MappingProxyType
from typing import Annotated, Any

from pydantic import Field

from hyperapi.auth import recovery
from hyperapi.auth.common_passwords import refuse_common
from hyperapi.auth.passwords import LONGEST, SHORTEST, Passwords
from hyperapi.auth.recovery import Recoverable, find_recoverable
from hyperapi.common.clock import write_instant
from hyperapi.http.about import site_of
from hyperapi.http.bodies import FORM, JSON, Body
from hyperapi.http.client_network import client_address
from hyperapi.http.context import Context
from hyperapi.http.forms import FormSpec, offers
from hyperapi.http.problems import ForeignOrigin, Invalid, RecoveryInvalid, TooManyRequests
from hyperapi.http.responses import NO_STORE, OWNED_VARY, Reply
from hyperapi.http.routes import Route
from hyperapi.http.scopes import OPEN
from hyperapi.http.wsgi_response import Compression, Response
from hyperapi.middleware.rate_limit import Limits, hashing
from hyperapi.middleware.sign_in_log import log_user, logged
from hyperapi.querying.query_string import KeyOf, Parameter, QueryError, QueryReader
from hyperapi.representations import html
from hyperapi.representations import recovery as pages
from hyperapi.representations.recovery import RecoveryPage
from hyperapi.representations.resource import Resource
from hyperapi.representations.resource_type import Members, ResourceType
from hyperapi.resources.users import NewPassword

RECOVERY = Route("recovery", "/recovery")


class RecoveryQuery:
    """The query of the link: its token."""

    filters: Any = MappingProxyType({})
    sorts: Any = MappingProxyType({})
    parameters = ("token",)

    def documented(self) -> list[Parameter]:
        """Return the parameter."""
        schema = {"type": "string", "pattern": recovery.PATTERN}
        return [Parameter("token", "token of the link from the operator", schema)]

    def parse(self, arguments: Iterable[tuple[str, str]], key_of: KeyOf) -> str:
        """Return the token; empty without one.

        :raises QueryError: for other parameters.
        """
        reader = QueryReader(self, arguments, key_of)
        token: str = reader.single("token", _token, "")
        if reader.errors:
            raise QueryError(reader.errors)
        return token


def _token(text: str) -> str:
    if not re.fullmatch(recovery.PATTERN, text):
        raise ValueError("must be that of the whole link from the operator")
    return text


class RecoveryRequest(Body):
    """The token of the link, and the new password."""

    token: Annotated[
        str,
        Field(title="Token of the link", max_length=recovery.LONGEST, pattern=recovery.PATTERN),
    ]
    password: NewPassword

    @classmethod
    def read(cls, ctx: Context, *sent: Any) -> Body:
        """Parse the body.

        :raises ForeignOrigin: when a page of another origin sent it.
        """
        _refuse_foreign(ctx)
        return super().read(ctx, *sent)


class RecoveryMembers(Members):
    """The name of the account whose password the link sets; null without a link."""

    username: str | None


RECOVERY.returns = RECOVERY_TYPE = ResourceType(
    "Recovery", RecoveryMembers, links=("tokens",), titled_by="username"
)

FORMS = (
    FormSpec("recover", "Set a new password", RECOVERY, "POST", body=RecoveryRequest, media=JSON),
)


@RECOVERY.get(
    scope=OPEN,
    query=RecoveryQuery(),
    own_transactions=True,
    problems=(RecoveryInvalid, TooManyRequests),
)
def get_recovery(ctx: Context, token: str) -> Resource | Reply | Response:
    """Show whose password a link sets, with the form to do so."""
    if not token:
        return _resource(ctx, None, {})
    with _attempt(ctx):
        user = ctx.read(lambda: find_recoverable(ctx, token))
    if ctx.media_type == html.MEDIA_TYPE:
        return _page(ctx, _form_of(ctx, user, token))
    return Reply(_resource(ctx, user.username, {"token": token}), secret=True)


@RECOVERY.post(
    scope=OPEN,
    body=RecoveryRequest,
    media=(JSON, FORM),
    own_transactions=True,
    statuses=(200,),
    problems=(ForeignOrigin, RecoveryInvalid, TooManyRequests),
)
def recover(ctx: Context, sent: RecoveryRequest) -> Reply | Response:
    """Set a new password with the token of a link. All sessions of the user end."""
    with logged(ctx, "recover"), _attempt(ctx):
        user = ctx.read(lambda: find_recoverable(ctx, sent.token))
        log_user(ctx, user.key)
        try:
            refuse_common(ctx.state, sent.password)
        except Invalid as refused:
            if ctx.media_type != html.MEDIA_TYPE:
                raise
            return _page(ctx, _form_of(ctx, user, sent.token, refused), refused.status)
        with hashing(ctx) as address:
            hashed = ctx.state[Passwords].hash(sent.password, address)
        ctx.write(lambda: recovery.set_password(ctx, sent.token, hashed))
    if ctx.media_type == html.MEDIA_TYPE:
        done = RecoveryPage(username=user.username, action=ctx.uris.uri("root"))
        return _page(ctx, done, compression=Compression.EACH)
    return Reply(_resource(ctx, user.username, {}), secret=True)


@contextmanager
def _attempt(ctx: Context) -> Iterator[None]:
    """Count an attempt of the client's address. Tokens that are not valid count as failed sign-ins.

    :raises TooManyRequests: when a limit is exceeded.
    """
    address, limits = client_address(ctx), ctx.state[Limits]
    limits.requests.count(ctx, address)
    with limits.sign_in_address.count_failures(ctx, RecoveryInvalid, address):
        yield


def _refuse_foreign(ctx: Context) -> None:
    """Refuse what a page of another origin sends.

    The form of our page has the origin ``null``, because the page sends no referrer. Browsers that
    know where it comes from say so in ``Sec-Fetch-Site``.

    :raises ForeignOrigin: for such a request.
    """
    scheme, host, _ = ctx.uris.base
    origin = ctx.environ.get("HTTP_ORIGIN", "null")
    site = ctx.environ.get("HTTP_SEC_FETCH_SITE", "none")
    if origin not in ("null", f"{scheme}://{host}") or site not in ("none", "same-origin"):
        raise ForeignOrigin


def _resource(ctx: Context, username: str | None, values: dict[str, Any]) -> Resource:
    forms = partial(offers, ctx, FORMS, RECOVERY.uri(ctx), values)
    links = {"tokens": ctx.uris.uri("tokens")}
    return Resource(RECOVERY_TYPE, RECOVERY.uri(ctx), {"username": username}, links, forms=forms)


def _form_of(
    ctx: Context, user: Recoverable, token: str, refused: Invalid | None = None
) -> RecoveryPage:
    return RecoveryPage(
        username=user.username,
        action=RECOVERY.uri(ctx),
        token=token,
        until=write_instant(user.until),
        shortest=SHORTEST,
        longest=LONGEST,
        error="" if refused is None else f"It {refused.members['errors'][0]['detail']}.",
    )


def _page(
    ctx: Context,
    page: RecoveryPage,
    status: int = 200,
    compression: Compression = Compression.NEVER,
) -> Response:
    site = site_of(ctx)
    headers = [
        *pages.headers(site),
        ("Vary", OWNED_VARY),
        ("Cache-Control", NO_STORE),
        ("Content-Type", html.CONTENT_TYPE),
    ]
    return Response(status, headers, pages.written(page, site).encode(), compression)
